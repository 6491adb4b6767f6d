"""Columns of a matrix from one right side, by formulaic: learned from the data, repeated on new rows."""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from formulaic.errors import DataMismatchWarning
from formulaic.materializers import PandasMaterializer
from formulaic.parser.types import Factor
from numpy.typing import NDArray

from blupbayes.errors import BlupbayesError, DataError, FormulaError, IdentifiabilityError, NewLevelError
from blupbayes.model.coding import new_level_text
from blupbayes.model.functions import FUNCTIONS
from blupbayes.model.names import restored, written
from blupbayes.model.side import compile_side, shown

__all__ = ["Columns", "learn", "learn_coding", "used_by"]

Array = NDArray[np.float64]

QUOTED = re.compile("['\"]")


@dataclass(frozen=True, eq=False)
class Columns:
    """How the columns of a matrix are made from a table.

    Parameters
    ----------
    text : str
        The right side, such as ``"1 + x"``.
    names : tuple of str
        The columns, as formulaic names them.
    sources : dict
        For each plain name of the text the column of the table.
    aliases : dict
        What plain names stand for, where they are not the names of the text.
    spec : formulaic.ModelSpec, optional
        With what was learned from the data (levels, means, knots); None for an intercept alone.
    extra : dict
        Values and functions that the caller passed in.
    """

    text: str
    names: tuple[str, ...]
    sources: Mapping[str, str]
    aliases: Mapping[str, str]
    spec: Any
    extra: Mapping[str, Any]

    def encode(self, frame: pd.DataFrame, where: str = "new rows") -> Array:
        """The matrix (m, k) of new rows, in the coding that was learned; `where` they are, for the errors.

        Raises
        ------
        NewLevelError
            If a categorical expression takes a value that was not in the data.
        DataError
            If the columns cannot be made, or are not finite.
        """
        if self.spec is None or not len(frame):
            return np.ones((len(frame), len(self.names)))
        return _materialize(self, frame, where)[0]


def used_by(text: str, columns: Collection[str], extra: Collection[str], source: str) -> dict[str, str]:
    """For each name that a right side takes from the table, the column."""
    if text == "1":
        return {}
    return compile_side(text, source).sources(columns, extra, source)


def learn(text: str, frame: pd.DataFrame, extra: Mapping[str, Any], source: str) -> tuple[Array, Columns]:
    """The matrix (n, k) of a right side, and how to make it again.

    Parameters
    ----------
    text : str
        A right side, such as ``"1 + x"``.
    frame : pandas.DataFrame
        The data, without missing values, text as categories (`coded`).
    extra : mapping
        Names of the caller's.
    source : str
        The formula, for the errors.

    Raises
    ------
    FormulaError
        If the columns cannot be made, or two have the same name.
    DataError
        If a column is not finite.
    IdentifiabilityError
        If the levels alone would make more columns than there are rows.
    """
    if text == "1":
        return np.ones((len(frame), 1)), _intercept()
    columns = _read(text, frame, extra, source, len(frame))
    matrix, spec = _materialize(columns, frame, "the data")
    return matrix, _named(columns, spec, source)


def learn_coding(
    text: str,
    frame: pd.DataFrame,
    extra: Mapping[str, Any],
    source: str,
    n_rows: int,
    states: Mapping[str, Mapping[str, Any]],
) -> Columns:
    """How the columns of a right side are made, without the data.

    Parameters
    ----------
    text, extra, source
        As in `learn`.
    frame : pandas.DataFrame
        Made-up rows that hold every level; their numbers mean nothing.
    n_rows : int
        Rows of the data.
    states : mapping
        State of each stateful call, by its text in the formula.

    Raises
    ------
    FormulaError, IdentifiabilityError
        As `learn`.
    """
    if text == "1":
        return _intercept()
    columns = _read(text, frame, extra, source, n_rows)
    _, made, _ = _computed(columns, frame, "the data")
    known = made.model_spec.transform_state
    for key in known:
        known[key] = dict(states.get(written(key, columns.aliases), known[key]))
    return _named(columns, made.model_spec, source)


def _intercept() -> Columns:
    return Columns("1", ("Intercept",), {}, {}, None, {})


def _read(text: str, frame: pd.DataFrame, extra: Mapping[str, Any], source: str, n_rows: int) -> Columns:
    """A right side whose columns are not yet made: its formula stands for the spec."""
    side = compile_side(text, source)
    sources = side.sources([str(name) for name in frame], extra, source)
    _not_too_many(text, side.formula, frame, sources, n_rows)
    return Columns(text, (), sources, side.aliases, side.formula, dict(extra))


def _named(columns: Columns, spec: Any, source: str) -> Columns:
    """With the names of the columns, each once, and what was learned."""
    names = tuple(restored(str(name), columns.aliases) for name in spec.column_names)
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise FormulaError(
            f"'{columns.text}' has two columns named '{twice[0]}'; rename the column in the data\n  {source}"
        )
    return replace(columns, names=names, spec=spec)


def _not_too_many(
    text: str, formula: Any, frame: pd.DataFrame, sources: Mapping[str, str], n_rows: int
) -> None:
    """Refuse interactions of factors with more columns than rows before they fill the memory."""
    least = 0
    for term in formula:
        levels = [_n_levels(frame[sources[f.expr]]) for f in term.factors if f.expr in sources]
        least += int(np.prod([max(count - 1, 1) for count in levels], dtype=float))
    if least > n_rows:
        message = f"'{text}' makes at least {least} columns, more than the {n_rows} rows; use fewer levels, "
        raise IdentifiabilityError(message + "or a group term such as (1 | g)")


def _n_levels(series: pd.Series[Any]) -> int:
    return len(series.cat.categories) if isinstance(series.dtype, pd.CategoricalDtype) else 1


def _materialize(columns: Columns, frame: pd.DataFrame, where: str) -> tuple[Array, Any]:
    """The matrix (m, k), checked, and formulaic's spec."""
    matrix, made, materializer = _computed(columns, frame, where)
    if np.iscomplexobj(matrix):
        raise DataError(f"'{shown(columns.text)}' is complex; take the real part or the modulus")
    _finite(matrix, made.model_spec, columns, where)
    _no_gaps(materializer, columns, where)
    return matrix, made.model_spec


def _computed(columns: Columns, frame: pd.DataFrame, where: str) -> tuple[Array, Any, Any]:
    """formulaic's matrix (m, k) as ours and as its own, with its errors and warnings told as ours."""
    used = pd.DataFrame({name: frame[column] for name, column in columns.sources.items()}, index=frame.index)
    extra = {name: _in_floats(value) for name, value in columns.extra.items()}
    materializer = PandasMaterializer(used, context={**FUNCTIONS, **extra})
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("error", DataMismatchWarning)
            made = materializer.get_model_matrix(columns.spec, output="numpy", na_action="ignore")
            matrix = np.array(made, dtype=None if np.iscomplexobj(made) else np.float64)
    except DataMismatchWarning as warning:
        raise _new_level(columns, materializer, where) from warning
    except Exception as error:
        kind = FormulaError if where == "the data" else DataError
        reason = _written(str(error).split("\n")[0], columns)
        hint = (
            "; a column's name stands without quotation marks, or in `backticks`"
            if QUOTED.search(columns.text)
            else ""
        )
        raise kind(f"'{shown(columns.text)}' cannot be computed on {where}: {reason}{hint}") from error
    if len(matrix) != len(frame):
        raise FormulaError(
            f"'{shown(columns.text)}' has a part that does not depend on the data; leave it out"
        )
    return matrix, made, materializer


def _in_floats(value: Any) -> Any:
    """Integers as floats: their powers overflow instead of filling the memory."""
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _written(name: str, columns: Columns) -> str:
    """The name of a column of the matrix, or an error, as the user would write it."""
    text = shown(columns.text)
    return text if text != columns.text and name.startswith("I(") else restored(name, columns.aliases)


def _finite(matrix: Array, spec: Any, columns: Columns, where: str) -> None:
    if np.isfinite(matrix).all():
        return
    for name, column in zip(spec.column_names, matrix.T, strict=True):
        rows = np.flatnonzero(~np.isfinite(column))
        if len(rows):
            shape = f"infinite or not a number in {len(rows)} rows of {where}, first in row {rows[0]}"
            hint = "check for logs of 0, roots of negative numbers and divisions by 0"
            raise DataError(f"'{_written(name, columns)}' is {shape}; {hint}")


def _no_gaps(materializer: Any, columns: Columns, where: str) -> None:
    """Refuse a categorical expression with gaps: formulaic would take the reference level."""
    for name, factor in materializer.factor_cache.items():
        if "(" in name and factor.metadata.kind is Factor.Kind.CATEGORICAL:
            gaps = int(pd.isna(np.asarray(factor.values)).sum())
            if gaps:
                raise DataError(f"'{_written(name, columns)}' has no value in {gaps} rows of {where}")


def _new_level(columns: Columns, materializer: Any, where: str) -> BlupbayesError:
    """The error for a categorical expression with a level that formulaic would take for the reference."""
    for factor, (_, state) in getattr(columns.spec, "encoder_state", {}).items():
        if factor in materializer.factor_cache and "categories" in state:
            values = pd.unique(pd.Series(np.asarray(materializer.factor_cache[factor].values)))
            new = [value for value in values if value not in state["categories"]]
            if new:
                return NewLevelError(new_level_text(_written(factor, columns), new, state["categories"]))
    return DataError(
        f"'{columns.text}' leaves out levels that are in {where}; list all of them in levels=[...]"
    )
