"""The measures of rows that are not kept, and what they cannot know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from blupbayes.errors import PriorError
from blupbayes.model.measures import ColumnMoments, GroupMeasures, Measures, Tails

__all__ = ["StoredGroup", "StoredMeasures"]

Array = NDArray[np.float64]
Index = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class StoredGroup(GroupMeasures):
    """One grouping factor: its columns of Z (q), and by level (J,) the rows and the sums of y - offset."""

    columns: ColumnMoments
    counts: Index
    sums: Array

    def merged(self, other: StoredGroup) -> StoredGroup:
        """Both parts together; they have the same levels."""
        return StoredGroup(
            self.columns.merged(other.columns), self.counts + other.counts, self.sums + other.sums
        )


@dataclass(frozen=True, eq=False)
class StoredMeasures(Measures):
    """Measures of rows that are not kept.

    Parameters
    ----------
    y, response, X : ColumnMoments
        Of y, of y - offset, and of the columns of X (p).
    groups : sequence of StoredGroup
        One per grouping factor.
    weights, offset : ColumnMoments, optional
        None where there are none.
    tails : Tails
        From the statistics.
    middle_weight : float, optional
        The median weight, if it is known.
    """

    y: ColumnMoments
    response: ColumnMoments
    X: ColumnMoments
    groups: Sequence[StoredGroup]
    weights: ColumnMoments | None
    offset: ColumnMoments | None
    tails: Tails
    middle_weight: float | None = None

    has_rows: ClassVar[bool] = False

    @property
    def statistics(self) -> Any:
        """What the tails were made of."""
        return self.tails.statistics

    @property
    def typical_weight(self) -> float:
        """The median weight where it is known, else the mean."""
        if self.weights is None or self.weights.constant[0] or self.middle_weight is not None:
            return self.median_weight()
        return float(self.weights.mean[0])

    def median_weight(self) -> float:
        """Over the rows; 1 without weights.

        Raises
        ------
        PriorError
            If it is not known: medians of parts do not tell that of the whole.
        """
        if self.weights is None:
            return 1.0
        if self.weights.constant[0]:
            return float(self.weights.low[0])
        if self.middle_weight is None:
            raise PriorError(
                "The default prior of sigma asks for the median weight, which a model without rows does not know. "
                "Give this prior in numbers: Prior(residual='HalfStudentT(3, s)'), s of the order of the sd of y "
                f"({self.response_sd:.3g}) times the root of a typical weight (their mean: {self.typical_weight:.3g})."
            )
        return self.middle_weight

    def robust(self) -> tuple[float, float]:
        """Refused: medians cannot be had in one pass.

        Raises
        ------
        PriorError
        """
        raise PriorError(
            "This prior is made of the median of y and of absolute deviations from it, which a model without rows "
            "does not know. Give it in numbers: Prior(residual='HalfStudentT(3, S)', sd='HalfStudentT(3, S)'), with "
            f"S of the order of {self.response_sd:.3g}, the sd of y."
        )
