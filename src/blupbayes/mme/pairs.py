"""Z_i'W Z_j summed over the batches of a stream, by the pairs of levels that occur together."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from blupbayes.mme.coupling import Cross
from blupbayes.mme.kernels import add_level_sums

__all__ = ["Pairs"]

Array = NDArray[np.float64]
Index = NDArray[np.intp]

DENSE = 4_000_000  # so many numbers are kept for all pairs, whether they occur or not


class Pairs:
    """The sums of two grouping factors with J_i and J_j levels, in place.

    Few pairs are kept in one array. Of many pairs sorted runs are kept, each at least twice as long as the next,
    so that a pair is moved only as often as the number of batches can be halved.
    """

    def __init__(self, J: tuple[int, int], q: tuple[int, int]) -> None:
        self.J, self.q = J, q
        self.is_dense = J[0] * J[1] * q[0] * q[1] <= DENSE
        self.total = np.zeros((J[0] * J[1], *q)) if self.is_dense else np.zeros((0, *q))
        self.seen = np.zeros(len(self.total), dtype=bool)
        self.runs: list[tuple[Index, Array]] = []

    def add(self, codes_i: Index, codes_j: Index, left: Array, right: Array) -> None:
        """Add the rows of one batch: levels (n,) of both factors, columns (n, q_i) and (n, q_j) with weights."""
        keys = codes_i * self.J[1] + codes_j
        if self.is_dense:
            add_level_sums(self.total, keys, left, right)
            self.seen[keys] = True
            return
        found, place = np.unique(keys, return_inverse=True)
        values = np.zeros((len(found), *self.q))
        add_level_sums(values, place.astype(np.intp), left, right)
        self._push(found, values)

    def merge(self, other: Pairs) -> None:
        """Add the sums of other batches."""
        if self.is_dense:
            self.total += other.total
            self.seen |= other.seen
        for run in other.runs:
            self._push(*run)

    def _push(self, keys: Index, values: Array) -> None:
        while self.runs and len(self.runs[-1][0]) <= 2 * len(keys):
            keys, values = joined(*self.runs.pop(), keys, values)
        self.runs.append((keys, values))

    def cross(self) -> Cross:
        """What has been summed, sorted by pair."""
        if self.is_dense:
            keys = np.flatnonzero(self.seen)
            return Cross(keys // self.J[1], keys % self.J[1], self.total[keys])
        keys, values = np.zeros(0, dtype=np.intp), self.total
        for run in reversed(self.runs):
            keys, values = joined(*run, keys, values)
        return Cross(keys // self.J[1], keys % self.J[1], values)


def joined[V: Array | Index](keys: Index, values: V, more: Index, more_values: V) -> tuple[Index, V]:
    """Two sorted runs as one, values of the same key added."""
    if not len(more):
        return keys, values
    both = np.concatenate([keys, more])
    order = np.argsort(both, kind="stable")
    both = both[order]
    first = np.flatnonzero(np.concatenate([[True], both[1:] != both[:-1]]))
    total: Any = np.add.reduceat(np.concatenate([values, more_values])[order], first, axis=0)
    return both[first], total
