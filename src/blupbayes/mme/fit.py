"""Estimate theta by Newton (or average-information) steps in a trust region, and certify the answer.

theta runs freely: T and T with a column's sign changed give the same covariance, so a variance of zero is
an interior stationary point of the criterion, and whether it is a minimum is read from the derivative in
the variance itself (a KKT multiplier), never from the gradient in theta, which is zero there for any data.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from blupbayes.errors import DataError
from blupbayes.mme.boundary import (
    canonical,
    collapsed,
    default_start,
    inside,
    multipliers,
    unit,
    without_small,
)
from blupbayes.mme.certificate import Certificate, describe
from blupbayes.mme.criterion import Evaluation, evaluate
from blupbayes.mme.derivatives import Derivatives, derivatives, scoring_step
from blupbayes.mme.statistics import Statistics
from blupbayes.mme.trust_region import Step, newton_decrement, trust_region_step

__all__ = ["Certificate", "Estimate", "estimate"]

Array = NDArray[np.float64]

DECREMENT = 1e-10  # of the criterion, in deviance units, before the last Newton step
AVERAGE_DECREMENT = (
    1e-11  # the same with approximate curvature, whose last step gains a factor of 100 at least
)
ROUNDING = (
    1e-8  # promises below this that are not kept are lost in rounding: theta is known to 1e-4 of its se
)
MAX_LOST = 4
FORGET = 0.5  # of the largest entry of theta: after longer steps what was learnt of the curvature is dropped
UNSEEN = 1e-6  # curvature in the log of all sds of a group: of the order of its levels where they are seen
PATIENCE = 6  # factorisations between two looks for a curved valley
NOISE = 2e-13  # relative rounding error of the criterion
MAX_EVALUATIONS = 200
MAX_SCORING = 4


@dataclass(frozen=True, eq=False)
class Estimate:
    """ML or REML estimates.

    Parameters
    ----------
    theta : array (m,)
        Formula order, each T column-major, signs with a nonnegative diagonal; relative to sigma, unit-free.
    sigma : float
        Residual sd, unit of y.
    criterion : float
        -2 log-likelihood (restricted for REML).
    singular : tuple of str
        Groups whose covariance matrix is singular (a zero variance or a correlation of +-1).
    """

    statistics: Statistics = field(repr=False)
    method: str
    theta: Array
    sigma: float
    criterion: float
    beta: Array
    certificate: Certificate
    singular: tuple[str, ...]
    messages: tuple[str, ...]

    @property
    def T(self) -> tuple[Array, ...]:
        """Relative covariance factors, (q_k, q_k) per group."""
        return self.statistics.factors(self.theta)

    @property
    def log_likelihood(self) -> float:
        """Log-likelihood, restricted for REML."""
        return -0.5 * self.criterion

    @property
    def is_boundary(self) -> bool:
        """Whether any covariance matrix is singular."""
        return bool(self.singular)


@dataclass
class _Search:
    """The state of one search: the current point, its derivatives, and what was spent."""

    statistics: Statistics
    method: str
    size: Array
    here: Evaluation
    slope: Derivatives
    correction: Array
    radius: float = 2.0
    n_factorizations: int = 1
    n_evaluations: int = 1

    @classmethod
    def begin(cls, statistics: Statistics, method: str, theta: Array) -> _Search:
        here = evaluate(statistics, theta, method)
        m = len(theta)
        return cls(statistics, method, unit(statistics), here, derivatives(here), np.zeros((m, m)))

    @property
    def gradient(self) -> Array:
        """Gradient in theta / unit."""
        return self.slope.gradient * self.size

    @property
    def hessian(self) -> Array:
        """Curvature in theta / unit, secant correction included."""
        return self.slope.hessian * np.outer(self.size, self.size) + self.correction

    def step(self) -> Step:
        """The next trust-region step."""
        return trust_region_step(self.gradient, self.hessian, self.radius)

    def trial(self, theta: Array) -> Evaluation | None:
        """Evaluate the criterion elsewhere; None where it has no value in double precision."""
        self.n_evaluations += 1
        try:
            return evaluate(self.statistics, theta, self.method)
        except DataError:
            return None

    def move(self, there: Evaluation) -> None:
        """Accept a point and take its derivatives."""
        before, p = self.gradient, (there.theta - self.here.theta) / self.size
        if np.abs(p).max() > FORGET * np.abs(self.here.theta / self.size).max():
            self.correction = np.zeros_like(
                self.correction
            )  # it was learnt where the curvature was another one
        self.here, self.slope = there, derivatives(there)
        self.n_factorizations += 1
        if not self.slope.exact:
            self._learn(p, self.gradient - before)

    def _learn(self, p: Array, change: Array) -> None:
        """Symmetric rank-one correction of the average information by the change of the exact gradient."""
        miss = change - self.hessian @ p
        along = float(miss @ p)
        if abs(along) > 1e-8 * float(np.linalg.norm(miss) * np.linalg.norm(p)) and np.linalg.norm(p) < 0.5:
            self.correction = self.correction + np.outer(miss, miss) / along

    def resize(self, ratio: float, length: float) -> None:
        """Adapt the radius to how well the model predicted."""
        if ratio < 0.25:
            self.radius = 0.25 * length if ratio < 0.1 else min(self.radius, 2.0 * length)
        elif ratio > 0.75 and length > 0.8 * self.radius:
            self.radius *= 2.0

    def approach(self) -> None:
        """Fisher-scoring steps in the covariance itself, while they pay."""
        for _ in range(MAX_SCORING):
            there = self.trial(inside(self.statistics, scoring_step(self.here)))
            if there is None or not there.criterion < self.here.criterion:
                return
            gained = self.here.criterion - there.criterion
            self.move(there)
            if gained < 1.0:
                return

    def collapse(self) -> None:
        """Leave a curved valley, in which a correlation turns towards +-1 while one sd is nearly zero, by a jump."""
        theta = collapsed(self.statistics, self.here.theta)
        there = None if theta is None else self.trial(theta)
        if there is not None and there.criterion < self.here.criterion:
            self.move(there)
            self.radius = 2.0

    def settle(self) -> None:
        """Put at zero whatever group the criterion does not depend on: theta would end anywhere."""
        for places in self.statistics.templates:
            mine = places.index
            size = self.here.theta[mine]
            if size.any() and abs(size @ self.slope.hessian[np.ix_(mine, mine)] @ size) < UNSEEN:
                theta = self.here.theta.copy()
                theta[mine] = 0.0
                there = self.trial(theta)
                if there is not None and there.criterion < self.here.criterion + ROUNDING:
                    self.move(there)

    def run(self) -> bool:
        """Step until the model promises nothing more, or its promises are lost in rounding; True if it got there."""
        lost = 0
        while self.n_evaluations < MAX_EVALUATIONS and self.radius > 1e-12:
            if self.n_factorizations % PATIENCE == 0:
                self.collapse()
            step = self.step()
            there = self.trial(self.here.theta + step.p * self.size)
            noise = NOISE * max(1.0, abs(self.here.criterion))
            gained = self.here.criterion - there.criterion if there else -np.inf
            ratio = (gained + noise) / (step.decrease + noise)
            self.resize(ratio, float(np.linalg.norm(step.p)))
            lost += gained < 0.5 * step.decrease < 0.5 * ROUNDING
            enough = DECREMENT if self.slope.exact else AVERAGE_DECREMENT
            if there is not None and ratio > 0.1:
                self.move(there)
            if step.newton and step.decrease < enough:
                return True
            if lost == MAX_LOST:
                return newton_decrement(self.gradient, self.hessian) < ROUNDING
        return False


def estimate(statistics: Statistics, method: str = "REML", start: Array | None = None) -> Estimate:
    """Minimise the ML or REML criterion over theta [E-ML], [E-REML], [E-SCORE].

    Parameters
    ----------
    statistics : Statistics
    method : {"REML", "ML"}
    start : array (m,), optional
        Default: every random coefficient contributes about one sigma to y.

    Returns
    -------
    Estimate
        With its certificate.

    Examples
    --------
    >>> import blupbayes as bb
    >>> from blupbayes.mme.fit import estimate
    >>> model = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail"))
    >>> round(estimate(model.statistics, "ML").sigma ** 2, 5)
    16.16667
    """
    search = _Search.begin(
        statistics, method, default_start(statistics) if start is None else np.asarray(start)
    )
    if start is None:
        search.approach()
    converged = search.run()
    search.settle()
    theta = canonical(statistics, search.here.theta)
    settled = without_small(statistics, theta)
    if not np.allclose(settled, search.here.theta, rtol=1e-12, atol=0.0):
        there = search.trial(settled)
        lower = there is not None and there.criterion <= search.here.criterion + 1e-9
        search.move(there if there is not None and lower else evaluate(statistics, theta, method))
    found = multipliers(statistics, search.here, search.slope)
    certificate = Certificate(
        gradient=float(np.abs(search.gradient).max()),
        newton_decrement=newton_decrement(search.gradient, search.hessian),
        multipliers=found,
        n_factorizations=search.n_factorizations,
        n_evaluations=search.n_evaluations,
        exact_curvature=search.slope.exact,
        converged=converged and all(value > -1e-6 for value in found.values()),
    )
    return Estimate(
        statistics, method, search.here.theta, search.here.sigma, search.here.criterion, search.here.beta,
        certificate, tuple(found), describe(statistics, method, search.here.theta, certificate),
    )  # fmt: skip
