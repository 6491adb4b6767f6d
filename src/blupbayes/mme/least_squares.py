"""Weighted least squares by Householder reflections, with the columns that depend on earlier ones set aside."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas

__all__ = ["estimable", "independent_columns", "least_squares"]

Array = NDArray[np.float64]
Index = NDArray[np.intp]

RANK_TOLERANCE = (
    1e-11  # a column is aliased if what the earlier ones leave of it is below this share of its norm
)
ESTIMABLE = 1e-8  # of a row's norm, columns in units of their own norm, that may lie outside the rows of X


def independent_columns(X: Array) -> Index:
    """Columns of X (n, p) that are not linear combinations of earlier ones (to RANK_TOLERANCE of their norm)."""
    norms = np.linalg.norm(X, axis=0)
    R = np.linalg.qr(X / np.where(norms > 0, norms, 1.0), mode="r")
    basis: list[Array] = []
    kept = []
    for k in range(X.shape[1]):
        column = R[:, k].copy()
        for _ in range(2):
            for direction in basis:
                column -= direction * (direction @ column)
        left = float(np.linalg.norm(column))
        if norms[k] > 0 and left > RANK_TOLERANCE:
            basis.append(column / left)
            kept.append(k)
    return np.array(kept, dtype=np.intp)


def estimable(R: Array, rows: Array) -> NDArray[np.bool_]:
    """Which rows x (m, p) are combinations of the rows of R (r, p), r its rank: then x'beta can be estimated."""
    norms = np.linalg.norm(R, axis=0)
    size = np.where(norms > 0, norms, 1.0)
    free = np.linalg.svd(R / size)[2][len(R) :]
    scaled = rows / size
    outside, whole = np.linalg.norm(scaled @ free.T, axis=1), np.linalg.norm(scaled, axis=1)
    return np.asarray(outside <= ESTIMABLE * whole)


def least_squares(X: Array, y: Array, root_weights: Array | None) -> tuple[Index, Array, Array, Array]:
    """kept (r,), Q (n, r), beta (p,) and residuals e (n,) of the weighted least squares fit, weights applied.

    A constant that X can express is taken off y first, which is exact in floating point, and the fit is
    repeated on its own residuals: so y + 1e8 costs no digits beyond those that y + 1e8 itself has lost.
    """
    n, p = X.shape
    w = np.ones(n) if root_weights is None else root_weights
    Xw = X if root_weights is None else X * w[:, None]
    kept = independent_columns(Xw)
    Xk = Xw[:, kept]
    Q, R = np.linalg.qr(Xk)

    def regress(target: Array) -> Array:
        return np.asarray(blas.dtrsm(1.0, R, (Q.T @ target)[:, None]))[:, 0] if len(kept) else np.zeros(0)

    beta, shift = np.zeros(len(kept)), 0.0
    ones = regress(w)
    if n and np.allclose(Xk @ ones, w, rtol=0, atol=1e-13 * w.max()):
        shift = float(y[0])
        beta = shift * np.where(np.abs(ones - np.round(ones)) < 1e-9, np.round(ones), ones)
    e = w * (y - shift)
    for _ in range(3):
        step = regress(e)
        e = e - Xk @ step
        beta = beta + step
    full = np.zeros(p)
    full[kept] = beta
    return kept, Q, full, e
