"""Independent draws from the prior, and responses that follow from them [E-MODEL]."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from blupbayes.bayes.coordinates import correlation_roots
from blupbayes.bayes.correlation import partials
from blupbayes.bayes.draws import Draws
from blupbayes.errors import PriorError
from blupbayes.model.design import Design
from blupbayes.model.resolved import GroupPrior, ResolvedPrior

__all__ = ["draw_prior", "responses"]

Array = NDArray[np.float64]


def draw_prior(design: Design, prior: ResolvedPrior, n: int, rng: np.random.Generator) -> Draws:
    """n independent draws of all parameters and random effects.

    Raises
    ------
    PriorError
        If the prior is improper, or a joint prior of a covariance matrix.
    """
    if prior.kappa == 0 or len(prior.root) < len(prior.fixed_names):
        raise PriorError(
            "Nothing can be drawn from a flat prior of beta: give kappa > 0, a prior precision, and a mean "
            "(bb.Prior(kappa=1 / 100**2, mean=300), say)."
        )
    if any(g.joint is not None for g in prior.groups):
        raise PriorError(
            "Drawing from a joint prior of a covariance matrix is not available: use sd and corr."
        )
    sigma = np.full(n, design.sigma) if prior.residual is None else prior.residual.draw(n, rng)
    sds, corrs, effects = [], [], []
    for group, of_group in zip(design.groups, prior.groups, strict=True):
        mine = np.column_stack([d.draw(n, rng) for d in of_group.sds])
        root = roots(of_group, n, rng)
        z = rng.standard_normal((n, len(group.levels), len(group.names)))
        effects.append(z @ (mine[:, :, None] * root).transpose(0, 2, 1))
        sds.append(mine)
        corrs.append(root @ root.transpose(0, 2, 1))
    tau = rng.gamma(0.5 * prior.nu, 2.0 / prior.nu, n) if np.isfinite(prior.nu) else np.ones(n)
    covariance = np.linalg.inv(prior.kappa * prior.precision)
    z = rng.standard_normal((n, len(prior.mean))) @ np.linalg.cholesky(covariance).T
    return Draws(sigma, np.hstack(sds), tuple(corrs), prior.mean + z / np.sqrt(tau)[:, None], tuple(effects))


def roots(prior: GroupPrior, n: int, rng: np.random.Generator) -> Array:
    """Roots (n, q, q) of correlation matrices from LKJ(eta)."""
    which = tuple(partials(prior.blocks, prior.eta))
    c = [2.0 * rng.beta(a, a, n) - 1.0 for _, _, a in which]
    z = np.arctanh(np.column_stack(c)) if which else np.zeros((n, 0))
    return correlation_roots(z, which, len(prior.names))


def responses(design: Design, draws: Draws, rng: np.random.Generator) -> Array:
    """One response (n, rows) per draw."""
    mean = np.nan_to_num(draws.beta) @ design.X.T
    if design.offset is not None:
        mean = mean + design.offset
    for group, b in zip(design.groups, draws.b, strict=True):
        mean = mean + np.einsum("rk,nrk->nr", group.columns, b[:, group.codes])
    sd = draws.sigma[:, None] / np.sqrt(1.0 if design.weights is None else design.weights)
    return mean + sd * rng.standard_normal(mean.shape)
