"""The deviance to second order against V written out, in every storage; laws of balanced data."""

from dataclasses import replace

import numpy as np
import pytest

import blupbayes as bb
from blupbayes.mme.criterion import evaluate
from blupbayes.mme.fit import estimate
from blupbayes.mme.information import second_order, theta_curvature
from contract import close
from random_models import UNBALANCED
from test_gaussian import case

METHODS = ("ML", "REML")
SIGMA = 1.7  # not the profiled one: what vanishes at the best sigma must not be missing elsewhere

# Fourth-order differences of an exact gradient: h^4 times sixth derivatives, and rounding / h, about 1e-9 of the
# curvature; where theta is 0 a relative covariance of 1e-2 already changes everything, and 1e-7 is left.
DIFFERENCES = 1e-6


@pytest.mark.parametrize("zero", [False, True], ids=["", "at zero"])
@pytest.mark.parametrize("kind", UNBALANCED)
def test_value_gradient_and_two_informations(kind, zero, storage):
    d, statistics, theta = case(kind, seed=31, zero=zero)
    family, gamma = d.family("Omega"), d.gamma(theta, SIGMA, "Omega")
    for method in METHODS:
        found = second_order(evaluate(statistics, theta, method), SIGMA, form=True)
        assert found.sigma == pytest.approx(SIGMA, rel=1e-15)
        assert found.value == pytest.approx(family.deviance(gamma, method), rel=1e-10)
        close(found.gradient, family.gradient(gamma, method))
        close(found.average / 2, family.average(gamma))
        close(found.expected / 2, family.expected(gamma, method))


@pytest.mark.parametrize(("coordinates", "method"), [("Omega", "ML"), ("theta", "REML")])
@pytest.mark.parametrize("kind", UNBALANCED)
def test_observed_curvature_in_both_coordinates(kind, coordinates, method):
    d, statistics, theta = case(kind, seed=32)
    found = second_order(evaluate(statistics, theta, method), SIGMA)
    H = found.hessian if coordinates == "Omega" else found.in_theta
    expected = d.family(coordinates).observed(d.gamma(theta, SIGMA, coordinates), method)
    close(H / 2, expected, tolerance=DIFFERENCES)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["slope", "split", "crossed_slopes"])
def test_observed_curvature_at_a_singular_covariance(kind, method):
    d, statistics, theta = case(kind, seed=32, zero=True)
    found = second_order(evaluate(statistics, theta, method), SIGMA)
    for coordinates, H in (("Omega", found.hessian), ("theta", found.in_theta)):
        expected = d.family(coordinates).observed(d.gamma(theta, SIGMA, coordinates), method)
        close(H / 2, expected, tolerance=DIFFERENCES)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["slope weights", "crossed", "nested"])
def test_known_sigma_is_where_the_curvature_is_taken(kind, method):
    d, statistics, theta = case(kind, seed=33)
    found = second_order(evaluate(replace(statistics, sigma=1.3), theta, method))
    family, gamma = d.family("theta"), d.gamma(theta, 1.3, "theta")
    assert found.value == pytest.approx(family.deviance(gamma, method), rel=1e-10)
    assert found.sigma == 1.3
    close(found.gradient[-1:], family.gradient(gamma, method)[-1:])
    close(found.in_theta / 2, family.observed(gamma, method), tolerance=DIFFERENCES)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["intercept", "slope", "diagonal", "slope weights", "slope deficient"])
def test_traces_of_a_single_group_are_exact_without_the_whole_matrix(kind, method, storage):
    """What fixed effects put between levels is counted: no Z'PZ is formed here in the chain storages."""
    d, statistics, theta = case(kind, seed=34)
    found = second_order(evaluate(statistics, theta, method), SIGMA)
    assert storage == "dense" or found.read.full is None
    close(found.expected / 2, d.family("Omega").expected(d.gamma(theta, SIGMA, "Omega"), method))


@pytest.mark.parametrize(
    ("kind", "sigma"),
    [
        ("slope", None),
        ("crossed", 1.3),
        ("crossed_slopes", None),
        ("nested weights offset", 1.3),
        ("three", None),
    ],
)
@pytest.mark.parametrize("method", METHODS)
def test_curvature_at_the_optimum_whatever_the_storage(kind, method, sigma, storage):
    """Where Z'PZ is not at hand the curvature comes from second-order differences of the gradient: 1e-5 of it."""
    d, statistics, _ = case(kind, seed=35)
    fit = estimate(replace(statistics, sigma=sigma), method)
    H = theta_curvature(evaluate(fit.statistics, fit.theta, method)) / 2
    expected = d.family("theta").observed(d.gamma(fit.theta, fit.sigma, "theta"), method)
    known = slice(None) if sigma is None else slice(-1)  # the row of a known sigma is nobody's curvature
    size = np.sqrt(np.abs(expected.diagonal()))
    assert np.abs((H - expected) / np.outer(size, size))[known, known].max() <= 1e-5


@pytest.mark.parametrize(
    ("dataset", "formula"),
    [
        ("rail", "travel ~ 1 + (1 | Rail)"),
        ("sleepstudy", "Reaction ~ Days + (Days | Subject)"),
        ("machines", "score ~ Machine + (1 | Worker/Machine)"),
        ("oats", "yield ~ nitro + (1 | Block/Variety)"),
    ],
)
def test_three_informations_of_balanced_data_are_one(dataset, formula):
    """By REML, where every estimate is one of sums of squares; observed, average and expected then agree."""
    statistics = bb.MixedModel(formula, bb.load_dataset(dataset)).statistics
    fit = estimate(statistics, "REML")
    found = second_order(evaluate(statistics, fit.theta, "REML"))
    # theta is known to 1e-8 of its size, and the curvature changes as fast as theta
    close(found.hessian, found.expected, tolerance=1e-6)
    close(found.average, found.expected, tolerance=1e-6)
