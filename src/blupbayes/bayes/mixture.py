"""Posterior moments and quantiles as sums over lattice points and sigma nodes: mixtures of exact conditionals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from blupbayes.bayes.coordinates import Coordinates, inverse
from blupbayes.bayes.curves import Artanh, Bells, Curve, Link, Log, Stretched
from blupbayes.bayes.gauss import gauss
from blupbayes.bayes.lattice import Lattice
from blupbayes.bayes.points import Points

__all__ = ["Mixture", "Moments"]

Array = NDArray[np.float64]

NEGLIGIBLE = 1e-2  # of rel_error: so much probability is left out of quantiles
LARGEST = 1.0 - 1e-15  # correlations are held below 1
EQUAL = 1e-9  # share by which weights that differ are not the same number
CLOSE = 1e-4  # of rel_error: how far the root of a distribution function may be missed, in sds
FEW, MORE = 5, 9  # Gauss nodes of log sigma for linear quantities
CHUNK = 4_000_000  # numbers held at once while quantiles are searched


@dataclass(frozen=True, eq=False)
class Moments:
    """``mean`` and ``sd`` (Q,)."""

    mean: Array
    sd: Array


@dataclass(frozen=True, eq=False)
class Mixture:
    """All points of a lattice; ``points`` (m) stand in its order, their arrays are named in points.py.

    ``rel_error``: what quantiles are found to, in posterior sds; means and sds are sums and have no such limit.
    """

    coordinates: Coordinates
    lattice: Lattice
    points: Points
    rel_error: float

    @cached_property
    def weights(self) -> Array:
        """Probabilities (m,) of the points."""
        return self.weights_of(np.ones(len(self.points), dtype=bool))

    def weights_of(self, which: NDArray[np.bool_]) -> Array:
        """The same (m,) if only some points are summed over."""
        x = np.where(which, self.lattice.log_density, -np.inf)
        w = np.exp(x - x.max())
        return np.asarray(w / w.sum())

    @cached_property
    def flat_prior(self) -> bool:
        """Whether beta has a flat prior, so that conditional means do not depend on sigma."""
        return not self.points.shrink.any()

    def linear(self, w: Array) -> Moments:
        """beta, b and group means, for points of weights w (m,) [E-TOWER], [E-TOTALVAR]."""
        if self.points.base.size <= CHUNK:
            return Moments(*averaged(w, *self.given_theta))
        parts = [averaged(w, *self.given(which)) for which in self.portions(slice(None))]
        return Moments(*(np.concatenate(x) for x in zip(*parts, strict=True)))

    @cached_property
    def given_theta(self) -> tuple[Array, Array]:
        """Means and variances (m, Q) given theta alone."""
        parts = [self.given(which) for which in self.portions(slice(None))]
        between, inside = (np.concatenate(x, axis=1) for x in zip(*parts, strict=True))
        return between, inside

    def given(self, which: slice) -> tuple[Array, Array]:
        """The same of some linear quantities."""
        p, within = self.few, self.few.within
        if self.flat_prior:
            s2 = np.sum(within * np.exp(2.0 * p.log_sigma), axis=1)[:, None]
            return p.base[:, which], p.extra[:, which] + s2 * self.unit_variance(which)
        means, variances = self.components(which)
        between = np.einsum("ms,msq->mq", within, means)
        means = means - between[:, None]
        return between, np.einsum("ms,msq->mq", within, variances + means**2)

    def portions(self, columns: slice) -> Iterator[slice]:
        """Some linear quantities at a time, so that no more than CHUNK numbers are held."""
        begin, end, _ = columns.indices(self.points.base.shape[1])
        size = max(1, CHUNK // self.few.within.size)
        return (slice(k, min(k + size, end)) for k in range(begin, end, size))

    def unit_variance(self, which: slice) -> Array:
        """Conditional variances over sigma^2 (m, n) of some linear quantities under a flat prior."""
        B = self.points.B[:, which]
        return np.asarray(self.points.own[:, which] + np.einsum("mqr,mqr->mq", B, B))

    def components(self, which: slice) -> tuple[Array, Array]:
        """Means and variances (m, S, n) of some of the linear quantities at every node of `few`."""
        p = self.few
        s2, base, extra = (
            np.exp(2.0 * p.log_sigma)[:, :, None],
            p.base[:, None, which],
            p.extra[:, None, which],
        )
        if self.flat_prior:
            variances = s2 * self.unit_variance(which)[:, None] + extra
            return np.broadcast_to(base, variances.shape), variances
        B, shrunk = p.B[:, which], s2 * p.tau[:, :, None] * p.shrink[:, None, :]
        means = base - np.einsum("mqr,msr->msq", B, shrunk / (1.0 + shrunk) * p.t[:, None, :])
        spread = np.einsum("mqr,msr->msq", B**2, s2 / (1.0 + shrunk))
        return means, s2 * p.own[:, None, which] + spread + extra / p.tau[:, :, None]

    def deviations(self, w: Array) -> Moments:
        """sigma, then the absolute sds (K,), for points of weights w (m,)."""
        sigma = np.exp(self.points.log_sigma)
        first, second = (np.sum(self.points.within * sigma**k, axis=1) for k in (1, 2))
        scale = np.hstack([np.ones((len(w), 1)), self.points.sds])
        mean = (w * first) @ scale
        spread = w @ (scale**2 * second[:, None] - 2 * scale * first[:, None] * mean + mean**2)
        return Moments(mean, np.sqrt(np.maximum(spread, 0.0)))

    def correlations(self, w: Array) -> tuple[Moments, ...]:
        """Correlation matrices (q, q) by group, for points of weights w (m,)."""
        out = []
        for R in self.points.corrs:
            mean = np.tensordot(w, R, axes=1)
            out.append(Moments(mean, np.sqrt(np.tensordot(w, (R - mean) ** 2, axes=1))))
        return tuple(out)

    def bells(self, columns: slice) -> Bells:
        """Some of the linear quantities as mixtures of Gaussians."""
        joint = (self.weights[:, None] * self.few.within).ravel()
        kept = self.worthwhile(joint)
        means, variances = (x.reshape(joint.size, -1)[kept] for x in self.components(columns))
        return Bells(means, np.sqrt(np.maximum(variances, 0.0)), joint[kept] / joint[kept].sum())

    def linear_quantiles(self, probs: Sequence[float], columns: slice = slice(None)) -> Array:
        """Quantiles (len(probs), n) of beta, b and group means, or of some of their columns."""
        found = [
            self.bells(which).quantiles(probs, CLOSE * self.rel_error) for which in self.portions(columns)
        ]
        return np.concatenate(found, axis=1) if found else np.empty((len(probs), 0))

    def worthwhile(self, w: Array) -> NDArray[np.bool_]:
        """Which of some weights (k,) matter: the others add up to less than a small share of rel_error.

        Weights that differ by rounding are kept together, so that rounding does not choose among them.
        """
        rising = np.sort(w)
        first = int(np.sum(np.cumsum(rising) <= NEGLIGIBLE * self.rel_error))
        return np.asarray(w >= rising[min(first, len(w) - 1)] * (1.0 - EQUAL))

    @cached_property
    def few(self) -> Points:
        """The points with n Gauss nodes of log sigma, which match 2 n - 1 moments."""
        p, n = self.points, FEW if self.rel_error >= 1e-3 else MORE
        taus = p.tau[:1, : p.n_taus]
        L = taus.shape[1]
        if p.within.shape[1] <= n * L:
            return p
        x, w = (
            y.reshape(len(p), -1, L).transpose(0, 2, 1).reshape(len(p) * L, -1)
            for y in (p.log_sigma, p.within)
        )
        total = w.sum(axis=1, keepdims=True)
        nodes, weights = gauss(
            x, np.where(total > 0, w / np.where(total > 0, total, 1.0), 1.0 / w.shape[1]), n
        )
        tau = np.broadcast_to(taus[:, :, None], (len(p), L, n)).reshape(len(p), -1)
        return replace(
            p, log_sigma=nodes.reshape(len(p), -1), within=(weights * total).reshape(len(p), -1), tau=tau
        )

    def sd_curve(self, k: int) -> Curve:
        """Absolute sd k of the random effects."""
        p, joint = self.points, self.joint
        centre = float(np.log(self.coordinates.scale[k]) + np.sum(joint * p.log_sigma))
        x = inverse(p.log_sigma + np.log(p.sds[:, k])[:, None] - centre)
        along = p.spacing / (1.0 + np.exp(-np.sum(p.within * x, axis=1)))  # of the sigma nodes, on this line
        return self.curve(x, self.bands(x, along), joint, Stretched(centre), self.coordinates.ranges[1 + k])

    def bands(self, x: Array, spacing: Array) -> Array:
        """How far apart (m,) the nodes x (m, S) of a quantity are: over sigma, or from cell to cell of the lattice."""
        return np.maximum(spacing, self.reach(np.sum(self.points.within * x, axis=1)))

    @property
    def sigma_curve(self) -> Curve:
        """The residual sd."""
        p = self.points
        bands = self.bands(p.log_sigma, p.spacing)
        return self.curve(p.log_sigma, bands, self.joint, Log(), self.coordinates.ranges[0])

    def corr_curve(self, group: int, i: int, j: int) -> Curve:
        """Correlation of coefficients i and j of a group."""
        z = np.arctanh(np.clip(self.points.corrs[group][:, i, j], -LARGEST, LARGEST))
        return self.curve(z[:, None], np.full(len(z), self.reach(z)), self.weights[:, None], Artanh())

    def curve(
        self, x: Array, bands: Array, w: Array, link: Link, bounds: tuple[float, float] = (-np.inf, np.inf)
    ) -> Curve:
        """Of nodes x (m, S), weights w (m, S) and bands (m,)."""
        kept = self.worthwhile(w.ravel()).reshape(w.shape)
        band = np.broadcast_to(bands[:, None], x.shape)[kept]
        return Curve(x[kept], w[kept] / w[kept].sum(), band, link, bounds)

    @property
    def joint(self) -> Array:
        """Probabilities (m, S) of all nodes."""
        return self.weights[:, None] * self.points.within

    def deviation_quantiles(self, probs: Sequence[float]) -> Array:
        """Quantiles (len(probs), 1 + K) of sigma and the absolute sds."""
        curves = [self.sigma_curve, *(self.sd_curve(k) for k in range(self.points.sds.shape[1]))]
        return np.column_stack([c.quantiles(probs, CLOSE * self.rel_error) for c in curves])

    def correlation_quantiles(self, probs: Sequence[float]) -> tuple[Array, ...]:
        """Quantiles (len(probs), q, q) of the correlations by group."""
        out = []
        for g, R in enumerate(self.points.corrs):
            q = R.shape[1]
            found = np.broadcast_to(np.eye(q), (len(probs), q, q)).copy()
            for i in range(q):
                for j in range(i):
                    if np.ptp(R[:, i, j]) > 0:
                        values = self.corr_curve(g, i, j).quantiles(probs, CLOSE * self.rel_error)
                        found[:, i, j] = found[:, j, i] = values
                    else:
                        found[:, i, j] = found[:, j, i] = 0.0
            out.append(found)
        return tuple(out)

    def reach(self, z: Array) -> float:
        """How far a function z (m,) of the points changes over one cell, by weighted least squares."""
        design = np.column_stack([np.ones(len(z)), self.lattice.index]) * np.sqrt(self.weights)[:, None]
        slope = np.linalg.lstsq(design, z * np.sqrt(self.weights))[0][1:]
        return float(np.abs(slope).max())


def averaged(w: Array, between: Array, inside: Array) -> tuple[Array, Array]:
    """Means and sds (n,) over points of weights w (m,), of what has these means and variances (m, n) at each."""
    mean = w @ between
    return mean, np.sqrt(np.maximum(w @ (inside + (between - mean) ** 2), 0.0))
