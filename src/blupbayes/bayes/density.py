"""The density of y given the variances, beta and b integrated out, and its slope in them; any model, no compiler."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blupbayes.errors import DataError
from blupbayes.mme.criterion import LOG_2PI, read_border
from blupbayes.mme.factor import factorize
from blupbayes.mme.linalg import transpose
from blupbayes.mme.statistics import Statistics
from blupbayes.model.resolved import ResolvedPrior

__all__ = ["BetaPrior", "beta_prior", "log_marginal"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class BetaPrior:
    """The prior of beta as an answer to [Q e], and the constants of the deviance.

    ``G`` (r + 1, r + 1): in whitened coordinates h = R (beta - m) the prior precision is K = kappa (R P^-1 R')^-1, and
    [Q e] leaves h - h_ols open: what the prior adds to [Q e]'V0^-1 [Q e] over sigma^2. ``constant``: of -2 log p.
    """

    G: Array
    constant: float


def beta_prior(statistics: Statistics, prior: ResolvedPrior) -> BetaPrior:
    """Of one model; zero for kappa = 0."""
    s, r = statistics, statistics.rank
    if prior.kappa == 0:
        constant = (s.n_obs - r) * LOG_2PI + 2.0 * s.log_det_R
        return BetaPrior(np.zeros((r + 1, r + 1)), constant - s.log_weights)
    if r == len(s.fixed_names):  # without P^-1, whose digits go where columns of X differ by powers of ten
        root = np.sqrt(prior.kappa) * np.linalg.solve(s.R.T, np.linalg.cholesky(prior.precision)).T
    else:
        variance = s.R @ np.linalg.solve(prior.precision, s.R.T) / prior.kappa
        root = np.linalg.inv(np.linalg.cholesky(variance))
    rows = np.column_stack([root, -root @ (s.R @ (s.beta_ols - prior.mean))])
    constant = s.n_obs * LOG_2PI - 2.0 * float(np.linalg.slogdet(root)[1])
    return BetaPrior(rows.T @ rows, constant - s.log_weights)


def log_marginal(
    statistics: Statistics, beta: BetaPrior, T: tuple[Array, ...], sigma: float
) -> tuple[float, tuple[Array, ...], float]:
    """log p(y | T, sigma) and its derivatives [E-REML], [E-EVIDENCE], [E-SCORE].

    Parameters
    ----------
    statistics : Statistics
    beta : BetaPrior
        From `beta_prior`; kappa = 0 gives minus half of the REML criterion.
    T : tuple of array (q, q)
        Relative covariance factors.
    sigma : float
        Residual sd; unit of y.

    Returns
    -------
    value : float
        -inf where double precision cannot solve the equations.
    by_T : tuple of array (q, q)
    by_sigma : float
    """
    s, r = statistics, statistics.rank
    try:
        factor = factorize(s, T)
        border = read_border(s, factor)
        root = factor.border[2]
        L = np.linalg.cholesky(root.T @ root + sigma**2 * beta.G)
        if not np.isfinite(L).all():
            raise DataError("a variance is not finite")
    except (DataError, np.linalg.LinAlgError):
        return -np.inf, tuple(np.zeros_like(t) for t in T), 0.0
    L_inv = np.linalg.inv(L)
    g, residual = -L_inv[r, :r] / L_inv[r, r], L[r, r] ** 2
    log_det = factor.log_det + 2.0 * float(np.log(np.diag(L)[:r]).sum())
    deviance = 2.0 * (s.n_obs - r) * np.log(sigma) + log_det + residual / sigma**2 + beta.constant
    F, score = border.v[:, :r] @ L_inv[:r, :r].T, border.v[:, r] - border.v[:, :r] @ g
    by_T = []
    for t, N, f, v in zip(T, factor.N_levels, s.layout.split(F), s.layout.split(score[:, None]), strict=True):
        v = v[:, :, 0]
        by_variance = (N - f @ transpose(f)).sum(axis=0) - v.T @ v / sigma**2
        by_T.append(-(by_variance @ t))
    z = np.append(-g, 1.0)
    of_beta = sigma**2 * float(z @ beta.G @ z)
    trace = float(np.sum((L_inv[:r, :r] @ beta.G[:r, :r]) * L_inv[:r, :r]))
    slope = 2.0 * (s.n_obs - r) / sigma + 2.0 * sigma * trace - 2.0 * (residual - of_beta) / sigma**3
    return float(-0.5 * deviance), tuple(by_T), float(-0.5 * slope)
