"""Numbers of one posterior that a sensitivity analysis looks at: sds, average weights, group means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blupbayes.bayes.mixture import CLOSE
from blupbayes.bayes.shares import share_table
from blupbayes.compare.ledger import keys
from blupbayes.errors import DataError
from blupbayes.exact_posterior import ExactPosterior
from blupbayes.mme.statistics import Statistics
from blupbayes.model.design import Design, Group

__all__ = ["Means", "chosen_levels", "posterior_rows", "sd_quantiles"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Means:
    """Which of [beta, b, group means] are the means of groups: beta_k + b_jk, or b_jk where there is no beta_k."""

    statistics: Statistics

    @cached_property
    def labels(self) -> pd.DataFrame:
        """component, group, level, term of all of them."""
        return keys(self.statistics.groups, self.statistics.fixed_names)

    @cached_property
    def where(self) -> NDArray[np.intp]:
        """Their places (N,)."""
        t = self.labels
        alone = (t["component"] == "b") & ~t["term"].isin(list(self.statistics.fixed_names))
        return np.flatnonzero((t["component"] == "group_mean") | alone)

    def chosen(self, levels: Mapping[str, Sequence[str]]) -> NDArray[np.intp]:
        """The places of some levels, in the order in which they are named."""
        t = self.labels.iloc[self.where]
        found = [
            self.where[(t["group"] == g) & (t["level"] == level)]
            for g, some in levels.items()
            for level in some
        ]
        return np.concatenate([np.zeros(0, dtype=np.intp), *found])

    def rows(self, which: NDArray[np.intp]) -> pd.DataFrame:
        """component (always group_mean), group, level, term of some."""
        return self.labels.iloc[which].assign(component="group_mean").reset_index(drop=True)


def chosen_levels(design: Design, levels: Any, b: Array) -> dict[str, tuple[str, ...]]:
    """Group -> levels, from what a user asked for; None is the lowest and the highest of the first group.

    Parameters
    ----------
    design : Design
    levels : None, "all", sequence of level names of the first group, or {group: the same}
    b : array (J,)
        BLUPs of the first coefficient of the first group; where all are 0, the means of y decide.

    Raises
    ------
    DataError
        If there is no such group or level.
    """
    first = design.groups[0]
    if levels is None:
        return {first.name: extremes(first, b if np.ptp(b) > 0 else raw_means(design, 0))}
    asked = dict(levels) if isinstance(levels, Mapping) else {first.name: levels}
    known = {g.name: g for g in design.groups}
    out = {}
    for name, some in asked.items():
        if name not in known:
            raise DataError(f"levels: there is no grouping factor {name!r}; there are {', '.join(known)}.")
        own = known[name].levels
        wanted = own if isinstance(some, str) and some == "all" else tuple(map(str, np.atleast_1d(some)))
        missing = [level for level in wanted if level not in own]
        if missing:
            raise DataError(f"levels: {name} has no level {missing[0]!r}; it has {', '.join(own[:8])} ...")
        out[str(name)] = tuple(wanted)
    return out


def extremes(group: Group, values: Array) -> tuple[str, ...]:
    """The levels with the lowest and the highest value."""
    return tuple(dict.fromkeys((group.levels[int(values.argmin())], group.levels[int(values.argmax())])))


def raw_means(design: Design, group: int) -> Array:
    """Means (J,) of y minus offset by level."""
    return design.measures.groups[group].means


def sd_quantiles(post: ExactPosterior, probs: Sequence[float]) -> Array:
    """Quantiles (len(probs), K) of every sd."""
    mixture = post.integral.mixture
    tolerance = CLOSE * mixture.rel_error
    curves = [mixture.sd_curve(k) for k in range(mixture.points.sds.shape[1])]
    return np.column_stack([curve.quantiles(probs, tolerance) for curve in curves])


def posterior_rows(
    post: ExactPosterior, means: Means, which: NDArray[np.intp], ci_prob: float
) -> pd.DataFrame:
    """component, group, level, term, estimate, ci_lb, ci_ub, uncertainty of one posterior.

    sd: median, equal-tailed interval, posterior sd. weight: averaged over levels, posterior mean. group_mean: posterior
    mean.
    """
    probs, integral = ((1 - ci_prob) / 2, 0.5, (1 + ci_prob) / 2), post.integral
    names = [(g.name, name) for g in means.statistics.groups for name in g.names]
    sds = sd_quantiles(post, probs)
    labels = pd.DataFrame(names, columns=["group", "term"]).assign(level="")
    spread = integral.moments[1, 1 : 1 + len(names)]
    sd = labels.assign(component="sd", estimate=sds[1], ci_lb=sds[0], ci_ub=sds[2], uncertainty=spread)
    found = share_table(integral, probs)
    weight = labels.assign(
        component="weight",
        estimate=found["estimate"],
        ci_lb=found[probs[0]],
        ci_ub=found[probs[2]],
        uncertainty=found["posterior_sd"],
    )
    first = integral.moments.shape[1] - integral.mixture.points.base.shape[1]
    ends = [
        integral.mixture.linear_quantiles((probs[0], probs[2]), slice(k, k + 1))[:, 0] for k in which.tolist()
    ]
    own = means.rows(which).assign(
        estimate=integral.moments[0, first + which],
        ci_lb=[low for low, _ in ends],
        ci_ub=[high for _, high in ends],
        uncertainty=integral.moments[1, first + which],
    )
    columns = ["component", "group", "level", "term", "estimate", "ci_lb", "ci_ub", "uncertainty"]
    return pd.concat([sd, weight, own], ignore_index=True)[columns]
