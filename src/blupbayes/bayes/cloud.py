"""Quasi-Monte-Carlo importance sampling, for more variance parameters than a lattice can hold.

Points of a multivariate Student t around the modes, scrambled by Sobol's rule in a few independent replicates, whose
scatter is the stated error; a Pareto k of the weights says whether that scatter can be believed. Source: Owen (2013),
chapters 9 and 17; Vehtari et al. (2024).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blupbayes.bayes.lattice import Lattice, Modes

__all__ = ["Cloud", "Proposal"]

Array = NDArray[np.float64]
Index = NDArray[np.intp]

NU = 8.0  # degrees of freedom: tails are heavier than those of the bells
WIDER = 1.15  # times the bell's sds
REPLICATES = 8
BAND = 0.8  # of marginal densities, in sds: frequencies up to pi / 0.8 are kept, a bell has few above


@dataclass(frozen=True, eq=False)
class Cloud(Lattice):
    """Weighted points in place of a lattice: ``log_density`` (m,) is that over the proposal's.

    ``index`` (m, d): coordinates of the bell over the bandwidth of marginal densities; ``replicate`` (m,);
    ``pareto_k``: of the weights, above 0.7 they cannot be trusted.
    """

    replicate: Index
    pareto_k: float

    @property
    def replicates(self) -> list[NDArray[np.bool_]]:
        """Which points belong to each."""
        return [self.replicate == k for k in range(REPLICATES)]


@dataclass(frozen=True, eq=False)
class Proposal:
    """A mixture of Student ts around the modes, as heavy as they are high."""

    modes: Modes

    @property
    def shares(self) -> Array:
        """Of the modes (k,)."""
        w = np.exp(self.modes.values - self.modes.values.max())
        return np.asarray(w / w.sum())

    def draw(self, begin: int, end: int, seed: int) -> tuple[Array, Array, Index]:
        """v (m, d) of points begin..end-1 of every replicate, the proposal's log density there, and whose they are."""
        from scipy.special import chdtri, ndtri
        from scipy.stats import qmc

        d = self.modes.at.shape[1]
        u = np.concatenate([qmc.Sobol(d + 2, rng=seed + k).random(end)[begin:] for k in range(REPLICATES)])
        u = np.clip(u, 1e-12, 1.0 - 1e-12)
        z = ndtri(u[:, :d]) * np.sqrt(NU / chdtri(NU, u[:, d]))[:, None]
        which = np.minimum(np.searchsorted(np.cumsum(self.shares), u[:, d + 1]), len(self.shares) - 1)
        v = self.modes.at[which] + WIDER * z @ self.modes.scale.T
        return v, self.log_density(v), np.repeat(np.arange(REPLICATES), end - begin)

    def log_density(self, v: Array) -> Array:
        """(m,) at v (m, d)."""
        from scipy.special import gammaln, logsumexp

        d = v.shape[1]
        scale = WIDER * self.modes.scale
        constant = gammaln((NU + d) / 2) - gammaln(NU / 2) - 0.5 * d * np.log(NU * np.pi)
        constant -= np.linalg.slogdet(scale)[1]
        z = [np.linalg.solve(scale, (v - at).T) for at in self.modes.at]
        logs = [constant - 0.5 * (NU + d) * np.log1p(np.sum(x**2, axis=0) / NU) for x in z]
        return np.asarray(logsumexp(logs, axis=0, b=self.shares[:, None]))

    def cloud(self, v: Array, log_ratio: Array, replicate: Index, n: int) -> Cloud:
        """What points v (m, d) weigh that are left of n drawn ones, by the log of density over proposal (m,)."""
        from arviz_stats.base import array_stats

        index = np.linalg.solve(BAND * self.modes.scale, (v - self.modes.at[0]).T).T
        _, k = array_stats.psislw(
            log_ratio.max() - log_ratio
        )  # it takes log-likelihoods, and turns their sign
        axes = np.diag(BAND * np.linalg.norm(self.modes.scale, axis=1))
        return Cloud(index, log_ratio - np.log(n), 0.0, axes, np.inf, replicate, float(k))
