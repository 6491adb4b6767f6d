"""z'Wz of rows of Z: what is left of the variance of z'b given y and beta, covariances between groups included.

Within a group these are level blocks that a Factor has. Between groups one column of W is solved for each level that
occurs, of all groups but the largest: so the work follows the levels and not the rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from blupbayes.mme.factor import Factor
from blupbayes.mme.layout import Layout

__all__ = ["forms"]

Array = NDArray[np.float64]
Index = NDArray[np.intp]

NUMBERS = 4_000_000  # held at once


def forms(factor: Factor, layout: Layout, codes: Sequence[Index], columns: Sequence[Array]) -> Array:
    """z'Wz (m,) of m rows z.

    Parameters
    ----------
    factor : Factor
    layout : Layout
    codes : sequence of array (m,)
        Level of each row, one array per grouping factor; anything where its columns are 0.
    columns : sequence of array (m, q_k)
        What multiplies the coefficients of that level.
    """
    out = np.zeros(len(codes[0]))
    for W, level, z in zip(factor.W_levels, codes, columns, strict=True):
        for a, b in np.ndindex(*W.shape[1:]):
            out += z[:, a] * W[level, a, b] * z[:, b]
    active = [k for k, z in enumerate(columns) if z.any()]
    order = sorted(active, key=lambda k: layout.shapes[k][0] * layout.shapes[k][1])
    for place, k in enumerate(order[:-1]):
        out += 2.0 * across(factor, layout, k, order[place + 1 :], codes, columns)
    return out


def across(
    factor: Factor,
    layout: Layout,
    k: int,
    others: Sequence[int],
    codes: Sequence[Index],
    columns: Sequence[Array],
) -> Array:
    """z_k'W z_other (m,), added up over the other groups."""
    out = np.zeros(len(codes[k]))
    rows = np.flatnonzero(columns[k].any(axis=1))
    rows = rows[np.argsort(codes[k][rows], kind="stable")]
    levels, first = np.unique(codes[k][rows], return_index=True)
    q = layout.shapes[k][1]
    size = max(1, NUMBERS // (layout.size * q))
    for start in range(0, len(levels), size):
        some = levels[start : start + size]
        stop = first[start + size] if start + size < len(levels) else len(rows)
        mine = rows[first[start] : stop]
        covered = layout.split(factor.covered(units(layout, k, some)))
        place = np.searchsorted(some, codes[k][mine]) * q
        for other in others:
            level, z = codes[other][mine], columns[other][mine]
            for a, b in np.ndindex(q, z.shape[1]):
                out[mine] += columns[k][mine, a] * covered[other][level, b, place + a] * z[:, b]
    return out


def units(layout: Layout, k: int, levels: Index) -> Array:
    """Unit vectors (q_total, len(levels) q_k) of all coefficients of some levels of a group."""
    q = layout.shapes[k][1]
    where = (layout.offsets[k] + levels[:, None] * q + np.arange(q)).ravel()
    out = np.zeros((layout.size, len(where)))
    out[where, np.arange(len(where))] = 1.0
    return out
