"""What the statistic is compared with: by hand, by dense information, and by simulated data."""

from dataclasses import replace

import numpy as np
import pytest

from blupbayes.frequentist import null_distribution
from blupbayes.frequentist.chi_bar import ChiBar
from blupbayes.frequentist.nested import nested
from blupbayes.frequentist.null_distribution import of_nesting, of_restriction, said
from blupbayes.mme.fit import estimate
from blupbayes.mme.restricted import free_without, restricted
from blupbayes.mme.statistics import reduce
from blupbayes.model.design import build
from random_models import random_design
from test_null_information import dense_directions, dense_information


def table(seed=1):
    return random_design(np.random.default_rng(seed), "slope").frame.assign(z=lambda d: d["x"] ** 2 + d["x"])


def distribution(small, large, method="REML", frame=None):
    frame = table() if frame is None else frame
    one, two = build(f"y ~ {small}", frame), build(f"y ~ {large}", frame)
    found = estimate(reduce(one), method)
    return of_nesting(nested(one, two), found.T, reduce(two), method), (one, two, found)


@pytest.mark.parametrize(
    ("small", "large", "weights", "n_free"),
    [
        ("x + (x || a)", "x + (x | a)", [1], 1),
        ("1 + (1 | a)", "x + f + (1 | a)", [1], 3),
        ("x + (1 | a)", "x + (x || a)", [0.5, 0.5], 0),
        ("x + (1 | a)", "x + (x | a)", [0.5, 0.5], 1),
        ("x + (x | a)", "x + (x + z | a)", [0.5, 0.5], 2),
        ("1 + (1 | a)", "x + (x | a)", [0.5, 0.5], 2),  # a fixed effect is free too
        ("x + (1 | a)", "x + (1 | a) + (1 | c)", [0.5, 0.5], 0),
        ("x + (0 + x | a)", "x + (x | a)", [0.5, 0.5], 1),
        ("x + (0 + x | a)", "x + (I(x + 2) | a)", [0.5, 0.5], 1),  # the null direction is no coordinate
    ],
)
@pytest.mark.parametrize("method", ["ML", "REML"])
def test_mixtures_by_hand(small, large, weights, n_free, method):
    found, _ = distribution(small, large, method)
    assert isinstance(found, ChiBar)
    assert found.weights.tolist() == weights and found.n_free == n_free


@pytest.mark.parametrize(
    ("small", "large", "why"),
    [
        ("x + (1 | a)", "x + (x + z | a)", "two or more coefficients"),
        ("x + (1 | a)", "x + (1 | a) + (x | c)", "two or more coefficients"),
        ("x + (x | a)", "x + (I(x + 1) | a)", "one, written in two ways"),
        ("x + (1 | a)", "x + (0 + b | a) + (1 | a:b)", "not identified"),
    ],
)
def test_where_there_is_no_closed_form_the_reason_is_given(small, large, why):
    found, _ = distribution(small, large)
    assert isinstance(found, str) and why in found
    assert said(found, 1.0, ()) == [found]


ORTHANTS = [
    ("x + (1 | a)", "x + (1 | a) + (1 | c) + (1 | d)", [1, 2]),
    ("x + (1 | a)", "x + (x + z || a)", [1, 2]),
    ("x + (1 | a)", "x + (x | a) + (1 | c)", [2, 3]),
    ("x + (1 | a)", "x + (x + z || a) + (1 | c)", [1, 2, 3]),
    ("x + (I(9 * x) | a)", "x + (I(9 * x) | a) + (1 | c) + (1 | d)", [3, 4]),
]


@pytest.mark.parametrize("sigma", [None, 2.5])
@pytest.mark.parametrize("method", ["ML", "REML"])
@pytest.mark.parametrize(("small", "large", "zero"), ORTHANTS)
def test_several_variances_by_dense_information(small, large, zero, method, sigma, storage):
    """The correlation of the variances at zero, from (n, n) matrices, gives the weight of all of them positive."""
    frame = table(seed=2)
    one, two = (build(f"y ~ {side}", frame, sigma=sigma) for side in (small, large))
    null = estimate(reduce(one), method)
    found = of_nesting(nested(one, two), null.T, reduce(two), method)
    g, T = one.groups[0], null.T[0]
    V = np.eye(60) + (g.codes[:, None] == g.codes) * (g.columns @ T @ T.T @ g.columns.T)
    in_V = [V, *dense_directions(None, two)] if sigma is None else dense_directions(None, two)
    C = np.linalg.inv(dense_information(V, in_V, two.X, method))
    places = [k + (sigma is None) for k in zero]
    C = C[np.ix_(places, places)]
    sd = np.sqrt(np.diag(C))
    r = (C / np.outer(sd, sd))[np.triu_indices(len(zero), 1)]
    if len(zero) == 2:
        assert found.weights[2] == pytest.approx(0.25 + np.arcsin(r[0]) / (2 * np.pi), abs=1e-9)  # cond of H
        assert found.n_draws == 0 and said(found, 1.0, ()) == []
    else:
        w3 = (2 * np.pi - np.arccos(r).sum()) / (4 * np.pi)
        assert found.weights[3] == pytest.approx(w3, abs=4.5 * np.sqrt(0.25 / found.n_draws))
        assert "Monte Carlo standard error" in said(found, 1.0, ())[0]
    assert found.n_free == two.n_theta - one.n_theta - len(zero)


def test_the_coordinates_of_the_columns_do_not_matter():
    """A null direction that is no coordinate: (1 | a) in (x + 5 | a), beside a variance of c."""
    found, _ = distribution("x + (1 | a)", "x + (x | a) + (1 | c)", frame=table(2))
    moved, _ = distribution("x + (1 | a)", "x + (I(1e-3 * x + 5) | a) + (1 | c)", frame=table(2))
    assert np.allclose(found.weights, moved.weights, atol=1e-8)


def test_a_restriction_is_compared_as_the_smaller_formula():
    frame, large = table(2), "y ~ x + (1 | a) + (0 + f || c)"
    statistics = reduce(build(large, frame))
    free = free_without(statistics, 1, [0, 1])
    null = restricted(statistics, "REML", free)
    found = of_restriction(statistics, null.theta, "REML", 1, [0, 1], 2)
    smaller, _ = distribution(
        "x + (1 | a) + (0 + I(f == 'w') | c)", "x + (1 | a) + (0 + f || c)", frame=frame
    )
    assert np.allclose(found.weights, smaller.weights, atol=1e-6)  # two searches for the null: root of 1e-10


def test_restrictions_by_hand():
    statistics = reduce(build("y ~ x + (x + z | a) + (1 | c)", table()))
    theta = np.zeros(7)
    one = of_restriction(statistics, theta, "ML", 1, [0], 1)
    two = of_restriction(statistics, theta, "ML", 0, [2], 3)
    assert (one.weights.tolist(), one.n_free) == ([0.5, 0.5], 0)
    assert (two.weights.tolist(), two.n_free) == ([0.5, 0.5], 2)
    assert "two or more coefficients" in of_restriction(statistics, theta, "ML", 0, [1, 2], 5)


def test_unidentified_and_too_large_say_so(monkeypatch):
    frame = table().assign(u=lambda d: (d["f"] == "u") * 1.0, v=lambda d: 1.0 - d["u"])
    frame = frame.assign(w=frame["u"])
    statistics = reduce(build("y ~ x + (0 + u + v || a) + (0 + I(u + 0.0) || a)", frame))
    assert "not identified" in of_restriction(statistics, np.zeros(3), "ML", 0, [0, 2], 2)
    monkeypatch.setattr(null_distribution, "expected_information", lambda at, directions: None)
    assert "dense matrix" in of_restriction(statistics, np.zeros(3), "ML", 0, [0, 1], 2)


def test_a_singular_null_is_mentioned():
    found, _ = distribution("x + (1 | a)", "x + (x | a)")
    (note,) = said(found, 1.0, ("a", "c"))
    assert "covariance of a, c is singular" in note


def test_simulated_statistics_follow_the_mixture():
    """Two new variances, 300 data sets of 60 groups: shares above two points within 4 standard errors."""
    rng = np.random.default_rng(8)
    J, r = 60, 5
    g, x = np.repeat(np.arange(J), r), np.tile(np.linspace(0.2, 1.0, r), J)
    data = {"y": x, "g": g, "x": x, "z": x**2}
    one, two = build("y ~ x + z + (1 | g)", data), build("y ~ x + z + (x + z || g)", data)
    statistic = []
    for _ in range(300):
        y = rng.normal(size=J * r) + rng.normal(size=J)[g]
        null = estimate(reduce(replace(one, y=y)), "REML")
        statistic.append(null.criterion - estimate(reduce(replace(two, y=y)), "REML").criterion)
    found = of_nesting(nested(one, two), null.T, reduce(two), "REML")
    for t in (0.5, 2.0):
        p = found.p(t)
        assert abs(np.mean(np.array(statistic) >= t) - p) < 4 * np.sqrt(p * (1 - p) / 300)
