"""Models of Dask frames against the same model of one table in memory: threads, processes, workers that die."""

import os
import signal
from pathlib import Path

import dask
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest

import blupbayes as bb
from blupbayes.errors import DataError
from cluster import two_workers

N = 1200
FORMULAS = (
    "y ~ x + (x | g)",
    "y ~ x * kind + (1 | g) + (0 + x | h)",
    "y ~ scale(x) + (1 | h/kind)",
)


def made():
    """Two crossed factors, one of text and one of numbers, and a category of text."""
    rng = np.random.default_rng(5)
    frame = pd.DataFrame(
        {
            "x": 3.0 + rng.normal(size=N),
            "g": np.char.add("s", rng.integers(0, 40, N).astype(str)),
            "h": rng.integers(0, 12, N),
            "kind": np.array(["old", "new", "other"])[rng.integers(0, 3, N)],
            "w": rng.uniform(0.5, 2.0, N),
        }
    )
    b, c = rng.normal(size=40), rng.normal(size=12)
    frame["y"] = (
        5.0 + frame["x"] - 3.0 + b[frame["g"].str[1:].astype(int)] + c[frame["h"]] * (frame["x"] - 3.0)
    )
    return frame.assign(y=frame["y"] + rng.normal(size=N))


FRAME = made()


@pytest.fixture(scope="module")
def client():
    with two_workers() as client:
        yield client


def in_pieces(n=7, frame=FRAME):
    return dd.from_pandas(frame, npartitions=n, sort=False)


def numbers(model, method="REML"):
    """beta, sigma, theta and BLUPs as one vector, and the labels of the BLUPs."""
    fit = model.fit(method)
    effects = fit.ranef()
    values = [fit.beta, [fit.sigma], fit.theta, effects["estimate"], effects["cond_sd"]]
    return np.concatenate(values), effects[["group", "level", "term"]]


def assert_same(one, other):
    (a, a_labels), (b, b_labels) = numbers(one), numbers(other)
    pd.testing.assert_frame_equal(a_labels, b_labels)
    np.testing.assert_allclose(a, b, rtol=0, atol=1e-10 * np.abs(a).max())


def deadly(frame, folder):
    """The rows of a partition; who reads the one with row 600 for the third time is killed."""
    if 600 in frame.index:
        visit = len(list(Path(folder).iterdir())) + 1
        (Path(folder) / str(visit)).touch()
        if visit == 3:
            os.kill(os.getpid(), signal.SIGKILL)
    return frame


@pytest.mark.parametrize("formula", FORMULAS)
def test_threads_and_processes_give_the_numbers_of_memory(client, formula):
    memory = bb.MixedModel(formula, FRAME)
    on_cluster = bb.MixedModel.from_dask(formula, in_pieces())
    with dask.config.set(scheduler="threads"):
        in_threads = bb.MixedModel.from_dask(formula, in_pieces())
    assert_same(memory, on_cluster)
    assert np.array_equal(numbers(on_cluster)[0], numbers(in_threads)[0])  # to the last bit


def test_weights_and_rows_with_missing_values(client):
    frame = FRAME.assign(y=FRAME["y"].where(FRAME.index % 50 != 7))
    options = {"weights": "w", "missing": "drop"}
    ours = bb.MixedModel.from_dask(FORMULAS[0], in_pieces(5, frame), **options)
    assert_same(bb.MixedModel(FORMULAS[0], frame, **options), ours)


def test_workers_that_die_change_no_bit(client, tmp_path):
    quiet = bb.MixedModel.from_dask(FORMULAS[0], in_pieces())
    ddf = in_pieces().map_partitions(deadly, str(tmp_path), meta=in_pieces()._meta)
    shaken = bb.MixedModel.from_dask(FORMULAS[0], ddf)
    assert len(list(tmp_path.iterdir())) == 4  # three passes, and the last one reads it again
    assert np.array_equal(numbers(quiet)[0], numbers(shaken)[0])


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # Dask 2026.8 on pandas 3.1, in its own reader
def test_parquet_empty_partitions_and_categories_that_dask_does_not_know(tmp_path):
    in_pieces(4).to_parquet(tmp_path)
    with dask.config.set(scheduler="threads"):
        ddf = dd.read_parquet(tmp_path)
        ddf = ddf[ddf["x"] > ddf["x"].partitions[0].min().compute()].astype({"g": "category"})
        nothing = ddf.partitions[1][ddf.partitions[1]["x"] < 0]
        ours = bb.MixedModel.from_dask(FORMULAS[1], dd.concat([ddf, nothing]))
        rows = ddf.astype({"g": object}).compute()
    assert_same(bb.MixedModel(FORMULAS[1], rows), ours)


@pytest.mark.parametrize("partitions", [1, 50])
def test_the_number_of_partitions_does_not_matter(partitions):
    with dask.config.set(scheduler="threads"):
        shuffled = in_pieces(partitions, FRAME.sample(frac=1.0, random_state=1))
        assert_same(bb.MixedModel(FORMULAS[0], FRAME), bb.MixedModel.from_dask(FORMULAS[0], shuffled))


def test_an_exact_posterior_is_that_of_memory():
    with dask.config.set(scheduler="threads"):
        ours = bb.MixedModel.from_dask("y ~ x + (1 | h)", in_pieces()).integrate()
    memory = bb.MixedModel("y ~ x + (1 | h)", FRAME).integrate()
    a, b = (m.summary().select_dtypes("number") for m in (memory, ours))
    np.testing.assert_allclose(a[["mean", "sd", "median"]], b[["mean", "sd", "median"]], rtol=1e-8)


def test_a_missing_value_is_refused_by_the_number_of_its_batch(client):
    frame = FRAME.assign(x=FRAME["x"].where(FRAME.index != 700))
    with pytest.raises(DataError, match=r"batch 5.*x: 1"):
        bb.MixedModel.from_dask(FORMULAS[0], in_pieces(7, frame))


def test_what_is_no_dask_frame_is_refused():
    with pytest.raises(DataError, match="no Dask frame"):
        bb.MixedModel.from_dask(FORMULAS[0], FRAME)


def test_an_unknown_column_is_refused_before_the_work():
    with pytest.raises(bb.FormulaError, match="no column 'z'"):
        bb.MixedModel.from_dask("y ~ z + (1 | g)", in_pieces())
