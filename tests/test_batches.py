"""Batches can be read again and again, from wherever they come; what can be read once is refused."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as pds
import pyarrow.parquet as pq
import pytest

from blupbayes.errors import DataError
from blupbayes.model.batches import open_batches

FRAME = pd.DataFrame(
    {"y": np.arange(10.0), "g": list("abcabcabca"), "k": np.arange(10) % 3, "unused": np.ones(10)}
)
COLUMNS = ["g", "y"]


def pieces(*cuts):
    """FRAME cut before some rows; the row labels stay."""
    bounds = [0, *cuts, len(FRAME)]
    return [FRAME.iloc[a:b] for a, b in itertools.pairwise(bounds)]


class Again:
    """An iterable that is no list."""

    def __iter__(self):
        return iter(pieces(4))


def generator():
    yield from pieces(4)


def folder(path):
    """FRAME in two Parquet files of a folder and its subfolder, beside a file that is none."""
    (path / "later").mkdir()
    pieces(4)[0].to_parquet(path / "a.parquet")
    pieces(4)[1].to_parquet(path / "later" / "b.parquet")
    (path / "notes.txt").write_text("no table")
    return path


SOURCES = {
    "list": lambda path: pieces(4),
    "tuple": lambda path: tuple(pieces(4)),
    "iterable": lambda path: Again(),
    "function": lambda path: generator,
    "polars": lambda path: [pl.from_pandas(piece) for piece in pieces(4)],
    "arrow tables": lambda path: [pa.Table.from_pandas(piece) for piece in pieces(4)],
    "record batches": lambda path: [pa.RecordBatch.from_pandas(piece) for piece in pieces(4)],
    "dicts": lambda path: [piece.to_dict("list") for piece in pieces(4)],
    "folder": folder,
    "folder as text": lambda path: str(folder(path)),
    "files": lambda path: sorted(folder(path).rglob("*.parquet")),
    "dataset": lambda path: pds.dataset(folder(path), format="parquet", exclude_invalid_files=True),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_batches_of_every_make_give_the_same_rows_twice(kind, tmp_path):
    batches = open_batches(SOURCES[kind](tmp_path))
    assert batches.names[:4] == tuple(FRAME)
    for _ in range(2):
        read = list(batches.frames(COLUMNS))
        assert [number for number, _ in read] == [1, 2]
        assert [list(frame) for _, frame in read] == [COLUMNS, COLUMNS]
        assert [list(frame.index) for _, frame in read] == [list(range(4)), list(range(6))]
        whole = pd.concat([frame for _, frame in read])
        assert whole["y"].tolist() == FRAME["y"].tolist() and whole["g"].tolist() == FRAME["g"].tolist()


def test_parquet_is_read_in_pieces_and_counted_before(tmp_path):
    FRAME.to_parquet(tmp_path / "one.parquet", row_group_size=6)
    batches = open_batches(tmp_path / "one.parquet", batch_rows=4)
    frames = [frame for _, frame in batches.frames(["y"])]
    assert batches.n_rows == 10 and max(map(len, frames)) <= 4
    assert np.concatenate([frame["y"] for frame in frames]).tolist() == FRAME["y"].tolist()


def test_memory_follows_the_batch_and_not_the_file(tmp_path):
    n = 3_000_000
    table = pa.table({"x": np.random.default_rng(1).random(n)})
    pq.write_table(table, tmp_path / "x.parquet", row_group_size=n)
    del table
    batches = open_batches(tmp_path / "x.parquet", batch_rows=10_000)
    before, most = pa.total_allocated_bytes(), 0
    for _ in batches.frames(["x"]):
        most = max(most, pa.total_allocated_bytes() - before)
    assert most < 8 * n / 4  # read ahead or whole, it would be 8 n


def test_a_batch_without_rows_does_no_harm():
    frames = [frame for _, frame in open_batches([FRAME.iloc[:0], FRAME]).frames(["y"])]
    assert [len(frame) for frame in frames] == [0, 10]


def test_integers_with_gaps_stay_integers_and_decimals_become_floats():
    import decimal

    table = pa.table({"k": pa.array([1, None, 2**60 + 1]), "d": pa.array([decimal.Decimal("1.5")] * 3)})
    ((_, frame),) = open_batches([table]).frames(["k", "d"])
    assert frame["k"][2] == 2**60 + 1 and frame["k"].isna().tolist() == [False, True, False]
    assert frame["d"].dtype == np.float64 and frame["d"][0] == 1.5


def test_a_number_of_a_batch_names_its_file(tmp_path):
    batches = open_batches(folder(tmp_path))
    numbers = [number for number, _ in batches.frames(["y"])]
    assert batches.describe(numbers[1]) == "batch 2 (b.parquet)" == f"batch {numbers[1]}"
    assert batches.describe(7) == "batch 7"
    copy = pickle.loads(pickle.dumps(numbers[1]))
    assert copy == 2 and str(copy) == "2 (b.parquet)"


@pytest.mark.parametrize(
    ("batches", "words"),
    [
        (lambda: generator(), "are a generator, which can be read only once"),
        (lambda: iter(pieces(4)), "read only once"),
        (lambda: map(pd.DataFrame, [FRAME]), "read only once"),
        (lambda: itertools.repeat(iter(pieces(4))).__next__, "same iterator each time"),
        (lambda: lambda: 3, "returned a int"),
        (lambda: lambda: FRAME, "returned a DataFrame"),
        (lambda: FRAME, "one table"),
        (lambda: {"y": [1.0]}, "one table"),
        (lambda: pa.Table.from_pandas(FRAME), "one table"),
        (lambda: 3, "are a int"),
        (lambda: [], "there is no batch"),
        (lambda: lambda: iter([]), "there is no batch"),
        (lambda: [3], "batch 1: the data are a int"),
        (lambda: ["here.parquet", FRAME], "paths and tables"),
        (lambda: "nowhere.parquet", "no file or folder 'nowhere.parquet'"),
        (lambda: [pa.table([[1.0], [2.0]], names=["y", "y"])], "more than one column named 'y'"),
    ],
)
def test_what_cannot_be_read_again_is_refused(batches, words):
    with pytest.raises(DataError, match=words):
        open_batches(batches())


@pytest.mark.parametrize("rows", [0, -1, 2.5, True])
def test_a_number_of_rows_that_is_none_is_refused(rows):
    with pytest.raises(DataError, match="batch_rows"):
        open_batches([FRAME], batch_rows=rows)


def test_a_later_batch_that_is_no_table_or_lacks_a_column_is_named(tmp_path):
    with pytest.raises(DataError, match="batch 2: the data are a int"):
        list(open_batches([FRAME, 3]).frames(["y"]))
    with pytest.raises(DataError, match="no column 'g' in batch 2"):
        list(open_batches([FRAME, FRAME[["y"]]]).frames(COLUMNS))
    with pytest.raises(DataError, match="no column 'g' in batch 2"):
        list(open_batches([pa.Table.from_pandas(FRAME), pa.Table.from_pandas(FRAME[["y"]])]).frames(COLUMNS))
    FRAME.to_parquet(tmp_path / "a.parquet")
    FRAME[["y"]].to_parquet(tmp_path / "b.parquet")
    with pytest.raises(DataError, match=r"no column 'g' in batch 2 \(b.parquet\)"):
        list(open_batches(tmp_path).frames(COLUMNS))


def test_batches_that_are_gone_the_second_time_are_told():
    class Emptied(list):
        pass

    batches = Emptied(pieces(4))
    opened = open_batches(batches)
    batches.clear()
    with pytest.raises(DataError, match="there is no batch"):
        list(opened.frames(["y"]))


def test_errors_of_the_callers_own_iterator_pass_with_a_note():
    def broken():
        yield FRAME
        raise OSError("the network is down")

    with pytest.raises(OSError, match="network") as error:
        list(open_batches(broken).frames(["y"]))
    assert error.value.__notes__ == ["while reading batch 2"]


def test_a_folder_without_parquet_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"no file whose name ends in \.parquet"):
        open_batches(tmp_path)


@pytest.mark.parametrize("cut", [0, 100, -100])
def test_a_file_that_is_cut_short_is_named(tmp_path, cut):
    FRAME.to_parquet(tmp_path / "whole.parquet")
    whole = (tmp_path / "whole.parquet").read_bytes()
    (tmp_path / "torn.parquet").write_bytes(whole[:cut])
    with pytest.raises(DataError, match=r"torn\.parquet.*cannot be read as Parquet"):
        open_batches(tmp_path)


def test_a_file_with_a_damaged_inside_is_named(tmp_path):
    file = tmp_path / "bad.parquet"
    pq.write_table(pa.table({"y": np.random.default_rng(2).random(5000)}), file, compression="snappy")
    data = bytearray(file.read_bytes())
    data[4 : len(data) // 2] = bytes(len(data) // 2 - 4)
    file.write_bytes(bytes(data))
    batches = open_batches(file)
    with pytest.raises(DataError, match=r"bad\.parquet.*cannot be read as Parquet"):
        list(batches.frames(["y"]))
