"""Gradient and curvature of the criterion of many small problems: derivatives.py over a Sweep [E-SCORE]."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from blupbayes.mme.layout import Span
from blupbayes.mme.problems import Sweep
from blupbayes.mme.stacks import pseudo_inverse, summed, times, turned

__all__ = ["ManyDerivatives"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ManyDerivatives:
    """The derivatives of a Sweep's criterion, each computed when first asked for."""

    at: Sweep

    @cached_property
    def rho(self) -> Array:
        """Weight (n,) of r2 in the derivative: m / r2 if sigma is profiled, else 1 / sigma^2."""
        at = self.at
        return 1.0 / at.sigma**2 if at.problems.statistics.sigma is not None else at.dof / at.r2

    @cached_property
    def N(self) -> Array:
        """Z'V0^-1 Z (n, C, q, q), by component."""
        Y = self.at.eliminated[0]
        return times(turned(Y), Y)

    @cached_property
    def score(self) -> Array:
        """Z'P e (n, C, q)."""
        Y, y, _ = self.at.eliminated
        left = y[..., -1:] - times(y[..., :-1], self.at.g[:, None, :, None])
        return times(turned(Y), left)[..., 0]

    @cached_property
    def F(self) -> Array:
        """F (n, C, q, r), F F' = Z'V0^-1 X (X'V0^-1 X)^-1 X'V0^-1 Z: what the fixed effects take away."""
        Y, y, _ = self.at.eliminated
        return times(times(turned(Y), y[..., :-1]), turned(self.at.border[0])[:, None])

    @cached_property
    def taken(self) -> Array:
        """F F' within the components (n, C, q, q)."""
        return times(self.F, turned(self.F))

    @cached_property
    def own(self) -> Array:
        """The components of Z'PZ with the method's own projection: of Z'V0^-1 Z for ML."""
        return self.N - self.taken if self.at.method == "REML" else self.N

    def levels(self, s: Span) -> Array:
        """Sum over the levels of one group of its blocks in `own` (n, q, q)."""
        places = range(s.start, s.start + s.J * s.q, s.q)
        return np.asarray(sum(self.own[..., k : k + s.q, k : k + s.q].sum(axis=1) for k in places))

    @cached_property
    def slopes(self) -> tuple[Array, ...]:
        """The same (n, q, q) per group, in the groups' order."""
        return self.ordered({s.group: self.levels(s) for s in self.at.problems.spans})

    @cached_property
    def by_variance(self) -> tuple[Array, ...]:
        """dF/d(T T') (n, q, q) per group."""
        out = {}
        for s in self.at.problems.spans:
            v = self.score[..., s.slice]
            v = v.reshape(*v.shape[:2], s.J, s.q)
            out[s.group] = self.slopes[s.group] - self.rho[:, None, None] * summed(v, v)
        return self.ordered(out)

    def ordered(self, found: dict[int, Array]) -> tuple[Array, ...]:
        """One array per group, in the groups' order."""
        return tuple(found[k] for k in range(len(found)))

    @cached_property
    def in_T(self) -> tuple[Array, ...]:
        """dOmega/dtheta_i (n, m_k, q, q) per group, Omega = T T'."""
        out = []
        for t, T in zip(self.at.problems.statistics.templates, self.at.T, strict=True):
            E = np.zeros((len(T), len(t.index), t.size, t.size))
            E[:, np.arange(len(t.index)), t.rows] = turned(T[:, :, t.cols])
            out.append(E + turned(E))
        return tuple(out)

    @property
    def in_Omega(self) -> tuple[Array, ...]:
        """The same with the entries of Omega itself as parameters (1, m_k, q, q)."""
        out = []
        for t in self.at.problems.statistics.templates:
            E, each = np.zeros((1, len(t.index), t.size, t.size)), np.arange(len(t.index))
            E[:, each, t.rows, t.cols] = E[:, each, t.cols, t.rows] = 1.0
            out.append(E)
        return tuple(out)

    @cached_property
    def moved(self) -> Array:
        """x_i = (dOmega/dtheta_i) Z'P e (n, C, q, m)."""
        n, C, q = self.score.shape
        n, m = max(n, len(self.at.theta)), self.at.theta.shape[1]
        x = np.moveaxis(np.zeros((q, m, n, C)), (0, 1), (2, 3))
        for s in self.at.problems.spans:
            index = self.at.problems.statistics.templates[s.group].index
            E = self.in_T[s.group].reshape(-1, len(index) * s.q, s.q)
            for k in range(s.start, s.start + s.J * s.q, s.q):
                mine = times(E[:, None], self.score[..., k : k + s.q, None])
                mine = mine.reshape(*mine.shape[:2], len(index), s.q)
                x[..., np.arange(k, k + s.q)[:, None], index] = turned(mine)
        return x

    @cached_property
    def information(self) -> Array:
        """x_i'Z'P Z x_j (n, m, m)."""
        inner = summed(self.F, self.moved)
        return summed(self.moved, times(self.N, self.moved)) - turned(inner) @ inner

    def traces(self, directions: tuple[Array, ...]) -> Array:
        """tr(P V_i P V_j) (n, m, m), exact: within the components, and between them through the fixed effects."""
        n, m = max(len(self.own), len(directions[0])), self.at.theta.shape[1]
        out, spans = np.zeros((n, m, m)), self.at.problems.spans
        templates = self.at.problems.statistics.templates
        for k, a in enumerate(spans):
            for b in spans[: k + 1]:
                R = squares(self.own, a, b)
                if self.at.method == "REML" and self.own.shape[1] > 1:
                    R = R + between(self.F, a, b) - squares(self.taken, a, b)
                A = directions[a.group].reshape(-1, len(templates[a.group].index), a.q**2)
                B = directions[b.group].reshape(-1, len(templates[b.group].index), b.q**2)
                part = A @ R @ turned(B)
                i, j = templates[a.group].index, templates[b.group].index
                out[:, i[:, None], j] = part
                out[:, j[:, None], i] = turned(part)
        return out

    @cached_property
    def gradient(self) -> Array:
        """dF/dtheta (n, m) [E-SCORE]."""
        out = np.zeros((len(self.at.criterion), self.at.theta.shape[1]))
        for t, T, D in zip(self.at.problems.statistics.templates, self.at.T, self.by_variance, strict=True):
            out[:, t.index] = 2.0 * (D @ T)[:, t.rows, t.cols]
        return out

    @cached_property
    def hessian(self) -> Array:
        """d2F/dtheta2 (n, m, m), exact."""
        H = 2.0 * self.rho[:, None, None] * self.information - self.traces(self.in_T)
        for t, D in zip(self.at.problems.statistics.templates, self.by_variance, strict=True):
            same_column = t.cols[:, None] == t.cols
            H[:, t.index[:, None], t.index] += 2.0 * D[:, t.rows[:, None], t.rows] * same_column
        if self.at.problems.statistics.sigma is None:
            r2_slope = summed(self.moved, self.score[..., None])[..., 0]
            H -= (self.rho**2 / self.at.dof)[:, None, None] * r2_slope[:, :, None] * r2_slope[:, None]
        return 0.5 * (H + turned(H))

    def scored(self) -> tuple[Array, ...]:
        """Omega_k (n, q, q) per group after one Fisher-scoring step, as scoring_step of derivatives.py."""
        templates, directions = self.at.problems.statistics.templates, self.in_Omega
        gradient, slope = np.zeros_like(self.gradient), np.zeros((len(self.own), self.gradient.shape[1]))
        for t, E, D, N in zip(templates, directions, self.by_variance, self.slopes, strict=True):
            gradient[:, t.index] = np.tensordot(D, E[0], axes=((1, 2), (1, 2)))
            slope[:, t.index] = np.tensordot(N, E[0], axes=((1, 2), (1, 2)))
        H, sigma2, free = self.traces(directions), np.ones(len(gradient)), self.at.problems.statistics.sigma
        if free is None:
            H = H - slope[:, :, None] * slope[:, None] / self.at.dof[:, None, None]
        change = -(pseudo_inverse(H, 1e-10) @ gradient[:, :, None])[:, :, 0]
        if free is None:
            share = np.sum(slope * change, axis=1) / self.at.dof
            sigma2 = np.where(share < 1.0, 1.0 - share, 1.0)
        return tuple(
            (T @ turned(T) + np.tensordot(change[:, t.index], E[0], axes=1)) / sigma2[:, None, None]
            for T, t, E in zip(self.at.T, templates, directions, strict=True)
        )


def squares(X: Array, a: Span, b: Span) -> Array:
    """Sum over the components and the levels in them of X_lm (x) X_lm, (n, q_a^2, q_b^2)."""
    n, C = X.shape[:2]
    blocks = X[..., a.slice, b.slice].reshape(n, C, a.J, a.q, b.J, b.q)
    flat = np.ascontiguousarray(np.moveaxis(blocks, 4, 3)).reshape(n, -1, a.q * b.q)
    return crossed(turned(flat) @ flat, a.q, b.q)


def between(F: Array, a: Span, b: Span) -> Array:
    """The same for F F', between all levels of all components."""
    n, C, _, r = F.shape
    one, other = (np.ascontiguousarray(F[..., s.slice, :]).reshape(n, C * s.J, s.q * r) for s in (a, b))
    G_a, G_b = (crossed(turned(x) @ x, s.q, r) for x, s in ((one, a), (other, b)))
    return np.asarray(G_a @ turned(G_b))


def crossed(G: Array, q: int, r: int) -> Array:
    """(n, q r, q r) with rows (i, s) and columns (k, t) -> (n, q^2, r^2) with rows (i, k) and columns (s, t)."""
    return G.reshape(-1, q, r, q, r).transpose(0, 1, 3, 2, 4).reshape(-1, q * q, r * r)
