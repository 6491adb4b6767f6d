"""New rows come in the coding of the data, or not at all."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest

from blupbayes.errors import DataError, NewLevelError
from blupbayes.model.design import build, from_arrays
from test_design import DATA

FORMULAS = [
    "y ~ x + (x | g)",
    "y ~ f * e + (f || g) + (1 | g:h)",
    "y ~ center(x) + scale(w) + poly(z, 2) + bs(`my column`, df=4) + (scale(x) | g)",
    "y ~ C(f, contr.sum) + C(h) + C(e, contr.poly):x + (0 + e | flag)",
    "log(w) ~ log(`größe µm`) + flag + I(z % 2 == 1) + I(z // 2) + offset(center(x)) + (1 | e/flag)",
    "y ~ 0 + f + (1 | g) + (0 + z | g) + (1 | h)",
    "y ~ I(~flag) + np.invert(z) + (1 | g)",
]


@pytest.mark.parametrize("formula", FORMULAS)
def test_rows_of_the_data_are_encoded_as_they_were(formula):
    design = build(formula, DATA)
    rows = [17, 3, 3, 0]  # fewer, in another order, one twice: nothing is learned from new rows
    new = design.encode(DATA.drop(columns="y").iloc[rows])
    np.testing.assert_allclose(new.X, design.X[rows], rtol=1e-13, atol=1e-13)  # the same operations
    if design.offset is not None:
        np.testing.assert_allclose(new.offset, design.offset[rows], atol=1e-14)
    for group in design.groups:
        np.testing.assert_array_equal(new.codes[group.name], group.codes[rows])
        np.testing.assert_allclose(new.columns[group.name], group.columns[rows], rtol=1e-13, atol=1e-13)
        assert new.unseen[group.name] == ()


def test_new_rows_may_be_of_another_make():
    design = build("y ~ x + z + f + e + flag + (1 | g:h)", DATA)
    rows = DATA.iloc[[3, 17]]
    plain = rows.astype({"e": str, "z": float, "flag": object, "h": float, "g": "category"})
    for new in (plain, pl.from_pandas(rows), plain.to_dict("list"), plain.assign(e=pd.Categorical(plain.e))):
        encoded = design.encode(new)
        np.testing.assert_array_equal(encoded.X, design.X[[3, 17]])
        np.testing.assert_array_equal(encoded.codes["g:h"], design.groups[0].codes[[3, 17]])


def test_levels_are_found_by_value_or_by_label():
    design = build("y ~ x + (1 | h) + (0 + x | t)", DATA.assign(t=DATA.h.astype(str)))
    for h, t in (([9, 2], [9, 2]), ([9.0, 2.0], ["9", "2"]), (["9", "2"], pd.Categorical([9, 2]))):
        new = design.encode({"x": [0.0, 0.0], "h": h, "t": t})
        assert [design.groups[0].levels[k] for k in new.codes["h"]] == ["9", "2"]
        assert [design.groups[1].levels[k] for k in new.codes["t"]] == ["9", "2"]


def test_new_levels_of_groups_have_the_code_minus_one():
    design = build("y ~ x + (1 | g/h)", DATA)
    new = design.encode({"x": [0.0] * 5, "g": ["A", "Q", "B", "Q", "D"], "h": [10, 9, 7, 9, 1]})
    np.testing.assert_array_equal(new.codes["g"], [0, -1, 1, -1, 3])
    levels = design.groups[1].levels
    np.testing.assert_array_equal(new.codes["g:h"], [levels.index("A:10"), -1, -1, -1, levels.index("D:1")])
    assert new.unseen == {"g": ("Q",), "g:h": ("Q:9", "B:7")}


def test_combinations_that_were_not_in_the_data_are_new():
    data = DATA[~((DATA.g == "A") & (DATA.h == 10))]
    new = build("y ~ x + (1 | g:h)", data).encode({"x": [0.0, 0.0], "g": ["A", "D"], "h": [10, 10]})
    assert new.codes["g:h"][0] == -1
    assert new.codes["g:h"][1] >= 0
    assert new.unseen == {"g:h": ("A:10",)}


@pytest.mark.parametrize(
    ("formula", "column", "level", "known"),
    [
        ("y ~ f + (1 | g)", "f", "z", "'a', 'b', 'c'"),
        ("y ~ e + (1 | g)", "e", "unused", "'c', 'b', 'a'"),
        ("y ~ x + (f | g)", "f", "z", "'a'"),
        ("y ~ C(f, contr.sum) + (1 | g)", "f", "z", "'a'"),
        ("y ~ C(h) + (1 | g)", r"C\(h\)", "3", "'1', '2', '9', '10'"),
        ("y ~ C(h, contr.sum):x + (1 | g)", r"C\(h, contr.sum\)", "3", "'1'"),
    ],
)
def test_new_levels_of_fixed_effects_are_refused(formula, column, level, known):
    # formulaic alone would give them the reference level
    design = build(formula, DATA)
    new = DATA.iloc[:2].astype({"e": str}).assign(f=["a", "z"], e=["a", "unused"], h=[1, 3])
    with pytest.raises(NewLevelError, match=f"'{column}' has levels .*: '{level}' .*known: {known}"):
        design.encode(new)


def test_a_category_that_no_row_has_is_not_known():
    design = build("y ~ e + (1 | g)", DATA)
    same = DATA.e.iloc[:2].cat.set_categories(["a", "b", "c", "more"])
    np.testing.assert_array_equal(design.encode(DATA.iloc[:2].assign(e=same)).X, design.X[:2])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": [1.0, None]}, r"1 of 2 new rows have missing or infinite values \(x: 1\)"),
        ({"x": [1.0, np.inf]}, r"\(x: 1\)"),
        ({"g": ["A", None]}, r"\(g: 1\)"),
        ({"f": ["a", None]}, r"\(f: 1\)"),
        ({"x": ["1", "2"]}, "'x' holds numbers as text; use astype"),
        ({"x": ["1", "two"]}, "'x' holds 1 value that is no number, the first 'two' in row 1"),
        ({"x": ["one", "two"]}, "'x' holds no numbers"),
        ({"w": [1.0, -1.0]}, r"'log\(w\)' is infinite or not a number in 1 rows of new rows, first in row 1"),
    ],
)
def test_bad_new_rows(change, message):
    design = build("y ~ x + f + log(w) + (1 | g)", DATA)
    with pytest.raises(DataError, match=message):
        design.encode(DATA.iloc[:2].assign(**change))


def test_columns_missing_from_new_rows():
    design = build("y ~ x + `my column` + offset(w) + (1 | g)", DATA)
    for name in ("x", "my column", "w", "g"):
        with pytest.raises(DataError, match=f"no column '{name}' in the new rows"):
            design.encode(DATA.drop(columns=name))
    with pytest.raises(DataError, match="Did you mean 'G'"):
        design.encode(DATA.rename(columns={"g": "G"}))
    with pytest.raises(DataError, match="give a data frame"):
        design.encode([1, 2])


def test_groups_can_be_left_out():
    design = build("y ~ x + (z | g) + (1 | h)", DATA)
    new = design.encode(DATA[["x"]], groups=())
    assert (new.codes, new.columns, new.unseen) == ({}, {}, {})
    np.testing.assert_array_equal(new.X, design.X)
    assert list(design.encode(DATA[["x", "h"]], groups=["h"]).codes) == ["h"]
    with pytest.raises(DataError, match=r"no group 'k' \(groups: g, h\)"):
        design.encode(DATA, groups=["k"])


def test_a_column_may_be_new_as_a_level_where_it_enters_no_matrix():
    design = build("y ~ x + (f | g) + (1 | f)", DATA)
    new = pd.DataFrame({"x": [0.0], "f": ["new"], "g": ["A"]})
    assert design.encode(new, groups=["f"]).unseen == {"f": ("new",)}
    with pytest.raises(NewLevelError, match="'f' has levels"):
        design.encode(new)


def test_an_intercept_needs_only_the_number_of_rows():
    design = build("y ~ 1 + (1 | g)", DATA)
    for new in (DATA.iloc[:3], pl.from_pandas(DATA.iloc[:3])):
        np.testing.assert_array_equal(design.encode(new, groups=()).X, np.ones((3, 1)))


def test_no_new_rows():
    new = build("y ~ f + log(w) + (x | g:flag)", DATA).encode(DATA.iloc[:0])
    assert new.X.shape == (0, 4)
    assert new.codes["g:flag"].shape == (0,)
    assert new.columns["g:flag"].shape == (0, 2)


def test_offsets_of_new_rows():
    design = build("y ~ x + offset(log(w)) + (1 | g)", DATA, offset="z")
    np.testing.assert_allclose(design.encode(DATA).offset, design.offset, rtol=1e-15)
    assert build("y ~ x + (1 | g)", DATA).encode(DATA).offset is None
    design = build("y ~ x + (1 | g)", DATA, offset=np.ones(24))
    with pytest.raises(DataError, match=r"the offset of the model is an array.*offset\(x\)"):
        design.encode(DATA)


def test_the_callers_names_are_kept():
    design = build("y ~ I(x * c) + twice(x) + (1 | g)", DATA, extra_names={"c": 3, "twice": lambda v: 2 * v})
    np.testing.assert_array_equal(design.encode(DATA.iloc[:4]).X, design.X[:4])


def test_a_design_from_arrays_cannot_encode():
    design = from_arrays(DATA.y, np.ones((24, 1)), np.eye(4)[np.arange(24) % 4])
    with pytest.raises(DataError, match="from arrays cannot encode new rows"):
        design.encode(DATA)
