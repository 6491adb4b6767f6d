"""The density along log sigma at given theta, on equally spaced nodes that hold its whole mass.

Given a factor, sigma costs arithmetic on an array. A Student-t prior of beta is a Gaussian one whose kappa is
multiplied by a gamma distributed tau [E-STUDENT]: one more dimension of nodes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blupbayes.bayes.coordinates import Places, range_of, sds_of, some
from blupbayes.mme.criterion import LOG_2PI
from blupbayes.mme.statistics import Statistics
from blupbayes.model.resolved import ResolvedPrior

__all__ = ["AlongSigma", "Slices"]

Array = NDArray[np.float64]
Index = NDArray[np.intp]

DROP = 32.0  # nodes of sigma are kept where the log-density is less than this below its maximum
TAU_DROP = 14.0  # the same for tau, whose tail towards 0 is long and tells little
PEAK = 1.5  # times step squared: how far nodes beside the highest may lie below it
LEGENDRE = 48  # nodes between the bounds of uniform priors
ZOOM = 3.0  # how much finer a narrower peak is looked at
SPAN = 8.0  # sds of it to either side
MAX_LOOKS = 20


@dataclass(frozen=True, eq=False)
class Slices:
    """Fixed effects at m points: S and the prior made diagonal at once.

    ``g`` (m, r) and ``r2`` (m,): generalised least squares; ``basis`` (m, r, r): h = basis t; ``shrink`` (m, r):
    lambda; ``t`` (m, r): t_gls; ``log_det`` (m,): log|S|.
    """

    g: Array
    r2: Array
    basis: Array
    shrink: Array
    t: Array
    log_det: Array


@dataclass(frozen=True, eq=False)
class AlongSigma:
    """p(v, log sigma, log tau | y) at given v, less what depends on v alone.

    ``stiff``: rank of the prior precision of beta, 0 where it is flat; ``step``: of the sigma nodes, in sds.
    """

    statistics: Statistics
    prior: ResolvedPrior
    stiff: int
    step: float

    def density(self, x: Array, tau: Array, places: Places, at: Slices) -> Array:
        """Log-density (m, S) in log sigma at x (m, S), all priors included."""
        s = self.statistics
        s2 = np.exp(2.0 * x)
        out = (
            -0.5 * (s.n_obs - s.rank) * (LOG_2PI + 2.0 * x)
            - 0.5 * at.r2[:, None] / s2
            - 0.5 * self.stiff * LOG_2PI
        )
        if self.stiff:
            out = out + 0.5 * self.stiff * np.log(tau)
            for shrink, t in zip(at.shrink.T[:, :, None], at.t.T[:, :, None], strict=True):
                out -= 0.5 * (np.log1p(s2 * tau * shrink) + tau * shrink * t**2 / (1.0 + s2 * tau * shrink))
            if np.isfinite(self.prior.nu):
                half = 0.5 * self.prior.nu
                out = out + half * np.log(half * tau) - half * tau - math.lgamma(half)
        out = out + self.log_prior(x, places)
        return np.where(np.isnan(out), -np.inf, out)

    def log_prior(self, x: Array, places: Places) -> Array:
        """Log prior density (m, S) of log sigma and the relative sds; LKJ is in the Jacobian of the coordinates."""
        sigma = np.exp(x)
        out, k = np.zeros_like(x), 0
        if self.prior.residual is not None:
            out = self.prior.residual.inside(sigma) + x
        for g, R in zip(self.prior.groups, places.corrs, strict=True):
            mine = places.sds[:, k : k + len(g.names)]
            if g.joint is not None:
                out = out + g.joint_log_density(mine, sigma, R)
            for sd, relative in zip(g.sds, mine.T[:, :, None], strict=False):
                out = out + sd.inside(sigma * relative) + x
            k += len(g.names)
        return out

    @cached_property
    def taus(self) -> tuple[Array, float]:
        """Nodes of tau and the spacing of their logs."""
        if not (self.stiff and np.isfinite(self.prior.nu)):
            return np.ones(1), 1.0
        width = self.step * math.sqrt(2.0 / self.prior.nu)
        low, high = 2.0 * TAU_DROP / self.prior.nu, math.log1p(2.0 * TAU_DROP / self.prior.nu) + 1.0
        return np.exp(np.arange(-low, high, width)), width

    @cached_property
    def reach(self) -> tuple[float, float]:
        """How far log sigma goes down and up before r2's part of the density has dropped by DROP."""
        s = self.statistics
        dof = max(s.n_obs - s.rank - sum(len(g.names) for g in s.groups) - 1, 1)
        a = np.linspace(0.0, 60.0, 60_001) * max(1.0 / np.sqrt(dof), 1.0 / dof)
        with np.errstate(over="ignore"):
            down, up = np.expm1(2 * a) / 2 - a, a + np.expm1(-2 * a) / 2
        low, high = (a[min(np.searchsorted(dof * x, DROP + 1.0), len(a) - 1)] for x in (down, up))
        return float(low), float(high)

    def nodes(self, places: Places, at: Slices) -> tuple[Array, Array, Array, Array]:
        """Nodes of log sigma (m, S) with the whole mass, tau there, their spacing (m,), log-density times weight."""
        s, m = self.statistics, len(at.r2)
        taus, tau_width = self.taus
        if s.sigma is not None:
            x = np.full((m, len(taus)), np.log(s.sigma))
            tau = np.broadcast_to(taus, x.shape)
            return x, tau, np.zeros(m), self.density(x, tau, places, at) + np.log(tau_width)
        x, values, spacing = self.between(places, at) if self.bounded else self.searched(places, at)
        kept = (values > values.max(axis=(1, 2), keepdims=True) - DROP).any(axis=(0, 2))
        kept[0] |= not kept.any()  # no density at any of the points
        x, values = x[:, kept], values[:, kept]
        tau = np.broadcast_to(taus, values.shape)
        x = np.broadcast_to(x[:, :, None], values.shape)
        return x.reshape(m, -1), tau.reshape(m, -1), spacing, values.reshape(m, -1) + np.log(tau_width)

    def searched(self, places: Places, at: Slices) -> tuple[Array, Array, Array]:
        """Equally spaced log sigma (m, S), log-density times spacing (m, S, L) and spacing (m,).

        They stand where r2 has its mass, or where the priors move it.
        """
        m, (dof, centre) = len(at.r2), self.centre(at)
        low, high = (np.full(m, side) for side in self.reach)
        width = np.full(m, self.step / math.sqrt(2.0 * dof))
        found: list[tuple[Index, Array, Array]] = []
        rest = np.arange(m)
        for look in range(MAX_LOOKS):
            count = int(np.ceil(((low + high) / width)[rest].max())) + 1
            x = (centre - low)[rest, None] + width[rest, None] * np.arange(count)
            values = self.on_mesh(x, chosen(places, rest), chosen(at, rest))
            profile = values.max(axis=2)
            peak, cut = self.peaked(profile), outside(profile)
            done = (~peak & ~cut.any(axis=1)) | (look == MAX_LOOKS - 1)
            found.append((rest[done], x[done], values[done]))
            narrow = rest[peak]
            centre[narrow] = x[peak, profile[peak].argmax(axis=1)]
            width[narrow] /= ZOOM
            low[narrow] = high[narrow] = SPAN * width[narrow] / self.step
            low[rest[~peak & cut[:, 0]]] *= 2.0
            high[rest[~peak & cut[:, 1]]] *= 2.0
            rest = rest[~done]
            if not rest.size:
                break
        S = max(part.shape[1] for _, part, _ in found)
        order = np.argsort(np.concatenate([which for which, _, _ in found]))
        x = np.concatenate([grown(part, S) for _, part, _ in found])[order]
        values = np.concatenate([grown(part, S) for _, _, part in found])[order]
        return x, values + np.log(width)[:, None, None], width

    def centre(self, at: Slices) -> tuple[int, Array]:
        """Degrees of freedom of r2, and log sigma (m,) that it stands for."""
        dof = max(self.statistics.n_obs - self.statistics.rank, 1)
        return dof, 0.5 * np.log(np.maximum(np.where(at.r2 > 0, at.r2, 1.0), 1e-300) / dof)

    @cached_property
    def bounded(self) -> list[tuple[int | None, Array]]:
        """(which sd, None for the residual one; log of lower and upper bound) of every uniform prior."""
        with np.errstate(divide="ignore"):
            known = [
                (k, np.log(range_of(sd))) for k, sd in enumerate((self.prior.residual, *sds_of(self.prior)))
            ]
        return [(k - 1 if k else None, log) for k, log in known if log[1] < np.inf]

    def between(self, places: Places, at: Slices) -> tuple[Array, Array, Array]:
        """As `searched`, by Gauss and Legendre between the bounds of uniform priors, which would cut through cells."""
        _, centre = self.centre(at)
        low, high = self.reach
        least, most = np.full(len(centre), -np.inf), np.full(len(centre), np.inf)
        for k, (lower, upper) in self.bounded:
            shift = 0.0 if k is None else np.log(places.sds[:, k])
            least, most = np.maximum(least, lower - shift), np.minimum(most, upper - shift)
        a, b = np.maximum(least, centre - low), np.minimum(most, centre + high)
        a = np.where(a < b, a, np.where(least > centre, least, np.maximum(least, most - low)))
        b = np.where(a < b, b, np.minimum(most, a + high))
        half = np.maximum(0.5 * (b - a), 1e-300)
        nodes, weights = np.polynomial.legendre.leggauss(LEGENDRE)
        x = (0.5 * (a + b))[:, None] + half[:, None] * nodes
        values = self.on_mesh(x, places, at) + np.log(half[:, None] * weights)[:, :, None]
        values[least >= most] = -np.inf
        return x, values, np.pi * half / LEGENDRE

    def peaked(self, profile: Array) -> NDArray[np.bool_]:
        """Whether nodes with this log-density (m, S) are too far apart for its peak (m,)."""
        rows, best = np.arange(len(profile)), profile.argmax(axis=1)
        padded = np.pad(profile, ((0, 0), (1, 1)), constant_values=-np.inf)
        beside = np.stack([padded[rows, best], padded[rows, best + 2]])
        beside = np.where(np.isfinite(beside), beside, beside.max(axis=0))  # a bound of a prior is no peak
        top = padded[rows, best + 1]
        return np.asarray(np.isfinite(top) & (beside.min(axis=0) < top - PEAK * self.step**2))

    def on_mesh(self, x: Array, places: Places, at: Slices) -> Array:
        """Log-density (m, S, L) at sigma nodes (m, S) and the L nodes of tau."""
        taus, _ = self.taus
        shape = (*x.shape, len(taus))
        wide, tau = (np.broadcast_to(y, shape).reshape(len(x), -1) for y in (x[:, :, None], taus))
        return self.density(wide, tau, places, at).reshape(shape)


def outside(profile: Array) -> NDArray[np.bool_]:
    """Whether mass of nodes with this log-density (m, S) is cut off on the left and on the right (m, 2)."""
    top = profile.max(axis=1, keepdims=True)
    return np.asarray((profile[:, [0, -1]] > top - DROP) & np.isfinite(top))


def grown(x: Array, S: int) -> Array:
    """x (m, s, ...) to (m, S, ...): nodes repeat the last one, densities get none (-inf)."""
    more = np.repeat(x[:, -1:], S - x.shape[1], axis=1)
    return np.concatenate([x, more if x.ndim == 2 else np.full_like(more, -np.inf)], axis=1)


def chosen(arrays: Any, which: Index) -> Any:
    """Places or Slices of some of the points."""
    if isinstance(arrays, Places):
        return some(arrays, which)
    return Slices(**{f.name: getattr(arrays, f.name)[which] for f in fields(Slices)})
