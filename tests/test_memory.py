"""Memory: what is predicted against what is taken, and the refusal before anything is."""

import tracemalloc

import numpy as np
import pytest

from blupbayes.errors import DataError, TooLargeError
from blupbayes.mme import layout as layouts
from blupbayes.mme import memory
from blupbayes.mme.coupling import Cross
from blupbayes.mme.fit import estimate
from blupbayes.mme.layout import arrange
from blupbayes.mme.statistics import reduce
from blupbayes.model.design import build

SHAPES = {
    "slopes": ("y ~ x + (x | a)", 15_000, 2),
    "crossed": ("y ~ x + (1 | a) + (1 | b)", 1_200, 900),
    "slopes, crossed": ("y ~ x + (x | a) + (x | b)", 3_000, 300),
    "nested": ("y ~ x + (x | a) + (1 | c)", 10_000, 40),
}


def rows(a, b, n=40_000):
    """n rows in which every level occurs; c is what a is nested in."""
    rng = np.random.default_rng(5)
    at = {name: np.r_[np.arange(J), rng.integers(0, J, n - J)] for name, J in (("a", a), ("b", b))}
    x = rng.normal(size=n)
    y = x + sum(rng.normal(size=i.max() + 1)[i] for i in at.values()) + rng.normal(size=n)
    return {"y": y + rng.normal(size=a)[at["a"]] * x, "x": x, **at, "c": at["a"] % b}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_prediction_is_what_is_taken(shape, monkeypatch):
    """Within a factor of 1.5, by the allocations that Python counts."""
    formula, a, b = SHAPES[shape]
    design, needs = build(formula, rows(a, b)), []
    monkeypatch.setattr(layouts, "predict", lambda *args: needs.append(memory.predict(*args)) or needs[-1])
    reduce(design)  # whatever is imported and compiled only now is no part of the model
    tracemalloc.start()
    try:
        statistics = reduce(design)
        kept = tracemalloc.get_traced_memory()[0]
        reducing = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        estimate(statistics)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    need = needs[-1]
    shapes = [(len(g.levels), len(g.names)) for g in design.groups]
    predicted = memory.rows(design.n_obs, statistics.rank, shapes) + need.kept
    for guess, truth in ((need.kept, kept), (need.peak, peak), (predicted, reducing)):
        assert 1 / 1.5 < guess / truth < 1.5


def test_a_dense_block_that_will_not_fit_is_refused_before_it_is_made(monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 24_000_000_000)
    a, b = 100_000, 60_000
    level = np.arange(a)
    cross = Cross(
        np.repeat(level, 2), np.column_stack([level % b, (level + 1) % b]).ravel(), np.ones((2 * a, 1, 1))
    )
    tracemalloc.start()
    try:
        with pytest.raises(TooLargeError) as caught:
            arrange([np.ones((a, 1, 1)), np.ones((b, 1, 1))], {(0, 1): cross}, ["pupil", "school"], 3)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()
    text = str(caught.value)
    assert isinstance(caught.value, DataError)
    assert "school (60000 levels)" in text and "60000 x 60000" in text and "24 GB are available" in text
    assert "fixed side" in text and "few rows" in text and "more memory" in text
    assert float(text.split("about ")[1].split(" GB")[0]) == pytest.approx(4 * 8 * b**2 / 1e9, rel=0.05)


def test_many_levels_that_will_not_fit_are_refused(monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 300_000_000)
    D = np.broadcast_to(np.eye(2), (1_000_000, 2, 2))
    with pytest.raises(TooLargeError, match="most of it for pupil with 1000000 levels of 2 coefficients"):
        arrange([D], {}, ["pupil"], 3)
    monkeypatch.setattr(memory, "available", lambda: None)
    assert arrange([D], {}).size == 2_000_000


def test_rows_that_will_not_fit_are_refused(monkeypatch):
    design = build("y ~ x + (x | a)", rows(500, 2))
    monkeypatch.setattr(memory, "NEVER", 0)
    monkeypatch.setattr(memory, "available", lambda: 1_000_000)
    with pytest.raises(TooLargeError, match=r"reducing 40000 rows at once .*MixedModel\.from_batches"):
        reduce(design)


def test_a_small_model_does_not_ask_the_machine(monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: pytest.fail("it did"))
    reduce(build("y ~ x + (x | a)", rows(500, 2)))


def test_the_limit_of_a_container_counts(tmp_path, monkeypatch):
    limit, usage, stat = (tmp_path / name for name in ("max", "current", "stat"))
    paths = str(limit), str(usage), str(stat)
    assert memory.of_cgroup(*paths) is None
    limit.write_text("max\n")
    usage.write_text("700\n")
    stat.write_text("anon 300\ninactive_file 200\n")
    assert memory.of_cgroup(*paths) is None
    limit.write_text("1000\n")
    assert memory.of_cgroup(*paths) == 500
    monkeypatch.setattr(memory, "CGROUPS", (paths,))
    assert memory.available() == 500
    monkeypatch.setattr(memory, "of_machine", lambda: 400)
    assert memory.available() == 400


def test_the_machine_says_what_is_free():
    there = memory.of_machine()
    assert there is None or 1_000_000 < there < 1e15
