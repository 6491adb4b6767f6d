"""One dense block: a small model in orthonormal coordinates of the range of Z.

With Z = U root, U'U = I and a = U'[Q e], and H = root Lam,

    V0 = I + U H H'U',   M = I + H H',   N = Z'V0^-1 Z = root' M^-1 root,
    [Q e]'V0^-1 [Q e] = within'within + a' M^-1 a,   within'within = [Q e]'(I - U U')[Q e].

All are sums of squares: no digits cancel, however large the random-effect variances are.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from blupbayes.mme.core import Core
from blupbayes.mme.layout import Layout, Span
from blupbayes.mme.linalg import Lam_times, cholesky, factored, scaled, symmetric_inverse, triangular_solve
from blupbayes.mme.orthonormal import triangular_root
from blupbayes.mme.selected import level_blocks
from blupbayes.mme.statistics import Statistics

__all__ = ["DenseFactor", "eliminate_dense"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class DenseFactor:
    """The eliminated system at one T; a Factor (factor.py). ``half`` (k, q + r + 1): L^-1 [root a], L L' = M."""

    statistics: Statistics
    T: tuple[Array, ...]
    H: Array
    half: Array
    log_det: float

    @property
    def layout(self) -> Layout:
        """Order and storage."""
        return self.statistics.layout

    @cached_property
    def full(self) -> Array:
        """N (q, q)."""
        Y = self.half[:, : self.layout.size]
        return Y.T @ Y

    @cached_property
    def border(self) -> tuple[Array, Array, Array]:
        """b, v (q, r + 1) and the triangular root of [Q e]'V0^-1 [Q e] (r + 1, r + 1)."""
        q, core = self.layout.size, self.statistics.core
        assert core is not None
        Y, y = self.half[:, :q], self.half[:, q:]
        v = Y.T @ y
        transposed = tuple(T.T for T in self.T)
        b = Lam_times(self.layout.tail, self.T, Lam_times(self.layout.tail, transposed, v))
        return b, v, triangular_root(np.vstack([core.within, y]))

    def information(self, x: Array) -> Array:
        """Z'V0^-1 Z x (q, m)."""
        return self.full @ x

    @cached_property
    def C(self) -> Array:
        """(Lam'Z'Z Lam + I)^-1 (q, q)."""
        M = self.H.T @ self.H
        M.flat[:: len(M) + 1] += 1.0
        return symmetric_inverse(M)

    @property
    def N_levels(self) -> tuple[Array, ...]:
        """Level blocks (J, q, q) of N."""
        return level_blocks(self.full, self.layout)

    @cached_property
    def W_levels(self) -> tuple[Array, ...]:
        """Level blocks (J, q, q) of W."""
        return level_blocks(scaled(self.layout.tail, self.C, self.T, transposed=False), self.layout)

    def covered(self, x: Array) -> Array:
        """W x (q, m)."""
        tail, transposed = self.layout.tail, tuple(T.T for T in self.T)
        return Lam_times(tail, self.T, self.C @ Lam_times(tail, transposed, x))

    def noise(self, rng: np.random.Generator, n: int) -> Array:
        """Draws (q, n) from N(0, W)."""
        lower = cholesky(self.C)
        return Lam_times(self.layout.tail, self.T, lower @ rng.standard_normal((len(lower), n)))

    def __repr__(self) -> str:
        return f"DenseFactor(log_det={self.log_det:.6g})\n{self.layout.describe()}"


def eliminate_dense(statistics: Statistics, core: Core, T: tuple[Array, ...]) -> DenseFactor:
    """Eliminate the random effects at T (one (q_k, q_k) per group, relative to sigma)."""
    H = root_times_Lam(statistics.layout.tail, core.root, T)
    M = H @ H.T
    M.flat[:: len(M) + 1] += 1.0
    L, log_det = factored(M)
    half = triangular_solve(L, core.root_a)
    return DenseFactor(statistics, T, H, half, log_det)


def root_times_Lam(spans: tuple[Span, ...], root: Array, T: tuple[Array, ...]) -> Array:
    """H (k, q) = root Lam."""
    if all(s.q == 1 for s in spans):
        return np.asarray(root * np.repeat([T[s.group][0, 0] for s in spans], [s.J for s in spans]))
    parts = [
        (root[:, s.slice].reshape(len(root), s.J, s.q) @ T[s.group]).reshape(len(root), -1) for s in spans
    ]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
