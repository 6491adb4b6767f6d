"""A design whose rows come in batches and are not kept: what is asked of each batch, and how to make its arrays."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blupbayes.errors import RowsNotKeptError
from blupbayes.model.checks import check_counts
from blupbayes.model.chunk import Chunk, ChunkReader
from blupbayes.model.covariance import Template, template
from blupbayes.model.encoding import Encoding, Value
from blupbayes.model.relearning import Learned, relearned
from blupbayes.model.scanner import unquoted
from blupbayes.model.structure import Group, GroupTerm, NewRows
from blupbayes.model.vocabulary import Vocabulary

__all__ = ["Chunk", "StreamedDesign", "StreamedGroup"]

Array = NDArray[np.float64]
Codes = NDArray[np.intp]


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
        names = tuple(group.name for group in self.groups)
        return ChunkReader(self.words, self.values, self.encoding, names).read(number, frame)

    def __repr__(self) -> str:
        groups = ", ".join(f"{g.name} {len(g.levels)} levels x {len(g.names)}" for g in self.groups)
        return f"StreamedDesign({self.formula!r}: {self.n_obs} rows, {len(self.fixed_names)} fixed columns; {groups})"


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
