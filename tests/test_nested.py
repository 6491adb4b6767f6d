"""Nested or not: by hand, by dense matrices, and by cones that only look alike."""

import numpy as np
import pytest

from blupbayes.datasets import load_dataset
from blupbayes.errors import ComparisonError
from blupbayes.frequentist.nested import nested, same_columns, spans
from blupbayes.model.design import build, from_arrays
from random_models import BARS, random_design

# the free covariances of each random side, by hand: a model is nested where its own are some of the other's
FREE = {
    "intercept": {"a11"},
    "slope": {"a11", "a1x", "axx"},
    "diagonal": {"a11", "axx"},
    "slope_only": {"axx"},
    "split": {"a11", "axx"},
    "crossed": {"a11", "c11"},
    "crossed_slopes": {"a11", "a1x", "axx", "c11", "cxx"},
    "nested": {"a11", "ab11"},
    "three": {"d11", "a11", "a1x", "axx", "c11"},
}
VARIANCES = {"a11", "axx", "c11", "cxx", "ab11", "d11"}


def table():
    return random_design(np.random.default_rng(1), "slope").frame


@pytest.mark.parametrize("large", FREE)
@pytest.mark.parametrize("small", FREE)
def test_every_pair_of_random_sides(small, large):
    one, two = (build(f"y ~ x + {BARS[kind][0]}", table()) for kind in (small, large))
    if not FREE[small] <= FREE[large]:
        with pytest.raises(ComparisonError, match="is not nested in"):
            nested(one, two)
        return
    found, new = nested(one, two), FREE[large] - FREE[small]
    assert found.unique and found.df == found.n_covariance == len(new) and found.n_fixed == 0
    assert found.is_boundary == bool(new & VARIANCES)
    assert sum(N.shape[1] for N in found.null_spaces) == len(new & VARIANCES)


@pytest.mark.parametrize(
    ("small", "large"), [("intercept", "slope"), ("diagonal", "slope"), ("crossed", "three")]
)
def test_the_map_gives_the_same_covariance_of_y(small, large):
    """Dense: Z1 Sigma Z1' of the smaller model = Z2 Sigma Z2' of what the larger is given."""
    one, two = (build(f"y ~ x + {BARS[kind][0]}", table()) for kind in (small, large))
    found, rng = nested(one, two), np.random.default_rng(2)
    S = [(A := rng.normal(size=(p.size,) * 2)) @ A.T for p in found.small]
    expected, actual = dense(found.small, S), dense(found.large, found.null(S))
    assert np.allclose(actual, expected, rtol=0, atol=1e-9 * np.abs(expected).max())  # condition of the solve


def dense(pieces, covariances):
    total = 0.0
    for piece, S in zip(pieces, covariances, strict=True):
        total = total + (piece.codes[:, None] == piece.codes) * (piece.U @ S @ piece.U.T)
    return total


def test_compound_symmetry_lies_inside_unstructured():
    machines = load_dataset("machines")
    small = build("score ~ Machine + (1 | Worker) + (1 | Worker:Machine)", machines)
    large = build("score ~ Machine + (Machine | Worker)", machines)
    found = nested(small, large)
    assert (found.df, found.unique, found.is_boundary) == (4, True, False)
    with pytest.raises(ComparisonError, match="cannot produce the covariances"):
        nested(large, small)


def test_the_last_term_of_compound_symmetry_leaves_two_variances_at_zero():
    machines = load_dataset("machines")
    found = nested(
        build("score ~ Machine + (1 | Worker)", machines),
        build("score ~ Machine + (Machine | Worker)", machines),
    )
    assert found.df == 5 and [N.shape for N in found.null_spaces] == [(3, 2)]


def test_the_same_span_is_not_the_same_cone():
    """J J' and the difference of two halves span the same matrices as J J' and the cells, yet a positive variance
    of the whole is a negative one of the difference."""
    rng = np.random.default_rng(0)
    half = np.tile([-1.0, -1.0, 1.0, 1.0], 8)
    data = {"y": rng.normal(size=32), "a": np.repeat(np.arange(8), 4), "b": half > 0, "c": half}
    data["b"] = np.where(half > 0, "p", "m")
    one = build("y ~ 1 + (1 | a) + (1 | a:b)", data)
    two = build("y ~ 1 + (0 + c | a) + (1 | a:b)", data)
    for small, large in ((one, two), (two, one)):
        with pytest.raises(ComparisonError, match="negative variances"):
            nested(small, large)


def test_a_larger_model_that_is_not_identified_is_said_so():
    machines = load_dataset("machines")
    small = build("score ~ Machine + (1 | Worker/Machine)", machines)
    large = build("score ~ Machine + (1 | Worker:Machine) + (Machine | Worker)", machines)
    assert not nested(small, large).unique


@pytest.mark.parametrize("shift", [0.0, 3.0, 1e4])
@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e5])
def test_origin_and_unit_of_a_random_slope_do_not_matter(shift, scale):
    frame = table().assign(t=lambda d: scale * (d["x"] + shift))
    found = nested(build("y ~ x + (1 | a)", frame), build("y ~ t + (t | a)", frame))
    assert (found.df, found.is_boundary) == (2, True)
    assert nested(build("y ~ x + (x | a)", frame), build("y ~ t + (t | a)", frame)).df == 0
    if shift:
        with pytest.raises(ComparisonError, match="cannot produce"):
            nested(build("y ~ x + (1 | a)", frame), build("y ~ t + (0 + t | a)", frame))


@pytest.mark.parametrize(
    ("small", "large", "df"),
    [("1", "x", 1), ("1", "f", 2), ("x", "x + f", 2), ("x + x2", "x", 0), ("x", "x + x2", 0), ("x", "f", None),
     ("0 + x", "1", None), ("I(x + 1e5)", "x", 0), ("f", "0 + f", 0)],
)  # fmt: skip
def test_fixed_sides_are_nested_by_their_columns(small, large, df):
    one, two = (build(f"y ~ {side} + (1 | a)", table()) for side in (small, large))
    if df is None:
        with pytest.raises(ComparisonError, match="fixed effects of the first"):
            nested(one, two)
    else:
        assert nested(one, two).n_fixed == df
    assert same_columns(one, two) == same_columns(two, one) == (df == 0)


def test_spans_is_rank():
    X = np.random.default_rng(0).normal(size=(30, 3))
    assert spans(X, X @ np.ones((3, 2))) and not spans(X[:, :2], X) and spans(X, X[:, :0])


def change(name):
    frame = table()
    formula = "y ~ x + (1 | a)"
    same = build(formula, frame)
    other = {
        "rows": lambda: build(formula, frame.iloc[1:]),
        "response": lambda: build(formula, frame.assign(y=frame["y"] + 1e-9)),
        "transformed": lambda: build("exp(y / 10) ~ x + (1 | a)", frame),
        "order": lambda: build(formula, frame.iloc[::-1]),
        "weights": lambda: build(formula, frame, weights="weight"),
        "offset": lambda: build(formula, frame, offset="shift"),
        "sigma": lambda: build(formula, frame, sigma=1.0),
    }[name]
    return same, other()


@pytest.mark.parametrize("name", ["rows", "response", "transformed", "order", "weights", "offset", "sigma"])
def test_different_data_are_refused_with_counts_and_hashes(name):
    one, two = change(name)
    with pytest.raises(
        ComparisonError, match=rf"60 vs {two.n_obs} rows, hash [0-9a-f]{{8}} vs [0-9a-f]{{8}}"
    ):
        nested(one, two)


def test_weights_of_one_and_offsets_of_zero_are_none():
    frame = table().assign(one=1.0, zero=0.0)
    plain = build("y ~ x + (1 | a)", frame)
    assert nested(plain, build("y ~ x + (x | a)", frame, weights="one", offset="zero")).df == 2


def test_matrices_are_as_good_as_formulas():
    frame = table()
    Z = (frame["a"].to_numpy()[:, None] == np.unique(frame["a"])).astype(float)
    X = np.c_[np.ones(60), frame["x"]]
    small = from_arrays(frame["y"].to_numpy(), X, Z)
    assert nested(small, build("y ~ x + (x | a)", frame)).df == 2
