"""The median of batches is numpy's, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest

from blupbayes.mme.order_statistics import LowerHalves, UpperHalves

DRAWS = {
    "wide": lambda rng, n: rng.lognormal(0, 20, n),
    "whole": lambda rng, n: rng.integers(1, 4, n).astype(float),
    "one": lambda rng, n: np.full(n, 0.1),
    "close": lambda rng, n: 1.0 + rng.random(n) * 1e-12,
}


@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize("n", [1, 2, 3, 10, 1001, 4000])
def test_median_is_exact_whatever_the_batches(draw: str, n: int) -> None:
    rng = np.random.default_rng(n)
    values = DRAWS[draw](rng, n)
    parts = np.array_split(rng.permutation(values), 7)
    upper = [UpperHalves(), UpperHalves()]
    for k, part in enumerate(parts):
        upper[k % 2].add(part)
    upper[0].merge(upper[1])
    lower = [LowerHalves(upper[0].middle()) for _ in range(2)]
    for k, part in enumerate(parts):
        lower[k % 2].add(part)
    lower[0].merge(lower[1])
    assert lower[0].median() == np.median(values)
