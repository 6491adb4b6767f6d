"""Where modes of the posterior of the variances are looked for: a coarse scan of all sds, zero included."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from blupbayes.bayes.marginal import Marginal
from blupbayes.mme.fit import estimate
from blupbayes.mme.statistics import Statistics
from blupbayes.model.resolved import GroupPrior

__all__ = ["starts"]

Array = NDArray[np.float64]

SCAN = {1: np.linspace(-2.5, 2.5, 11), 2: np.linspace(-2.4, 2.1, 7), 3: np.linspace(-2.2, 1.8, 5)}
SCAN_MANY, SCAN_MOST = np.array([-1.8, -0.6, 0.6]), np.array([-1.8, 0.0])  # for 4 and 5 sds, and for more
SCANNED = 5  # of more sds the rest moves with the first


def starts(marginal: Marginal, statistics: Statistics) -> list[Array]:
    """Where modes are looked for: at the REML estimate, and at every top of a coarse scan of all sds, 0 included."""
    c, found = marginal.coordinates, estimate(statistics)
    sigma, groups = found.sigma, marginal.prior.groups
    T = [within_bounds(t * sigma, g) / sigma for t, g in zip(found.T, groups, strict=True)]
    reml, K = c.at(T), c.n_sds
    values = SCAN.get(K, SCAN_MANY if K <= SCANNED else SCAN_MOST)
    shape = (len(values),) * min(K, SCANNED)
    mesh = [x.ravel() for x in np.meshgrid(*(values,) * len(shape), indexing="ij")]
    v = np.zeros((len(mesh[0]), c.size))
    v[:, :K] = np.column_stack(mesh + mesh[:1] * (K - len(shape)))
    height = marginal.log_density(v)
    return [reml, *v[tops(height.reshape(shape)).ravel()]]


def within_bounds(T: Array, prior: GroupPrior) -> Array:
    """A factor (q, q) whose sds lie well inside the bounds of uniform priors."""
    size = np.linalg.norm(T, axis=1)
    wanted = size.copy()
    for k, sd in enumerate(prior.sds):
        if sd.name == "Uniform":
            low, high = np.sqrt(sd.args) if sd.on == "variance" else np.array(sd.args)
            wanted[k] = np.clip(size[k], low + 0.1 * (high - low), high - 0.1 * (high - low))
    unit = np.where(size[:, None] > 0, T / np.where(size > 0, size, 1.0)[:, None], np.eye(len(T)))
    return np.asarray(wanted[:, None] * unit)


def tops(height: Array) -> NDArray[np.bool_]:
    """Which points of a grid are finite and no lower than their neighbours along every axis."""
    top = np.isfinite(height)
    for axis in range(height.ndim):
        along, mine = np.moveaxis(height, axis, 0), np.moveaxis(top, axis, 0)
        mine[1:] &= along[1:] >= along[:-1]
        mine[:-1] &= along[:-1] >= along[1:]
    return top
