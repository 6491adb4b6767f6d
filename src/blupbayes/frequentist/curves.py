"""What can be profiled: a variance parameter along its chart, and a fixed effect."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from blupbayes.errors import BlupbayesError, DataError
from blupbayes.frequentist.chart import Chart, Local
from blupbayes.frequentist.profile import Point
from blupbayes.frequentist.readings import readings
from blupbayes.mme.boundary import default_start
from blupbayes.mme.constrained import hold_beta
from blupbayes.mme.criterion import Evaluation, evaluate
from blupbayes.mme.fit import Estimate, estimate
from blupbayes.mme.statistics import Statistics
from blupbayes.mme.trust_region import trust_region_step

__all__ = ["BetaCurve", "VarianceCurve"]

Array = NDArray[np.float64]
DECREMENT = 1e-11  # of the deviance, before the last Newton step
NOISE = 2e-13  # relative rounding error of the deviance
IDLE = 1e-8  # of the deviance: after some steps that promise less, the rest of a flat valley is worth no more
PATIENCE = 8
AWAY = (1.0, 0.1)  # of one sigma's contribution to y: where searches for other minima begin
MAX_STEPS = 200


def everything(
    statistics: Statistics, at: Evaluation, sigma: float, held: dict[str, float]
) -> dict[str, float]:
    """Every parameter's value at a point, by its name."""
    beta = zip(at.statistics.fixed_names, at.beta, strict=True)
    out = {f"beta[{name}]": float(value) for name, value in beta} | held
    for x in readings(statistics.groups, sigma=statistics.sigma is None):
        out[x.name] = x.value(at.factor.T, sigma)
    return out


@dataclass(frozen=True, eq=False)
class VarianceCurve:
    """A profile along sigma, an sd, a correlation or an entry of theta."""

    chart: Chart
    fit: Estimate
    se: float

    @property
    def name(self) -> str:
        """Its name."""
        return self.chart.held.name

    @property
    def low(self) -> float:
        """Lower end of its values; entries of theta on the diagonal count from 0, as sds."""
        if self.chart.held.kind == "corr":
            return -1.0
        return -np.inf if self.chart.held.kind == "theta" and len(self.chart.entry) > 1 else 0.0

    @property
    def high(self) -> float:
        """Upper end of its values."""
        return 1.0 if self.chart.held.kind == "corr" else np.inf

    @cached_property
    def best(self) -> Point:
        """The optimum."""
        phi, psi = self.chart.coordinates(self.fit.theta, self.fit.sigma)
        return self._point(self.chart.local(phi, psi), phi, psi)

    @property
    def guess(self) -> float:
        """A standard error, or a rough size of one."""
        if np.isfinite(self.se) and self.se > 0:
            return self.se
        return 0.2 if self.chart.held.kind == "corr" else 0.2 * self._scale()

    def _scale(self) -> float:
        g = self.chart.statistics.groups[self.chart.held.group]
        size = g.scale[self.chart.held.r] if self.chart.held.kind == "sd" else 1.0
        return (self.fit.sigma if self.chart.held.kind == "sd" else 1.0) / (size if size > 0 else 1.0)

    def _point(self, local: Local, phi: Array, psi: float) -> Point:
        others = everything(self.chart.statistics, local.at, local.sigma, {self.name: psi})
        return Point(psi, local.value, local.slope, phi, others)

    def at(self, psi: float, near: Point) -> Point:
        """The lowest deviance where the parameter is psi."""
        if self.chart.held.kind == "sigma" and psi <= 0.0:
            return replace(near, psi=0.0, deviance=np.inf, slope=-np.inf)
        phi, local, converged = lowest(self.chart, np.asarray(near.state, dtype=float), psi)
        if not converged:
            raise BlupbayesError(f"the profile of {self.name} did not converge at {psi:.6g}.")
        return self._point(local, phi, psi)

    def elsewhere(self, here: Point) -> Point:
        """The point, or a lower one at the same place, of searches that begin at variances of common size."""
        for share in AWAY:
            start, _ = self.chart.coordinates(share * default_start(self.chart.statistics), self.fit.sigma)
            phi, local, _ = lowest(self.chart, start, here.psi)
            if local.value < here.deviance:
                here = self._point(local, phi, here.psi)
        return here


def lowest(chart: Chart, phi: Array, psi: float) -> tuple[Array, Local, bool]:
    """Minimise the deviance over phi (d,) at psi, by Newton steps in a trust region; the last says if it converged."""
    here, radius, idle = chart.local(phi, psi), 2.0, 0
    for _ in range(MAX_STEPS):
        size = chart.size(here.sigma)
        step = trust_region_step(here.gradient * size, here.hessian * np.outer(size, size), radius)
        noise = NOISE * max(1.0, abs(here.value))
        there = trial(chart, phi + step.p * size, psi)
        gained = here.value - there.value if there else -np.inf
        ratio = (gained + noise) / (step.decrease + noise)
        length = float(np.linalg.norm(step.p))
        radius = (
            0.25 * length
            if ratio < 0.25
            else 2.0 * radius
            if length > 0.8 * radius and ratio > 0.75
            else radius
        )
        if there is not None and ratio > 0.1:
            phi, here = phi + step.p * size, there
        idle += step.decrease < IDLE
        if (step.newton and step.decrease < DECREMENT) or idle == PATIENCE or radius < 1e-12:
            return phi, here, True
    return phi, here, False


def trial(chart: Chart, phi: Array, psi: float) -> Local | None:
    """The deviance elsewhere; None where it has no value in double precision."""
    try:
        return chart.local(phi, psi)
    except DataError:
        return None


@dataclass(frozen=True, eq=False)
class BetaCurve:
    """A profile along one fixed effect, of the ML deviance."""

    statistics: Statistics
    fit: Estimate
    j: int
    se: float

    low: float = -np.inf
    high: float = np.inf

    @property
    def name(self) -> str:
        """Its name."""
        return f"beta[{self.statistics.fixed_names[self.j]}]"

    @property
    def guess(self) -> float:
        """A standard error."""
        return self.se

    @cached_property
    def best(self) -> Point:
        """The optimum."""
        at = evaluate(self.statistics, self.fit.theta, "ML")
        others = everything(self.statistics, at, at.sigma, {})
        return Point(float(at.beta[self.j]), at.criterion, 0.0, self.fit.theta, others)

    def at(self, psi: float, near: Point) -> Point:
        """The lowest deviance where the coefficient is psi."""
        held = hold_beta(self.statistics, self.j, psi)
        return self._point(estimate(held, "ML", start=self._start(np.asarray(near.state, dtype=float))), psi)

    def elsewhere(self, here: Point) -> Point:
        """The point, or a lower one at the same place, of a search that begins as if nothing was known."""
        found = estimate(hold_beta(self.statistics, self.j, here.psi), "ML")
        return self._point(found, here.psi) if found.criterion < here.deviance else here

    def _point(self, found: Estimate, psi: float) -> Point:
        held = found.statistics
        free = evaluate(self.statistics, found.theta, "ML")
        s = self.statistics
        a = np.linalg.solve(s.R[:, s.kept].T, np.eye(s.rank)[:, s.kept.tolist().index(self.j)])
        slope = 2.0 * (psi - float(free.beta[self.j])) / (found.sigma**2 * float(a @ free.border.S_inv @ a))
        at = evaluate(held, found.theta, "ML")
        return Point(
            psi, found.criterion, slope, found.theta, everything(s, at, found.sigma, {self.name: psi})
        )

    def _start(self, theta: Array) -> Array:
        """theta, but inside: zero is stationary for any data."""
        start = theta.copy()
        low = 0.1 * default_start(self.statistics)
        for g in self.statistics.groups:
            diagonal = list(g.template.diagonal)
            start[diagonal] = np.where(
                np.abs(start[diagonal]) < 1e-3 * low[diagonal], low[diagonal], start[diagonal]
            )
        return start
