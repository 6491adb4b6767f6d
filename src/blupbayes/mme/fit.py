"""Estimate theta by Newton (or average-information) steps in a trust region, and certify the answer.

theta runs freely: T and T with a column's sign changed give the same covariance, so a variance of zero is
an interior stationary point of the criterion, and whether it is a minimum is read from the derivative in
the variance itself (a KKT multiplier), never from the gradient in theta, which is zero there for any data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from blupbayes.errors import DataError
from blupbayes.mme.criterion import Evaluation, evaluate
from blupbayes.mme.derivatives import Derivatives, derivatives, scoring_step
from blupbayes.mme.statistics import Statistics
from blupbayes.mme.trust_region import Step, newton_decrement, trust_region_step
from blupbayes.model.covariance import semidefinite_cholesky

__all__ = ["Certificate", "Estimate", "estimate"]

Array = NDArray[np.float64]

DECREMENT = 1e-10  # of the criterion, in deviance units, before the last Newton step
AVERAGE_DECREMENT = 1e-14  # the same with approximate curvature, whose last step gains less
NOISE = 2e-13  # relative rounding error of the criterion
ZERO_SD = 1e-4  # an sd below this share of sigma per rms of its column is tried at exactly zero
MAX_EVALUATIONS = 200
MAX_SCORING = 4
FLOOR = 1e-4  # relative variances that a scoring step would make negative start from here


@dataclass(frozen=True)
class Certificate:
    """Why an estimate may be trusted.

    Parameters
    ----------
    gradient : float
        Largest slope of the criterion in theta, theta measured per root mean square of its column.
    newton_decrement : float
        How much lower the criterion could still be, in deviance units, by its quadratic model.
    multipliers : mapping
        For each group whose covariance is singular: the smallest derivative of the criterion in the
        directions of zero variance. Not negative: zero is a true minimum (KKT).
    n_factorizations : int
        Factorisations with derivatives.
    n_evaluations : int
        All factorisations, rejected steps and the trial at zero included.
    exact_curvature : bool
        Whether the curvature was the exact Hessian (else average information with secant corrections).
    converged : bool
    """

    gradient: float
    newton_decrement: float
    multipliers: Mapping[str, float]
    n_factorizations: int
    n_evaluations: int
    exact_curvature: bool
    converged: bool

    def __str__(self) -> str:
        state = "converged" if self.converged else "NOT converged"
        text = (
            f"{state}: within {self.newton_decrement:.1e} deviance units of a stationary point "
            f"(largest slope {self.gradient:.1e}, {self.n_factorizations} factorisations with derivatives)"
        )
        for group, value in self.multipliers.items():
            verdict = "a true minimum" if value >= 0 else "NOT a minimum"
            text += f"; zero variance in {group} is {verdict} (slope {value:+.3g} per unit of relative variance)"
        return text


@dataclass(frozen=True)
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


def unit(statistics: Statistics) -> Array:
    """The natural size (m,) of each entry of theta: one over the root mean square of its row's column."""
    out = np.ones(statistics.n_theta)
    for g in statistics.groups:
        scale = np.where(g.scale > 0, g.scale, 1.0)
        out[list(g.template.index)] = 1.0 / scale[list(g.template.rows)]
    return out


def default_start(statistics: Statistics) -> Array:
    """theta (m,) with T diagonal, every random coefficient contributing about one sigma to y."""
    theta = np.zeros(statistics.n_theta)
    for g in statistics.groups:
        theta[list(g.template.diagonal)] = 1.0
    return theta * unit(statistics)


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
            self.radius = 0.25 * length
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

    def run(self) -> bool:
        """Step until the model promises nothing more; True if it got there."""
        while self.n_evaluations < MAX_EVALUATIONS:
            step = self.step()
            enough = DECREMENT if self.slope.exact else AVERAGE_DECREMENT
            there = self.trial(self.here.theta + step.p * self.size)
            noise = NOISE * max(1.0, abs(self.here.criterion))
            gained = self.here.criterion - there.criterion if there else -np.inf
            ratio = (gained + noise) / (step.decrease + noise)
            self.resize(ratio, float(np.linalg.norm(step.p)))
            if there is not None and ratio > 0.1:
                self.move(there)
                if step.newton and step.decrease < enough:
                    return True
            elif self.radius < 1e-12:
                return False
        return False


def inside(statistics: Statistics, Omega: tuple[Array, ...]) -> Array:
    """theta (m,) of the given relative covariances, negative and tiny eigenvalues raised to FLOOR."""
    theta = np.zeros(statistics.n_theta)
    for g, O in zip(statistics.groups, Omega, strict=True):
        size = np.where(g.scale > 0, g.scale, 1.0)
        T = np.zeros(O.shape)
        for columns in components(g.template.rows, g.template.cols, g.template.size):
            s = size[columns]
            values, vectors = np.linalg.eigh(O[np.ix_(columns, columns)] * np.outer(s, s))
            raised = (vectors * np.maximum(values, FLOOR)) @ vectors.T
            T[np.ix_(columns, columns)] = np.linalg.cholesky(raised) / s[:, None]
        g.template.read(T, theta)
    return theta


def canonical(statistics: Statistics, theta: Array) -> Array:
    """The theta (m,) of the same covariance with a nonnegative diagonal, zeros set out exactly."""
    out = theta.copy()
    for g in statistics.groups:
        size = np.where(g.scale > 0, g.scale, 1.0)
        T = g.template.matrix(theta) * size[:, None]
        g.template.read(semidefinite_cholesky(T @ T.T) / size[:, None], out)
    return out


def without_small(statistics: Statistics, theta: Array) -> Array:
    """theta (m,) with every nearly zero diagonal entry of T, and what stands below it, at zero."""
    out = theta.copy()
    for g in statistics.groups:
        T = g.template.matrix(theta)
        small = np.diag(T) * np.where(g.scale > 0, g.scale, 1.0) < ZERO_SD
        if small.any():
            T = semidefinite_cholesky(T @ T.T)
            T[:, small] = 0.0
            g.template.read(T, out)
    return out


def multipliers(statistics: Statistics, here: Evaluation, slope: Derivatives) -> dict[str, float]:
    """Smallest derivative of the criterion in the null directions of each singular covariance (KKT)."""
    out: dict[str, float] = {}
    for g, T, D in zip(statistics.groups, here.factor.T, slope.by_variance, strict=True):
        size = np.where(g.scale > 0, g.scale, 1.0)
        for columns in components(g.template.rows, g.template.cols, g.template.size):
            block = T[np.ix_(columns, columns)] * size[columns, None]
            zero = np.abs(np.diag(block)) < ZERO_SD
            if zero.any():
                U, s, _ = np.linalg.svd(block)
                null = U[:, s < ZERO_SD * max(1.0, float(s.max()))]
                inner = D[np.ix_(columns, columns)] / np.outer(size[columns], size[columns])
                lowest = float(np.linalg.eigvalsh(null.T @ inner @ null).min()) if null.size else 0.0
                out[g.name] = min(out.get(g.name, np.inf), lowest)
    return out


def components(rows: tuple[int, ...], cols: tuple[int, ...], size: int) -> list[list[int]]:
    """Coefficients that share a covariance block, as lists of positions."""
    owner = list(range(size))
    for r, c in zip(rows, cols, strict=True):
        owner = [owner[c] if o == owner[r] else o for o in owner]
    return [[k for k in range(size) if owner[k] == o] for o in sorted(set(owner))]


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
    search = _Search.begin(statistics, method, default_start(statistics) if start is None else np.asarray(start))
    if start is None:
        search.approach()
    converged = search.run()
    theta = canonical(statistics, search.here.theta)
    settled = without_small(statistics, theta)
    if not np.array_equal(settled, theta) or not np.array_equal(theta, search.here.theta):
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


def describe(statistics: Statistics, method: str, theta: Array, certificate: Certificate) -> tuple[str, ...]:
    """What a reader of the estimates has to know, as sentences."""
    out = []
    if not certificate.converged:
        out.append(f"The {method} fit did not converge: {certificate}.")
    for g in statistics.groups:
        if g.name in certificate.multipliers:
            sd = np.linalg.norm(g.template.matrix(theta), axis=1)
            zero = [name for name, value in zip(g.names, sd, strict=True) if value == 0]
            out.append(_boundary_sentence(method, g.name, zero, g.names, certificate.multipliers[g.name]))
    if statistics.aliased:
        out.append(
            f"X has rank {statistics.rank} with {len(statistics.fixed_names)} columns: {', '.join(statistics.aliased)} "
            "can be written as combinations of earlier columns (aliased). Their estimates are NaN in a fit; "
            "solve() gives the smallest-norm limit. Fitted values and BLUPs do not depend on the choice."
        )
    return tuple(out)


def _boundary_sentence(method: str, group: str, zero: list[str], names: tuple[str, ...], slope: float) -> str:
    if zero:
        what = f"sd({group})" if names == ("Intercept",) else ", ".join(f"sd({group}: {name})" for name in zero)
        return (
            f"The {method} estimate of {what} is 0, the boundary of the parameter space. The fit is valid: the "
            f"criterion rises by {slope:.3g} per unit of relative variance, so zero is its minimum. The BLUPs "
            "of these effects are 0 (complete pooling); a posterior mean of the sd will be above 0."
        )
    return (
        f"The {method} estimate of the covariance of {group} is singular (a correlation of +1 or -1), the boundary "
        "of the parameter space. The fit is valid; a posterior will put the correlation inside (-1, 1)."
    )
