"""(theta, sigma) draws -> exact draws of (beta, b): one Gaussian each [E-MME]."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from blupbayes.bayes.correlation import correlation_root
from blupbayes.mme.gaussian import posterior
from blupbayes.mme.statistics import Statistics
from blupbayes.model.resolved import ResolvedPrior

__all__ = ["recover", "relative_factors"]

Array = NDArray[np.float64]


def recover(
    statistics: Statistics, prior: ResolvedPrior, draws: Mapping[str, Array], rng: np.random.Generator
) -> dict[str, Array]:
    """beta and b for every draw of the variance parameters.

    Parameters
    ----------
    statistics : Statistics
    prior : ResolvedPrior
        kappa, m and P of beta.
    draws : mapping of array (chain, draw, ...)
        `sigma` (unless known), `sd_g`, and `corr_g` where coefficients are correlated.
    rng : Generator

    Returns
    -------
    dict
        `beta` (chain, draw, p) and `b_g` (chain, draw, J, q) of every grouping factor.
    """
    chains, n = np.shape(draws[f"sd_{prior.groups[0].name}"])[:2]
    root = np.linalg.cholesky(prior.precision)
    turned = replace(
        statistics, R=np.linalg.solve(root, statistics.R.T).T, beta_ols=root.T @ statistics.beta_ols
    )
    beta = np.empty((chains * n, len(statistics.fixed_names)))
    b = [np.empty((chains * n, *shape)) for shape in statistics.layout.shapes]
    for k, (T, sigma) in enumerate(points(prior, draws, chains * n)):
        at = posterior(turned, T, sigma, prior.kappa, root.T @ prior.mean)
        one, effects = at.draw(1, rng)
        beta[k] = np.linalg.solve(root.T, one[0])
        for of_group, effect in zip(b, effects, strict=True):
            of_group[k] = effect[0]
    out = {"beta": beta} if statistics.fixed_names else {}
    out |= {f"b_{g.name}": x for g, x in zip(prior.groups, b, strict=True)}
    return {name: x.reshape(chains, n, *x.shape[1:]) for name, x in out.items()}


def points(
    prior: ResolvedPrior, draws: Mapping[str, Array], size: int
) -> Iterator[tuple[tuple[Array, ...], float]]:
    """(T per group, sigma) of each of the draws, chain by chain."""
    sigma, factors = relative_factors(prior, draws)
    for k in range(size):
        yield tuple(T[k] for T in factors), float(sigma[k])


def relative_factors(prior: ResolvedPrior, draws: Mapping[str, Array]) -> tuple[Array, list[Array]]:
    """sigma (S,) and T (S, q, q) of every group, relative to sigma, for all S draws of all chains."""
    first = np.asarray(draws[f"sd_{prior.groups[0].name}"])
    size = first.shape[0] * first.shape[1]
    sigma = np.full(size, prior.residual_scale)
    if "sigma" in draws:
        sigma = np.asarray(draws["sigma"], dtype=float).reshape(size)
    factors = []
    for g in prior.groups:
        sd, q = np.asarray(draws[f"sd_{g.name}"]).reshape(size, -1), len(g.names)
        root: Array = np.broadcast_to(np.eye(q), (size, q, q))
        if g.blocks:
            R = np.asarray(draws[f"corr_{g.name}"]).reshape(size, q, q)
            root = np.stack([correlation_root(one, g.blocks, q) for one in R])
        factors.append((sd / sigma[:, None])[:, :, None] * root)
    return sigma, factors
