"""Readings of a Gaussian posterior of (beta, b) as tables: BLUPs, weights, group means.

Works on names and plain arrays; knows no estimator.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blupbayes.compare.rows import block, normal_interval
from blupbayes.errors import DataError

__all__ = [
    "Pivoted",
    "diagonals",
    "effects",
    "group_means",
    "labels",
    "pivoted",
    "random_rows",
    "weights",
]

Array = NDArray[np.float64]
Index = NDArray[np.intp]
SPREADS = ("pev_sd", "cond_sd")


class GroupNames(Protocol):
    """Labels of one grouping factor."""

    @property
    def name(self) -> str: ...
    @property
    def levels(self) -> tuple[str, ...]: ...
    @property
    def names(self) -> tuple[str, ...]: ...


class GaussianLike(Protocol):
    """The Gaussian posterior of (beta, b) at known variances, as arrays, one entry per grouping factor."""

    @property
    def beta(self) -> Array: ...
    @property
    def beta_cov(self) -> Array: ...
    @property
    def b(self) -> tuple[Array, ...]: ...
    @property
    def cond_cov(self) -> tuple[Array, ...]: ...
    @property
    def pev(self) -> tuple[Array, ...]: ...
    @property
    def cross_cov(self) -> tuple[Array, ...]: ...
    @property
    def T(self) -> tuple[Array, ...]: ...
    @property
    def sigma(self) -> float: ...


def labels(group: GroupNames, which: Sequence[int] | None = None) -> dict[str, list[str]]:
    """Columns group, level, term of all (level, coefficient) pairs of a group, coefficient fastest."""
    terms = [group.names[k] for k in (range(len(group.names)) if which is None else which)]
    J, q = len(group.levels), len(terms)
    return {
        "group": [group.name] * (J * q),
        "level": [level for level in group.levels for _ in terms],
        "term": terms * J,
    }


def diagonals(blocks: Array) -> Array:
    """Sds (J q,) from covariance blocks (J, q, q); rounding below 0 counts as 0."""
    return np.sqrt(np.maximum(np.diagonal(blocks, axis1=1, axis2=2), 0.0)).ravel()


def effects(groups: Sequence[GroupNames], gaussian: GaussianLike) -> pd.DataFrame:
    """BLUPs with both spreads [E-BLUP], [E-PEV].

    Returns
    -------
    DataFrame
        group, level, term, estimate, cond_sd (of b given y, beta and the variances), pev_sd (of b_hat - b).
    """
    frames = [
        pd.DataFrame(
            labels(g)
            | {
                "estimate": gaussian.b[k].ravel(),
                "cond_sd": diagonals(gaussian.cond_cov[k]),
                "pev_sd": diagonals(gaussian.pev[k]),
            }
        )
        for k, g in enumerate(groups)
    ]
    return pd.concat(frames, ignore_index=True)


def weights(groups: Sequence[GroupNames], gaussian: GaussianLike) -> pd.DataFrame:
    """Share of a level's own information that is kept: 1 - Var(b | y, beta, variances)/Sigma [E-WEIGHT].

    Returns
    -------
    DataFrame
        group, level, term, estimate; 0 where the variance is 0.
    """
    frames = []
    for k, g in enumerate(groups):
        Sigma = gaussian.sigma**2 * np.sum(gaussian.T[k] ** 2, axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            share = 1.0 - np.diagonal(gaussian.cond_cov[k], axis1=1, axis2=2) / Sigma
        frames.append(pd.DataFrame(labels(g) | {"estimate": np.where(Sigma > 0, share, 0.0).ravel()}))
    return pd.concat(frames, ignore_index=True)


def group_means(
    groups: Sequence[GroupNames], fixed_names: Sequence[str], gaussian: GaussianLike
) -> pd.DataFrame:
    """beta_k + b_jk for each coefficient k that has a fixed column of the same name.

    Returns
    -------
    DataFrame
        group, level, term, estimate, pev_sd: the sd of the estimation error of the sum, [E-PEV].
    """
    frames = []
    for i, g in enumerate(groups):
        shared = [k for k, name in enumerate(g.names) if name in fixed_names]
        place = [list(fixed_names).index(g.names[k]) for k in shared]
        variance = (
            np.diag(gaussian.beta_cov)[place]
            + np.diagonal(gaussian.pev[i], axis1=1, axis2=2)[:, shared]
            + 2 * gaussian.cross_cov[i][:, shared, place]
        )
        frames.append(
            pd.DataFrame(
                labels(g, shared)
                | {
                    "estimate": (gaussian.beta[place] + gaussian.b[i][:, shared]).ravel(),
                    "pev_sd": np.sqrt(np.maximum(variance, 0.0)).ravel(),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def random_rows(
    ranef: pd.DataFrame,
    means: pd.DataFrame,
    shares: pd.DataFrame,
    label: str,
    ci_prob: float,
    of_b: str = "pev_sd",
) -> list[pd.DataFrame]:
    """Rows weight, b and group_mean of a Gaussian; ``of_b``: the spread of b, pev_sd or cond_sd."""
    if of_b not in SPREADS:
        raise DataError(f"spread={of_b!r}: it is {' or '.join(map(repr, SPREADS))}.")
    frames = [block("weight", label, **columns(shares))]
    for component, table, kind in (("b", ranef, of_b), ("group_mean", means, "pev_sd")):
        spread = table[kind].to_numpy()
        bounds = normal_interval(table["estimate"], spread, ci_prob, kind.removesuffix("_sd"))
        frames.append(
            block(component, label, **columns(table), uncertainty=spread, uncertainty_kind=kind, **bounds)
        )
    return frames


def columns(table: pd.DataFrame) -> dict[str, Any]:
    """Its keys and estimates as columns of the long table."""
    return {name: table[name].to_numpy() for name in ("group", "level", "term", "estimate")}


@dataclass(frozen=True, eq=False)
class Pivoted:
    """A Gaussian posterior read on the columns of X that are kept: what a Fit reports."""

    beta: Array
    beta_cov: Array
    b: tuple[Array, ...]
    cond_cov: tuple[Array, ...]
    pev: tuple[Array, ...]
    cross_cov: tuple[Array, ...]
    T: tuple[Array, ...]
    sigma: float


def pivoted(gaussian: Any) -> Any:
    """The same Gaussian with beta on the columns that are kept, NaN for the aliased ones.

    The kept coefficients, all others 0, are estimable: R_kept beta_kept = R beta for every solution beta.
    """
    s = gaussian.statistics
    if not s.aliased:
        return gaussian
    p, kept = len(s.fixed_names), s.kept
    inverse = np.linalg.inv(s.R[:, kept])
    beta, beta_cov = np.full(p, np.nan), np.full((p, p), np.nan)
    beta[kept] = inverse @ s.R @ gaussian.beta
    beta_cov[np.ix_(kept, kept)] = inverse @ gaussian.g_cov @ inverse.T
    crosses = []
    for cross in gaussian.cross_cov:
        crosses.append(np.full(cross.shape, np.nan))
        crosses[-1][..., kept] = cross @ s.R.T @ inverse.T
    return Pivoted(
        beta,
        beta_cov,
        gaussian.b,
        gaussian.cond_cov,
        gaussian.pev,
        tuple(crosses),
        gaussian.T,
        gaussian.sigma,
    )
