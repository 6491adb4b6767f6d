"""The exact posterior: beta and b integrated in closed form, sigma on a line, theta over a lattice. No draws.

The lattice is made finer and wider until the error that it states for every mean and sd, in posterior sds, is below
``rel_error`` (accuracy.py says where that error comes from).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from blupbayes.bayes.accuracy import Accuracy, Plan, accuracy, first_plan, moments, next_plan
from blupbayes.bayes.conditional import means_of
from blupbayes.bayes.lattice import Modes, fill, find_modes
from blupbayes.bayes.marginal import Marginal
from blupbayes.bayes.mixture import Mixture
from blupbayes.bayes.points import Points, join
from blupbayes.bayes.propriety import check_beta
from blupbayes.errors import BlupbayesError, PriorError
from blupbayes.mme.fit import estimate
from blupbayes.mme.statistics import Statistics
from blupbayes.model.design import Design
from blupbayes.model.resolved import ResolvedPrior

__all__ = ["Integral", "integrate", "reweighted"]

Array = NDArray[np.float64]
Index = NDArray[np.intp]

FINE_SIGMA, COARSE_SIGMA = (
    0.4,
    0.8,
)  # step of the sigma nodes, in sds, where more than three digits are asked for
MAX_ROUNDS = 12


@dataclass(frozen=True, eq=False)
class Integral:
    """The posterior on a lattice, with the error of every number.

    Parameters
    ----------
    marginal : Marginal
        Statistics and prior.
    mixture : Mixture
    modes : Modes
    log_marginal_likelihood : float
        log of the integral of likelihood times prior; under kappa = 0 with density 1 for beta.
    accuracy : Accuracy
        Stated errors of every mean and sd.
    rel_error : float
        What was asked for.
    n_factorizations : int
    """

    marginal: Marginal
    mixture: Mixture
    modes: Modes
    log_marginal_likelihood: float
    accuracy: Accuracy
    rel_error: float
    n_factorizations: int

    @cached_property
    def moments(self) -> Array:
        """Means and sds (2, Q) of [sigma, sds, correlations (i > j), beta, b, group means]."""
        return moments(self.mixture, self.mixture.weights)

    @cached_property
    def errors(self) -> Array:
        """Their stated errors (2, Q), in their own units."""
        return self.accuracy.error * self.moments[1]

    @property
    def error(self) -> float:
        """Largest stated error of any mean or sd, in posterior sds."""
        return self.accuracy.worst


class Reader:
    """Evaluates and remembers: log-densities where they are asked for, and whole Points where they matter."""

    def __init__(self, marginal: Marginal, modes: Modes) -> None:
        self.marginal, self.modes = marginal, modes
        self.count = 0
        self.forget(0.0)

    def forget(self, spacing: float) -> None:
        """Begin another lattice."""
        self.spacing, self.axes = spacing, spacing * self.modes.scale
        self.known: dict[tuple[int, ...], float] = {}
        self.index: list[tuple[int, ...]] = []
        self.found: list[Points] = []

    def lattice(self, plan: Plan, rel_error: float) -> Mixture:
        """Fill a lattice; a wider one of the same spacing keeps what it has."""
        if plan.spacing != self.spacing:
            self.forget(plan.spacing)
        lattice = fill(self.evaluate, self.known, self.modes, self.axes, plan.drop)
        place = {k: n for n, k in enumerate(self.index)}
        self.found = [join(self.found)]
        chosen = self.found[0].take(np.array([place[tuple(k)] for k in lattice.index.tolist()]))
        return Mixture(self.marginal.coordinates, lattice, chosen, rel_error)

    def evaluate(self, index: Index, floor: float) -> None:
        """As lattice.fill asks for it."""
        have = set(self.index)
        new = [k for k in map(tuple, index.tolist()) if k not in have and self.known.get(k, np.inf) > floor]
        if not new:
            return
        values, parts = self.marginal.points(self.modes.at[0] + np.array(new) @ self.axes.T, floor)
        self.count += len(new)
        self.known.update(zip(new, values.tolist(), strict=True))
        self.index += [k for k, value in zip(new, values, strict=True) if value > floor]
        self.found += parts


def reweighted(integral: Integral, old: ResolvedPrior, new: ResolvedPrior) -> Integral:
    """The same points under another prior of sigma, sds and correlations.

    Raises
    ------
    PriorError
        If the prior of beta is another one.
    """
    same = (old.kappa, old.nu) == (new.kappa, new.nu) and np.array_equal(old.precision, new.precision)
    if not same or (old.kappa > 0 and not np.array_equal(old.mean, new.mean)):
        raise PriorError(
            "reweight keeps the prior of beta (kappa, mean, precision, nu): integrate again for another one."
        )
    m, p = integral.mixture, integral.mixture.points
    marginal = replace(integral.marginal, prior=new)
    ratio = marginal.log_prior(p) - integral.marginal.log_prior(p)
    with np.errstate(divide="ignore"):
        joint = np.log(p.within) + ratio
    top = joint.max(axis=1, keepdims=True)
    inner = np.exp(joint - top)
    total = inner.sum(axis=1, keepdims=True)
    lattice = replace(m.lattice, log_density=m.lattice.log_density + (top + np.log(total))[:, 0])
    points = replace(p, log_density=lattice.log_density, within=inner / total)
    mixture = Mixture(marginal.coordinates, lattice, points, m.rel_error)
    return Integral(
        marginal, mixture, integral.modes, lattice.log_total, accuracy(mixture), integral.rel_error, 0
    )


def starts(marginal: Marginal, statistics: Statistics) -> list[Array]:
    """Where modes are looked for: at the REML estimate, and with all sds small or large."""
    c = marginal.coordinates
    small, large = np.zeros(c.size), np.zeros(c.size)
    small[: c.n_sds], large[: c.n_sds] = -1.0, 1.0
    return [c.at(estimate(statistics).T), small, large]


def integrate(
    design: Design, statistics: Statistics, prior: ResolvedPrior, rel_error: float = 0.01
) -> Integral:
    """The posterior of all parameters, random effects and group means [E-TOWER], [E-TOTALVAR].

    Parameters
    ----------
    design : Design
    statistics : Statistics
    prior : ResolvedPrior
    rel_error : float
        Largest error of any mean or sd, as a share of the posterior sd.

    Returns
    -------
    Integral

    Raises
    ------
    BlupbayesError
        If rel_error is no share.
    IntegrationError
        If the lattice would have too many points.
    IdentifiabilityError, PriorError
        If the posterior is improper.
    """
    if not 0 < rel_error < 1:
        raise BlupbayesError(f"rel_error={rel_error!r}: it is a share of the posterior sd, such as 0.01.")
    if np.isinf(prior.kappa):
        check_beta(design, prior)
    means = means_of(design.fixed_names, [(g.levels, g.names) for g in design.groups])
    marginal = Marginal(statistics, prior, means, FINE_SIGMA if rel_error < 1e-3 else COARSE_SIGMA)
    modes = find_modes(marginal.log_density, starts(marginal, statistics))
    reader, plan = Reader(marginal, modes), first_plan(modes.scale, rel_error)
    for _ in range(MAX_ROUNDS):
        mixture = reader.lattice(plan, rel_error)
        found = accuracy(mixture)
        if found.worst <= rel_error:
            break
        plan = next_plan(plan, found, rel_error)
    return Integral(marginal, mixture, modes, mixture.lattice.log_total, found, rel_error, reader.count)
