"""Designs on whole groups: which rows, and that they are the same model."""

import numpy as np
import pandas as pd
import pytest

from blupbayes.model.design import build
from blupbayes.model.subset import rows_of_design, whole_groups


def crossed(n=900, coarse=30, fine=300, seed=0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"y": rng.normal(size=n), "x": rng.normal(size=n)})
    frame["c"] = [f"c{k:03d}" for k in rng.permutation(np.arange(n) % coarse)]
    frame["f"] = [f"f{k:03d}" for k in rng.permutation(np.arange(n) % fine)]
    return build("y ~ x + (1 | f) + (x | c)", frame, weights=rng.uniform(1, 2, n), offset=rng.normal(size=n))


def test_whole_levels_of_the_coarsest_factor():
    design = crossed()
    rows, text = whole_groups(design, 200)
    c = next(g for g in design.groups if g.name == "c")
    inside = np.unique(c.codes[rows])
    assert len(inside) == 6 and np.array_equal(rows, np.flatnonzero(np.isin(c.codes, inside)))
    assert "6 of 30 levels of c" in text and "180 of 900 rows" in text


def test_the_draw_is_the_same_each_time():
    design = crossed()
    assert np.array_equal(whole_groups(design, 200)[0], whole_groups(design, 200)[0])
    assert not np.array_equal(whole_groups(design, 200)[0], whole_groups(design, 200, seed=1)[0])


def test_a_finer_factor_where_few_coarse_levels_fit():
    rows, text = whole_groups(crossed(coarse=3), 400)
    assert "levels of f" in text and len(rows) <= 400


def test_the_most_levels_where_no_factor_has_five():
    rows, text = whole_groups(crossed(coarse=2, fine=3), 400)
    assert "1 of 3 levels of f" in text and len(rows) == 300


def test_rows_where_no_level_fits():
    rows, text = whole_groups(crossed(coarse=2, fine=2), 100)
    assert len(set(rows.tolist())) == 100 and "100 of 900 rows" in text


def test_the_design_of_some_rows_is_that_of_the_table_without_the_others():
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"y": rng.normal(size=40), "x": rng.normal(size=40), "g": np.arange(40) % 8})
    rows = np.flatnonzero(frame["g"].isin([1, 4, 6]))
    small = rows_of_design(build("y ~ x + (x | g)", frame), rows)
    again = build("y ~ x + (x | g)", frame.iloc[rows])
    assert np.array_equal(small.y, again.y) and np.array_equal(small.X, again.X)
    mine, other = small.groups[0], again.groups[0]
    assert mine.levels == other.levels == ("1", "4", "6")
    assert np.array_equal(mine.codes, other.codes) and np.array_equal(mine.columns, other.columns)
    assert small.rows.tolist() == again.rows.tolist() and small.weights is None


def test_weights_and_offsets_follow():
    design = crossed()
    rows = np.array([5, 2, 9])
    small = rows_of_design(design, rows)
    assert np.array_equal(small.weights, design.weights[rows])
    assert small.offset.tolist() == pytest.approx(design.offset[rows].tolist())
