"""Intraclass correlations of a model of random intercepts: the share of each grouping factor in the variance [E-ICC].

With relative sds r_k they are r_k^2 / (1 + sum of r^2), functions of theta alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from blupbayes.frequentist.standard_errors import spread
from blupbayes.mme.fit import Estimate

__all__ = ["delta_se", "has_shares", "logit_bounds", "shares"]

Array = NDArray[np.float64]


class GroupLike(Protocol):
    """A grouping factor's coefficients."""

    @property
    def names(self) -> tuple[str, ...]: ...


def has_shares(groups: Sequence[GroupLike], sigma: float | None) -> bool:
    """Whether the share is one number: all random effects are intercepts, and the residual variance is unknown."""
    return sigma is None and all(tuple(g.names) == ("Intercept",) for g in groups)


def shares(r: Array) -> Array:
    """Shares (..., K) of relative sds (..., K)."""
    return np.asarray(r**2 / (1.0 + np.sum(r**2, axis=-1, keepdims=True)))


def delta_se(estimate: Estimate) -> Array:
    """Standard errors (K,) by the delta method; NaN where the share is 0, at the boundary [E-INFO]."""
    r = np.array([T[0, 0] for T in estimate.T])
    place = [g.template.index[0] for g in estimate.statistics.groups]
    cov = spread(estimate).cov[np.ix_(place, place)]
    share, total = shares(r), 1.0 + np.sum(r**2)
    J = 2.0 * (np.diag(r) - np.outer(share, r)) / total
    se = np.sqrt(np.maximum(np.einsum("ki,ij,kj->k", J, cov, J), 0.0))
    return np.where(share > 0, se, np.nan)


def logit_bounds(share: Array, se: Array, ci_prob: float) -> tuple[Array, Array]:
    """Limits (K,) of share +- z se on the logit scale."""
    half = NormalDist().inv_cdf(0.5 + ci_prob / 2) * se
    with np.errstate(divide="ignore", invalid="ignore"):
        middle, width = np.log(share) - np.log1p(-share), half / (share * (1.0 - share))
        low, high = (1.0 / (1.0 + np.exp(-x)) for x in (middle - width, middle + width))
    return low, high
