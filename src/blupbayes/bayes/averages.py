"""A posterior of [beta, b, group means] taken apart: what the ledger of differences is made of.

Every quantity is a Gaussian given (theta, sigma). What is averaged here, over a lattice or over draws of (theta,
sigma), is its mean under a flat prior of beta (the BLUP map b_0), its mean under the prior at hand (b_k), and the
prediction-error variance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from blupbayes.bayes.conditional import conditional, means_of
from blupbayes.bayes.integrate import Integral
from blupbayes.bayes.marginal import Marginal
from blupbayes.bayes.mixture import Mixture
from blupbayes.bayes.points import Points, join
from blupbayes.bayes.recover import relative_factors
from blupbayes.errors import BlupbayesError
from blupbayes.mme.many import Many, eliminate_many
from blupbayes.mme.statistics import Statistics
from blupbayes.model.design import Design
from blupbayes.model.resolved import ResolvedPrior

__all__ = ["Averages", "of_draws", "of_integral"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Averages:
    """Posterior averages of Q linear quantities, in the order [beta, b level by level, group means].

    Parameters
    ----------
    T : tuple of array (q_k, q_k)
        Mean (or median, entry by entry) of the relative factors.
    blup : array (Q,)
        E[b_0(theta)] [E-TOWER].
    mean : array (Q,)
        E[b_k(theta, sigma)], kappa that of the prior.
    reported : array (Q,)
        What the answer reports: the same, but for the mean of draws.
    pev : array (Q,)
        E[PEV(theta, sigma)] at kappa = 0 [E-TOTALVAR].
    moved : array (Q,)
        Var[b_0(theta)].
    variance : array (Q,)
        By total variance, kappa that of the prior.
    reported_variance : array (Q,)
    """

    T: tuple[Array, ...]
    blup: Array
    mean: Array
    reported: Array
    pev: Array
    moved: Array
    variance: Array
    reported_variance: Array


def averaged(mixture: Mixture, w: Array, T: Sequence[Array], *, medians: bool) -> Averages:
    """Over points of weights w (m,) with relative factors T (m, q_k, q_k)."""
    p = mixture.points
    between, inside = mixture.given_theta
    mean, blup = w @ between, w @ p.base
    variance = w @ (inside + (between - mean) ** 2)
    s2 = np.sum(mixture.few.within * np.exp(2.0 * mixture.few.log_sigma), axis=1)
    centre = tuple(median(t, w) if medians else np.tensordot(w, t, axes=1) for t in T)
    return Averages(
        centre,
        blup,
        mean,
        mean,
        (w * s2) @ mixture.unit_variance(slice(None)),
        w @ (p.base - blup) ** 2,
        variance,
        variance,
    )


def median(T: Array, w: Array) -> Array:
    """Weighted median (q, q) of the entries of T (m, q, q)."""
    flat = T.reshape(len(T), -1)
    order = np.argsort(flat, axis=0)
    share = np.cumsum(w[order], axis=0)
    first = np.argmax(share >= 0.5, axis=0)
    return np.take_along_axis(np.take_along_axis(flat, order, 0), first[None], 0).reshape(T.shape[1:])


def of_integral(integral: Integral, *, medians: bool = False) -> Averages:
    """Over the lattice."""
    mixture = integral.mixture
    T = integral.marginal.coordinates.places(mixture.points.v).T
    return averaged(mixture, mixture.weights, T, medians=medians)


def of_draws(
    design: Design,
    statistics: Statistics,
    prior: ResolvedPrior,
    draws: Mapping[str, Array],
    *,
    medians: bool = False,
) -> Averages:
    """Over draws (chain, draw, ...) of sigma, sd_g, corr_g; beta and b_g are what is reported."""
    if any(name.startswith("nu_") for name in draws):
        raise BlupbayesError(
            "the ledger needs normal random effects: given their sds, Student t ones have no closed form."
        )
    means = means_of(design.fixed_names, [(g.levels, g.names) for g in design.groups])
    marginal = Marginal(statistics, prior, means)
    sigma, T = relative_factors(prior, draws)
    parts = [points(marginal, many, sigma[which]) for which, many in eliminate_many(statistics, tuple(T))]
    mixture = Mixture(marginal.coordinates, None, join(parts), 0.01)  # type: ignore[arg-type]
    found = averaged(mixture, np.full(len(sigma), 1.0 / len(sigma)), T, medians=medians)
    own = quantities(design, draws, marginal)
    return replace(found, reported=own.mean(axis=0), reported_variance=own.var(axis=0, ddof=1))


def points(marginal: Marginal, many: Many, sigma: Array) -> Points:
    """One node of sigma (m,) at every point."""
    at, m = marginal.slices(many), len(sigma)
    b, own = many.effects(np.arange(m))
    linear = conditional(marginal.statistics, marginal.fixed, marginal.means, at.basis, at.g, b, own)
    one = np.ones((m, 1))
    return Points(
        np.zeros((m, 0)), np.zeros(m), np.log(sigma)[:, None], one, one, np.zeros(m), np.zeros((m, 0)), (), at.shrink,
        at.t, *linear,
    )  # fmt: skip


def quantities(design: Design, draws: Mapping[str, Array], marginal: Marginal) -> Array:
    """[beta, b, group means] (S, Q) of the draws themselves."""
    first = np.asarray(draws[f"b_{design.groups[0].name}"])
    size = first.shape[0] * first.shape[1]
    p = len(design.fixed_names)
    beta = np.asarray(draws["beta"]).reshape(size, p) if p else np.empty((size, 0))
    parts = [beta, *(np.asarray(draws[f"b_{g.name}"]).reshape(size, -1) for g in design.groups)]
    linear = np.hstack(parts)
    return np.hstack([linear, linear[:, marginal.means.beta] + linear[:, marginal.means.b]])
