"""The arrays of one batch of rows, in the coding of a design."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blupbayes.errors import DataError
from blupbayes.model.checks import check_weights
from blupbayes.model.codebook import distinct
from blupbayes.model.columns import Columns
from blupbayes.model.encoding import Encoding, Value
from blupbayes.model.rows import blamed, complete, kind_of
from blupbayes.model.vocabulary import Vocabulary

__all__ = ["Chunk", "ChunkReader"]

Array = NDArray[np.float64]
Codes = NDArray[np.intp]

WHERE = "the batch"


@dataclass(frozen=True, eq=False)
class Chunk:
    """The rows of one batch in the coding of a design; fields as in `Design` and `Group`, m rows.

    Parameters
    ----------
    y : ndarray of float
        Response (m,).
    X : ndarray of float
        Fixed side (m, p).
    codes : tuple of ndarray of intp
        For each grouping factor the level of each row (m,).
    columns : tuple of ndarray of float
        For each grouping factor what multiplies the coefficients of the row's level (m, q). Terms with the same
        columns share one array with X: do not write into it.
    weights, offset : ndarray of float, optional
        (m,).
    n_dropped : int
        Rows left out because of missing values.
    """

    y: Array
    X: Array
    codes: tuple[Codes, ...]
    columns: tuple[Array, ...]
    weights: Array | None
    offset: Array | None
    n_dropped: int

    def __len__(self) -> int:
        return len(self.y)


@dataclass(frozen=True, eq=False)
class ChunkReader:
    """How the rows of a batch become arrays.

    Parameters
    ----------
    words : Vocabulary
        What the first pass found.
    values : mapping
        How response, weights and offset are made.
    encoding : Encoding
        How the matrices are made.
    groups : tuple of str
        Names of the grouping factors, in the order of the design.
    """

    words: Vocabulary
    values: Mapping[str, tuple[Value, ...]]
    encoding: Encoding
    groups: tuple[str, ...]

    def read(self, number: int, frame: Any) -> Chunk:
        """The arrays of a batch; `number` is for the errors."""
        with blamed(number):
            kept, n_dropped = complete(frame, self.words.names, self.words.missing)
            coded = self._coded(kept)
            matrices = {id(side): side.encode(coded, WHERE) for side in self._sides()}
            roles = {role: [v.encode(coded, WHERE) for v in values] for role, values in self.values.items()}
            weights = roles["weights"][0] if roles["weights"] else None
            check_weights(weights)
            return Chunk(
                roles["response"][0],
                matrices[id(self.encoding.fixed)],
                tuple(self._codes(group, kept) for group in self.groups),
                tuple(self._stacked(group, matrices) for group in self.groups),
                weights,
                np.sum(roles["offset"], axis=0) if roles["offset"] else None,
                n_dropped,
            )

    def _sides(self) -> list[Columns]:
        sides = [self.encoding.fixed, *(s for g in self.encoding.groups.values() for s in g.sides)]
        return list({id(side): side for side in sides}.values())

    def _stacked(self, group: str, matrices: Mapping[int, Array]) -> Array:
        parts = [matrices[id(side)] for side in self.encoding.groups[group].sides]
        return parts[0] if len(parts) == 1 else np.hstack(parts)

    def _codes(self, group: str, frame: pd.DataFrame) -> Codes:
        encoding = self.encoding.groups[group]
        codes, unseen = encoding.grouping.encode(frame, encoding.factors)
        if unseen:
            raise _changed(group, unseen[0])
        return codes

    def _coded(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The columns that enter matrices, in the types of the first pass."""
        dtypes = self.encoding.dtypes
        return pd.DataFrame({name: self._column(frame[name], dtypes[name]) for name in dtypes}, copy=False)

    def _column(self, series: pd.Series[Any], dtype: Any) -> pd.Series[Any]:
        kind, known = kind_of(series), self.words.columns[str(series.name)].kind
        if len(series) and kind != known and (kind, known) != ("int", "float"):
            raise DataError(
                f"column '{series.name}' holds {kind}, and {known} when the batches were first read; "
                "the batches have changed between two passes"
            )
        levels = self.words.columns[str(series.name)].values
        if levels is None:
            return series.astype(dtype)
        codes, values = distinct(series)
        categories = isinstance(dtype, pd.CategoricalDtype)
        places = (dtype.categories if categories else levels).get_indexer(values)
        if (places < 0).any():
            raise _changed(str(series.name), values[int(np.argmax(places < 0))])
        if not categories:
            return series.astype(dtype)
        return pd.Series(pd.Categorical.from_codes(places[codes], dtype=dtype), series.index)


def _changed(name: str, value: object) -> DataError:
    return DataError(
        f"'{name}' has the level '{value}', which was not there when the batches were first read; "
        "the batches have changed between two passes"
    )
