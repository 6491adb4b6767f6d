"""The same points under another prior: arithmetic on arrays, no factorisation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blupbayes.bayes.accuracy import accuracy
from blupbayes.bayes.integrate import Integral
from blupbayes.bayes.mixture import Mixture
from blupbayes.errors import PriorError
from blupbayes.model.resolved import ResolvedPrior

__all__ = ["reaches", "reweighted", "tilted"]

Array = NDArray[np.float64]


def same_beta(old: ResolvedPrior, new: ResolvedPrior) -> bool:
    """Whether two priors are one prior of beta."""
    same = (old.kappa, old.nu) == (new.kappa, new.nu) and np.array_equal(old.precision, new.precision)
    return bool(same and (old.kappa == 0 or np.array_equal(old.mean, new.mean)))


def beyond(old: ResolvedPrior, new: ResolvedPrior) -> str:
    """The first sd that a uniform prior ends for the points, and another prior does not; "" if there is none."""
    pairs = [("sigma", old.residual, new.residual)]
    for a, b in zip(old.groups, new.groups, strict=True):
        if a.sds and b.sds:
            pairs += [(f"sd({a.name}, {k})", x, y) for k, x, y in zip(a.names, a.sds, b.sds, strict=True)]
    return next((name for name, x, y in pairs if x is not None and not inside(x, y)), "")


def inside(old: Any, new: Any) -> bool:
    """Whether an sd is nowhere possible under the new distribution that is impossible under the old one."""
    if old.name != "Uniform":
        return True
    if new is None or new.name != "Uniform":
        return False
    ends = [np.sqrt(d.args) if d.on == "variance" else np.array(d.args) for d in (old, new)]
    return bool(ends[0][0] <= ends[1][0] and ends[1][1] <= ends[0][1])


def reaches(old: ResolvedPrior, new: ResolvedPrior) -> bool:
    """Whether the points of one prior reach where another has its mass: no tail of it is heavier."""
    pairs = [(old.residual, new.residual)] if new.residual is not None else []
    for a, b in zip(old.groups, new.groups, strict=True):
        if a.joint is not None or b.joint is not None:
            return False
        pairs += zip(a.sds, b.sds, strict=True)
    return same_beta(old, new) and all(a is not None and b.tail >= a.tail for a, b in pairs if b is not None)


def tilted(mixture: Mixture, log_ratio: Array) -> Mixture:
    """The points with their weights multiplied by exp(log_ratio) (m, S), node by node."""
    with np.errstate(divide="ignore"):
        joint = np.log(mixture.points.within) + log_ratio
    top = joint.max(axis=1, keepdims=True)
    height = np.where(np.isfinite(top), top, 0.0)
    inner = np.exp(joint - height)
    total = inner.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore"):
        moved = mixture.lattice.log_density + (height + np.log(total))[:, 0]
    lattice = replace(mixture.lattice, log_density=moved)
    within = np.where(total > 0, inner / np.where(total > 0, total, 1.0), mixture.points.within)
    points = replace(mixture.points, log_density=moved, within=within)
    return Mixture(mixture.coordinates, lattice, points, mixture.rel_error)


def reweighted(integral: Integral, old: ResolvedPrior, new: ResolvedPrior) -> Integral:
    """The same points under another prior of sigma, sds and correlations.

    Raises
    ------
    PriorError
        If the prior of beta is another one, or a uniform prior kept the points from where the new one has mass.
    """
    lost = beyond(old, new)
    if lost:
        raise PriorError(
            f"reweight: the points of this posterior end where the uniform prior of {lost} ends, and the new prior "
            "goes further: integrate again with it."
        )
    if not same_beta(old, new):
        raise PriorError(
            "reweight keeps the prior of beta (kappa, mean, precision, nu): integrate again for another one."
        )
    m, p = integral.mixture, integral.mixture.points
    marginal = replace(integral.marginal, prior=new, laid=integral.marginal.laid or old)
    ratio = marginal.log_prior(p) - integral.marginal.log_prior(p)
    mixture = replace(tilted(m, ratio), coordinates=marginal.coordinates)
    return Integral(
        marginal,
        mixture,
        integral.modes,
        mixture.lattice.log_total,
        accuracy(mixture),
        integral.rel_error,
        0,
    )
