"""Responses drawn from a fitted model, and the estimates from each: by sufficient statistics, or row by row.

A model of one dense block or one grouping factor never sees its rows again (mme/replicates.py), and its replicates
are estimated together. For others every response is simulated over the rows, reduced, and estimated on its own:
the same answers, as slow as that many fits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from blupbayes.errors import DataError
from blupbayes.mme.boundary import default_start, inside
from blupbayes.mme.criterion import evaluate
from blupbayes.mme.derivatives import derivatives
from blupbayes.mme.derivatives_many import ManyDerivatives
from blupbayes.mme.estimate_many import ManyEstimates, estimate_many
from blupbayes.mme.fit import Estimate, estimate
from blupbayes.mme.parts import parts_of
from blupbayes.mme.problems import problem_of, sweep
from blupbayes.mme.replicates import Law, Responses, law_of, problems_of
from blupbayes.mme.restricted_many import Restriction, restricted
from blupbayes.mme.statistics import DesignLike, Statistics, reduce
from blupbayes.model.covariance import Template

__all__ = ["Replicator", "null_estimates", "replicator"]

Array = NDArray[np.float64]


class Replicator(Protocol):
    """Where replicates come from; ``block``: how many are made from one seed."""

    @property
    def block(self) -> int: ...
    def draw(self, n: int, rng: np.random.Generator) -> Any:
        """n responses."""

    def estimates(self, responses: Any, restriction: Restriction | None = None) -> ManyEstimates:
        """The estimates from each, in the whole model or in a restricted one (theta then is its own)."""

    def scores(self, responses: Any) -> Array:
        """Slopes (n, m + 1) of the restricted log-likelihood in theta and sigma, at the truth."""


@dataclass(frozen=True, eq=False)
class ByStatistics:
    """Replicates by their sufficient statistics; ``theta``: the truth."""

    law: Law
    method: str
    theta: Array
    block: int = 500

    def draw(self, n: int, rng: np.random.Generator) -> Responses:
        """As in Replicator."""
        return self.law.draw(n, rng)

    def estimates(self, responses: Responses, restriction: Restriction | None = None) -> ManyEstimates:
        """As in Replicator."""
        problems = problems_of(self.law, responses)
        if restriction is None:
            return estimate_many(problems, self.theta, self.method)
        return estimate_many(restricted(problems, restriction), self.theta[restriction.free], self.method)

    def scores(self, responses: Responses) -> Array:
        """As in Replicator."""
        problems, sigma = problems_of(self.law, responses).packed(), self.law.sigma
        known = replace(problems, statistics=replace(problems.statistics, sigma=sigma))
        at = sweep(known, self.theta, "REML")
        return joined(ManyDerivatives(at).gradient, at.r2, at.dof, sigma)


@dataclass(frozen=True, eq=False)
class RestrictedGroup:
    """A grouping factor of a design with some of its coefficients."""

    name: str
    levels: tuple[str, ...]
    names: tuple[str, ...]
    codes: NDArray[np.intp]
    columns: Array
    template: Template


@dataclass(frozen=True, eq=False)
class SimulatedDesign:
    """A design with another response, and perhaps other grouping factors."""

    y: Array
    X: Array
    fixed_names: tuple[str, ...]
    groups: Sequence[Any]
    weights: Array | None
    offset: Array | None
    sigma: float | None


@dataclass(frozen=True, eq=False)
class ByRows:
    """Replicates by their rows."""

    design: DesignLike
    beta: Array
    T: tuple[Array, ...]
    sigma: float
    method: str
    theta: Array
    block: int = 10

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """Responses (n, rows)."""
        d = self.design
        mean = d.X @ self.beta + (0.0 if d.offset is None else d.offset)
        y = rng.standard_normal((n, len(d.y))) / np.sqrt(1.0 if d.weights is None else d.weights)
        for g, T in zip(d.groups, self.T, strict=True):
            b = rng.standard_normal((n, len(g.levels), len(g.names))) @ T.T
            y += np.einsum("rk,nrk->nr", g.columns, b[:, g.codes])
        return np.asarray(mean + self.sigma * y)

    def statistics(self, y: Array, restriction: Restriction | None) -> Statistics:
        """One response, reduced."""
        d = self.design
        groups: Sequence[Any] = d.groups if restriction is None else restricted_groups(d, restriction)
        return reduce(SimulatedDesign(y, d.X, d.fixed_names, groups, d.weights, d.offset, d.sigma))

    def estimates(self, responses: Array, restriction: Restriction | None = None) -> ManyEstimates:
        """As in Replicator."""
        if restriction is None:
            return ManyEstimates.joined([self.one(self.statistics(y, None), self.theta) for y in responses])
        if not restriction.groups:
            return ManyEstimates.joined([self.least_squares(y) for y in responses])
        start = self.theta[restriction.free]
        return ManyEstimates.joined([self.one(self.statistics(y, restriction), start) for y in responses])

    def one(self, s: Statistics, theta: Array) -> ManyEstimates:
        """The estimates from one response."""
        try:
            return single(estimate(s, self.method, inside(s, tuple(T @ T.T for T in s.factors(theta)))))
        except DataError:  # no answer in double precision: NaN, and not converged
            nan, none = np.array([np.nan]), np.zeros((1, len(s.groups)), dtype=bool)
            beta = np.full((1, len(s.fixed_names)), np.nan)
            return ManyEstimates(np.full((1, len(theta)), np.nan), nan, beta, nan, none, none.any(axis=1))

    def least_squares(self, y: Array) -> ManyEstimates:
        """The estimates from one response without random effects: theta of the whole model at zero."""
        at = evaluate(self.statistics(y, None), np.zeros(len(self.theta)), self.method)
        none = np.zeros((1, 0))
        return ManyEstimates(
            none,
            np.array([at.sigma]),
            at.beta[None],
            np.array([at.criterion]),
            none > 0,
            np.ones(1, dtype=bool),
        )

    def scores(self, responses: Array) -> Array:
        """As in Replicator."""
        found = []
        for y in responses:
            at = evaluate(replace(self.statistics(y, None), sigma=self.sigma), self.theta, "REML")
            own = (derivatives(at).gradient[None], np.array([at.border.r2]), np.array([at.dof]))
            found.append(joined(*own, self.sigma))
        return np.concatenate(found)


def single(e: Estimate) -> ManyEstimates:
    """One estimate as a stack of one."""
    singular = np.array([[g.name in e.singular for g in e.statistics.groups]])
    criterion, converged = np.array([e.criterion]), np.array([e.certificate.converged])
    return ManyEstimates(e.theta[None], np.array([e.sigma]), e.beta[None], criterion, singular, converged)


def null_estimates(
    design: DesignLike, statistics: Statistics, restriction: Restriction, method: str
) -> ManyEstimates:
    """The estimates of a restricted model from the data."""
    parts, m = parts_of(statistics), len(restriction.free)
    if parts is not None:
        problems = restricted(problem_of(statistics, parts), restriction)
        start = default_start(replace(problems.statistics, start=None))
        return estimate_many(problems, start, method)
    rows = ByRows(design, statistics.beta_ols, (), 1.0, method, np.zeros(statistics.n_theta))
    return (
        single(estimate(rows.statistics(design.y, restriction), method))
        if m
        else rows.least_squares(design.y)
    )


def joined(gradient: Array, r2: Array, dof: Array, sigma: float) -> Array:
    """Slopes of the restricted log-likelihood in theta and sigma from those of its -2-fold in theta."""
    return np.column_stack([-0.5 * gradient, r2 / sigma**3 - dof / sigma])


def restricted_groups(design: DesignLike, restriction: Restriction) -> list[RestrictedGroup]:
    """The grouping factors of a design that a restriction leaves, with the coefficients that it leaves."""
    left = iter(restriction.groups)
    out = []
    for g, kept in zip(design.groups, restriction.kept, strict=True):
        if kept:
            own = next(left)
            columns = np.ascontiguousarray(g.columns[:, list(kept)])
            out.append(RestrictedGroup(g.name, g.levels, own.names, g.codes, columns, own.template))
    return out


def replicator(
    design: DesignLike, statistics: Statistics, beta: Array, theta: Array, sigma: float, method: str
) -> Replicator:
    """What draws from the model at these parameters, by statistics where that is possible."""
    parts, T = parts_of(statistics), statistics.factors(theta)
    beta = np.where(np.isnan(beta), 0.0, beta)
    if parts is None:
        return ByRows(design, beta, T, sigma, method, theta)
    return ByStatistics(law_of(statistics, parts, beta, T, sigma), method, theta)
