"""theta at and near singular covariances, many at a time: what boundary.py does for one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from blupbayes.mme.boundary import FLOOR, ZERO_SD, components
from blupbayes.mme.stacks import finite
from blupbayes.mme.statistics import GroupStatistics

__all__ = ["canonical_many", "inside_many", "multipliers_many", "unseen", "without_small_many"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Groups = Sequence[GroupStatistics]

UNSEEN = 1e-6  # curvature in the log of all sds of a group: of the order of its levels where they are seen


def matrices(groups: Groups, theta: Array) -> Iterator[tuple[GroupStatistics, Array, Array]]:
    """Each group with T (n, q, q) and the scale (q,) of its columns."""
    for g in groups:
        t = g.template
        T = np.zeros((len(theta), t.size, t.size))
        T[:, list(t.rows), list(t.cols)] = theta[:, list(t.index)]
        yield g, T, np.where(g.scale > 0, g.scale, 1.0)


def read(g: GroupStatistics, T: Array, theta: Array) -> None:
    """Write the free entries of T (n, q, q) into theta (n, m)."""
    theta[:, list(g.template.index)] = T[:, list(g.template.rows), list(g.template.cols)]


def blocks(g: GroupStatistics) -> list[list[int]]:
    """Coefficients that share a covariance block."""
    return components(g.template.rows, g.template.cols, g.template.size)


def semidefinite_roots(Sigma: Array) -> Array:
    """T (n, q, q), lower triangular with T T' = Sigma, where a pivot that is zero to rounding gives a zero column."""
    q = Sigma.shape[1]
    T, size = np.zeros_like(Sigma), np.diagonal(Sigma, axis1=1, axis2=2)
    for k in range(q):
        pivot = Sigma[:, k, k] - np.sum(T[:, k, :k] ** 2, axis=1)
        alive = pivot > 64 * q * np.finfo(float).eps * size[:, k]
        root = np.sqrt(np.where(alive, pivot, 1.0))
        left = Sigma[:, k:, k] - (T[:, k:, :k] @ T[:, k, :k, None])[:, :, 0]
        T[:, k:, k] = np.where(alive[:, None], left / root[:, None], 0.0)
    return T


def canonical_many(groups: Groups, theta: Array) -> Array:
    """The theta (n, m) of the same covariances with nonnegative diagonals, zeros set out exactly."""
    out = theta.copy()
    for g, T, size in matrices(groups, theta):
        scaled = T * size[:, None]
        read(g, semidefinite_roots(scaled @ scaled.transpose(0, 2, 1)) / size[:, None], out)
    return out


def without_small_many(groups: Groups, theta: Array) -> Array:
    """theta (n, m) with every nearly zero diagonal entry of T, and what stands below it, at zero."""
    out = theta.copy()
    for g, T, size in matrices(groups, theta):
        small = np.diagonal(T, axis1=1, axis2=2) * size < ZERO_SD
        some = small.any(axis=1)
        if some.any():
            turned = semidefinite_roots(T[some] @ T[some].transpose(0, 2, 1))
            T[some] = np.where(small[some, None, :], 0.0, turned)
            read(g, T, out)
    return out


def inside_many(groups: Groups, Omega: Sequence[Array], n_theta: int) -> Array:
    """theta (n, m) of relative covariances (n, q, q), negative and tiny eigenvalues raised to FLOOR."""
    theta = np.zeros((len(Omega[0]), n_theta))
    for g, relative in zip(groups, Omega, strict=True):
        size, T = np.where(g.scale > 0, g.scale, 1.0), np.zeros(relative.shape)
        for columns in blocks(g):
            s, place = size[columns], np.ix_(np.arange(len(T)), columns, columns)
            values, vectors = np.linalg.eigh(finite(relative[place] * np.outer(s, s)))
            raised = (vectors * np.maximum(values, FLOOR)[:, None, :]) @ vectors.transpose(0, 2, 1)
            T[place] = np.linalg.cholesky(raised) / s[:, None]
        read(g, T, theta)
    return theta


def unseen(groups: Groups, theta: Array, hessian: Array) -> Array:
    """theta (n, m) with every group at zero that the criterion does not depend on, by its curvature (n, m, m)."""
    out = theta.copy()
    for g in groups:
        mine = list(g.template.index)
        size = theta[:, mine]
        bend = np.einsum("ni,nij,nj->n", size, hessian[:, mine][:, :, mine], size)
        out[np.ix_(np.abs(bend) < UNSEEN, mine)] = 0.0
    return out


def multipliers_many(groups: Groups, theta: Array, by_variance: Sequence[Array]) -> tuple[Array, Mask]:
    """Smallest slope (n,) in null directions of singular covariances, inf where none; which these are (n, groups)."""
    lowest, singular = np.full(len(theta), np.inf), np.zeros((len(theta), len(groups)), dtype=bool)
    for k, ((g, T, size), D) in enumerate(zip(matrices(groups, theta), by_variance, strict=True)):
        for columns in blocks(g):
            place = np.ix_(np.arange(len(T)), columns, columns)
            block = T[place] * size[columns, None]
            some = (np.abs(np.diagonal(block, axis1=1, axis2=2)) < ZERO_SD).any(axis=1)
            if some.any():
                inner = D[place][some] / np.outer(size[columns], size[columns])
                lowest[some] = np.minimum(lowest[some], null_slopes(block[some], inner))
                singular[some, k] = True
    return lowest, singular


def null_slopes(block: Array, slope: Array) -> Array:
    """Smallest eigenvalue (n,) of the slope (n, q, q) in the null space of block' (n, q, q)."""
    U, s, _ = np.linalg.svd(block)
    null = s < ZERO_SD * np.maximum(1.0, s.max(axis=1, keepdims=True))
    inner = (U.transpose(0, 2, 1) @ finite(slope) @ U) * (null[:, :, None] & null[:, None, :])
    largest = np.abs(inner).sum(axis=(1, 2)) + 1.0
    lifted = inner + np.where(null, 0.0, largest[:, None])[:, :, None] * np.eye(s.shape[1])
    return np.where(null.any(axis=1), np.linalg.eigvalsh(lifted)[:, 0], 0.0)
