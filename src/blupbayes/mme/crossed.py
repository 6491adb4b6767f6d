"""What stands behind the chain: where each grouping factor of the tail is, its cross-products, its coupling."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from blupbayes.mme.coupling import Cross, SparseCoupling

__all__ = ["Span", "sparse_coupling", "sparse_tail_product", "tail_product"]

Array = NDArray[np.float64]
Index = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Span:
    """Where a grouping factor of the tail stands: ``start`` within the tail, J levels of q coefficients."""

    group: int
    start: int
    J: int
    q: int

    @property
    def slice(self) -> slice:
        """Its rows within the tail."""
        return slice(self.start, self.start + self.J * self.q)


def sparse_coupling(
    k: int,
    spans: Sequence[Span],
    t: int,
    shapes: Sequence[tuple[int, int]],
    both: Mapping[tuple[int, int], Cross],
) -> SparseCoupling:
    """Z_k'W Z_tail by level, the tail columns of each level ascending."""
    J, q = shapes[k]
    levels, columns, values = [], [], []
    for s in spans:
        c = both[k, s.group]
        levels.append(np.repeat(c.rows, s.q))
        columns.append((s.start + c.cols[:, None] * s.q + np.arange(s.q)).ravel())
        values.append(c.values.transpose(0, 2, 1).reshape(-1, q))
    level, column, value = np.concatenate(levels), np.concatenate(columns), np.concatenate(values)
    order = np.lexsort((column, level))
    indptr = np.concatenate([[0], np.cumsum(np.bincount(level, minlength=J))]).astype(np.intp)
    return SparseCoupling(
        indptr, column[order].astype(np.intp), np.ascontiguousarray(value[order]), (J, q, t)
    )


def tail_entries(
    spans: Sequence[Span], diagonals: Sequence[Array], both: Mapping[tuple[int, int], Cross]
) -> Iterator[tuple[Index, Index, Array]]:
    """Rows, columns and values, each (m, q_i, q_j), of Z_tail'W Z_tail: levels, and pairs of levels that meet."""
    for s, other in itertools.product(spans, repeat=2):
        level = np.arange(s.J)
        cross = Cross(level, level, diagonals[s.group]) if s is other else both[s.group, other.group]
        row = s.start + cross.rows[:, None, None] * s.q + np.arange(s.q)[:, None]
        col = other.start + cross.cols[:, None, None] * other.q + np.arange(other.q)
        yield row, col, cross.values


def tail_product(
    spans: Sequence[Span], t: int, diagonals: Sequence[Array], both: Mapping[tuple[int, int], Cross]
) -> Array:
    """Z_tail'W Z_tail, dense (t, t)."""
    A = np.zeros((t, t))
    for row, col, values in tail_entries(spans, diagonals, both):
        A[row, col] = values
    return A


def sparse_tail_product(
    spans: Sequence[Span], t: int, diagonals: Sequence[Array], both: Mapping[tuple[int, int], Cross]
) -> sp.csr_array:
    """The same by its entries."""
    if not spans:
        return sp.csr_array((0, 0))
    parts = [np.broadcast_arrays(*x) for x in tail_entries(spans, diagonals, both)]
    row, col, values = (np.concatenate([x.ravel() for x in whole]) for whole in zip(*parts, strict=True))
    return sp.csr_array((values, (row, col)), shape=(t, t))
