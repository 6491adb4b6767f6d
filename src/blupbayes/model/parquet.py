"""Parquet files and Arrow tables, in pieces of a bounded size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from blupbayes.errors import DataError

__all__ = ["ParquetRows", "arrow_names", "dataset_frames", "parquet_files", "to_pandas"]

BUFFER = 1 << 20  # bytes that are read ahead of a column


@dataclass(frozen=True, init=False)
class ParquetRows:
    """One Parquet file whose footer could be read.

    Parameters
    ----------
    path : Path
        The file.
    names : tuple of str
        Its columns.
    n_rows : int
        Its rows.
    """

    path: Path
    names: tuple[str, ...]
    n_rows: int

    def __init__(self, path: Path) -> None:
        with _opened(path) as file:
            object.__setattr__(self, "path", path)
            object.__setattr__(self, "names", tuple(file.schema_arrow.names))
            object.__setattr__(self, "n_rows", file.metadata.num_rows)

    def frames(self, columns: Sequence[str], batch_rows: int) -> Iterator[pd.DataFrame]:
        """Its rows as pandas frames of at most `batch_rows` rows; columns that it lacks are left out."""
        import pyarrow as pa  # type: ignore[import-untyped]

        wanted = [name for name in columns if name in self.names]
        with _opened(self.path) as file:
            try:
                for batch in file.iter_batches(batch_rows, columns=wanted):
                    yield to_pandas(batch, columns)
            except (pa.ArrowException, OSError) as error:
                raise _damaged(self.path, error) from error


def _opened(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    try:
        return pq.ParquetFile(path, pre_buffer=False, buffer_size=BUFFER)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> DataError:
    reason = str(error).split("\n")[0].rstrip(".")
    return DataError(
        f"the file '{path}' cannot be read as Parquet, or is cut short; write it again ({reason})"
    )


def parquet_files(paths: Sequence[str | Path]) -> list[Path]:
    """The files of paths: folders stand for all ``*.parquet`` in them and below, sorted.

    Raises
    ------
    DataError
        If a path does not exist, or a folder holds no such file.
    """
    return [file for path in paths for file in _files(Path(path))]


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise DataError(f"there is no file or folder '{path}'; check the path")
    found = sorted(file for file in path.rglob("*.parquet") if file.is_file())
    if not found:
        raise DataError(f"the folder '{path}' holds no file whose name ends in .parquet; check the path")
    return found


def arrow_names(table: Any) -> tuple[str, ...]:
    """The columns of an Arrow table or record batch, each once."""
    names = tuple(table.schema.names)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"the data have more than one column named '{twice[0]}'; rename them")
    return names


def to_pandas(table: Any, columns: Sequence[str]) -> pd.DataFrame:
    """Columns of an Arrow table or record batch, those that it has, as a pandas frame.

    Integers with gaps stay integers, decimals become floats.
    """
    names = arrow_names(table)
    made = {name: _column(table.column(names.index(name))) for name in columns if name in names}
    return pd.DataFrame(made, index=pd.RangeIndex(table.num_rows), copy=False)


def _column(column: Any) -> pd.Series[Any]:
    import pyarrow as pa

    if pa.types.is_decimal(column.type):
        column = column.cast(pa.float64())
    gaps = pa.types.is_integer(column.type) and column.null_count > 0
    series: pd.Series[Any] = column.to_pandas(types_mapper=(lambda _: pd.Int64Dtype()) if gaps else None)
    return series


def dataset_frames(
    dataset: Any, columns: Sequence[str], batch_rows: int
) -> Iterator[tuple[str, pd.DataFrame]]:
    """The rows of a pyarrow dataset, file by file, as (file, pandas frame)."""
    import pyarrow as pa

    wanted = [name for name in columns if name in dataset.schema.names]
    for fragment in dataset.get_fragments():
        path = Path(getattr(fragment, "path", ""))
        try:
            for batch in _scanned(dataset, fragment, wanted, batch_rows):
                yield path.name, to_pandas(batch, columns)
        except (pa.ArrowException, OSError) as error:
            raise _damaged(path, error) from error


def _scanned(dataset: Any, fragment: Any, columns: list[str], batch_rows: int) -> Iterator[Any]:
    """Record batches of one file; little is read ahead."""
    batches: Iterator[Any] = fragment.to_batches(
        schema=dataset.schema, columns=columns, batch_size=batch_rows, batch_readahead=1
    )
    return batches
