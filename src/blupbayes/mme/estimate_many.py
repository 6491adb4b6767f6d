"""ML or REML estimates of many small problems at once: Newton steps in trust regions, of all that are not done yet.

The steps, the start and the settling at zero are those of fit.py. A problem that is not done after some steps is
estimated on its own by fit.py, and the answer says of each whether it has converged.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from blupbayes.errors import DataError
from blupbayes.mme.boundary import collapsed, unit
from blupbayes.mme.boundary_many import (
    canonical_many,
    inside_many,
    multipliers_many,
    unseen,
    without_small_many,
)
from blupbayes.mme.derivatives_many import ManyDerivatives
from blupbayes.mme.fit import DECREMENT, MAX_LOST, NOISE, PATIENCE, ROUNDING, estimate
from blupbayes.mme.problems import Problems, Sweep, sweep
from blupbayes.mme.statistics import Statistics
from blupbayes.mme.trust_region_many import newton_decrements, trust_region_steps

__all__ = ["ManyEstimates", "estimate_many"]

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Mask = NDArray[np.bool_]

NUMBERS = 400_000  # in the largest array of one sweep: few enough to stay near the processor
MAX_SWEEPS = 40
ONE_BLOCK = 1000  # random effects of a problem that can be estimated on its own as one dense block


@dataclass(frozen=True, eq=False)
class ManyEstimates:
    """Estimates of n problems.

    ``theta`` (n, m), canonical; ``sigma`` (n,); ``beta`` (n, p), 0 for aliased columns; ``criterion`` (n,);
    ``singular`` (n, groups): whose covariance is singular; ``converged`` (n,): stationary, and a true minimum
    where singular. All NaN where a problem has no answer in double precision.
    """

    theta: Array
    sigma: Array
    beta: Array
    criterion: Array
    singular: Mask
    converged: Mask

    @property
    def boundary(self) -> Mask:
        """Whether any covariance is singular (n,)."""
        return self.singular.any(axis=1)

    @classmethod
    def joined(cls, parts: list[ManyEstimates]) -> ManyEstimates:
        """One after the other."""
        names = ("theta", "sigma", "beta", "criterion", "singular", "converged")
        return cls(*(np.concatenate([getattr(x, name) for x in parts]) for name in names))


@dataclass(frozen=True, eq=False)
class _Points:
    """Where the searches stand: theta (n, m), criterion (n,), gradient and curvature in theta / unit."""

    theta: Array
    criterion: Array
    gradient: Array
    hessian: Array

    @classmethod
    def of(cls, at: Sweep, size: Array) -> _Points:
        D = ManyDerivatives(at)
        theta = np.broadcast_to(at.theta, (len(at.criterion), at.theta.shape[1]))
        return cls(theta, at.criterion, D.gradient * size, D.hessian * np.outer(size, size))

    def take(self, which: Index | Mask) -> _Points:
        """Some of them."""
        return _Points(self.theta[which], self.criterion[which], self.gradient[which], self.hessian[which])

    def moved(self, there: _Points, where: Mask) -> _Points:
        """The other points where asked for."""
        return _Points(
            np.where(where[:, None], there.theta, self.theta),
            np.where(where, there.criterion, self.criterion),
            np.where(where[:, None], there.gradient, self.gradient),
            np.where(where[:, None, None], there.hessian, self.hessian),
        )


@dataclass
class _Searches:
    """Searches that are not done: which problems they are, where they stand, radii and lost promises (n,)."""

    problems: Problems
    method: str
    size: Array
    which: Index
    here: _Points
    radius: Array
    lost: NDArray[np.intp]

    @classmethod
    def begin(cls, problems: Problems, method: str, start: Array) -> _Searches:
        """From the start (m,), or from one scoring step away where that is lower.

        At a singular start the gradient is zero, but not the curvature where it is no minimum.
        """
        s, n = problems.statistics, len(problems)
        size = unit(s)
        at = sweep(problems, start, method)
        there = sweep(problems, inside_many(s.groups, ManyDerivatives(at).scored(), s.n_theta), method)
        with np.errstate(invalid="ignore"):
            lower = there.criterion < at.criterion
        here = _Points.of(at, size)
        if lower.any():
            here = here.moved(_Points.of(there, size), lower)
        return cls(problems, method, size, np.arange(n), here, np.full(n, 2.0), np.zeros(n, dtype=np.intp))

    def keep(self, which: Mask) -> None:
        """Go on with some of them."""
        if which.all():
            return
        self.problems = self.problems.take(np.flatnonzero(which))
        self.which, self.here = self.which[which], self.here.take(which)
        self.radius, self.lost = self.radius[which], self.lost[which]

    def trial(self, theta: Array) -> _Points:
        """The criterion and its derivatives elsewhere."""
        return _Points.of(sweep(self.problems, theta, self.method), self.size)

    def advance(self) -> tuple[Mask, Mask]:
        """One step of all: which have arrived, and which have got lost in rounding."""
        step = trust_region_steps(self.here.gradient, self.here.hessian, self.radius)
        there = self.trial(self.here.theta + step.p * self.size)
        noise = NOISE * np.maximum(1.0, np.abs(self.here.criterion))
        gained = np.nan_to_num(self.here.criterion - there.criterion, nan=-np.inf)
        ratio = (gained + noise) / (step.decrease + noise)
        self.resize(ratio, np.linalg.norm(step.p, axis=1))
        self.lost += (gained < 0.5 * step.decrease) & (step.decrease < ROUNDING)
        self.here = self.here.moved(there, ratio > 0.1)
        return step.newton & (step.decrease < DECREMENT), self.lost >= MAX_LOST

    def resize(self, ratio: Array, length: Array) -> None:
        """Adapt the radii to how well the models predicted."""
        short = np.where(ratio < 0.1, 0.25 * length, np.minimum(self.radius, 2.0 * length))
        long = np.where((ratio > 0.75) & (length > 0.8 * self.radius), 2.0 * self.radius, self.radius)
        self.radius = np.where(ratio < 0.25, short, long)

    def collapse(self) -> None:
        """Leave curved valleys by a jump, as _Search.collapse of fit.py."""
        s = self.problems.statistics
        found = [collapsed(s, theta) for theta in self.here.theta]
        if all(theta is None for theta in found):
            return
        there = self.trial(
            np.array([t if t is not None else h for t, h in zip(found, self.here.theta, strict=True)])
        )
        lower = there.criterion < self.here.criterion
        self.here, self.radius = self.here.moved(there, lower), np.where(lower, 2.0, self.radius)

    def run(self) -> tuple[Array, Mask]:
        """theta (n, m) where each search ended, and whether it got there (n,)."""
        theta, arrived = self.here.theta.copy(), np.zeros(len(self.which), dtype=bool)
        self.keep(np.isfinite(self.here.criterion))
        for k in range(1, MAX_SWEEPS + 1):
            if not len(self.which):
                break
            if k % PATIENCE == 0:
                self.collapse()
            there, lost = self.advance()
            theta[self.which] = self.here.theta
            if lost.any():
                there = there | (lost & (newton_decrements(self.here.gradient, self.here.hessian) < ROUNDING))
            arrived[self.which] = there
            self.keep(~there & ~lost & (self.radius > 1e-12))
        return theta, arrived


def estimate_many(problems: Problems, start: Array, method: str = "REML") -> ManyEstimates:
    """Minimise the ML or REML criterion of every problem over its theta [E-ML], [E-REML], [E-SCORE].

    Parameters
    ----------
    problems : Problems
    start : array (m,)
        Where to begin. From a singular covariance a scoring step leads away, or the curvature does, where that is no
        minimum: no search is held at zero.
    method : {"REML", "ML"}

    Returns
    -------
    ManyEstimates
    """
    n, theta = len(problems), np.asarray(start, dtype=float)
    portion = max(1, NUMBERS // max(problems.numbers, 1))
    parts = []
    for first in range(0, n, portion):
        which = np.arange(first, min(first + portion, n))
        parts.append(portion_of(problems.take(which).packed(), theta, method))
    return ManyEstimates.joined(parts)


def portion_of(problems: Problems, start: Array, method: str) -> ManyEstimates:
    """Estimates of as many problems as are worked on together."""
    if not problems.statistics.n_theta:
        return least_squares(problems, method)
    theta, arrived = _Searches.begin(problems, method, start).run()
    found = settled(problems, theta, method)
    found = replace(found, converged=found.converged & arrived)
    if problems.size <= ONE_BLOCK:
        for b in np.flatnonzero(~found.converged):
            put(found, int(b), problems.one(int(b)), method)
    return found


def settled(problems: Problems, theta: Array, method: str) -> ManyEstimates:
    """Canonical estimates, nearly zero sds at zero where that is no worse, and the slopes there."""
    groups = problems.statistics.groups
    there = sweep(problems, canonical_many(groups, theta), method)
    zero = without_small_many(groups, unseen(groups, there.theta, ManyDerivatives(there).hessian))
    other = np.any(zero != there.theta, axis=1)
    if other.any():
        some = np.flatnonzero(other)
        below = sweep(problems.take(some), zero[some], method).criterion <= there.criterion[some] + ROUNDING
        chosen = there.theta.copy()
        chosen[some[below]] = zero[some[below]]
        there = sweep(problems, chosen, method)
    lowest, singular = multipliers_many(groups, there.theta, ManyDerivatives(there).by_variance)
    good = np.isfinite(there.criterion) & (lowest > -1e-6)
    return ManyEstimates(there.theta, there.sigma, there.beta, there.criterion, singular, good)


def least_squares(problems: Problems, method: str) -> ManyEstimates:
    """Estimates without random effects."""
    at, n = sweep(problems, np.zeros((1, 0)), method), len(problems)
    good = np.isfinite(at.criterion)
    return ManyEstimates(
        np.zeros((n, 0)), at.sigma, at.beta, at.criterion, np.zeros((n, 0), dtype=bool), good
    )


def put(found: ManyEstimates, b: int, statistics: Statistics, method: str) -> None:
    """Estimate one problem on its own, and write the answer into its place."""
    try:
        one = estimate(statistics, method)
    except DataError:  # no answer in double precision, or no residual: NaN, and not converged
        for x in (found.theta, found.sigma, found.beta, found.criterion):
            x[b] = np.nan
        return
    found.theta[b], found.sigma[b], found.beta[b] = one.theta, one.sigma, one.beta
    found.criterion[b], found.converged[b] = one.criterion, one.certificate.converged
    found.singular[b] = [g.name in one.singular for g in statistics.groups]
