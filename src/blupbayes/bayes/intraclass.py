"""Intraclass correlations of a posterior: from the points of an integral, or from draws [E-ICC]."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blupbayes.bayes.coordinates import inverse
from blupbayes.bayes.curves import Curve, Stretched
from blupbayes.bayes.mixture import Mixture
from blupbayes.bayes.summary import describe, interval_names, variable
from blupbayes.model.design import Design

__all__ = ["drawn_shares", "integrated_shares"]

Array = NDArray[np.float64]


def integrated_shares(mixture: Mixture, ci_prob: float) -> pd.DataFrame:
    """mean, sd and equal-tailed interval of sd^2 over the sum of all variances, a row per sd.

    The share depends on the relative sds alone, so that nothing is left to sum over sigma.
    """
    low, high = interval_names(ci_prob)
    r, w = mixture.points.sds, mixture.weights
    share = r**2 / (1.0 + np.sum(r**2, axis=1, keepdims=True))
    mean = w @ share
    probs, tolerance = ((1 - ci_prob) / 2, (1 + ci_prob) / 2), 1e-4 * mixture.rel_error
    roots = np.array([root_of_odds(mixture, k).quantiles(probs, tolerance) for k in range(r.shape[1])])
    ends = roots**2 / (1.0 + roots**2)
    sd = np.sqrt(w @ (share - mean) ** 2)
    return pd.DataFrame({"mean": mean, "sd": sd, low: ends[:, 0], high: ends[:, 1]})


def root_of_odds(mixture: Mixture, k: int) -> Curve:
    """sqrt(share / (1 - share)) of sd k: its sd relative to that of all the rest, on the line of an sd."""
    r = mixture.points.sds
    rest = 1.0 + np.sum(np.delete(r, k, axis=1) ** 2, axis=1)
    with np.errstate(divide="ignore"):
        log_root = np.maximum(np.log(r[:, k]), -300.0) - 0.5 * np.log(rest)
    centre = float(np.log(mixture.coordinates.scale[k]))
    x = inverse(log_root - centre)
    band = np.full(len(x), mixture.reach(x))
    return mixture.curve(x[:, None], band, mixture.weights[:, None], Stretched(centre))


def drawn_shares(data: Any, design: Design, ci_prob: float) -> pd.DataFrame:
    """The same from draws, with Monte Carlo errors; columns as in `describe`."""
    sds = np.stack([variable(data, f"sd_{g.name}")[:, :, 0] for g in design.groups], axis=2)
    total = np.sum(sds**2, axis=2) + variable(data, "sigma") ** 2
    return describe(sds**2 / total[:, :, None], ci_prob)
