"""The posterior of (theta, sigma) with beta and b integrated out, and of (beta, b) given them, at many points.

At one theta a factor is computed once; sigma then costs arithmetic on an array. In coordinates t of the fixed
effects in which both Q'V0^-1 Q and the prior precision are diagonal, with eigenvalues lambda of the second,

    t | theta, sigma ~ N(t_gls / (1 + sigma^2 lambda), sigma^2 / (1 + sigma^2 lambda)),

and lambda = 0 throughout is the flat prior, kappa = 0: REML times the prior [E-REML], else [E-EVIDENCE]. A Student-t
prior of beta is a Gaussian one whose kappa is multiplied by a gamma distributed tau: one more dimension of nodes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blupbayes.bayes.conditional import Fixed, Means, conditional
from blupbayes.bayes.coordinates import Coordinates, Places
from blupbayes.bayes.points import Points
from blupbayes.errors import DataError, IdentifiabilityError
from blupbayes.mme.criterion import EXACT, LOG_2PI
from blupbayes.mme.gaussian import null_split
from blupbayes.mme.many import Many, eliminate_many
from blupbayes.mme.statistics import Statistics
from blupbayes.model.resolved import ResolvedPrior

__all__ = ["Marginal"]

Array = NDArray[np.float64]

DROP = 32.0  # nodes of sigma are kept where the log-density is less than this below its maximum
PEAK = 0.1 * DROP  # how far nodes beside the highest may lie below it
MAX_LOOKS = 20
FINE, CUT, PEAKED = "fine", "cut", "peaked"
FARTHEST = 200.0  # coordinates beyond this are not looked at: sds of exp(+-200)


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
class Marginal:
    """p(v, log sigma | y) up to a constant, for one model and prior; ``step``: of the sigma nodes, in sds."""

    statistics: Statistics
    prior: ResolvedPrior
    means: Means
    step: float = 0.8

    @cached_property
    def coordinates(self) -> Coordinates:
        """The unconstrained coordinates."""
        return Coordinates(self.statistics.groups, self.prior)

    def log_density(self, v: Array) -> Array:
        """log p(v, y) at points v (m, d): log-likelihood times prior, (beta, b, sigma) integrated out; (m,)."""
        return np.concatenate([values for values, _ in self.read(v, np.inf)])

    def points(self, v: Array, floor: float) -> tuple[Array, list[Points]]:
        """The same, and all that is known of the points above a floor."""
        values, found = zip(*self.read(v, floor), strict=True)
        return np.concatenate(values), [p for p in found if p is not None]

    def read(self, v: Array, floor: float) -> list[tuple[Array, Points | None]]:
        """Factor at every v (m, d), some at a time, and integrate over sigma."""
        places = self.coordinates.places(np.clip(v, -FARTHEST, FARTHEST))
        parts = eliminate_many(self.statistics, places.T)
        return [self.part(v[which], some(places, which), many, floor) for which, many in parts]

    def part(self, v: Array, places: Places, many: Many, floor: float) -> tuple[Array, Points | None]:
        """One portion of `read`."""
        at = self.slices(many)
        log_sigma, tau, spacing, values = self.nodes(places, at)
        top = values.max(axis=1)
        height = np.where(np.isfinite(top), top, 0.0)
        inner = np.exp(values - height[:, None])
        total = inner.sum(axis=1)
        with np.errstate(divide="ignore"):
            log_density = np.log(total) + height + np.log(np.where(spacing > 0, spacing, 1.0))
        log_density = log_density + self.constant(many, at) + places.log_jacobian
        log_density[~np.isfinite(log_density) | (np.abs(v).max(axis=1) > FARTHEST)] = -np.inf
        kept = np.flatnonzero(log_density > floor)
        if not kept.size:
            return log_density, None
        b, own = many.effects(kept)
        linear = conditional(self.statistics, self.fixed, self.means, at.basis[kept], at.g[kept], b, own)
        corrs = tuple(R[kept] for R in places.corrs)
        return log_density, Points(
            v[kept], log_density[kept], log_sigma[kept], inner[kept] / total[kept, None], tau[kept], spacing[kept],
            places.sds[kept], corrs, at.shrink[kept], at.t[kept], *linear,
        )  # fmt: skip

    def slices(self, many: Many) -> Slices:
        """Read the borders [E-GLS], [E-PLS]."""
        r, root = self.statistics.rank, many.root
        ok = np.isfinite(root).all(axis=(1, 2)) & (
            np.abs(np.diagonal(root, axis1=1, axis2=2)[:, :r]) > 0
        ).all(1)
        U = np.where(ok[:, None, None], root[:, :r, :r], np.eye(r))
        basis = np.linalg.inv(U)
        g = np.einsum("mrs,ms->mr", basis, np.where(ok[:, None], root[:, :r, r], 0.0))
        r2 = np.where(ok, root[:, r, r] ** 2, np.nan)
        if self.statistics.sigma is None and np.any(r2 == 0.0):
            raise DataError(EXACT)
        log_det = 2.0 * np.log(np.abs(np.diagonal(U, axis1=1, axis2=2))).sum(axis=1)
        shrink, whole = np.zeros(g.shape), self.h + g
        if self.informed:
            inside = basis.transpose(0, 2, 1) @ self.precision @ basis
            shrink, V = np.linalg.eigh(inside)
            shrink, basis = np.maximum(shrink, 0.0), basis @ V
        t = np.linalg.solve(basis, whole[:, :, None])[:, :, 0]
        return Slices(g, r2, basis, shrink, t, log_det)

    @property
    def informed(self) -> bool:
        """Whether beta has a prior that is not flat."""
        return self.prior.kappa > 0 and self.statistics.rank > 0

    @cached_property
    def split(self) -> tuple[Array, Array]:
        """G (p, r) and a basis (p, p - r) of what the data do not see of beta."""
        return null_split(self.statistics.R)

    @cached_property
    def h(self) -> Array:
        """R (beta_ols - m) (r,)."""
        return np.asarray(self.statistics.R @ (self.statistics.beta_ols - self.prior.mean))

    @cached_property
    def precision(self) -> Array:
        """Prior precision (r, r) of h = R (beta - m), what the data do not see integrated out."""
        G, free = self.split
        P = self.prior.kappa * self.prior.precision
        inside = G.T @ P @ G
        if free.size:
            inside = inside - G.T @ P @ free @ np.linalg.solve(self.hidden, free.T @ P @ G)
        return 0.5 * (inside + inside.T)

    @cached_property
    def hidden(self) -> Array:
        """Prior precision (p - r, p - r) of what the data do not see of beta."""
        free = self.split[1]
        K = self.prior.kappa * free.T @ self.prior.precision @ free
        if np.linalg.eigvalsh(K)[0] <= 1e-12 * np.abs(self.prior.kappa * self.prior.precision).max():
            raise IdentifiabilityError(
                "Columns of X are linearly dependent and the prior of beta leaves a combination of them flat, so its "
                "posterior is improper. Leave a column out of the formula, or give P full rank."
            )
        return np.asarray(K)

    @cached_property
    def hidden_root(self) -> Array:
        """Root (p, p - r) of the prior covariance of what the data do not see of beta; no columns at kappa = 0."""
        free = self.split[1]
        if not (free.size and self.informed):
            return np.zeros((len(free), 0))
        return np.asarray(free @ np.linalg.inv(np.linalg.cholesky(self.hidden)).T)

    @cached_property
    def fixed(self) -> Fixed:
        """beta before any theta; at kappa = 0 NaN where a column is aliased."""
        s, m = self.statistics, self.prior.mean
        G, free = self.split
        nothing = np.zeros(len(s.fixed_names))
        if not free.size:
            return Fixed(G, s.beta_ols, np.zeros(s.rank), nothing)
        if self.informed:
            return Fixed(G, m, self.h, np.sum(self.hidden_root**2, axis=1))
        G = np.zeros_like(G)
        G[s.kept] = np.linalg.inv(s.R[:, s.kept])
        start = np.where(np.isin(np.arange(len(nothing)), s.kept), s.beta_ols, np.nan)
        return Fixed(G, start, np.zeros(s.rank), nothing)

    @cached_property
    def stiffness(self) -> tuple[int, float]:
        """Rank of the prior precision, and log of its determinant there less that of dbeta/dh."""
        s = self.statistics
        full = s.rank == len(s.fixed_names)
        values = np.linalg.eigvalsh(self.prior.kappa * self.prior.precision if full else self.precision)
        alive = values > 1e-12 * max(values.max(initial=0.0), 1e-300)
        return int(alive.sum()), float(np.log(values[alive]).sum()) - (2.0 * s.log_det_R if full else 0.0)

    def constant(self, many: Many, at: Slices) -> Array:
        """What does not depend on sigma (m,)."""
        value = many.log_det - self.statistics.log_weights + at.log_det
        if self.informed:
            return -0.5 * (value - self.stiffness[1])
        return -0.5 * (value + 2.0 * self.statistics.log_det_R)

    def along_sigma(self, x: Array, tau: Array, places: Places, at: Slices) -> Array:
        """Log-density (m, S) in log sigma at x (m, S), priors of sigma, of the sds and of tau included."""
        s = self.statistics
        sigma, s2 = np.exp(x), np.exp(2.0 * x)
        stiff = self.stiffness[0] if self.informed else 0
        out = (
            -0.5 * (s.n_obs - s.rank) * (LOG_2PI + 2.0 * x)
            - 0.5 * at.r2[:, None] / s2
            - 0.5 * stiff * LOG_2PI
        )
        if self.informed:
            out = out + 0.5 * stiff * np.log(tau)
            for shrink, t in zip(at.shrink.T[:, :, None], at.t.T[:, :, None], strict=True):
                out -= 0.5 * (np.log1p(s2 * tau * shrink) + tau * shrink * t**2 / (1.0 + s2 * tau * shrink))
            if np.isfinite(self.nu):
                half = 0.5 * self.nu
                out = out + half * np.log(half * tau) - half * tau - math.lgamma(half)
        residual, sds = self.priors
        if residual is not None:
            out = out + residual(sigma) + x
        for prior, relative in zip(sds, places.sds.T[:, :, None], strict=True):
            out = out + prior(sigma * relative) + x
        return np.where(np.isnan(out), -np.inf, out)

    @property
    def nu(self) -> float:
        """Degrees of freedom of beta's prior; inf is Gaussian."""
        return float(getattr(self.prior, "nu", np.inf))

    @cached_property
    def priors(self) -> tuple[Callable[[Array], Array] | None, tuple[Callable[[Array], Array], ...]]:
        """Log-densities of sigma and of every sd, for arguments above 0."""
        residual = self.prior.residual
        sds = tuple(d.inside for g in self.prior.groups for d in g.sds)
        return None if residual is None else residual.inside, sds

    @cached_property
    def taus(self) -> tuple[Array, float]:
        """Nodes of tau and the spacing of their logs."""
        if not (self.informed and np.isfinite(self.nu)):
            return np.ones(1), 1.0
        width = self.step * math.sqrt(2.0 / self.nu)
        low, high = 2.0 * DROP / self.nu, math.log1p(2.0 * DROP / self.nu) + 1.0
        return np.exp(np.arange(-low, high, width)), width

    @cached_property
    def reach(self) -> tuple[float, float]:
        """How far log sigma goes down and up before r2's part of the density has dropped by DROP."""
        s = self.statistics
        dof = max(s.n_obs - s.rank - self.coordinates.n_sds - 1, 1)
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
            return x, tau, np.zeros(m), self.along_sigma(x, tau, places, at) + np.log(tau_width)
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
        return self.along_sigma(wide, tau, places, at).reshape(shape)

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


def some(places: Places, which: slice) -> Places:
    """A portion of the points."""
    return Places(
        places.sds[which],
        tuple(R[which] for R in places.corrs),
        tuple(T[which] for T in places.T),
        places.log_jacobian[which],
    )


def one(arrays: Any, i: int) -> Any:
    """Places or Slices of the i-th point alone."""
    if isinstance(arrays, Places):
        return some(arrays, slice(i, i + 1))
    return Slices(**{f.name: getattr(arrays, f.name)[i : i + 1] for f in fields(Slices)})
