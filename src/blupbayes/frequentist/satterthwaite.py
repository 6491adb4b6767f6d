"""Satterthwaite's degrees of freedom: as many as make the variance of an estimated variance right.

For one linear function, df = 2 f^2 / (f_g' A f_g): f its variance, f_g the slope of f in the variance parameters, A
their sampling covariance from the observed information [E-SATTERTHWAITE]. An F test with several rows is turned to
independent ones (Fai and Cornelius 1996), and its denominator is the df whose F distribution has the mean that their
t^2 have together.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from blupbayes.frequentist.linear import Linear
from blupbayes.frequentist.standard_errors import Spread
from blupbayes.mme.projected import Projected

__all__ = ["t_df", "wald_F"]

Array = NDArray[np.float64]
SAME = 1e-8  # df that differ by less are one number
DEPENDENT = 1e-10  # eigenvalues of a scaled covariance below this share of the largest are none


def t_df(linear: Linear, found: Spread, turn: Array | None = None) -> Array:
    """Degrees of freedom (k,) of each row; inf where no variance was estimated [E-SATTERTHWAITE].

    Parameters
    ----------
    linear : Linear
    found : Spread
        Sampling covariance of the variance parameters, at the same estimates.
    turn : array (k, j), optional
        Combinations of the rows in place of the rows.
    """
    slope = linear.variance_slopes(Projected(found.at), turn)
    variance = slope[:, -1]
    spread = np.einsum("ki,ij,kj->k", slope, found.cov, slope)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(spread > 0, 2.0 * variance**2 / spread, np.inf)


def wald_F(linear: Linear, found: Spread, rhs: Array) -> tuple[float, int, float]:
    """F, numerator and denominator df of L beta = rhs; dependent rows count once."""
    scale = np.sqrt(linear.covariance.diagonal())
    values, vectors = np.linalg.eigh(linear.covariance / np.outer(scale, scale))
    seen = values > DEPENDENT * values[-1]
    turn = vectors[:, seen] / scale[:, None]
    t2 = (turn.T @ (linear.estimate - rhs)) ** 2 / values[seen]
    return float(np.mean(t2)), int(seen.sum()), denominator(t_df(linear, found, turn))


def denominator(df: Array) -> float:
    """The denominator df whose F has the mean of the average of independent t^2 with these df."""
    if np.ptp(df) < SAME if np.isfinite(df).all() else np.isinf(df).all():
        return float(np.mean(df))
    if np.any(df <= 2.0):
        return 2.0
    mean = np.sum(np.where(np.isinf(df), 1.0, df / (np.where(np.isinf(df), 3.0, df) - 2.0)))
    return float(2.0 * mean / (mean - len(df)))
