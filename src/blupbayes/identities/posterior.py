"""Tower, total variance and density of exact posteriors, beside dense formulas at their most probable points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blupbayes.bayes.averages import points as points_at
from blupbayes.bayes.cloud import Cloud
from blupbayes.bayes.conditional import means_of
from blupbayes.bayes.integrate import Integral
from blupbayes.bayes.marginal import Marginal
from blupbayes.bayes.mixture import Mixture
from blupbayes.bayes.points import join
from blupbayes.compare.dense import Dense
from blupbayes.compare.dense_readings import BetaDensity, given, log_density
from blupbayes.compare.identity import Identity, judged, rounding
from blupbayes.identities.case import Case
from blupbayes.mme.many import eliminate_many
from blupbayes.model.resolved import ResolvedPrior

__all__ = ["posterior_identities"]

Array = NDArray[np.float64]

POINTS = 8  # of a lattice, at which dense formulas are formed
WORK = 1e10  # n^3 summed over them


def posterior_identities(case: Case, answers: Mapping[str, Any], remarks: list[str]) -> list[Identity]:
    """Tower, total variance and density of every exact posterior."""
    exact = {name: a for name, a in answers.items() if hasattr(a, "integral")}
    out = []
    for name, answer in exact.items():
        prior, mark = case.density(answer.prior), f"[{name}]" if len(exact) > 1 else ""
        if prior is None:
            remarks.append(f"{name}: left out, as X and the prior of beta are both of deficient rank.")
            continue
        lattice = Lattice(case, answer.integral, prior)
        if len(lattice.top) == 0:
            remarks.append(f"{name}: V judges no point of its lattice in double precision.")
            continue
        out += lattice.moments(mark) + lattice.density(mark, answer.prior)
    return out


@dataclass(frozen=True, eq=False)
class Lattice:
    """An integral, and the dense model at its most probable points."""

    case: Case
    integral: Integral
    prior: BetaDensity

    @cached_property
    def built(self) -> tuple[NDArray[np.intp], list[Dense]]:
        """The most probable points, as many as can be afforded, and the model there in units of sigma.

        Where V has no digits they are left out.
        """
        count = int(np.clip(WORK / self.case.design.n_obs**3, 1, POINTS))
        order = np.argsort(-self.integral.mixture.weights)[:count]
        T = self.factors(order)
        found = [Dense(self.case.data, tuple(t[k] for t in T), 1.0) for k in range(len(order))]
        kept = [k for k, at in enumerate(found) if judged(at.condition)]
        return order[kept], [found[k] for k in kept]

    @property
    def top(self) -> NDArray[np.intp]:
        """Which points."""
        return self.built[0]

    @property
    def dense(self) -> list[Dense]:
        """The model there."""
        return self.built[1]

    def factors(self, which: NDArray[np.intp]) -> tuple[Array, ...]:
        """T (k, q, q) per grouping factor."""
        return self.integral.marginal.coordinates.places(self.integral.mixture.points.v[which]).T

    @property
    def tolerance(self) -> float:
        """Relative to the scale of a block."""
        return max(rounding(at.condition) for at in self.dense)

    @cached_property
    def source(self) -> tuple[Mixture, Array, NDArray[np.intp]]:
        """Points, their probabilities, and which of them dense formulas replace.

        On some of the rows these are the most probable points alone, and sigma is at its mean given theta.
        """
        whole = self.integral.mixture
        if self.case.whole:
            return whole, whole.weights, self.top
        d, s, p = self.case.design, self.case.statistics, whole.points
        means = means_of(d.fixed_names, [(g.levels, g.names) for g in d.groups])
        marginal = Marginal(s, self.integral.marginal.prior, means)
        sigma = np.exp(np.sum(p.within * p.log_sigma, axis=1))[self.top]
        parts = [points_at(marginal, many, sigma[k]) for k, many in eliminate_many(s, self.factors(self.top))]
        weights = whole.weights[self.top]
        mixture = Mixture(marginal.coordinates, whole.lattice, join(parts), whole.rel_error)
        return mixture, weights / weights.sum(), np.arange(len(self.top))

    @cached_property
    def columns(self) -> NDArray[np.intp]:
        """Which linear quantities are compared: b, and beta where that of the kept columns is reported."""
        p, q = len(self.case.design.fixed_names), self.case.statistics.layout.size
        beta = self.case.statistics.kept if self.with_beta else np.empty(0, dtype=np.intp)
        return np.concatenate([beta, np.arange(p, p + q)])

    @property
    def with_beta(self) -> bool:
        """Whether beta on the kept columns is what the posterior reports."""
        return self.case.full_rank or self.prior.rank == 0

    def conditionals(self) -> tuple[Array, Array]:
        """Means and variances (k, Q) given theta, over the nodes of sigma, by dense formulas."""
        mixture, _, which = self.source
        p, means, variances = mixture.few, [], []
        for at, i in zip(self.dense, which, strict=True):
            mean, variance = given(at, np.exp(p.log_sigma[i]), self.prior, p.tau[i])
            means.append(p.within[i] @ mean)
            variances.append(p.within[i] @ (variance + (mean - means[-1]) ** 2))
        skip = 0 if self.with_beta else self.case.rank
        return np.array(means)[:, skip:], np.array(variances)[:, skip:]

    def moments(self, mark: str) -> list[Identity]:
        """What is reported, and the same sums with dense conditionals at the most probable points."""
        mixture, w, which = self.source
        between, inside = (x[:, self.columns].copy() for x in mixture.given_theta)
        between[which], inside[which] = self.conditionals()
        mean = w @ between
        variance = w @ (inside + (between - mean) ** 2)
        left, sd = self.reported(mixture, w)
        names = self.case.names
        labels = (names.beta if self.with_beta else []) + names.b
        how = f"with dense formulas at the {len(which)} points that carry {w[which].sum():.0%} of it"
        if not self.case.whole:
            how = "over the most probable points of all rows, theta at these points and sigma at its mean given theta"
        scale = np.hypot(mean, np.sqrt(variance))
        rows = (("tower", left, mean, scale), ("total_variance", sd**2, variance, variance))
        return [
            Identity(name, x, y, size, self.tolerance, labels, {"how": how}, mark)
            for name, x, y, size in rows
        ]

    def reported(self, mixture: Mixture, w: Array) -> tuple[Array, Array]:
        """Means and sds as tables have them."""
        if self.case.whole:
            size = mixture.points.base.shape[1]
            mean, sd = self.integral.moments[:, -size:]
        else:
            found = mixture.linear(w)
            mean, sd = found.mean, found.sd
        return mean[self.columns], sd[self.columns]

    def density(self, mark: str, prior: ResolvedPrior) -> list[Identity]:
        """Log-density at the most probable points, sigma at its most probable node.

        For equally spaced nodes, and a beta with a flat or Gaussian prior.
        """
        along, p = self.integral.marginal.along_sigma, self.integral.mixture.points.take(self.top)
        if not self.case.whole or along.bounded or np.isfinite(prior.nu):
            return []
        each = np.arange(len(p))
        best = p.within.argmax(axis=1)
        spacing = np.where(p.spacing > 0, p.spacing, 1.0)
        lattice = self.integral.mixture.lattice
        total = p.log_density if isinstance(lattice, Cloud) else lattice.log_density[self.top]
        left = total + np.log(p.within[each, best]) - np.log(spacing)
        sigma = np.exp(p.log_sigma[each, best])
        by_data = [log_density(at, float(x), self.prior) for at, x in zip(self.dense, sigma, strict=True)]
        right = np.array(by_data) + self.integral.marginal.log_prior(p)[each, best]
        scale = np.maximum(np.abs(right), self.case.design.n_obs)
        labels = [f"lattice point {k}" for k in self.top]
        return [Identity("posterior_density", left, right, scale, self.tolerance, labels, mark=mark)]
