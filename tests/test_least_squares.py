"""Which rows the data can say something about."""

import numpy as np
import pytest

from blupbayes.mme.least_squares import estimable


@pytest.mark.parametrize("unit", [1e-8, 1.0, 1e8])
def test_rows_are_estimable_if_they_are_combinations_of_the_data(unit):
    """Against the rank of X with the row added; in any unit of a column."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 3)) @ rng.normal(size=(3, 6))
    inside, outside = rng.normal(size=(5, 20)) @ X, rng.normal(size=(5, 6))
    rows = np.vstack([inside, outside, np.zeros((1, 6))])
    size = np.array([unit, 1, 1, 1 / unit, 1, 1])
    rank = [np.linalg.matrix_rank(np.vstack([X, row]), tol=1e-8) == 3 for row in rows]
    R = np.linalg.svd(X)[2][:3] * np.linalg.svd(X)[1][:3, None]  # R'R = X'X
    assert estimable(R * size, rows * size).tolist() == rank == [True] * 5 + [False] * 5 + [True]


def test_columns_of_zeros_are_seen_only_where_they_are_used():
    R, rows = np.array([[1.0, 0.0]]), np.array([[2.0, 0.0], [2.0, 1e-3]])
    assert estimable(R, rows).tolist() == [True, False]


def test_everything_is_estimable_at_full_rank():
    assert estimable(np.eye(2), np.ones((3, 2))).all()
    assert estimable(np.zeros((0, 0)), np.zeros((3, 0))).all()
