"""L beta against V written out: value, covariance, and the derivatives of the covariance by complex steps."""

import numpy as np
import pytest

from blupbayes.frequentist.linear import Linear
from blupbayes.mme.constrained import hold_beta
from blupbayes.mme.criterion import evaluate
from blupbayes.mme.projected import Projected
from contract import close
from oracle import gradient
from random_models import UNBALANCED
from test_gaussian import case


def setting(kind, seed=61, zero=False):
    """Estimable rows L (3, p) at a random theta, and the dense family at the same point."""
    d, statistics, theta = case(kind, seed=seed, zero=zero)
    at = evaluate(statistics, theta, "REML")
    L = np.random.default_rng(seed).normal(size=(3, len(d.y))) @ d.X
    return d, Linear(at, L), L[:, d.oracle().kept], at


@pytest.mark.parametrize("kind", UNBALANCED)
def test_value_and_covariance(kind, storage):
    d, linear, L, at = setting(kind)
    oracle = d.oracle(at.sigma).estimable
    beta, cov = oracle.fixed()
    close(linear.estimate, L @ beta)
    close(linear.covariance, L @ cov @ L.T)


@pytest.mark.parametrize("zero", [False, True], ids=["", "at zero"])
@pytest.mark.parametrize("kind", UNBALANCED)
def test_slopes_of_the_variance(kind, zero, storage):
    """d(l'Phi l)/d(theta, log sigma^2) of every row, and of combinations of the rows."""
    d, linear, L, at = setting(kind, zero=zero)
    turn = np.array([[1.0, 0.2], [-0.5, 1.0], [0.3, 0.0]])
    family, gamma = d.family("theta"), d.gamma(at.theta, at.sigma, "theta")
    rows = np.r_[L, turn.T @ L]
    expected = [gradient(lambda g, row=row: row @ family.beta_cov(g) @ row, gamma) for row in rows[1:]]
    close(linear.variance_slopes(Projected(at))[1:], expected[:2])
    close(linear.variance_slopes(Projected(at), turn), expected[2:])


@pytest.mark.parametrize(
    "kind", ["slope", "split", "crossed_slopes", "nested weights offset", "slope deficient"]
)
def test_forms_are_slopes_of_the_covariance_in_the_entries_of_Omega(kind, storage):
    d, linear, L, at = setting(kind)
    family, gamma = d.family("Omega"), d.gamma(at.theta, 1.0, "Omega")
    step = 1e-30
    expected = [
        (L @ family.beta_cov(gamma + 1j * step * unit) @ L.T).imag / step for unit in np.eye(len(gamma))[:-1]
    ]
    close(linear.forms(Projected(at).in_Omega), expected)


def test_without_fixed_effects_there_is_nothing():
    _, statistics, theta = case("intercept")
    for _ in range(statistics.rank):
        statistics = hold_beta(statistics, 0, 0.0)
    linear = Linear(evaluate(statistics, theta), np.zeros((2, 0)))
    assert linear.estimate.tolist() == [0, 0] and not linear.covariance.any()
