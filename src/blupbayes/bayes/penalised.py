"""The mode of the variances: likelihood times prior at its highest, beta and b integrated out, as in blme [E-MODE].

A mode depends on the quantity that its density is of. Here every prior counts with the density of what it is stated
for: an sd, a variance, log sd, the matrix Sigma / sigma^2 of a Wishart, the matrix Sigma of an inverse Wishart, the
scale tau and the shares of decov, and a correlation matrix for LKJ. So it is a penalised REML estimate: the coordinates
of the search have no part in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blupbayes.bayes.conditional import means_of
from blupbayes.bayes.coordinates import Coordinates, Places
from blupbayes.bayes.density import BetaPrior, beta_prior, log_marginal
from blupbayes.bayes.marginal import Marginal
from blupbayes.bayes.scan import starts
from blupbayes.errors import IdentifiabilityError, IntegrationError, PriorError
from blupbayes.mme.fit import estimate
from blupbayes.mme.statistics import Statistics
from blupbayes.model.distributions import Distribution
from blupbayes.model.joint import Decov, InverseWishart, Joint
from blupbayes.model.measure import log_det, log_jacobian
from blupbayes.model.resolved import GroupPrior, ResolvedPrior

__all__ = ["Peak", "peak", "penalty"]

Array = NDArray[np.float64]

STEP = 1e-4  # of central differences of what is only arithmetic: error 1e-9 of the coordinates' unit
ZERO = -6.0  # a coordinate where an sd is exp(-400) of its scale
LOW = -1.0  # coordinates below this are tried at ZERO
FAR = 15.0  # of the coordinate of an sd: 3e6 times its scale, where a climb ends without a mode
STEEP = (
    12.0  # of a partial correlation's and, from where it begins, log sigma's coordinate: where a climb ends
)
TINY = 1e-100  # relative sds below it count as this, so that every density is finite
SAME = 1e-8  # heights that differ by less are equal


@dataclass(frozen=True, eq=False)
class Peak:
    """The mode: factors ``T`` (q, q) per group relative to ``sigma``; ``log_density`` there, up to constants."""

    T: tuple[Array, ...]
    sigma: float
    log_density: float


def penalty(prior: ResolvedPrior, places: Places, sigma: Array) -> Array:
    """Log of the prior density (m,) of what each prior is stated for, at relative covariances and sigma (m,)."""
    out, k = np.zeros(len(sigma)), 0
    if prior.residual is not None:
        out = out + stated(prior.residual, sigma)
    for g, R in zip(prior.groups, places.corrs, strict=True):
        r = np.maximum(places.sds[:, k : k + len(g.names)], TINY)
        with np.errstate(over="ignore"):
            out = out + (joint(g, r, sigma, R) if g.joint is not None else separate(g, r, sigma, R))
        k += len(g.names)
    return out


def stated(prior: Distribution, sd: Array) -> Array:
    """Log-density of the sd, its square or its logarithm, whichever the prior is stated for."""
    on = {"sd": np.zeros_like(sd), "variance": np.log(2.0 * sd), "log sd": -np.log(sd)}
    return np.asarray(prior.inside(sd) - on[prior.on])


def separate(g: GroupPrior, r: Array, sigma: Array, R: Array) -> Array:
    """Sds with priors of their own, and LKJ."""
    total = sum((stated(sd, sigma * r[:, j]) for j, sd in enumerate(g.sds)), np.zeros(len(sigma)))
    for a, b in g.blocks:
        value, inside = log_det(R[:, a:b, a:b])
        total = total + np.where(inside, (g.eta - 1.0) * value, -np.inf)
    return total


def joint(g: GroupPrior, r: Array, sigma: Array, R: Array) -> Array:
    """A joint prior of the covariance matrix of each term, as a density of the matrix."""
    total = np.zeros(len(sigma))
    for a, b in g.terms:
        assert g.joint is not None
        value = g.joint.log_density(r[:, a:b], sigma[:, None], R[:, a:b, a:b])[:, 0]
        total = total + value - log_measure(g.joint, np.log(r[:, a:b]), sigma)
    return total


def log_measure(prior: Joint, log_r: Array, sigma: Array) -> Array:
    """Log volume (m,) of what a joint prior is stated for, per relative sds and correlations: see `measure`.

    S of a Wishart; Sigma of an inverse Wishart; tau and the shares pi, up to constants, of decov.
    """
    q = log_r.shape[1]
    if isinstance(prior, Decov):
        log_h = 0.5 * np.log(np.sum(np.exp(2.0 * log_r), axis=1))
        return np.asarray(log_r.sum(axis=1) - (2 * q - 1) * log_h)
    of_sigma = q * (q + 1) * np.log(sigma) if isinstance(prior, InverseWishart) else 0.0
    return log_jacobian(log_r) + of_sigma


@dataclass(frozen=True, eq=False)
class Objective:
    """Log-density of u = (v, log sigma), or of v where sigma is known."""

    statistics: Statistics
    prior: ResolvedPrior

    @cached_property
    def coordinates(self) -> Coordinates:
        """Of the relative sds and correlations."""
        return Coordinates(self.statistics.groups, self.prior)

    @cached_property
    def beta(self) -> BetaPrior:
        """What the prior of beta adds."""
        return beta_prior(self.statistics, self.prior)

    def read(self, u: Array) -> tuple[Places, Array]:
        """Relative covariances and sigma (m,) at points u (m, k)."""
        d, known = self.coordinates.size, self.statistics.sigma
        sigma = np.exp(u[:, d]) if known is None else np.full(len(u), known)
        return self.coordinates.places(u[:, :d]), sigma

    def value(self, u: Array) -> float:
        """At one point u (k,)."""
        places, sigma = self.read(u[None])
        T = tuple(t[0] for t in places.T)
        return log_marginal(self.statistics, self.beta, T, float(sigma[0]))[0] + float(
            penalty(self.prior, places, sigma)[0]
        )

    def downhill(self, u: Array) -> tuple[float, Array]:
        """Minus the value and its slope (k,)."""
        E = STEP * np.eye(len(u))
        places, sigma = self.read(u + np.vstack([np.zeros((1, len(u))), E, -E]))
        prior = penalty(self.prior, places, sigma)
        value, by_T, by_sigma = log_marginal(
            self.statistics, self.beta, tuple(t[0] for t in places.T), float(sigma[0])
        )
        slope = difference(prior) + by_sigma * difference(sigma)
        for t, by in zip(places.T, by_T, strict=True):
            slope = slope + np.einsum("kij,ij->k", difference(t), by)
        return -(value + float(prior[0])), -slope


def difference(values: Array) -> Array:
    """Slopes (k, ...) from values (1 + 2 k, ...) at a point and to both sides of it."""
    k = (len(values) - 1) // 2
    return np.asarray((values[1 : k + 1] - values[k + 1 :]) / (2.0 * STEP))


def peak(statistics: Statistics, prior: ResolvedPrior) -> Peak:
    """The highest mode that is found from the REML estimate and a coarse scan of all sds.

    Raises
    ------
    PriorError
        For a prior of beta that is Student's t, or has a precision matrix that is not a multiple of the identity.
    IdentifiabilityError
        If the density rises without limit.
    IntegrationError
        If it has no value anywhere.
    """
    check_beta_prior(prior)
    objective = Objective(statistics, prior)
    marginal = Marginal(statistics, prior, means_of((), []))
    sigma = np.log(estimate(statistics).sigma)
    end = [] if statistics.sigma is not None else [sigma]
    found = [climb(objective, np.append(v, end)) for v in starts(marginal, statistics)]
    u, height = max(found, key=lambda x: x[1])
    if not np.isfinite(height):
        raise IntegrationError(
            "The penalised likelihood has no value at any start: check the prior and the data."
        )
    if u[: objective.coordinates.n_sds].max() > FAR - 1.0:
        raise IdentifiabilityError(
            "The likelihood times this prior rises without limit as an sd grows, so there is no mode. There are too "
            "few levels for it: give a prior that falls off, such as 'HalfNormal(50)'."
        )
    return at(objective, *lowered(objective, u, height))


def check_beta_prior(prior: ResolvedPrior) -> None:
    """PriorError for a prior of beta that the equations at the mode do not hold."""
    P, p = prior.precision, len(prior.fixed_names)
    if prior.kappa > 0 and (np.isfinite(prior.nu) or np.isinf(prior.kappa) or not np.allclose(P, np.eye(p))):
        raise PriorError(
            "mode: the prior of beta must be flat, or normal with the same finite precision kappa for every column. "
            "Leave kappa, precision and nu out of the prior, or integrate() with it."
        )


def climb(objective: Objective, u: Array) -> tuple[Array, float]:
    """A maximum near u (k,), and its height."""
    from scipy.optimize import minimize

    if not np.isfinite(objective.value(u)):
        return u, -np.inf
    k, d = objective.coordinates.n_sds, objective.coordinates.size
    bounds = [(ZERO, FAR)] * k + [(-STEEP, STEEP)] * (d - k) + [(x - STEEP, x + STEEP) for x in u[d:]]
    options: Any = {"maxiter": 1000, "ftol": 1e-15, "gtol": 1e-8}
    found = minimize(objective.downhill, u, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return found.x, -float(found.fun)


def lowered(objective: Objective, u: Array, height: float) -> tuple[Array, float]:
    """The same with every sd at 0 that may as well be there."""
    for k in np.flatnonzero(u[: objective.coordinates.n_sds] < LOW):
        there = u.copy()
        there[k] = ZERO
        value = objective.value(there)
        if value >= height - SAME:
            u, height = there, max(height, value)
    return u, height


def at(objective: Objective, u: Array, height: float) -> Peak:
    """The point u (k,), sds at 0 as exact zeros."""
    places, sigma = objective.read(u[None])
    zero, T, k = u[: objective.coordinates.n_sds] <= ZERO, [], 0
    for t in places.T:
        q = len(t[0])
        T.append(np.where(zero[k : k + q, None], 0.0, t[0]))
        k += q
    return Peak(tuple(T), float(sigma[0]), height)
