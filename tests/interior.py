"""Random models whose estimates lie inside the parameter space, for what a boundary does not have."""

from __future__ import annotations

import functools
import itertools
from dataclasses import replace

import numpy as np

from blupbayes.mme.fit import Estimate, estimate
from random_models import RandomDesign
from test_gaussian import case


@functools.cache
def interior(
    kind: str, method: str, sigma: float | None = None, first: int = 60
) -> tuple[RandomDesign, Estimate]:
    """A random model and its estimates: the first seed where every sd is seen and no correlation is near 1."""
    for seed in itertools.count(first):
        d, statistics, _ = case(kind, seed=seed)
        fit = estimate(replace(statistics, sigma=sigma), method)
        sizes = [np.diag(T) / np.maximum(np.linalg.norm(T, axis=1), 1e-9) for T in fit.T]
        if (
            not fit.is_boundary
            and min(np.diag(T).min() for T in fit.T) > 0.3
            and min(map(np.min, sizes)) > 0.4
        ):
            return d, fit
    raise AssertionError
