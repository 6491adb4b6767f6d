"""Names at the right ends of lines, as many as there is room for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blupbayes.show.figures.rows import GAP

__all__ = ["apart", "name_ends", "spread"]

Array = NDArray[np.float64]


def spread(y: Array, gap: float, low: float, high: float) -> Array:
    """Places (n,) as near as possible to increasing y (n,), at least a gap apart, between two bounds.

    Least squares under y_i + gap <= y_(i+1): isotonic regression of y_i - i gap.

    Examples
    --------
    >>> spread(np.array([0.0, 0.1, 5.0]), 1.0, -2.0, 6.0).tolist()
    [-0.45, 0.55, 5.0]
    """
    from scipy.optimize import isotonic_regression

    steps = gap * np.arange(len(y))
    near = np.asarray(isotonic_regression(y - steps).x)
    return np.clip(near, low, max(low, high - (len(y) - 1) * gap)) + steps


def name_ends(fig: Any, ax: Any, y: Array, names: Sequence[str]) -> list[int]:
    """Write names at the right margin; the places of those written.

    A few are moved apart where lines end close together; of many, those are written that have room at their place.
    """
    right = ax.secondary_yaxis("right")
    right.tick_params(length=0)
    right.spines["right"].set_visible(False)
    order = np.argsort(y, kind="stable")
    right.set_yticks(y[order], [names[k] for k in order])
    fig.draw_without_rendering()
    tall = max(t.get_window_extent().height for t in right.get_yticklabels())
    low, high = ax.get_ylim()
    gap = GAP * tall / ax.get_window_extent().height * (high - low)
    if 2 * len(y) * gap <= high - low:
        right.set_yticks(spread(y[order], gap, low, high), [names[k] for k in order])
        return [int(k) for k in order]
    kept = apart(y, gap)
    right.set_yticks(y[kept], [names[k] for k in kept])
    return kept


def apart(y: Array, gap: float) -> list[int]:
    """Places of values that are a gap apart, taken from the outer ones to the inner ones."""
    kept: list[int] = []
    for k in np.argsort(-np.abs(y - np.median(y)), kind="stable"):
        if all(abs(y[k] - y[j]) >= gap for j in kept):
            kept.append(int(k))
    return kept
