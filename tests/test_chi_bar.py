"""Chi-bar-square: closed forms, the cone projection by brute force, and simulated statistics."""

import itertools

import numpy as np
import pytest
from scipy import stats

from blupbayes.errors import BlupbayesError
from blupbayes.frequentist.chi_bar import DRAWS, ChiBar, boundary_covariance, chi_bar, chi_square_p


def covariance(c, seed):
    A = np.random.default_rng(seed).normal(size=(c, c + 2))
    return A @ A.T


def projections(C, z):
    """Nearest points (n, c) of the orthant to z (n, c) in the metric of C^-1, over all faces."""
    P, c = np.linalg.inv(C), len(C)
    best, found = np.full(len(z), np.inf), np.zeros_like(z)
    for k in range(c + 1):
        for face in itertools.combinations(range(c), k):
            x, on = np.zeros_like(z), list(face)
            if on:
                x[:, on] = z @ P[:, on] @ np.linalg.inv(P[np.ix_(on, on)])
            distance = np.einsum("ij,jk,ik->i", z - x, P, z - x)
            better = (x >= 0).all(axis=1) & (distance < best)
            best[better], found[better] = distance[better], x[better]
    return found


@pytest.mark.parametrize("c", [1, 2, 3, 4])
@pytest.mark.parametrize("seed", range(3))
def test_weights_and_tails_are_those_of_the_projection(c, seed):
    C, n = covariance(c, seed), 40_000
    z = np.random.default_rng(seed + 50).multivariate_normal(np.zeros(c), C, size=n)
    x = projections(C, z)
    mixture = chi_bar(C)
    share = np.bincount((x > 0).sum(axis=1), minlength=c + 1) / n
    # 4.5 standard errors of n draws here and of DRAWS there
    error = np.sqrt(0.25 / n + (0.25 / DRAWS if mixture.n_draws else 0.0))
    assert np.abs(mixture.weights - share).max() < 4.5 * error
    statistic = np.einsum("ij,jk,ik->i", x, np.linalg.inv(C), x)
    for t in (0.5, 2.0, 4.0):
        assert abs(mixture.p(t) - np.mean(statistic >= t)) < 4.5 * error


@pytest.mark.parametrize("seed", range(5))
def test_three_variances_have_a_closed_form(seed):
    """w_3 is the solid angle of a spherical triangle, (2 pi - sum of arccos r_ij) / 4 pi."""
    C = covariance(3, seed)
    sd = np.sqrt(np.diag(C))
    r = (C / np.outer(sd, sd))[np.triu_indices(3, 1)]
    mixture = chi_bar(C)
    w3 = (2 * np.pi - np.arccos(r).sum()) / (4 * np.pi)
    expected = [np.nan, 0.5 - w3, np.nan, w3]
    assert np.abs(mixture.weights - expected)[[1, 3]].max() < 4.5 * np.sqrt(0.25 / DRAWS)
    assert mixture.weights[::2].sum() == pytest.approx(0.5) == mixture.weights[1::2].sum()


def test_independent_variances_are_binomial():
    for c in (1, 2, 3, 5):
        weights = chi_bar(np.diag(np.arange(1.0, c + 1))).weights
        tolerance = 1e-15 if c < 3 else 4.5 * np.sqrt(0.25 / DRAWS)
        assert np.abs(weights - stats.binom.pmf(np.arange(c + 1), c, 0.5)).max() <= tolerance


@pytest.mark.parametrize("k", [0, 1, 2, 5])
@pytest.mark.parametrize("t", [1e-3, 0.7, 3.0, 40.0, 300.0])
def test_one_variance_is_half_and_half(k, t):
    expected = 0.5 * (stats.chi2.sf(t, k) if k else 0.0) + 0.5 * stats.chi2.sf(t, k + 1)
    assert chi_bar(np.array([[7.0]]), k).p(t) == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("c", [1, 2, 3])
def test_a_statistic_of_zero_has_p_one_and_p_falls(c):
    mixture = chi_bar(covariance(c, 9))
    assert mixture.p(0.0) == pytest.approx(1.0, abs=1e-15)
    p = [mixture.p(t) for t in (0.0, 1e-6, 1.0, 5.0, 100.0)]
    assert (np.diff(p) < 0).all()
    assert p[2] < chi_square_p(1.0, c)  # the plain chi-square is conservative


def test_units_do_not_matter():
    C, D = covariance(3, 1), np.diag([1e-4, 1.0, 1e6])
    assert np.allclose(chi_bar(D @ C @ D).weights, chi_bar(C).weights, atol=2 / DRAWS)  # a draw at an edge


def test_chi_square_tails():
    assert chi_square_p(0.0, 0) == chi_square_p(0.0, 3) == chi_square_p(-1e-9, 1) == 1.0
    assert chi_square_p(0.1, 0) == 0.0
    assert chi_square_p(3.841458820694124, 1) == pytest.approx(0.05, rel=1e-12)


def test_the_stated_error_is_the_error():
    """Over other draws of the same size p varies as stated."""
    C, t = covariance(4, 2), 2.0
    mixture = chi_bar(C)
    p = []
    for seed in range(40):
        z = np.random.default_rng(seed).multivariate_normal(np.zeros(4), C, size=2000)
        weights = np.bincount((projections(C, z) > 0).sum(axis=1), minlength=5) / 2000
        p.append(ChiBar(weights).p(t))
    stated = mixture.monte_carlo_error(t) * np.sqrt(DRAWS / 2000)
    assert np.std(p) == pytest.approx(stated, rel=0.4)  # the sd of an sd of 40 is 11 per cent
    assert chi_bar(C[:2, :2]).monte_carlo_error(t) == 0.0


def test_a_singular_covariance_is_refused():
    with pytest.raises(BlupbayesError, match="not identified"):
        chi_bar(np.ones((2, 2)))


def test_nuisance_parameters_are_projected_out():
    """The block of the inverse is the inverse of the Schur complement; units of parameters do not matter."""
    H, D = covariance(5, 3), np.diag([1e-5, 1.0, 1e3, 1e8, 1.0])
    A = np.eye(5)[[1, 3]]
    rest = [0, 2, 4]
    schur = H[np.ix_([1, 3], [1, 3])] - H[np.ix_([1, 3], rest)] @ np.linalg.solve(
        H[np.ix_(rest, rest)], H[np.ix_(rest, [1, 3])]
    )
    assert np.allclose(boundary_covariance(H, A), np.linalg.inv(schur), rtol=1e-10)
    assert np.allclose(boundary_covariance(D @ H @ D, A @ D), np.linalg.inv(schur), rtol=1e-8)
