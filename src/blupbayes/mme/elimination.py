"""Eliminating one block of the chain after the other: what is left of Z'WZ, and what became of each block."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blupbayes.errors import DataError
from blupbayes.mme.coupling import Link, SparseCoupling, tail_transposed_times
from blupbayes.mme.layout import Block, Layout
from blupbayes.mme.linalg import TOO_LARGE, cholesky, mirrored, transpose

__all__ = ["Eliminated", "Remainder", "downdated", "level_inverse"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Eliminated:
    """A chain block at its turn: D (J, q, q), W = T(T'DT + I)^-1 T' and K = I - DW, and its couplings C.

    C'(taken)C was subtracted from what comes later: W, or from outside the block's range minus D^-1 K.
    ``answer`` (J, q, q): W on the range of D, T T'K, in which what the level's rows do not see is exactly 0.
    """

    block: Block
    D: Array
    W: Array
    K: Array
    taken: Array
    answer: Array
    links: tuple[Link, ...]
    tail: Array | SparseCoupling


def level_inverse(D: Array, T: Array) -> tuple[Array, Array, float]:
    """W = T (T'DT + I)^-1 T' and K = I - DW of every level (J, q, q), and the log-determinant of all."""
    q = len(T)
    if q == 1:
        m = T[0, 0] ** 2 * D + 1.0
        if not m.min() > 0:
            raise DataError(TOO_LARGE)
        return T[0, 0] ** 2 / m, 1.0 / m, float(np.log(m).sum())
    L = cholesky(T.T @ D @ T + np.eye(q))
    log_det = 2.0 * float(np.log(np.diagonal(L, axis1=1, axis2=2)).sum())
    half = np.linalg.solve(L, np.broadcast_to(T.T, D.shape))
    W = transpose(half) @ half
    return W, np.eye(q) - D @ W, log_det


@dataclass
class Remainder:
    """Z'WZ of all that is not eliminated yet: per chain block D, links and coupling to the tail; the tail's N."""

    D: list[Array]
    links: list[tuple[Link, ...]]
    tails: list[Array | SparseCoupling]
    N: Array

    @classmethod
    def of(cls, layout: Layout) -> Remainder:
        """Before the first elimination; the first block itself never changes and is shared."""
        chain = layout.chain
        D = [b.D.copy() if k else b.D for k, b in enumerate(chain)]
        return cls(D, [b.links for b in chain], [b.tail for b in chain], layout.dense())

    def copy(self) -> Remainder:
        """A copy that can be worked on."""
        D = [d.copy() if k else d for k, d in enumerate(self.D)]
        return Remainder(D, list(self.links), list(self.tails), self.N.copy())

    def subtract(self, k: int, M: Array) -> None:
        """Subtract C'MC from all that comes after block k, C being its coupling to that; M (J, q, q)."""
        tail = self.tails[k]
        if not isinstance(tail, SparseCoupling):
            self._subtract_links(self.links[k], tail, M)
        downdated(self.N, tail, M)

    def _subtract_links(self, links: tuple[Link, ...], tail: Array, M: Array) -> None:
        """The part of later blocks of the chain."""
        for link in links:
            there = link.position
            MF = transpose(link.values) @ M
            link.add_to(self.D[there], -(MF @ link.values))
            changed = []
            for far in self.links[there]:
                mine = next(x for x in links if x.position == far.position)
                values = far.values.copy()
                link.add_to(values, -(MF @ mine.values))
                changed.append(Link(far.position, far.ancestor, values, far.gather))
            self.links[there] = tuple(changed)
            coupling = self.tails[there]
            if self.N.size and not isinstance(coupling, SparseCoupling):
                coupling = coupling.copy()
                link.add_to(coupling, -(MF @ tail))
                self.tails[there] = coupling


def downdated(N: Array, tail: Array | SparseCoupling, M: Array) -> None:
    """N -= C'MC for the coupling C of one block to the tail, in place; M (J, q, q)."""
    if isinstance(tail, SparseCoupling):
        from blupbayes.mme.kernels import downdate

        downdate(N, M, *tail.by_column)
        mirrored(N)
    elif N.size:
        N -= tail_transposed_times(tail, M @ tail)
