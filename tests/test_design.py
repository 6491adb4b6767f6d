"""Formula + table -> y, X and the random side, column for column as R makes them; bad data say what to do."""

from __future__ import annotations

import datetime
import pickle
import statistics
import time
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from blupbayes.errors import DataError, FormulaError, IdentifiabilityError
from blupbayes.model.design import build


def table(n=24):
    """A table with a column of every kind."""
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "y": rng.normal(size=n),
            "x": rng.normal(size=n),
            "z": np.arange(n) % 5 + 1,
            "w": rng.uniform(1, 2, size=n),
            "f": np.tile(["b", "a", "c"], n // 3),
            "e": pd.Categorical(
                np.tile(["b", "a", "c"], n // 3), categories=["c", "unused", "b", "a"], ordered=True
            ),
            "g": np.repeat(["D", "C", "B", "A"], n // 4),
            "h": np.tile([10, 9, 1, 2], n // 4),
            "flag": np.tile([True, False], n // 2),
            "my column": rng.normal(size=n),
            "größe µm": rng.uniform(1, 2, size=n),
            "a.b": rng.normal(size=n),
        }
    )


DATA = table()


# --- the fixed side -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fixed", "names"),
    [
        ("1", ["Intercept"]),
        ("0", []),
        ("x", ["Intercept", "x"]),
        ("0 + x", ["x"]),
        ("x - 1", ["x"]),
        ("f", ["Intercept", "f[T.b]", "f[T.c]"]),
        ("0 + f", ["f[a]", "f[b]", "f[c]"]),
        ("e", ["Intercept", "e[T.b]", "e[T.a]"]),
        ("f * x", ["Intercept", "f[T.b]", "f[T.c]", "x", "f[T.b]:x", "f[T.c]:x"]),
        ("f:x", ["Intercept", "f[a]:x", "f[b]:x", "f[c]:x"]),
        ("f/x", ["Intercept", "f[T.b]", "f[T.c]", "f[a]:x", "f[b]:x", "f[c]:x"]),
        ("(x + z)**2", ["Intercept", "x", "z", "x:z"]),
        ("C(e, contr.poly)", ["Intercept", "C(e, contr.poly)[.L]", "C(e, contr.poly)[.Q]"]),
        ("C(f, contr.sum)", ["Intercept", "C(f, contr.sum)[S.a]", "C(f, contr.sum)[S.b]"]),
        ("C(h)", ["Intercept", "C(h)[T.2]", "C(h)[T.9]", "C(h)[T.10]"]),
        ("flag", ["Intercept", "flag"]),
        ("poly(x, 2)", ["Intercept", "poly(x, 2)[1]", "poly(x, 2)[2]"]),
        ("`my column`", ["Intercept", "my column"]),
        (
            "log(`größe µm`):f",
            ["Intercept", "log(`größe µm`):f[a]", "log(`größe µm`):f[b]", "log(`größe µm`):f[c]"],
        ),
        ("a.b + exp(a.b)", ["Intercept", "a.b", "exp(`a.b`)"]),
    ],
)
def test_columns_and_their_names(fixed, names):
    design = build(f"y ~ {fixed} + (1 | g)", DATA)
    assert list(design.fixed_names) == names
    assert design.X.shape == (24, len(names))


def test_treatment_coding_follows_the_order_of_the_categories():
    design = build("y ~ e * x + (1 | g)", DATA)
    b, a, x = (DATA.e == "b").astype(float), (DATA.e == "a").astype(float), DATA.x
    np.testing.assert_array_equal(design.X, np.column_stack([np.ones(24), b, a, x, b * x, a * x]))


def test_polynomial_contrasts_are_those_of_r():
    design = build("y ~ C(e, contr.poly) + (1 | g)", DATA)
    R = np.array(
        [[-np.sqrt(0.5), 1 / np.sqrt(6)], [0, -2 / np.sqrt(6)], [np.sqrt(0.5), 1 / np.sqrt(6)]]
    )  # contr.poly(3)
    expected = R[DATA.e.map({"c": 0, "b": 1, "a": 2}).astype(int)]
    np.testing.assert_allclose(design.X[:, 1:], expected, atol=1e-14)  # rounding of a QR of three numbers


def test_a_column_may_have_the_name_of_a_function():
    data = DATA.assign(log=DATA.x)
    assert build("y ~ log + (1 | g)", data).fixed_names == ("Intercept", "log")
    design = build("y ~ log(w) + `log` + (1 | g)", data)
    np.testing.assert_array_equal(design.X[:, 1:], np.column_stack([np.log(data.w), data.x]))
    with pytest.raises(FormulaError, match="put the column in backticks"):
        build("y ~ log(w) + log + (1 | g)", data)


def test_names_that_look_alike_are_told_apart():
    # inside a call formulaic gives `a b` the name a_b, or a random one if that is taken
    data = DATA.assign(**{"a b": DATA.x, "a_b": DATA.w, "a-b": DATA.z * 1.0, "class": DATA.y * 2})
    design = build("y ~ center(`a b`) + center(a_b) + center(`a-b`) + center(class) + (1 | g)", data)
    assert design.fixed_names[1:] == ("center(`a b`)", "center(a_b)", "center(`a-b`)", "center(`class`)")
    expected = data[["a b", "a_b", "a-b", "class"]] - data[["a b", "a_b", "a-b", "class"]].mean()
    np.testing.assert_allclose(design.X[:, 1:], expected, atol=1e-14)  # sums of 24 numbers of size 1


def test_names_are_found_however_unicode_writes_them():
    composed, decomposed = "gr\u00f6\u00dfe", "gro\u0308\u00dfe"
    assert build(f"y ~ {composed} + (1 | g)", DATA.assign(**{decomposed: DATA.x})).X[3, 1] == DATA.x[3]
    micro = build("y ~ \u00b5g + log(\u00b5g) + (1 | g)", DATA.assign(**{"\u00b5g": DATA.w}))
    assert micro.fixed_names == (
        "Intercept",
        "\u00b5g",
        "log(`\u00b5g`)",
    )  # Python would fold the sign to the letter


# --- the random side ------------------------------------------------------------------------------------------


def group(bars, data=DATA, **options):
    """The only group of a formula."""
    (only,) = build(f"y ~ x + {bars}", data, **options).groups
    return only


@pytest.mark.parametrize(
    ("bar", "names", "structure"),
    [
        ("(1 | g)", ["Intercept"], "full"),
        ("(x | g)", ["Intercept", "x"], "full"),
        ("(0 + x | g)", ["x"], "full"),
        ("(x || g)", ["Intercept", "x"], "diagonal"),
        ("(f | g)", ["Intercept", "f[T.b]", "f[T.c]"], "full"),
        ("(0 + f | g)", ["f[a]", "f[b]", "f[c]"], "full"),
        ("(f || g)", ["Intercept", "f[T.b]", "f[T.c]"], "diagonal"),
        ("(0 + f || g)", ["f[a]", "f[b]", "f[c]"], "diagonal"),
        ("(log(w) | g)", ["Intercept", "log(w)"], "full"),
    ],
)
def test_coefficients_of_a_term(bar, names, structure):
    g = group(bar)
    assert list(g.names) == names
    assert [(t.start, t.stop, t.structure, t.position) for t in g.terms] == [(0, len(names), structure, 0)]


def test_levels_are_sorted_and_codes_point_to_them():
    g = group("(x | g)")
    assert g.levels == ("A", "B", "C", "D")
    assert [g.levels[code] for code in g.codes] == list(DATA.g)
    assert g.codes.dtype == np.intp
    np.testing.assert_array_equal(g.columns, np.column_stack([np.ones(24), DATA.x]))


@pytest.mark.parametrize(
    ("values", "levels"),
    [
        ([10, 9, 1, 2], ("1", "2", "9", "10")),
        ([10.0, 9.5, 1.0, 2.0], ("1.0", "2.0", "9.5", "10.0")),
        (["10", "9", "1", "2"], ("1", "10", "2", "9")),
        ([True, False, True, True], ("False", "True")),
        (pd.Categorical(["b", "a", "c", "a"], categories=["c", "z", "b", "a"]), ("c", "b", "a")),
        (pd.Categorical([3, 1, 2, 1], categories=[3, 2, 1]), ("3", "2", "1")),
        (pd.array([3, 1, 2, 1], dtype="Int64"), ("1", "2", "3")),
        (
            pd.to_datetime(["2021", "2020", "2022", "2020"]),
            tuple(f"{y}-01-01 00:00:00" for y in (2020, 2021, 2022)),
        ),
        ([datetime.date(2021, 1, 1), datetime.date(2020, 1, 1)] * 2, ("2020-01-01", "2021-01-01")),
    ],
)
def test_levels_of_every_kind(values, levels):
    values = pd.Series(values)
    data = DATA.assign(k=pd.concat([values] * 6, ignore_index=True))
    g = group("(1 | k)", data)
    assert g.levels == levels
    assert [g.levels[code] for code in g.codes[:4]] == [str(value) for value in values.tolist()]


def test_nested_terms_have_the_levels_that_are_there():
    design = build("y ~ 1 + (1 | g/h)", DATA[DATA.index != 3])
    outer, inner = design.groups
    assert (outer.name, inner.name, inner.factors) == ("g", "g:h", ("g", "h"))
    assert inner.levels[:5] == ("A:1", "A:2", "A:9", "A:10", "B:1")
    assert len(inner.levels) == DATA.drop(index=3).groupby(["g", "h"]).ngroups
    rows = DATA[DATA.index != 3]
    assert [inner.levels[c] for c in inner.codes] == [f"{g}:{h}" for g, h in zip(rows.g, rows.h, strict=True)]


def test_levels_of_an_interaction_follow_the_order_of_the_categories():
    g = group("(1 | e:flag)", sigma=1)
    assert g.levels == ("c:False", "c:True", "b:False", "b:True", "a:False", "a:True")


def test_three_way_groups_keep_their_rows_apart():
    g = group("(1 | g:h:f)", sigma=1)
    wanted = [f"{a}:{b}:{c}" for a, b, c in zip(DATA.g, DATA.h, DATA.f, strict=True)]
    assert [g.levels[code] for code in g.codes] == wanted
    assert list(g.levels) == sorted(
        set(wanted), key=lambda s: (s.split(":")[0], int(s.split(":")[1]), s.split(":")[2])
    )


def test_levels_with_a_colon_may_not_collide():
    data = DATA.assign(a=np.tile(["p:q", "p"], 12), b=np.tile(["r", "q:r"], 12))
    with pytest.raises(DataError, match="take the ':' out"):
        build("y ~ 1 + (1 | a:b)", data)


def test_terms_on_one_group_are_put_together_and_theta_runs_in_the_order_of_the_formula():
    design = build("y ~ 1 + (1 | g) + (1 | h) + (0 + x + z | g) + (w || h:f) + (0 + x | f:h)", DATA, sigma=1)
    g, h, hf = design.groups
    assert [group.name for group in design.groups] == ["g", "h", "h:f"]
    assert g.names == ("Intercept", "x", "z")
    assert [(t.start, t.stop, t.position, t.first) for t in g.terms] == [(0, 1, 0, 0), (1, 3, 2, 2)]
    assert [(t.start, t.stop, t.position, t.first) for t in h.terms] == [(0, 1, 1, 1)]
    assert [(t.start, t.stop, t.position, t.first) for t in hf.terms] == [(0, 2, 3, 5), (2, 3, 4, 7)]
    assert design.n_theta == 8
    T = g.template.matrix(np.arange(10.0))
    np.testing.assert_array_equal(T, [[0, 0, 0], [0, 2, 0], [0, 3, 4]])
    np.testing.assert_array_equal(hf.template.matrix(np.arange(10.0)), np.diag([5.0, 6, 7]))
    np.testing.assert_array_equal(g.columns, np.column_stack([np.ones(24), DATA.x, DATA.z]))


def test_a_coefficient_stands_in_one_term_of_its_group():
    with pytest.raises(FormulaError, match="'Intercept' of group 'g' stands in two terms"):
        build("y ~ x + (1 | g) + (x | g)", DATA)


# --- response, weights, offsets -------------------------------------------------------------------------------


def test_response_may_be_an_expression():
    design = build("log(z + 1) - x/2 ~ x + (1 | g)", DATA)
    np.testing.assert_allclose(design.y, np.log(DATA.z + 1) - DATA.x / 2, rtol=1e-15)
    assert design.response == "log(z + 1) - x/2"
    assert build("`my column` ~ x + (1 | g)", DATA).response == "my column"


def test_integers_are_a_response_and_the_table_keeps_its_own():
    design = build("z ~ x + (1 | g)", DATA)
    assert design.y.dtype == float
    design.y[0] = -1
    assert DATA.z[0] == 1


@pytest.mark.parametrize(
    ("column", "message"),
    [("f", "holds no numbers"), ("e", "holds no numbers"), ("flag", "True and False; use astype")],
)
def test_a_response_is_a_column_of_numbers(column, message):
    with pytest.raises(DataError, match=f"response '{column}' .*{message}"):
        build(f"{column} ~ x + (1 | g)", DATA)


def test_a_response_has_one_column():
    with pytest.raises(DataError, match="not one column of numbers"):
        build("poly(x, 2) ~ z + (1 | g)", DATA)


def test_a_constant_response_is_refused_unless_sigma_is_known():
    data = DATA.assign(y=3.0)
    with pytest.raises(DataError, match="'y' is 3 in all 24 rows"):
        build("y ~ x + (1 | g)", data)
    assert build("y ~ x + (1 | g)", data, sigma=1).sigma == 1.0


def test_weights_and_offsets_from_everywhere():
    array = build("y ~ x + (1 | g)", DATA, weights=DATA.w, offset=DATA.x.to_numpy())
    named = build("y ~ x + (1 | g)", DATA, weights="w", offset="x")
    written = build("y ~ x + offset(x) + (1 | g)", DATA, weights="w * 1")
    for design in (array, named, written):
        np.testing.assert_array_equal(design.weights, DATA.w)
        np.testing.assert_array_equal(design.offset, DATA.x)
    assert array.hash == named.hash == written.hash


def test_offsets_add_up():
    design = build("y ~ x + offset(log(w)) + (1 | g) + offset(z)", DATA, offset="my column")
    np.testing.assert_allclose(design.offset, np.log(DATA.w) + DATA.z + DATA["my column"], rtol=1e-14)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones(23), r"shape \(23,\), the data 24 rows"),
        (np.ones((24, 1)), r"shape \(24, 1\)"),
        (2.0, r"shape \(\)"),
        (np.r_[0.0, np.ones(23)], "1 of 24 weights are zero or negative"),
        (-np.ones(24), "24 of 24 weights"),
        (np.r_[np.inf, np.ones(23)], "infinite in 1 rows"),
        (np.r_[np.nan, np.ones(23)], r"\(weights: 1\)"),
        (["a"] * 24, "not numbers"),
        ("x", "zero or negative"),
        ("f", "holds no numbers"),
        (DATA.w[::-1], "row labels"),
    ],
)
def test_bad_weights(weights, message):
    with pytest.raises(DataError, match=message):
        build("y ~ z + (1 | g)", DATA, weights=weights)


@pytest.mark.parametrize("sigma", [0, -1, np.nan, np.inf, "1", True, [1.0]])
def test_sigma_is_a_positive_number(sigma):
    with pytest.raises(DataError, match="residual sd"):
        build("y ~ x + (1 | g)", DATA, sigma=sigma)


# --- missing values -------------------------------------------------------------------------------------------


def with_gaps():
    """Gaps in used and unused columns."""
    data = table().assign(unused=np.nan)
    data.loc[[0, 5], "x"] = np.nan
    data.loc[5, "g"] = None
    data.loc[7, "y"] = np.inf
    data.loc[8, "e"] = None
    return data


def test_missing_values_raise_with_columns_and_counts():
    with pytest.raises(DataError) as caught:
        build("y ~ x + e + (1 | g)", with_gaps())
    assert str(caught.value) == (
        "4 of 24 rows have missing or infinite values (y: 1, x: 2, e: 1, g: 1). "
        'Pass missing="drop" (in the shell: --missing drop) to fit 20 rows.'
    )


def test_missing_values_are_dropped_together_with_weights_and_offset():
    weights = np.r_[1.0, 2.0, np.nan, np.arange(3, 24)]
    data = with_gaps().set_index(pd.Index([f"row{i}" for i in range(24)]))
    design = build("y ~ x + e + (1 | g)", data, missing="drop", weights=weights, offset=np.arange(24.0))
    keep = np.setdiff1d(np.arange(24), [0, 2, 5, 7, 8])
    assert (design.n_dropped, design.n_obs) == (5, 19)
    assert list(design.rows) == [f"row{i}" for i in keep]
    np.testing.assert_array_equal(design.weights, weights[keep])
    np.testing.assert_array_equal(design.offset, keep)
    np.testing.assert_array_equal(design.y, data.y.to_numpy()[keep])
    assert data.isna().sum().sum() == 24 + 4  # the user's table is as it was


def test_levels_without_rows_leave_the_model():
    data = DATA.assign(x=DATA.x.where(DATA.f != "c").where(DATA.g != "A"))
    design = build("y ~ x + f + e + (1 | g)", data, missing="drop")
    assert design.fixed_names == ("Intercept", "x", "f[T.b]", "e[T.a]")
    assert design.groups[0].levels == ("B", "C", "D")


def test_nothing_left():
    with pytest.raises(DataError, match="no rows without missing values"):
        build("y ~ x + (1 | g)", DATA.assign(g=None), missing="drop")
    with pytest.raises(DataError, match="there are no rows"):
        build("y ~ x + (1 | g)", DATA.iloc[:0])
    with pytest.raises(DataError, match="'raise' or 'drop'"):
        build("y ~ x + (1 | g)", DATA, missing="ignore")


@pytest.mark.parametrize(
    "formula", ["y ~ log(z - 1) + (1 | g)", "log(z - 1) ~ x + (1 | g)", "y ~ x + (log(z - 1) | g)"]
)
def test_expressions_that_are_not_finite(formula):
    with pytest.raises(
        DataError, match=r"log\(z - 1\)' is infinite or not a number in 5 rows of the data, first in row 0"
    ):
        build(formula, DATA, missing="drop")


def test_categories_made_of_nothing():
    with pytest.raises(DataError, match=r"'C\(log\(z - 3\)\)' has no value in 10 rows"):
        build("y ~ C(log(z - 3)) + (1 | g)", DATA)


# --- data that cannot carry the model -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("formula", "name", "suggested"),
    [
        ("y ~ X + (1 | g)", "X", "x"),
        ("y ~ x + (1 | grp)", "grp", None),
        ("y ~ x + (1 | g:hh)", "hh", "h"),
        ("yy ~ x + (1 | g)", "yy", "y"),
        ("y ~ x + (flog | g)", "flog", "flag"),
        ("y ~ log(wx) + (1 | g)", "wx", None),
        ("y ~ `my colum` + (1 | g)", "my colum", "my column"),
        ("y ~ x + offset(ww) + (1 | g)", "ww", "w"),
    ],
)
def test_a_column_that_is_not_there(formula, name, suggested):
    with pytest.raises(FormulaError) as caught:
        build(formula, DATA)
    message, source, carets = str(caught.value).split("\n")
    assert message.startswith(f"no column '{name}' in the data (columns: y, x, z, w")
    assert suggested is None or f"Did you mean '{suggested}'?" in message
    assert source[carets.index("^") : carets.rindex("^") + 1] == name


def test_a_formula_needs_a_group_term():
    with pytest.raises(FormulaError, match=r"no group term; add one, such as '\+ \(1 \| group\)'"):
        build("y ~ x", DATA)
    with pytest.raises(FormulaError, match="has no columns"):
        build("y ~ x + (0 | g)", DATA)


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("y ~ x + (1 | one)", "one level, '7'"),
        (
            "y ~ x + (1 | row)",
            r"each level of 'row' has one row, so sd\(row\) and sd\(residual\) are confounded",
        ),
        ("y ~ x + (x | g:h)", "32 random coefficients, the data 24 rows"),
        ("y ~ x + (f | pair)", "36 random coefficients, the data 24 rows"),
        ("y ~ f:g:C(z):C(h) + (1 | g)", "the fixed side has 240 columns"),
        ("y ~ row_text + x + z + (1 | g)", "more than the 24 rows"),
    ],
)
def test_what_the_rows_cannot_tell_apart(formula, message):
    data = DATA.assign(one=7, row=range(24), pair=np.arange(24) // 2, row_text=[f"r{i}" for i in range(24)])
    with pytest.raises(IdentifiabilityError, match=message):
        build(formula, data)


def test_a_known_sigma_lets_every_row_have_its_own_level():
    assert build("y ~ x + (x | row)", DATA.assign(row=range(24)), sigma=1).n_theta == 3


def test_uncorrelated_coefficients_are_counted_one_by_one():
    # as lme4, where (x || g) is two terms: 12 levels with 2 coefficients are 24 = n, but each term has 12
    data = DATA.assign(pair=np.arange(24) // 2)
    assert build("y ~ x + (x || pair)", data).n_theta == 2
    with pytest.raises(IdentifiabilityError):
        build("y ~ x + (x | pair)", data)


def test_more_columns_than_rows_and_dependent_columns():
    with pytest.raises(IdentifiabilityError, match="at least 9 columns, more than the 6 rows"):
        build("y ~ x + z + w + f + e + `my column` + (1 | h)", DATA.iloc[:6], sigma=1)
    design = build("y ~ x + I(2 * x) + f + e + (1 | g)", DATA)  # rank-deficient: not an error here
    assert np.linalg.matrix_rank(design.X) < design.X.shape[1]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([Decimal(i) for i in range(24)], "Decimal"),
        ([1, "a"] * 12, "int, str"),
        ([2**70] * 24, "beyond 64 bits"),
        ([1j] * 24, "complex"),
        (pd.date_range("2020", periods=24), "dates"),
        ([{}] * 24, "dict"),
    ],
)
def test_columns_that_are_no_numbers_and_no_text(values, message):
    with pytest.raises(DataError, match=f"column 'x' holds .*{message}"):
        build("y ~ x + (1 | g)", DATA.assign(x=values))


def test_python_objects_of_one_kind_are_what_they_are():
    data = DATA.assign(x=DATA.x.astype(object), z=DATA.z.astype(object), flag=DATA.flag.astype(object))
    data["f"] = data.f.astype(object)
    formula = "y ~ x + z + flag + f + (1 | g)"
    assert build(formula, data).hash == build(formula, DATA).hash


def test_names_of_columns_are_told_apart():
    with pytest.raises(DataError, match="more than one column named 'x'"):
        build("y ~ x + (1 | g)", pd.concat([DATA, DATA[["x"]]], axis=1))
    with pytest.raises(FormulaError, match="two columns named 'Intercept'"):
        build("y ~ Intercept + (1 | g)", DATA.assign(Intercept=DATA.x))
    with pytest.raises(DataError, match="two levels of 'g' have the same text"):
        build("y ~ x + (1 | g)", DATA.assign(g=pd.Categorical([1, "1"] * 12)))


@pytest.mark.parametrize(
    "term", ["I(1)", "0 + C(np.pi)", "I(x + f)", "center(f)", "C(h, levels=[1, 2])", "C(f, {'q': [1, 2]})"]
)
def test_terms_that_cannot_be_computed(term):
    with pytest.raises((FormulaError, DataError)):
        build(f"y ~ {term} + (1 | g)", DATA)


# --- the design as a value ------------------------------------------------------------------------------------


def test_the_hash_sees_data_and_names_and_nothing_else():
    base = build("y ~ x + (x | g)", DATA).hash
    assert len(base) == 64
    assert build("y ~ 1 + x + (1 + x|g)", DATA.assign(unused=1)).hash == base
    assert build("y ~ x + (x | g)", DATA.set_index("w", drop=False)).hash == base
    assert build("y ~ x + (x | g)", DATA, sigma=2).hash == base
    others = [
        build("y ~ x + (x | g)", DATA.iloc[::-1]),
        build("y ~ x + (x | g)", DATA.assign(y=DATA.y + 1e-12)),
        build("y ~ x + (x | g)", DATA.assign(g=DATA.g.replace("A", "AA"))),
        build("y ~ x + (x | g)", DATA.assign(g=np.roll(DATA.g, 1))),
        build("y ~ x + (1 + z | g)", DATA.rename(columns={"z": "unused", "w": "z"})),
        build("y ~ x + (1 + z | g)", DATA),
        build("y ~ x + (x | g)", DATA, weights="w"),
        build("y ~ x + (x | g)", DATA, offset="w"),
        build("y ~ x + (1 | g)", DATA),
        build("y ~ w + (w | g)", DATA.assign(w=DATA.x)),
    ]
    assert len({base, *(design.hash for design in others)}) == 11


def test_a_design_survives_pickling():
    design = build("y ~ center(x) * e + `my column` + offset(w) + (f || g) + (1 | g:h)", DATA, weights="w")
    copy = pickle.loads(pickle.dumps(design))
    assert (copy.hash, copy.fixed_names, copy.n_theta) == (design.hash, design.fixed_names, design.n_theta)
    np.testing.assert_array_equal(copy.encode(DATA).X, design.X)


def test_the_repr_tells_the_sizes():
    assert repr(build("y ~ x + (x | g)", DATA)) == (
        "Design('y ~ x + (x | g)': 24 rows, 2 fixed columns; g 4 levels x 2)"
    )


def test_building_is_fast_beside_formulaic_itself():
    # A guard against a loop over rows or a lost cache, not a benchmark: measured ratio 5 to 7.
    from formulaic import model_matrix

    data = table(240)

    def median(function):
        times = []
        for _ in range(15):
            start = time.perf_counter()
            function()
            times.append(time.perf_counter() - start)
        return statistics.median(times)

    ours = median(lambda: build("y ~ x + (x | g)", data))
    assert ours < 40 * median(lambda: model_matrix("x", data))


@pytest.mark.parametrize(
    "formula", ["y ~ x + (1 | g) + (1 | t)", "y ~ x + (x | g) + (x | t)", "y ~ x + (1 | g/t)"]
)
def test_two_groups_that_are_the_same_groups_are_refused(formula):
    with pytest.raises(
        IdentifiabilityError, match="put the same rows together, so only the sum of their variances"
    ):
        build(formula, DATA.assign(t="level " + DATA.g.astype(str)))


def test_two_groups_that_are_the_same_may_hold_different_coefficients():
    assert (
        len(build("y ~ x + (1 | g) + (0 + x | t)", DATA.assign(t="level " + DATA.g.astype(str))).groups) == 2
    )


def test_levels_that_are_written_alike_are_refused():
    # formulaic would give both columns one name and keep one of them
    frame = pd.DataFrame(
        {
            "y": np.arange(12.0) % 5,
            "f": pd.Categorical([1, "1", 2] * 4, categories=[2, 1, "1"]),
            "g": list("aabbccddeeff"),
        }
    )
    with pytest.raises(DataError, match="'f' has two levels that are written '1'"):
        build("y ~ f + (1 | g)", frame)
