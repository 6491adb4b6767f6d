"""Why a posterior mean is not the BLUP: the difference split into named parts that add up exactly [E-LEDGER].

    theta        b_0(theta_bar) - b_0(theta_hat)      prior and integration move the variances
    curvature    E[b_0(theta)] - b_0(theta_bar)       the BLUP is not linear in theta
    kappa        E[b_k(theta)] - E[b_0(theta)]        the prior of beta
    monte_carlo  mean of the draws - E[b_k(theta)]    0 for the integral

and the same for variances: E[PEV(theta)] - PEV(theta_hat), Var[b_0(theta)], kappa, Monte Carlo. Works on arrays;
knows no estimator.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blupbayes.compare.effects import GaussianLike, GroupNames, labels

__all__ = ["MEAN", "SENTENCES", "VARIANCE", "keys", "mean_parts", "stack", "variance_parts"]

Array = NDArray[np.float64]

MEAN = ("theta", "curvature", "kappa", "monte_carlo")
VARIANCE = ("average_pev", "movement", "kappa", "monte_carlo")
SENTENCES = {
    "theta": "theta: the prior and the integration move the relative variances away from their REML estimates.",
    "curvature": "curvature: the BLUP is not linear in the variances, so its mean is not its value at their mean.",
    "kappa": "kappa: the prior of the fixed effects is not flat.",
    "monte_carlo": "monte_carlo: the mean of the draws is not the mean of the posterior; 0 for the exact integral.",
    "average_pev": "average_pev: the posterior mean of the prediction-error variance is not its value at REML.",
    "movement": "movement: the BLUP itself moves with the variances, and plug-in variances leave that out.",
}


class AveragesLike(Protocol):
    """Posterior averages of [beta, b, group means] (Q,)."""

    @property
    def blup(self) -> Array: ...
    @property
    def mean(self) -> Array: ...
    @property
    def reported(self) -> Array: ...
    @property
    def pev(self) -> Array: ...
    @property
    def moved(self) -> Array: ...
    @property
    def variance(self) -> Array: ...
    @property
    def reported_variance(self) -> Array: ...


def shared(g: GroupNames, fixed_names: Sequence[str]) -> list[int]:
    """Coefficients of a group that have a fixed column of the same name."""
    return [k for k, name in enumerate(g.names) if name in fixed_names]


def keys(groups: Sequence[GroupNames], fixed_names: Sequence[str]) -> pd.DataFrame:
    """component, group, level, term of [beta, b, group means]."""
    fixed = pd.DataFrame({"component": "fixed", "group": "", "level": "", "term": list(fixed_names)})
    b = [pd.DataFrame(labels(g)).assign(component="b") for g in groups]
    means = [pd.DataFrame(labels(g, shared(g, fixed_names))).assign(component="group_mean") for g in groups]
    return pd.concat([fixed, *b, *means], ignore_index=True)[["component", "group", "level", "term"]]


def stack(groups: Sequence[GroupNames], fixed_names: Sequence[str], at: GaussianLike) -> tuple[Array, Array]:
    """Values and variances (Q,) of [beta, b, group means] in a Gaussian posterior."""
    values, variances = [at.beta, *(b.ravel() for b in at.b)], [np.diag(at.beta_cov)]
    variances += [np.diagonal(v, axis1=1, axis2=2).ravel() for v in at.pev]
    for i, g in enumerate(groups):
        own = shared(g, fixed_names)
        place = [list(fixed_names).index(g.names[k]) for k in own]
        values.append((at.beta[place] + at.b[i][:, own]).ravel())
        pev = np.diagonal(at.pev[i], axis1=1, axis2=2)[:, own]
        variances.append((np.diag(at.beta_cov)[place] + pev + 2 * at.cross_cov[i][:, own, place]).ravel())
    return np.concatenate(values), np.concatenate(variances)


def mean_parts(blup: Array, at_centre: Array, found: AveragesLike) -> pd.DataFrame:
    """blup, posterior_mean, difference and its parts MEAN (Q rows) [E-LEDGER].

    Parameters
    ----------
    blup : array (Q,)
        b_0(theta_hat), REML.
    at_centre : array (Q,)
        b_0(theta_bar).
    found : Averages
    """
    return pd.DataFrame(
        {
            "blup": blup, "posterior_mean": found.reported, "difference": found.reported - blup,
            "theta": at_centre - blup, "curvature": found.blup - at_centre, "kappa": found.mean - found.blup,
            "monte_carlo": found.reported - found.mean,
        }
    ) + 0.0  # no -0.0  # fmt: skip


def variance_parts(plug_in: Array, found: AveragesLike) -> pd.DataFrame:
    """plug_in, posterior_variance, difference and its parts VARIANCE (Q rows) [E-TOTALVAR]."""
    return pd.DataFrame(
        {
            "plug_in": plug_in, "posterior_variance": found.reported_variance,
            "difference": found.reported_variance - plug_in, "average_pev": found.pev - plug_in,
            "movement": found.moved, "kappa": found.variance - found.pev - found.moved,
            "monte_carlo": found.reported_variance - found.variance,
        }
    ) + 0.0  # fmt: skip
