"""The weight of a coefficient, averaged over the levels of its group, as a quantity with a distribution of its own.

A weight [E-WEIGHT] is a function of theta alone. Its odds w/(1 - w) grow with the square of the relative sd, so their
root is read like an sd, on a line where the posterior is a bell even if much of it lies next to 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blupbayes.bayes.coordinates import inverse
from blupbayes.bayes.curves import Curve, Stretched
from blupbayes.bayes.integrate import Integral
from blupbayes.bayes.mixture import CLOSE

__all__ = ["share_curve", "share_table", "shares"]

Array = NDArray[np.float64]

EDGE = 1e-15  # weights are held so far from 0 and 1


def shares(integral: Integral) -> Array:
    """Weights (m, K) at every point, averaged over the levels; K coefficients, group by group."""
    s, p = integral.marginal.statistics, integral.mixture.points
    start, k, out = len(s.fixed_names), 0, []
    for g in s.groups:
        J, q = len(g.levels), len(g.names)
        own = p.own[:, start : start + J * q].reshape(-1, J, q)
        prior = p.sds[:, None, k : k + q] ** 2
        inside = np.where(prior > 0, 1.0 - own / np.where(prior > 0, prior, 1.0), 0.0)
        out.append(np.clip(inside, 0.0, 1.0).mean(axis=1))
        start, k = start + J * q, k + q
    return np.hstack(out)


def share_curve(integral: Integral, share: Array) -> Curve:
    """Distribution of the root of the odds of a weight (m,)."""
    mixture = integral.mixture
    held = np.clip(share, EDGE, 1.0 - EDGE)
    root = 0.5 * (np.log(held) - np.log1p(-held))
    centre = float(mixture.weights @ root)
    x = inverse(root - centre)
    return mixture.curve(
        x[:, None], np.full(len(x), mixture.reach(x)), mixture.weights[:, None], Stretched(centre)
    )


def share_table(integral: Integral, probs: Sequence[float]) -> pd.DataFrame:
    """Posterior mean and sd of each average weight, and its quantiles.

    Returns
    -------
    DataFrame
        group, term, estimate, posterior_sd, then one column for each probability; a row per coefficient.
    """
    w, values = integral.mixture.weights, shares(integral)
    mean = w @ values
    rows = []
    labels = [(g.name, name) for g in integral.marginal.statistics.groups for name in g.names]
    for k, label in enumerate(labels):
        tolerance = CLOSE * integral.mixture.rel_error
        odds = share_curve(integral, values[:, k]).quantiles(probs, tolerance) ** 2
        sd = float(np.sqrt(w @ (values[:, k] - mean[k]) ** 2))
        rows.append([*label, float(mean[k]), sd, *(odds / (1.0 + odds))])
    return pd.DataFrame(rows, columns=["group", "term", "estimate", "posterior_sd", *probs])
