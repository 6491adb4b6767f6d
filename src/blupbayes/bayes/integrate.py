"""The exact posterior: beta and b integrated in closed form, sigma on a line, theta over a lattice or a cloud.

The lattice is made finer and wider until the error that it states for every mean and sd, in posterior sds, is below
``rel_error`` (accuracy.py says where that error comes from).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
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
from blupbayes.errors import BlupbayesError, PriorError
from blupbayes.mme.fit import estimate
from blupbayes.mme.statistics import Statistics
from blupbayes.model.design import Design
from blupbayes.model.resolved import GroupPrior, ResolvedPrior

__all__ = ["Integral", "integrate", "reweighted"]

Array = NDArray[np.float64]
Index = NDArray[np.intp]

FINE_SIGMA, COARSE_SIGMA = (
    0.4,
    0.8,
)  # step of the sigma nodes, in sds, where more than three digits are asked for
MAX_ROUNDS = 12
ON_LATTICE = 7  # variance parameters besides sigma; more of them go to a cloud
FIRST_CLOUD, MAX_CLOUD, SEED = (
    512,
    65_536,
    20_260_000,
)  # points per replicate, in all, and what scrambles them
SCAN = {1: np.linspace(-2.5, 2.5, 11), 2: np.linspace(-2.4, 2.1, 7), 3: np.linspace(-2.2, 1.8, 5)}
SCAN_MANY, SCAN_MOST = np.array([-1.8, -0.6, 0.6]), np.array([-1.8, 0.0])  # for 4 and 5 sds, and for more
SCANNED = 5  # of more sds the rest moves with the first


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
    """Where modes are looked for: at the REML estimate, and at every top of a coarse scan of all sds, 0 included."""
    c, found = marginal.coordinates, estimate(statistics)
    sigma, groups = found.sigma, marginal.prior.groups
    T = [within_bounds(t * sigma, g) / sigma for t, g in zip(found.T, groups, strict=True)]
    reml, K = c.at(T), c.n_sds
    values = SCAN.get(K, SCAN_MANY if K <= SCANNED else SCAN_MOST)
    shape = (len(values),) * min(K, SCANNED)
    mesh = [x.ravel() for x in np.meshgrid(*(values,) * len(shape), indexing="ij")]
    v = np.zeros((len(mesh[0]), c.size))
    v[:, :K] = np.column_stack(mesh + mesh[:1] * (K - len(shape)))
    height = marginal.log_density(v)
    return [reml, *v[tops(height.reshape(shape)).ravel()]]


def within_bounds(T: Array, prior: GroupPrior) -> Array:
    """A factor (q, q) whose sds lie well inside the bounds of uniform priors."""
    size = np.linalg.norm(T, axis=1)
    wanted = size.copy()
    for k, sd in enumerate(prior.sds):
        if sd.name == "Uniform":
            low, high = np.sqrt(sd.args) if sd.on == "variance" else np.array(sd.args)
            wanted[k] = np.clip(size[k], low + 0.1 * (high - low), high - 0.1 * (high - low))
    unit = np.where(size[:, None] > 0, T / np.where(size > 0, size, 1.0)[:, None], np.eye(len(T)))
    return np.asarray(wanted[:, None] * unit)


def tops(height: Array) -> NDArray[np.bool_]:
    """Which points of a grid are finite and no lower than their neighbours along every axis."""
    top = np.isfinite(height)
    for axis in range(height.ndim):
        along, mine = np.moveaxis(height, axis, 0), np.moveaxis(top, axis, 0)
        mine[1:] &= along[1:] >= along[:-1]
        mine[:-1] &= along[:-1] >= along[1:]
    return top


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
    solve = by_lattice if len(modes.scale) <= ON_LATTICE else by_cloud
    mixture, found, count = solve(marginal, modes, rel_error)
    return Integral(marginal, mixture, modes, mixture.lattice.log_total, found, rel_error, count)


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
