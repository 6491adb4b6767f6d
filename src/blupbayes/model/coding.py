"""Columns before they enter a matrix: text as categories, and new rows in the categories of the data."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd

from blupbayes.errors import DataError, NewLevelError
from blupbayes.model.table import numbers

__all__ = ["coded", "new_level_text", "recode"]


def new_level_text(name: str, new: Collection[Any], known: Collection[Any]) -> str:
    unseen = ", ".join(f"'{value}'" for value in list(new)[:5])
    levels = ", ".join(f"'{value}'" for value in list(known)[:12])
    return f"'{name}' has levels in the new rows that the model does not know: {unseen} (known: {levels})"


def coded(frame: pd.DataFrame, names: Collection[str]) -> pd.DataFrame:
    """The named columns, text as categories in sorted order; dates are refused."""
    columns = frame[list(names)]
    changed = {str(name): new for name, old in columns.items() if (new := _coded(old)) is not old}
    return columns.assign(**changed) if changed else columns


def _coded(series: pd.Series[Any]) -> pd.Series[Any]:
    if isinstance(series.dtype, pd.CategoricalDtype):
        _distinct(series)
        return series
    if pd.api.types.is_numeric_dtype(series.dtype):
        return series
    if pd.api.types.infer_dtype(series, skipna=False) not in {"string", "empty"}:
        message = (
            f"column '{series.name}' holds dates or times; turn them into numbers (days since the first, say)"
        )
        raise DataError(message)
    return series.astype("category")


def _distinct(series: pd.Series[Any]) -> None:
    """Refuse levels that are written alike: their columns would have one name."""
    written = pd.Index(series.dtype.categories.astype(str))  # type: ignore[union-attr]
    if written.has_duplicates:
        twice = written[written.duplicated()][0]
        raise DataError(
            f"column '{series.name}' has two levels that are written {twice!r}; rename one of them"
        )


def recode(frame: pd.DataFrame, dtypes: Mapping[str, Any]) -> pd.DataFrame:
    """New rows with the levels of the data.

    Parameters
    ----------
    frame : pandas.DataFrame
        New rows.
    dtypes : mapping
        For each column its dtype in the data, as `coded` made it.

    Raises
    ------
    NewLevelError
        Naming the column and the level.
    DataError
        If a column of numbers holds no numbers.
    """
    return pd.DataFrame(
        {name: _recoded(frame[name], dtype) for name, dtype in dtypes.items()}, index=frame.index
    )


def _recoded(series: pd.Series[Any], dtype: Any) -> pd.Series[Any]:
    if not isinstance(dtype, pd.CategoricalDtype):
        if series.dtype == bool:
            return series
        plain = pd.Series(numbers(series, "column"), series.index)
        with np.errstate(invalid="ignore"):
            same = plain.astype(dtype)
        return same if (same == plain).all() else plain
    values = series.astype(object)
    new = pd.unique(values[~values.isin(dtype.categories)])
    if len(new):
        raise NewLevelError(new_level_text(str(series.name), list(new), dtype.categories))
    return values.astype(dtype)
