"""Read off from draws, in NumPy: log-likelihoods row by row and level by level, log-priors, replicated data."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from blupbayes.bayes.recover import relative_factors
from blupbayes.errors import BlupbayesError
from blupbayes.mme.first_block import level_sums
from blupbayes.model.design import Design
from blupbayes.model.resolved import GroupPrior, ResolvedPrior

__all__ = ["by_level", "by_row", "log_prior", "replicates"]

Array = NDArray[np.float64]
Draws = Mapping[str, Array]

LOG_2PI = math.log(2.0 * math.pi)


def shape(draws: Draws) -> tuple[int, ...]:
    """(chain, draw)."""
    return next(iter(draws.values())).shape[:2]


def fixed_part(design: Design, draws: Draws) -> Array:
    """X beta + offset (chain, draw, n)."""
    mean = np.zeros((*shape(draws), design.n_obs))
    if design.fixed_names:
        mean += draws["beta"] @ design.X.T
    return mean if design.offset is None else mean + design.offset


def mean_given_b(design: Design, draws: Draws) -> Array:
    """X beta + Z b + offset (chain, draw, n)."""
    mean = fixed_part(design, draws)
    for g in design.groups:
        for k in range(len(g.names)):
            mean += draws[f"b_{g.name}"][..., k][..., g.codes] * g.columns[:, k]
    return mean


def row_sd(design: Design, draws: Draws) -> Array:
    """sigma / sqrt(w) (chain, draw, n or 1)."""
    sigma = np.full(shape(draws), design.sigma) if design.sigma is not None else draws["sigma"]
    return sigma[..., None] / (1.0 if design.weights is None else np.sqrt(design.weights))


def by_row(design: Design, draws: Draws) -> Array:
    """log N(y_i | X_i beta + o_i + Z_i b, sigma^2 / w_i), (chain, draw, n)."""
    sd = row_sd(design, draws)
    z = (design.y - mean_given_b(design, draws)) / sd
    return np.asarray(-0.5 * (LOG_2PI + z**2) - np.log(sd))


def replicates(design: Design, draws: Draws, rng: np.random.Generator) -> Array:
    """New y (chain, draw, n) of the same rows and levels."""
    mean = mean_given_b(design, draws)
    return np.asarray(mean + row_sd(design, draws) * rng.standard_normal(mean.shape))


def by_level(design: Design, prior: ResolvedPrior, draws: Draws) -> Array:
    """log p(rows of level j | beta, Sigma, sigma), its b integrated out, (chain, draw, J): for one grouping factor.

    With r = y - o - X beta, D = Z_j'W Z_j and M = I + T'D T: n_j log(2 pi sigma^2) - log|W_j| + log|M| +
    (r'W r - (T'Z_j'W r)' M^-1 (T'Z_j'W r)) / sigma^2, times -1/2 [E-ML].

    Raises
    ------
    BlupbayesError
        If there is more than one grouping factor: levels of one share those of another.
    """
    if len(design.groups) != 1:
        raise BlupbayesError(
            f"kind='marginal' needs one grouping factor, and the model has {len(design.groups)}: rows of "
            "different levels share the effects of the others. Use kind='conditional', or leave out a level's "
            "rows and sample again."
        )
    (g,), S = design.groups, int(np.prod(shape(draws)))
    J, w = len(g.levels), np.ones(design.n_obs) if design.weights is None else design.weights
    sigma, (T,) = relative_factors(prior, draws)
    r = (design.y - fixed_part(design, draws)).reshape(S, design.n_obs).T
    D = level_sums(g.codes, J, g.columns * w[:, None], g.columns)
    c = np.moveaxis(level_sums(g.codes, J, g.columns * w[:, None], r), 2, 0)
    one = np.ones((design.n_obs, 1))
    rWr = level_sums(g.codes, J, w[:, None], r**2)[:, 0].T
    constant = level_sums(g.codes, J, one, np.column_stack([one, np.log(w)]))[:, 0]
    M = np.eye(T.shape[1]) + np.einsum("sab,jac,scd->sjbd", T, D, T, optimize=True)
    L = np.linalg.cholesky(M)
    half = np.linalg.solve(L, np.einsum("sab,sja->sjb", T, c)[..., None])[..., 0]
    log_det = 2.0 * np.log(np.diagonal(L, axis1=2, axis2=3)).sum(axis=2)
    quadratic = (rWr - (half**2).sum(axis=2)) / sigma[:, None] ** 2
    log_sigma2 = constant[:, 0] * (LOG_2PI + 2.0 * np.log(sigma[:, None])) - constant[:, 1]
    return (-0.5 * (log_sigma2 + log_det + quadratic)).reshape(*shape(draws), J)


def log_prior(prior: ResolvedPrior, draws: Draws) -> dict[str, Array]:
    """Log-densities of what has a prior of its own, never of b: (chain, draw, ...) by variable.

    Left out are beta unless it is normal in every direction, and covariance matrices with a joint prior.
    """
    out: dict[str, Array] = {}
    normal = prior.kappa > 0 and np.isinf(prior.nu) and len(prior.root) == len(prior.fixed_names)
    if normal and "beta" in draws:
        root = np.sqrt(prior.kappa) * np.linalg.cholesky(prior.precision)
        z = (draws["beta"] - prior.mean) @ root
        out["beta"] = -0.5 * (LOG_2PI + z**2) + np.log(np.diag(root))
    if prior.residual is not None:
        out["sigma"] = np.asarray(prior.residual.logpdf(draws["sigma"]))
    for g in prior.groups:
        sd = draws[f"sd_{g.name}"]
        if g.joint is not None:
            continue
        out[f"sd_{g.name}"] = np.stack([d.logpdf(sd[..., k]) for k, d in enumerate(g.sds)], axis=-1)
        if g.blocks:
            out[f"corr_{g.name}"] = lkj(g, g.eta, draws[f"corr_{g.name}"])
        if f"nu_{g.name}" in draws:
            nu = draws[f"nu_{g.name}"]
            out[f"nu_{g.name}"] = 2.0 * math.log(0.1) + np.log(nu) - 0.1 * nu
    return out


def lkj(group: GroupPrior, eta: float, R: Array) -> Array:
    """Log-density (chain, draw) of the correlations of one grouping factor (Lewandowski, Kurowicka and Joe 2009)."""
    total = np.zeros(R.shape[:2])
    for start, stop in group.blocks:
        for k in range(1, stop - start):
            m = stop - start - k
            a = eta + 0.5 * (m - 1)
            total -= (2.0 * eta - 2.0 + m) * m * math.log(2.0) + m * (2 * math.lgamma(a) - math.lgamma(2 * a))
        total += (eta - 1.0) * np.linalg.slogdet(R[..., start:stop, start:stop])[1]
    return total
