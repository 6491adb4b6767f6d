"""The door for matrices: the same design as the formula's, and matrices that do not fit say why."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from blupbayes.errors import DataError, IdentifiabilityError
from blupbayes.model.design import build, from_arrays
from test_design import DATA

CODES = np.array(["D", "C", "B", "A"]).searchsorted(DATA.g, sorter=[3, 2, 1, 0])
Z = np.eye(4)[CODES]
X = np.column_stack([np.ones(24), DATA.x])


def test_dense_and_sparse_indicators_are_the_group():
    wanted = build("y ~ x + (1 | g)", DATA).groups[0]
    for matrix in (Z, sp.csr_array(Z), sp.csc_matrix(Z), sp.coo_array(Z), Z.astype(bool), Z.tolist()):
        design = from_arrays(DATA.y, X, matrix)
        (group,) = design.groups
        np.testing.assert_array_equal(group.codes, wanted.codes)
        np.testing.assert_array_equal(group.columns, np.ones((24, 1)))
        assert (group.name, group.levels, group.names) == ("g", ("1", "2", "3", "4"), ("Intercept",))


def test_a_frame_names_levels_and_columns():
    design = from_arrays(
        DATA.y,
        pd.DataFrame({"one": 1.0, "x": DATA.x}),
        pd.DataFrame(Z, columns=list("ABCD")),
        group_name="herd",
    )
    assert (design.response, design.fixed_names) == ("y", ("one", "x"))
    assert (design.groups[0].name, design.groups[0].levels) == ("herd", ("A", "B", "C", "D"))


def test_the_same_numbers_give_the_same_hash_as_the_formula():
    wanted = build("y ~ x + (x | g)", DATA, weights="w", offset="z")
    slope = pd.DataFrame({"Intercept": 1.0, "x": DATA.x})
    design = from_arrays(
        DATA.y, X, {"g": (DATA.g, slope)}, fixed_names=["Intercept", "x"], weights=DATA.w, offset=DATA.z
    )
    assert design.hash == wanted.hash
    assert design.n_theta == 3


def test_entries_other_than_one_multiply_the_coefficient():
    (group,) = from_arrays(DATA.y, X, Z * DATA.w.to_numpy()[:, None]).groups
    np.testing.assert_array_equal(group.columns[:, 0], DATA.w)
    assert group.names == ("z1",)


def test_several_groups():
    design = from_arrays(DATA.y, X, {"g": (DATA.g.to_numpy(), X), "h": (DATA.h.tolist(), None)})
    g, h = design.groups
    assert (g.names, h.names) == (("Intercept", "z1"), ("Intercept",))
    assert h.levels == ("1", "2", "9", "10")
    assert [(t.position, t.first) for t in (*g.terms, *h.terms)] == [(0, 0), (1, 3)]


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        (X, ("Intercept", "x1")),
        (X[:, 1], ("x1",)),
        (np.column_stack([X[:, 1], X]), ("x1", "Intercept", "x2")),
    ],
)
def test_default_names(columns, names):
    assert from_arrays(DATA.y, columns, Z).fixed_names == names


def test_arrays_are_copied():
    y = DATA.y.to_numpy(copy=True)
    design = from_arrays(y, X, Z)
    design.y[0] = 99
    assert y[0] == DATA.y[0]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"Z": np.ones((24, 2))}, DataError, "row 0 of Z has 2 entries"),
        ({"Z": np.vstack([np.zeros(4), Z[1:]])}, DataError, "row 0 of Z has 0 entries"),
        ({"Z": np.column_stack([Z, np.zeros(24)])}, DataError, "column 4 of Z has no row"),
        ({"Z": Z[:20]}, DataError, r"shape \(20, 4\), y has 24 rows"),
        ({"Z": sp.csr_array(Z[:20])}, DataError, "24 rows"),
        ({"Z": Z * np.nan}, DataError, "missing or infinite"),
        ({"Z": {}}, DataError, "no group"),
        ({"Z": {"g": CODES}}, DataError, r"give \(codes"),
        ({"Z": {"g": (CODES[:5], None)}}, DataError, "5 codes, y has 24 rows"),
        ({"Z": {"g": (CODES, np.ones((5, 1)))}}, DataError, r"shape \(5, 1\)"),
        ({"Z": np.ones((24, 1))}, IdentifiabilityError, "one level"),
        ({"Z": np.eye(24)}, IdentifiabilityError, "confounded"),
        ({"X": X[:20]}, DataError, r"shape \(20, 2\)"),
        ({"X": X * np.inf}, DataError, "missing or infinite"),
        ({"X": [["a"]] * 24}, DataError, "not a matrix of numbers"),
        ({"X": np.ones((24, 30))}, IdentifiabilityError, "30 columns"),
        ({"y": np.ones(24)}, DataError, "is 1 in all 24 rows"),
        ({"y": np.full(24, np.nan)}, DataError, "missing or infinite"),
        ({"fixed_names": ["a"]}, DataError, "2 columns; give as many different names"),
        ({"fixed_names": ["a", "a"]}, DataError, "different names"),
        ({"weights": np.zeros(24)}, DataError, "zero or negative"),
        ({"weights": np.ones(3)}, DataError, r"weights has shape"),
        ({"sigma": 0}, DataError, "residual sd"),
    ],
)
def test_matrices_that_do_not_fit(change, error, message):
    with pytest.raises(error, match=message):
        from_arrays(**{"y": DATA.y, "X": X, "Z": Z, **change})
