"""One fixed effect held: the same as y - x_j c and X without column j, in every storage and for any rank."""

from dataclasses import replace

import numpy as np
import pytest

from blupbayes.mme.constrained import hold_beta
from blupbayes.mme.criterion import evaluate
from blupbayes.mme.gaussian import posterior
from contract import check_answer, close
from oracle import Oracle
from random_models import UNBALANCED
from test_gaussian import SIGMA, case

METHODS = ("ML", "REML")
VALUE = -1.9


def held_by_hand(d, j, value, sigma=1.0, theta=None):
    """The oracle of y - x_j value on the other columns."""
    oracle = d.oracle(sigma, theta)
    return replace(oracle, y=oracle.y - oracle.X[:, j] * value, X=np.delete(oracle.X, j, axis=1))


@pytest.mark.parametrize("kind", UNBALANCED)
def test_criterion_is_that_of_the_model_without_the_column(kind, storage):
    """By ML at random theta and known sigma, every column in turn: 1e-10, as the criterion itself."""
    d, statistics, theta = case(kind, seed=51)
    statistics = replace(statistics, sigma=SIGMA)
    for j in statistics.kept:
        found = evaluate(hold_beta(statistics, j, VALUE), theta, "ML")
        by_hand = held_by_hand(d, j, VALUE, SIGMA, theta)
        without = replace(by_hand, X=np.delete(by_hand.X, aliased(d, j), axis=1))
        assert found.criterion == pytest.approx(without.ml(), rel=1e-10)
        close(np.delete(found.beta, aliased(d, j)), without.fixed()[0])


def aliased(d, j):
    """Positions, without column j, of what earlier columns explain: they are no part of the model, held or not."""
    return [k - (k > j) for k in range(d.X.shape[1]) if k not in d.oracle().kept]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["slope weights", "crossed offset", "nested"])
def test_profiled_sigma_too(kind, method, storage):
    d, statistics, theta = case(kind, seed=52)
    found = evaluate(hold_beta(statistics, 1, VALUE), theta, method)
    by_hand = held_by_hand(d, 1, VALUE, 1.0, theta)
    residual = by_hand.e - by_hand.X @ by_hand.fixed()[0]
    n = len(residual) - (by_hand.X.shape[1] if method == "REML" else 0)
    assert found.sigma**2 == pytest.approx(residual @ np.linalg.solve(by_hand.V, residual) / n, rel=1e-10)
    scaled = replace(by_hand, Sigma=by_hand.Sigma * found.sigma**2, sigma=found.sigma)
    assert found.criterion == pytest.approx({"ML": scaled.ml, "REML": scaled.reml}[method](), rel=1e-10)


@pytest.mark.parametrize("kind", ["slope weights", "crossed_slopes", "nested weights offset"])
def test_least_squares_of_the_rest(kind, storage):
    """beta_ols and e'We: weighted least squares of y - x_j c on the other columns."""
    d, statistics, _ = case(kind, seed=53)
    held = hold_beta(statistics, 2, VALUE)
    flat = held_by_hand(d, 2, VALUE, 1.0, np.zeros(len(d.theta)))
    beta = flat.fixed()[0]
    residual = flat.e - flat.X @ beta
    close(held.beta_ols, beta)
    assert held.ee == pytest.approx(residual @ (flat.w * residual), rel=1e-10)
    assert held.fixed_names == tuple(np.delete(statistics.fixed_names, 2))
    assert held.n_obs == statistics.n_obs and held.log_weights == statistics.log_weights


@pytest.mark.parametrize("kind", ["slope", "crossed_slopes", "nested weights offset", "three"])
def test_blups_and_spreads_of_the_rest(kind, storage):
    """Henderson's answers from the held statistics, all of them."""
    d, statistics, theta = case(kind, seed=54)
    held = hold_beta(statistics, 0, VALUE)
    answer = posterior(held, held.factors(theta), SIGMA)
    check_answer(answer, held_by_hand(d, 0, VALUE, SIGMA, theta), d.blocks)


def test_rank_deficient_columns_stay_aliased():
    """x2 = 1 + 2 x: neither held with x nor let loose by it."""
    _, statistics, _ = case("slope deficient", seed=55)
    held = hold_beta(statistics, 1, VALUE)
    assert held.fixed_names == ("Intercept", "x2", "f[T.v]", "f[T.w]")
    assert held.kept.tolist() == [0, 2, 3] and held.aliased == ("x2",)
    assert held.beta_ols[1] == 0.0


def test_held_at_the_estimate_nothing_changes():
    """c = beta_hat_j at some theta: the same r2, criterion and other coefficients."""
    _, statistics, theta = case("slope", seed=56)
    at = evaluate(statistics, theta, "ML")
    held = evaluate(hold_beta(statistics, 1, at.beta[1]), theta, "ML")
    assert held.criterion == pytest.approx(at.criterion, rel=1e-13)
    close(held.beta, np.delete(at.beta, 1))


def test_all_effects_may_be_held_one_after_the_other():
    """With none left the criterion is the normal density of y - X c."""
    d, statistics, theta = case("nested", seed=57)
    values = np.arange(d.X.shape[1]) - 0.5
    for value in values:
        statistics = hold_beta(statistics, 0, value)
    assert statistics.rank == 0 and statistics.fixed_names == ()
    oracle = d.oracle(SIGMA, theta)
    rest = Oracle(oracle.e - oracle.X @ values, np.zeros((60, 0)), oracle.Z, oracle.Sigma, SIGMA)
    found = evaluate(replace(statistics, sigma=SIGMA), theta, "ML")
    assert found.criterion == pytest.approx(rest.ml(), rel=1e-10)
