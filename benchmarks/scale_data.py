"""Large data by a stated recipe: one factor with random slopes, or two crossed factors, in memory or in Parquet.

    uv run python benchmarks/scale_data.py one_factor 10000000 1000000 one.parquet
    uv run python benchmarks/scale_data.py crossed 5000000 100000 10000 crossed.parquet

x is standard normal, the residual is normal with sd 1, and the fixed part is 2 + 0.5 x. The first rows go through all
levels in turn, so that every level is there; the others draw theirs at random. The levels' effects depend on the seed
alone, and the rows of a chunk on the seed and the number of the chunk: any chunk can be made without the others.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

CHUNK = 500_000  # rows of a chunk, and of a row group in Parquet
BETA = (2.0, 0.5)
SIGMA = 1.0
SLOPES = np.array([[1.0, 0.0], [0.12, 0.384]])  # sds 1 and 0.402, correlation 0.298; lower triangular factor
SD_A, SD_B = 0.7, 0.4


def one_factor(rows: int, levels: int, path: str | Path | None = None, seed: int = 1) -> pd.DataFrame | None:
    """Rows of ``y ~ x + (x | g)``: columns y, x (float64) and g (int64).

    Parameters
    ----------
    rows, levels : int
        Of the data, and of g.
    path : str or Path, optional
        Write a Parquet file in row groups of CHUNK rows, never holding more than one of them, and return None.
    seed : int
    """
    b = np.random.default_rng([seed, 0]).standard_normal((levels, 2)) @ SLOPES.T

    def chunk(number: int, size: int) -> pd.DataFrame:
        rng, first = np.random.default_rng([seed, 1, number]), number * CHUNK
        g, x = drawn(rng, first, size, levels), rng.standard_normal(size)
        y = BETA[0] + BETA[1] * x + b[g, 0] + b[g, 1] * x + SIGMA * rng.standard_normal(size)
        return pd.DataFrame({"y": y, "x": x, "g": g})

    return collected(chunks(rows, chunk), path)


def crossed(rows: int, a: int, b: int, path: str | Path | None = None, seed: int = 1) -> pd.DataFrame | None:
    """Rows of ``y ~ x + (1 | a) + (1 | b)``: columns y, x (float64), a and b (int64); as one_factor."""
    rng = np.random.default_rng([seed, 0])
    of_a, of_b = SD_A * rng.standard_normal(a), SD_B * rng.standard_normal(b)

    def chunk(number: int, size: int) -> pd.DataFrame:
        rng, first = np.random.default_rng([seed, 1, number]), number * CHUNK
        i, j, x = drawn(rng, first, size, a), drawn(rng, first, size, b), rng.standard_normal(size)
        y = BETA[0] + BETA[1] * x + of_a[i] + of_b[j] + SIGMA * rng.standard_normal(size)
        return pd.DataFrame({"y": y, "x": x, "a": i, "b": j})

    return collected(chunks(rows, chunk), path)


def drawn(rng: np.random.Generator, first: int, size: int, levels: int) -> np.ndarray:
    """Levels (size,) of the rows from ``first`` on: each once in turn, then at random."""
    row = np.arange(first, first + size, dtype=np.int64)
    return np.where(row < levels, row, rng.integers(levels, size=size, dtype=np.int64))


def chunks(rows: int, make: Callable[[int, int], pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """All chunks, one after the other."""
    for number in range(-(-rows // CHUNK)):
        yield make(number, min(CHUNK, rows - number * CHUNK))


def collected(frames: Iterator[pd.DataFrame], path: str | Path | None) -> pd.DataFrame | None:
    """One data frame, or None and a Parquet file of one row group per frame."""
    if path is None:
        return pd.concat(frames, ignore_index=True)
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer = None
    for frame in frames:
        table = pa.Table.from_pandas(frame, preserve_index=False)
        writer = pq.ParquetWriter(path, table.schema) if writer is None else writer
        writer.write_table(table, row_group_size=CHUNK)
    if writer is not None:
        writer.close()
    return None


if __name__ == "__main__":
    kind, *sizes, where = sys.argv[1:]
    {"one_factor": one_factor, "crossed": crossed}[kind](*map(int, sizes), where)
