"""What a pass over batches has learned, without a row: enough to build the design again, as numbers and text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blupbayes.errors import DataError
from blupbayes.model.grouping import Factor, Grouping, combined
from blupbayes.model.streamable import Moments

__all__ = ["Column", "Vocabulary"]

VERSION = 1


@dataclass(frozen=True, eq=False)
class Column:
    """One column of the data.

    Parameters
    ----------
    kind : str
        bool, int, float, text or dates, with " category" after it if numbers are categories.
    values : pandas.Index, optional
        Its levels in their order, if it has any.
    ordered : bool
        Whether they are an ordered category.
    """

    kind: str
    values: pd.Index[Any] | None = None
    ordered: bool = False

    def to_dict(self) -> dict[str, Any]:
        """As plain numbers and text; dates as text of the same order."""
        values = None if self.values is None else self.values.tolist()
        made: dict[str, Any] = {"kind": self.kind, "values": values, "ordered": self.ordered}
        if self.kind.startswith("dates") and self.values is not None:
            made["dtype"] = str(self.values.dtype)
            made["values"] = [_isoformat(value) for value in self.values]
        return made

    @classmethod
    def from_dict(cls, made: Mapping[str, Any]) -> Column:
        """The column that `to_dict` wrote."""
        values = made["values"]
        if values is None:
            return cls(made["kind"])
        if made["kind"].startswith("dates"):
            return cls(made["kind"], _dates(values, made["dtype"]), bool(made["ordered"]))
        return cls(made["kind"], pd.Index(values, dtype=_dtype(made["kind"])), bool(made["ordered"]))


def _dtype(kind: str) -> Any:
    plain = kind.removesuffix(" category")
    return {"int": np.int64, "float": np.float64, "bool": np.bool_}.get(plain, object)


def _isoformat(value: Any) -> str:
    if not hasattr(value, "isoformat"):
        kind = type(value).__name__
        raise DataError(
            f"levels of type {kind} cannot be written down; make text or numbers of them in the data"
        )
    return str(value.isoformat())


def _dates(values: list[str], dtype: str) -> pd.Index[Any]:
    import datetime

    if dtype != "object":
        return pd.DatetimeIndex(values).astype(dtype)
    parse = datetime.datetime.fromisoformat if "T" in values[0] else datetime.date.fromisoformat
    return pd.Index([parse(value) for value in values], dtype=object)


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """A model on batches, without their rows.

    Parameters
    ----------
    formula : str
    weights, offset : str, optional
        Columns or expressions.
    sigma : float, optional
        The residual sd, if it is known.
    missing : {"raise", "drop"}
    extra : mapping
        The caller's own numbers, by name.
    names : tuple of str
        The columns of the data that are used, in their order.
    columns : mapping of Column
        What they hold.
    moments : mapping of Moments
        By the text of each call of center, scale or standardize, those of its argument.
    combinations : mapping of ndarray
        For each interaction of grouping columns the numbers of its combinations of levels, increasing.
    n_obs, n_dropped : int
        Rows that are used, and rows that were left out.
    hash : str
        A fingerprint of formula and rows, whatever their order.
    """

    formula: str
    weights: str | None
    offset: str | None
    sigma: float | None
    missing: str
    extra: Mapping[str, Any]
    names: tuple[str, ...]
    columns: Mapping[str, Column]
    moments: Mapping[str, Moments]
    combinations: Mapping[str, NDArray[np.int64]]
    n_obs: int
    n_dropped: int
    hash: str

    def factor(self, name: str, column: str) -> Factor:
        """The levels of a grouping column, under its name in the formula."""
        values = self.columns[column].values
        if values is None:
            raise DataError(f"the vocabulary has no levels of the grouping column '{column}'; save it again")
        return Factor.of(name, values)

    def grouping(self, names: tuple[str, ...], columns: Mapping[str, str]) -> Grouping:
        """The levels of a grouping factor: a column, or an interaction of several."""
        factors = tuple(self.factor(name, columns[name]) for name in names)
        return combined(factors, None if len(factors) == 1 else self.combinations[":".join(names)])

    def to_dict(self) -> dict[str, Any]:
        """Everything as numbers, text, lists and dicts, ready for JSON."""
        return vars(self) | {
            "version": VERSION,
            "extra": dict(self.extra),
            "names": list(self.names),
            "columns": {name: column.to_dict() for name, column in self.columns.items()},
            "moments": {text: [m.n, m.mean, m.deviations] for text, m in self.moments.items()},
            "combinations": {name: numbers.tolist() for name, numbers in self.combinations.items()},
        }

    @classmethod
    def from_dict(cls, made: Mapping[str, Any]) -> Vocabulary:
        """The vocabulary that `to_dict` wrote.

        Raises
        ------
        DataError
            If the dict is none of these.
        """
        if made.get("version") != VERSION:
            raise DataError(
                "this is not the vocabulary of a model from batches, or of another version; save it again"
            )
        parts = {name: value for name, value in made.items() if name != "version"}
        parts["names"] = tuple(made["names"])
        parts["columns"] = {name: Column.from_dict(column) for name, column in made["columns"].items()}
        parts["moments"] = {text: Moments(*numbers) for text, numbers in made["moments"].items()}
        parts["combinations"] = {
            name: np.array(numbers, dtype=np.int64) for name, numbers in made["combinations"].items()
        }
        return cls(**parts)
