"""The deviance to second order in (Omega, log sigma^2) and in (theta, log sigma^2): three kinds of information.

Along directions V_i = dV/dgamma_i of V = sigma^2 V0, P standing for the projection with V,

    expected  tr(P V_i P V_j)     average  e'P V_i P V_j P e     observed  2 average - expected + <dD/dV, V_ij> [E-INFO]

each of them a curvature of D = -2 log-likelihood; half of it is an information. For ML V^-1 takes the place of P
in the traces. The direction of log sigma^2 is V itself, so that its rows are read off: P V P = P.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from blupbayes.mme.boundary import unit
from blupbayes.mme.criterion import Evaluation, evaluate
from blupbayes.mme.derivatives import derivatives
from blupbayes.mme.projected import Projected

__all__ = ["Deviance", "second_order", "theta_curvature"]

Array = NDArray[np.float64]
STEP = 1e-4  # of theta's natural size: central differences of an exact gradient, good to 1e-6


@dataclass(frozen=True, eq=False)
class Deviance:
    """D = -2 log-likelihood (restricted for REML) in m entries of Omega and tau = log sigma^2, the last.

    ``by_Omega`` (q_k, q_k) per group: dD/dOmega at constant sigma; ``gradient`` (m + 1,); ``average`` and
    ``expected`` (m + 1, m + 1): curvatures along the entries of Omega (lower triangles) and tau.
    """

    read: Projected
    sigma: float
    value: float
    by_Omega: tuple[Array, ...]
    gradient: Array
    average: Array
    expected: Array

    @cached_property
    def hessian(self) -> Array:
        """Observed curvature (m + 1, m + 1) in (Omega, tau)."""
        out = 2.0 * self.average - self.expected
        out[-1, :] += self.gradient
        out[:-1, -1] += self.gradient[:-1]
        return out

    @cached_property
    def to_Omega(self) -> Array:
        """d(Omega, tau)/d(theta, tau) (m + 1, m + 1)."""
        J = np.eye(len(self.gradient))
        for t, E in zip(self.read.at.statistics.templates, self.read.in_T, strict=True):
            J[t.index[:, None], t.index] = E[:, t.rows, t.cols].T
        return J

    @cached_property
    def in_theta(self) -> Array:
        """Observed curvature (m + 1, m + 1) in (theta, tau)."""
        H = self.to_Omega.T @ self.hessian @ self.to_Omega
        for t, D in zip(self.read.at.statistics.templates, self.by_Omega, strict=True):
            H[t.index[:, None], t.index] += 2.0 * D[t.rows[:, None], t.rows] * (t.cols[:, None] == t.cols)
        return H


def second_order(at: Evaluation, sigma: float | None = None, *, form: bool = False) -> Deviance:
    """The deviance, its gradient and its curvatures at (theta, sigma) [E-INFO], [E-SCORE].

    Parameters
    ----------
    at : Evaluation
        At some theta.
    sigma : float, optional
        Residual sd, unit of y; None takes that of the evaluation.
    form : bool
        Form Z'PZ (q, q) where the traces cannot be had without it; else they are close, not exact, there.
    """
    read = Projected(at, form)
    s2 = at.sigma**2 if sigma is None else sigma**2
    templates, m, E = at.statistics.templates, len(at.theta), read.in_Omega
    slope, pull = np.zeros(m), np.zeros(m)
    by_Omega = []
    for t, e, N, v in zip(templates, E, read.levels, read.score_levels, strict=True):
        N_sum, v_sum = N.sum(axis=0), v.T @ v / s2
        slope[t.index], pull[t.index] = np.tensordot(e, N_sum), np.tensordot(e, v_sum)
        by_Omega.append(N_sum - v_sum)
    fit = at.border.r2 / s2
    average = bordered(read.information(read.moved(E)) / s2, pull, fit)
    expected = bordered(read.traces(E), slope, float(at.dof))
    gradient = np.append(slope - pull, at.dof - fit)
    moved = at.dof * (np.log(s2) - 2.0 * np.log(at.sigma)) + fit - at.border.r2 / at.sigma**2
    return Deviance(
        read, float(np.sqrt(s2)), at.criterion + moved, tuple(by_Omega), gradient, average, expected
    )


def bordered(inner: Array, edge: Array, corner: float) -> Array:
    """[inner edge; edge' corner]."""
    return np.block([[inner, edge[:, None]], [edge[None, :], np.array([[corner]])]])


def theta_curvature(at: Evaluation) -> Array:
    """Observed curvature (m + 1, m + 1) of the deviance in (theta, log sigma^2) at an optimum, whatever the storage.

    Where the traces are not at hand it comes from differences of the exact gradient: two factorisations for
    every entry of theta, in place of a matrix of all random effects.
    """
    found = second_order(at)
    if len(at.theta) and at.factor.full is None and len(at.statistics.groups) > 1:
        profiled = differences(at)
        r2_slope = -found.to_Omega[:-1, :-1].T @ found.average[:-1, -1]
        if at.statistics.sigma is None:  # the profiled curvature lacks what sigma takes up
            profiled += np.outer(r2_slope, r2_slope) / at.dof
        return bordered(profiled, -r2_slope, float(found.average[-1, -1]))
    return found.in_theta


def differences(at: Evaluation) -> Array:
    """Curvature (m, m) of the profiled criterion in theta, from its gradients nearby."""
    columns = []
    for i, step in enumerate(STEP * np.maximum(unit(at.statistics), np.abs(at.theta))):
        ends = []
        for sign in (1.0, -1.0):
            theta = at.theta.copy()
            theta[i] += sign * step
            ends.append(derivatives(evaluate(at.statistics, theta, at.method)).gradient)
        columns.append((ends[0] - ends[1]) / (2.0 * step))
    H = np.array(columns)
    return np.asarray(0.5 * (H + H.T))
