"""Refusals before sampling: where beta has no posterior density, there is nothing to draw."""

from __future__ import annotations

import numpy as np

from blupbayes.errors import IdentifiabilityError, PriorError
from blupbayes.mme.least_squares import independent_columns
from blupbayes.model.design import Design
from blupbayes.model.resolved import ResolvedPrior

__all__ = ["check_beta"]


def check_beta(design: Design, prior: ResolvedPrior) -> None:
    """Refuse a beta without a posterior density.

    Raises
    ------
    PriorError
        If kappa = inf: beta is a point.
    IdentifiabilityError
        If columns of X are linearly dependent and kappa = 0: the posterior of beta is improper.
    """
    if np.isinf(prior.kappa):
        raise PriorError(
            "kappa = inf pins beta at its prior mean, which leaves nothing to draw. Use a large finite kappa, or "
            "move X times that mean into the offset and leave the columns out of the formula."
        )
    kept = independent_columns(design.X)
    aliased = [name for k, name in enumerate(design.fixed_names) if k not in kept]
    if aliased and prior.kappa == 0:
        raise IdentifiabilityError(
            f"{', '.join(aliased)}: a combination of earlier columns of X, so under a flat prior (kappa = 0) the "
            "posterior of beta is improper. Leave it out of the formula, or give a prior with kappa > 0."
        )
