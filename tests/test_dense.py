"""The dense side of the identities against the tests' own oracle, and against itself by another formula."""

from __future__ import annotations

import numpy as np
import pytest

from blupbayes.compare.dense import Data, Dense
from blupbayes.compare.dense_readings import (
    BetaDensity,
    by_variance,
    flat,
    given,
    log_density,
    predict,
    score,
    sigma_score,
    with_prior,
)
from contract import close, level_blocks, split
from random_models import random_design

KINDS = ("slope", "crossed offset", "nested weights offset", "crossed_slopes", "slope weights", "split")
SIGMA = 1.7


def dense(d, theta=None, sigma=SIGMA):
    """Dense of a random design; its blocks have their levels in sorted order, as Z has."""
    codes, columns = [], []
    for k in d.blocks:
        label = d.frame[k.name.split(":")].agg(":".join, axis=1)
        codes.append(np.unique(label, return_inverse=True)[1])
    start = 0
    for k, code in zip(d.blocks, codes, strict=True):
        Z = d.Z[:, start : start + k.J * k.q].reshape(-1, k.J, k.q)
        columns.append(Z[np.arange(len(Z)), code])
        start += k.J * k.q
    w = np.ones(len(d.y)) if d.weights is None else d.weights
    y = d.y if d.offset is None else d.y - d.offset
    data = Data(y, d.X, w, tuple(codes), tuple(columns), tuple(k.J for k in d.blocks))
    return Dense(data, d.T(theta), sigma)


@pytest.fixture(params=KINDS)
def pair(request):
    d = random_design(np.random.default_rng(5), request.param)
    return d, dense(d), d.oracle(SIGMA)


def test_solution_and_variances_are_the_oracle_s(pair):
    d, at, oracle = pair
    beta, cov = oracle.fixed()
    close(at.beta, beta)
    close(at.beta_cov, cov)
    close(at.pseudo_data[0], beta)
    for k, b in enumerate(split(oracle.random(), d.blocks)):
        close(at.b[k], b)
        close(at.pseudo_data[1][k], b)
        close(at.cross_cov[k], split(oracle.cross_cov(), d.blocks)[k])
        close(at.pev[k], level_blocks(oracle.pev(), d.blocks)[k])
        close(at.cond_cov[k], level_blocks(oracle.cond_cov, d.blocks)[k])
        close(at.removed[k], level_blocks(oracle.Sigma - oracle.cond_cov, d.blocks)[k])


def test_singular_covariances_are_no_special_case():
    d = random_design(np.random.default_rng(6), "slope")
    for theta in ([0.8, 0.4, 0.0], [0.0, 0.0, 0.0]):
        at, oracle = dense(d, np.array(theta)), d.oracle(SIGMA, np.array(theta))
        close(at.beta, oracle.fixed()[0])
        close(at.b[0], split(oracle.random(), d.blocks)[0])
        close(at.pev[0], level_blocks(oracle.pev(), d.blocks)[0])


@pytest.mark.parametrize("kappa", [1e-3, 2.0])
def test_a_prior_of_beta(pair, kappa):
    d, at, oracle = pair
    p = d.X.shape[1]
    m, P = np.linspace(-1, 1, p), kappa * (np.eye(p) + 0.3)
    prior = BetaDensity(m, P, p, float(np.linalg.slogdet(P)[1]))
    assert log_density(at, SIGMA, prior) == pytest.approx(
        -0.5 * oracle.evidence(kappa, np.eye(p) + 0.3, m), rel=1e-10
    )  # log-determinants of V, condition ~1e3
    assert log_density(at, SIGMA, flat(p)) == pytest.approx(-0.5 * oracle.reml(), rel=1e-10)
    means, variances = given(at, np.array([SIGMA]), prior, np.ones(1))
    beta, cov = oracle.fixed(kappa, np.eye(p) + 0.3, m)
    close(means[0, :p], beta)
    close(variances[0, :p], np.diag(cov))
    close(means[0, p:], oracle.random(kappa, np.eye(p) + 0.3, m))
    close(variances[0, p:], np.diag(oracle.pev(kappa, np.eye(p) + 0.3)))


def test_other_sigmas_and_precisions_at_once():
    d = random_design(np.random.default_rng(7), "slope weights")
    at, p = dense(d), d.X.shape[1]
    prior = BetaDensity(np.zeros(p), np.eye(p), p, 0.0)
    means, variances = given(at, np.array([0.5, 3.0]), prior, np.array([1.0, 4.0]))
    for k, (sigma, tau) in enumerate([(0.5, 1.0), (3.0, 4.0)]):
        oracle = d.oracle(sigma)
        close(means[k], np.r_[oracle.fixed(tau)[0], oracle.random(tau)])
        close(variances[k], np.r_[np.diag(oracle.fixed(tau)[1]), np.diag(oracle.pev(tau))])


def test_nothing_cancels_at_a_huge_precision():
    """[E-RATE] R (beta - m) goes to 0 as 1 / kappa; measured as a difference of betas only noise would be left."""
    d = random_design(np.random.default_rng(7), "slope")
    at, p = dense(d), d.X.shape[1]
    found = []
    for kappa in (1e12, 1e16):
        prior = BetaDensity(np.ones(p), kappa * np.eye(p), p, 0.0)
        found.append(kappa * with_prior(at, np.array([SIGMA]), prior, np.ones(1))[0][0])
    close(found[1], found[0], tolerance=1e-7)  # the next order of 1 / kappa is below 1e-9


def test_slopes_are_those_of_the_log_density(pair):
    """Central differences with steps of 1e-5: their own error is 1e-9 of the slopes."""
    d, at, _ = pair
    h, r, theta = 1e-5, d.X.shape[1], np.asarray(d.theta)

    def value(theta, sigma):
        return log_density(dense(d, theta, sigma), sigma, flat(r))

    for k, block in enumerate(d.blocks):
        N, S = by_variance(at)[k]
        slope = -(N - S) @ at.T[k]
        close(at.T[k].T @ slope, score(at)[k], scale=block.J, tolerance=1e-9)
        for row, column, place in block.places:
            step = h * (np.arange(len(theta)) == place)
            numeric = (value(theta + step, SIGMA) - value(theta - step, SIGMA)) / (2 * h)
            assert slope[row, column] == pytest.approx(numeric, abs=1e-6 * block.J)
    up, down = (value(theta, SIGMA * np.exp(x)) for x in (h, -h))
    assert sigma_score(at) == pytest.approx((up - down) / (2 * h), abs=1e-6 * len(d.y))


def test_predictions_are_the_best_linear_ones(pair):
    d, at, oracle = pair
    rows = [0, 7, 3]
    codes = [c[rows].copy() for c in at.data.codes]
    columns = [x[rows].copy() for x in at.data.columns]
    z = d.Z[rows].copy()
    codes[0][2], z[2, : d.blocks[0].J * d.blocks[0].q] = -1, 0.0
    mean, variance = predict(at, d.X[rows], codes, columns)
    expected = oracle.blp(d.X[rows], z)
    close(mean, expected[0])
    close(variance, expected[1])


def test_condition_bounds_that_of_V(pair):
    _, at, oracle = pair
    root = np.sqrt(oracle.w)
    true = np.linalg.cond(root[:, None] * oracle.V * root / SIGMA**2)
    assert true <= at.condition * (1 + 1e-12) and at.condition < 1e3 * true
