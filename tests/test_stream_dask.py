"""The Dask engine, with a made-up accumulator: threads, processes, workers that die, frames of every kind."""

import os
from dataclasses import dataclass, field
from functools import partial

import dask
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from blupbayes.errors import DataError
from blupbayes.stream.on_dask import DaskEngine, merged
from cluster import two_workers
from sums import Breaks, Names, Refuses, Stumbles, Sums, dies

N = 700
FRAME = pd.DataFrame(
    {
        "x": np.random.default_rng(1).normal(size=N) * 10.0 ** np.arange(N).clip(max=12),
        "g": np.repeat(list("abcdefg"), N // 7),
        "unused": 1.0,
    }
)


@pytest.fixture(scope="module")
def client():
    with two_workers() as client:
        yield client


def by_hand(parts):
    """The sum of x in a tree over these partitions, neighbours first."""
    level = [float(np.sum(part)) for part in parts]
    while len(level) > 1:
        level = [sum(level[k : k + 2]) for k in range(0, len(level), 2)]
    return level[0]


def at_once(ddf):
    """The sums without threads and workers."""
    with dask.config.set(scheduler="synchronous"):
        return DaskEngine(ddf, ("x", "g")).run(Sums, "sums")


def values(sums):
    return sums.n, sums.total, sums.words, sums.numbers


@dataclass
class Columns(Sums):
    """Which columns it was shown."""

    seen: set = field(default_factory=set)

    def add(self, number, frame):
        self.seen.add(tuple(frame.columns))

    def merge(self, other):
        self.seen |= other.seen


@dataclass
class Kinds:
    """What sort of text it was shown."""

    kinds: list = field(default_factory=list)
    missing: int = 0

    def add(self, number, frame):
        self.kinds.append(frame["g"].dtype)
        self.missing += int(frame["g"].isna().sum())

    def merge(self, other):
        self.kinds += other.kinds
        self.missing += other.missing


class Heavy:
    """A maker that counts how often this process, where client and scheduler live, sends it."""

    sent = 0

    def __call__(self):
        return Sums()

    def __getstate__(self):
        Heavy.sent += 1
        return {}


@pytest.mark.parametrize("partitions", [1, 2, 7])
def test_threads_gather_every_row_once_in_the_order_of_the_partitions(partitions):
    ddf = dd.from_pandas(FRAME, npartitions=partitions)
    parts = [part.compute()["x"].to_numpy() for part in ddf.partitions]
    found = DaskEngine(ddf, ("x", "g")).run(Sums, "sums")
    assert found.total == by_hand(parts)  # to the last bit
    assert (found.n, found.words) == (N, FRAME["g"].tolist())
    assert found.numbers == list(range(1, len(parts) + 1))


def test_processes_give_the_same_bits(client):
    ddf = dd.from_pandas(FRAME, npartitions=7)
    assert values(DaskEngine(ddf, ("x", "g")).run(Sums, "sums")) == values(at_once(ddf))


def test_a_worker_that_dies_changes_nothing(client, tmp_path):
    ddf, marker = dd.from_pandas(FRAME, npartitions=7), tmp_path / "died"
    before = set(client.run(os.getpid).values())
    found = DaskEngine(ddf, ("x", "g")).run(dies(marker), "sums")
    assert values(found) == values(at_once(ddf))
    client.wait_for_workers(2)
    assert marker.exists() and set(client.run(os.getpid).values()) != before  # it did die


@pytest.mark.parametrize(
    ("make", "says"),
    [(Refuses, "^batch 2: x is no number$"), (Names, "^in batch 2 x is no number$")],
)
def test_an_error_of_ours_reaches_the_caller_and_names_the_batch(client, make, says):
    with pytest.raises(DataError, match=says):
        DaskEngine(dd.from_pandas(FRAME, npartitions=3), ("x", "g")).run(make, "sums")


def test_another_error_is_named_too(client):
    with pytest.raises(
        DataError, match=r"^sums: batch 2 failed with ZeroDivisionError: nothing to divide by$"
    ):
        DaskEngine(dd.from_pandas(FRAME, npartitions=3), ("x", "g")).run(Breaks, "sums")


def test_a_task_that_stumbles_is_run_again_and_counted_once(client, tmp_path):
    ddf, marker = dd.from_pandas(FRAME, npartitions=7), tmp_path / "stumbled"
    found = DaskEngine(ddf, ("x", "g")).run(partial(Stumbles, marker=str(marker)), "sums")
    assert marker.exists() and values(found) == values(at_once(ddf))


def test_a_partition_that_cannot_be_read_is_an_error(tmp_path):
    FRAME.to_parquet(tmp_path / "a.parquet")
    ddf = dd.read_parquet(tmp_path)
    (tmp_path / "a.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(DataError, match=r"^sums: Dask could not finish with Arrow") as told:
        DaskEngine(ddf, ("x", "g")).run(Sums, "sums")
    assert told.value.__cause__ is not None


def test_a_pass_that_kills_every_worker_ends_in_an_error(client, tmp_path):
    scheduler = client.cluster.scheduler
    allowed, scheduler.allowed_failures = scheduler.allowed_failures, 0
    try:
        with pytest.raises(DataError, match=r"^sums: Dask could not finish with KilledWorker"):
            DaskEngine(dd.from_pandas(FRAME, npartitions=3), ("x", "g")).run(dies(tmp_path / "d"), "sums")
    finally:
        scheduler.allowed_failures = allowed


def test_merging_changes_neither():
    # Dask may run a task twice on the same inputs.
    a, b = Sums(1, 2.0, ["a"], [1]), Sums(3, 4.0, ["b"], [2])
    before = values(a), values(b)
    assert values(merged(a, b)) == values(merged(a, b)) == (4, 6.0, ["a", "b"], [1, 2])
    assert (values(a), values(b)) == before


def test_the_maker_travels_a_few_times_and_not_with_every_task(client):
    DaskEngine(dd.from_pandas(FRAME, npartitions=50), ("x", "g")).run(Heavy(), "sums")
    assert 1 <= Heavy.sent < 6


def test_only_the_columns_that_are_needed_are_read():
    found = DaskEngine(dd.from_pandas(FRAME, npartitions=2), ("x",)).run(Columns, "sums")
    assert found.seen == {("x",)}


def test_an_unknown_column_is_refused_before_the_work():
    with pytest.raises(DataError, match=r"no column 'z'. It has x, g, unused"):
        DaskEngine(dd.from_pandas(FRAME, npartitions=2), ("x", "z"))


def test_partitions_without_rows_do_no_harm():
    ddf = dd.from_pandas(FRAME, npartitions=7)
    some = ddf[ddf["g"] == "c"]
    found = DaskEngine(some, ("x", "g")).run(Sums, "sums")
    assert (found.n, set(found.words), len(found.numbers)) == (N // 7, {"c"}, 1)


@pytest.mark.parametrize("dtype", ["string[pyarrow]", pd.ArrowDtype(pa.string())])
def test_text_arrives_as_pandas_text(dtype):
    frame = pd.DataFrame({"g": ["a", None, "b", "c"]})
    ddf = dd.from_pandas(frame.astype({"g": dtype}), npartitions=2)
    found = DaskEngine(ddf, ("g",)).run(Kinds, "kinds")
    assert found.kinds == [frame["g"].dtype] * 2 and found.missing == 1


def test_categories_that_dask_does_not_know_arrive_part_by_part():
    ddf = dd.from_pandas(FRAME, npartitions=7).astype({"g": "category"})
    assert DaskEngine(ddf, ("x", "g")).run(Sums, "sums").words == FRAME["g"].tolist()
