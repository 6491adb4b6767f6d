"""Correlation matrices from canonical partial correlations, and their Cholesky roots, entry by entry.

Plain arithmetic on scalars: the same lines serve NumPy numbers and PyTensor variables, and no graph has to
differentiate a factorisation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

__all__ = ["Block", "correlation_matrix", "correlation_root", "partials"]

Block = tuple[int, int]  # coefficients start..stop-1


def partials(blocks: tuple[Block, ...], eta: float) -> Iterator[tuple[int, int, float]]:
    """(i, j, a) of every canonical partial correlation c_ij, i > j: under LKJ(eta), (c_ij + 1)/2 ~ Beta(a, a).

    a = eta + (stop - 2 - j)/2. In the first column of a block, c is the correlation itself.
    """
    for start, stop in blocks:
        for i in range(start + 1, stop):
            for j in range(start, i):
                yield i, j, eta + (stop - 2 - j) / 2


def correlation_matrix(c: Mapping[tuple[int, int], Any], blocks: tuple[Block, ...], size: int) -> Any:
    """R (size, size) with the canonical partial correlations c[i, j]; 0 between blocks."""
    R: Any = np.eye(size)
    for start, stop in blocks:
        L: dict[tuple[int, int], Any] = {(start, start): 1.0}
        for i in range(start + 1, stop):
            rest: Any = 1.0
            for j in range(start, i):
                L[i, j] = c[i, j] * rest
                rest = rest * (1.0 - c[i, j] ** 2) ** 0.5
                R = R + dot(L, i, j, start, j + 1) * (unit(i, j, size) + unit(j, i, size))
            L[i, i] = rest
    return R


def correlation_root(R: Any, blocks: tuple[Block, ...], size: int) -> Any:
    """Lower-triangular L (size, size) with L L' = R, for a positive definite R that is 0 between blocks."""
    total: Any = np.eye(size)
    for start, stop in blocks:
        L: dict[tuple[int, int], Any] = {(start, start): 1.0}
        for i in range(start + 1, stop):
            for j in range(start, i):
                L[i, j] = (R[i, j] - dot(L, i, j, start, j)) / L[j, j]
                total = total + L[i, j] * unit(i, j, size)
            L[i, i] = (1.0 - dot(L, i, i, start, i)) ** 0.5
            total = total + (L[i, i] - 1.0) * unit(i, i, size)
    return total


def dot(L: Mapping[tuple[int, int], Any], i: int, j: int, start: int, stop: int) -> Any:
    """Sum of L[i, k] L[j, k] over k from start to stop - 1."""
    return sum(L[i, k] * L[j, k] for k in range(start, stop))


def unit(i: int, j: int, size: int) -> Any:
    """Matrix with a 1 at (i, j)."""
    E = np.zeros((size, size))
    E[i, j] = 1.0
    return E
