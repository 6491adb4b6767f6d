"""Many problems in one sweep: each as the oracle and as the code for one problem have it, in every storage."""

from dataclasses import replace

import numpy as np
import pytest

from blupbayes.mme.criterion import evaluate
from blupbayes.mme.derivatives import derivatives, scoring_step
from blupbayes.mme.derivatives_many import ManyDerivatives
from blupbayes.mme.parts import parts_of
from blupbayes.mme.problems import problem_of, sweep
from oracle import gradient
from random_models import KINDS
from test_gaussian import case

METHODS = ("ML", "REML")
SAME = 1e-10  # of the largest entry: two orders of summation, condition of the random designs about 1e3


def setting(kind, sigma, seed=3):
    """A random model, its problem, and thetas (5, m): near the truth, one with a zero, one that is strong."""
    d, statistics, theta = case(kind, seed)
    statistics = replace(statistics, sigma=sigma)
    thetas = theta + 0.3 * np.random.default_rng(seed).normal(size=(5, len(theta)))
    thetas[3, 0], thetas[4] = 0.0, 30.0 * thetas[4]
    parts = parts_of(statistics)
    return d, statistics, thetas, None if parts is None else problem_of(statistics, parts)


def same(found, expected, tolerance=SAME):
    assert np.shape(found) == np.shape(expected)
    assert np.abs(found - expected).max(initial=0.0) <= tolerance * max(
        np.abs(expected).max(initial=0.0), 1e-300
    )


@pytest.mark.parametrize("sigma", [None, 1.3])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", KINDS)
def test_criterion_and_gradient_are_the_oracles(kind, method, sigma, storage):
    d, _, thetas, problem = setting(kind, sigma)
    if problem is None:
        return
    at = sweep(problem.packed(), thetas, method)
    slope = ManyDerivatives(at).gradient
    for b, theta in enumerate(thetas[:4]):  # V^-1 of the oracle squares the strength of the last one
        criterion, s = d.profiled(theta, method, sigma)
        assert at.criterion[b] == pytest.approx(float(np.real(criterion)), rel=1e-10)
        assert at.sigma[b] == pytest.approx(float(np.real(s)), rel=1e-10)
        exact = gradient(lambda t: d.criterion(t, method, sigma), theta)
        assert np.abs(slope[b] - exact).max() <= 1e-7 * max(1.0, np.abs(exact).max())


@pytest.mark.parametrize("sigma", [None, 1.3])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_sweep_is_the_code_for_one(kind, method, sigma, storage):
    _, statistics, thetas, problem = setting(kind, sigma)
    if problem is None:
        return
    at = sweep(problem.packed(), thetas, method)
    D, scored = ManyDerivatives(at), ManyDerivatives(at).scored()
    for b, theta in enumerate(thetas):
        one = evaluate(statistics, theta, method)
        slope = derivatives(one)
        same(at.criterion[b], one.criterion)
        same(at.sigma[b], one.sigma)
        same(at.beta[b], one.beta)
        same(D.gradient[b], slope.gradient)
        same(D.hessian[b], slope.hessian)
        for k, by_variance in enumerate(slope.by_variance):
            same(D.by_variance[k][b], by_variance)
        if b < 4:  # strong effects leave the information of the covariances nearly flat
            for k, Omega in enumerate(scoring_step(one)):
                same(scored[k][b], Omega, 1e-9)


@pytest.mark.parametrize("kind", ["slope", "nested", "crossed_slopes"])
def test_a_theta_for_all_is_the_same_for_each(kind):
    _, _, thetas, problem = setting(kind, None)
    many = replace(problem, inside=problem.inside * np.linspace(1.0, 2.0, 5)[:, None, None, None])
    shared, each = sweep(many, thetas[:1], "REML"), sweep(many, np.repeat(thetas[:1], 5, axis=0), "REML")
    same(shared.criterion, each.criterion)
    same(ManyDerivatives(shared).hessian, ManyDerivatives(each).hessian)
    same(ManyDerivatives(shared).gradient, ManyDerivatives(each).gradient)


@pytest.mark.parametrize("kind", KINDS)
def test_a_problem_alone_is_the_model(kind):
    _, statistics, thetas, problem = setting(kind, None)
    alone = problem.one(0)
    for theta in thetas:
        same(evaluate(alone, theta).criterion, evaluate(statistics, theta).criterion)
        same(evaluate(alone, theta).beta, evaluate(statistics, theta).beta)


def test_some_of_the_problems():
    _, _, thetas, problem = setting("slope", None)
    many = replace(problem, inside=problem.inside * np.linspace(1.0, 2.0, 5)[:, None, None, None]).packed()
    which = np.array([4, 1])
    same(sweep(many.take(which), thetas[which], "ML").criterion, sweep(many, thetas, "ML").criterion[which])


def test_no_answer_is_nan_and_no_other_problem_suffers():
    _, _, thetas, problem = setting("slope", None)
    thetas[2] = np.inf
    with np.errstate(invalid="ignore"):
        found = sweep(problem.packed(), thetas, "REML").criterion
    assert np.array_equal(np.isnan(found), np.arange(5) == 2)
