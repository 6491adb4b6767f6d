"""Predictions from draws: a new observation is a mixture of normals, one for each draw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blupbayes.bayes.curves import Bells
from blupbayes.bayes.predictive import portions, predictors, relative_noise, tabulated
from blupbayes.bayes.recover import relative_factors
from blupbayes.bayes.tree import drawn_arrays
from blupbayes.model.design import Design
from blupbayes.model.resolved import ResolvedPrior
from blupbayes.predict import Rows, probability, read_rows

__all__ = ["predict_draws"]

Array = NDArray[np.float64]

NUMBERS = 4_000_000  # held for all draws and some rows
CLOSE = 1e-6  # sds: how far a quantile may be missed
GOLDEN = 0.6180339887498949


def predict_draws(
    data: Any, design: Design, prior: ResolvedPrior, new: Any, ci_prob: float, **options: Any
) -> pd.DataFrame:
    """Posterior of the mean and of a new observation of every row [E-BLP].

    Parameters
    ----------
    data : xarray.DataTree
        From `sample`.
    design : Design
    prior : ResolvedPrior
    new : frame or None
    ci_prob : float
        Level of equal-tailed intervals.
    **options
        random, new_levels, weights: see predict.read_rows.

    Returns
    -------
    DataFrame
        Columns of predictive.py, a row per row.
    """
    level, rows, draws = probability(ci_prob), read_rows(design, new, **options), drawn_arrays(data)
    sigma, T = relative_factors(prior, draws)
    S = len(sigma)
    scales = [
        None if f"nu_{g.name}" not in draws else spread_of(draws[f"nu_{g.name}"].reshape(S), k)
        for k, g in enumerate(design.groups)
    ]
    roots = [t if x is None else t * x[:, None, None] for t, x in zip(T, scales, strict=True)]
    names = [*(["beta"] if design.fixed_names else []), *(f"b_{g.name}" for g in design.groups)]
    values = np.hstack([draws[name].reshape(S, -1) for name in names])
    shapes = [(len(g.levels), len(g.names)) for g in design.groups]
    found = []
    for some in portions(rows, NUMBERS // S):
        heavy = [c.any(axis=1) for x, c in zip(scales, some.outside, strict=True) if x is not None]
        found.append(described(predictors(some, values, shapes), sigma, roots, some, heavy, level))
    return tabulated(found, rows, level)


def spread_of(nu: Array, k: int) -> Array:
    """One over the root of a Gamma(nu / 2, nu / 2) quantile (S,) per draw, evenly spread: normals so scaled are t."""
    from scipy.special import gammaincinv

    place = (0.5 + (k + 1.0) * GOLDEN * np.arange(len(nu))) % 1.0
    return np.asarray(np.sqrt(0.5 * nu / gammaincinv(0.5 * nu, np.maximum(place, 1e-12))))


def described(
    means: Array,
    sigma: Array,
    T: Sequence[Array],
    rows: Rows,
    heavy: Sequence[NDArray[np.bool_]],
    level: float,
) -> Array:
    """The columns of some rows; ``means`` (S, n) without offset, ``heavy`` where a new Student t effect enters."""
    probs = ((1 - level) / 2, (1 + level) / 2)
    variances = sigma[:, None] ** 2 * relative_noise(rows, T)
    limits = Bells(means, np.sqrt(variances), np.full(len(sigma), 1.0 / len(sigma))).quantiles(probs, CLOSE)
    total = means.var(axis=0, ddof=1) + variances.mean(axis=0)
    for infinite in heavy:
        total[infinite] = np.inf
    ends, o = np.quantile(means, probs, axis=0), rows.offset
    return np.column_stack(
        [
            o + means.mean(axis=0), means.std(axis=0, ddof=1), o + ends[0], o + ends[1],
            np.sqrt(total), o + limits[0], o + limits[1],
        ]
    )  # fmt: skip
