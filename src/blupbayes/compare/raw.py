"""No pooling: the least squares of each level alone. Knows no estimator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blupbayes.model.design import Design

__all__ = ["least_squares", "pieces", "raw_levels"]

Array = NDArray[np.float64]


def raw_levels(design: Design, beta: Mapping[str, float], sigma: float) -> pd.DataFrame:
    """For each level of each group the coefficients that its own rows give, without any other level.

    Parameters
    ----------
    design : Design
        Weights and offset are honoured.
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
    for g in design.groups:
        found = [
            least_squares(g.columns[rows], y, weights, sigma)
            for rows, y, weights in pieces(design, g, left(design, g, beta))
        ]
        frames.append(
            pd.DataFrame(
                {
                    "group": g.name,
                    "level": np.repeat(np.array(g.levels, dtype=object), len(g.names)).astype(str),
                    "term": list(g.names) * len(g.levels),
                    "n": np.repeat(np.bincount(g.codes, minlength=len(g.levels)), len(g.names)),
                    "estimate": np.concatenate([estimate for estimate, _ in found]),
                    "se": np.concatenate([se for _, se in found]),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def left(design: Design, group: Any, beta: Mapping[str, float]) -> Array:
    """y (n,) less offset and the fixed effects that are no coefficient of the group; aliased ones count as 0."""
    others = [k for k, name in enumerate(design.fixed_names) if name not in group.names]
    known = np.nan_to_num([float(beta[design.fixed_names[k]]) for k in others])
    y = design.y if design.offset is None else design.y - design.offset
    return np.asarray(y - design.X[:, others] @ known)


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
