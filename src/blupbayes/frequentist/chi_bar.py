"""The chi-bar-square distribution: likelihood-ratio statistics where the null puts variances at zero.

Near such a null the alternative is a cone. With c variances at zero and k further new parameters that are free, the
statistic is distributed as chi^2_k plus |Pz|^2, z ~ N(0, C) with C the asymptotic covariance of the c variances and P
the projection on the orthant of nonnegative values in the metric of C^-1: sum over j of w_j chi^2_{k+j}, w_j being
the probability that the projection has j positive coordinates (Self and Liang 1987; Shapiro 1988). One variance: half
and half (Stram and Lee 1994).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc

from blupbayes.errors import BlupbayesError

__all__ = ["ChiBar", "boundary_covariance", "chi_bar", "chi_square_p"]

Array = NDArray[np.float64]

SEED = 1894
DRAWS = 20_000


@dataclass(frozen=True, eq=False)
class ChiBar:
    """A mixture of chi-square distributions.

    Parameters
    ----------
    weights : array (c + 1,)
        Of chi^2_k, chi^2_{k+1}, ... chi^2_{k+c}; they sum to 1.
    n_free : int
        k, the new parameters that are not at a boundary.
    n_draws : int
        Draws behind the weights; 0 where they are exact.
    """

    weights: Array
    n_free: int = 0
    n_draws: int = 0

    def tails(self, statistic: float) -> Array:
        """P(chi^2 >= statistic) of every component (c + 1,)."""
        return np.array([chi_square_p(statistic, self.n_free + j) for j in range(len(self.weights))])

    def p(self, statistic: float) -> float:
        """P(at least the statistic)."""
        return float(self.weights @ self.tails(statistic))

    def monte_carlo_error(self, statistic: float) -> float:
        """Standard error of `p` from the draws behind the weights; 0 where they are exact."""
        if not self.n_draws:
            return 0.0
        tails = self.tails(statistic)
        variance = max(float(self.weights @ tails**2 - (self.weights @ tails) ** 2), 0.0)
        return float(np.sqrt(variance / self.n_draws))


def chi_square_p(statistic: float, df: int) -> float:
    """P(chi^2_df >= statistic); chi^2_0 is the constant 0."""
    if statistic <= 0.0:
        return 1.0
    return float(chdtrc(df, statistic)) if df > 0 else 0.0


def chi_bar(covariance: Array, n_free: int = 0) -> ChiBar:
    """The distribution of the statistic under a null that puts c variances at zero.

    Parameters
    ----------
    covariance : array (c, c)
        Asymptotic covariance of the c variances, up to a factor, all other parameters estimated: a block of the
        inverse of the expected information at the null, see `boundary_covariance`. For c = 1 any positive number.
    n_free : int
        Further new parameters that the null does not put at a boundary: covariances, fixed effects.

    Returns
    -------
    ChiBar
        Exact for c of 1 and 2, else by projection of 20000 normal draws with a fixed seed.

    Raises
    ------
    BlupbayesError
        If the covariance is not positive definite: the variances are then not identified.

    Examples
    --------
    >>> from blupbayes.frequentist.chi_bar import chi_bar
    >>> round(chi_bar(np.eye(1)).p(2.705543), 4)
    0.05
    >>> chi_bar(np.array([[1.0, -0.5], [-0.5, 1.0]])).weights.round(4)
    array([0.3333, 0.5   , 0.1667])
    """
    covariance = np.atleast_2d(np.asarray(covariance, dtype=float))
    sd = np.sqrt(np.maximum(np.diag(covariance), 1e-300))
    correlation = covariance / np.outer(sd, sd)
    if not np.linalg.eigvalsh(correlation).min() > 1e-10:
        raise BlupbayesError(
            "a chi-bar-square distribution needs a positive definite covariance of the variances at zero; this one "
            "is singular, so they are not identified. Leave one of them out."
        )
    c = len(covariance)
    if c == 1:
        return ChiBar(np.array([0.5, 0.5]), n_free)
    if c == 2:
        both = 0.25 + float(np.arcsin(correlation[0, 1])) / (2.0 * np.pi)
        return ChiBar(np.array([0.5 - both, 0.5, both]), n_free)
    return ChiBar(_projected(correlation), n_free, DRAWS)


def _projected(correlation: Array) -> Array:
    """Weights (c + 1,) by projection of draws on the orthant.

    Those of even and those of odd j sum to one half each, which the draws are made to obey.
    """
    from scipy.optimize import nnls  # late: a fifth of a second

    c = len(correlation)
    U = np.linalg.cholesky(np.linalg.inv(correlation)).T  # z'C^-1 z = |U z|^2, and U z is white
    white = np.random.default_rng(SEED).standard_normal((DRAWS, c))
    positive = [int(np.count_nonzero(nnls(U, w)[0])) for w in white]
    weights = np.bincount(positive, minlength=c + 1).astype(float)
    for parity in (0, 1):
        weights[parity::2] *= 0.5 / weights[parity::2].sum()
    return weights


def boundary_covariance(information: Array, constraints: Array) -> Array:
    """Asymptotic covariance (c, c) of the quantities that the null puts at zero, everything else estimated.

    Parameters
    ----------
    information : array (m, m)
        Expected information of all covariance parameters of the larger model at the null.
    constraints : array (c, m)
        What must not be negative, as linear functions of these parameters.

    Returns
    -------
    array (c, c)
        constraints information^-1 constraints': the inverse of the efficient information, nuisance parameters and
        new parameters without a boundary projected out.
    """
    size = np.sqrt(np.maximum(np.diag(information), 1e-300))
    scaled = constraints / size
    return np.asarray(scaled @ np.linalg.solve(information / np.outer(size, size), scaled.T))
