"""theta <-> T and the readings of a covariance matrix."""

import numpy as np
import pytest

from blupbayes.model.covariance import covariance_from, sd_and_correlation, semidefinite_cholesky, template


def test_theta_is_column_major_term_after_term():
    t = template(3, [(0, 2, "full", 0), (2, 3, "full", 5)])
    T = t.matrix(np.arange(10.0) + 1)
    assert np.array_equal(T, [[1, 0, 0], [2, 3, 0], [0, 0, 6]])
    assert t.diagonal == (0, 2, 5)
    back = np.zeros(10)
    t.read(T, back)
    assert np.array_equal(back[[0, 1, 2, 5]], [1, 2, 3, 6])


def test_diagonal_terms_have_no_other_entries():
    T = template(2, [(0, 2, "diagonal", 0)]).matrix(np.array([2.0, 3.0]))
    assert np.array_equal(T, np.diag([2.0, 3.0]))


@pytest.mark.parametrize("rank", [0, 1, 2, 3])
def test_cholesky_of_any_rank(rank):
    B = np.random.default_rng(rank).normal(size=(3, rank))
    T = semidefinite_cholesky(B @ B.T)
    assert np.allclose(T @ T.T, B @ B.T, atol=1e-13)
    assert np.all(np.diag(T) >= 0) and np.allclose(T, np.tril(T))
    assert np.sum(np.diag(T) > 0) == rank


def test_cholesky_respects_tiny_variances_beside_large_ones():
    Sigma = np.diag([1e12, 1e-12])
    assert np.allclose(np.diag(semidefinite_cholesky(Sigma)), [1e6, 1e-6], rtol=1e-12)


def test_a_negative_eigenvalue_is_refused():
    with pytest.raises(ValueError, match="negative eigenvalue"):
        semidefinite_cholesky(np.array([[1.0, 2.0], [2.0, 1.0]]))


def test_sds_and_correlations_there_and_back():
    Sigma = np.array([[4.0, 3.0], [3.0, 9.0]])
    sd, corr = sd_and_correlation(Sigma)
    assert np.allclose(sd, [2, 3]) and corr[1, 0] == pytest.approx(0.5)
    assert np.allclose(covariance_from(sd, corr), Sigma)
    assert np.isnan(sd_and_correlation(np.diag([4.0, 0.0]))[1][1, 0])
