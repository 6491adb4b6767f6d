"""Compiled loops over sparse couplings. Imported only by models whose blocks are kept sparse (layout.py)."""

from __future__ import annotations

import numba as nb
import numpy as np
from numpy.typing import NDArray

__all__ = ["downdate", "level_forms"]

Array = NDArray[np.float64]
Index = NDArray[np.intp]


@nb.njit(cache=True)
def downdate(N: Array, indptr: Index, indices: Index, values: Array, W: Array) -> None:
    """N -= sum over levels of G_l' W_l G_l, for G_l (q, t) with the given columns; lower triangle only.

    N (t, t); indptr (J + 1,), indices (nnz,) ascending within a level, values (nnz, q); W (J, q, q).
    """
    q = values.shape[1]
    row = np.empty(q)
    for level in range(len(indptr) - 1):
        first, last = indptr[level], indptr[level + 1]
        for i in range(first, last):
            for b in range(q):
                total = 0.0
                for a in range(q):
                    total += values[i, a] * W[level, a, b]
                row[b] = total
            r = indices[i]
            for j in range(first, i + 1):
                total = 0.0
                for b in range(q):
                    total += row[b] * values[j, b]
                N[r, indices[j]] -= total


@nb.njit(cache=True)
def level_forms(V: Array, indptr: Index, indices: Index, values: Array) -> Array:
    """G_l V G_l' for every level, (J, q, q); V (t, t) symmetric."""
    q = values.shape[1]
    out = np.zeros((len(indptr) - 1, q, q))
    for level in range(len(indptr) - 1):
        first, last = indptr[level], indptr[level + 1]
        for i in range(first, last):
            r = indices[i]
            for j in range(first, i + 1):
                v = V[r, indices[j]] if i == j else 2.0 * V[r, indices[j]]
                for a in range(q):
                    for b in range(q):
                        out[level, a, b] += values[i, a] * v * values[j, b]
        for a in range(q):
            for b in range(a):
                mean = 0.5 * (out[level, a, b] + out[level, b, a])
                out[level, a, b] = mean
                out[level, b, a] = mean
    return out
