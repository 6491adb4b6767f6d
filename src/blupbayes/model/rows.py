"""Rows of one batch, complete, in plain dtypes; and errors that say in which batch they arose."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pandas as pd

from blupbayes.errors import BlupbayesError, DataError
from blupbayes.model.names import missing_column
from blupbayes.model.table import incomplete, missing_text, open_table, settled

__all__ = ["blamed", "complete", "has_levels", "kind_of"]


@contextmanager
def blamed(number: int) -> Iterator[None]:
    """Errors that arise inside begin with the number of the batch."""
    try:
        yield
    except BlupbayesError as error:
        raise type(error)(f"batch {number}: {error}") from error


def complete(data: Any, columns: Sequence[str], missing: str) -> tuple[pd.DataFrame, int]:
    """The columns of a batch without missing values, and how many rows were dropped; categories are kept as given.

    Raises
    ------
    DataError
        If a column is missing, or a value, and missing is "raise".
    """
    table = open_table(data)
    for name in columns:
        if name not in table.names:
            raise DataError(missing_column(name, table.names))
    frame, _ = table.take(columns)
    bad, counts = incomplete(frame, {})
    n_bad = int(bad.sum())
    if counts and missing == "raise":
        text = missing_text(n_bad, len(frame), counts)
        raise DataError(f'{text} Pass missing="drop" (in the shell: --missing drop) to leave such rows out.')
    if n_bad:
        frame = frame[~bad].reset_index(drop=True)
    return _settled(frame), n_bad


def _settled(frame: pd.DataFrame) -> pd.DataFrame:
    plain = [name for name, dtype in frame.dtypes.items() if not isinstance(dtype, pd.CategoricalDtype)]
    if len(plain) == frame.shape[1]:
        return settled(frame)
    new = settled(frame[plain])
    return frame.assign(**{str(name): new[name] for name in plain})


def kind_of(series: pd.Series[Any]) -> str:
    """What a column holds: bool, int, float, text, dates or mixed; categories of integers are "int category"."""
    if isinstance(series.dtype, pd.CategoricalDtype):
        inner = _kind(series.cat.categories.to_series())
        return inner if inner == "text" else f"{inner} category"
    return _kind(series)


def _kind(series: pd.Series[Any]) -> str:
    dtype = series.dtype
    if pd.api.types.is_bool_dtype(dtype):
        return "bool"
    if pd.api.types.is_numeric_dtype(dtype):
        return "int" if pd.api.types.is_integer_dtype(dtype) else "float"
    held = "string" if isinstance(dtype, pd.StringDtype) else pd.api.types.infer_dtype(series, skipna=False)
    return "text" if held in {"string", "empty"} else "mixed" if held.startswith("mixed") else "dates"


def has_levels(kind: str) -> bool:
    """Whether a column of that kind makes a column of a matrix for each of its values."""
    return kind == "text" or kind.endswith("category")
