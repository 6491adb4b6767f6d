"""New rows in the coding of a design: what was learned from the data, kept."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blupbayes.errors import DataError
from blupbayes.model.coding import recode
from blupbayes.model.columns import Columns, learn, learn_coding, used_by
from blupbayes.model.expressions import Uses
from blupbayes.model.formula import NAME
from blupbayes.model.grouping import Grouping
from blupbayes.model.names import missing_column, resolve
from blupbayes.model.scanner import listing, unquoted
from blupbayes.model.side import as_side
from blupbayes.model.structure import NewRows
from blupbayes.model.table import incomplete, missing_text, numbers, open_table, settled

__all__ = [
    "Encoding",
    "GroupEncoding",
    "Value",
    "columns_of_value",
    "is_column",
    "learn_value",
    "learn_value_coding",
]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Value:
    """One column of numbers: a column of the table, or an expression.

    Parameters
    ----------
    role : str
        What it is used for, for the errors.
    text : str
        As written.
    column : str, optional
        The column of the table, if it is one.
    columns : Columns, optional
        The expression, if it is one.
    """

    role: str
    text: str
    column: str | None
    columns: Columns | None

    def encode(self, frame: pd.DataFrame, where: str = "new rows") -> Array:
        """Its values (m,); `where` the rows are, for the errors."""
        if self.columns is None:
            return numbers(frame[self.column], self.role)
        return self.columns.encode(frame, where)[:, 0]


def columns_of_value(
    text: str, names: Collection[str], extra: Collection[str], source: str
) -> dict[str, str]:
    """The columns of the table that a column or an expression needs, by their name in the text."""
    if is_column(text, names):
        return resolve(Uses(frozenset([unquoted(text)])), names, (), source)
    return used_by(as_side(text), names, extra, source)


def learn_value(
    role: str, text: str, frame: pd.DataFrame, extra: Mapping[str, Any], source: str
) -> tuple[Array, Value]:
    """The values (n,) of a column or an expression, and how to make them again.

    Raises
    ------
    DataError
        If it is not one column of numbers.
    """
    names = [str(name) for name in frame]
    if is_column(text, names):
        column = columns_of_value(text, names, extra, source)[unquoted(text)]
        return numbers(frame[column], role), Value(role, column, column, None)
    matrix, columns = learn(as_side(text), frame, extra, source)
    return matrix[:, 0], _single(role, text, columns)


def learn_value_coding(
    role: str, text: str, frame: pd.DataFrame, extra: Mapping[str, Any], source: str, n_rows: int, states: Any
) -> Value:
    """How a column or an expression is made, without the data; arguments as in `columns.learn_coding`."""
    names = [str(name) for name in frame]
    if is_column(text, names):
        column = columns_of_value(text, names, extra, source)[unquoted(text)]
        return Value(role, column, column, None)
    return _single(role, text, learn_coding(as_side(text), frame, extra, source, n_rows, states))


def is_column(text: str, names: Collection[str]) -> bool:
    """Whether a value is one column as it stands, and not an expression."""
    return NAME.fullmatch(text) is not None or text in names


def _single(role: str, text: str, columns: Columns) -> Value:
    """The value of an expression that makes one column."""
    if len(columns.names) != 1:
        raise DataError(
            f"the {role} '{text}' is not one column of numbers; it makes {len(columns.names)} columns"
        )
    return Value(role, text, None, columns)


@dataclass(frozen=True, eq=False)
class GroupEncoding:
    """How the rows of one group are made: its levels, its columns of the table, the columns of its terms."""

    grouping: Grouping
    factors: tuple[str, ...]
    sides: tuple[Columns, ...]


@dataclass(frozen=True, eq=False)
class Encoding:
    """Everything that new rows need.

    Parameters
    ----------
    fixed : Columns
        The fixed side.
    groups : dict of GroupEncoding
        By the name of the group.
    offsets : tuple of Value
        They add up.
    dtypes : dict
        Coded dtype of each column that enters a matrix.
    array_offset : bool
        Whether part of the offset was an array, which new rows do not have.
    """

    fixed: Columns
    groups: Mapping[str, GroupEncoding]
    offsets: tuple[Value, ...]
    dtypes: Mapping[str, Any]
    array_offset: bool

    def encode(
        self, data: Any, groups: Collection[str] | None = None, columns: Collection[str] | None = None
    ) -> NewRows:
        """New rows of a table, with levels of some groups (all if None), and columns of some (the same if None)."""
        chosen = list(self.groups) if groups is None else list(groups)
        sided = chosen if columns is None else list(columns)
        unknown = [name for name in (*chosen, *sided) if name not in self.groups]
        if unknown:
            raise DataError(f"the model has no group '{unknown[0]}' (groups: {listing(self.groups)})")
        if self.array_offset:
            message = "the offset of the model is an array, which new rows do not have; "
            raise DataError(message + "give it as the name of a column, or as offset(x) in the formula")
        in_matrices = self._in_matrices(sided)
        frame = self._read(
            data, in_matrices | {name: None for g in chosen for name in self.groups[g].factors}
        )
        coded = recode(frame, {name: self.dtypes[name] for name in in_matrices})
        offset = sum((value.encode(coded) for value in self.offsets), np.zeros(len(frame)))
        made = {name: self.groups[name].grouping.encode(frame, self.groups[name].factors) for name in chosen}
        return NewRows(
            self.fixed.encode(coded),
            offset if self.offsets else None,
            {name: codes for name, (codes, _) in made.items()},
            {name: np.hstack([side.encode(coded) for side in self.groups[name].sides]) for name in sided},
            {name: unseen for name, (_, unseen) in made.items()},
        )

    def _in_matrices(self, groups: Collection[str]) -> dict[str, None]:
        """The columns of the table that enter the matrices and the offset."""
        sides = [self.fixed, *(value.columns for value in self.offsets if value.columns)]
        sides += [side for name in groups for side in self.groups[name].sides]
        alone = {column: None for value in self.offsets if (column := value.column)}
        return alone | {column: None for side in sides for column in side.sources.values()}

    def _read(self, data: Any, needed: Collection[str]) -> pd.DataFrame:
        """The needed columns of the new rows, without missing values."""
        table = open_table(data)
        for name in needed:
            if name not in table.names:
                raise DataError(missing_column(name, table.names, "in the new rows"))
        if not needed:
            return pd.DataFrame(index=range(table.n_rows))
        frame, _ = table.take(list(needed))
        bad, counts = incomplete(frame, {})
        if counts:
            text = missing_text(int(bad.sum()), len(frame), counts, "new rows")
            raise DataError(f"{text} Leave them out, or fill them in.")
        return settled(frame)
