"""The identities of a comparison: both sides collected from its data, its REML variances and its posteriors.

Left sides are the package's: mme/, bayes/, predict. Right sides are compare/dense.py, on all rows where V fits, else
on whole groups.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blupbayes.bayes.density import BetaPrior, log_marginal
from blupbayes.compare.dense import Dense
from blupbayes.compare.effects import weights
from blupbayes.compare.identity import Identity, rounding, tabulate
from blupbayes.compare.modes import Slopes, dense_slopes, mode_identities
from blupbayes.compare.oneway import oneway, oneway_identities
from blupbayes.errors import ComparisonError, DataError
from blupbayes.identities.at_variances import At
from blupbayes.identities.case import Case, case_of
from blupbayes.identities.ledger import ledger_identities
from blupbayes.identities.posterior import posterior_identities
from blupbayes.identities.pymc_density import pymc_identity
from blupbayes.ledgers import reml_of, statistics_of
from blupbayes.mme.fit import Estimate, estimate
from blupbayes.mme.gaussian import posterior
from blupbayes.mme.statistics import Statistics
from blupbayes.model.design import Design
from blupbayes.model.resolved import ResolvedPrior
from blupbayes.read_variances import read_variances

__all__ = ["identities"]

Array = NDArray[np.float64]
NO_ROWS = (
    "The model keeps no rows of the data, and dense formulas judge the other identities by them: left out. Check them "
    "on a table of some whole groups."
)
REML = " REML "  # a label that no answer has


def identities(
    answers: Mapping[str, Any], variances: Any = None, kappa: float | None = None, pymc: bool | None = None
) -> pd.DataFrame:
    """A row per identity; see `Comparison.identities` for the arguments."""
    design = next((a.design for a in answers.values() if hasattr(a, "design")), None)
    if design is None:
        raise ComparisonError(
            "identities are checked on the data, and no answer here has them. Add a fit: compare(model.fit(), ...)."
        )
    check_kappa(kappa)
    known = list(answers.values())
    s, reml = statistics_of(known), reml_of(known)
    if not design.measures.has_rows:
        return without_rows(design, reml)
    T, sigma = reml.T, reml.sigma
    if variances is not None:
        given = read_variances(variances, s.groups, design.sigma)
        T, sigma = given.factors(), given.residual
    case, chosen = case_of(design, s)
    at = At(case, T, sigma, kappa or next((a.kappa for a in known if getattr(a, "kappa", 0)), None))
    dense_reml = at.dense if variances is None else Dense(case.data, reml.T, reml.sigma)
    remarks: list[str] = []
    rows = [
        *at.identities(),
        *mode_rows(design, case, reml, dense_reml),
        *oneway_rows(design, s, T, sigma, reml),
        *posterior_identities(case, answers, remarks),
        *ledger_identities(case, {REML: Found(reml), **answers}, dense_reml, remarks),
        *pymc_identity(case, prior_of(known), "pymc" in sys.modules if pymc is None else pymc, remarks),
    ]
    table = tabulate(rows)
    table.attrs = {"subsample": chosen, "remarks": remarks}
    return table


@dataclass(frozen=True)
class Found:
    """An estimate among the answers that a ledger looks at."""

    estimate: Estimate


def prior_of(answers: Sequence[Any]) -> ResolvedPrior | None:
    """That of the first posterior."""
    return next((a.prior for a in answers if isinstance(getattr(a, "prior", None), ResolvedPrior)), None)


def check_kappa(kappa: Any) -> None:
    """Refuse a kappa at which there is nothing to see."""
    if kappa is not None and (np.ndim(kappa) or not 0 < kappa < np.inf):
        raise DataError(
            f"kappa={kappa!r}: the rate and the evidence are compared at one positive, finite prior precision of beta. "
            "Leave it out for one that is as strong as the data."
        )


def without_rows(design: Design, reml: Estimate) -> pd.DataFrame:
    """REML as a mode, which alone is judged by the package's own slopes; a remark says what is left out."""
    known = design.sigma is not None
    table = tabulate(mode_identities(own_slopes(reml), reml.T, design.groups, design.n_obs, known))
    table.attrs = {"subsample": "", "remarks": [NO_ROWS]}
    return table


def mode_rows(design: Design, case: Case, reml: Estimate, dense: Dense) -> list[Identity]:
    """REML as a mode, by V where it is formed for all rows, else by the package's own slopes."""
    slopes = dense_slopes(dense, design.groups) if case.whole else own_slopes(reml)
    return mode_identities(slopes, reml.T, design.groups, design.n_obs, design.sigma is not None)


def own_slopes(reml: Estimate) -> Slopes:
    """The slopes of the collapsed posterior, and the certificate's multipliers: -2 log-likelihood is what it is of."""
    s = reml.statistics
    _, by_T, by_sigma = log_marginal(s, BetaPrior(np.zeros((s.rank + 1,) * 2), 0.0), reml.T, reml.sigma)
    inward = {name: (-0.5 * slope, 1.0) for name, slope in reml.certificate.multipliers.items()}
    return Slopes(by_T, reml.sigma * by_sigma, inward)


def oneway_rows(
    design: Design, s: Statistics, T: tuple[Array, ...], sigma: float, reml: Estimate
) -> list[Identity]:
    """Closed forms, where the design is a balanced one-way layout; they need no V."""
    data = Case(design, s, True).data
    layout = oneway(data.y, data.X, data.codes, data.columns, data.w)
    if layout is None or design.sigma is not None:
        return []
    fits = {"REML": reml, "ML": estimate(s, "ML")}
    found = {k: np.array([(f.sigma * f.T[0][0, 0]) ** 2, f.sigma**2]) for k, f in fits.items()}
    at = posterior(s, T, sigma)
    log_det = float(at.factor.log_det + s.n_obs * np.log(sigma**2))
    known = np.array([(sigma * T[0][0, 0]) ** 2, sigma**2])
    share = weights(s.groups, at)["estimate"].to_numpy()
    tolerance = rounding(1.0 + layout.r * float(T[0][0, 0]) ** 2)
    return oneway_identities(layout, found, known, log_det, share, tolerance)
