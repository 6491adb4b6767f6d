"""Blocked elimination of the random effects: a chain of block-diagonal groups, then a dense tail."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from blupbayes.errors import DataError
from blupbayes.mme.coupling import tail_times, tail_transposed_times
from blupbayes.mme.elimination import Eliminated, downdated, level_inverse
from blupbayes.mme.first_block import FirstBlock
from blupbayes.mme.layout import Layout
from blupbayes.mme.linalg import (
    TOO_LARGE,
    Lam_times,
    cholesky,
    factored,
    inverse_of,
    scale,
    transpose,
    triangular_solve,
)
from blupbayes.mme.orthonormal import triangular_root
from blupbayes.mme.selected import Selected, Tail, selected_blocks
from blupbayes.mme.statistics import Statistics

__all__ = ["BlockedFactor", "eliminate_chain"]

Array = NDArray[np.float64]
LEAST_INFORMATION = 1e-11  # of that without random effects: below it, what is left of Q'V0^-1 Q is rounding


@dataclass(frozen=True, eq=False)
class BlockedFactor:
    """The eliminated system at one T; a Factor (factor.py).

    ``T``: (q_k, q_k) per group. ``log_det``: log|Lam'Z'ZLam + I|. ``L`` (t, t): Cholesky factor of Lam'N Lam + I,
    N being Z'V^-1 Z of the tail given the chain; it is the only array of its size that a factor holds.
    ``half`` (J, q, q): half'half = G of the first block (first_block.py).
    """

    statistics: Statistics
    first: FirstBlock
    T: tuple[Array, ...]
    chain: tuple[Eliminated, ...]
    L: Array
    half: Array
    log_det: float

    def solve(self, c: Array, outside: Array | None = None) -> tuple[Array, Array, Array]:
        """W c and c - Z'Z W c for c (q, m): with c = Z'x these are the BLUP map of x and Z'V0^-1 x.

        ``outside``: Z'(I - U U')x of first_block.py, from which no digits cancel. Also what the elimination takes
        from x'x (m, m), that of the first block left out where ``outside`` is given.
        """
        start, first = self.layout.tail_start, self.chain[0]
        c, b, v = c.copy(), np.empty_like(c), np.empty_like(c)
        total = np.zeros((c.shape[1],) * 2)
        for e in self.chain:
            mine = e.block.view(c)
            if e is first and outside is not None:
                x = e.taken @ mine
                c[e.block.stop :] = outside[e.block.stop :]
            else:
                x = e.W @ mine
                total += np.tensordot(mine, x, axes=((0, 1), (0, 1)))
            for link in e.links:
                link.add_to(self.chain[link.position].block.view(c), -(transpose(link.values) @ x))
            c[start:] -= tail_transposed_times(e.tail, x)
        half = triangular_solve(self.L, Lam_times(self.layout.tail, self.transposed, c[start:]))
        total += half.T @ half
        b[start:] = Lam_times(self.layout.tail, self.T, triangular_solve(self.L, half, transposed=True))
        v[start:] = c[start:] - self.first.rest.N @ b[start:]
        for e in reversed(self.chain):
            mine = tail_times(e.tail, b[start:])
            v[start:] += tail_transposed_times(e.tail, e.taken @ mine)
            rest = e.block.view(c) - mine
            for link in e.links:
                rest -= link.values @ self.chain[link.position].block.view(b)[link.ancestor]
            e.block.view(b)[...] = e.answer @ rest
            e.block.view(v)[...] = e.K @ rest
        return b, v, total

    @property
    def transposed(self) -> tuple[Array, ...]:
        """T' of every group."""
        return tuple(T.T for T in self.T)

    def tail_information(self) -> Array:
        """N (t, t)."""
        N = self.first.rest.N.copy()
        for e in self.chain:
            downdated(N, e.tail, e.taken)
        return N

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
        """b, v (q, r + 1) and the triangular root of [Q e]'V0^-1 [Q e] (r + 1, r + 1)."""
        first, r = self.first, self.statistics.rank
        b, v, taken = self.solve(self.statistics.ZQe, first.ZQe)
        half = (self.half @ first.inside).reshape(-1, r + 1)
        root = triangular_root(np.vstack([first.within, half]))
        if len(self.chain) > 1 or len(self.L) > 0:
            inner = root.T @ root - taken
            if r and np.linalg.eigvalsh(inner[:r, :r])[0] < LEAST_INFORMATION:
                raise DataError(TOO_LARGE)
            root = cholesky(inner).T
        return b, v, root

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
        diagonal, C = self.layout.A.diagonal(), inverse_of(self.L)
        tail = Tail(self.layout.tail, self.T, diagonal, C, self.tail_information)
        return selected_blocks(self.T, self.chain, tail)

    def covered(self, x: Array) -> Array:
        """W x (q, m)."""
        return self.solve(x)[0]

    def noise(self, rng: np.random.Generator, n: int) -> Array:
        """Draws (q, n) from N(0, W), level by level from the tail backwards."""
        start = self.layout.tail_start
        b = np.empty((self.layout.size, n))
        u = triangular_solve(self.L, rng.standard_normal((len(self.L), n)), transposed=True)
        b[start:] = Lam_times(self.layout.tail, self.T, u)
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


def eliminate_chain(statistics: Statistics, first: FirstBlock, T: tuple[Array, ...]) -> BlockedFactor:
    """Eliminate the random effects at T (one (q_k, q_k) per group, relative to sigma)."""
    layout, rest = statistics.layout, first.rest.copy()
    d = first.eliminated(T[layout.chain[0].group])
    done = [Eliminated(layout.chain[0], rest.D[0], d.W, d.K, d.taken, d.answer, rest.links[0], rest.tails[0])]
    rest.subtract(0, d.taken)
    log_det = d.log_det
    for k, block in enumerate(layout.chain[1:], 1):
        W, K, part = level_inverse(rest.D[k], T[block.group])
        log_det += part
        done.append(Eliminated(block, rest.D[k], W, K, W, W, rest.links[k], rest.tails[k]))
        rest.subtract(k, W)
    M = rest.N
    scale(layout.tail, M, T)
    M.flat[:: len(M) + 1] += 1.0
    L, part = factored(M)
    return BlockedFactor(statistics, first, T, tuple(done), L, d.half, log_det + part)
