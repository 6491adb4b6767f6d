"""Partial correlations -> correlation matrix: a valid matrix with the LKJ density, and its Cholesky root."""

import numpy as np
import pytest
from scipy.stats import beta

from blupbayes.bayes.correlation import correlation_matrix, correlation_root, partials

LOWER = {q: [(i, j) for i in range(q) for j in range(i)] for q in (2, 3, 4)}


def draw(rng, q):
    """Partial correlations, spread over (-1, 1)."""
    return {pair: rng.uniform(-0.95, 0.95) for pair in LOWER[q]}


def log_density(c, q, eta):
    """log p(R) up to a constant: the density of the partials, less the log-Jacobian of R over them."""
    values = np.array([c[pair] for pair in LOWER[q]])

    def entries(x):
        R = correlation_matrix(dict(zip(LOWER[q], x, strict=True)), ((0, q),), q)
        return np.array([R[pair] for pair in LOWER[q]])

    # complex step: exact to rounding, as the map is analytic
    steps = 1e-30j * np.eye(len(values))
    jacobian = np.array([np.imag(entries(values + step)) / 1e-30 for step in steps])
    a = {(i, j): shape for i, j, shape in partials(((0, q),), eta)}
    prior = sum(beta(a[pair], a[pair]).logpdf((c[pair] + 1) / 2) for pair in LOWER[q])
    return prior - np.linalg.slogdet(jacobian)[1]


@pytest.mark.parametrize("q", [2, 3, 4])
@pytest.mark.parametrize("eta", [0.5, 1.0, 3.0])
def test_the_density_is_lkj(q, eta):
    rng = np.random.default_rng(q)
    constants = []
    for _ in range(8):
        c = draw(rng, q)
        R = correlation_matrix(c, ((0, q),), q)
        constants.append(log_density(c, q, eta) - (eta - 1) * np.linalg.slogdet(R)[1])
    # det R falls to 1e-3 here, which leaves 1e-12 of its logarithm
    np.testing.assert_allclose(constants, constants[0], rtol=0, atol=1e-10)


def test_two_coefficients_have_the_correlation_itself():
    assert correlation_matrix({(1, 0): -0.3}, ((0, 2),), 2)[1, 0] == -0.3
    assert list(partials(((0, 2),), 1.5)) == [(1, 0, 1.5)]


@pytest.mark.parametrize("blocks", [((0, 4),), ((0, 2), (2, 4)), ((1, 4),), ()])
def test_blocks_give_a_correlation_matrix_and_its_root(blocks):
    rng = np.random.default_rng(1)
    c = {(i, j): rng.uniform(-0.9, 0.9) for i, j, _ in partials(blocks, 1.0)}
    R = correlation_matrix(c, blocks, 4)
    block_of = {k: n for n, (start, stop) in enumerate(blocks) for k in range(start, stop)}
    np.testing.assert_array_equal(np.diag(R), 1.0)
    np.testing.assert_array_equal(R, R.T)
    assert np.linalg.eigvalsh(R).min() > 0
    for i, j in LOWER[4]:
        together = block_of.get(i, -1 - i) == block_of.get(j, -1 - j)
        assert (R[i, j] != 0) == together
    # entries of size 1, a few operations each
    np.testing.assert_allclose(correlation_root(R, blocks, 4), np.linalg.cholesky(R), rtol=0, atol=1e-13)
