"""beta and b from draws of the variances: each an independent draw from the Gaussian of the dense formulas."""

import numpy as np
import pandas as pd
import pytest

import blupbayes as bb
from blupbayes.bayes.recover import recover
from blupbayes.model.design import build

N = 20_000


@pytest.mark.parametrize("kappa", [0.0, 0.8])
def test_moments_are_those_of_the_mixed_model_equations(kappa):
    """At one point of the variances; 4.5 standard errors of N draws, for about 300 numbers."""
    rng = np.random.default_rng(5)
    frame = pd.DataFrame(rng.normal(size=(40, 2)), columns=["y", "x"]).assign(g=np.arange(40) % 4)
    design = build("y ~ x + (x | g)", frame, weights=1 + np.arange(40) % 2)
    P = np.array([[2.0, 0.6], [0.6, 1.0]])
    prior = bb.Prior(kappa=kappa, mean=[1, -1], precision=P)
    sigma, sd, rho = 0.7, np.array([0.9, 0.4]), -0.3
    R = np.array([[1, rho], [rho, 1]])
    draws = {"sigma": np.full((2, N // 2), sigma), "sd_g": np.broadcast_to(sd, (2, N // 2, 2))}
    draws["corr_g"] = np.broadcast_to(R, (2, N // 2, 2, 2))
    statistics = bb.MixedModel._from(design).statistics
    found = recover(statistics, prior.resolve(design), draws, rng)
    assert found["beta"].shape == (2, N // 2, 2) and found["b_g"].shape == (2, N // 2, 4, 2)
    a = np.concatenate([found["beta"].reshape(N, -1), found["b_g"].reshape(N, -1)], axis=1)

    Z = np.zeros((40, 8))
    for i, j in enumerate(design.groups[0].codes):
        Z[i, 2 * j : 2 * j + 2] = design.groups[0].columns[i]
    C, w = np.hstack([design.X, Z]), design.weights / sigma**2
    M = C.T @ (w[:, None] * C)
    M[:2, :2] += kappa * P
    M[2:, 2:] += np.kron(np.eye(4), np.linalg.inv(R * np.outer(sd, sd)))
    rhs = C.T @ (w * design.y)
    rhs[:2] += kappa * P @ [1, -1]
    cov = np.linalg.inv(M)
    mean, scale = cov @ rhs, np.sqrt(np.diag(cov))
    assert np.abs((a.mean(axis=0) - mean) / scale).max() < 4.5 / np.sqrt(N)
    assert np.abs((np.cov(a.T) - cov) / np.outer(scale, scale)).max() < 4.5 * np.sqrt(2 / N)
    later = (a[1:] - mean) / scale
    assert np.abs((later * (a[:-1] - mean) / scale).mean(axis=0)).max() < 4.5 / np.sqrt(
        N
    )  # no autocorrelation
