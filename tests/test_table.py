"""Tables of every make give the same design."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from blupbayes.errors import DataError
from blupbayes.model.design import build
from blupbayes.model.table import open_table
from test_design import DATA

FORMULA = "log(w) ~ x + z + f + flag + `my column` + (z | g) + (1 | h:f)"
MAKES = {
    "pandas": lambda d: d,
    "pandas, pyarrow types": lambda d: d.convert_dtypes(dtype_backend="pyarrow"),
    "pandas, nullable types": lambda d: d.convert_dtypes(),
    "pandas, objects": lambda d: d.astype(object),
    "pandas, small types": lambda d: d.astype({"z": "uint8", "h": "int16"}),
    "polars": pl.from_pandas,
    "polars, lazy": lambda d: pl.from_pandas(d).lazy(),
    "pyarrow": pa.Table.from_pandas,
    "dict": lambda d: d.to_dict("list"),
    "dict of arrays": lambda d: {name: d[name].to_numpy() for name in d},
}


@pytest.mark.parametrize("make", MAKES)
def test_every_make_gives_the_same_design(make):
    plain = DATA.drop(columns="e")
    assert build(FORMULA, MAKES[make](plain)).hash == build(FORMULA, plain).hash


@pytest.mark.parametrize("make", ["pandas", "pyarrow"])
def test_the_order_of_categories_is_kept(make):
    assert build("y ~ e + (1 | g)", MAKES[make](DATA)).fixed_names == ("Intercept", "e[T.b]", "e[T.a]")


def test_polars_enums_have_an_order_and_its_categories_have_none():
    enum = pl.from_pandas(DATA).with_columns(
        e=pl.Series(DATA.e.astype(str), dtype=pl.Enum(["c", "unused", "b", "a"]))
    )
    assert build("y ~ e + (1 | g)", enum).fixed_names == ("Intercept", "e[T.b]", "e[T.a]")
    categorical = enum.with_columns(e=enum["e"].cast(pl.String).cast(pl.Categorical))
    assert build("y ~ e + (1 | g)", categorical).fixed_names == ("Intercept", "e[T.b]", "e[T.c]")


def test_polars_decimals_are_numbers():
    frame = pl.from_pandas(DATA).with_columns(z=pl.col("z").cast(pl.Decimal(10, 2)))
    assert build("y ~ z + (1 | g)", frame).hash == build("y ~ z + (1 | g)", DATA).hash


@pytest.mark.parametrize("make", ["pandas", "pandas, nullable types", "polars", "pyarrow"])
def test_gaps_of_every_make_are_seen(make):
    data = DATA.drop(columns="e").astype({"z": float, "flag": object})
    for column, row in (("x", 0), ("z", 1), ("f", 2), ("flag", 3), ("g", 4)):
        data.loc[row, column] = None
    with pytest.raises(DataError, match=r"5 of 24 rows .*\(x: 1, z: 1, f: 1, flag: 1, g: 1\)"):
        build("y ~ x + z + f + flag + (1 | g)", MAKES[make](data))
    design = build("y ~ x + z + f + flag + (1 | g)", MAKES[make](data), missing="drop")
    assert design.n_dropped == 5
    np.testing.assert_array_equal(design.X[:, -1], DATA.flag[5:])


def test_only_used_columns_are_read():
    class Guarded(pd.DataFrame):
        def __getitem__(self, key):
            assert set(key) == {"y", "x", "g"}
            return super().__getitem__(key)

    build("y ~ x + (1 | g)", Guarded(DATA))


def test_the_users_table_is_not_changed():
    before = DATA.copy(deep=True)
    design = build("y ~ x + f + (x | g)", DATA, weights="w", offset="x")
    design.y[:], design.X[:], design.weights[:], design.offset[:] = 0, 0, 0, 0
    pd.testing.assert_frame_equal(DATA, before)


@pytest.mark.parametrize("data", [[1, 2], np.ones((3, 3)), None, "file.csv", 3])
def test_what_is_no_table(data):
    with pytest.raises(DataError, match="give a data frame"):
        open_table(data)


def test_a_ragged_dict():
    with pytest.raises(DataError, match="not a table"):
        open_table({"x": [1, 2], "y": [1]})


def test_duplicate_names_in_arrow():
    table = pa.table([[1.0], [2.0]], names=["x", "x"])
    with pytest.raises(DataError, match="two columns of one name"):
        open_table(table)
