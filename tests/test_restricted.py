"""Restricted estimates: the model without a term, from the statistics of the model with it."""

import numpy as np
import pytest

from blupbayes.errors import DataError
from blupbayes.mme import restricted as module
from blupbayes.mme.fit import estimate
from blupbayes.mme.restricted import free_without, restrict, restricted
from blupbayes.mme.statistics import reduce
from blupbayes.model.design import build
from oracle import Oracle
from random_models import KINDS, random_design
from test_fit import one_way

# large model, mask over its theta, the same null as a formula of its own
NULLS = [
    ("slope", [1, 0, 0], "intercept"),
    ("slope", [1, 0, 1], "diagonal"),
    ("slope", [0, 0, 1], "slope_only"),
    ("diagonal", [0, 1], "slope_only"),
    ("crossed", [1, 0], "intercept"),
    ("nested", [1, 0], "intercept"),
    ("three", [0, 1, 0, 0, 1], "crossed"),
    ("crossed_slopes", [1, 0, 0, 1, 0], "crossed"),
    ("crossed_slopes", [1, 1, 1, 0, 0], "slope"),
]


def pair(large, small, seed=4):
    """Statistics of two random sides on one table."""
    big, other = (
        random_design(np.random.default_rng(seed), large),
        random_design(np.random.default_rng(0), small),
    )
    formula = "y ~ x + f + " + other.formula.split("f + ")[1]
    return reduce(build(big.formula, big.frame)), reduce(build(formula, big.frame))


@pytest.mark.parametrize("method", ["ML", "REML"])
@pytest.mark.parametrize(("large", "free", "small"), NULLS, ids=lambda v: str(v))
def test_a_restriction_is_the_smaller_formula(large, free, small, method, storage):
    whole, own = pair(large, small)
    null, expected = restricted(whole, method, np.array(free, bool)), estimate(own, method)
    assert null.estimate.certificate.converged
    # one quantity, two searches: criteria agree to what a Newton decrement of 1e-10 leaves, theta to its root
    assert null.criterion == pytest.approx(expected.criterion, abs=1e-8)
    assert np.allclose(null.theta[np.array(free, bool)], expected.theta, atol=1e-5)
    assert not null.theta[~np.array(free, bool)].any()
    assert null.estimate.singular == expected.singular


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["ML", "REML"])
def test_nothing_free_is_least_squares(kind, method, storage):
    d = random_design(np.random.default_rng(1), kind)
    statistics = reduce(build(d.formula, d.frame, weights=d.weights, offset=d.offset))
    null = restricted(statistics, method, np.zeros(statistics.n_theta, bool))
    without = Oracle(d.y, d.X, d.Z, np.zeros((d.Z.shape[1],) * 2), null.sigma, d.weights, d.offset)
    assert null.criterion == pytest.approx(getattr(without, method.lower())(), rel=1e-11)  # rounding
    r = without.e - d.X @ without.fixed()[0]
    dof = len(d.y) - (statistics.rank if method == "REML" else 0)
    assert null.sigma**2 == pytest.approx(r @ (without.w * r) / dof, rel=1e-10)
    assert all(not T.any() and T.shape == (b.q, b.q) for T, b in zip(null.T, d.blocks, strict=True))


@pytest.mark.parametrize("start", [[0.0, 0.0, 0.0], [3.0, 0.0, 0.0], None])
def test_the_start_does_not_matter_zero_included(start):
    whole, own = pair("slope", "intercept", seed=1)
    given = None if start is None else np.array(start)
    null = restricted(whole, "REML", np.array([True, False, False]), given)
    expected = estimate(own, "REML")
    assert expected.theta[0] > 0.1
    assert null.criterion == pytest.approx(expected.criterion, abs=1e-8)


def test_a_search_never_begins_at_a_variance_of_zero(monkeypatch):
    """Zero is stationary, and a minimum for some data that have another one inside."""
    statistics, _ = pair("crossed_slopes", "crossed")
    begun = []
    monkeypatch.setattr(module, "estimate", lambda s, method, start: begun.append(start))
    free = np.array([True, True, True, True, False])
    restricted(statistics, "ML", free, np.array([0.0, 0.5, 0.0, 2.0, 9.0]))
    assert begun[0][1] == 0.5 and begun[0][3] == 2.0 and (begun[0][[0, 2]] > 0.1).all() and len(begun[0]) == 4
    restricted(statistics, "ML", free)
    assert begun[1] is None


def test_what_is_held_at_zero_is_not_called_an_estimate():
    """A boundary of what is free is reported; what was put at zero is not."""
    rng = np.random.default_rng(5)
    x, g = rng.normal(size=60), np.repeat(np.arange(10), 6)
    statistics = reduce(
        build("y ~ x + (x | g)", {"y": (x + 1) * (g % 2) * 2 + rng.normal(size=60), "x": x, "g": g})
    )
    null = restricted(statistics, "ML", free_without(statistics, 0, [1]))
    assert estimate(statistics, "ML").theta[2] + abs(estimate(statistics, "ML").theta[1]) > 0.1
    assert (
        null.estimate.singular == () and null.estimate.messages == () and null.estimate.certificate.converged
    )
    flat = reduce(
        build("y ~ 1 + (1 | g)", {"y": np.tile([0.0, 1.0, 3.0], 4), "g": np.repeat(np.arange(4), 3)})
    )
    at_zero = restricted(flat, "ML", np.array([True]))
    assert at_zero.estimate.singular == ("g",) and at_zero.theta[0] == 0.0


def test_dropping_a_coefficient_holds_its_row_and_its_column():
    rng = np.random.default_rng(6)
    data = {
        "y": rng.normal(size=80),
        "x": rng.normal(size=80),
        "z": rng.normal(size=80),
        "g": np.arange(80) % 8,
    }
    statistics = reduce(build("y ~ x + z + (1 | g) + (0 + x + z | g)", data))
    assert free_without(statistics, 0, [1]).tolist() == [True, False, False, True]
    statistics = reduce(build("y ~ x + z + (x + z | g)", data))
    assert free_without(statistics, 0, [1]).tolist() == [True, False, True, False, False, True]
    assert restrict(statistics, free_without(statistics, 0, [0, 2])).n_theta == 1


@pytest.mark.parametrize(
    ("free", "message"),
    [
        ([1, 0, 0], "free has shape"),  # numbers, not a mask
        ([True, False], "free has shape"),
        ([True, True, False], "held at zero. Hold it"),
        ([False, True, True], "held at zero. Hold it"),
    ],
)
def test_masks_that_are_no_restriction_are_refused(free, message):
    statistics, _ = pair("slope", "intercept")
    with pytest.raises(DataError, match=message):
        restricted(statistics, "ML", np.array(free))


def test_the_balanced_one_way_null_is_the_total_variance():
    y = np.random.default_rng(2).normal(size=(6, 3))
    null = restricted(one_way(y), "REML", np.array([False]))
    assert null.sigma**2 == pytest.approx(y.var(ddof=1), rel=1e-12)  # a closed form, rounding
