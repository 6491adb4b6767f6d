"""Gradient and curvature of the criteria in theta, and Fisher scoring in the covariance itself.

With P = V0^-1 - V0^-1 X (X'V0^-1 X)^-1 X'V0^-1 all of it is read from Z'PZ and Z'Pe: the level blocks of
the first give the gradient, and they are Henderson's prediction-error variances seen from the data [E-SCORE].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blupbayes.mme.criterion import Evaluation
from blupbayes.mme.linalg import scaled_least_squares
from blupbayes.mme.projected import Projected

__all__ = ["Derivatives", "derivatives", "scoring_step"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Derivatives:
    """Gradient and curvature of the profiled criterion in theta.

    ``gradient`` (m,) [E-SCORE]; ``hessian`` (m, m): exact where the system is one dense block or has one
    group, nearly so elsewhere; ``exact`` says which; ``by_variance``: dF/d(T T') (q_k, q_k) per group, the
    derivative in the relative covariance itself, which stays informative where T is singular.
    """

    gradient: Array
    hessian: Array
    exact: bool
    by_variance: tuple[Array, ...]


def scoring_step(at: Evaluation) -> tuple[Array, ...]:
    """Omega_k = T_k T_k' (q, q) per group after one Fisher-scoring step in sigma^2 and the covariances themselves.

    There a balanced layout is solved by a single step from anywhere [E-ONEWAY], so this is the way to approach;
    it is not bound to stay positive semidefinite.
    """
    read = Projected(at)
    templates, directions = at.statistics.templates, read.in_Omega
    m = len(at.theta)
    gradient, slope = np.zeros(m), np.zeros(m)
    for t, E, D, N in zip(templates, directions, read.by_variance, read.levels, strict=True):
        gradient[t.index] = np.tensordot(E, D)
        slope[t.index] = np.tensordot(E, N.sum(axis=0))
    H, sigma2 = read.traces(directions), 1.0
    if at.statistics.sigma is None:
        H -= np.outer(slope, slope) / at.dof
    change = -scaled_least_squares(H, gradient)
    if at.statistics.sigma is None and slope @ change < at.dof:
        sigma2 -= float(slope @ change) / at.dof
    return tuple(
        (T @ T.T + np.tensordot(change[t.index], E, axes=1)) / sigma2
        for T, t, E in zip(at.factor.T, templates, directions, strict=True)
    )


def derivatives(at: Evaluation) -> Derivatives:
    """Gradient and curvature of the criterion at an Evaluation [E-SCORE].

    With V_i = dV0/dtheta_i and Omega_k = T_k T_k', dF/dT_k = 2 (dF/dOmega_k) T_k on the template, and

        F_ij = tr(P V_ij) - tr(P V_i P V_j) + rho (2 e'P V_i P V_j P e - e'P V_ij P e) - (rho^2 / m) r2_i r2_j.

    The traces are exact where the system is one dense block or has one group; elsewhere they are taken from the
    level blocks of Z'PZ, and a secant correction in fit.py makes up for the rest.
    """
    read = Projected(at)
    m = len(at.theta)
    gradient = np.zeros(m)
    moved = read.moved(read.in_T)
    H = 2.0 * read.rho * read.information(moved) - read.traces(read.in_T)
    for t, T, D in zip(at.statistics.templates, at.factor.T, read.by_variance, strict=True):
        gradient[t.index] = 2.0 * (D @ T)[t.rows, t.cols]
        same_column = t.cols[:, None] == t.cols
        H[t.index[:, None], t.index] += 2.0 * D[t.rows[:, None], t.rows] * same_column
    if at.statistics.sigma is None:
        r2_slope = moved.T @ read.score
        H -= read.rho**2 / at.dof * np.outer(r2_slope, r2_slope)
    exact = read.own is not None or len(read.levels) == 1
    return Derivatives(gradient, 0.5 * (H + H.T), exact, read.by_variance)
