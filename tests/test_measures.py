"""Moments of columns: those of the parts, brought together, are those of the whole; judged by NumPy and fractions."""

from __future__ import annotations

from fractions import Fraction
from functools import reduce

import numpy as np
import pytest

from blupbayes.model.measures import ColumnMoments


def columns(n: int = 200) -> np.ndarray:
    rng = np.random.default_rng(7)
    return np.column_stack(
        [
            rng.normal(1e6, 1.0, n),
            rng.integers(0, 2, n),
            np.full(n, 0.1),
            rng.normal(size=n) * 1e-8,
            np.zeros(n),
        ]
    )


def pieces(x: np.ndarray, k: int, shuffled: bool) -> list[np.ndarray]:
    parts = np.array_split(x, k)
    return [parts[i] for i in np.random.default_rng(k).permutation(k)] if shuffled else parts


@pytest.mark.parametrize(("k", "shuffled"), [(1, False), (7, False), (7, True), (300, True)])
def test_merged_parts_are_the_whole(k, shuffled):
    x = columns()
    found = reduce(ColumnMoments.merged, map(ColumnMoments.of, pieces(x, k, shuffled)))
    assert found.n == len(x)
    np.testing.assert_allclose(found.mean, x.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(found.sd(0), x.std(axis=0), rtol=1e-11, atol=1e-16)
    np.testing.assert_array_equal(found.low, x.min(axis=0))
    np.testing.assert_array_equal(found.high, x.max(axis=0))
    assert found.binary.tolist() == [False, True, False, False, True]
    assert found.constant.tolist() == [False, False, True, False, True]
    assert (found.sd()[[2, 4]] == 0).all()


def test_a_large_mean_takes_no_digits():
    x = [10.0**8 + k / 8 for k in range(40)]
    exact = [Fraction(v) for v in x]
    mean = sum(exact) / len(x)
    m2 = float(sum((v - mean) ** 2 for v in exact))
    found = ColumnMoments.of(np.array(x[:9])).merged(ColumnMoments.of(np.array(x[9:])))
    assert found.m2[0] == pytest.approx(m2, rel=1e-12)
    assert found.sd()[0] == pytest.approx((m2 / 39) ** 0.5, rel=1e-12)


def test_no_rows_change_nothing():
    x = columns(5)
    whole, none = ColumnMoments.of(x), ColumnMoments.of(x[:0])
    for found in (whole.merged(none), none.merged(whole)):
        assert found.n == 5
        np.testing.assert_array_equal(found.mean, whole.mean)
        np.testing.assert_array_equal(found.m2, whole.m2)
        np.testing.assert_array_equal(found.low, whole.low)
        np.testing.assert_array_equal(found.binary, whole.binary)
