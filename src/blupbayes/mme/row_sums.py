"""What priors, tables and checks ask of rows that are not kept, summed beside the statistics."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from blupbayes.mme.order_statistics import UpperHalves
from blupbayes.model.chunk import Chunk
from blupbayes.model.measures import ColumnMoments

__all__ = ["RowSums"]

Array = NDArray[np.float64]


class RowSums:
    """Moments of all columns, and sums by level, in one pass.

    Attributes: ``y``, ``response`` (y minus offset), ``offset``, ``weights``: moments of one column, or None; ``X``;
    ``Z`` per group; per group ``counts`` and ``sums`` (J,), rows and responses of each level; ``halves`` of the
    weights, on the way to their median.
    """

    def __init__(self, J: Sequence[int]) -> None:
        self.moments: dict[str, ColumnMoments] = {}
        self.Z: tuple[ColumnMoments, ...] = ()
        self.counts, self.sums = [np.zeros(j) for j in J], [np.zeros(j) for j in J]
        self.halves = UpperHalves()

    def add(self, chunk: Chunk) -> None:
        """Add the rows of one batch."""
        if not len(chunk.y):
            return
        response = chunk.y if chunk.offset is None else chunk.y - chunk.offset
        columns = {"y": chunk.y, "X": chunk.X} | ({} if chunk.offset is None else {"response": response})
        columns |= {k: v for k, v in (("offset", chunk.offset), ("weights", chunk.weights)) if v is not None}
        moments = {k: ColumnMoments.of(v) for k, v in columns.items()}
        moments.setdefault("response", moments["y"])
        Z = [moments["X"] if Z is chunk.X else ColumnMoments.of(Z) for Z in chunk.columns]
        self._join(moments, Z)
        if chunk.weights is not None:
            self.halves.add(chunk.weights)
        for k, codes in enumerate(chunk.codes):
            J = len(self.counts[k])
            self.counts[k] += np.bincount(codes, minlength=J)
            self.sums[k] += np.bincount(codes, response, J)

    def merge(self, other: RowSums) -> None:
        """Add the sums of other batches."""
        if not other.moments:
            return
        self._join(other.moments, other.Z)
        self.halves.merge(other.halves)
        for k, (counts, sums) in enumerate(zip(other.counts, other.sums, strict=True)):
            self.counts[k] += counts
            self.sums[k] += sums

    def _join(self, moments: dict[str, ColumnMoments], Z: Sequence[ColumnMoments]) -> None:
        if not self.moments:
            self.moments, self.Z = dict(moments), tuple(Z)
            return
        self.moments = {k: v.merged(moments[k]) for k, v in self.moments.items()}
        self.Z = tuple(mine.merged(theirs) for mine, theirs in zip(self.Z, Z, strict=True))
