"""Intervals from bootstrap replicates: percentile, basic, and BCa with the acceleration of the parametric model.

The acceleration of a parameter t is a sixth of the skewness of the score in t's least favourable direction,
I^-1 dt, I being the information (Efron 1987, section 6; DiCiccio and Efron 1996, section 6). Its scores are those
of the replicates themselves at the estimate. Those of beta are linear in y, hence normal: its acceleration is zero.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blupbayes.errors import BlupbayesError

__all__ = ["acceleration", "checked", "limits"]

Array = NDArray[np.float64]

KINDS = ("percentile", "bca", "basic")
STEP = 1e-6  # of a parameter, in central differences
NO_INFORMATION = 1e-9  # of the largest: the model is flat in such a direction of theta
TIE = 1e-9  # relative: replicates as close as this to the estimate are equal to it


def acceleration(scores: Array, at: Array, size: Array, values: Callable[[Array], Array]) -> Array:
    """Acceleration (P,) of the parameters values(eta) (n, P) at eta (m,), from scores (n, m); 0 where it has none.

    ``size`` (m,): natural sizes of eta, for differences.
    """
    steps = STEP * np.diag(size)
    slopes = (values(at + steps) - values(at - steps)) / (2.0 * STEP * size[:, None])
    centred = (scores - scores.mean(axis=0)) * size
    spread, vectors = np.linalg.eigh(centred.T @ centred / len(scores))
    seen = spread > NO_INFORMATION * spread.max(initial=0.0)
    along = vectors.T @ (slopes * size[:, None])
    direction = vectors @ np.where(seen[:, None], along / np.where(seen, spread, 1.0)[:, None], 0.0)
    u = centred @ direction
    hidden = np.any(np.abs(along[~seen]) > 1e-6 * np.abs(along).max(axis=0, initial=0.0), axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        skewness = np.mean(u**3, axis=0) / np.mean(u**2, axis=0) ** 1.5
    return np.where(hidden | ~np.isfinite(skewness), 0.0, skewness / 6.0)


def checked(ci_prob: Any, kind: Any) -> None:
    """Refuse what is no probability, or no kind of interval."""
    if not 0.0 < ci_prob < 1.0:
        raise BlupbayesError(f"ci_prob = {ci_prob!r}: it is a probability between 0 and 1, such as 0.95.")
    if kind not in KINDS:
        raise BlupbayesError(f"kind={kind!r} is not one of {', '.join(map(repr, KINDS))}.")


def limits(estimate: float, replicates: Array, a: float, ci_prob: float, kind: str) -> tuple[float, float]:
    """Lower and upper end for one parameter, from its finite replicates (n,); NaN from fewer than two."""
    x = replicates[np.isfinite(replicates)]
    if len(x) < 2 or not np.isfinite(estimate):
        return np.nan, np.nan
    tails = np.array([(1.0 - ci_prob) / 2.0, (1.0 + ci_prob) / 2.0])
    if kind == "bca":
        tails = corrected(estimate, x, a, tails)
    low, high = np.quantile(x, tails, method="weibull")
    if kind == "basic":
        return float(2.0 * estimate - high), float(2.0 * estimate - low)
    return float(low), float(high)


def corrected(estimate: float, x: Array, a: float, tails: Array) -> Array:
    """Probabilities at which the quantiles of the replicates are BCa limits."""
    from scipy.special import ndtr, ndtri

    tie = np.abs(x - estimate) <= TIE * max(abs(estimate), float(np.abs(x).max()))
    below = float(np.mean(np.where(tie, 0.5, x < estimate)))
    z0 = ndtri(np.clip(below, 0.5 / len(x), 1.0 - 0.5 / len(x)))
    z = z0 + ndtri(tails)
    return np.asarray(ndtr(z0 + z / (1.0 - a * z)))
