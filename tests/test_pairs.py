"""Sums over pairs of levels against a dense matrix, kept densely or in sorted runs."""

from __future__ import annotations

import numpy as np
import pytest

from blupbayes.mme import pairs
from blupbayes.mme.pairs import Pairs, joined


@pytest.mark.parametrize("dense", [True, False])
@pytest.mark.parametrize("parts", [1, 13])
def test_sums_are_those_of_the_dense_product(
    monkeypatch: pytest.MonkeyPatch, dense: bool, parts: int
) -> None:
    monkeypatch.setattr(pairs, "DENSE", 10**9 if dense else 0)
    rng = np.random.default_rng(0)
    n, J, q = 400, (15, 23), (2, 3)
    i, j = rng.integers(J[0], size=n), rng.integers(J[1], size=n)
    left, right = rng.standard_normal((n, q[0])), rng.standard_normal((n, q[1]))
    one, other = Pairs(J, q), Pairs(J, q)
    for k, rows in enumerate(np.array_split(rng.permutation(n), parts)):
        (one if k % 2 else other).add(i[rows], j[rows], left[rows], right[rows])
    one.merge(other)
    found = one.cross()
    full = np.zeros((*J, *q))
    np.add.at(full, (i, j), left[:, :, None] * right[:, None, :])
    assert found.dense(J) == pytest.approx(
        full.transpose(0, 2, 1, 3).reshape(J[0] * q[0], J[1] * q[1]), abs=1e-12
    )
    assert len(found.rows) == len(set(zip(i.tolist(), j.tolist(), strict=True)))
    assert (np.diff(found.rows * J[1] + found.cols) > 0).all()


def test_runs_halve_so_that_few_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "DENSE", 0)
    rng, found = np.random.default_rng(0), Pairs((1000, 1000), (1, 1))
    one = np.ones((50, 1))
    for _ in range(200):
        found.add(rng.integers(1000, size=50), rng.integers(1000, size=50), one, one)
    assert len(found.runs) <= 12  # about log2(200) + 4
    assert found.cross().values.sum() == 200 * 50


def test_joined_runs_are_sorted_and_added() -> None:
    keys, values = joined(
        np.array([1, 4]), np.array([1.0, 2.0]), np.array([0, 4, 9]), np.array([5.0, 6.0, 7.0])
    )
    assert keys.tolist() == [0, 1, 4, 9]
    assert values.tolist() == [5.0, 1.0, 8.0, 7.0]
