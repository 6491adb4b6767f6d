"""No pooling: the least squares of each level alone. Knows no estimator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blupbayes.mme.orthonormal import basis
from blupbayes.mme.statistics import Statistics
from blupbayes.mme.tails import level_blocks
from blupbayes.model.design import Design

__all__ = ["least_squares", "pieces", "raw_levels"]

Array = NDArray[np.float64]


def raw_levels(
    design: Design, statistics: Statistics, beta: Mapping[str, float], sigma: float
) -> pd.DataFrame:
    """For each level of each group the coefficients that its own rows give, without any other level.

    Parameters
    ----------
    design : Design
        Its names, and how many rows each level has.
    statistics : Statistics
        Of the same model; weights and offset are in them.
    beta : mapping
        Estimates of the fixed effects. Those that are no coefficient of the group are taken off y first, so that the
        least squares estimate beta_k + b_jk; b of other groups stay in.
    sigma : float
        Residual sd, for the standard errors.

    Returns
    -------
    DataFrame
        group, level, term, n (rows of the level), estimate, se; NaN for a level whose rows do not
        determine its coefficients.
    """
    frames = []
    for k, (g, of) in enumerate(zip(design.groups, design.measures.groups, strict=True)):
        estimate, unit = by_level(statistics, k, left(statistics, g, beta))
        frames.append(
            pd.DataFrame(
                {
                    "group": g.name,
                    "level": np.repeat(np.array(g.levels, dtype=object), len(g.names)).astype(str),
                    "term": list(g.names) * len(g.levels),
                    "n": np.repeat(of.counts, len(g.names)),
                    "estimate": estimate.ravel(),
                    "se": sigma * unit.ravel(),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def left(statistics: Statistics, group: Any, beta: Mapping[str, float]) -> Array:
    """y less offset and the fixed effects that are no coefficient of the group, as coordinates (r + 1,) of [Q e].

    Aliased effects count as 0.
    """
    s = statistics
    others = [k for k, name in enumerate(s.fixed_names) if name not in group.names]
    known = np.nan_to_num([float(beta[s.fixed_names[k]]) for k in others])
    return np.append(s.R @ s.beta_ols - s.R[:, others] @ known, 1.0)


def by_level(statistics: Statistics, group: int, y: Array) -> tuple[Array, Array]:
    """Coefficients (J, q) and their standard errors at sigma = 1; y (r + 1,) in [Q e]. NaN without full rank."""
    from_U, _ = basis(level_blocks(statistics, group))
    Zy = statistics.layout.split(statistics.ZQe)[group] @ y
    estimate = np.einsum("jak,jbk,jb->ja", from_U, from_U, Zy)
    short = ~from_U.any(axis=1).all(axis=1)
    unit = np.linalg.norm(from_U, axis=2)
    estimate[short], unit[short] = np.nan, np.nan
    return estimate, unit


def pieces(design: Design, group: Any, y: Array) -> list[tuple[NDArray[np.intp], Array, Array]]:
    """Rows, y and weights of each level."""
    order = np.argsort(group.codes, kind="stable")
    ends = np.cumsum(np.bincount(group.codes, minlength=len(group.levels)))[:-1]
    weights = np.ones(len(y)) if design.weights is None else design.weights
    return [(rows, y[rows], weights[rows]) for rows in np.split(order, ends)]


def least_squares(C: Array, y: Array, weights: Array, sigma: float) -> tuple[Array, Array]:
    """Coefficients (q,) and their standard errors; NaN without full rank."""
    root = np.sqrt(weights)
    W, nothing = C * root[:, None], np.full(C.shape[1], np.nan)
    if np.linalg.matrix_rank(W) < C.shape[1]:
        return nothing, nothing
    inverse = np.linalg.pinv(W)
    return inverse @ (root * y), sigma * np.sqrt(np.sum(inverse**2, axis=1))
