"""Parquet files and Arrow tables, in pieces of a bounded size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from blupbayes.errors import DataError

__all__ = ["ParquetRows", "dataset_frames", "parquet_files", "to_pandas"]

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

    def frames(self, columns: Sequence[str] | None, batch_rows: int) -> Iterator[pd.DataFrame]:
        """Its rows as pandas frames of at most `batch_rows` rows; columns that it lacks are left out."""
        import pyarrow as pa  # type: ignore[import-untyped]

        wanted = None if columns is None else [name for name in columns if name in self.names]
        with _opened(self.path) as file:
            try:
                for batch in file.iter_batches(batch_rows, columns=wanted):
                    yield to_pandas(batch)
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


def to_pandas(table: Any) -> pd.DataFrame:
    """An Arrow table or record batch as a pandas frame; integers with gaps stay integers, decimals become floats."""
    import pyarrow as pa

    columns = {}
    for name, column in zip(table.schema.names, table.columns, strict=True):
        if pa.types.is_decimal(column.type):
            column = column.cast(pa.float64())
        gaps = pa.types.is_integer(column.type) and column.null_count > 0
        mapper = (lambda _: pd.Int64Dtype()) if gaps else None
        columns[name] = column.to_pandas(types_mapper=mapper)
    return pd.DataFrame(columns, index=pd.RangeIndex(table.num_rows), copy=False)


def dataset_frames(
    dataset: Any, columns: Sequence[str] | None, batch_rows: int
) -> Iterator[tuple[str, pd.DataFrame]]:
    """The rows of a pyarrow dataset, file by file, as (file, pandas frame)."""
    import pyarrow as pa

    for fragment in dataset.get_fragments():
        where = Path(getattr(fragment, "path", "")).name
        held = set(fragment.physical_schema.names) | set(dataset.schema.names)
        wanted = None if columns is None else [name for name in columns if name in held]
        try:
            scanner = fragment.to_batches(
                schema=dataset.schema, columns=wanted, batch_size=batch_rows, batch_readahead=1
            )
            for batch in scanner:
                yield where, to_pandas(batch)
        except (pa.ArrowException, OSError) as error:
            raise _damaged(Path(getattr(fragment, "path", "")), error) from error
