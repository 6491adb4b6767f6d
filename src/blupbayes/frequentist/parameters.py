"""Parameters in the units of y, under the names that tables have: from theta and sigma, many at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from blupbayes.frequentist.readings import readings
from blupbayes.mme.statistics import Statistics
from blupbayes.variances import free_pairs

__all__ = ["parameter_names", "parameter_values", "variance_values"]

Array = NDArray[np.float64]


def parameter_names(statistics: Statistics) -> list[str]:
    """beta[Days], sigma (unless it is known), sd_Subject[Intercept], corr_Subject[Days,Intercept]."""
    variance = readings(statistics.groups, sigma=statistics.sigma is None)
    return [f"beta[{name}]" for name in statistics.fixed_names] + [x.name for x in variance]


def parameter_values(statistics: Statistics, beta: Array, theta: Array, sigma: Array) -> Array:
    """The parameters (n, P) in that order, for beta (n, p), theta (n, m) and sigma (n,); NaN for aliased columns."""
    fixed = np.full(beta.shape, np.nan)
    fixed[:, statistics.kept] = beta[:, statistics.kept]
    return np.hstack([fixed, variance_values(statistics, theta, sigma)])


def variance_values(statistics: Statistics, theta: Array, sigma: Array) -> Array:
    """The same without beta; a correlation is NaN beside an sd of 0."""
    sds, corrs = [], []
    for g in statistics.groups:
        T = np.zeros((len(theta), g.template.size, g.template.size))
        T[:, list(g.template.rows), list(g.template.cols)] = theta[:, list(g.template.index)]
        length = np.linalg.norm(T, axis=2)
        sds.append(sigma[:, None] * length)
        with np.errstate(invalid="ignore", divide="ignore"):
            unit = T / length[:, :, None]
        corrs += [np.sum(unit[:, i] * unit[:, j], axis=1)[:, None] for i, j in free_pairs(g.template)]
    residual = [] if statistics.sigma is not None else [sigma[:, None]]
    return np.hstack([*residual, *sds, *corrs, np.zeros((len(theta), 0))])
