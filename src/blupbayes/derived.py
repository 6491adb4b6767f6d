"""Rows on request: intraclass correlations and marginal means of any answer, as rows of the long table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blupbayes.bayes.combine import combine
from blupbayes.bayes.integrate import Integral
from blupbayes.bayes.intraclass import drawn_shares, integrated_shares
from blupbayes.bayes.summary import describe, variable
from blupbayes.compare.rows import COLUMNS, block, gather, normal_interval
from blupbayes.frequentist.shares import delta_se, has_shares, logit_bounds, shares
from blupbayes.frequentist.standard_errors import AT_BOUNDARY
from blupbayes.mme.fit import Estimate
from blupbayes.mme.least_squares import estimable
from blupbayes.mme.statistics import Statistics
from blupbayes.model.design import Design
from blupbayes.model.marginal_means import factor_means

__all__ = [
    "NONE", "drawn_icc", "drawn_means", "estimated_icc", "gaussian_means", "given_icc", "integrated_icc",
    "integrated_means",
]  # fmt: skip

Array = NDArray[np.float64]

NONE = {
    "icc": "icc: no rows; they are for models whose random effects are intercepts and whose residual sd is unknown.",
    "marginal_mean": "marginal_mean: no rows; they are for formulas with factors on the fixed side.",
}
WEIGHTED = "for rows of weight 1"
NOT_ESTIMABLE = "not estimable: columns of X are linearly dependent, or cells are empty"
NO_MEAN = "a covariate stands in X only beside factors, so that its mean is not known"


def icc_block(design: Design, label: str, found: dict[str, Any], note: Any = "") -> pd.DataFrame:
    """Rows icc, one per grouping factor."""
    weighted = WEIGHTED if design.has_weights else ""
    notes = [n or weighted for n in ([note] * len(design.groups) if isinstance(note, str) else note)]
    return block("icc", label, group=[g.name for g in design.groups], note=notes, **found)


def empty() -> pd.DataFrame:
    """No rows."""
    return block("icc", "", estimate=[])[COLUMNS]


def estimated_icc(design: Design, estimate: Estimate, label: str, ci_prob: float) -> pd.DataFrame:
    """At ML or REML estimates, with standard errors by the delta method and intervals on the logit scale [E-ICC]."""
    if not has_shares(design.groups, design.sigma):
        return empty()
    value, se = shares(np.array([T[0, 0] for T in estimate.T])), delta_se(estimate)
    low, high = logit_bounds(value, se, ci_prob)
    there = np.isfinite(se)
    found = {
        "estimate": value, "uncertainty": se, "uncertainty_kind": list(np.where(there, "delta_se", "")),
        "ci_lb": low, "ci_ub": high, "ci_kind": list(np.where(there, "logit", "")),
        "ci_prob": np.where(there, ci_prob, np.nan),
    }  # fmt: skip
    return icc_block(design, label, found, ["" if t else AT_BOUNDARY for t in there])


def given_icc(design: Design, T: Sequence[Array], label: str, note: str) -> pd.DataFrame:
    """At variances that have no spread of their own."""
    if not has_shares(design.groups, design.sigma):
        return empty()
    return icc_block(design, label, {"estimate": shares(np.array([t[0, 0] for t in T]))}, note)


def integrated_icc(design: Design, integral: Integral, label: str, ci_prob: float) -> pd.DataFrame:
    """Posterior of the shares, by integration."""
    if not has_shares(design.groups, design.sigma):
        return empty()
    return icc_block(design, label, posterior_columns(integrated_shares(integral.mixture, ci_prob), ci_prob))


def drawn_icc(design: Design, data: Any, label: str, ci_prob: float) -> pd.DataFrame:
    """Posterior of the shares, from draws; none for Student t effects, whose sds are scales."""
    heavy = any(str(name).startswith("nu_") for name in data["posterior"].data_vars)
    if heavy or not has_shares(design.groups, design.sigma):
        return empty()
    return icc_block(design, label, posterior_columns(drawn_shares(data, design, ci_prob), ci_prob))


def posterior_columns(table: pd.DataFrame, ci_prob: float) -> dict[str, Any]:
    """mean, sd, bounds, and Monte Carlo errors if there are any, as columns of the long table."""
    ends = [c for c in table if str(c).startswith("eti")]
    out: dict[str, Any] = {
        "estimate": table["mean"].to_numpy(), "uncertainty": table["sd"].to_numpy(),
        "uncertainty_kind": "posterior_sd", "ci_lb": table[ends[0]].to_numpy(), "ci_ub": table[ends[1]].to_numpy(),
        "ci_kind": "eti", "ci_prob": ci_prob,
    }  # fmt: skip
    for column, own in (("mcse", "mcse_mean"), ("ess_bulk", "ess_bulk"), ("r_hat", "r_hat")):
        if own in table:
            out[column] = table[own].to_numpy()
    return out


def asked(design: Design, R: Array, flat: bool) -> tuple[Array, dict[str, list[str]], Array]:
    """L (m, p) of all marginal means, their keys, and why each cannot be told: 0 if it can (m,)."""
    margins = factor_means(design)
    L = np.vstack([np.zeros((0, len(design.fixed_names))), *(m.L for m in margins)])
    keys = {
        "group": [m.factor for m in margins for _ in m.levels],
        "level": [level for m in margins for level in m.levels],
    }
    known = np.isfinite(L).all(axis=1)
    L = np.where(known[:, None], L, 0.0)
    told = estimable(R, L) if flat else np.ones(len(L), dtype=bool)
    return L, keys, np.where(~known, 2, np.where(told, 0, 1))


def means_block(label: str, keys: dict[str, list[str]], why: Array, found: dict[str, Any]) -> pd.DataFrame:
    """Rows marginal_mean; those that cannot be told are blank and say why."""
    note = [("", NOT_ESTIMABLE, NO_MEAN)[int(k)] for k in why]
    table = block("marginal_mean", label, note=note, **keys, **found)
    hidden = why > 0
    table.loc[
        hidden, ["estimate", "uncertainty", "ci_lb", "ci_ub", "ci_prob", "mcse", "ess_bulk", "r_hat"]
    ] = np.nan
    table.loc[hidden, ["uncertainty_kind", "ci_kind"]] = ""
    return gather([table]) if len(table) else empty()


def gaussian_means(
    design: Design, statistics: Statistics, beta: Array, cov: Array, label: str, ci_prob: float, flat: bool
) -> pd.DataFrame:
    """From beta (p,), NaN where aliased, and its covariance (p, p), the variances held."""
    L, keys, why = asked(design, statistics.R, flat)
    value = L @ np.nan_to_num(beta)
    sd = np.sqrt(np.maximum(np.einsum("mi,ij,mj->m", L, np.nan_to_num(cov, posinf=0.0), L), 0.0))
    bounds = normal_interval(value, sd, ci_prob, "wald" if flat else "eti")
    kind = "se" if flat else "posterior_sd"
    return means_block(
        label, keys, why, {"estimate": value, "uncertainty": sd, "uncertainty_kind": kind, **bounds}
    )


def integrated_means(design: Design, integral: Integral, label: str, ci_prob: float) -> pd.DataFrame:
    """Posterior of the marginal means, by integration."""
    L, keys, why = asked(design, integral.marginal.statistics.R, not integral.marginal.informed)
    if not len(L):
        return empty()
    points = integral.mixture.points
    told = replace(points, base=np.nan_to_num(points.base, nan=0.0))  # aliased columns, of weight 0
    whole = np.hstack([L, np.zeros((len(L), sum(len(g.levels) * len(g.names) for g in design.groups)))])
    mixture = combine(replace(integral, mixture=replace(integral.mixture, points=told)), whole)
    moments = mixture.linear(mixture.weights)
    low, high = mixture.linear_quantiles([(1 - ci_prob) / 2, (1 + ci_prob) / 2])
    table = pd.DataFrame({"mean": moments.mean, "sd": moments.sd, "eti_lb": low, "eti_ub": high})
    return means_block(label, keys, why, posterior_columns(table, ci_prob))


def drawn_means(design: Design, data: Any, label: str, ci_prob: float, flat: bool) -> pd.DataFrame:
    """Posterior of the marginal means, from draws; ``flat``: the prior of beta."""
    L, keys, why = asked(design, design.measures.tails.root, flat)
    if not len(L):
        return empty()
    return means_block(
        label, keys, why, posterior_columns(describe(variable(data, "beta") @ L.T, ci_prob), ci_prob)
    )
