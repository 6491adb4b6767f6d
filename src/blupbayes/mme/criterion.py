"""ML, REML and the evidence: three readings of one Factor, with their derivatives in theta.

In whitened coordinates X = Q R the border of the factor is S = Q'V0^-1 Q (r, r), s = Q'V0^-1 e and
e'V0^-1 e. Then log|R_X|^2 = log|S| + 2 log|R| and r2 = e'V0^-1 e - s'S^-1 s.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from blupbayes.mme.factor import Factor, factorize
from blupbayes.mme.linalg import cholesky
from blupbayes.mme.statistics import Statistics

__all__ = ["Derivatives", "Evaluation", "derivatives", "evaluate", "read_border", "scoring_step"]

Array = NDArray[np.float64]
LOG_2PI = float(np.log(2.0 * np.pi))


@dataclass(frozen=True)
class Border:
    """What a Factor says about the fixed effects and the residual.

    ``b`` and ``v`` (q, r + 1): the BLUP map of [Q e] and Z'V0^-1 [Q e]; ``S`` (r, r); ``S_inv`` (r, r);
    ``g`` (r,): generalised least squares in whitened coordinates, beta = beta_ols + R^-1 g; ``r2``: the
    minimum of [E-PLS]; ``log_det``: log|S|.
    """

    b: Array
    v: Array
    S: Array
    S_inv: Array
    g: Array
    r2: float
    log_det: float


def read_border(statistics: Statistics, factor: Factor) -> Border:
    """Solve for the fixed effects [E-GLS] and the residual [E-PLS]."""
    r = statistics.rank
    b, v, inner = factor.border
    S, s = inner[:r, :r], inner[:r, r]
    L = cholesky(S)
    L_inv = np.linalg.inv(L)
    S_inv = L_inv.T @ L_inv
    g = S_inv @ s
    r2 = float(inner[r, r]) - float(s @ g)
    return Border(b, v, S, S_inv, g, r2, 2.0 * float(np.log(np.diag(L)).sum()))


@dataclass(frozen=True)
class Evaluation:
    """The criterion at one theta.

    Parameters
    ----------
    theta : array (m,)
        Relative covariance parameters, unit-free.
    method : str
        "ML" or "REML".
    sigma : float
        Residual sd at this theta (profiled, or the known one); unit of y.
    criterion : float
        -2 log-likelihood, restricted for REML, with all constants.
    """

    statistics: Statistics
    theta: Array
    method: str
    factor: Factor
    border: Border
    sigma: float
    criterion: float

    @property
    def dof(self) -> int:
        """n for ML, n - r for REML."""
        return self.statistics.n_obs - (self.statistics.rank if self.method == "REML" else 0)

    @property
    def beta(self) -> Array:
        """Fixed effects (p,) [E-GLS]; 0 for aliased columns."""
        s = self.statistics
        beta = s.beta_ols.copy()
        beta[s.kept] += np.linalg.solve(s.R[:, s.kept], self.border.g)
        return beta


def evaluate(statistics: Statistics, theta: Array, method: str = "REML") -> Evaluation:
    """-2 log-likelihood at theta, profiled over beta and (unless it is known) sigma [E-ML], [E-REML].

    Parameters
    ----------
    statistics : Statistics
    theta : array (m,)
    method : {"REML", "ML"}

    Returns
    -------
    Evaluation
    """
    theta = np.asarray(theta, dtype=float)
    factor = factorize(statistics, statistics.factors(theta))
    border = read_border(statistics, factor)
    m = statistics.n_obs - (statistics.rank if method == "REML" else 0)
    sigma2 = max(border.r2, 0.0) / m if statistics.sigma is None else statistics.sigma**2
    log_det = factor.log_det - statistics.log_weights
    if method == "REML":
        log_det += border.log_det + 2.0 * statistics.log_det_R
    with np.errstate(divide="ignore"):
        criterion = m * (LOG_2PI + float(np.log(sigma2))) + log_det + border.r2 / sigma2
    return Evaluation(statistics, theta, method, factor, border, float(np.sqrt(sigma2)), criterion)


@dataclass(frozen=True)
class Derivatives:
    """Gradient and curvature of the profiled criterion in theta.

    ``gradient`` (m,) [E-SCORE]; ``hessian`` (m, m): exact where the system is one dense block, nearly so
    elsewhere; ``exact`` says which; ``by_variance``: dF/d(T T') (q_k, q_k) per group, the
    derivative in the relative covariance itself, which stays informative where T is singular.
    """

    gradient: Array
    hessian: Array
    exact: bool
    by_variance: tuple[Array, ...]


@dataclass(frozen=True)
class _Reader:
    """The pieces of the derivatives at one Evaluation, each computed once."""

    at: Evaluation

    @cached_property
    def rho(self) -> float:
        """Weight of r2 in the criterion's derivative: m / r2 if sigma is profiled, else 1 / sigma^2."""
        at = self.at
        return 1.0 / at.sigma**2 if at.statistics.sigma is not None else at.dof / at.border.r2

    @cached_property
    def score(self) -> Array:
        """Z'P e (q,), with P = V0^-1 - V0^-1 X (X'V0^-1 X)^-1 X'V0^-1."""
        v, r = self.at.border.v, self.at.statistics.rank
        return v[:, r] - v[:, :r] @ self.at.border.g

    def projected(self, x: Array) -> Array:
        """The part of Z'V0^-1 Z x (q, m) that the fixed effects take away."""
        r = self.at.statistics.rank
        Y = self.at.border.v[:, :r]
        return Y @ (self.at.border.S_inv @ (Y.T @ x))

    @cached_property
    def levels(self) -> tuple[Array, ...]:
        """Level blocks of Z'PZ per group (J, q, q), P the method's own projection."""
        at = self.at
        if at.method == "ML":
            return at.factor.N_levels
        parts = at.statistics.layout.split(at.border.v[:, : at.statistics.rank])
        return tuple(
            N - (Y @ at.border.S_inv) @ Y.transpose(0, 2, 1)
            for N, Y in zip(at.factor.N_levels, parts, strict=True)
        )

    @cached_property
    def by_variance(self) -> tuple[Array, ...]:
        """dF/d(T T') = sum_l N_ll - rho sum_l v_l v_l' per group (q, q)."""
        parts = self.at.statistics.layout.split(self.score[:, None])
        return tuple(
            N.sum(axis=0) - self.rho * (v[:, :, 0].T @ v[:, :, 0]) for N, v in zip(self.levels, parts, strict=True)
        )

    def positions(self) -> Iterator[tuple[int, int, int, int]]:
        """(place in theta, group, row, column) of every parameter."""
        for k, group in enumerate(self.at.statistics.groups):
            t = group.template
            yield from ((i, k, r, c) for i, r, c in zip(t.index, t.rows, t.cols, strict=True))

    @cached_property
    def moved(self) -> Array:
        """x_i = (dV0/dtheta_i) P e in the coordinates of b, (q, m): E v stacked over parameters."""
        layout = self.at.statistics.layout
        parts = [np.zeros((J, q, len(self.at.theta))) for J, q in layout.shapes]
        v_parts = layout.split(self.score[:, None])
        for i, k, row, col in self.positions():
            T, v = self.at.factor.T[k], v_parts[k][:, :, 0]
            parts[k][:, row, i] += v @ T[:, col]
            parts[k][:, :, i] += v[:, row, None] * T[:, col]
        return layout.join(parts)

    def information(self) -> Array:
        """x_i'Z'P Z x_j (m, m), the average-information matrix before scaling."""
        x = self.moved
        return x.T @ (self.at.factor.information(x) - self.projected(x))

    def directions(self, *, of_T: bool) -> list[tuple[list[int], Array]]:
        """Places in theta and dOmega/dtheta_i (m_k, q, q) per group; with ``of_T`` false, theta is Omega itself."""
        out = []
        for group, T in zip(self.at.statistics.groups, self.at.factor.T, strict=True):
            t = group.template
            E = np.zeros((len(t.index), t.size, t.size))
            each = np.arange(len(t.index))
            if of_T:
                for i, (row, col) in enumerate(zip(t.rows, t.cols, strict=True)):
                    E[i, row] += T[:, col]
                    E[i, :, row] += T[:, col]
            else:
                E[each, t.rows, t.cols] = E[each, t.cols, t.rows] = 1.0
            out.append((list(t.index), E))
        return out

    def traces(self, directions: list[tuple[list[int], Array]]) -> Array:
        """tr(P V_i P V_j) (m, m): exact with the full N, else from its level blocks, which dominate."""
        full = self.projected_full()
        out = np.zeros((len(self.at.theta),) * 2)
        for a, (places, A) in enumerate(directions):
            for b, (others, B) in enumerate(directions[: a + 1]):
                if full is None and a != b:
                    continue
                X = self.levels[a].transpose(1, 2, 0) if full is None else self.pairs(full, a, b)
                q_a, q_b = X.shape[:2]
                X = X.reshape(q_a * q_b, -1)
                R = (X @ X.T).reshape(q_a, q_b, q_a, q_b).transpose(0, 2, 1, 3).reshape(q_a**2, q_b**2)
                part = A.reshape(-1, q_a**2) @ R @ B.reshape(-1, q_b**2).T
                out[np.ix_(places, others)] = part
                out[np.ix_(others, places)] = part.T
        return out

    def projected_full(self) -> Array | None:
        """Z'PZ (q, q) where the system is one dense block."""
        full = self.at.factor.full
        if full is None or self.at.method == "ML":
            return full
        Y = self.at.border.v[:, : self.at.statistics.rank]
        return full - Y @ self.at.border.S_inv @ Y.T

    def pairs(self, full: Array, a: int, b: int) -> Array:
        """N between every level of group a and every level of group b, (q_a, q_b, J_a J_b)."""
        layout = self.at.statistics.layout
        (J_a, q_a), (J_b, q_b) = layout.shapes[a], layout.shapes[b]
        o_a, o_b = layout.offsets[a], layout.offsets[b]
        block = full[o_a : o_a + J_a * q_a, o_b : o_b + J_b * q_b].reshape(J_a, q_a, J_b, q_b)
        return block.transpose(1, 3, 0, 2).reshape(q_a, q_b, -1)


def scoring_step(at: Evaluation) -> tuple[Array, ...]:
    """Omega_k = T_k T_k' (q, q) per group after one Fisher-scoring step in Omega itself.

    In Omega the criterion of a balanced design is solved by a single step from anywhere, so this is the way
    to approach; it is not bound to stay positive semidefinite.
    """
    read = _Reader(at)
    D, directions = read.by_variance, read.directions(of_T=False)
    m = len(at.theta)
    gradient, slope = np.zeros(m), np.zeros(m)
    for k, (places, E) in enumerate(directions):
        gradient[places] = np.einsum("iab,ab->i", E, D[k])
        slope[places] = np.einsum("iab,ab->i", E, read.levels[k].sum(axis=0))
    H = read.traces(directions)
    if at.statistics.sigma is None:
        H -= np.outer(slope, slope) / at.dof
    change = -np.linalg.lstsq(H, gradient, rcond=1e-10)[0]
    return tuple(
        T @ T.T + np.einsum("i,iab->ab", change[places], E)
        for T, (places, E) in zip(at.factor.T, directions, strict=True)
    )


def derivatives(at: Evaluation) -> Derivatives:
    """Gradient and curvature of the criterion at an Evaluation [E-SCORE].

    With V_i = dV0/dtheta_i and Omega_k = T_k T_k', dF/dT_k = 2 (dF/dOmega_k) T_k on the template, and

        F_ij = tr(P V_ij) - tr(P V_i P V_j) + rho (2 e'P V_i P V_j P e - e'P V_ij P e) - (rho^2 / m) r2_i r2_j.

    The traces are exact where the system is one dense block; elsewhere they are taken from the level blocks
    of Z'PZ, and a secant correction in fit.py makes up for the rest.
    """
    read = _Reader(at)
    m = len(at.theta)
    D = read.by_variance
    gradient, H = np.zeros(m), np.zeros((m, m))
    positions = list(read.positions())
    for i, k, row, col in positions:
        gradient[i] = 2.0 * D[k][row] @ at.factor.T[k][:, col]
        for j, k2, row2, col2 in positions:
            if k2 == k and col2 == col:
                H[i, j] = 2.0 * D[k][row, row2]
    r2_slope = -(read.moved.T @ read.score)
    information = read.rho * read.information()
    exact = at.factor.full is not None
    H += 2.0 * information - read.traces(read.directions(of_T=True))
    if at.statistics.sigma is None:
        H -= read.rho**2 / at.dof * np.outer(r2_slope, r2_slope)
    return Derivatives(gradient, 0.5 * (H + H.T), exact, D)
