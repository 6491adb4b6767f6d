"""How grouping columns meet, batch after batch: which combinations of levels occur, and whether two factors are one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blupbayes.model.codebook import Codebook

__all__ = ["Combinations", "Partition"]

Codes = NDArray[np.intp]

HALF = 32  # bits of a pair that hold the second number


class Combinations:
    """Combinations of levels of several columns, numbered in order of first appearance.

    The first two columns make pairs, each pair with the third column a pair again, and so on.
    """

    def __init__(self, width: int) -> None:
        self.books = [Codebook() for _ in range(width - 1)]

    def __len__(self) -> int:
        return len(self.books[-1])

    def add(self, codes: Sequence[Codes]) -> Codes:
        """Take in rows, given by their level (n,) in each column; the number (n,) of their combination."""
        current = codes[0]
        for book, part in zip(self.books, codes[1:], strict=True):
            places, pairs = pd.factorize((current.astype(np.int64) << HALF) | part)
            current = book.encode(pd.Index(pairs))[places]
        return current

    def merge(self, other: Combinations, maps: Sequence[Codes]) -> Codes:
        """Take in other combinations, `maps` their levels to those here; the number here of each."""
        return self.add([levels[part] for levels, part in zip(maps, other.parts(), strict=True)])

    def parts(self) -> list[Codes]:
        """For each column the level of each combination."""
        current = np.arange(len(self))
        found = []
        for book in reversed(self.books):
            pairs = np.asarray(book.values, dtype=np.int64)[current]
            found.append(np.asarray(pairs & ((1 << HALF) - 1), dtype=np.intp))
            current = np.asarray(pairs >> HALF, dtype=np.intp)
        return [current, *reversed(found)]


class Partition:
    """Whether the level of one grouping factor decides that of another, in all rows so far."""

    def __init__(self) -> None:
        self.holds = True
        self.decided = np.empty(
            0, dtype=np.intp
        )  # for each level of the one its level of the other, -1 if not seen

    def add(self, one: Codes, other: Codes) -> None:
        """Take in rows, given by their level (n,) in both."""
        if not self.holds or not len(one):
            return
        longer = int(one.max()) + 1 - len(self.decided)
        if longer > 0:
            self.decided = np.concatenate([self.decided, np.full(longer, -1, dtype=np.intp)])
        new = self.decided[one] < 0
        self.decided[one[new]] = other[new]
        if (self.decided[one] != other).any():
            self.holds, self.decided = False, np.empty(0, dtype=np.intp)

    def merge(self, partition: Partition, one: Codes, other: Codes) -> None:
        """Take in what other rows decided, `one` and `other` their levels to those here."""
        if not partition.holds:
            self.holds, self.decided = False, np.empty(0, dtype=np.intp)
            return
        seen = np.flatnonzero(partition.decided >= 0)
        self.add(one[seen], other[partition.decided[seen]])
