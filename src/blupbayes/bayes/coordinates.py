"""Unconstrained coordinates of relative sds and correlations, in which posteriors are smooth bells.

An sd relative to sigma is s exp(v - exp(-v)), s one over the root mean square of its column: as v -> -inf it goes
to 0 doubly exponentially, as v -> inf to infinity. A density that is finite at sd = 0, or falls off as any power of
the sd, becomes a bell in v, and sums over a lattice of v converge exponentially (Takahasi and Mori 1974). A partial
correlation is tanh(z).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from blupbayes.bayes.correlation import correlation_matrix, correlation_root, partials
from blupbayes.mme.statistics import GroupStatistics
from blupbayes.model.resolved import ResolvedPrior

__all__ = ["Coordinates", "Place", "inverse"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Place:
    """The relative covariance of every group at one point.

    ``sds`` (K,): relative to sigma, group by group; ``corrs``: one (q, q) per group; ``T``: lower triangular
    factors (q, q) per group; ``log_jacobian``: of (sds, LKJ-distributed correlations) with respect to v, the LKJ
    density included.
    """

    sds: Array
    corrs: tuple[Array, ...]
    T: tuple[Array, ...]
    log_jacobian: float


@dataclass(frozen=True, eq=False)
class Coordinates:
    """v (d,): all sds, then all partial correlations, group by group."""

    groups: tuple[GroupStatistics, ...]
    prior: ResolvedPrior

    @cached_property
    def scale(self) -> Array:
        """s (K,)."""
        size = np.concatenate([g.scale for g in self.groups])
        return np.asarray(1.0 / np.where(size > 0, size, 1.0))

    @property
    def n_sds(self) -> int:
        """K."""
        return len(self.scale)

    @cached_property
    def partials(self) -> tuple[tuple[tuple[int, int, float], ...], ...]:
        """(i, j, a) of every partial correlation, by group."""
        return tuple(tuple(partials(g.blocks, self.prior.corr)) for g in self.prior.groups)

    @property
    def size(self) -> int:
        """d."""
        return self.n_sds + sum(map(len, self.partials))

    @cached_property
    def log_beta(self) -> float:
        """Log of the normalising constants of all partial correlations."""
        shapes = [a for group in self.partials for _, _, a in group]
        return sum(math.lgamma(2 * a) - 2 * math.lgamma(a) - (2 * a - 1) * math.log(2) for a in shapes)

    def place(self, v: Array) -> Place:
        """What the point v (d,) stands for."""
        sds = self.sds(v[None])[0]
        log_jacobian = float(np.sum(np.log(sds) + np.log1p(np.exp(-v[: self.n_sds])))) + self.log_beta
        corrs, factors, k, z = [], [], 0, self.n_sds
        for group, which in zip(self.prior.groups, self.partials, strict=True):
            q = len(group.names)
            root = np.eye(q)
            R = root
            if which:
                c = {(i, j): math.tanh(v[z + n]) for n, (i, j, _) in enumerate(which)}
                log_jacobian += sum(-2 * a * log_cosh(v[z + n]) for n, (_, _, a) in enumerate(which))
                R = correlation_matrix(c, group.blocks, q)
                root = correlation_root(R, group.blocks, q)
            corrs.append(R)
            factors.append(sds[k : k + q, None] * root)
            k, z = k + q, z + len(which)
        return Place(sds, tuple(corrs), tuple(factors), log_jacobian)

    def sds(self, v: Array) -> Array:
        """Relative sds (m, K) of m points v (m, d)."""
        x = v[:, : self.n_sds]
        return np.asarray(self.scale * np.exp(x - np.exp(-x)))

    def at(self, T: Sequence[Array]) -> Array:
        """v (d,) of relative factors (q, q) per group, kept away from zero sds and correlations of +-1."""
        sds, zs = [], []
        for t, which in zip(T, self.partials, strict=True):
            size = np.linalg.norm(t, axis=1)
            sds.append(size)
            unit = t / np.where(size > 0, size, 1.0)[:, None]
            for i, j, _ in which:
                rest = math.sqrt(max(1.0 - float(unit[i, :j] @ unit[i, :j]), 1e-12))
                zs.append(math.atanh(np.clip(unit[i, j] / rest, -0.9, 0.9)))
        ratio = np.maximum(np.concatenate(sds) / self.scale, 0.02)
        return np.concatenate([inverse(np.log(ratio)), zs])


def log_cosh(x: float) -> float:
    """log cosh x without overflow."""
    return abs(x) + math.log1p(math.exp(-2 * abs(x))) - math.log(2)


def inverse(x: Array) -> Array:
    """v with v - exp(-v) = x, by Newton's method from below."""
    v = np.where(x > 0, x, -np.log1p(-np.minimum(x, 0.0)))
    for _ in range(30):
        v = v - (v - np.exp(-v) - x) / (1.0 + np.exp(-v))
    return v
