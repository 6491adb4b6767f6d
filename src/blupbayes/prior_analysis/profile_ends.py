"""The REML profile interval of every sd of the random effects, and the weights at its ends."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from blupbayes.compare.effects import weights
from blupbayes.errors import BlupbayesError
from blupbayes.frequentist.curves import VarianceCurve
from blupbayes.frequentist.profile import Point, climb
from blupbayes.frequentist.profiles import curves
from blupbayes.mme.fit import Estimate
from blupbayes.mme.gaussian import posterior

__all__ = ["Ends", "average_weights", "profile_ends"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Ends:
    """K sds: ``low``, ``high`` (K,), the weights there, averaged over levels (K,), and a note where there is none."""

    low: Array
    high: Array
    weight_low: Array
    weight_high: Array
    notes: tuple[str, ...]


def average_weights(fit: Estimate, theta: Array, sigma: float) -> Array:
    """Weights (K,) at given variances, averaged over the levels of their group [E-WEIGHT]."""
    s = fit.statistics
    table = weights(s.groups, posterior(s, s.factors(theta), sigma))
    found = table.groupby(["group", "term"])["estimate"].mean()
    return np.array([found[g.name, name] for g in s.groups for name in g.names])


def profile_ends(fit: Estimate, ci_prob: float) -> Ends:
    """Follow the REML criterion along each sd; the others are at their best there.

    Parameters
    ----------
    fit : Estimate
        By REML.
    ci_prob : float
        Level.

    Returns
    -------
    Ends
        NaN, and a note, for an sd whose profile does not reach its limit.
    """
    z = NormalDist().inv_cdf(0.5 + 0.5 * ci_prob)
    names = [f"sd_{g.name}[{name}]" for g in fit.statistics.groups for name in g.names]
    found, notes = np.full((4, len(names)), np.nan), []
    for k, curve in enumerate(curves(fit, names).values()):
        assert isinstance(curve, VarianceCurve)
        try:
            found[:, k] = both_ends(fit, curve, z, k)
            notes.append("")
        except BlupbayesError as error:
            notes.append(str(error))
    low, high, weight_low, weight_high = found
    return Ends(low, high, weight_low, weight_high, tuple(notes))


def both_ends(fit: Estimate, curve: VarianceCurve, z: float, k: int) -> tuple[float, float, float, float]:
    """Limits of one sd and the weights there; 0 and 0 where the profile never excludes 0."""
    low, share = 0.0, 0.0
    if curve.best.psi > curve.low:
        end = climb(curve, -z)
        low, share = end.value, 0.0 if end.value == 0 else weight_at(fit, curve, end.point, k)
    end = climb(curve, z)
    return low, end.value, share, weight_at(fit, curve, end.point, k)


def weight_at(fit: Estimate, curve: VarianceCurve, point: Point, k: int) -> float:
    """Average weight k at a point of a profile."""
    theta, sigma = curve.chart.theta(np.asarray(point.state, dtype=float), point.psi)
    return float(average_weights(fit, theta, sigma)[k])
