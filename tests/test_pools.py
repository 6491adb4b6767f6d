"""Least squares at the ends of pooling, against least squares with every column written out."""

import numpy as np
import pandas as pd
import pytest

import blupbayes as bb
from blupbayes.frequentist.pools import complete, unpooled
from blupbayes.mme.statistics import reduce
from blupbayes.model.design import build

CLOSE = 1e-9  # condition of the designs here is below 1e3, and normal equations would square it


@pytest.fixture
def frame():
    rng = np.random.default_rng(4)
    n = 60
    g = rng.permutation(np.repeat(list("abcdefgh"), [12, 9, 9, 8, 8, 7, 5, 2]))
    level = dict(zip("abcdefgh", rng.normal(size=8), strict=True))
    return pd.DataFrame(
        {
            "y": rng.normal(5, 2, n), "x": rng.normal(1, 1, n), "z": rng.normal(size=n), "g": g,
            "h": rng.choice(list("pq"), n), "u": [level[k] for k in g], "w": rng.uniform(0.5, 3, n),
            "o": rng.normal(size=n),
        }
    )  # fmt: skip


def by_hand(columns, y, w=None):
    """Coefficients, standard errors, sigma and df of least squares on full-rank columns."""
    w = np.ones(len(y)) if w is None else w
    A = columns.T @ (w[:, None] * columns)
    beta = np.linalg.solve(A, columns.T @ (w * y))
    df = len(y) - columns.shape[1]
    sigma = np.sqrt(w @ (y - columns @ beta) ** 2 / df)
    return beta, sigma * np.sqrt(np.diag(np.linalg.inv(A))), sigma, df


def free_columns(frame, terms, others):
    """Indicators of the levels times each term, coefficient fastest, then the others."""
    levels = sorted(frame["g"].unique())
    z = [np.ones(len(frame)) if t == "1" else frame[t] for t in terms]
    own = [(frame["g"] == level) * v for level in levels for v in z]
    return np.column_stack([*own, *(frame[t] for t in others)])


@pytest.mark.parametrize("extra", [{}, {"weights": "w", "offset": "o"}])
def test_complete_pooling_is_least_squares(frame, extra):
    found = complete(reduce(build("y ~ x + z + (1 | g)", frame, **extra)))
    y, w = (frame["y"] - frame["o"], frame["w"].to_numpy()) if extra else (frame["y"], None)
    X = np.column_stack([np.ones(60), frame["x"], frame["z"]])
    beta, se, sigma, df = by_hand(X, y.to_numpy(), w)
    np.testing.assert_allclose(found.beta, beta, rtol=CLOSE)
    np.testing.assert_allclose(found.se, se, rtol=CLOSE)
    assert found.sigma == pytest.approx(sigma, rel=CLOSE) and found.df == df


@pytest.mark.parametrize("extra", [{}, {"weights": "w", "offset": "o"}])
@pytest.mark.parametrize(
    ("formula", "terms", "others"),
    [
        ("y ~ 1 + (1 | g)", "1", ""),
        ("y ~ x + z + (1 | g)", "1", "xz"),
        ("y ~ x + z + (x | g)", "1x", "z"),
        ("y ~ z + (z || g)", "1z", ""),
    ],
)
def test_no_pooling_is_least_squares_with_indicators(frame, formula, terms, others, extra):
    design = build(formula, frame, **extra)
    y, w = (frame["y"] - frame["o"], frame["w"].to_numpy()) if extra else (frame["y"], None)
    beta, se, sigma, df = by_hand(free_columns(frame, terms, others), y.to_numpy(), w)
    found, k = unpooled(design, design.groups[0]), 8 * len(terms)
    np.testing.assert_allclose(found.values.ravel(), beta[:k], rtol=CLOSE)
    np.testing.assert_allclose(found.se.ravel(), se[:k], rtol=CLOSE)
    where = [design.fixed_names.index(t) for t in others]
    np.testing.assert_allclose(found.common[where], beta[k:], rtol=CLOSE)
    np.testing.assert_allclose(found.common_se[where], se[k:], rtol=CLOSE)
    assert found.sigma == pytest.approx(sigma, rel=CLOSE) and found.df == df


def test_levels_with_too_few_rows_are_blank_and_the_others_are_not_moved(frame):
    last = frame[frame["g"] != "h"]
    lonely = pd.concat([last, frame[frame["g"] == "h"].iloc[:1]])
    design = build("y ~ x + (x | g)", lonely)
    found, whole = unpooled(design, design.groups[0]), build("y ~ x + (x | g)", last)
    assert np.isnan(found.values[7]).all() and not found.alone[7].any()
    without = unpooled(whole, whole.groups[0])
    np.testing.assert_allclose(found.values[:7], without.values, rtol=CLOSE)
    # A single row is fitted by its own level: it says nothing about sigma.
    assert found.sigma == pytest.approx(without.sigma, rel=CLOSE) and found.df == without.df


def test_a_column_that_is_constant_within_levels_leaves_intercepts_untold(frame):
    design = build("y ~ x + u + (x | g)", frame)
    found = unpooled(design, design.groups[0])
    assert np.isnan(found.values[:, 0]).all() and np.isfinite(found.values[:, 1]).all()
    assert found.alone.all() and np.isnan(found.common[2])
    plain = build("y ~ x + (x | g)", frame)
    np.testing.assert_allclose(found.values[:, 1], unpooled(plain, plain.groups[0]).values[:, 1], rtol=CLOSE)


def test_without_degrees_of_freedom_there_is_no_spread():
    frame = pd.DataFrame({"y": [1.0, 2, 4], "x": [0.0, 1, 0], "g": list("aab")})
    design = build("y ~ x + (1 | g)", frame)
    found = unpooled(design, design.groups[0])
    np.testing.assert_allclose(found.values, [[1], [4]], atol=1e-12)
    assert np.isnan(found.sigma) and np.isnan(found.se).all() and found.df == 0


def test_a_known_sigma_is_used():
    schools = bb.load_dataset("eight_schools")
    design = build("y ~ 1 + (1 | school)", schools, weights=1 / schools["se"] ** 2, sigma=1.0)
    found = unpooled(design, design.groups[0])
    own = schools.set_index("school").loc[list(design.groups[0].levels)]
    np.testing.assert_allclose(found.values[:, 0], own["y"], rtol=CLOSE)
    np.testing.assert_allclose(found.se[:, 0], own["se"], rtol=CLOSE)
    w = 1 / schools["se"] ** 2
    whole = complete(reduce(design))
    assert whole.beta[0] == pytest.approx((w @ schools["y"]) / w.sum(), rel=CLOSE)
    assert whole.se[0] == pytest.approx(w.sum() ** -0.5, rel=CLOSE) and np.isinf(whole.df)


def test_an_aliased_column_is_blank(frame):
    found = complete(reduce(build("y ~ x + I(2 * x) + (1 | g)", frame)))
    assert np.isnan(found.beta[2]) and np.isfinite(found.beta[:2]).all()


def test_an_origin_far_away_costs_no_digits(frame):
    far = frame.assign(y=frame["y"] + 2.0**20)
    design, moved = build("y ~ x + (1 | g)", frame), build("y ~ x + (1 | g)", far)
    near, away = unpooled(design, design.groups[0]), unpooled(moved, moved.groups[0])
    # y itself has lost 20 of its 52 bits: 1e6 times 1e-16, times the size of the sums
    np.testing.assert_allclose(away.values - 2.0**20, near.values, atol=1e-8)
    np.testing.assert_allclose(away.se, near.se, rtol=1e-7)
