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

from blupbayes.bayes.coordinates import Places, some
from blupbayes.mme.criterion import LOG_2PI
from blupbayes.mme.statistics import Statistics
from blupbayes.model.resolved import ResolvedPrior

__all__ = ["AlongSigma", "Slices"]

Array = NDArray[np.float64]

DROP = 32.0  # nodes of sigma are kept where the log-density is less than this below its maximum
TAU_DROP = 14.0  # the same for tau, whose tail towards 0 is long and tells little
PEAK = 0.1 * DROP  # how far nodes beside the highest may lie below it
MAX_LOOKS = 20
FINE, CUT, PEAKED = "fine", "cut", "peaked"


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
        """Log-density (m, S) in log sigma at x (m, S), priors of sigma, of the sds and of tau included."""
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
        """Equally spaced log sigma (m, S) that hold the whole mass, tau there, their spacing (m,), and the density."""
        s, m = self.statistics, len(at.r2)
        taus, tau_width = self.taus
        if s.sigma is not None:
            x = np.full((m, len(taus)), np.log(s.sigma))
            tau = np.broadcast_to(taus, x.shape)
            return x, tau, np.zeros(m), self.density(x, tau, places, at) + np.log(tau_width)
        dof = max(s.n_obs - s.rank, 1)
        low, high = self.reach
        width = self.step / math.sqrt(2.0 * dof)
        centre = 0.5 * np.log(np.maximum(np.where(at.r2 > 0, at.r2, 1.0), 1e-300) / dof)
        x = centre[:, None] + np.arange(-low, high + width, width)
        values = self.on_mesh(x, places, at)
        spacing = np.full(m, width)
        bad = np.flatnonzero(~np.array([verdict(profile) == FINE for profile in values.max(axis=2)]))
        if bad.size:
            looked = [
                self.searched(centre[i], low, high, width, one(places, i), one(at, i)) for i in bad.tolist()
            ]
            S = max(x.shape[1], *(len(found) for found, _, _ in looked))
            x, values = grown(x, S), grown(values, S)
            for i, (found, there, step) in zip(bad, looked, strict=True):
                x[i], values[i], spacing[i] = grown(found[None], S)[0], grown(there[None], S)[0], step
        kept = (values > values.max(axis=(1, 2), keepdims=True) - DROP).any(axis=(0, 2))
        x, values = x[:, kept], values[:, kept]
        tau = np.broadcast_to(taus, values.shape)
        x = np.broadcast_to(x[:, :, None], values.shape)
        return x.reshape(m, -1), tau.reshape(m, -1), spacing, values.reshape(m, -1) + np.log(tau_width)

    def on_mesh(self, x: Array, places: Places, at: Slices) -> Array:
        """Log-density (m, S, L) at sigma nodes (m, S) and the L nodes of tau."""
        taus, _ = self.taus
        shape = (*x.shape, len(taus))
        wide, tau = (np.broadcast_to(y, shape).reshape(len(x), -1) for y in (x[:, :, None], taus))
        return self.density(wide, tau, places, at).reshape(shape)

    def searched(
        self, centre: float, low: float, high: float, width: float, place: Places, at: Slices
    ) -> tuple[Array, Array, float]:
        """Nodes (S,), density (S, L) and spacing of one point whose prior moves the mass or narrows it."""
        for _ in range(MAX_LOOKS):
            x = np.arange(centre - low, centre + high + width, width)
            values = self.on_mesh(x[None], place, at)[0]
            profile = values.max(axis=1)
            found = verdict(profile)
            if found == PEAKED:
                centre, low, high, width = x[profile.argmax()], 8 * width, 8 * width, width / 4
            elif found == CUT:
                floor = profile.max() - DROP
                low, high = (
                    (2 * low if profile[0] > floor else low),
                    (2 * high if profile[-1] > floor else high),
                )
            else:
                break
        return x, values, width


def verdict(profile: Array) -> str:
    """Whether nodes with this log-density (S,) hold the mass, cut it off, or hardly see its peak."""
    best, top = int(profile.argmax()), profile.max()
    if not np.isfinite(top):
        return FINE  # no density at all: nothing to look for
    if profile[max(best - 1, 0) : best + 2].min() < top - PEAK:
        return PEAKED
    return CUT if max(profile[0], profile[-1]) > top - DROP else FINE


def grown(x: Array, S: int) -> Array:
    """x (m, s, ...) to (m, S, ...): nodes repeat the last one, densities get none (-inf)."""
    more = np.repeat(x[:, -1:], S - x.shape[1], axis=1)
    return np.concatenate([x, more if x.ndim == 2 else np.full_like(more, -np.inf)], axis=1)


def one(arrays: Any, i: int) -> Any:
    """Places or Slices of the i-th point alone."""
    if isinstance(arrays, Places):
        return some(arrays, slice(i, i + 1))
    return Slices(**{f.name: getattr(arrays, f.name)[i : i + 1] for f in fields(Slices)})
