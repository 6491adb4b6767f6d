"""A design whose rows come in batches and are not kept: what is asked of each batch, and how to make its arrays."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blupbayes.errors import DataError, RowsNotKeptError
from blupbayes.model.checks import check_counts, check_weights
from blupbayes.model.codebook import distinct
from blupbayes.model.columns import Columns
from blupbayes.model.covariance import Template, template
from blupbayes.model.encoding import Encoding, Value
from blupbayes.model.relearning import Learned, relearned
from blupbayes.model.rows import blamed, complete, kind_of
from blupbayes.model.scanner import unquoted
from blupbayes.model.structure import Group, GroupTerm, NewRows
from blupbayes.model.vocabulary import Vocabulary

__all__ = ["Chunk", "StreamedDesign", "StreamedGroup"]

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


def _not_kept() -> NoReturn:
    raise RowsNotKeptError()


@dataclass(frozen=True, eq=False)
class StreamedGroup:
    """One grouping factor, with all the terms on it; fields as in `Group`, without rows."""

    name: str
    factors: tuple[str, ...]
    levels: tuple[str, ...]
    names: tuple[str, ...]
    terms: tuple[GroupTerm, ...]

    @classmethod
    def of(cls, group: Group) -> StreamedGroup:
        """A group without its rows."""
        return cls(group.name, group.factors, group.levels, group.names, group.terms)

    @property
    def template(self) -> Template:
        """Where the entries of theta stand in T (q, q)."""
        return template(len(self.names), [(t.start, t.stop, t.structure, t.first) for t in self.terms])

    @property
    def codes(self) -> Codes:
        """Not kept."""
        _not_kept()

    @property
    def columns(self) -> Array:
        """Not kept."""
        _not_kept()

    def __repr__(self) -> str:
        return (
            f"StreamedGroup({self.name!r}: {len(self.levels)} levels, coefficients {', '.join(self.names)})"
        )


@dataclass(frozen=True, eq=False)
class StreamedDesign:
    """A linear mixed model [E-MODEL] whose rows come in batches.

    Parameters
    ----------
    formula, response, fixed_names, groups, sigma, n_dropped, encoding
        As in `Design`.
    n_obs : int
        Rows of all batches that are used.
    hash : str
        A fingerprint of formula and rows, whatever their order and their batches.
    has_weights, has_offset : bool
        Whether rows have weights and an offset.
    words : Vocabulary
        What was learned from the batches.
    values : mapping
        How response, weights and offset are made.
    measures : object, optional
        What other passes found out about the rows; None before.
    """

    formula: str
    response: str
    fixed_names: tuple[str, ...]
    groups: tuple[StreamedGroup, ...]
    sigma: float | None
    n_obs: int
    n_dropped: int
    hash: str
    encoding: Encoding = field(repr=False)
    has_weights: bool
    has_offset: bool
    words: Vocabulary = field(repr=False)
    values: Mapping[str, tuple[Value, ...]] = field(repr=False)
    measures: Any = field(default=None, repr=False)
    source: None = field(default=None, init=False, repr=False)

    @classmethod
    def of(cls, words: Vocabulary) -> StreamedDesign:
        """The design that a vocabulary describes.

        Raises
        ------
        FormulaError, DataError, IdentifiabilityError
            As `design.build`.
        """
        learned = relearned(words)
        groups = tuple(StreamedGroup.of(group) for group in learned.groups)
        check_counts(words.n_obs, len(learned.fixed.names), groups, words.sigma)
        return cls(**_fields(words, learned), groups=groups)

    @classmethod
    def from_vocabulary(cls, made: Mapping[str, Any]) -> StreamedDesign:
        """The design that `vocabulary` wrote down, without the data."""
        return cls.of(Vocabulary.from_dict(made))

    def vocabulary(self) -> dict[str, Any]:
        """All that is needed to build the design again, as numbers, text, lists and dicts; no row of the data."""
        return self.words.to_dict()

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the data that a batch must have."""
        return self.words.names

    @property
    def n_theta(self) -> int:
        """Length of theta: the free entries of all covariance factors."""
        return sum(term.n_theta for group in self.groups for term in group.terms)

    @property
    def y(self) -> Array:
        """Not kept."""
        _not_kept()

    @property
    def X(self) -> Array:
        """Not kept."""
        _not_kept()

    @property
    def weights(self) -> Array | None:
        """Not kept, unless there are none."""
        return None if not self.has_weights else _not_kept()

    @property
    def offset(self) -> Array | None:
        """Not kept, unless there is none."""
        return None if not self.has_offset else _not_kept()

    @property
    def rows(self) -> pd.Index[Any]:
        """Not kept."""
        _not_kept()

    def encode(
        self, data: Any, groups: Collection[str] | None = None, columns: Collection[str] | None = None
    ) -> NewRows:
        """New rows in the coding of this design; as `Design.encode`."""
        return self.encoding.encode(data, groups, columns)

    def chunk(self, number: int, frame: Any) -> Chunk:
        """The arrays of one batch.

        Parameters
        ----------
        number : int
            Of the batch, for the errors.
        frame : data frame
            Any table with the columns of the design.

        Raises
        ------
        DataError
            If a value is missing, or the batch holds what the first pass over the batches has not seen.
        """
        with blamed(number):
            kept, n_dropped = complete(frame, self.columns, self.words.missing)
            coded = self._coded(kept)
            matrices = {id(side): side.encode(coded, WHERE) for side in self._sides()}
            roles = {role: [v.encode(coded, WHERE) for v in values] for role, values in self.values.items()}
            weights = roles["weights"][0] if self.has_weights else None
            check_weights(weights)
            return Chunk(
                roles["response"][0],
                matrices[id(self.encoding.fixed)],
                tuple(self._codes(group, kept) for group in self.groups),
                tuple(self._stacked(group, matrices) for group in self.groups),
                weights,
                np.sum(roles["offset"], axis=0) if self.has_offset else None,
                n_dropped,
            )

    def __repr__(self) -> str:
        groups = ", ".join(f"{g.name} {len(g.levels)} levels x {len(g.names)}" for g in self.groups)
        return f"StreamedDesign({self.formula!r}: {self.n_obs} rows, {len(self.fixed_names)} fixed columns; {groups})"

    def _sides(self) -> list[Columns]:
        sides = [self.encoding.fixed, *(s for g in self.encoding.groups.values() for s in g.sides)]
        return list({id(side): side for side in sides}.values())

    def _stacked(self, group: StreamedGroup, matrices: Mapping[int, Array]) -> Array:
        parts = [matrices[id(side)] for side in self.encoding.groups[group.name].sides]
        return parts[0] if len(parts) == 1 else np.hstack(parts)

    def _codes(self, group: StreamedGroup, frame: pd.DataFrame) -> Codes:
        encoding = self.encoding.groups[group.name]
        codes, unseen = encoding.grouping.encode(frame, encoding.factors)
        if unseen:
            raise _changed(group.name, unseen[0])
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
        if not isinstance(dtype, pd.CategoricalDtype):
            return series.astype(dtype)
        codes, values = distinct(series)
        places = dtype.categories.get_indexer(values)
        if (places < 0).any():
            raise _changed(str(series.name), values[int(np.argmax(places < 0))])
        return pd.Series(
            pd.Categorical.from_codes(places[codes], dtype=dtype), series.index, name=series.name
        )


def _changed(name: str, value: object) -> DataError:
    return DataError(
        f"'{name}' has the level '{value}', which was not there when the batches were first read; "
        "the batches have changed between two passes"
    )


def _fields(words: Vocabulary, learned: Learned) -> dict[str, Any]:
    """The fields of a design but its groups."""
    return {
        "formula": learned.plan.terms.text,
        "response": unquoted(learned.plan.terms.response),
        "fixed_names": learned.fixed.names,
        "sigma": words.sigma,
        "n_obs": words.n_obs,
        "n_dropped": words.n_dropped,
        "hash": words.hash,
        "encoding": learned.encoding,
        "has_weights": bool(learned.values["weights"]),
        "has_offset": bool(learned.values["offset"]),
        "words": words,
        "values": learned.values,
    }
