"""The same points under another prior: arithmetic on arrays, no factorisation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from blupbayes.bayes.accuracy import accuracy
from blupbayes.bayes.integrate import Integral
from blupbayes.bayes.mixture import Mixture
from blupbayes.errors import PriorError
from blupbayes.model.resolved import ResolvedPrior

__all__ = ["reweighted"]


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
