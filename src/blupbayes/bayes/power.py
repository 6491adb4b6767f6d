"""Power scaling: what the posterior does when the prior of sigma, sds and correlations is raised to a power alpha.

Only these top-level priors are scaled: b has its distribution given them, which belongs to the model. On the lattice
the weights prior^(alpha - 1) are exact, so that the limit alpha -> 1 has a closed form [E-POWER]; nothing is drawn.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blupbayes.bayes.accuracy import moments
from blupbayes.bayes.curves import Bells, Curve
from blupbayes.bayes.integrate import Integral
from blupbayes.bayes.mixture import Mixture
from blupbayes.bayes.points import Points
from blupbayes.bayes.quantity import quantity
from blupbayes.bayes.reading import places
from blupbayes.bayes.reweight import tilted
from blupbayes.model.design import Design
from blupbayes.model.resolved import ResolvedPrior

__all__ = ["power_scaling", "top_level"]

Array = NDArray[np.float64]

STEP = 1e-3  # in log2 alpha, of a central difference: its error is of the order of its square
DRAWS = 4000  # distances are taken over the range that so many draws have
GRID = 401  # points of that range


def top_level(prior: ResolvedPrior, points: Points) -> Array:
    """Log prior density (m, S) of sigma, the sds and the correlations, in their own units, up to a constant."""
    x = points.log_sigma
    sigma, out, k = np.exp(x), np.zeros_like(x), 0
    if prior.residual is not None:
        out = out + prior.residual.inside(sigma)
    for g, R in zip(prior.groups, points.corrs, strict=True):
        mine = points.sds[:, k : k + len(g.names)]
        if g.joint is not None:
            out = out + g.joint_log_density(mine, sigma, R) - len(g.names) * x
        for sd, relative in zip(g.sds, mine.T[:, :, None], strict=False):
            out = out + sd.inside(sigma * relative)
        for a, b in g.blocks if g.joint is None else ():
            out = out + (g.eta - 1.0) * np.linalg.slogdet(R[:, a:b, a:b])[1][:, None]
        k += len(g.names)
    return out


def power_scaling(integral: Integral, design: Design, prior: ResolvedPrior) -> pd.DataFrame:
    """How mean, sd and distribution of every parameter move as the power of the prior grows [E-POWER].

    Parameters
    ----------
    integral : Integral
    design : Design
        The one that was integrated.
    prior : ResolvedPrior
        Its prior.

    Returns
    -------
    DataFrame
        mean and sd: their derivatives in log2 alpha at alpha = 1, units of the parameter; mean_in_sd: the first over
        the posterior sd; distance: the derivative of the cumulative Jensen-Shannon distance; a row per parameter.
    """
    log_prior = top_level(prior, integral.mixture.points)
    names, where = places(integral, design)
    up, down = (raised(integral.mixture, log_prior, 2.0**step) for step in (STEP, -STEP))
    slope = (moments(up, up.weights) - moments(down, down.weights))[:, where] / (2.0 * STEP)
    sd = integral.moments[1, where]
    distances = [distance(integral, design, prior, name) for name in names]
    columns = {"mean": slope[0], "sd": slope[1], "mean_in_sd": slope[0] / sd, "distance": distances}
    return pd.DataFrame(columns, index=names)


def raised(mixture: Mixture, log_prior: Array, alpha: float) -> Mixture:
    """The posterior under prior^alpha."""
    return tilted(mixture, (alpha - 1.0) * log_prior)


def distance(integral: Integral, design: Design, prior: ResolvedPrior, name: str) -> float:
    """lim CJS / |log2 alpha| as alpha -> 1, the larger one of the quantity and its negative."""
    found = quantity(integral, design, name)
    ends = found.quantiles((1.0 / (DRAWS + 1), DRAWS / (DRAWS + 1)), 1e-4).ravel()
    if not ends[1] > ends[0]:
        return 0.0
    x = np.linspace(ends[0], ends[1], GRID)
    tilt = tilts(found, integral.mixture, prior, of_theta=name.startswith("corr_"))
    F, slope = found.cdf(x), math.log(2.0) * tilted_cdf(found, tilt, x)
    return max(limit(x, F, slope), limit(x, 1.0 - F, slope))


def limit(x: Array, F: Array, slope: Array) -> float:
    """Root of int slope^2 / (4 F) dx / (2 log 2 int F dx)."""
    inside = np.divide(slope**2, 4.0 * F, out=np.zeros_like(F), where=F > 0)
    return float(np.sqrt(np.trapezoid(inside, x) / (2.0 * math.log(2.0) * np.trapezoid(F, x))))


def tilts(found: Curve | Bells, mixture: Mixture, prior: ResolvedPrior, of_theta: bool) -> Array:
    """d(weights)/d(log alpha) (k,) of the nodes or Gaussians of a quantity: weight times centred log prior."""
    points = mixture.few if isinstance(found, Bells) else mixture.points
    w = mixture.weights[:, None] * points.within
    values = np.where(w > 0, top_level(prior, points), 0.0)
    if of_theta:
        values, w = np.sum(points.within * values, axis=1)[:, None], mixture.weights[:, None]
    kept = values.ravel()[mixture.worthwhile(w.ravel())]
    return np.asarray(found.weights * (kept - found.weights @ kept))


def tilted_cdf(found: Curve | Bells, tilt: Array, x: Array) -> Array:
    """dF/d(log alpha) (n,), the covariance of [quantity <= x] with the log prior: F is linear in its weights."""
    if isinstance(found, Bells):
        one = replace(found, weights=tilt)
        return np.array([one.distribution(np.array([at]))[0][0] for at in x])
    return np.asarray(replace(found, weights=tilt).on_line(found.link.line(x)[0])[0])
