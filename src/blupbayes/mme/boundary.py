"""theta and its boundary: natural sizes, signs, covariances that are nearly or exactly singular."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from blupbayes.mme.criterion import Evaluation
from blupbayes.mme.derivatives import Derivatives
from blupbayes.mme.statistics import Statistics
from blupbayes.model.covariance import semidefinite_cholesky

__all__ = ["canonical", "collapsed", "default_start", "inside", "multipliers", "unit", "without_small"]

Array = NDArray[np.float64]

ZERO_SD = 1e-4  # an sd below this share of sigma per rms of its column is tried at exactly zero
ROUNDING = 1e-10  # an sd below this share of the same has no digit that is its own
NEARLY = 0.05  # an sd below this share of another one is nearly zero
DROPPED = 1e-4  # eigenvalues below this share of the largest take no part in what explains a coefficient
FLOOR = 1e-4  # relative variances that a scoring step would make negative start from here


def unit(statistics: Statistics) -> Array:
    """The natural size (m,) of each entry of theta: one over the root mean square of its row's column."""
    out = np.ones(statistics.n_theta)
    for g in statistics.groups:
        scale = np.where(g.scale > 0, g.scale, 1.0)
        out[list(g.template.index)] = 1.0 / scale[list(g.template.rows)]
    return out


def default_start(statistics: Statistics) -> Array:
    """theta (m,): by moments for large models, else every random coefficient contributes about one sigma to y."""
    if statistics.start is not None:
        return inside(statistics, statistics.start)
    theta = np.zeros(statistics.n_theta)
    for t in statistics.templates:
        theta[t.index[t.rows == t.cols]] = 1.0
    return theta * unit(statistics)


def inside(statistics: Statistics, Omega: tuple[Array, ...]) -> Array:
    """theta (m,) of the given relative covariances, negative and tiny eigenvalues raised to FLOOR."""
    theta = np.zeros(statistics.n_theta)
    for g, relative in zip(statistics.groups, Omega, strict=True):
        size = np.where(g.scale > 0, g.scale, 1.0)
        T = np.zeros(relative.shape)
        for columns in components(g.template.rows, g.template.cols, g.template.size):
            s = size[columns]
            values, vectors = np.linalg.eigh(relative[np.ix_(columns, columns)] * np.outer(s, s))
            raised = (vectors * np.maximum(values, FLOOR)) @ vectors.T
            T[np.ix_(columns, columns)] = np.linalg.cholesky(raised) / s[:, None]
        g.template.read(T, theta)
    return theta


def canonical(statistics: Statistics, theta: Array) -> Array:
    """The theta (m,) of the same covariance with a nonnegative diagonal, zeros set out exactly."""
    out = theta.copy()
    for g in statistics.groups:
        size = np.where(g.scale > 0, g.scale, 1.0)
        T = g.template.matrix(theta) * size[:, None]
        g.template.read(semidefinite_cholesky(T @ T.T) / size[:, None], out)
    return out


def without_small(statistics: Statistics, theta: Array) -> Array:
    """theta (m,) with every nearly zero diagonal entry of T, and what stands below it, at zero.

    An sd that is zero but for rounding is zero too: a correlation with it would be one of rounding errors.
    """
    out = theta.copy()
    for g in statistics.groups:
        T, size = g.template.matrix(theta), np.where(g.scale > 0, g.scale, 1.0)
        small = np.diag(T) * size < ZERO_SD
        if small.any():
            T = semidefinite_cholesky(T @ T.T)
            T[:, small] = 0.0
            T[np.linalg.norm(T, axis=1) * size < ROUNDING] = 0.0
            g.template.read(T, out)
    return out


def collapsed(statistics: Statistics, theta: Array) -> Array | None:
    """theta (m,) with the coefficient of smallest sd, where that is nearly zero, a function of the others.

    Where an sd is nearly zero the criterion hardly knows its correlations, and its minimum is often where they
    are extreme, R^2 = 1; the way there is an arc, along which Newton steps are short. The covariance of the other
    coefficients stays as it is. None if no group has such a coefficient.
    """
    out, found = theta.copy(), False
    for g in statistics.groups:
        T = g.template.matrix(theta)
        size = np.where(g.scale > 0, g.scale, 1.0)
        for columns in components(g.template.rows, g.template.cols, g.template.size):
            scaled = T[np.ix_(columns, columns)] * size[columns, None]
            turned = extreme(scaled @ scaled.T)
            if turned is not None:
                T[np.ix_(columns, columns)] = semidefinite_cholesky(turned) / size[columns, None]
                found = True
        g.template.read(T, out)
    return out if found else None


def extreme(Sigma: Array) -> Array | None:
    """Sigma (q, q) with the coefficient of smallest sd explained by the others, or None if that is not nearly zero."""
    sd = np.sqrt(np.diag(Sigma))
    i = int(np.argmin(sd))
    others = np.delete(np.arange(len(sd)), i)
    if not len(others) or sd[i] == 0.0 or sd[i] > NEARLY * sd[others].max():
        return None
    values, vectors = np.linalg.eigh(Sigma[np.ix_(others, others)])
    kept = values > DROPPED * values[-1]
    along = (vectors[:, kept].T @ Sigma[others, i]) / np.sqrt(values[kept])
    if not np.linalg.norm(along) > 0.0:
        return None
    out = Sigma.copy()
    out[others, i] = out[i, others] = (
        sd[i] * (vectors[:, kept] * np.sqrt(values[kept])) @ (along / np.linalg.norm(along))
    )
    return out


def multipliers(statistics: Statistics, here: Evaluation, slope: Derivatives) -> dict[str, float]:
    """Smallest derivative of the criterion in the null directions of each singular covariance (KKT)."""
    out: dict[str, float] = {}
    for g, T, D in zip(statistics.groups, here.factor.T, slope.by_variance, strict=True):
        size = np.where(g.scale > 0, g.scale, 1.0)
        for columns in components(g.template.rows, g.template.cols, g.template.size):
            block = T[np.ix_(columns, columns)] * size[columns, None]
            zero = np.abs(np.diag(block)) < ZERO_SD
            if zero.any():
                U, s, _ = np.linalg.svd(block)
                null = U[:, s < ZERO_SD * max(1.0, float(s.max()))]
                inner = D[np.ix_(columns, columns)] / np.outer(size[columns], size[columns])
                lowest = float(np.linalg.eigvalsh(null.T @ inner @ null).min()) if null.size else 0.0
                out[g.name] = min(out.get(g.name, np.inf), lowest)
    return out


def components(rows: tuple[int, ...], cols: tuple[int, ...], size: int) -> list[list[int]]:
    """Coefficients that share a covariance block, as lists of positions; without those held at zero."""
    owner = list(range(size))
    for r, c in zip(rows, cols, strict=True):
        owner = [owner[c] if o == owner[r] else o for o in owner]
    return [[k for k in range(size) if owner[k] == o] for o in sorted({owner[r] for r in rows})]
