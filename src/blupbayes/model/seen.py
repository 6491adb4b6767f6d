"""What one column holds over all batches so far: its kind, and its levels if it has any."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blupbayes.errors import DataError
from blupbayes.model.codebook import Codebook, distinct
from blupbayes.model.fingerprint import marks
from blupbayes.model.rows import has_levels, kind_of

__all__ = ["MOST_CATEGORIES", "Seen"]

Codes = NDArray[np.intp]

MOST_CATEGORIES = 5000  # of a column that enters a matrix: each makes a dense column
WORDS = {"bool": "True and False", "int": "integers", "float": "numbers", "text": "text", "dates": "dates"}
WORDS["mixed"] = "values of several types"


class Seen:
    """A column of the batches.

    Parameters
    ----------
    name : str
        The column.
    in_matrix, grouping, listed : bool
        Whether it enters a matrix, is a grouping factor, stands in C().
    """

    def __init__(self, name: str, in_matrix: bool, grouping: bool, listed: bool) -> None:
        self.name, self.in_matrix, self.grouping, self.listed = name, in_matrix, grouping, listed
        self.kind, self.number = "", 0
        self.declared: Any = None  # the dtype of categories, as long as all batches have the same
        self.book = Codebook()
        self.marks = np.empty(0, dtype=np.uint64)  # of the levels, for the fingerprint of the rows

    def add(self, number: int, series: pd.Series[Any]) -> Codes:
        """Take in a batch without missing values; the numbers (n,) of its levels, empty if it has none."""
        self._agree(self._kind_in(series), _declared(series), number)
        if not (self.grouping or self.listed or self.has_levels):
            return np.empty(0, dtype=np.intp)
        codes, values = distinct(series)
        return self._take(values)[codes]

    def merge(self, other: Seen) -> Codes:
        """Take in what other batches held; the number here of each of its levels."""
        if not other.number:
            return np.empty(0, dtype=np.intp)
        self._agree(other.kind, other.declared, other.number)
        return self._take(other.book.values)

    def mark(self, series: pd.Series[Any], codes: Codes) -> NDArray[np.uint64]:
        """The mark (n,) of each row, for the fingerprint; codes are what `add` gave."""
        return self.marks[codes] if len(codes) else marks(series)

    @property
    def has_levels(self) -> bool:
        """Whether it makes a column for each of its values."""
        return self.in_matrix and has_levels(self.kind)

    def order(self) -> Codes:
        """The numbers of the levels in their order: that of the categories, or sorted by value."""
        values = self.book.values
        places = values if self.declared is None else self.declared.categories.get_indexer(values)
        return np.argsort(np.asarray(places), kind="stable")

    def _take(self, values: pd.Index[Any]) -> Codes:
        """The numbers of values, the new ones taken in with their marks."""
        before = len(self.book)
        places = self.book.encode(values)
        new = places >= before
        if new.any():
            added = np.empty(len(self.book) - before, dtype=np.uint64)
            added[places[new] - before] = marks(values[new])
            self.marks = np.concatenate([self.marks, added])
        self._few()
        return places

    def _kind_in(self, series: pd.Series[Any]) -> str:
        kind = kind_of(series)
        return kind if self.in_matrix else kind.removesuffix(" category")

    def _agree(self, kind: str, declared: Any, number: int) -> None:
        """Compare with the batches before; what they have in common stays."""
        if not self.number:
            self.kind, self.declared, self.number = kind, declared, number
            return
        if kind != self.kind:
            if {kind, self.kind} != {"int", "float"} or self.grouping:
                raise self._differs(kind, number)
            self.kind = "float"
        if declared is None or self.declared is None or not _same(declared, self.declared):
            if self.in_matrix and kind.endswith("category"):
                raise self._other_categories(number)
            self.declared = None
        self.number = min(self.number, number)

    def _differs(self, kind: str, number: int) -> DataError:
        first, last = sorted([(self.number, self.kind), (number, kind)])
        message = (
            f"batch {last[0]}: column '{self.name}' holds {_words(last[1])}, in batch {first[0]} it holds "
        )
        return DataError(f"{message}{_words(first[1])}; give it the same type in all batches")

    def _other_categories(self, number: int) -> DataError:
        first, last = sorted([self.number, number])
        message = (
            f"batch {last}: the categories of column '{self.name}' are not those of batch {first}; give all "
        )
        return DataError(message + "batches the same categories in the same order, or make them text")

    def _few(self) -> None:
        if len(self.book) > MOST_CATEGORIES and (self.has_levels or self.listed):
            message = f"column '{self.name}' has more than {MOST_CATEGORIES} levels, and each makes a column of the "
            raise DataError(
                message + f"fixed side or of every level of a group; use a group term, (1 | {self.name})"
            )


def _words(kind: str) -> str:
    plain = kind.removesuffix(" category")
    return f"{'categories of ' if plain != kind else ''}{WORDS[plain]}"


def _declared(series: pd.Series[Any]) -> Any:
    return series.dtype if isinstance(series.dtype, pd.CategoricalDtype) else None


def _same(one: pd.CategoricalDtype, other: pd.CategoricalDtype) -> bool:
    return one.ordered == other.ordered and one.categories.equals(other.categories)
