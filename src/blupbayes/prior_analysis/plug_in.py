"""The REML answer, beside which posteriors stand: estimates, BLUPs, profile intervals and the weights at their ends."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blupbayes.compare.effects import effects, pivoted
from blupbayes.compare.ledger import stack
from blupbayes.mme.fit import Estimate
from blupbayes.mme.gaussian import posterior
from blupbayes.prior_analysis.measure import Means
from blupbayes.prior_analysis.profile_ends import Ends, average_weights, profile_ends

__all__ = ["PlugIn"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PlugIn:
    """REML estimates with everything plugged in at them."""

    fit: Estimate
    ci_prob: float

    @cached_property
    def solved(self) -> Any:
        """The Gaussian posterior at the estimates."""
        return pivoted(posterior(self.fit.statistics, self.fit.T, self.fit.sigma))

    @cached_property
    def ends(self) -> Ends:
        """Profile intervals of the sds."""
        return profile_ends(self.fit, self.ci_prob)

    @cached_property
    def linear(self) -> tuple[Array, Array]:
        """Values, and sds of their errors, (Q,) of [beta, b, group means]."""
        s = self.fit.statistics
        values, variances = stack(s.groups, s.fixed_names, self.solved)
        return values, np.sqrt(np.maximum(variances, 0.0))

    @cached_property
    def sds(self) -> Array:
        """Estimates (K,)."""
        return np.concatenate([self.fit.sigma * np.linalg.norm(T, axis=1) for T in self.fit.T])

    @cached_property
    def coefficients(self) -> tuple[tuple[str, str], ...]:
        """Group and term (K,)."""
        return tuple((g.name, name) for g in self.fit.statistics.groups for name in g.names)

    def rows(self, which: NDArray[np.intp]) -> pd.DataFrame:
        """Rows sd, weight and group_mean; ``which``: places of the means that are shown."""
        labels = pd.DataFrame(self.coefficients, columns=["group", "term"]).assign(level="")
        e = self.ends
        notes = [why or "REML profile interval" for why in e.notes]
        sd = labels.assign(component="sd", estimate=self.sds, ci_lb=e.low, ci_ub=e.high, note=notes)
        share = average_weights(self.fit, self.fit.theta, self.fit.sigma)
        why = "plug-in; weights at the ends of the profile interval"
        weight = labels.assign(
            component="weight", estimate=share, ci_lb=e.weight_low, ci_ub=e.weight_high, note=why
        )
        table = pd.concat([sd, weight], ignore_index=True).assign(uncertainty=np.nan)
        means = self.mean_rows(which)
        return pd.concat([table, means], ignore_index=True) if len(means) else table

    def mean_rows(self, which: NDArray[np.intp]) -> pd.DataFrame:
        """Group means: normal intervals of pev_sd; the note has the smaller cond_sd of b."""
        z = NormalDist().inv_cdf(0.5 + 0.5 * self.ci_prob)
        s, values, spread = self.fit.statistics, self.linear[0][which], self.linear[1][which]
        cond = effects(s.groups, self.solved).set_index(["group", "level", "term"])["cond_sd"].to_dict()
        rows = Means(s).rows(which)
        keys = zip(rows["group"], rows["level"], rows["term"], strict=True)
        return rows.assign(
            estimate=values,
            ci_lb=values - z * spread,
            ci_ub=values + z * spread,
            uncertainty=spread,
            note=[f"pev_sd; cond_sd of b {cond[key]:.4g}" for key in keys],
        )
