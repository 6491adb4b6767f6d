"""The posterior of (theta, sigma) with beta and b integrated out, and of (beta, b) given them.

At one theta a factor is computed once; sigma then costs arithmetic on an array. In coordinates t of the fixed
effects in which both Q'V0^-1 Q and the prior precision are diagonal, with eigenvalues lambda of the second,

    t | theta, sigma ~ N(t_gls / (1 + sigma^2 lambda), sigma^2 / (1 + sigma^2 lambda)),

and lambda = 0 throughout is the flat prior, kappa = 0: REML times the prior [E-REML], else [E-EVIDENCE].
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from blupbayes.bayes.coordinates import Coordinates, Place
from blupbayes.errors import DataError
from blupbayes.mme.criterion import LOG_2PI, Border, read_border
from blupbayes.mme.factor import Factor, factorize
from blupbayes.mme.gaussian import null_split
from blupbayes.mme.statistics import Statistics
from blupbayes.model.resolved import ResolvedPrior

__all__ = ["Marginal", "Point"]

Array = NDArray[np.float64]

MAX_LOOKS = 20
DROP = 32.0  # nodes of sigma are kept where the log-density is less than this below its maximum


@dataclass(frozen=True, eq=False)
class Point:
    """One theta: the density integrated over sigma, and what is needed of (beta, b) there.

    Parameters
    ----------
    place : Place
        The relative covariances.
    log_density : float
        log p(v, y), sigma integrated out; -inf where the equations have no solution in double precision.
    log_sigma : array (S,)
        Equally spaced nodes.
    weights : array (S,)
        Posterior probabilities of the nodes given theta.
    """

    place: Place
    log_density: float
    log_sigma: Array
    weights: Array
    factor: Factor | None
    border: Border | None
    basis: Array
    shrink: Array
    t: Array

    @property
    def spacing(self) -> float:
        """Of the nodes of log sigma; 0 where sigma is known."""
        return float(self.log_sigma[1] - self.log_sigma[0]) if len(self.log_sigma) > 1 else 0.0


@dataclass(frozen=True, eq=False)
class Marginal:
    """p(v, log sigma | y) up to a constant, for one model and prior; ``step``: of the sigma nodes, in sds."""

    statistics: Statistics
    prior: ResolvedPrior
    step: float = 0.8

    @cached_property
    def coordinates(self) -> Coordinates:
        """The unconstrained coordinates."""
        return Coordinates(self.statistics.groups, self.prior)

    @cached_property
    def whitening(self) -> tuple[Array, Array, Array]:
        """G (p, r), a basis of the null space of R, and h_ols = R (beta_ols - m) (r,)."""
        s = self.statistics
        G, free = null_split(s.R)
        return G, free, np.asarray(s.R @ (s.beta_ols - self.prior.mean))

    @cached_property
    def precision(self) -> Array:
        """Prior precision (r, r) of h = R (beta - m)."""
        r = self.statistics.rank
        if self.prior.kappa == 0:
            return np.zeros((r, r))
        variance = self.statistics.R @ np.linalg.solve(self.prior.precision, self.statistics.R.T)
        return np.asarray(self.prior.kappa * np.linalg.inv(variance))

    def at(self, v: Array) -> Point:
        """Factor once at v (d,), then integrate over sigma."""
        place = self.coordinates.place(v)
        try:
            factor = factorize(self.statistics, place.T)
            border = read_border(self.statistics, factor)
        except (DataError, np.linalg.LinAlgError):
            empty = np.zeros(0)
            return Point(place, -np.inf, empty, empty, None, None, empty, empty, empty)
        U, shrink, t = self.diagonal(border)
        constant = self.constant(factor, border)
        x, values = self.nodes(place, border, shrink, t)
        top = values.max()
        if not np.isfinite(top):  # the priors exclude every sigma that goes with these relative sds
            empty = np.zeros(0)
            return Point(place, -np.inf, empty, empty, None, None, empty, empty, empty)
        w = np.exp(values - top)
        width = x[1] - x[0] if len(x) > 1 else 1.0
        log_density = constant + place.log_jacobian + float(top + np.log(w.sum() * width))
        return Point(place, log_density, x, w / w.sum(), factor, border, U, shrink, t)

    def diagonal(self, border: Border) -> tuple[Array, Array, Array]:
        """L^-T U (r, r), lambda (r,) and t_gls (r,)."""
        h = self.whitening[2]
        if self.prior.kappa == 0 or not len(h):
            basis = border.L_inv.T
            return basis, np.zeros(len(h)), np.linalg.solve(basis, border.g + h)
        shrink, U = np.linalg.eigh(border.L_inv @ self.precision @ border.L_inv.T)
        basis = border.L_inv.T @ U
        return basis, np.maximum(shrink, 0.0), np.linalg.solve(basis, border.g + h)

    def constant(self, factor: Factor, border: Border) -> float:
        """What does not depend on sigma."""
        s = self.statistics
        value = factor.log_det - s.log_weights
        if self.prior.kappa == 0:
            return float(-0.5 * (value + border.log_det + 2.0 * s.log_det_R))
        return float(-0.5 * (value + border.log_det - np.linalg.slogdet(self.precision)[1]))

    def along_sigma(self, x: Array, place: Place, border: Border, shrink: Array, t: Array) -> Array:
        """Log-density (S,) in log sigma at x (S,), priors of sigma and of the sds included."""
        s, n = self.statistics, self.statistics.n_obs
        sigma, s2 = np.exp(x), np.exp(2.0 * x)
        rows = n - s.rank if self.prior.kappa == 0 else n
        out = -0.5 * rows * (LOG_2PI + 2.0 * x) - 0.5 * border.r2 / s2
        if self.prior.kappa > 0:
            scaled = s2[:, None] * shrink
            out -= 0.5 * np.sum(np.log1p(scaled) - 2.0 * x[:, None], axis=1)
            out -= 0.5 * np.sum(shrink * t**2 / (1.0 + scaled), axis=1)
        residual, sds = self.priors
        if residual is not None:
            out = out + residual(sigma) + x
        for prior, relative in zip(sds, place.sds, strict=True):
            out = out + prior(sigma * relative) + x
        return out

    @cached_property
    def priors(self) -> tuple[Callable[[Array], Array] | None, tuple[Callable[[Array], Array], ...]]:
        """Log-densities of sigma and of every sd, for arguments above 0."""
        residual = self.prior.residual
        sds = tuple(d.inside for g in self.prior.groups for d in g.sds)
        return None if residual is None else residual.inside, sds

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

    def nodes(self, place: Place, border: Border, shrink: Array, t: Array) -> tuple[Array, Array]:
        """Equally spaced log sigma (S,) that hold the whole mass, and the log-density there."""
        s = self.statistics
        if s.sigma is not None:
            x = np.array([np.log(s.sigma)])
            return x, self.along_sigma(x, place, border, shrink, t)
        dof = max(s.n_obs - s.rank, 1)
        centre, width = 0.5 * np.log(max(border.r2, 1e-300) / dof), self.step / np.sqrt(2.0 * dof)
        low, high = self.reach
        for _ in range(MAX_LOOKS):
            x = np.arange(centre - low, centre + high + width, width)
            values = self.along_sigma(x, place, border, shrink, t)
            floor = values.max() - DROP
            best = int(values.argmax())
            beside = values[max(best - 1, 0) : best + 2].min()
            if values[0] < floor and values[-1] < floor and beside > floor + 0.9 * DROP:
                break
            if (
                beside <= floor + 0.9 * DROP
            ):  # a peak between the nodes: a prior that knows more than the data
                centre, low, high, width = x[best], 8 * width, 8 * width, width / 4
            else:
                low, high = (
                    (2 * low if values[0] > floor else low),
                    (2 * high if values[-1] > floor else high),
                )
        inside = np.flatnonzero(values > floor)
        kept = slice(inside[0], inside[-1] + 1) if inside.size else slice(None)
        return x[kept], values[kept]
