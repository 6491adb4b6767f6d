"""How two grouping factors meet in Z'WZ: by pairs of levels, by a level's ancestor, dense or sparse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

__all__ = ["Cross", "Link", "SparseCoupling", "tail_times", "tail_transposed_times"]

Array = NDArray[np.float64]
Index = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Cross:
    """Z_i'W Z_j for two grouping factors, by pairs of levels that occur together.

    ``rows``, ``cols`` (m,): level of i and of j, sorted by row, then column; ``values``: (m, q_i, q_j).
    """

    rows: Index
    cols: Index
    values: Array

    def transposed(self) -> Cross:
        """The same cross-product seen from the other factor."""
        order = np.lexsort((self.rows, self.cols))
        return Cross(self.cols[order], self.rows[order], self.values[order].transpose(0, 2, 1))

    def dense(self, shape: tuple[int, int]) -> Array:
        """As (J_i q_i, J_j q_j), for the given numbers of levels (J_i, J_j)."""
        q_i, q_j = self.values.shape[1:]
        full = np.zeros((shape[0], q_i, shape[1], q_j))
        full[self.rows, :, self.cols, :] = self.values
        return full.reshape(shape[0] * q_i, shape[1] * q_j)


@dataclass(frozen=True, eq=False)
class SparseCoupling:
    """Coupling of a chain block to the tail, by level: tail columns ``indices`` and ``values`` (nnz, q)."""

    indptr: Index
    indices: Index
    values: Array
    shape: tuple[int, int, int]

    @cached_property
    def by_column(self) -> tuple[Index, Index, Index, Index, Array]:
        """What the loops of kernels.py go by: indptr, level and number of each entry by column, indices, values."""
        entry = np.argsort(self.indices, kind="stable")
        level = np.repeat(np.arange(len(self.indptr) - 1), np.diff(self.indptr))
        return self.indptr, level[entry], entry, self.indices, self.values

    def times(self, blocks: Sequence[tuple[slice, Array]]) -> Array:
        """The entries (nnz, q) of this coupling times a block-diagonal matrix of the tail.

        ``blocks``: for each grouping factor of the tail its columns, and the (q_k, q_k) block of each of its levels.
        """
        if all(len(T) == 1 for _, T in blocks):
            lam = np.concatenate([np.full(s.stop - s.start, T[0, 0]) for s, T in blocks])
            return np.asarray(self.values * lam[self.indices, None])
        out = np.empty_like(self.values)
        for columns, T in blocks:
            mine = (self.indices >= columns.start) & (self.indices < columns.stop)
            by_level = self.values[mine].reshape(-1, len(T), self.values.shape[1])
            out[mine] = (T.T @ by_level).reshape(-1, self.values.shape[1])
        return out

    @cached_property
    def rows(self) -> sp.csr_array:
        """The same as a sparse matrix (J q, t)."""
        J, q, t = self.shape
        counts = np.diff(self.indptr)
        level = np.repeat(np.arange(J), counts)
        row = (level[:, None] * q + np.arange(q)).ravel()
        col = np.repeat(self.indices, q)
        return sp.csr_array((self.values.ravel(), (row, col)), shape=(J * q, t))


@dataclass(frozen=True, eq=False)
class Link:
    """A chain block's coupling to a later one it is nested in: level l meets only level ``ancestor[l]``."""

    position: int
    ancestor: Index
    values: Array
    gather: sp.csr_array

    def add_to(self, target: Array, x: Array) -> None:
        """Add x (J, a, b) of each level to the row of its ancestor in target (J', a, b)."""
        target += (self.gather @ x.reshape(len(x), -1)).reshape(target.shape)


def tail_times(G: Array | SparseCoupling, x: Array) -> Array:
    """G x for x (t, m) -> (J, q, m)."""
    if isinstance(G, SparseCoupling):
        J, q, _ = G.shape
        return np.asarray((G.rows @ x).reshape(J, q, x.shape[1]))
    return G @ x


def tail_transposed_times(G: Array | SparseCoupling, x: Array) -> Array:
    """G'x for x (J, q, m) -> (t, m)."""
    flat = x.reshape(-1, x.shape[2])
    if isinstance(G, SparseCoupling):
        return np.asarray(G.rows.T @ flat)
    return G.reshape(len(flat), -1).T @ flat
