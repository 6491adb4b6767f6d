"""Factor -> the Gaussian posterior of (beta, b) at known variances, for any kappa in [0, inf].

kappa = 0 is Henderson: the mean solves the mixed model equations, the covariance holds Var(beta_hat) and
the prediction-error variances. In whitened coordinates h = R (beta - m) the prior is N(0, K^-1 sigma^2) with
K = kappa sigma^2 (R P^-1 R')^-1, which is regular for X of any rank: the part of beta that the data cannot
see keeps its prior, so its mean stays at m and its variance is 1/kappa.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from blupbayes.errors import DataError
from blupbayes.mme.criterion import LOG_2PI, Border, read_border
from blupbayes.mme.factor import Factor, factorize
from blupbayes.mme.statistics import Statistics

__all__ = ["GaussianPosterior", "kappa_path", "posterior", "read_posterior"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class GaussianPosterior:
    """(beta, b) given y and the variances [E-MME].

    Parameters
    ----------
    beta : array (p,)
        Posterior mean; at kappa = 0 the BLUE, smallest-norm limit if X is rank deficient.
    beta_cov : array (p, p)
        Posterior covariance; at kappa = 0 and deficient rank infinite for what cannot be estimated.
    b : tuple of array (J, q)
        Posterior means of the random effects, one array per grouping factor: the BLUPs at kappa = 0.
    sigma, kappa : float
        Residual sd; prior precision scale of beta, unit 1/beta^2.
    log_evidence : float
        log p(y | variances, kappa) [E-EVIDENCE]; -inf at kappa = 0, where the prior has no normaliser.
    restricted_log_likelihood : float
        The REML log-likelihood at these variances [E-REML], the evidence under a flat density 1 [E-HARVILLE].
    g_cov : array (r, r)
        Covariance of R beta, the whitened coordinates of what can be estimated.
    """

    statistics: Statistics = field(repr=False)
    factor: Factor = field(repr=False)
    T: tuple[Array, ...]
    sigma: float
    kappa: float
    beta: Array
    beta_cov: Array
    b: tuple[Array, ...]
    log_evidence: float
    restricted_log_likelihood: float
    _border: Border = field(repr=False)
    _G: Array = field(repr=False)
    _g: Array = field(repr=False)
    g_cov: Array = field(repr=False)
    _free: Array = field(repr=False)

    @cached_property
    def cond_cov(self) -> tuple[Array, ...]:
        """Var(b | y, beta, variances) by level, (J, q, q) per group: lme4's condVar."""
        return tuple(self.sigma**2 * W for W in self.factor.W_levels)

    @cached_property
    def pev(self) -> tuple[Array, ...]:
        """Var(b_hat - b) by level, (J, q, q) per group [E-PEV]; at kappa > 0 the posterior covariance."""
        return tuple(
            c + Y @ self.g_cov @ Y.transpose(0, 2, 1)
            for c, Y in zip(self.cond_cov, self.response, strict=True)
        )

    @cached_property
    def cross_cov(self) -> tuple[Array, ...]:
        """Cov(b_hat - b, beta_hat - beta) by level, (J, q, p) per group."""
        return tuple(-(Y @ self.g_cov @ self._G.T) for Y in self.response)

    @property
    def response(self) -> tuple[Array, ...]:
        """How b answers to the whitened fixed effects: b_hat falls by this times R beta, (J, q, r) per group."""
        return self.statistics.layout.split(self._border.b[:, : self.statistics.rank])

    def whitened(self, X: Array) -> Array:
        """Rows of X (m, p) as combinations of R beta (m, r); of those that are not estimable, the part that is."""
        return X @ self._G

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, tuple[Array, ...]]:
        """n independent draws: beta (n, p) and b (n, J, q) per group.

        Directions of beta that the data do not see and kappa = 0 leaves flat stay at their mean.
        """
        s = self.statistics
        g = self._g_cov_root @ rng.standard_normal((s.rank, n))
        beta = self.beta[:, None] + self._G @ g
        if 0 < self.kappa < np.inf and self._free.size:
            beta = beta + self._free @ rng.standard_normal((self._free.shape[1], n)) / np.sqrt(self.kappa)
        shift = self.sigma * self.factor.noise(rng, n) - self._border.b[:, : s.rank] @ g
        parts = s.layout.split(shift)
        return beta.T, tuple(m + x.transpose(2, 0, 1) for m, x in zip(self.b, parts, strict=True))

    @property
    def _g_cov_root(self) -> Array:
        values, vectors = np.linalg.eigh(self.g_cov)
        return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))


def posterior(
    statistics: Statistics, T: tuple[Array, ...], sigma: float, kappa: float = 0.0, mean: float | Array = 0.0
) -> GaussianPosterior:
    """Solve the mixed model equations at known variances [E-MME], [E-GLS], [E-BLUP].

    Parameters
    ----------
    statistics : Statistics
    T : tuple of array (q, q)
        Relative covariance factors, Cov(b) = sigma^2 T T' per level.
    sigma : float
        Residual sd, unit of y.
    kappa : float, default 0
        beta ~ N(mean, I / kappa); 0 is Henderson's equations, inf fixes beta at the mean.
    mean : float or array (p,)
        Prior mean of beta.

    Returns
    -------
    GaussianPosterior

    Raises
    ------
    DataError
        If kappa is negative or not a number.
    """
    return read_posterior(statistics, factorize(statistics, T), sigma, kappa, mean)


def read_posterior(
    statistics: Statistics, factor: Factor, sigma: float, kappa: float = 0.0, mean: float | Array = 0.0
) -> GaussianPosterior:
    """The same from a factor that exists already: factor once, read at many kappas."""
    if not kappa >= 0:
        raise DataError(f"kappa is a prior precision and must be in [0, inf], got {kappa!r}")
    p, r = len(statistics.fixed_names), statistics.rank
    m = np.broadcast_to(np.asarray(mean, dtype=float), (p,))
    border = read_border(statistics, factor)
    G, free = null_split(statistics.R)
    h = statistics.R @ (statistics.beta_ols - m)
    g, g_cov = whitened_posterior(border, G, h, sigma, kappa)
    beta = m + G @ (h + g) if r < p or kappa == np.inf else statistics.beta_ols + G @ g
    c = border.b[:, r] - border.b[:, :r] @ g
    restricted, evidence = log_densities(statistics, factor, border, G, h, sigma, kappa)
    return GaussianPosterior(
        statistics, factor, factor.T, sigma, kappa, beta, with_free_part(G @ g_cov @ G.T, free, kappa),
        tuple(x[:, :, 0] for x in statistics.layout.split(c[:, None])), evidence, restricted,
        border, G, g, g_cov, free,
    )  # fmt: skip


def null_split(R: Array) -> tuple[Array, Array]:
    """G (p, r), the right inverse of R of smallest norm, and an orthonormal basis (p, p - r) of R's null space."""
    r, p = R.shape
    if r == p:
        return np.linalg.solve(R, np.eye(p)) if p else np.zeros((0, 0)), np.zeros((p, 0))
    scale = np.linalg.norm(R, axis=1)
    U, s, Vt = np.linalg.svd(R / scale[:, None])
    G = (Vt[:r].T / s) @ U.T / scale
    return G, Vt[r:].T


def whitened_posterior(border: Border, G: Array, h: Array, sigma: float, kappa: float) -> tuple[Array, Array]:
    """Mean (r,) and covariance (r, r) of g = h - h_ols."""
    if kappa == np.inf:
        return -h, np.zeros((len(h), len(h)))
    if kappa == 0:
        return border.g, sigma**2 * border.S_inv
    K = kappa * sigma**2 * (G.T @ G)
    M = border.S + K
    scale = 1.0 / np.sqrt(np.diag(M))
    inverse = np.linalg.inv(M * np.outer(scale, scale)) * np.outer(scale, scale)
    inverse = 0.5 * (inverse + inverse.T)
    return inverse @ (border.S @ border.g - K @ h), sigma**2 * inverse


def with_free_part(cov: Array, free: Array, kappa: float) -> Array:
    """Covariance of beta: what the data see, plus the prior's part of what they do not, 1/kappa on its null space."""
    if not free.size or kappa == np.inf:
        return cov
    outside = free @ free.T
    outside[np.abs(outside) < 1e-12] = 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        extra = np.where(outside == 0.0, 0.0, outside / kappa if kappa > 0 else np.copysign(np.inf, outside))
    return cov + extra


def log_densities(
    statistics: Statistics, factor: Factor, border: Border, G: Array, h: Array, sigma: float, kappa: float
) -> tuple[float, float]:
    """The restricted log-likelihood [E-REML] and the log evidence [E-EVIDENCE] at known sigma."""
    n, r, s2 = statistics.n_obs, statistics.rank, sigma**2
    log_det = factor.log_det - statistics.log_weights
    restricted = (
        (n - r) * (LOG_2PI + np.log(s2))
        + log_det
        + border.log_det
        + 2 * statistics.log_det_R
        + border.r2 / s2
    )
    if kappa == 0:
        return float(-0.5 * restricted), -np.inf
    d = border.g + h
    if kappa == np.inf:
        lift, log_ratio = float(d @ border.S @ d), 0.0
    else:
        K = kappa * s2 * (G.T @ G)
        lift = float(d @ border.S @ np.linalg.solve(border.S + K, K @ d))
        log_ratio = float(np.linalg.slogdet(border.S + K)[1]) - r * np.log(kappa * s2) - 2.0 * log_volume(G)
    evidence = n * (LOG_2PI + np.log(s2)) + log_det + log_ratio + (border.r2 + lift) / s2
    return float(-0.5 * restricted), float(-0.5 * evidence)


def log_volume(G: Array) -> float:
    """Half of log|G'G| for G (p, r), from G itself: G'G squares the scales of the columns of X."""
    return float(np.log(np.abs(np.diagonal(np.linalg.qr(G, mode="r")))).sum())


def kappa_path(
    statistics: Statistics,
    T: tuple[Array, ...],
    sigma: float,
    kappas: Iterable[float],
    mean: float | Array = 0.0,
) -> Iterator[GaussianPosterior]:
    """The posterior along kappa [E-RATE]: first order in kappa towards Henderson's solution."""
    factor = factorize(statistics, T)
    return (read_posterior(statistics, factor, sigma, kappa, mean) for kappa in kappas)
