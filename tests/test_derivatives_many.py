"""The curvature of many problems: central differences of the oracle's complex-step gradient."""

import numpy as np
import pytest

from blupbayes.mme.derivatives_many import ManyDerivatives
from blupbayes.mme.problems import sweep
from oracle import gradient
from random_models import KINDS
from test_problems import METHODS, setting


@pytest.mark.parametrize("sigma", [None, 1.3])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", KINDS)
def test_hessian_is_exact(kind, method, sigma):
    d, _, thetas, problem = setting(kind, sigma)
    theta, h = thetas[0], 1e-5
    found = ManyDerivatives(sweep(problem.packed(), theta, method)).hessian[0]
    numeric = np.array(
        [
            gradient(lambda t: d.criterion(t, method, sigma), theta + h * unit)
            - gradient(lambda t: d.criterion(t, method, sigma), theta - h * unit)
            for unit in np.eye(len(theta))
        ]
    ) / (2 * h)
    assert np.abs(found - numeric).max() <= 1e-6 * np.abs(numeric).max()  # h^2 times fourth derivatives


def test_slope_in_the_variance_at_zero():
    """dF/d(T T') is the one-sided derivative where the gradient in theta is zero for any data."""
    d, _, _, problem = setting("intercept", None, seed=4)
    found = ManyDerivatives(sweep(problem, np.zeros(1), "REML"))
    h = 1e-6
    forward = (d.criterion(np.array([np.sqrt(h)]), "REML") - d.criterion(np.zeros(1), "REML")) / h
    assert found.gradient[0, 0] == 0.0
    assert found.by_variance[0][0, 0, 0] == pytest.approx(forward, rel=1e-3)  # h times the second derivative
