"""Estimates with some entries of theta held at zero: a null model, from the same Statistics.

A restriction is the same sufficient statistics under a smaller covariance template, so nothing is reduced again
and the search, its treatment of the boundary and its certificate are those of fit.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from blupbayes.errors import DataError
from blupbayes.mme.boundary import default_start
from blupbayes.mme.certificate import Certificate
from blupbayes.mme.criterion import evaluate
from blupbayes.mme.fit import Estimate, estimate
from blupbayes.mme.statistics import GroupStatistics, Statistics
from blupbayes.model.covariance import Template

__all__ = ["Restricted", "free_without", "restrict", "restricted"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Restricted:
    """Estimates of a model whose theta is zero outside a mask.

    Parameters
    ----------
    free : array of bool (m,)
        The entries of theta that were estimated.
    estimate : Estimate
        Of the restricted model; its own theta and its Statistics have the free entries alone.
    """

    free: Mask
    estimate: Estimate

    @property
    def theta(self) -> Array:
        """All of theta (m,), zeros included."""
        theta = np.zeros(len(self.free))
        theta[self.free] = self.estimate.theta
        return theta

    @property
    def T(self) -> tuple[Array, ...]:
        """Relative covariance factors, (q_k, q_k) per group, zeros included."""
        return self.estimate.T

    @property
    def sigma(self) -> float:
        """Residual sd; unit of y."""
        return self.estimate.sigma

    @property
    def criterion(self) -> float:
        """-2 log-likelihood, restricted for REML."""
        return self.estimate.criterion


def free_without(statistics: Statistics, group: int, coefficients: Sequence[int]) -> Mask:
    """The mask (m,) that holds the covariance of some coefficients of one group at zero, with everything."""
    t = statistics.templates[group]
    free = np.ones(statistics.n_theta, dtype=bool)
    free[t.index[np.isin(t.rows, coefficients) | np.isin(t.cols, coefficients)]] = False
    return free


def restrict(statistics: Statistics, free: Mask) -> Statistics:
    """The same statistics of a model that has only the free entries of theta.

    Raises
    ------
    DataError
        If the mask has another length than theta, or frees a covariance without its two variances.
    """
    if free.dtype != bool or free.shape != (statistics.n_theta,):
        raise DataError(
            f"free has shape {free.shape} and type {free.dtype}; give a True or False for each of the "
            f"{statistics.n_theta} entries of theta."
        )
    places = np.cumsum(free) - 1
    return replace(statistics, groups=tuple(_smaller(g, free, places) for g in statistics.groups))


def _smaller(g: GroupStatistics, free: Mask, places: NDArray[np.intp]) -> GroupStatistics:
    """One group with the free entries of its template."""
    t = g.template
    kept = [(r, c, i) for r, c, i in zip(t.rows, t.cols, t.index, strict=True) if free[i]]
    own = {r for r, c, _ in kept if r == c}
    for r, c, _ in kept:
        if not {r, c} <= own:
            raise DataError(
                f"the covariance of {g.names[r]} and {g.names[c]} in {g.name} is free while a variance of theirs is "
                "held at zero. Hold it at zero too."
            )
    rows, cols = tuple(r for r, _, _ in kept), tuple(c for _, c, _ in kept)
    return replace(g, template=Template(t.size, rows, cols, tuple(int(places[i]) for _, _, i in kept)))


def restricted(statistics: Statistics, method: str, free: Mask, start: Array | None = None) -> Restricted:
    """Minimise the criterion over the free entries of theta, the others being zero [E-ML], [E-REML].

    Parameters
    ----------
    statistics : Statistics
    method : {"REML", "ML"}
    free : array of bool (m,)
        Which entries of theta are estimated; none of them gives the model without random effects.
    start : array (m,), optional
        Where to begin. Variances of zero, which are stationary for any data, are replaced by the default's.

    Returns
    -------
    Restricted

    Raises
    ------
    DataError
        If the mask is none of this theta.

    Examples
    --------
    >>> import blupbayes as bb
    >>> from blupbayes.mme.restricted import restricted
    >>> model = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail"))
    >>> null = restricted(model.statistics, "ML", np.array([False]))
    >>> round(null.criterion, 4)
    163.9265
    """
    free = np.asarray(free)
    smaller = restrict(statistics, free)
    if not free.any():
        return Restricted(free, _without_random_effects(smaller, method))
    own = None if start is None else _inside(smaller, np.asarray(start, dtype=float)[free])
    return Restricted(free, estimate(smaller, method, own))


def _inside(statistics: Statistics, theta: Array) -> Array:
    """theta (m,) with its zero variances replaced by those of the default start."""
    out = theta.copy()
    for t in statistics.templates:
        zero = t.index[(t.rows == t.cols) & (theta[t.index] == 0.0)]
        out[zero] = default_start(statistics)[zero]
    return out


def _without_random_effects(statistics: Statistics, method: str) -> Estimate:
    """Least squares: nothing is searched for."""
    at = evaluate(statistics, np.zeros(0), method)
    certificate = Certificate(0.0, 0.0, {}, 1, 1, exact_curvature=True, converged=True)
    return Estimate(statistics, method, at.theta, at.sigma, at.criterion, at.beta, certificate, (), ())
