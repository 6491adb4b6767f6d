"""The door for tables: any data frame -> a pandas frame of the used columns, without missing values."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blupbayes.errors import DataError

__all__ = ["Table", "incomplete", "missing_text", "numbers", "open_table", "settled"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Table:
    """A data frame of any make, not yet copied.

    Parameters
    ----------
    native : object
        A pandas frame, or a narwhals frame around another one.
    names : tuple of str
        Its columns.
    """

    native: Any
    names: tuple[str, ...]

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        frame = (
            self.native if isinstance(self.native, pd.DataFrame) else _to_pandas(self.native, [self.names[0]])
        )
        return len(frame)

    def take(self, names: Sequence[str]) -> tuple[pd.DataFrame, pd.Index]:
        """The named columns as a new pandas frame with rows 0, 1, ..., and the labels of the rows."""
        if isinstance(self.native, pd.DataFrame):
            frame = self.native[list(names)]
        else:
            frame = _to_pandas(self.native, list(names))
        labels = frame.index
        frame.index = pd.RangeIndex(len(frame))
        return frame, labels


def open_table(data: Any) -> Table:
    """Open a table for reading.

    Parameters
    ----------
    data : data frame
        pandas, polars, pyarrow or anything else that narwhals reads, or a dict of columns.

    Raises
    ------
    DataError
        If it is no data frame, or two columns have the same name.
    """
    if isinstance(data, Mapping):
        try:
            data = pd.DataFrame(dict(data))
        except ValueError as error:
            raise DataError(f"the dict of columns is not a table: {error}") from error
    if isinstance(data, pd.DataFrame):
        twice = data.columns[data.columns.duplicated()].unique()
        if len(twice):
            raise DataError(f"the data have more than one column named {_quoted(twice)}; rename them")
        return Table(data, tuple(name for name in data.columns if isinstance(name, str)))
    import narwhals as nw
    from narwhals.exceptions import DuplicateError

    try:
        frame = nw.from_native(data)
        return Table(frame, tuple(frame.collect_schema().names()))
    except TypeError as error:
        kind = type(data).__name__
        raise DataError(
            f"the data are a {kind}; give a data frame (pandas, polars, pyarrow) or a dict"
        ) from error
    except DuplicateError as error:
        raise DataError(f"the data have two columns of one name; rename them ({error})") from error


def _to_pandas(frame: Any, names: list[str]) -> pd.DataFrame:
    import narwhals as nw

    selected = frame.select(names)
    casts = [
        nw.col(name).cast(nw.Float64)
        for name, kind in selected.collect_schema().items()
        if kind == nw.Decimal
    ]
    if selected.implementation.is_polars():  # the order of polars' categories is that of first appearance
        schema = selected.collect_schema().items()
        casts += [nw.col(name).cast(nw.String) for name, kind in schema if kind == nw.Categorical]
    selected = selected.with_columns(*casts) if casts else selected
    if isinstance(selected, nw.LazyFrame):
        selected = selected.collect()
    pandas: pd.DataFrame = selected.to_pandas()
    return pandas


def incomplete(
    frame: pd.DataFrame, vectors: Mapping[str, Array | None]
) -> tuple[NDArray[np.bool_], dict[str, int]]:
    """Rows (n,) with a missing or infinite value, and how many each column has."""
    bad = np.zeros(len(frame), dtype=bool)
    counts: dict[str, int] = {}
    columns = {name: _not_finite(frame[name]) for name in frame}
    columns |= {name: np.isnan(vector) for name, vector in vectors.items() if vector is not None}
    for name, flags in columns.items():
        if flags.any():
            counts[str(name)] = int(flags.sum())
            bad |= flags
    return bad, counts


def _not_finite(series: pd.Series[Any]) -> NDArray[np.bool_]:
    flags = series.isna().to_numpy(dtype=bool)
    if pd.api.types.is_float_dtype(series.dtype):
        flags = flags | np.isinf(series.to_numpy(dtype=float, na_value=np.nan))
    return flags


def missing_text(n_bad: int, n: int, counts: Mapping[str, int], rows: str = "rows") -> str:
    """How many rows lack what: the first half of an error."""
    columns = ", ".join(f"{name}: {count}" for name, count in counts.items())
    return f"{n_bad} of {n} {rows} have missing or infinite values ({columns})."


def settled(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame, free of missing values, with plain dtypes: bool, int64, float64, text, category, dates."""
    columns = {str(name): (series, _settled(series)) for name, series in frame.items()}
    changed = {name: new for name, (old, new) in columns.items() if new is not old}
    return frame.assign(**changed) if changed else frame


def _settled(series: pd.Series[Any]) -> pd.Series[Any]:
    dtype = series.dtype
    if dtype in (np.float64, np.int64, np.bool_):
        return series
    if isinstance(dtype, pd.CategoricalDtype):
        return series.cat.remove_unused_categories()
    if pd.api.types.is_bool_dtype(dtype):
        return series.astype(bool)
    if pd.api.types.is_complex_dtype(dtype):
        raise DataError(f"column '{series.name}' holds complex numbers; take the real part or the modulus")
    if pd.api.types.is_numeric_dtype(dtype):
        return series.astype(np.int64 if pd.api.types.is_integer_dtype(dtype) else np.float64)
    if pd.api.types.is_object_dtype(dtype):
        return _inferred(series)
    return series


def _inferred(series: pd.Series[Any]) -> pd.Series[Any]:
    """A column of Python objects that are all of one kind."""
    kind = pd.api.types.infer_dtype(series, skipna=False)
    if kind in {"string", "empty", "date", "datetime", "datetime64"}:
        return series
    targets: dict[str, Any] = {"boolean": bool, "integer": np.int64, "floating": np.float64}
    targets["mixed-integer-float"] = np.float64
    if kind not in targets:
        held = ", ".join(sorted({type(value).__name__ for value in series}))
        message = f"column '{series.name}' holds Python objects ({held}); make it numbers or text with astype"
        raise DataError(message)
    try:
        return series.astype(targets[kind])
    except OverflowError as error:
        raise DataError(f"column '{series.name}' holds integers beyond 64 bits; use astype(float)") from error


def numbers(series: pd.Series[Any], role: str) -> Array:
    """The column as floats (n,), copied; `role` is what it is used for, for the error."""
    if not pd.api.types.is_numeric_dtype(series.dtype) or pd.api.types.is_bool_dtype(series.dtype):
        if pd.api.types.is_bool_dtype(series.dtype):
            raise DataError(f"the {role} '{series.name}' holds True and False; use astype(float)")
        raise DataError(f"the {role} '{series.name}' {_not_numbers(series)}")
    return np.array(series, dtype=np.float64)


def _not_numbers(series: pd.Series[Any]) -> str:
    """What is wrong with a column that should hold numbers, and what to do."""
    bad = pd.to_numeric(series.astype(str), errors="coerce").isna().to_numpy()
    if bad.all():
        return "holds no numbers; name another column, or make numbers of it with pandas.to_numeric"
    if not bad.any():
        return "holds numbers as text; use astype(float)"
    first = int(bad.argmax())
    value, label = series.iloc[first], series.index[first]
    told = f"{int(bad.sum())} values that are" if bad.sum() > 1 else "1 value that is"
    return (
        f"holds {told} no number, the first {str(value)!r} in row {label}; correct them, "
        "or use pandas.to_numeric with errors='coerce' and missing='drop'"
    )


def _quoted(names: Collection[Any]) -> str:
    return ", ".join(f"'{name}'" for name in names)
