"""The independent parts of a small model: levels that never meet, each in orthonormal coordinates of its own.

Levels of grouping factors that occur together in a row, directly or through others, form a component: a subject, a
batch with its casks, or everything where factors cross. Z'Z, and with it every matrix of the size of the random
effects, is block diagonal in the components, so that many small blocks are worked on instead of a large one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from blupbayes.mme.core import Core
from blupbayes.mme.layout import Layout, Span
from blupbayes.mme.statistics import Statistics

__all__ = ["Parts", "parts_of"]

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Mask = NDArray[np.bool_]

DEPENDENT = 1e-15  # squares of singular values below q times this are rounding, columns of unit length
ORTHOGONAL = 1e-11  # components that are further from orthogonal than this stay together


@dataclass(frozen=True, eq=False)
class Parts:
    """C components of k rows and q columns, filled up with zeros.

    ``spans``: where each grouping factor stands in the q columns of a component; ``columns`` (C, q): the places of
    these columns in the layout, -1 for one that fills up; ``root`` (C, k, q): Z_c = U_c root_c, U_c'U_c = I;
    ``inside`` (C, k, r + 1): U_c'[Q e]; ``within`` (r + 1, r + 1): triangular root of what is outside; ``alive``
    (C, k): rows that do not fill up.
    """

    spans: tuple[Span, ...]
    columns: Index
    root: Array
    inside: Array
    within: Array
    alive: Mask


def parts_of(statistics: Statistics) -> Parts | None:
    """The components of a model that is one dense block or has one grouping factor; None for others."""
    layout, first = statistics.layout, statistics.first
    if statistics.core is not None:
        return components(layout, statistics.core)
    if first is None or len(layout.chain) > 1 or layout.tail:
        return None
    J, _, q = first.root.shape
    columns = np.arange(J * q).reshape(J, q)
    span = Span(layout.chain[0].group, 0, 1, q)
    return Parts((span,), columns, first.root, first.inside, first.within, first.root.any(axis=2))


def components(layout: Layout, core: Core) -> Parts:
    """The components of a dense block; the whole block where it has one only, or they are too uneven."""
    spans, columns = arranged(layout, labels(layout))
    found = separated(core, columns)
    if found is None:
        spans, columns = arranged(layout, np.zeros(layout.size, dtype=np.intp))
        k, q = core.root.shape
        root = core.root[None][:, :, columns[0]]
        return Parts(spans, columns, root, core.root_a[None][:, :, q:], core.within, np.ones((1, k), bool))
    root, inside, alive = found
    return Parts(spans, columns, root, inside, core.within, alive)


def labels(layout: Layout) -> Index:
    """The component (q,) of every column."""
    meet = layout.dense() != 0
    for s in layout.tail:
        same = np.kron(np.eye(s.J, dtype=bool), np.ones((s.q, s.q), dtype=bool))
        meet[s.slice, s.slice] |= same
    return np.asarray(connected_components(sp.csr_array(meet), directed=False)[1], dtype=np.intp)


def arranged(layout: Layout, label: Index) -> tuple[tuple[Span, ...], Index]:
    """Spans within a component, and the columns (C, q) of every component."""
    spans, blocks, start, C = [], [], 0, int(label.max(initial=0)) + 1
    for s in layout.tail:
        levels = [np.flatnonzero(label[s.slice][:: s.q] == c) for c in range(C)]
        J = max(len(mine) for mine in levels)
        block = np.full((C, J, s.q), -1, dtype=np.intp)
        for c, mine in enumerate(levels):
            block[c, : len(mine)] = s.start + mine[:, None] * s.q + np.arange(s.q)
        spans.append(Span(s.group, start, J, s.q))
        blocks.append(block.reshape(C, -1))
        start += J * s.q
    return tuple(spans), np.concatenate(blocks, axis=1)


def separated(core: Core, columns: Index) -> tuple[Array, Array, Mask] | None:
    """root, inside and alive of every component, or None where one block is better."""
    if len(columns) == 1:
        return None
    bases = [own_basis(core.root[:, mine[mine >= 0]]) for mine in columns]
    both, k = np.hstack(bases), max(x.shape[1] for x in bases)
    size = len(both)
    together = both.shape[1] == size and np.abs(both.T @ both - np.eye(size)).max() < ORTHOGONAL
    if not together or len(columns) * k**3 > size**3:
        return None
    a = core.root_a[:, core.root.shape[1] :]
    root = np.zeros((len(columns), k, columns.shape[1]))
    inside, alive = np.zeros((len(columns), k, a.shape[1])), np.zeros((len(columns), k), dtype=bool)
    for c, (mine, basis) in enumerate(zip(columns, bases, strict=True)):
        rows = slice(0, basis.shape[1])
        root[c, rows, mine >= 0] = (basis.T @ core.root[:, mine[mine >= 0]]).T
        inside[c, rows] = basis.T @ a
        alive[c, rows] = True
    return root, inside, alive


def own_basis(root: Array) -> Array:
    """An orthonormal basis of the columns of root (k, q), dependence judged in columns of unit length."""
    length = np.linalg.norm(root, axis=0)
    U, s, _ = np.linalg.svd(root / np.where(length > 0, length, 1.0), full_matrices=False)
    return np.asarray(U[:, s**2 > DEPENDENT * root.shape[1]])
