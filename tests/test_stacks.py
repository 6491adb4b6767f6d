"""Stacks of small matrices against NumPy's routines for one matrix after the other, small and large, in any memory."""

import numpy as np
import pytest

from blupbayes.mme.stacks import SMALL, eliminated, pseudo_inverse, scattered, summed, times, turned

SIZES = [(1, 1, 1), (2, 2, 3), (SMALL, SMALL, 2 * SMALL), (SMALL + 1, 9, 4), (3, 0, 2)]
EXACT = 1e-13  # sums of a few products of order one


def stack(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def positive(shape, seed=1):
    A = stack((*shape, shape[-1]), seed)
    return A @ turned(A) + np.eye(shape[-1])


@pytest.mark.parametrize("memory", [scattered, np.ascontiguousarray])
@pytest.mark.parametrize("size", SIZES)
def test_products(size, memory):
    i, j, k = size
    A, B = memory(stack((5, 4, i, j))), memory(stack((1, 4, j, k), 1))
    expected = np.array([[A[n, c] @ B[0, c] for c in range(4)] for n in range(5)])
    assert np.abs(times(A, B) - expected).max(initial=0.0) <= EXACT * 10
    assert times(A, B).shape == (5, 4, i, k)


@pytest.mark.parametrize("k", [1, 3, SMALL, SMALL + 1, 12])
def test_elimination_is_a_triangular_solve(k):
    M, rows = positive((5, 4, k)), stack((1, 4, k, 3))
    half, log_det = eliminated(scattered(M), rows)
    for n in range(5):
        for c in range(4):
            expected = np.linalg.solve(np.linalg.cholesky(M[n, c]), rows[0, c])
            assert np.abs(half[n, c] - expected).max() <= EXACT * 100
            assert log_det[n, c] == pytest.approx(np.linalg.slogdet(M[n, c])[1], rel=1e-12)


@pytest.mark.parametrize("k", [2, SMALL + 2])
def test_what_is_not_positive_definite_is_nan_and_nothing_else(k):
    M = positive((3, 2, k))
    M[1, 0, 0, 0] = -1.0
    half, log_det = eliminated(M, stack((3, 2, k, 2)))
    bad = np.zeros((3, 2), dtype=bool)
    bad[1, 0] = True
    assert np.array_equal(np.isnan(log_det), bad)
    assert np.isfinite(half[~bad]).all()


def test_sums_over_components_and_rows():
    A, B = scattered(stack((5, 4, 3, 2))), scattered(stack((1, 4, 3, 6), 1))
    expected = np.einsum("ncji,cjk->nik", A, B[0])
    assert np.abs(summed(A, B) - expected).max() <= EXACT * 10
    assert np.abs(summed(A, A) - np.einsum("ncji,ncjk->nik", A, A)).max() <= EXACT * 10


def test_pseudo_inverse_leaves_out_what_is_flat_in_any_units():
    M = positive((3, 3))
    M[1] = np.outer([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    size = np.array([1.0, 1e6, 1e-6])
    found = pseudo_inverse(M * np.outer(size, size), 1e-10) * np.outer(size, size)
    assert np.abs(found[0] - np.linalg.inv(M[0])).max() <= 1e-9
    v = np.array([1.0, 2.0, 3.0])
    assert v @ found[1] @ v == pytest.approx(
        1.0, rel=1e-9
    )  # the inverse along the one direction that is there
    assert np.linalg.matrix_rank(found[1]) == 1
