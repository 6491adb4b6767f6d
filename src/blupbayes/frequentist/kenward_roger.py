"""Kenward-Roger: the covariance of beta_hat corrected for estimated variances, and df that fit an F distribution.

Along directions G_i of V (entries of the covariances, and V itself), with Phi = (X'V^-1 X)^-1, W the inverse of
Fisher's information by REML, P_i = -X'V^-1 G_i V^-1 X and Q_ij = X'V^-1 G_i V^-1 G_j V^-1 X,

    Phi_A = Phi + 2 Phi {sum_ij W_ij (Q_ij - P_i Phi P_j)} Phi                                          [E-KR]

V is linear in what it is taken along, so no second derivatives appear (Kenward and Roger 1997). The direction V itself
adds nothing to the sum: Q_iV = P_i Phi P_V.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blupbayes.frequentist.linear import Linear
from blupbayes.frequentist.standard_errors import formable, inverse_on
from blupbayes.mme.criterion import Evaluation
from blupbayes.mme.information import Deviance, second_order

__all__ = ["KenwardRoger", "kenward_roger"]

Array = NDArray[np.float64]
NEARLY = 1e-10


@dataclass(frozen=True, eq=False)
class KenwardRoger:
    """The correction at REML estimates.

    ``W`` (m + 1, m + 1): sampling covariance of (Omega, log sigma^2) by Fisher's information; ``adjusted`` (r, r):
    Phi_A in whitened coordinates.
    """

    found: Deviance
    W: Array
    adjusted: Array

    @property
    def at(self) -> Evaluation:
        """Where it was taken."""
        return self.found.read.at

    def covariance(self, linear: Linear) -> Array:
        """Adjusted Var(L beta_hat) (k, k) [E-KR]."""
        return np.asarray(linear.a @ self.adjusted @ linear.a.T)

    def t_df(self, linear: Linear) -> Array:
        """Degrees of freedom (k,) of each row."""
        return np.array([self.test(Linear(self.at, row[None]), np.zeros(1))[1] for row in linear.L])

    def test(self, linear: Linear, rhs: Array) -> tuple[float, float, float]:
        """Wald's F of L beta = rhs (rows independent), the denominator df, and the factor that scales it to an F."""
        q = len(linear.L)
        df, factor = scaled_F(q, *self.moments(linear))
        miss = linear.estimate - rhs
        return float(miss @ np.linalg.solve(self.covariance(linear), miss)) / q, df, factor

    def moments(self, linear: Linear) -> tuple[float, float]:
        """A1 = sum W_ij tr(Theta Phi P_i Phi) tr(Theta Phi P_j Phi) and A2, the same with one trace of the product."""
        q, s2 = len(linear.L), self.at.sigma**2
        forms = np.concatenate([s2 * linear.forms(self.found.read.in_Omega), linear.covariance[None]])
        B = np.linalg.solve(linear.covariance[None], forms)
        one = np.trace(B, axis1=1, axis2=2)
        both = np.einsum("iab,jba->ij", B, B)
        assert len(one) == len(self.W) and q == B.shape[1]
        return float(one @ self.W @ one), float(np.sum(self.W * both))


def kenward_roger(at: Evaluation) -> KenwardRoger:
    """The correction at an Evaluation by REML [E-KR].

    Raises
    ------
    DataError
        If Fisher's information needs a matrix that is too large.
    """
    s, r = at.statistics, at.statistics.rank
    found = second_order(at, form=formable(s))
    free = np.ones(len(found.gradient), dtype=bool)
    free[-1] = s.sigma is None
    W = inverse_on(found.expected / 2.0, free)
    if r == 0:
        return KenwardRoger(found, W, np.zeros((0, 0)))
    v, m = at.border.v[:, :r], len(at.theta)
    moved = moved_columns(found, v)
    N_moved = information_of(found, moved.reshape(len(v), m * r)).reshape(moved.shape)
    total = np.einsum("qir,ij,qjs->rs", moved, W[:m, :m], N_moved, optimize=True)
    S_inv = at.border.S_inv
    return KenwardRoger(found, W, at.sigma**2 * (S_inv + S_inv @ (total + total.T) @ S_inv))


def moved_columns(found: Deviance, v: Array) -> Array:
    """E_i v (q, m, r) for v = Z'V0^-1 Q (q, r)."""
    at, layout = found.read.at, found.read.at.statistics.layout
    r, m = v.shape[1], len(at.theta)
    parts = [np.zeros((J, q, m * r)) for J, q in layout.shapes]
    for x, t, E, own in zip(
        parts, at.statistics.templates, found.read.in_Omega, layout.split(v), strict=True
    ):
        block = np.einsum("iab,jbr->jair", E, own)
        x.reshape(*x.shape[:2], m, r)[:, :, t.index] = block
    return layout.join(parts).reshape(len(v), m, r)


def information_of(found: Deviance, x: Array) -> Array:
    """Z'PZ x for x (q, k)."""
    read = found.read
    return np.asarray(read.at.factor.information(x) - read.fixed_part @ (read.fixed_part.T @ x))


def scaled_F(q: int, A1: float, A2: float) -> tuple[float, float]:
    """Denominator df and the factor of the Wald F, matched to its first two moments."""
    if A2 <= NEARLY:
        return np.inf, 1.0  # no variance that matters was estimated
    B = (A1 + 6.0 * A2) / (2.0 * q)
    g = ((q + 1) * A1 - (q + 4) * A2) / ((q + 2) * A2)
    c = np.array([g, q - g, q + 2 - g]) / (3 * q + 2 * (1 - g))
    top, middle, bottom = 1.0 + c[0] * B, 1.0 - c[1] * B, 1.0 - c[2] * B
    mean = 1.0 - A2 / q  # one over the mean of F
    ratio = 1.0 if abs(mean) < NEARLY and abs(middle) < NEARLY else mean / middle
    relative = ratio**2 * (0.0 if abs(top) < NEARLY else top)  # of the variance of F, over bottom
    df = 4.0 + (q + 2) * bottom / (relative - bottom)
    return float(df), 1.0 if abs(df - 2.0) < 1e-2 else df * mean / (df - 2.0)
