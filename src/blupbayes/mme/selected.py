"""Selected inverse: the level blocks of W and N, without forming either.

Only the blocks on the pattern of the chain are followed (Takahashi's recursion, from the tail backwards);
they are Henderson's prediction-error variances [E-PEV] and the score of the criteria [E-SCORE].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from blupbayes.mme.coupling import SparseCoupling
from blupbayes.mme.elimination import Eliminated
from blupbayes.mme.layout import Layout, Span
from blupbayes.mme.linalg import scaled, transpose

__all__ = ["Selected", "Tail", "level_blocks", "level_diagonal", "selected_blocks"]

Array = NDArray[np.float64]
WELL_DETERMINED = 1e-4  # N of a tail group is read from C where the diagonal of T'Z'ZT exceeds this
SMALL_TAIL = 300


@dataclass(frozen=True, eq=False)
class Selected:
    """Level blocks of one grouping factor, each (J, q, q): of W [E-PEV] and of N [E-SCORE]."""

    W: Array
    N: Array


@dataclass(frozen=True, eq=False)
class Tail:
    """What the tail contributes; (t, t) arrays that live no longer than this does.

    ``diagonal`` (t,): of Z'WZ; ``C``: (Lam'N Lam + I)^-1; ``information``: forms N, which is seldom wanted.
    """

    spans: tuple[Span, ...]
    T: tuple[Array, ...]
    diagonal: Array
    C: Array
    information: Callable[[], Array]

    @cached_property
    def N(self) -> Array:
        """Z'V^-1 Z of the tail given the chain."""
        return self.information()

    @cached_property
    def W(self) -> Array:
        """Lam C Lam', the tail's part of W."""
        return scaled(self.spans, self.C, self.T, transposed=False)


def level_blocks(M: Array, layout: Layout) -> tuple[Array, ...]:
    """Level blocks (J, q, q) on the diagonal of M (q_total, q_total), one array per group."""
    spans = (
        Span(k, o, J, q) for k, (o, (J, q)) in enumerate(zip(layout.offsets, layout.shapes, strict=True))
    )
    return tuple(level_diagonal(M[s.slice, s.slice], s) for s in spans)


def selected_blocks(T: tuple[Array, ...], chain: Sequence[Eliminated], tail: Tail) -> tuple[Selected, ...]:
    """Level blocks of W and N, one Selected per group, in the model's order."""
    if len(chain) == 1 and not len(tail.C):  # a single grouping factor
        return (Selected(chain[0].W, chain[0].K @ chain[0].D),)
    found = {s.group: tail_blocks(s, T[s.group], tail) for s in tail.spans}
    later: list[Later] = []
    for position in range(len(chain) - 1, -1, -1):
        e = chain[position]
        Y, column = coupled(e, later, tail, keep=position > 0)
        mine = e.W + e.answer @ Y @ transpose(e.answer)
        found[e.block.group] = Selected(mine, e.K @ e.D - e.K @ Y @ transpose(e.K))
        if column is not None:
            later.insert(0, Later(position, mine, column[0], column[1]))
    return tuple(found[k] for k in range(len(T)))


def tail_blocks(span: Span, T: Array, tail: Tail) -> Selected:
    """Level blocks of one group of the tail."""
    here = (span.slice, span.slice)
    inner = level_diagonal(tail.C[here], span)
    mine = T @ inner @ T.T
    strength = np.min(np.diag(T) ** 2 * np.mean(tail.diagonal[span.slice].reshape(span.J, span.q), axis=0))
    if strength > (WELL_DETERMINED if len(tail.C) > SMALL_TAIL else 1.0):
        inv = np.linalg.inv(T)
        return Selected(mine, inv.T @ (np.eye(span.q) - inner) @ inv)
    rows = tail.N[span.slice]
    product = (rows @ tail.W).reshape(span.J, span.q, -1)
    return Selected(
        mine, level_diagonal(tail.N[here], span) - product @ transpose(rows.reshape(product.shape))
    )


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
    e: Eliminated, later: Sequence[Later], tail: Tail, *, keep: bool
) -> tuple[Array, tuple[dict[int, Array], Array] | None]:
    """Y_l = C_l W_later C_l' of every level (J, q, q), C_l being its coupling to all that is eliminated later.

    With ``keep`` also the columns -W_l C_l W_later that the blocks before it need (Takahashi's recursion).
    """
    if isinstance(e.tail, SparseCoupling):
        from blupbayes.mme.kernels import level_forms

        blocks = [(s.slice, tail.T[s.group]) for s in tail.spans]
        return level_forms(tail.C, *e.tail.by_column[:-1], e.tail.times(blocks)), None
    by_position = {x.position: x for x in later}
    H_tail = e.tail @ tail.W
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
