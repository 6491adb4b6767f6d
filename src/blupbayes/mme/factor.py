"""(Statistics, T) -> Factor: blocked elimination of the random effects, at one relative covariance.

With V0 = I + Z Lam Lam' Z' (weights applied), everything that follows is a reading of

    W = Lam (Lam'Z'Z Lam + I)^-1 Lam'        the covariance of b given y and beta, over sigma^2
    N = Z'V0^-1 Z = Z'Z - Z'Z W Z'Z          the information about b

Both are regular at any T, singular T included: nothing here divides by T [E-PLS].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from blupbayes.errors import DataError
from blupbayes.mme.layout import (
    Layout,
    Link,
    Span,
    SparseCoupling,
    tail_times,
    tail_transposed_times,
)
from blupbayes.mme.selected import Eliminated, Selected, selected_blocks, transpose

__all__ = ["Factor", "cholesky", "factorize"]

Array = NDArray[np.float64]
TOO_LARGE = (
    "The random-effect variances are so large against the residual variance that double precision cannot "
    "solve the equations. For the limit of no pooling use pooling_path with tau = inf."
)


def cholesky(M: Array) -> Array:
    """Cholesky factor of M (..., q, q); DataError where rounding has left M without one."""
    try:
        return np.linalg.cholesky(M)
    except np.linalg.LinAlgError:
        raise DataError(TOO_LARGE) from None


def symmetric_inverse(M: Array) -> tuple[Array, float]:
    """Inverse and log-determinant of a positive definite matrix (t, t); M is overwritten."""
    if not len(M):
        return M, 0.0
    L, info = lapack.dpotrf(M.T, lower=1, overwrite_a=1, clean=0)
    if info:
        raise DataError(TOO_LARGE)
    log_det = 2.0 * float(np.log(np.diag(L)).sum())
    C, _ = lapack.dpotri(L, lower=1, overwrite_c=1)
    lower = np.tril(C)
    return lower + np.tril(C, -1).T, log_det


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
class Factor:
    """The eliminated system at one T.

    ``T``: (q_k, q_k) per group. ``log_det``: log|Lam'Z'ZLam + I|. ``N`` (t, t): Z'V^-1 Z of the tail given
    the chain; ``W`` (t, t): its part of W; ``C`` (t, t): the inverse itself.
    """

    layout: Layout
    T: tuple[Array, ...]
    chain: tuple[Eliminated, ...]
    N: Array
    C: Array
    W: Array
    log_det: float

    def solve(self, c: Array) -> tuple[Array, Array]:
        """W c and c - Z'Z W c, for c (q, m): with c = Z'x these are the BLUP map of x and Z'V0^-1 x."""
        start = self.layout.tail_start
        if not self.chain:
            b = self.W @ c
            return b, c - self.N @ b
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

    @cached_property
    def full(self) -> Array | None:
        """N (q, q), where the whole system is one dense block; None elsewhere."""
        return None if self.chain else self.N - self.N @ self.W @ self.N

    @cached_property
    def selected(self) -> tuple[Selected, ...]:
        """Level blocks of W and N, one Selected per group, in the model's order."""
        return selected_blocks(self.layout, self.T, self.chain, self.N, self.C, self.W, self.full)

    def noise(self, rng: np.random.Generator, n: int) -> Array:
        """Draws (q, n) from N(0, W), level by level from the tail backwards."""
        start = self.layout.tail_start
        b = np.empty((self.layout.size, n))
        if len(self.C):
            lower = np.linalg.cholesky(self.C)
            b[start:] = tail_Lam_times(self.layout.tail, self.T, lower @ rng.standard_normal((len(lower), n)))
        for e in reversed(self.chain):
            rest = -tail_times(e.tail, b[start:])
            for link in e.links:
                rest -= link.values @ self.chain[link.position].block.view(b)[link.ancestor]
            T = self.T[e.block.group]
            half = np.linalg.inv(np.linalg.cholesky(T.T @ e.D @ T + np.eye(len(T)))) @ T.T
            e.block.view(b)[...] = e.W @ rest + transpose(half) @ rng.standard_normal((*e.D.shape[:2], n))
        return b

    def __repr__(self) -> str:
        return f"Factor(log_det={self.log_det:.6g})\n{self.layout.describe()}"


def factorize(layout: Layout, T: tuple[Array, ...]) -> Factor:
    """Eliminate the random effects at T (one (q_k, q_k) per group, relative to sigma).

    Returns
    -------
    Factor
    """
    D = [block.D.copy() if k else block.D for k, block in enumerate(layout.chain)]
    links = [block.links for block in layout.chain]
    tails = [block.tail for block in layout.chain]
    N = layout.A.copy() if layout.chain else layout.A
    done: list[Eliminated] = []
    log_det = 0.0
    for k, block in enumerate(layout.chain):
        W, part = level_inverse(D[k], T[block.group])
        log_det += part
        done.append(Eliminated(block, D[k], W, links[k], tails[k]))
        eliminate(done[-1], D, links, tails, N)
    C, W_tail, part = invert_tail(layout, N, T)
    return Factor(layout, T, tuple(done), N, C, W_tail, log_det + part)


def eliminate(
    e: Eliminated, D: list[Array], links: list[tuple[Link, ...]], tails: list[Array | SparseCoupling], N: Array
) -> None:
    """Subtract one chain block's part from all that comes later: C_l' W_l C_l."""
    if isinstance(e.tail, SparseCoupling):
        from blupbayes.mme.kernels import downdate

        downdate(N, e.tail.indptr, e.tail.indices, e.tail.values, e.W)
        N[...] = np.tril(N) + np.tril(N, -1).T
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


def tail_Lam_times(tail: Sequence[Span], T: tuple[Array, ...], x: Array) -> Array:
    """Lam x for x (t, m) over the tail."""
    return np.concatenate([(T[s.group] @ x[s.slice].reshape(s.J, s.q, -1)).reshape(s.J * s.q, -1) for s in tail])


def scaled(tail: Sequence[Span], M: Array, T: tuple[Array, ...], *, transposed: bool) -> Array:
    """Lam'M Lam if transposed, else Lam M Lam', for M (t, t) over the tail."""
    if all(s.q == 1 for s in tail):
        lam = np.repeat([T[s.group][0, 0] for s in tail], [s.J for s in tail])
        return np.asarray(M * lam[:, None] * lam)
    out = M
    for _ in range(2):
        out = tail_Lam_times(tail, tuple(t.T for t in T) if transposed else T, out).T
    return np.ascontiguousarray(out)
