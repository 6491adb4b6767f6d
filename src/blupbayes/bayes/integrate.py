"""The exact posterior: beta and b integrated in closed form, sigma on a line, theta over a lattice or a cloud.

The lattice is made finer and wider until the error that it states for every mean and sd, in posterior sds, is below
``rel_error`` (accuracy.py says where that error comes from).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from blupbayes.bayes.accuracy import Accuracy, Plan, accuracy, first_plan, moments, next_plan
from blupbayes.bayes.cloud import REPLICATES, Proposal
from blupbayes.bayes.conditional import means_of
from blupbayes.bayes.lattice import Modes, fill, find_modes
from blupbayes.bayes.marginal import Marginal
from blupbayes.bayes.mixture import Mixture
from blupbayes.bayes.points import Points, join
from blupbayes.bayes.propriety import check_beta
from blupbayes.bayes.scan import starts
from blupbayes.errors import BlupbayesError, IntegrationError, TooLargeError
from blupbayes.mme.memory import lacking
from blupbayes.mme.statistics import Statistics
from blupbayes.model.design import Design
from blupbayes.model.resolved import ResolvedPrior

__all__ = ["Integral", "integrate"]

Array = NDArray[np.float64]
Index = NDArray[np.intp]

FINE_SIGMA = 0.4  # step of the sigma nodes, in sds, where more than three digits are asked for
COARSE_SIGMA = 0.8  # the same elsewhere
MAX_ROUNDS = 12
CROWDED = 4  # variance parameters from which a lattice that is too large gives way to a cloud
ON_LATTICE = 7  # variance parameters besides sigma; more of them go to a cloud
FIRST_CLOUD = 512  # points of each replicate
MAX_CLOUD = 65_536  # points in all
HELD = 2.5  # times what is held of all points at the end, while they are put together
SEED = 20_260_000  # what scrambles them


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
        self.place: dict[tuple[int, ...], int] = {}  # of whole Points in what was found
        self.found: list[Points] = []

    def lattice(self, plan: Plan, rel_error: float) -> Mixture:
        """Fill a lattice; a wider one of the same spacing keeps what it has."""
        if plan.spacing != self.spacing:
            self.forget(plan.spacing)
        require_points(expected(plan, len(self.axes)), self.marginal.statistics)
        lattice = fill(self.evaluate, self.known, self.modes, self.axes, plan.drop)
        index = [tuple(k) for k in lattice.index.tolist()]
        chosen = join(self.found, np.array([self.place[k] for k in index]))
        self.found, self.place = [chosen], {k: i for i, k in enumerate(index)}
        return Mixture(self.marginal.coordinates, lattice, chosen, rel_error)

    def evaluate(self, index: Index, floor: float) -> None:
        """As lattice.fill asks for it."""
        new = [
            k for k in map(tuple, index.tolist()) if k not in self.place and self.known.get(k, np.inf) > floor
        ]
        if not new:
            return
        values, parts = self.marginal.points(self.modes.at[0] + np.array(new) @ self.axes.T, floor)
        self.count += len(new)
        self.known.update(zip(new, values.tolist(), strict=True))
        kept = [k for k, value in zip(new, values, strict=True) if value > floor]
        self.place.update(zip(kept, range(len(self.place), len(self.place) + len(kept)), strict=True))
        self.found += parts


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
    TooLargeError
        If the random effects at all of them will not fit into memory.
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
    mixture, found, count = solve(marginal, modes, rel_error)
    return Integral(marginal, mixture, modes, mixture.lattice.log_total, found, rel_error, count)


def expected(plan: Plan, d: int) -> int:
    """Points of a lattice in d dimensions, if the posterior is a bell: the volume of a ball over that of a cell."""
    ball = np.pi ** (d / 2) / math.gamma(d / 2 + 1) * (2.0 * plan.drop) ** (d / 2)
    return int(ball / plan.spacing**d) + 1


def require_points(m: int, statistics: Statistics) -> None:
    """Refuse what will not fit: random effects and group means, their means and variances, at m points.

    Raises
    ------
    TooLargeError
    """
    s = statistics
    need = int(HELD * m * 8 * 2 * s.layout.size * (3 + s.rank))
    there = lacking(need)
    if there is not None:
        raise TooLargeError(
            f"the exact posterior of {s.layout.size} random effects needs about {need / 1e9:.3g} GB, as each of them "
            f"is followed over about {m} values of the variances; {there / 1e9:.3g} GB are available. fit() gives the "
            "BLUPs and their errors at the estimated variances for a small share of that; else leave out levels with "
            "few rows, take fewer random coefficients, or use a machine with more memory."
        )


def solve(marginal: Marginal, modes: Modes, rel_error: float) -> tuple[Mixture, Accuracy, int]:
    """On a lattice where that is not too large, else in a cloud."""
    d = len(modes.scale)
    if d <= ON_LATTICE:
        try:
            return by_lattice(marginal, modes, rel_error)
        except IntegrationError:
            if d < CROWDED:
                raise
    return by_cloud(marginal, modes, rel_error)


def by_lattice(marginal: Marginal, modes: Modes, rel_error: float) -> tuple[Mixture, Accuracy, int]:
    """Finer and wider until the stated error is small enough; also how many factors that took."""
    reader, plan = Reader(marginal, modes), first_plan(modes.scale, rel_error)
    for _ in range(MAX_ROUNDS):
        mixture = reader.lattice(plan, rel_error)
        found = accuracy(mixture)
        if found.worst <= rel_error:
            break
        plan = next_plan(plan, found, rel_error)
    return mixture, found, reader.count


def by_cloud(marginal: Marginal, modes: Modes, rel_error: float) -> tuple[Mixture, Accuracy, int]:
    """Twice as many points until the stated error is small enough, or there are MAX_CLOUD of them."""
    require_points(FIRST_CLOUD * REPLICATES, marginal.statistics)
    proposal, begin, end = Proposal(modes), 0, FIRST_CLOUD
    drawn: list[tuple[Array, Array, Index]] = []
    points: list[Points] = []
    while True:
        v, log_q, replicate = proposal.draw(begin, end, SEED)
        values, parts = marginal.points(v, -np.inf)
        alive = values > -np.inf
        drawn.append((v[alive], values[alive] - log_q[alive], replicate[alive]))
        points = [join(points + parts)]
        all_v, ratio, whose = (np.concatenate(x) for x in zip(*drawn, strict=True))
        cloud = proposal.cloud(all_v, ratio, whose, end * REPLICATES)
        mixture = Mixture(marginal.coordinates, cloud, points[0], rel_error)
        found = accuracy(mixture)
        if found.worst <= rel_error or 2 * end * REPLICATES > MAX_CLOUD:
            return mixture, found, end * REPLICATES
        begin, end = end, 2 * end
