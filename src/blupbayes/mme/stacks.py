"""Stacks of small matrices (..., i, j): products, eliminations and sums, thousands at a time.

A matrix of a few rows costs NumPy's stacked routines more in calls than in arithmetic. Up to SMALL rows and columns
its entries are taken one by one instead, each an array over the whole stack; for speed such stacks have the axes of
the matrices first in memory (`scattered`), whatever their shape says. Larger ones go to the stacked routines.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from blupbayes.mme.linalg import cholesky

__all__ = ["SMALL", "eliminated", "finite", "pseudo_inverse", "scattered", "summed", "times", "turned"]

Array = NDArray[np.float64]
SMALL = 6


def empty(shape: tuple[int, ...]) -> Array:
    """An array (..., i, j) whose last two axes come first in memory."""
    return np.moveaxis(np.empty((*shape[-2:], *shape[:-2])), (0, 1), (-2, -1))


def scattered(x: Array) -> Array:
    """x (..., i, j) in that order of memory."""
    out = empty(x.shape)
    out[...] = x
    return out


def turned(x: Array) -> Array:
    """Transposes (..., j, i)."""
    return np.swapaxes(x, -1, -2)


def times(A: Array, B: Array) -> Array:
    """Products (..., i, k) of A (..., i, j) and B (..., j, k)."""
    j = A.shape[-1]
    if not 0 < j <= SMALL or max(A.shape[-2], B.shape[-1]) > SMALL**2:
        return np.asarray(A @ B)
    batch = np.broadcast_shapes(A.shape[:-2], B.shape[:-2])
    out = empty((*batch, A.shape[-2], B.shape[-1]))
    np.multiply(A[..., :, 0, None], B[..., None, 0, :], out=out)
    for k in range(1, j):
        out += A[..., :, k, None] * B[..., None, k, :]
    return out


def summed(A: Array, B: Array) -> Array:
    """Sum over components and rows of A'B (n, i, k), for A (n, C, j, i) and B (n, C, j, k); n may be 1 in either."""
    n, m = len(A), len(B)
    flat = np.ascontiguousarray(A).reshape(n, -1, A.shape[-1])
    other = flat if B is A else np.ascontiguousarray(B).reshape(m, -1, B.shape[-1])
    return np.asarray(turned(flat) @ other)


def eliminated(M: Array, rows: Array) -> tuple[Array, Array]:
    """L^-1 rows (..., k, m) and log|M| (...), where M = L L' (..., k, k); NaN where M is not positive definite."""
    k = M.shape[-1]
    if k > SMALL:
        return by_cholesky(M, rows)
    batch = np.broadcast_shapes(M.shape[:-2], rows.shape[:-2])
    left, out = empty(M.shape), empty((*batch, *rows.shape[-2:]))
    left[...], out[...] = M, rows
    log_det = np.zeros(M.shape[:-2])
    with np.errstate(invalid="ignore", divide="ignore"):
        for j in range(k):
            pivot = left[..., j, j]
            log_det += np.log(pivot)
            scale = 1.0 / np.sqrt(pivot)
            row = left[..., j, j + 1 :] * scale[..., None]
            out[..., j, :] *= scale[..., None]
            left[..., j + 1 :, j + 1 :] -= row[..., :, None] * row[..., None, :]
            out[..., j + 1 :, :] -= row[..., :, None] * out[..., j, None, :]
    return out, log_det


def by_cholesky(M: Array, rows: Array) -> tuple[Array, Array]:
    """The same by the stacked routines; where one of the stack fails, each is tried on its own."""
    try:
        L = np.linalg.cholesky(M)
    except np.linalg.LinAlgError:
        L = one_by_one(M)
    log_det = 2.0 * np.log(np.diagonal(L, axis1=-2, axis2=-1)).sum(axis=-1)
    return np.linalg.solve(L, rows), log_det


def one_by_one(M: Array) -> Array:
    """Cholesky factors, the identity times NaN where there is none."""
    flat = M.reshape(-1, *M.shape[-2:])
    L = np.empty_like(flat)
    for k, one in enumerate(flat):
        try:
            L[k] = cholesky(one)
        except ValueError:
            L[k] = np.where(np.eye(len(one)) > 0, np.nan, 0.0)
    return L.reshape(M.shape)


def finite(M: Array) -> Array:
    """M (n, i, j), zero instead of matrices that are not finite: for routines that refuse these."""
    good = np.isfinite(M).all(axis=(1, 2))
    return M if good.all() else np.where(good[:, None, None], M, 0.0)


def pseudo_inverse(M: Array, share: float) -> Array:
    """Inverses of symmetric M (n, m, m), in units of its diagonal, over eigenvalues above this share of the largest."""
    M = finite(M)
    size = np.sqrt(np.abs(np.diagonal(M, axis1=1, axis2=2)))
    size = np.where(size > 0, size, 1.0)
    values, vectors = np.linalg.eigh(M / (size[:, :, None] * size[:, None, :]))
    kept = np.abs(values) > share * np.abs(values).max(axis=1, initial=0.0)[:, None]
    inverse = np.where(kept, 1.0 / np.where(kept, values, 1.0), 0.0)
    half = vectors / size[:, :, None]
    return np.asarray((half * inverse[:, None, :]) @ turned(half))
