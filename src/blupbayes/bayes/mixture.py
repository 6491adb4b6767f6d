"""Posterior moments and quantiles as sums over lattice points and sigma nodes: mixtures of exact conditionals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from blupbayes.bayes.conditional import Conditional
from blupbayes.bayes.coordinates import Coordinates, inverse
from blupbayes.bayes.lattice import Lattice
from blupbayes.bayes.marginal import Point

__all__ = ["Mixture", "Moments", "gather"]

Array = NDArray[np.float64]

NEGLIGIBLE = 1e-12  # of the total: weights below it are left out of quantiles
BAND = 0.7  # of a cell: how far apart points lie along any one parameter, as the lattice is turned
FEW = 9  # Gauss nodes of log sigma in quantiles
CHUNK = 4_000_000  # numbers held at once while quantiles are searched


@dataclass(frozen=True, eq=False)
class Moments:
    """``mean`` and ``sd`` (Q,)."""

    mean: Array
    sd: Array


@dataclass(frozen=True, eq=False)
class Mixture:
    """All points of a lattice.

    Parameters
    ----------
    lattice : Lattice
        m points.
    log_sigma, within : array (m, S)
        Nodes of log sigma and their probabilities given theta, padded with probability 0.
    spacing : array (m,)
        Between the nodes of log sigma.
    sds : array (m, K)
        Relative sds.
    corrs : tuple of array (m, q, q)
        Correlation matrices by group.
    shrink, t : array (m, r)
        As in marginal.py.
    base, own : array (m, Q); extra : array (Q,); B : array (m, Q, r)
        As in conditional.py.
    """

    coordinates: Coordinates
    lattice: Lattice
    log_sigma: Array
    within: Array
    spacing: Array
    sds: Array
    corrs: tuple[Array, ...]
    shrink: Array
    t: Array
    base: Array
    own: Array
    extra: Array
    B: Array

    @cached_property
    def weights(self) -> Array:
        """Probabilities (m,) of the points."""
        return self.weights_of(np.ones(len(self.lattice.v), dtype=bool))

    def weights_of(self, which: NDArray[np.bool_]) -> Array:
        """The same (m,) if only some points are summed over."""
        x = np.where(which, self.lattice.log_density, -np.inf)
        w = np.exp(x - x.max())
        return np.asarray(w / w.sum())

    @cached_property
    def flat_prior(self) -> bool:
        """Whether beta has a flat prior, so that conditional means do not depend on sigma."""
        return not self.shrink.any()

    def linear(self, w: Array) -> Moments:
        """beta, b and group means, for points of weights w (m,) [E-TOWER], [E-TOTALVAR]."""
        s2 = np.exp(2.0 * self.log_sigma)
        if self.flat_prior:
            between, inside = self.base, np.sum(self.within * s2, axis=1)[:, None] * self.unit_variance
        else:
            means, variances = self.components(slice(None))
            between = np.einsum("ms,msq->mq", self.within, means)
            inside = np.einsum("ms,msq->mq", self.within, variances + (means - between[:, None]) ** 2)
        mean = w @ between
        variance = self.extra + w @ (inside + (between - mean) ** 2)
        return Moments(mean, np.sqrt(variance))

    @cached_property
    def unit_variance(self) -> Array:
        """Conditional variances over sigma^2 (m, Q) under a flat prior."""
        return np.asarray(self.own + np.einsum("mqr,mqr->mq", self.B, self.B))

    def components(self, which: slice) -> tuple[Array, Array]:
        """Means and variances (m, S, n) of some of the linear quantities."""
        s2 = np.exp(2.0 * self.log_sigma)[:, :, None]
        shrunk = s2 * self.shrink[:, None, :]
        base, B = self.base[:, None, which], self.B[:, which]
        if self.flat_prior:
            return np.broadcast_to(base, (*s2.shape[:2], base.shape[2])), s2 * self.unit_variance[
                :, None, which
            ]
        pulled = shrunk / (1.0 + shrunk) * self.t[:, None, :]
        means = base - np.einsum("mqr,msr->msq", B, pulled)
        variances = s2 * self.own[:, None, which] + np.einsum("mqr,msr->msq", B**2, s2 / (1.0 + shrunk))
        return means, variances

    def deviations(self, w: Array) -> Moments:
        """sigma, then the absolute sds (K,), for points of weights w (m,)."""
        sigma = np.exp(self.log_sigma)
        first, second = (np.sum(self.within * sigma**k, axis=1) for k in (1, 2))
        scale = np.hstack([np.ones((len(w), 1)), self.sds])
        mean = (w * first) @ scale
        spread = w @ (scale**2 * second[:, None] - 2 * scale * first[:, None] * mean + mean**2)
        return Moments(mean, np.sqrt(np.maximum(spread, 0.0)))

    def correlations(self, w: Array) -> tuple[Moments, ...]:
        """Correlation matrices (q, q) by group, for points of weights w (m,)."""
        out = []
        for R in self.corrs:
            mean = np.tensordot(w, R, axes=1)
            out.append(Moments(mean, np.sqrt(np.tensordot(w, (R - mean) ** 2, axes=1))))
        return tuple(out)

    def linear_quantiles(self, probs: Sequence[float], columns: slice = slice(None)) -> Array:
        """Quantiles (len(probs), n) of beta, b and group means, or of some of their columns."""
        from scipy.special import ndtr, ndtri

        short = self.with_few_nodes
        joint = (self.weights[:, None] * short.within).ravel()
        kept = joint > NEGLIGIBLE
        w, moments = joint[kept] / joint[kept].sum(), self.linear(self.weights)
        begin, end, _ = columns.indices(self.base.shape[1])
        out = np.empty((len(probs), end - begin))
        size = max(1, CHUNK // joint.size)
        for start in range(begin, end, size):
            which = slice(start, min(start + size, end))
            means, variances = (x.reshape(joint.size, -1)[kept] for x in short.components(which))
            sds = np.sqrt(variances + self.extra[which])
            mean, sd = moments.mean[which], moments.sd[which]

            def distribution(x: Array, means: Array = means, sds: Array = sds) -> tuple[Array, Array]:
                with np.errstate(divide="ignore", invalid="ignore"):
                    z = np.where(sds > 0, (x - means) / sds, np.where(x >= means, np.inf, -np.inf))
                    density = np.where(sds > 0, np.exp(-0.5 * z**2) / (np.sqrt(2 * np.pi) * sds), 0.0)
                return w @ ndtr(z), w @ density

            for i, prob in enumerate(probs):
                out[i, start - begin : which.stop - begin] = solve(
                    distribution, prob, mean + float(ndtri(prob)) * sd, sd
                )
        return out

    @cached_property
    def with_few_nodes(self) -> Mixture:
        """The same with Gauss's nodes of log sigma at every point: FEW of them match 2 FEW - 1 moments."""
        if self.log_sigma.shape[1] <= FEW:
            return self
        nodes, weights = gauss(self.log_sigma, self.within, FEW)
        return replace(self, log_sigma=nodes, within=weights)

    def deviation_quantiles(self, probs: Sequence[float]) -> Array:
        """Quantiles (len(probs), 1 + K) of sigma and the absolute sds."""
        joint = self.weights[:, None] * self.within
        narrow = np.exp(smoothed(self.log_sigma, self.spacing, joint, probs))
        centre = np.log(self.coordinates.scale) + float(np.sum(joint * self.log_sigma))
        columns = [narrow]
        for k in range(self.sds.shape[1]):
            x = inverse(self.log_sigma + np.log(self.sds[:, k])[:, None] - centre[k])
            band = max(BAND * self.width(k), float(self.spacing.max()))
            y = smoothed(x, np.full(len(x), band), joint, probs)
            columns.append(np.exp(y - np.exp(-y) + centre[k]))
        return np.column_stack(columns)

    def width(self, k: int) -> float:
        """How far coordinate k changes over one cell."""
        axes = self.lattice.axes[k]
        return float(np.linalg.norm(axes)) if len(axes) > 1 else float(abs(axes[0])) / BAND

    def correlation_quantiles(self, probs: Sequence[float]) -> tuple[Array, ...]:
        """Quantiles (len(probs), q, q) of the correlations by group."""
        out = []
        for R in self.corrs:
            q = R.shape[1]
            found = np.broadcast_to(np.eye(q), (len(probs), q, q)).copy()
            for i in range(q):
                for j in range(i):
                    z = np.arctanh(R[:, i, j])
                    if np.ptp(z) > 0:
                        band = np.full(len(z), BAND * self.reach(z))
                        values = smoothed(z[:, None], band, self.weights[:, None], probs)
                        found[:, i, j] = found[:, j, i] = np.tanh(values)
            out.append(found)
        return tuple(out)

    def reach(self, z: Array) -> float:
        """How far a function z (m,) of the points changes over one cell, by weighted least squares."""
        design = np.column_stack([np.ones(len(z)), self.lattice.index]) * np.sqrt(self.weights)[:, None]
        slope = np.linalg.lstsq(design, z * np.sqrt(self.weights))[0][1:]
        return float(np.linalg.norm(slope))


def gauss(x: Array, w: Array, n: int) -> tuple[Array, Array]:
    """Gauss nodes and weights (m, n) of m discrete measures w (m, S) at x (m, S), by Lanczos' recursion."""
    shift = np.sum(w * x, axis=1, keepdims=True)
    size = np.maximum(np.sqrt(np.sum(w * (x - shift) ** 2, axis=1, keepdims=True)), 1e-300)
    z, v, before = (x - shift) / size, np.sqrt(w), np.zeros_like(w)
    J, beta = np.zeros((len(x), n, n)), np.zeros((len(x), 1))
    basis = []
    for k in range(n):
        basis.append(v)
        u = z * v - beta * before
        J[:, k, k] = np.sum(u * v, axis=1)
        for q in basis:
            u = u - np.sum(u * q, axis=1, keepdims=True) * q
        beta = np.sqrt(np.sum(u**2, axis=1, keepdims=True))
        if k + 1 < n:
            J[:, k, k + 1] = J[:, k + 1, k] = beta[:, 0]
        before, v = v, u / np.maximum(beta, 1e-300)
    values, vectors = np.linalg.eigh(J)
    return shift + size * values, vectors[:, 0, :] ** 2


def smoothed(x: Array, bands: Array, w: Array, probs: Sequence[float]) -> Array:
    """Quantiles of a density that is band-limited to what nodes x (m, S) a ``band`` (m,) apart can carry.

    Its distribution function is the integral of its cardinal series, sum of w (1/2 + Si(pi (x - x_i) / band) / pi).
    Where a band is 0 there is a point mass.
    """
    from scipy.special import ndtri, sici

    kept = w > NEGLIGIBLE
    w, band, x = w[kept] / w[kept].sum(), np.broadcast_to(bands[:, None], x.shape)[kept], x[kept]
    mean = float(w @ x)
    sd = float(np.sqrt(w @ (x - mean) ** 2))
    if sd == 0.0:
        return np.full(len(probs), mean)

    def distribution(at: Array) -> tuple[Array, Array]:
        u = (at - x[:, None]) / band[:, None]
        return w @ (0.5 + sici(np.pi * u)[0] / np.pi), w @ (np.sinc(u) / band[:, None])

    return np.array(
        [solve(distribution, p, np.array([mean + ndtri(p) * sd]), np.array([sd]))[0] for p in probs]
    )


def solve(
    distribution: Callable[[Array], tuple[Array, Array]], prob: float, start: Array, sd: Array
) -> Array:
    """x (n,) where the distribution functions are prob: Newton's steps inside brackets that only shrink."""
    x = start.astype(float)
    low, high = np.full(len(x), -np.inf), np.full(len(x), np.inf)
    for _ in range(100):
        value, density = distribution(x)
        low, high = (
            np.where(value < prob, np.maximum(low, x), low),
            np.where(value < prob, high, np.minimum(high, x)),
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            step = np.clip((prob - value) / density, -2 * sd, 2 * sd)
        step = np.where(np.isfinite(step), step, np.where(value < prob, sd, -sd))
        there = x + step
        outside = (there <= low) | (there >= high)
        both = np.isfinite(low) & np.isfinite(high)
        with np.errstate(invalid="ignore"):
            there = np.where(outside & both, 0.5 * (low + high), there)
        moved = np.abs(there - x)
        x = there
        if np.all(moved <= 1e-11 * (sd + np.abs(x) * 1e-3) + 1e-300) or np.all((high - low) <= 1e-12 * sd):
            break
    return x


def gather(
    coordinates: Coordinates, lattice: Lattice, points: Sequence[Point], readings: Sequence[Conditional]
) -> Mixture:
    """Stack the readings of all points."""
    S = max(len(p.weights) for p in points)
    log_sigma = np.stack([np.pad(p.log_sigma, (0, S - len(p.log_sigma)), mode="edge") for p in points])
    within = np.stack([np.pad(p.weights, (0, S - len(p.weights))) for p in points])
    return Mixture(
        coordinates,
        lattice,
        log_sigma,
        within,
        np.array([p.spacing for p in points]),
        np.stack([p.place.sds for p in points]),
        tuple(np.stack(R) for R in zip(*(p.place.corrs for p in points), strict=True)),
        np.stack([p.shrink for p in points]),
        np.stack([p.t for p in points]),
        np.stack([c.base for c in readings]),
        np.stack([c.own for c in readings]),
        readings[0].extra,
        np.stack([c.B for c in readings]),
    )
