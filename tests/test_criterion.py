"""ML and REML, and their derivatives, against the dense oracle and complex steps, in every storage."""

import numpy as np
import pytest

from blupbayes.mme.criterion import evaluate
from blupbayes.mme.derivatives import derivatives, scoring_step
from oracle import gradient
from random_models import KINDS
from test_gaussian import case

METHODS = ("ML", "REML")


def known_sigma(statistics, sigma):
    from dataclasses import replace

    return replace(statistics, sigma=sigma)


@pytest.mark.parametrize("zero", [False, True], ids=["", "at zero"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", KINDS)
def test_criterion_and_gradient(kind, method, zero, storage):
    d, statistics, theta = case(kind, seed=1, zero=zero)
    at = evaluate(statistics, theta, method)
    criterion, sigma = d.profiled(theta, method)
    assert at.criterion == pytest.approx(
        float(np.real(criterion)), rel=1e-10
    )  # log-determinants, condition ~1e3
    assert at.sigma == pytest.approx(float(np.real(sigma)), rel=1e-10)
    exact = gradient(lambda t: d.criterion(t, method), theta)
    slope = derivatives(at).gradient
    assert np.abs(slope - exact).max() <= 1e-7 * max(1.0, np.abs(exact).max())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["slope", "crossed", "nested weights offset"])
def test_criterion_at_known_sigma(kind, method):
    d, statistics, theta = case(kind, seed=2)
    at = evaluate(known_sigma(statistics, 1.3), theta, method)
    assert at.sigma == 1.3
    assert at.criterion == pytest.approx(float(np.real(d.criterion(theta, method, 1.3))), rel=1e-10)
    exact = gradient(lambda t: d.criterion(t, method, 1.3), theta)
    assert np.abs(derivatives(at).gradient - exact).max() <= 1e-7 * max(1.0, np.abs(exact).max())


@pytest.mark.parametrize("sigma", [None, 1.3])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", KINDS)
def test_hessian_of_a_dense_system_is_exact(kind, method, sigma):
    d, statistics, theta = case(kind, seed=3)
    found = derivatives(evaluate(known_sigma(statistics, sigma), theta, method))
    h = 1e-5
    numeric = np.array(
        [
            gradient(lambda t: d.criterion(t, method, sigma), theta + h * unit)
            - gradient(lambda t: d.criterion(t, method, sigma), theta - h * unit)
            for unit in np.eye(len(theta))
        ]
    ) / (2 * h)
    assert found.exact
    assert (
        np.abs(found.hessian - numeric).max() <= 1e-6 * np.abs(numeric).max()
    )  # h^2 times fourth derivatives


def test_slope_in_the_variance_at_zero():
    """dF/d(T T') is the one-sided derivative where the gradient in theta is zero for any data."""
    d, statistics, _ = case("intercept", seed=4)
    found = derivatives(evaluate(statistics, np.zeros(1), "REML"))
    h = 1e-6
    forward = (d.criterion(np.array([np.sqrt(h)]), "REML") - d.criterion(np.zeros(1), "REML")) / h
    assert found.gradient[0] == 0.0
    assert found.by_variance[0][0, 0] == pytest.approx(forward, rel=1e-3)  # h times the second derivative


def test_scoring_solves_a_balanced_design_at_once():
    """One Fisher-scoring step in Omega is the answer of a balanced one-way layout with sigma known (E-ONEWAY)."""
    rng = np.random.default_rng(5)
    J, r = 9, 4
    y = np.repeat(3 * rng.normal(size=J), r) + rng.normal(size=J * r)
    from blupbayes.mme.statistics import reduce
    from blupbayes.model.design import build

    design = build("y ~ 1 + (1 | g)", {"y": y, "g": np.repeat(np.arange(J), r)}, sigma=1.0)
    step = scoring_step(evaluate(reduce(design), np.array([0.4]), "REML"))
    between = r * np.var(y.reshape(J, r).mean(axis=1), ddof=1)
    assert step[0][0, 0] == pytest.approx((between - 1.0) / r, rel=1e-10)


def test_beta_is_generalised_least_squares():
    d, statistics, theta = case("crossed_slopes", seed=6)
    expected = d.oracle(1.0, theta).fixed()[0]
    assert np.abs(evaluate(statistics, theta).beta - expected).max() <= 1e-10 * np.linalg.norm(expected)
