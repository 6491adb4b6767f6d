"""(Statistics, T) -> Factor: the random effects eliminated, at one relative covariance.

With V0 = I + Z Lam Lam' Z' (weights applied), everything that follows is a reading of

    W = Lam (Lam'Z'Z Lam + I)^-1 Lam'        the covariance of b given y and beta, over sigma^2
    N = Z'V0^-1 Z = Z'Z - Z'Z W Z'Z          the information about b

Both are regular at any T, singular T included: nothing divides by T [E-PLS]. Two storages give them: one
dense block for small models (dense.py), a chain of block-diagonal groups with a dense tail else (blocked.py).
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from blupbayes.mme.blocked import eliminate_chain
from blupbayes.mme.dense import eliminate_dense
from blupbayes.mme.statistics import Statistics

__all__ = ["Factor", "factorize"]

Array = NDArray[np.float64]


class Factor(Protocol):
    """The eliminated system at one T; vectors of length q are in the layout's order."""

    @property
    def T(self) -> tuple[Array, ...]:
        """Relative covariance factors (q_k, q_k), one per group."""

    @property
    def log_det(self) -> float:
        """log|Lam'Z'Z Lam + I|, the log|L|^2 of the criteria."""

    @property
    def border(self) -> tuple[Array, Array, Array]:
        """b = W Z'[Q e] and v = Z'V0^-1 [Q e], both (q, r + 1), and the upper triangular root of [Q e]'V0^-1 [Q e]."""

    @property
    def full(self) -> Array | None:
        """N (q, q) where it is at hand, else None."""

    @property
    def N_levels(self) -> tuple[Array, ...]:
        """Level blocks of N (J, q_k, q_k), one array per group [E-SCORE]."""

    @property
    def W_levels(self) -> tuple[Array, ...]:
        """Level blocks of W (J, q_k, q_k), one array per group [E-PEV]."""

    def information(self, x: Array) -> Array:
        """N x for x (q, m)."""

    def covered(self, x: Array) -> Array:
        """W x for x (q, m)."""

    def noise(self, rng: np.random.Generator, n: int) -> Array:
        """n draws (q, n) from N(0, W)."""


def factorize(statistics: Statistics, T: tuple[Array, ...]) -> Factor:
    """Eliminate the random effects.

    Parameters
    ----------
    statistics : Statistics
    T : tuple of array (q_k, q_k)
        Relative covariance factors, one per grouping factor; lower triangular, singular allowed.

    Returns
    -------
    Factor

    Raises
    ------
    DataError
        If the random-effect variances are too large against the residual variance for double precision.
    """
    if statistics.core is not None:
        return eliminate_dense(statistics, statistics.core, T)
    assert statistics.first is not None
    return eliminate_chain(statistics, statistics.first, T)
