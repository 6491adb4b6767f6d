"""Z'PZ and Z'Pe at one Evaluation, and what they say along directions of the covariance.

P = V0^-1 - V0^-1 X (X'V0^-1 X)^-1 X'V0^-1. A direction E is a symmetric change of Omega = T T' of one grouping
factor, the same for all of its levels; V0 changes by V_i = Z E_i Z'.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from blupbayes.mme.criterion import Evaluation
from blupbayes.mme.linalg import squares
from blupbayes.mme.selected import level_blocks

__all__ = ["Directions", "Projected"]

Array = NDArray[np.float64]
Directions = tuple[Array, ...]


@dataclass(frozen=True, eq=False)
class Projected:
    """The pieces of the derivatives at one Evaluation, each computed once.

    ``form``: form Z'PZ (q, q) even where the factor does not hold it.
    """

    at: Evaluation
    form: bool = False

    @cached_property
    def rho(self) -> float:
        """Weight of r2 in the criterion's derivative: m / r2 if sigma is profiled, else 1 / sigma^2."""
        at = self.at
        return 1.0 / at.sigma**2 if at.statistics.sigma is not None else at.dof / at.border.r2

    @cached_property
    def score(self) -> Array:
        """Z'P e (q,)."""
        v, r = self.at.border.v, self.at.statistics.rank
        return v[:, r] - v[:, :r] @ self.at.border.g

    @cached_property
    def score_levels(self) -> tuple[Array, ...]:
        """The same by level, (J, q) per group."""
        return tuple(v[:, :, 0] for v in self.at.statistics.layout.split(self.score[:, None]))

    @cached_property
    def fixed_part(self) -> Array:
        """F (q, r) with F F' = Z'V0^-1 X (X'V0^-1 X)^-1 X'V0^-1 Z: what the fixed effects take away."""
        return self.at.border.v[:, : self.at.statistics.rank] @ self.at.border.L_inv.T

    @cached_property
    def full(self) -> Array | None:
        """Z'V0^-1 Z (q, q) where it is at hand or asked for."""
        full = self.at.factor.full
        return self.at.factor.information(np.eye(len(self.score))) if full is None and self.form else full

    @cached_property
    def projected(self) -> Array | None:
        """Z'PZ (q, q) where it is at hand."""
        return None if self.full is None else self.full - self.fixed_part @ self.fixed_part.T

    @cached_property
    def own(self) -> Array | None:
        """The same with the method's own projection: Z'V0^-1 Z for ML."""
        return self.projected if self.at.method == "REML" else self.full

    @cached_property
    def levels(self) -> tuple[Array, ...]:
        """Level blocks of it per group (J, q, q)."""
        at, layout = self.at, self.at.statistics.layout
        if self.own is not None:
            return level_blocks(self.own, layout)
        if at.method == "ML":
            return at.factor.N_levels
        parts = zip(at.factor.N_levels, layout.split(self.fixed_part), strict=True)
        return tuple(N - F @ F.transpose(0, 2, 1) for N, F in parts)

    @cached_property
    def by_variance(self) -> tuple[Array, ...]:
        """dF/d(T T') = sum_l N_ll - rho sum_l v_l v_l' per group (q, q)."""
        parts = zip(self.levels, self.score_levels, strict=True)
        return tuple(N.sum(axis=0) - self.rho * (v.T @ v) for N, v in parts)

    @cached_property
    def in_T(self) -> Directions:
        """dOmega/dtheta_i (m_k, q, q) per group, Omega = T T': e_r (T e_c)' + (T e_c) e_r'."""
        out = []
        for t, T in zip(self.at.statistics.templates, self.at.factor.T, strict=True):
            E = np.zeros((len(t.index), t.size, t.size))
            each = np.arange(len(t.index))
            E[each, t.rows] = T[:, t.cols].T
            out.append(E + E.transpose(0, 2, 1))
        return tuple(out)

    @property
    def in_Omega(self) -> Directions:
        """The same with the entries of Omega itself as parameters: 1 at (r, c) and (c, r)."""
        out = []
        for t in self.at.statistics.templates:
            E = np.zeros((len(t.index), t.size, t.size))
            each = np.arange(len(t.index))
            E[each, t.rows, t.cols] = E[each, t.cols, t.rows] = 1.0
            out.append(E)
        return tuple(out)

    def moved(self, directions: Directions) -> Array:
        """x_i = E_i Z'Pe (q, m): V_i Pe in the coordinates of b."""
        layout = self.at.statistics.layout
        parts = [np.zeros((J, q, len(self.at.theta))) for J, q in layout.shapes]
        for x, t, E, v in zip(
            parts, self.at.statistics.templates, directions, self.score_levels, strict=True
        ):
            x[:, :, t.index] = np.dot(v, E).transpose(0, 2, 1)
        return layout.join(parts)

    def information(self, x: Array) -> Array:
        """x_i'Z'P Z x_j (m, m), the average-information matrix before scaling, for x (q, m) as moved gives it."""
        if self.projected is not None:
            return x.T @ (self.projected @ x)
        F = self.fixed_part.T @ x
        return x.T @ self.at.factor.information(x) - F.T @ F

    def traces(self, directions: Directions) -> Array:
        """tr(P V_i P V_j) (m, m): exact with the whole of Z'PZ or for a single group.

        Else from its level blocks, which dominate, and what the fixed effects put between levels of one group.
        """
        at = self.at
        out = np.zeros((len(self.at.theta),) * 2)
        templates = self.at.statistics.templates
        for a, A in enumerate(directions):
            for b, B in enumerate(directions[: a + 1]):
                if self.own is None and a != b:
                    continue
                X = self.levels[a] if self.own is None else self.pairs(self.own, a, b)
                q_a, q_b = X.shape[1:]
                R = squares(X)
                if self.own is None and at.method == "REML":
                    R = R + self.between_levels(a)
                part = A.reshape(-1, q_a**2) @ R @ B.reshape(-1, q_b**2).T
                i, j = templates[a].index, templates[b].index
                out[i[:, None], j] = part
                out[j[:, None], i] = part.T
        return out

    def between_levels(self, a: int) -> Array:
        """What F F' adds to the sum of squares of Z'PZ outside the level blocks of group a, (q^2, q^2)."""
        F = self.at.statistics.layout.split(self.fixed_part)[a]
        J, q, r = F.shape
        flat = F.reshape(J, q * r)
        M = (flat.T @ flat).reshape(q, r, q, r).transpose(0, 2, 1, 3).reshape(q * q, r * r)
        return np.asarray(M @ M.T - squares(F @ F.transpose(0, 2, 1)))

    def pairs(self, full: Array, a: int, b: int) -> Array:
        """Z'PZ between every level of group a and every level of group b, (J_a J_b, q_a, q_b)."""
        layout = self.at.statistics.layout
        (J_a, q_a), (J_b, q_b) = layout.shapes[a], layout.shapes[b]
        o_a, o_b = layout.offsets[a], layout.offsets[b]
        block = full[o_a : o_a + J_a * q_a, o_b : o_b + J_b * q_b].reshape(J_a, q_a, J_b, q_b)
        return block.transpose(0, 2, 1, 3).reshape(-1, q_a, q_b)
