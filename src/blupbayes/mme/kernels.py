"""Compiled loops: over sparse couplings (layout.py), and over the rows of a stream (passes.py).

Imported only by models whose blocks are kept sparse, and by models from batches. The loops over couplings go
through the pairs of tail columns that meet in a level, row of the tail by row of the tail, so that the row of the
(t, t) matrix that is read or written stays in the nearest cache.
"""

from __future__ import annotations

import numba as nb
import numpy as np
from numpy.typing import NDArray

__all__ = ["add_level_sums", "downdate", "level_forms", "subtract_level_rows"]

Array = NDArray[np.float64]
Index = NDArray[np.intp]


@nb.njit(cache=True)
def downdate(
    N: Array, W: Array, start: Index, level: Index, entry: Index, column: Index, value: Array
) -> None:
    """N -= sum over levels of G_l' W_l G_l; lower triangle only.

    N (t, t); W (J, q, q); G_l has the entries start[l]..start[l + 1] of ``column`` (nnz,), ascending, and
    ``value`` (nnz, q); ``entry`` (nnz,) lists the entries by column and ``level`` (nnz,) their levels.
    """
    q = value.shape[1]
    if q == 1:
        for p in range(len(entry)):
            i, which = entry[p], level[p]
            r, scale = column[i], value[i, 0] * W[which, 0, 0]
            for j in range(start[which], i + 1):
                N[r, column[j]] -= scale * value[j, 0]
        return
    row = np.empty(q)
    for p in range(len(entry)):
        i, which = entry[p], level[p]
        r = column[i]
        for b in range(q):
            total = 0.0
            for a in range(q):
                total += value[i, a] * W[which, a, b]
            row[b] = total
        for j in range(start[which], i + 1):
            total = 0.0
            for b in range(q):
                total += row[b] * value[j, b]
            N[r, column[j]] -= total


@nb.njit(cache=True)
def level_forms(V: Array, start: Index, level: Index, entry: Index, column: Index, value: Array) -> Array:
    """G_l V G_l' for every level, (J, q, q); V (t, t) symmetric, the rest as in downdate."""
    q = value.shape[1]
    out = np.zeros((len(start) - 1, q, q))
    if q == 1:
        for p in range(len(entry)):
            i, which = entry[p], level[p]
            r = column[i]
            total = 0.5 * V[r, r] * value[i, 0]
            for j in range(start[which], i):
                total += V[r, column[j]] * value[j, 0]
            out[which, 0, 0] += 2.0 * total * value[i, 0]
        return out
    row = np.empty(q)
    for p in range(len(entry)):
        i, which = entry[p], level[p]
        r = column[i]
        row[:] = 0.0
        for j in range(start[which], i):
            for b in range(q):
                row[b] += V[r, column[j]] * value[j, b]
        for b in range(q):
            row[b] += 0.5 * V[r, r] * value[i, b]
        for a in range(q):
            for b in range(q):
                out[which, a, b] += value[i, a] * row[b] + row[a] * value[i, b]
    return out


@nb.njit(cache=True, nogil=True)
def add_level_sums(total: Array, codes: Index, left: Array, right: Array) -> None:
    """total[l] += outer products of left (n, a) and right (n, b) over the rows of level l; total (J, a, b)."""
    for i in range(len(codes)):
        level = codes[i]
        for a in range(left.shape[1]):
            for b in range(right.shape[1]):
                total[level, a, b] += left[i, a] * right[i, b]


@nb.njit(cache=True, nogil=True)
def subtract_level_rows(left: Array, codes: Index, Z: Array, coefficients: Array) -> None:
    """left (n, m) -= rows of Z (n, q) times the coefficients (J, q, m) of their level."""
    for i in range(len(codes)):
        level = codes[i]
        for a in range(Z.shape[1]):
            for b in range(left.shape[1]):
                left[i, b] -= Z[i, a] * coefficients[level, a, b]
