"""Blocked elimination of the random effects: a chain of block-diagonal groups, then a dense tail."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from blupbayes.errors import DataError
from blupbayes.mme.coupling import Link, SparseCoupling, tail_times, tail_transposed_times
from blupbayes.mme.layout import Layout
from blupbayes.mme.linalg import TOO_LARGE, Lam_times, cholesky, mirrored, scaled, symmetric_inverse
from blupbayes.mme.selected import Eliminated, Selected, selected_blocks, transpose
from blupbayes.mme.statistics import Statistics

__all__ = ["BlockedFactor", "eliminate_chain"]

Array = NDArray[np.float64]
LEAST_INFORMATION = 1e-11  # of that without random effects: below it, Q'V0^-1 Q has no five digits left


def level_inverse(D: Array, T: Array) -> tuple[Array, float]:
    """W_l = T (T'D_l T + I)^-1 T' for every level (J, q, q), and the log-determinant of all."""
    q = len(T)
    if q == 1:
        m = T[0, 0] ** 2 * D + 1.0
        if not m.min() > 0:
            raise DataError(TOO_LARGE)
        return T[0, 0] ** 2 / m, float(np.log(m).sum())
    L = cholesky(T.T @ D @ T + np.eye(q))
    log_det = 2.0 * float(np.log(np.diagonal(L, axis1=1, axis2=2)).sum())
    half = np.linalg.solve(L, np.broadcast_to(T.T, D.shape))
    return transpose(half) @ half, log_det


@dataclass(frozen=True)
class BlockedFactor:
    """The eliminated system at one T; a Factor (factor.py).

    ``T``: (q_k, q_k) per group. ``log_det``: log|Lam'Z'ZLam + I|. ``N`` (t, t): Z'V^-1 Z of the tail given
    the chain; ``W`` (t, t): its part of W; ``C`` (t, t): the inverse itself.
    """

    statistics: Statistics
    T: tuple[Array, ...]
    chain: tuple[Eliminated, ...]
    N: Array
    C: Array
    W: Array
    log_det: float

    def solve(self, c: Array) -> tuple[Array, Array]:
        """W c and c - Z'Z W c, for c (q, m): with c = Z'x these are the BLUP map of x and Z'V0^-1 x."""
        start = self.layout.tail_start
        c, b = c.copy(), np.empty_like(c)
        for e in self.chain:
            x = e.W @ e.block.view(c)
            for link in e.links:
                link.add_to(self.chain[link.position].block.view(c), -(transpose(link.values) @ x))
            c[start:] -= tail_transposed_times(e.tail, x)
        b[start:] = self.W @ c[start:]
        v = np.empty_like(c)
        v[start:] = c[start:] - self.N @ b[start:]
        for e in reversed(self.chain):
            rest = e.block.view(c) - tail_times(e.tail, b[start:])
            for link in e.links:
                rest -= link.values @ self.chain[link.position].block.view(b)[link.ancestor]
            mine = e.W @ rest
            e.block.view(b)[...] = mine
            e.block.view(v)[...] = rest - e.D @ mine
        return b, v

    @property
    def layout(self) -> Layout:
        """Order and storage."""
        return self.statistics.layout

    @property
    def full(self) -> None:
        """N as a whole is not formed."""
        return None

    @cached_property
    def border(self) -> tuple[Array, Array, Array]:
        """b, v (q, r + 1) and [Q e]'V0^-1 [Q e] (r + 1, r + 1): what is left after the random effects."""
        c, r = self.statistics.ZQe, self.statistics.rank
        b, v = self.solve(c)
        whole = np.eye(r + 1)
        whole[r, r] = self.statistics.ee
        inner = whole - c.T @ b
        if r and np.linalg.eigvalsh(inner[:r, :r])[0] < LEAST_INFORMATION:
            raise DataError(TOO_LARGE)
        return b, v, inner

    def information(self, x: Array) -> Array:
        """Z'V0^-1 Z x (q, m)."""
        return self.solve(self.layout.multiply(x))[1]

    @property
    def N_levels(self) -> tuple[Array, ...]:
        """Level blocks (J, q, q) of N."""
        return tuple(s.N for s in self.selected)

    @property
    def W_levels(self) -> tuple[Array, ...]:
        """Level blocks (J, q, q) of W."""
        return tuple(s.W for s in self.selected)

    @cached_property
    def selected(self) -> tuple[Selected, ...]:
        """Level blocks of W and N, one Selected per group, in the model's order."""
        return selected_blocks(self.layout, self.T, self.chain, self.N, self.C, self.W)

    def noise(self, rng: np.random.Generator, n: int) -> Array:
        """Draws (q, n) from N(0, W), level by level from the tail backwards."""
        start = self.layout.tail_start
        b = np.empty((self.layout.size, n))
        if len(self.C):
            lower = cholesky(self.C)
            b[start:] = Lam_times(self.layout.tail, self.T, lower @ rng.standard_normal((len(lower), n)))
        for e in reversed(self.chain):
            rest = -tail_times(e.tail, b[start:])
            for link in e.links:
                rest -= link.values @ self.chain[link.position].block.view(b)[link.ancestor]
            T = self.T[e.block.group]
            half = np.linalg.inv(cholesky(T.T @ e.D @ T + np.eye(len(T)))) @ T.T
            e.block.view(b)[...] = e.W @ rest + transpose(half) @ rng.standard_normal((*e.D.shape[:2], n))
        return b

    def __repr__(self) -> str:
        return f"Factor(log_det={self.log_det:.6g})\n{self.layout.describe()}"


def eliminate_chain(statistics: Statistics, T: tuple[Array, ...]) -> BlockedFactor:
    """Eliminate the random effects at T (one (q_k, q_k) per group, relative to sigma)."""
    layout = statistics.layout
    D = [block.D.copy() if k else block.D for k, block in enumerate(layout.chain)]
    links = [block.links for block in layout.chain]
    tails = [block.tail for block in layout.chain]
    N = layout.A.copy()
    done: list[Eliminated] = []
    log_det = 0.0
    for k, block in enumerate(layout.chain):
        W, part = level_inverse(D[k], T[block.group])
        log_det += part
        done.append(Eliminated(block, D[k], W, links[k], tails[k]))
        eliminate(done[-1], D, links, tails, N)
    C, W_tail, part = invert_tail(layout, N, T)
    return BlockedFactor(statistics, T, tuple(done), N, C, W_tail, log_det + part)


def eliminate(
    e: Eliminated,
    D: list[Array],
    links: list[tuple[Link, ...]],
    tails: list[Array | SparseCoupling],
    N: Array,
) -> None:
    """Subtract one chain block's part from all that comes later: C_l' W_l C_l."""
    if isinstance(e.tail, SparseCoupling):
        from blupbayes.mme.kernels import downdate

        downdate(N, e.W, *e.tail.by_column)
        mirrored(N)
        return
    for link in e.links:
        WF = transpose(link.values) @ e.W
        link.add_to(D[link.position], -(WF @ link.values))
        changed = []
        for far in links[link.position]:
            mine = next(x for x in e.links if x.position == far.position)
            values = far.values.copy()
            link.add_to(values, -(WF @ mine.values))
            changed.append(Link(far.position, far.ancestor, values, far.gather))
        links[link.position] = tuple(changed)
        coupling = tails[link.position]
        if N.size and not isinstance(coupling, SparseCoupling):
            coupling = coupling.copy()
            link.add_to(coupling, -(WF @ e.tail))
            tails[link.position] = coupling
    if N.size:
        N -= tail_transposed_times(e.tail, e.W @ e.tail)


def invert_tail(layout: Layout, N: Array, T: tuple[Array, ...]) -> tuple[Array, Array, float]:
    """C = (Lam'N Lam + I)^-1 of the tail, W = Lam C Lam', and log|Lam'N Lam + I|."""
    M = scaled(layout.tail, N, T, transposed=True)
    M.flat[:: len(M) + 1] += 1.0
    C, log_det = symmetric_inverse(M)
    return C, scaled(layout.tail, C, T, transposed=False), log_det
