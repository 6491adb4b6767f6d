"""Many relative covariances at once: what a Factor and its Border say, as arrays over the points of a lattice.

Small models go through NumPy's stacks of matrices, thousands of points in one sweep and in the same orthonormal
coordinates as dense.py; for the others a Factor is made at one point after the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from blupbayes.errors import DataError
from blupbayes.mme.core import Core
from blupbayes.mme.factor import Factor, factorize
from blupbayes.mme.forms import forms
from blupbayes.mme.linalg import transpose
from blupbayes.mme.statistics import Statistics

__all__ = ["Many", "eliminate_many"]

Array = NDArray[np.float64]
Index = NDArray[np.intp]

NUMBERS = 2_000_000  # held at once in one matrix per point


class Many(Protocol):
    """m points; q random effects in the layout's order.

    ``log_det`` (m,): log|Lam'Z'Z Lam + I|; ``root`` (m, r + 1, r + 1): upper triangular root of [Q e]'V0^-1 [Q e]; NaN
    in both where double precision has no solution.
    """

    @property
    def log_det(self) -> Array: ...
    @property
    def root(self) -> Array: ...
    def effects(self, which: NDArray[np.intp]) -> tuple[Array, Array]:
        """b = W Z'[Q e] (k, q, r + 1) and the diagonal of W (k, q) at k of the points."""

    def covered(self, x: Array) -> Array:
        """W x (m, q, n) for x (q, n)."""

    def forms(self, codes: Sequence[Index], columns: Sequence[Array]) -> Array:
        """z'Wz (m, n) of n rows z, given as in forms.py."""

    def noise(self, rng: np.random.Generator) -> Array:
        """One draw (m, q) from N(0, W) at each point."""


@dataclass(frozen=True, eq=False)
class OneByOne:
    """A Factor for every point."""

    statistics: Statistics
    factors: tuple[Factor | None, ...]
    log_det: Array
    root: Array

    def effects(self, which: NDArray[np.intp]) -> tuple[Array, Array]:
        """As in Many."""
        chosen = [f for f in (self.factors[k] for k in which) if f is not None]
        own = [
            self.statistics.layout.join([diagonals(W)[..., None] for W in f.W_levels])[:, 0] for f in chosen
        ]
        return np.stack([f.border[0] for f in chosen]), np.stack(own)

    def covered(self, x: Array) -> Array:
        """As in Many."""
        missing = np.full(x.shape, np.nan)
        return np.stack([missing if f is None else f.covered(x) for f in self.factors])

    def forms(self, codes: Sequence[Index], columns: Sequence[Array]) -> Array:
        """As in Many."""
        missing, layout = np.full(len(codes[0]), np.nan), self.statistics.layout
        return np.stack([missing if f is None else forms(f, layout, codes, columns) for f in self.factors])

    def noise(self, rng: np.random.Generator) -> Array:
        """As in Many."""
        missing = np.full((self.statistics.layout.size, 1), np.nan)
        return np.stack([missing if f is None else f.noise(rng, 1) for f in self.factors])[:, :, 0]


@dataclass(frozen=True, eq=False)
class Stacked:
    """M = I + H H' = L L' in the coordinates of dense.py, ``y`` (m, k, r + 1) = L^-1 a."""

    statistics: Statistics
    core: Core
    T: tuple[Array, ...]
    H: Array
    L: Array
    y: Array
    log_det: Array
    root: Array

    def effects(self, which: NDArray[np.intp]) -> tuple[Array, Array]:
        """As in Many."""
        tail = self.statistics.layout.tail
        H, L = self.H[which], self.L[which]
        v = self.core.root.T @ np.linalg.solve(transpose(L), self.y[which])
        C = inverses(transpose(H) @ H + np.eye(H.shape[2]))
        b, own = np.empty_like(v), np.empty(v.shape[:2])
        for s in tail:
            T = self.T[s.group][which][:, None]
            mine = v[:, s.slice].reshape(len(v), s.J, s.q, -1)
            b[:, s.slice] = (T @ (transpose_last(T) @ mine)).reshape(len(v), s.J * s.q, -1)
            levels = C[:, s.slice, s.slice].reshape(len(v), s.J, s.q, s.J, s.q)
            blocks = np.moveaxis(np.diagonal(levels, axis1=1, axis2=3), -1, 1)
            own[:, s.slice] = diagonals(T @ blocks @ transpose_last(T)).reshape(len(v), -1)
        return b, own

    def covered(self, x: Array) -> Array:
        """As in Many."""
        C = inverses(transpose(self.H) @ self.H + np.eye(self.H.shape[2]))
        inner = self.spread(np.broadcast_to(x, (len(C), *x.shape)), transposed=True)
        return self.spread(C @ inner, transposed=False)

    def forms(self, codes: Sequence[Index], columns: Sequence[Array]) -> Array:
        """As in Many."""
        layout = self.statistics.layout
        W, out = self.covered(np.eye(layout.size)), np.zeros((len(self.H), len(codes[0])))
        entries = [
            (o + level * z.shape[1] + a, z[:, a])
            for o, level, z in zip(layout.offsets, codes, columns, strict=True)
            for a in range(z.shape[1])
        ]
        for i, (where, z) in enumerate(entries):
            out += z**2 * W[:, where, where]
            for other, x in entries[:i]:
                out += 2.0 * z * x * W[:, where, other]
        return out

    def noise(self, rng: np.random.Generator) -> Array:
        """As in Many."""
        q = self.H.shape[2]
        root, _ = roots(transpose(self.H) @ self.H + np.eye(q))
        z = np.linalg.solve(transpose(root), rng.standard_normal((len(root), q, 1)))
        return self.spread(z, transposed=False)[:, :, 0]

    def spread(self, x: Array, *, transposed: bool) -> Array:
        """Lam x or Lam'x (m, q, n) for x (m, q, n)."""
        out = np.empty_like(x)
        for s in self.statistics.layout.tail:
            T = self.T[s.group][:, None]
            mine = x[:, s.slice].reshape(len(x), s.J, s.q, -1)
            out[:, s.slice] = ((transpose_last(T) if transposed else T) @ mine).reshape(len(x), s.J * s.q, -1)
        return out


def diagonals(x: Array) -> Array:
    """Diagonals (..., q) of matrices (..., q, q)."""
    return np.diagonal(x, axis1=-2, axis2=-1)


def transpose_last(x: Array) -> Array:
    """Transposes of matrices (..., a, b)."""
    return np.swapaxes(x, -1, -2)


def eliminate_many(statistics: Statistics, T: Sequence[Array]) -> Iterator[tuple[slice, Many]]:
    """Eliminate the random effects at m points, some at a time.

    Parameters
    ----------
    statistics : Statistics
    T : sequence of array (m, q_k, q_k)
        Relative covariance factors, one array per grouping factor.

    Yields
    ------
    (slice, Many)
        Which points, and what is known of them.
    """
    m, core = len(T[0]), statistics.core
    size = 1 if core is None else max(1, NUMBERS // max(core.root.size, 1))
    for start in range(0, m, size):
        which = slice(start, min(start + size, m))
        some = tuple(t[which] for t in T)
        yield which, one_by_one(statistics, some) if core is None else stacked(statistics, core, some)


def one_by_one(statistics: Statistics, T: tuple[Array, ...]) -> OneByOne:
    """A Factor at each point, None where there is none."""
    factors: list[Factor | None] = []
    m, r = len(T[0]), statistics.rank
    log_det, root = np.full(m, np.nan), np.full((m, r + 1, r + 1), np.nan)
    for k in range(m):
        try:
            factor = factorize(statistics, tuple(t[k] for t in T))
            root[k] = factor.border[2]
        except DataError:  # variances too large for double precision: no density there
            factors.append(None)
            continue
        log_det[k] = factor.log_det
        factors.append(factor)
    return OneByOne(statistics, tuple(factors), log_det, root)


def inverses(M: Array) -> Array:
    """Inverses of M (m, q, q), whose eigenvalues are 1 or more but for rounding."""
    try:
        return np.linalg.inv(M)
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(M)
        return np.asarray((vectors / np.maximum(values, 1.0)[:, None, :]) @ transpose(vectors))


def roots(M: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Cholesky factors of M (m, k, k), and where rounding has left one; the identity elsewhere."""
    try:
        return np.linalg.cholesky(M), np.ones(len(M), dtype=bool)
    except np.linalg.LinAlgError:
        if len(M) == 1:
            return np.eye(M.shape[1])[None], np.zeros(1, dtype=bool)
    parts = [roots(one) for one in np.array_split(M, 2)]  # the few that fail are found by halving
    L, solvable = zip(*parts, strict=True)
    return np.concatenate(L), np.concatenate(solvable)


def stacked(statistics: Statistics, core: Core, T: tuple[Array, ...]) -> Stacked:
    """All points in one sweep."""
    tail, m, k = statistics.layout.tail, len(T[0]), len(core.root)
    parts = [
        (core.root[:, s.slice].reshape(k * s.J, s.q) @ T[s.group]).reshape(m, k, s.J * s.q) for s in tail
    ]
    H = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=2)
    L, solvable = roots(H @ transpose(H) + np.eye(k))
    y = np.linalg.solve(
        L, np.broadcast_to(core.root_a[:, statistics.layout.size :], (m, k, statistics.rank + 1))
    )
    rows = np.concatenate([np.broadcast_to(core.within, (m, *core.within.shape)), y], axis=1)
    root = np.linalg.qr(rows, mode="r")
    log_det = np.where(solvable, 2.0 * np.log(diagonals(L)).sum(axis=1), np.nan)
    return Stacked(statistics, core, T, H, L, y, log_det, root)
