"""Least squares at the two ends of pooling: without random effects, and with the coefficients of each level free.

No pooling is taken for one grouping factor at a time: each level has its own coefficients for the columns of the
factor, what else X has is common to all levels, and so is the residual sd. What the data cannot tell is NaN.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blupbayes.mme.least_squares import estimable, least_squares
from blupbayes.mme.statistics import Statistics
from blupbayes.model.design import Design, Group

__all__ = ["Free", "Pooled", "complete", "unpooled"]

Array = NDArray[np.float64]

RANK = 1e-10  # of a column's norm, or of the largest singular value: what is left below it counts as 0


@dataclass(frozen=True, eq=False)
class Pooled:
    """Coefficients ``beta`` (p,), NaN where aliased, their ``se`` (p,), residual sd ``sigma`` on ``df``."""

    beta: Array
    se: Array
    sigma: float
    df: float


@dataclass(frozen=True, eq=False)
class Free:
    """Coefficients of every level.

    ``values``, ``se`` (J, q): NaN where the data cannot tell; ``alone`` (J, q): whether the rows of the level would do
    if what is common were known; ``common`` (p,) and ``common_se``: NaN for the columns of X that are free.
    """

    values: Array
    se: Array
    alone: NDArray[np.bool_]
    common: Array
    common_se: Array
    sigma: float
    df: float


@dataclass(frozen=True, eq=False)
class Level:
    """One level's rows: ``map`` (q, c) = Z+ C, what Z leaves of C ``left`` (n, c), (Z'Z)+, which are ``seen`` (q,)."""

    map: Array
    left: Array
    cov: Array
    seen: NDArray[np.bool_]
    rank: int


def complete(statistics: Statistics) -> Pooled:
    """Weighted least squares of y - offset on X."""
    s = statistics
    sigma, df = residual(s.sigma, s.ee, s.n_obs - s.rank)
    values, se = np.full((2, len(s.fixed_names)), np.nan)
    R_inv = np.linalg.inv(s.R[:, s.kept])
    values[s.kept], se[s.kept] = s.beta_ols[s.kept], sigma * np.linalg.norm(R_inv, axis=1)
    return Pooled(values, se, sigma, df)


def unpooled(design: Design, group: Group) -> Free:
    """Weighted least squares with free coefficients in every level of one grouping factor.

    Parameters
    ----------
    design : Design
    group : Group
        One of its grouping factors; the others are left out.
    """
    other = [k for k, name in enumerate(design.fixed_names) if name not in group.names]
    Z = weighted(design, group.columns)
    C = weighted(design, np.column_stack([design.X[:, other], response(design)]))
    found = levels(group, Z, C)
    left, c = C - fitted(group, Z, found), len(other)
    flat = np.linalg.norm(left, axis=0) <= RANK * np.linalg.norm(C, axis=0)
    left[:, :c][:, flat[:c]] = 0.0
    gamma, R, kept, e = remaining(left[:, :c], left[:, c])
    sigma, df = residual(design.sigma, float(e @ e), len(e) - sum(x.rank for x in found) - len(kept))
    K = np.stack([x.map for x in found])
    own, to_common = K[:, :, c], K[:, :, :c]
    half = np.zeros((c, len(kept)))
    half[kept] = np.linalg.inv(R[:, kept])
    alone = np.stack([x.seen for x in found])
    told = alone & estimable(R, to_common.reshape(alone.size, c)).reshape(alone.shape)
    variance = np.stack([np.diag(x.cov) for x in found]) + np.sum((to_common @ half) ** 2, axis=2)
    return Free(
        np.where(told, own - to_common @ gamma, np.nan),
        np.where(told, sigma * np.sqrt(variance), np.nan),
        alone,
        *common(len(design.fixed_names), other, gamma, sigma * np.linalg.norm(half, axis=1), R),
        sigma,
        df,
    )


def common(p: int, other: list[int], gamma: Array, se: Array, R: Array) -> tuple[Array, Array]:
    """What all levels share, among all columns of X; NaN for the rest."""
    told = estimable(R, np.eye(len(other)))
    values, spread = np.full(p, np.nan), np.full(p, np.nan)
    values[other], spread[other] = np.where(told, gamma, np.nan), np.where(told, se, np.nan)
    return values, spread


def levels(group: Group, Z: Array, C: Array) -> list[Level]:
    """Every level's rows, read."""
    order = np.argsort(group.codes, kind="stable")
    ends = np.cumsum(np.bincount(group.codes, minlength=len(group.levels)))[:-1]
    return [level(Z[rows], C[rows]) for rows in np.split(order, ends)]


def level(Z: Array, C: Array) -> Level:
    """One level: Z (n, q), C (n, c)."""
    size = np.linalg.norm(Z, axis=0)
    size[size == 0] = 1.0
    U, s, V = np.linalg.svd(Z / size, full_matrices=False)
    kept = s > RANK * s.max(initial=0.0)
    U, half = U[:, kept], V[kept].T / s[kept] / size[:, None]
    seen = 1.0 - np.sum(V[kept] ** 2, axis=0) < RANK
    found = half @ (U.T @ C)
    found[np.abs(found) <= RANK * np.outer(np.linalg.norm(half, axis=1), np.linalg.norm(C, axis=0))] = 0.0
    return Level(found, C - U @ (U.T @ C), half @ half.T, seen, int(kept.sum()))


def fitted(group: Group, Z: Array, found: list[Level]) -> Array:
    """What the levels' own columns say of C (n, c)."""
    return np.einsum("nq,nqc->nc", Z, np.stack([x.map for x in found])[group.codes])


def remaining(C: Array, y: Array) -> tuple[Array, Array, NDArray[np.intp], Array]:
    """Least squares of y on C (n, c): coefficients (c,), R (r, c), kept (r,), residuals."""
    if not C.shape[1]:
        return np.zeros(0), np.zeros((0, 0)), np.zeros(0, dtype=np.intp), y
    kept, Q, gamma, e = least_squares(C, y, None)
    return gamma, Q.T @ C, kept, e


def residual(known: float | None, ee: float, df: int) -> tuple[float, float]:
    """Residual sd and its degrees of freedom: inf if it is known, NaN and 0 if none are left."""
    if known is not None:
        return known, np.inf
    return (float(np.sqrt(ee / df)), float(df)) if df > 0 else (np.nan, 0.0)


def response(design: Design) -> Array:
    """y - offset (n,)."""
    return design.y if design.offset is None else design.y - design.offset


def weighted(design: Design, columns: Array) -> Array:
    """Rows of columns (n, m) times the square root of their weight."""
    return columns if design.weights is None else columns * np.sqrt(design.weights)[:, None]
