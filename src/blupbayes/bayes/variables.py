"""Variance parameters as PyMC variables: sigma, sd_g, corr_g. The hierarchical and the collapsed model share them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from blupbayes.bayes.correlation import correlation_matrix, partials
from blupbayes.bayes.names import drawn, parts
from blupbayes.model.distributions import Distribution
from blupbayes.model.resolved import GroupPrior, ResolvedPrior

__all__ = ["correlation", "deviations", "residual_sd"]


def residual_sd(prior: ResolvedPrior) -> Any:
    """sigma: a variable, or the known number."""
    if prior.residual is None:
        return np.array(prior.residual_scale, dtype=float)  # PyTensor would make a float32 of the number 20.0
    return deviation("sigma", [prior.residual], None)


def deviations(name: str, priors: Sequence[Distribution], dim: str) -> Any:
    """Standard deviations (q,): one variable, or a stack of scalars where their priors differ in kind."""
    import pymc as pm
    import pytensor.tensor as pt

    pieces = parts(name, priors)
    if len(pieces) == 1:
        return deviation(name, priors, dim)
    stack = [deviation(piece, [priors[k] for k in which], None) for piece, which in pieces]
    return pm.Deterministic(name, pt.stack(stack), dims=dim)


def deviation(name: str, priors: Sequence[Distribution], dim: str | None) -> Any:
    """Sds (q,) whose priors are of one kind; one scalar without a dimension."""
    import pymc as pm

    first = priors[0]
    kind, parameters = first.pymc
    values = {key: np.array([d.pymc[1][key] for d in priors]) for key in parameters}
    variable = getattr(pm, kind)(drawn(name, first), **(values if dim else parameters), dims=dim)
    if first.on == "sd":
        return variable
    return pm.Deterministic(
        name, variable**0.5 if first.on == "variance" else pm.math.exp(variable), dims=dim
    )


def correlation(prior: GroupPrior, eta: float) -> Any:
    """R (q, q) with an LKJ(eta) prior in each block of correlated coefficients."""
    import pymc as pm

    name = f"corr_{prior.name}"
    c = {
        (i, j): 2.0 * pm.Beta(f"{name}_partial_{i}_{j}", alpha=a, beta=a) - 1.0
        for i, j, a in partials(prior.blocks, eta)
    }
    R = correlation_matrix(c, prior.blocks, len(prior.names))
    return pm.Deterministic(name, R, dims=(f"{prior.name}_term", f"{prior.name}_term_bis"))
