"""What measures ask of rows: moments and sums of batches are those of all rows."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from blupbayes.mme.row_sums import RowSums


@pytest.mark.parametrize("parts", [1, 5])
def test_moments_and_sums_by_level(parts: int) -> None:
    rng = np.random.default_rng(0)
    n, J = 101, 6
    X, Z = rng.standard_normal((n, 2)), (rng.random((n, 1)) > 0.5).astype(float)
    y, o, w, g = (
        rng.standard_normal(n) + 1e6,
        rng.standard_normal(n),
        rng.lognormal(size=n),
        rng.integers(J, size=n),
    )
    sums = [RowSums([J]), RowSums([J])]
    for k, rows in enumerate(np.array_split(rng.permutation(n), parts)):
        chunk = SimpleNamespace(
            y=y[rows], X=X[rows], codes=[g[rows]], columns=[Z[rows]], weights=w[rows], offset=o[rows]
        )
        sums[k % 2].add(chunk)
    sums[0].merge(sums[1])
    found = sums[0]
    for name, values in {"y": y, "response": y - o, "offset": o, "weights": w}.items():
        m = found.moments[name]
        assert (m.n, m.low[0], m.high[0]) == (n, values.min(), values.max())
        assert m.mean[0] == pytest.approx(values.mean(), rel=1e-14)
        assert m.sd()[0] == pytest.approx(values.std(ddof=1), rel=1e-9)  # 1e6 from 0
    assert found.moments["X"].sd() == pytest.approx(X.std(axis=0, ddof=1), rel=1e-12)
    assert found.Z[0].binary.tolist() == [True]
    assert found.counts[0].tolist() == np.bincount(g, minlength=J).tolist()
    assert found.sums[0] == pytest.approx([(y - o)[g == j].sum() for j in range(J)], rel=1e-14)
    assert found.halves.counts.sum() == n


def test_a_design_without_offset_and_weights_has_none() -> None:
    sums = RowSums([2])
    y, X = np.array([1.0, 2.0]), np.ones((2, 1))
    sums.add(SimpleNamespace(y=y, X=X, codes=[np.array([0, 1])], columns=[X], weights=None, offset=None))
    sums.add(
        SimpleNamespace(
            y=y[:0], X=X[:0], codes=[np.zeros(0, int)], columns=[X[:0]], weights=None, offset=None
        )
    )
    assert sorted(sums.moments) == ["X", "response", "y"]
    assert sums.moments["response"].mean[0] == 1.5
