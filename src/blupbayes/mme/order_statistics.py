"""The exact median of positive numbers in two passes over batches, whatever their order.

The bits of positive doubles, read as integers, have the order of the numbers. The first pass counts their upper
halves, which tells in which half-words the two middle numbers lie; the second counts the lower halves there.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from blupbayes.mme.pairs import joined

__all__ = ["LowerHalves", "UpperHalves"]

Array = NDArray[np.float64]
Index = NDArray[np.intp]

HALF = 32  # bits


def counted(bits: NDArray[np.uint64], keys: Index, counts: Index) -> tuple[Index, Index]:
    """Sorted keys and their counts, with those of further numbers."""
    found, times = np.unique(bits.astype(np.intp), return_counts=True)
    return joined(found, times.astype(np.intp), keys, counts)


class UpperHalves:
    """Counts of the upper half-words; ``keys``, ``counts`` (m,)."""

    def __init__(self) -> None:
        self.keys, self.counts = np.zeros(0, dtype=np.intp), np.zeros(0, dtype=np.intp)

    def add(self, values: Array) -> None:
        """Count values (n,), all positive."""
        bits = np.ascontiguousarray(values).view(np.uint64) >> np.uint64(HALF)
        self.keys, self.counts = counted(bits, self.keys, self.counts)

    def merge(self, other: UpperHalves) -> None:
        """Add the counts of other batches."""
        self.keys, self.counts = joined(self.keys, self.counts, other.keys, other.counts)

    def middle(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """For the lower and the upper of the two middle numbers: its upper half-word, its place among those."""
        ends = np.cumsum(self.counts)
        n = int(ends[-1])
        places = []
        for rank in ((n - 1) // 2, n // 2):
            k = int(np.searchsorted(ends, rank, side="right"))
            places.append((int(self.keys[k]), rank - int(ends[k] - self.counts[k])))
        return places[0], places[1]


class LowerHalves:
    """Counts of the lower half-words of the numbers with two given upper ones."""

    def __init__(self, middle: tuple[tuple[int, int], tuple[int, int]]) -> None:
        self.middle = middle
        empty = np.zeros(0, dtype=np.intp)
        self.found = {upper: (empty, empty) for upper, _ in middle}

    def add(self, values: Array) -> None:
        """Count values (n,), all positive."""
        bits = np.ascontiguousarray(values).view(np.uint64)
        for upper, (keys, counts) in self.found.items():
            lower = bits[bits >> np.uint64(HALF) == upper] & np.uint64(2**HALF - 1)
            self.found[upper] = counted(lower, keys, counts)

    def merge(self, other: LowerHalves) -> None:
        """Add the counts of other batches."""
        for upper, (keys, counts) in other.found.items():
            self.found[upper] = joined(*self.found[upper], keys, counts)

    def median(self) -> float:
        """The mean of the two middle numbers, as numpy.median has it."""
        values = []
        for upper, place in self.middle:
            keys, counts = self.found[upper]
            lower = int(keys[np.searchsorted(np.cumsum(counts), place, side="right")])
            values.append(np.array([upper << HALF | lower], dtype=np.uint64).view(np.float64)[0])
        return float(np.mean(values))
