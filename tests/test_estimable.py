"""Which contrasts the data can answer: judged by the rank of X with and without the row."""

import numpy as np
import pandas as pd
import pytest

import blupbayes as bb
from blupbayes.errors import IdentifiabilityError
from blupbayes.frequentist.contrasts import read_contrasts
from blupbayes.frequentist.estimable import answerable, check_estimable, estimable
from blupbayes.model.hypotheses import hypotheses


def make_model(X, names=None, seed=2, **options):
    n = len(X)
    y = np.random.default_rng(seed).normal(size=n) + np.arange(n) % 5
    names = names or [f"x{k}" for k in range(X.shape[1])]
    groups = (np.arange(n)[:, None] % 5 == np.arange(5)).astype(float)
    return bb.MixedModel.from_arrays(y, X, groups, fixed_names=names, **options)


def deficient(seed, n=30, p=6, r=4):
    """X (n, p) of rank r with small whole numbers, so that its dependences are exact."""
    rng = np.random.default_rng(seed)
    return (rng.integers(-2, 3, (n, r)) @ rng.integers(-1, 2, (r, p))).astype(float)


def in_row_space(X, row):
    return np.linalg.matrix_rank(np.vstack([X, row])) == np.linalg.matrix_rank(X)


@pytest.mark.parametrize("seed", range(12))
def test_a_row_is_estimable_if_it_does_not_raise_the_rank_of_X(seed):
    X = deficient(seed)
    statistics = make_model(X).statistics
    rng = np.random.default_rng(seed + 100)
    rows = np.vstack([rng.normal(size=(4, len(X))) @ X, np.eye(6), rng.integers(-1, 2, (6, 6))])
    np.testing.assert_array_equal(estimable(rows, statistics), [in_row_space(X, row) for row in rows])


@pytest.mark.parametrize("seed", range(4))
def test_units_and_weights_do_not_matter(seed):
    X = deficient(seed)
    units = 10.0 ** np.array([8, -8, 0, 5, -12, 10])
    rows = np.vstack([np.random.default_rng(seed).normal(size=(4, len(X))) @ X, np.eye(6)])
    expected = estimable(rows, make_model(X).statistics)
    assert expected.any()
    np.testing.assert_array_equal(estimable(rows * units, make_model(X * units).statistics), expected)
    weights = np.linspace(0.1, 9, len(X))
    np.testing.assert_array_equal(estimable(rows, make_model(X, weights=weights).statistics), expected)


def test_with_full_rank_everything_is_estimable():
    X = np.random.default_rng(1).normal(size=(30, 4)) * [1, 1e9, 1e-9, 1]
    assert estimable(np.random.default_rng(2).normal(size=(9, 4)), make_model(X).statistics).all()


@pytest.mark.parametrize("seed", range(4))
def test_an_estimable_contrast_has_one_estimate_whichever_columns_are_kept(seed):
    """Kept columns depend on the order of the columns; what the data say does not."""
    X = deficient(seed)
    order = np.random.default_rng(seed).permutation(6)
    rows = np.random.default_rng(seed).normal(size=(5, len(X))) @ X
    values = []
    for columns in (np.arange(6), order):
        fit = make_model(X[:, columns]).fit("REML")
        kept = fit.statistics.kept
        assert estimable(rows[:, columns], fit.statistics).all()
        values.append(rows[:, columns][:, kept] @ fit.beta.to_numpy()[kept])
    np.testing.assert_allclose(values[1], values[0], rtol=1e-8)  # two optima of theta, each to 1e-9


NAMES = ["one", "x", "double", "z", "nothing"]


def named():
    rng = np.random.default_rng(4)
    x, z = rng.normal(size=(2, 40))
    return make_model(np.column_stack([np.ones(40), x, 2 * x + 1, z, np.zeros(40)]), NAMES)


def test_aliased_columns_that_do_not_matter_do_no_harm():
    statistics = named().statistics
    check_estimable(read_contrasts(["z", "x + 2*double", "one + double"], NAMES), statistics)


@pytest.mark.parametrize(
    ("contrast", "cause", "not_cause"),
    [
        ("x", "'double' is 1*one + 2*x", "nothing"),
        ("double - z", "'double' is 1*one + 2*x", "nothing"),
        ("nothing", "'nothing' is 0 in every row", "double"),
        ("z + nothing = 3", "'nothing' is 0 in every row", "double"),
    ],
)
def test_the_error_names_the_contrast_and_the_aliased_column(contrast, cause, not_cause):
    contrasts = read_contrasts(["z", contrast], NAMES)
    with pytest.raises(IdentifiabilityError) as caught:
        check_estimable(contrasts, named().statistics)
    text = str(caught.value)
    assert f"cannot answer '{contrast}': {cause}" in text and "leave the column out" in text
    assert f"'{not_cause}'" not in text


def test_a_long_combination_is_not_written_out():
    X = np.random.default_rng(6).normal(size=(30, 6))
    statistics = make_model(np.column_stack([X, X.sum(axis=1)])).statistics
    with pytest.raises(IdentifiabilityError, match="'x6' is a combination of 6 other columns"):
        check_estimable(read_contrasts("x6", statistics.fixed_names), statistics)


def cells(formula, drop=None):
    """Two factors and a covariate, with or without the rows of one cell."""
    rng = np.random.default_rng(8)
    frame = pd.DataFrame(
        {"f": list("abc") * 20, "h": (["u"] * 3 + ["v"] * 3) * 10, "g": np.repeat(list("ABCDEF"), 10)}
    )
    frame = frame.assign(y=rng.normal(size=60), x=rng.normal(size=60))
    frame["twice"] = 2 * frame["x"]
    frame = frame if drop is None else frame[~((frame["f"] == drop[0]) & (frame["h"] == drop[1]))]
    model = bb.MixedModel(f"y ~ {formula} + (1 | g)", frame)
    return {h.name: h for h in answerable(hypotheses(model.design), model.statistics)}


def test_an_empty_cell_takes_the_terms_that_need_it():
    found = cells("f * h + x", drop="cv")
    assert {name: len(h.L) for name, h in found.items()} == {"f": 0, "h": 0, "x": 1, "f:h": 0}
    assert found["f"].reason == "not estimable: 'f[T.c]:h[T.v]' is 0 in every row"
    assert found["x"].reason == ""


def test_without_the_interaction_an_empty_cell_does_no_harm():
    assert all(len(h.L) and not h.reason for h in cells("f + h + x", drop="cv").values())


def test_an_aliased_covariate_takes_its_twin_and_nothing_else():
    found = cells("f + x + twice")
    assert {name: len(h.L) for name, h in found.items()} == {"f": 2, "x": 0, "twice": 0}
    assert found["x"].reason == found["twice"].reason == "not estimable: 'twice' is 2*x"


def test_reasons_that_are_there_already_stay():
    found = cells("C(f, spans_intercept=False) + x")
    assert "hypotheses of their own" in found["C(f, spans_intercept=False)"].reason and len(found["x"].L) == 1
