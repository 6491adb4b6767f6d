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

from blupbayes.bayes.correlation import partials
from blupbayes.mme.statistics import GroupStatistics
from blupbayes.model.distributions import Distribution
from blupbayes.model.resolved import ResolvedPrior

__all__ = ["Coordinates", "Places", "inverse", "range_of", "sds_of", "some"]

Array = NDArray[np.float64]

STEEPEST = 6.0  # of a bounded coordinate: the logit is 300 there
SMALLEST = 0.02  # relative sds below this share of 1/s are raised to it where a climb starts


@dataclass(frozen=True, eq=False)
class Places:
    """The relative covariance of every group at m points.

    ``sds`` (m, K): relative to sigma, group by group; ``corrs`` and ``T``: (m, q, q) per group, T T' being the
    covariance over sigma^2; ``log_jacobian`` (m,): of (sds, LKJ-distributed correlations) with respect to v, the LKJ
    density included.
    """

    sds: Array
    corrs: tuple[Array, ...]
    T: tuple[Array, ...]
    log_jacobian: Array


def sds_of(prior: ResolvedPrior) -> list[Distribution | None]:
    """Priors of all sds, group by group; None where a group has a joint one."""
    return [sd for g in prior.groups for sd in (g.sds or (None,) * len(g.names))]


def range_of(sd: Distribution | None) -> tuple[float, float]:
    """Between what an sd lies."""
    if sd is None or sd.name != "Uniform":
        return 0.0, np.inf
    low, high = np.sqrt(sd.args) if sd.on == "variance" else np.array(sd.args)
    return float(low), float(high)


@dataclass(frozen=True, eq=False)
class Coordinates:
    """v (d,): all sds, then all partial correlations, group by group; ``laid``: whose bounds, if not the prior's."""

    groups: tuple[GroupStatistics, ...]
    prior: ResolvedPrior
    laid: ResolvedPrior | None = None

    @cached_property
    def scale(self) -> Array:
        """s (K,)."""
        size = np.concatenate([g.scale for g in self.groups])
        return np.asarray(1.0 / np.where(size > 0, size, 1.0))

    @cached_property
    def bounds(self) -> list[tuple[int, float, float]]:
        """(which, lower, upper) of relative sds between bounds: uniform priors, where sigma is known."""
        prior = self.laid or self.prior
        if prior.residual is not None:
            return []
        unit = prior.residual_scale
        between = [(k, *range_of(sd)) for k, sd in enumerate(sds_of(prior))]
        return [(k, low / unit, high / unit) for k, low, high in between if high < np.inf]

    @cached_property
    def ranges(self) -> list[tuple[float, float]]:
        """Between what sigma and the absolute sds lie: the bounds of uniform priors, else 0 and inf."""
        return [range_of(sd) for sd in (self.prior.residual, *sds_of(self.prior))]

    @property
    def n_sds(self) -> int:
        """K."""
        return len(self.scale)

    @cached_property
    def partials(self) -> tuple[tuple[tuple[int, int, float], ...], ...]:
        """(i, j, a) of every partial correlation, by group."""
        return tuple(tuple(partials(g.blocks, g.eta)) for g in self.prior.groups)

    @property
    def size(self) -> int:
        """d."""
        return self.n_sds + sum(map(len, self.partials))

    def places(self, v: Array) -> Places:
        """What the points v (m, d) stand for."""
        sds = self.sds(v)
        corrs, factors, k, z = [], [], 0, self.n_sds
        for group, which in zip(self.prior.groups, self.partials, strict=True):
            root = correlation_roots(v[:, z : z + len(which)], which, len(group.names))
            corrs.append(root @ root.transpose(0, 2, 1))
            factors.append(sds[:, k : k + len(group.names), None] * root)
            k, z = k + len(group.names), z + len(which)
        return Places(sds, tuple(corrs), tuple(factors), self.log_jacobian(v))

    def sds(self, v: Array) -> Array:
        """Relative sds (m, K) of points v (m, d)."""
        x = v[:, : self.n_sds]
        sds = np.asarray(self.scale * np.exp(x - np.exp(-x)))
        for k, low, high in self.bounds:
            sds[:, k] = low + (high - low) / (1.0 + np.exp(-logit(x[:, k])))
        return sds

    def log_jacobian(self, v: Array) -> Array:
        """(m,): see Places; 2 artanh of a partial correlation has density proportional to cosh^-2a."""
        x, z = v[:, : self.n_sds], v[:, self.n_sds :]
        a = np.array([shape for group in self.partials for _, _, shape in group])
        constant = sum(math.lgamma(2 * s) - 2 * math.lgamma(s) - (2 * s - 1) * math.log(2) for s in a)
        log_cosh = np.abs(z) + np.log1p(np.exp(-2 * np.abs(z))) - math.log(2)
        sds = np.log(self.scale) + x - np.exp(-x) + np.log1p(np.exp(-x))
        for k, low, high in self.bounds:
            e = np.abs(logit(x[:, k]))
            slope = np.log(0.5 * np.pi * np.cosh(np.clip(x[:, k], -STEEPEST, STEEPEST)))
            sds[:, k] = np.log(high - low) + slope - e - 2.0 * np.log1p(np.exp(-e))
        return np.asarray(sds.sum(axis=1) - 2.0 * (log_cosh @ a if a.size else 0.0) + constant)

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
        relative = np.concatenate(sds)
        v = inverse(np.log(np.maximum(relative / self.scale, SMALLEST)))
        for k, low, high in self.bounds:
            share = np.clip((relative[k] - low) / (high - low), 0.05, 0.95)
            v[k] = np.arcsinh(np.log(share / (1.0 - share)) * 2.0 / np.pi)
        return np.concatenate([v, zs])


def some(places: Places, which: slice | NDArray[np.intp]) -> Places:
    """A portion of the points."""
    return Places(
        places.sds[which],
        tuple(R[which] for R in places.corrs),
        tuple(T[which] for T in places.T),
        places.log_jacobian[which],
    )


def correlation_roots(z: Array, which: Sequence[tuple[int, int, float]], q: int) -> Array:
    """Lower triangular L (m, q, q), L L' the correlation matrices with partial correlations tanh z (m, len(which))."""
    L = np.zeros((len(z), q, q))
    rest = np.ones((len(z), q))
    for n, (i, j, _) in enumerate(which):  # row by row, j rising
        c = np.tanh(z[:, n])
        L[:, i, j] = c * rest[:, i]
        rest[:, i] /= np.cosh(np.minimum(np.abs(z[:, n]), 300.0))  # sqrt(1 - c^2) without its cancellation
    L[:, range(q), range(q)] = rest
    return L


def logit(v: Array) -> Array:
    """Of where an sd stands between its bounds: towards them doubly exponentially, as towards 0 elsewhere."""
    return np.asarray(0.5 * np.pi * np.sinh(np.clip(v, -STEEPEST, STEEPEST)))


def inverse(x: Array) -> Array:
    """v with v - exp(-v) = x, by Newton's method from below."""
    v = np.where(x > 0, x, -np.log1p(-np.minimum(x, 0.0)))
    for _ in range(30):
        v = v - (v - np.exp(-v) - x) / (1.0 + np.exp(-v))
    return v
