"""Both sides of what holds at given variances: the package's answer and the dense model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blupbayes.bayes.density import BetaPrior, log_marginal
from blupbayes.compare import identities as equal
from blupbayes.compare.dense import Dense
from blupbayes.compare.dense_readings import BetaDensity, flat, log_density, predict
from blupbayes.compare.effects import Pivoted, pivoted
from blupbayes.compare.identity import Identity, rounding
from blupbayes.identities.case import Case
from blupbayes.mme.gaussian import GaussianPosterior, posterior
from blupbayes.model.design import Design
from blupbayes.predict import Rows, mean_of, read_rows
from blupbayes.prediction_error import error_variance

__all__ = ["At"]

Array = NDArray[np.float64]

FIRST = 5  # rows whose predictions are compared
NEAR_FLAT = 1e-9  # how far the evidence may be from Harville's limit, in units of the log-likelihood


@dataclass(frozen=True, eq=False)
class At:
    """One case at one set of variances; ``kappa`` None is as strong as the data."""

    case: Case
    T: tuple[Array, ...]
    sigma: float
    asked: float | None

    @cached_property
    def dense(self) -> Dense:
        """The right-hand sides."""
        return Dense(self.case.data, self.T, self.sigma)

    @cached_property
    def tolerance(self) -> float:
        """Relative to the scale of a block."""
        return rounding(self.dense.condition)

    @cached_property
    def solved(self) -> GaussianPosterior:
        """The package's answer at kappa = 0."""
        return posterior(self.case.statistics, self.T, self.sigma)

    @cached_property
    def ours(self) -> Any:
        """The same on the columns of X that are kept."""
        return on_kept(pivoted(self.solved), self.case.statistics.kept)

    @cached_property
    def kappa(self) -> float:
        """That asked for, or one as strong as the data."""
        return self.asked or self.case.rank / self.spread

    @cached_property
    def spread(self) -> float:
        """Variance of all of beta, in the metric of P."""
        return float(np.trace(self.dense.beta_cov @ self.case.unit_precision)) if self.case.rank else 1.0

    def prior(self, kappa: float) -> BetaDensity:
        """beta ~ N(0, 1/kappa), on the columns that are kept."""
        P = kappa * self.case.unit_precision
        return BetaDensity(np.zeros(len(P)), P, len(P), float(np.linalg.slogdet(P)[1]))

    def identities(self) -> list[Identity]:
        """All that hold at given variances."""
        dense, names, tol = self.dense, self.case.names, self.tolerance
        return [
            *equal.at_variances(self.ours, dense, names, tol),
            *equal.weight_matrix(self.ours, dense, names, tol),
            *([self.rate()] if self.case.rank else []),
            *self.densities(),
            self.score(),
            *self.predictions(),
        ]

    def score(self) -> Identity:
        """Slopes half way to sds of one sigma, as at an optimum both sides are 0 whatever they are made of."""
        w = self.case.data.w[:, None]
        sizes = [np.sqrt(np.mean(w * x**2, axis=0)) for x in self.case.data.columns]
        units = [np.diag(1.0 / np.where(size > 0, size, 1.0)) for size in sizes]
        T = tuple(0.5 * (own + unit) for own, unit in zip(self.T, units, strict=True))
        flat_prior = BetaPrior(np.zeros((self.case.rank + 1,) * 2), 0.0)
        _, by_T, by_sigma = log_marginal(self.case.statistics, flat_prior, T, self.sigma)
        there = Dense(self.case.data, T, self.sigma)
        return equal.scores(by_T, by_sigma, there, self.case.names, rounding(there.condition))

    def densities(self) -> list[Identity]:
        """The REML log-likelihood, the evidence and its limit."""
        case, sigma, prior = self.case, self.sigma, self.prior(self.kappa)
        left, right = (
            [self.solved.restricted_log_likelihood],
            [log_density(self.dense, sigma, flat(case.rank))],
        )
        if case.rank:
            beta = self.dense.beta
            near = NEAR_FLAT / (self.spread + float(beta @ case.unit_precision @ beta))
            evidence = posterior(case.statistics, self.T, sigma, near).log_evidence
            height = 0.5 * (self.prior(near).log_det - case.rank * np.log(2.0 * np.pi))
            left += [self.shrunk.log_evidence, evidence - height]
            right += [log_density(self.dense, sigma, prior), right[0]]
        return equal.densities(left, right, self.kappa, case.design.n_obs, self.tolerance)

    @cached_property
    def shrunk(self) -> GaussianPosterior:
        """The package's answer at kappa."""
        return posterior(self.case.statistics, self.T, self.sigma, self.kappa)

    def rate(self) -> Identity:
        """From kappa to 0."""
        moved = [self.case.alias @ self.shrunk.beta - self.ours.beta]
        moved += [x - y for x, y in zip(self.shrunk.b, self.solved.b, strict=True)]
        prior = self.prior(self.kappa)
        return equal.kappa_rate(moved, self.kappa, self.dense, prior, self.case.names, self.tolerance)

    def predictions(self) -> list[Identity]:
        """Of the first rows, and of one more in new levels."""
        rows, labels = some_rows(self.case.design)
        full = np.zeros(len(self.case.design.fixed_names))
        full[self.case.statistics.kept] = self.ours.beta
        mean = mean_of(rows, full, self.solved.b)
        X = rows.X[:, self.case.statistics.kept]
        right, variance = predict(self.dense, X, rows.codes, rows.inside)
        ours = mean, error_variance(self.solved, rows)
        return equal.predictions(*ours, (right + rows.offset, variance), labels, self.tolerance)


def on_kept(g: Any, kept: NDArray[np.intp]) -> Pivoted:
    """Without the aliased columns."""
    cross = tuple(x[..., kept] for x in g.cross_cov)
    return Pivoted(g.beta[kept], g.beta_cov[np.ix_(kept, kept)], g.b, g.cond_cov, g.pev, cross, g.T, g.sigma)


def some_rows(design: Design) -> tuple[Rows, list[str]]:
    """The first rows, then the first one again as if its levels were new ones."""
    rows = read_rows(design, None)
    which = np.r_[np.arange(min(FIRST, design.n_obs)), 0]
    codes, inside = [c[which] for c in rows.codes], [x[which] for x in rows.inside]
    for c, x in zip(codes, inside, strict=True):
        c[-1], x[-1] = -1, 0.0
    found = Rows(
        rows.X[which],
        rows.offset[which],
        rows.weights[which],
        tuple(codes),
        tuple(inside),
        tuple(inside),
        None,
    )
    return found, [*(f"row {design.rows[k]}" for k in which[:-1]), f"row {design.rows[0]}, new levels"]
