"""Rows of the long table: how one answer is laid out so that any other can stand beside it.

Works on names and plain arrays; knows no estimator.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = [
    "COLUMNS",
    "KEYS",
    "KNOWN",
    "TEXT",
    "block",
    "gather",
    "normal_interval",
    "t_interval",
    "variance_rows",
]

Array = NDArray[np.float64]

KEYS = ["component", "group", "level", "term"]
COLUMNS = [
    *KEYS,
    "estimator",
    "estimate",
    "uncertainty",
    "uncertainty_kind",
    "ci_lb",
    "ci_ub",
    "ci_kind",
    "ci_prob",
    "mcse",
    "ess_bulk",
    "r_hat",
    "note",
]
KNOWN = "known, not estimated"
TEXT = {*KEYS, "estimator", "uncertainty_kind", "ci_kind", "note"}


class VariancesLike(Protocol):
    """Sds and correlations by group."""

    @property
    def groups(self) -> tuple[str, ...]: ...
    @property
    def coefficients(self) -> tuple[tuple[str, ...], ...]: ...
    @property
    def free(self) -> tuple[tuple[tuple[int, int], ...], ...]: ...
    @property
    def residual(self) -> float: ...
    def sd(self, group: str) -> pd.Series: ...
    def corr(self, group: str) -> pd.DataFrame: ...


def block(component: str, estimator: str, **columns: Any) -> pd.DataFrame:
    """Rows of one component; what is not given is "" (text) or NaN (numbers).

    Parameters
    ----------
    component : str
        fixed, sd, corr, weight, b or group_mean.
    estimator : str
        Label of the answer.
    **columns
        Any of COLUMNS; scalars are repeated.

    Examples
    --------
    >>> block("fixed", "ML", term=["Intercept"], estimate=[66.5])[["estimator", "term", "estimate"]]
      estimator       term  estimate
    0        ML  Intercept      66.5
    """
    given = {"component": component, "estimator": estimator, **columns}
    n = len(columns["estimate"])
    filled = {
        name: pd.Series(given.get(name, "" if name in TEXT else np.nan), index=range(n), dtype="str")
        if name in TEXT
        else np.broadcast_to(np.asarray(given.get(name, np.nan), dtype=float), (n,))
        for name in COLUMNS
    }
    return pd.DataFrame(filled)


def gather(blocks: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Blocks one under the other, without the empty ones."""
    return pd.concat([b for b in blocks if len(b)], ignore_index=True)


def normal_interval(estimate: Any, sd: Any, ci_prob: float, kind: str) -> dict[str, Any]:
    """Columns of the equal-tailed normal interval estimate -+ z sd; no kind where there is no bound."""
    half = NormalDist().inv_cdf(0.5 + ci_prob / 2) * np.asarray(sd, dtype=float)
    centre = np.asarray(estimate, dtype=float)
    there = np.isfinite(half) & np.isfinite(centre)
    return {
        "ci_lb": np.where(there, centre - half, np.nan),
        "ci_ub": np.where(there, centre + half, np.nan),
        "ci_kind": list(np.where(there, kind, "")),
        "ci_prob": np.where(there, ci_prob, np.nan),
    }


def t_interval(estimate: Any, se: Any, df: float, ci_prob: float) -> dict[str, Any]:
    """Columns of the interval estimate -+ t se with df degrees of freedom; no kind where there is no bound."""
    from scipy.special import stdtrit

    z = NormalDist().inv_cdf(0.5 + ci_prob / 2)
    t = float(stdtrit(df, 0.5 + ci_prob / 2)) if np.isfinite(df) and df > 0 else z
    return normal_interval(estimate, np.asarray(se, dtype=float) * (t / z), ci_prob, "t")


def variance_rows(
    variances: VariancesLike, label: str, note: str = "", residual: str = ""
) -> list[pd.DataFrame]:
    """Rows sd and corr of variances that have no spread of their own."""
    frames = []
    for group in variances.groups:
        sd = variances.sd(group)
        frames.append(block("sd", label, group=group, term=list(sd.index), estimate=sd.to_numpy(), note=note))
    frames.append(block("sd", label, group="residual", estimate=[variances.residual], note=residual or note))
    for k, group in enumerate(variances.groups):
        corr, names = variances.corr(group).to_numpy(), variances.coefficients[k]
        pairs = variances.free[k]
        values = [corr[r, c] for r, c in pairs]
        why = ["undefined: an sd is 0" if np.isnan(v) else note for v in values]
        terms = [f"{names[c]}, {names[r]}" for r, c in pairs]
        frames.append(block("corr", label, group=group, term=terms, estimate=values, note=why))
    return frames
