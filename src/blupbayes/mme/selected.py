"""Selected inverse: the level blocks of W and N, without forming either.

Only the blocks on the pattern of the chain are followed (Takahashi's recursion, from the tail backwards);
they are Henderson's prediction-error variances [E-PEV] and the score of the criteria [E-SCORE].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blupbayes.mme.coupling import SparseCoupling
from blupbayes.mme.elimination import Eliminated
from blupbayes.mme.layout import Layout, Span
from blupbayes.mme.linalg import transpose

__all__ = ["Selected", "level_blocks", "level_diagonal", "selected_blocks"]

Array = NDArray[np.float64]
WELL_DETERMINED = 1e-4  # N of a tail group is read from C where the diagonal of T'Z'ZT exceeds this
SMALL_TAIL = 300


@dataclass(frozen=True, eq=False)
class Selected:
    """Level blocks of one grouping factor, each (J, q, q): of W [E-PEV] and of N [E-SCORE]."""

    W: Array
    N: Array


def level_blocks(M: Array, layout: Layout) -> tuple[Array, ...]:
    """Level blocks (J, q, q) on the diagonal of M (q_total, q_total), one array per group."""
    spans = (
        Span(k, o, J, q) for k, (o, (J, q)) in enumerate(zip(layout.offsets, layout.shapes, strict=True))
    )
    return tuple(level_diagonal(M[s.slice, s.slice], s) for s in spans)


def selected_blocks(
    layout: Layout, T: tuple[Array, ...], chain: Sequence[Eliminated], N: Array, C: Array, W: Array
) -> tuple[Selected, ...]:
    """Level blocks of W and N, one Selected per group, in the model's order.

    N, C and W (t, t) are the tail's, as in BlockedFactor.
    """
    found = {s.group: tail_blocks(s, layout, T[s.group], N, C, W) for s in layout.tail}
    later: list[Later] = []
    for position in range(len(chain) - 1, -1, -1):
        e = chain[position]
        Y, column = coupled(e, later, W, keep=position > 0)
        mine = e.W + e.answer @ Y @ transpose(e.answer)
        found[e.block.group] = Selected(mine, e.K @ e.D - e.K @ Y @ transpose(e.K))
        if column is not None:
            later.insert(0, Later(position, mine, column[0], column[1]))
    return tuple(found[k] for k in range(len(T)))


def tail_blocks(span: Span, layout: Layout, T: Array, N: Array, C: Array, W: Array) -> Selected:
    """Level blocks of one group of the tail."""
    here = (span.slice, span.slice)
    mine = level_diagonal(W[here], span)
    D = level_diagonal(layout.A[here], span)
    strength = np.min(np.diag(T) ** 2 * np.mean(np.diagonal(D, axis1=1, axis2=2), axis=0))
    if strength > (WELL_DETERMINED if len(N) > SMALL_TAIL else 1.0):
        inv = np.linalg.inv(T)
        return Selected(mine, inv.T @ (np.eye(span.q) - level_diagonal(C[here], span)) @ inv)
    rows = N[span.slice]
    product = (rows @ W).reshape(span.J, span.q, -1)
    return Selected(mine, level_diagonal(N[here], span) - product @ transpose(rows.reshape(product.shape)))


@dataclass(frozen=True, eq=False)
class Later:
    """W between a chain block, its ancestors (by position) and the tail, for the blocks before it."""

    position: int
    W: Array
    ancestors: dict[int, Array]
    tail: Array


def level_diagonal(M: Array, span: Span) -> Array:
    """Level blocks (J, q, q) on the diagonal of M (J q, J q)."""
    level = np.arange(span.J)
    return np.asarray(M.reshape(span.J, span.q, span.J, span.q)[level, :, level, :])


def coupled(
    e: Eliminated, later: Sequence[Later], W_tail: Array, *, keep: bool
) -> tuple[Array, tuple[dict[int, Array], Array] | None]:
    """Y_l = C_l W_later C_l' of every level (J, q, q), C_l being its coupling to all that is eliminated later.

    With ``keep`` also the columns -W_l C_l W_later that the blocks before it need (Takahashi's recursion).
    """
    if isinstance(e.tail, SparseCoupling):
        from blupbayes.mme.kernels import level_forms

        return level_forms(W_tail, *e.tail.by_column), None
    by_position = {x.position: x for x in later}
    H_tail = e.tail @ W_tail
    H = {
        link.position: e.tail @ transpose(by_position[link.position].tail[link.ancestor]) for link in e.links
    }
    for i in e.links:
        H_tail = H_tail + i.values @ by_position[i.position].tail[i.ancestor]
        for j in e.links:
            near, far = sorted((i, j), key=lambda link: link.position)
            if near is far:
                pair = by_position[near.position].W[near.ancestor]
            else:
                pair = by_position[near.position].ancestors[far.position][near.ancestor]
            H[j.position] = H[j.position] + i.values @ (pair if i is near else transpose(pair))
    Y = H_tail @ transpose(e.tail)
    for link in e.links:
        Y = Y + H[link.position] @ transpose(link.values)
    if not keep:
        return Y, None
    return Y, ({p: -(e.answer @ h) for p, h in H.items()}, -(e.answer @ H_tail))
