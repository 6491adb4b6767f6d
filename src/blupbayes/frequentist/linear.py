"""L beta at the estimates: value, covariance, and how the covariance moves with the variances.

In whitened coordinates beta = beta_ols + R^-1 g, so a row L becomes a = L R^-1 (r,), and Var(L beta_hat) is
sigma^2 a S^-1 a' with S = Q'V0^-1 Q. Everything that degrees of freedom need is a quadratic form in Z'V0^-1 Q.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from blupbayes.mme.criterion import Evaluation
from blupbayes.mme.projected import Directions, Projected

__all__ = ["Linear"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Linear:
    """Estimable linear functions L beta.

    Parameters
    ----------
    at : Evaluation
        At the estimates.
    L : array (k, p)
        Rows in the row space of X; entries of aliased columns do not matter then.
    """

    at: Evaluation
    L: Array

    @cached_property
    def a(self) -> Array:
        """The rows in whitened coordinates (k, r)."""
        s = self.at.statistics
        return np.linalg.solve(s.R[:, s.kept].T, self.L[:, s.kept].T).T

    @property
    def estimate(self) -> Array:
        """L beta_hat (k,)."""
        kept = self.at.statistics.kept
        return np.asarray(self.L[:, kept] @ self.at.beta[kept])

    @cached_property
    def covariance(self) -> Array:
        """Var(L beta_hat) (k, k) with the variances held."""
        return np.asarray(self.at.sigma**2 * (self.a @ self.at.border.S_inv @ self.a.T))

    @cached_property
    def carried(self) -> tuple[Array, ...]:
        """Z'V0^-1 Q S^-1 a' by level, (J, q_k, k) per group."""
        s, border = self.at.statistics, self.at.border
        return s.layout.split(border.v[:, : s.rank] @ (border.S_inv @ self.a.T))

    def variance_slopes(self, read: Projected, turn: Array | None = None) -> Array:
        """d Var(L_k beta_hat)/d(theta, log sigma^2) (k, m + 1).

        Parameters
        ----------
        read : Projected
            At the same evaluation.
        turn : array (k, j), optional
            Take the combinations turn'L beta in place of L beta.
        """
        turned = np.eye(len(self.L)) if turn is None else turn
        s2 = self.at.sigma**2
        variance = np.einsum("ij,ik,kj->j", turned, self.covariance, turned)
        out = np.zeros((turned.shape[1], len(self.at.theta) + 1))
        out[:, -1] = variance
        for t, E, u in zip(self.at.statistics.templates, read.in_T, self.carried, strict=True):
            w = u @ turned
            out[:, t.index] = s2 * np.einsum("jak,jbk,iab->ki", w, w, E, optimize=True)
        return out

    def forms(self, directions: Directions) -> Array:
        """(a S^-1) v'E_i v (S^-1 a') (m, k, k) along directions of Omega, v = Z'V0^-1 Q."""
        out = np.zeros((len(self.at.theta), len(self.L), len(self.L)))
        for t, E, u in zip(self.at.statistics.templates, directions, self.carried, strict=True):
            out[t.index] = np.einsum("jak,iab,jbl->ikl", u, E, u, optimize=True)
        return out
