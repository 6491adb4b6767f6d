"""Batches of rows, read as often as they are asked for: frames, Arrow batches, Parquet files and folders."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from blupbayes.errors import DataError
from blupbayes.model.names import missing_column
from blupbayes.model.parquet import ParquetRows, arrow_names, dataset_frames, parquet_files, to_pandas
from blupbayes.model.table import open_table

__all__ = ["BATCH_ROWS", "BatchNumber", "Batches", "open_batches"]

BATCH_ROWS = 500_000
NO_BATCH = "there is no batch; the batches must give at least one table each time they are read"


class BatchNumber(int):
    """The number of a batch, which says in errors from which file it came."""

    where: str

    def __new__(cls, value: int, where: str = "") -> BatchNumber:
        number = super().__new__(cls, value)
        number.where = where
        return number

    def __reduce__(self) -> tuple[type[BatchNumber], tuple[int, str]]:
        return BatchNumber, (int(self), self.where)

    def __str__(self) -> str:
        return f"{int(self)} ({self.where})" if self.where else str(int(self))


@dataclass(frozen=True, eq=False)
class Batches:
    """Batches of rows that can be read again and again; none is kept.

    Parameters
    ----------
    names : tuple of str
        Columns of the first batch.
    n_rows : int or None
        Rows in all, where that is known before they are read.
    tables : callable
        Columns -> an iterator over (where, table of any make); `where` is a file, or an empty text.
    """

    names: tuple[str, ...]
    n_rows: int | None
    tables: Callable[[Sequence[str]], Iterator[tuple[str, Any]]] = field(repr=False)

    def frames(self, columns: Sequence[str]) -> Generator[tuple[BatchNumber, pd.DataFrame]]:
        """Each batch with its number, from 1, as a pandas frame of some columns with rows 0, 1, ...

        Raises
        ------
        DataError
            If a batch lacks a column or is no table, or a file cannot be read. Errors of the caller's own iterator
            pass as they are, with a note that says which batch was being read.
        """
        tables, count = self.tables(columns), 0
        while (table := _next(tables, count + 1)) is not None:
            count += 1
            number = BatchNumber(count, table[0])
            yield number, _frame(number, table[1], columns)
        if not count:
            raise DataError(NO_BATCH)

    def describe(self, number: int) -> str:
        """The batch in words, with its file if the number is one that `frames` gave."""
        return f"batch {number}"


def _next(tables: Iterator[tuple[str, Any]], number: int) -> tuple[str, Any] | None:
    try:
        return next(tables, None)
    except Exception as error:
        error.add_note(f"while reading batch {number}")
        raise


def _frame(number: int, native: Any, columns: Sequence[str]) -> pd.DataFrame:
    try:
        table = open_table(native)
    except DataError as error:
        raise DataError(f"batch {number}: {error}") from error
    for name in columns:
        if name not in table.names:
            raise DataError(missing_column(name, table.names, f"in batch {number}"))
    if not columns:
        return pd.DataFrame(index=range(table.n_rows))
    return table.take(columns)[0]


def open_batches(batches: Any, *, batch_rows: int = BATCH_ROWS) -> Batches:
    """Open batches for reading.

    Parameters
    ----------
    batches : iterable, callable, path or dataset
        A list, or any object that gives a fresh iterator each time, of tables (pandas, polars, Arrow tables and
        record batches, whatever narwhals reads); a function without arguments that returns such an iterator; the
        path of a Parquet file, or of a folder (all ``*.parquet`` in it and below, sorted by path), or a list of such
        paths; a pyarrow dataset.
    batch_rows : int
        Rows that are read from Parquet at a time, at most.

    Returns
    -------
    Batches

    Raises
    ------
    DataError
        If they can be read only once, there are none, or a file is missing or damaged.

    Examples
    --------
    >>> import pandas as pd
    >>> batches = open_batches([pd.DataFrame({"y": [1.0, 2.0]}), pd.DataFrame({"y": [3.0]})])
    >>> [(number, len(frame)) for number, frame in batches.frames(["y"])]
    [(1, 2), (2, 1)]
    """
    if isinstance(batch_rows, bool) or not isinstance(batch_rows, int) or batch_rows < 1:
        raise DataError(f"batch_rows={batch_rows!r} is not a number of rows; give a positive integer")
    if isinstance(batches, (str, Path)):
        return _from_files(parquet_files([batches]), batch_rows)
    if _is_dataset(batches):
        return _from_dataset(batches, batch_rows)
    if isinstance(batches, (list, tuple)):
        paths = [isinstance(part, (str, Path)) for part in batches]
        if any(paths) and not all(paths):
            raise DataError("the batches are paths and tables in one list; give either the one or the other")
        if any(paths):
            return _from_files(parquet_files(batches), batch_rows)
    _refuse_tables(batches)
    return _from_tables(_again(batches))


def _refuse_tables(batches: Any) -> None:
    """Refuse one table: its iterator gives columns or rows, not batches."""
    if type(batches).__module__.startswith("dask"):
        raise DataError("the batches are a Dask frame; give it to MixedModel.from_dask(formula, frame)")
    if isinstance(batches, Mapping) or hasattr(batches, "columns"):
        kind = type(batches).__name__
        message = f"the batches are one table ({kind}); give MixedModel(formula, data), or a list of tables"
        raise DataError(message)


def _again(batches: Any) -> Callable[[], Iterator[Any]]:
    """A function that gives a fresh iterator each time."""
    if callable(batches):
        return lambda: _called(batches)
    if not isinstance(batches, Iterable):
        kind = type(batches).__name__
        message = f"the batches are a {kind}; give a list of tables, a function that returns an iterator over them, "
        raise DataError(message + "or the path of a Parquet file or folder")
    if iter(batches) is batches:
        kind = type(batches).__name__
        message = (
            f"the batches are a {kind}, which can be read only once, and they are read three times; give a "
        )
        raise DataError(message + "list, or the function that makes it (without calling it)")
    return lambda: iter(batches)


def _called(function: Callable[[], Any]) -> Iterator[Any]:
    made = function()
    if not isinstance(made, Iterable) or isinstance(made, (str, Mapping)) or hasattr(made, "columns"):
        kind = type(made).__name__
        raise DataError(
            f"the function of the batches returned a {kind}; it should return an iterator over tables"
        )
    return iter(made)


def _from_tables(again: Callable[[], Iterator[Any]]) -> Batches:
    first, second = again(), again()
    if first is second:
        message = (
            "the function of the batches returns the same iterator each time, which can be read only once; "
        )
        raise DataError(message + "make a new one in the function")
    for native in first:
        try:
            names = arrow_names(native) if _is_arrow(native) else open_table(native).names
        except DataError as error:
            raise DataError(f"batch 1: {error}") from error
        return Batches(names, None, lambda columns: (("", _native(table, columns)) for table in again()))
    raise DataError(NO_BATCH)


def _is_arrow(table: Any) -> bool:
    """Whether it is an Arrow table or record batch."""
    kind = type(table)
    return kind.__module__.startswith("pyarrow") and kind.__name__ in {"RecordBatch", "Table"}


def _native(table: Any, columns: Sequence[str]) -> Any:
    """An Arrow table or record batch as pandas, integers with gaps kept as integers; others as they are."""
    return to_pandas(table, columns) if _is_arrow(table) else table


def _from_files(paths: Sequence[Path], batch_rows: int) -> Batches:
    files = [ParquetRows(path) for path in paths]

    def tables(columns: Sequence[str]) -> Iterator[tuple[str, Any]]:
        for file in files:
            for frame in file.frames(columns, batch_rows):
                yield file.path.name, frame

    return Batches(files[0].names, sum(file.n_rows for file in files), tables)


def _is_dataset(value: Any) -> bool:
    return type(value).__module__.startswith("pyarrow") and hasattr(value, "get_fragments")


def _from_dataset(dataset: Any, batch_rows: int) -> Batches:
    names = tuple(dataset.schema.names)
    return Batches(names, dataset.count_rows(), lambda columns: dataset_frames(dataset, columns, batch_rows))
