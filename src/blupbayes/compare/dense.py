"""A linear mixed model by dense textbook formulas: the right-hand side of the identities.

V is written out, Henderson's matrix inverted, least squares done by QR. Nothing of mme/ is used, and nothing here is
used elsewhere: what this file and the package's factor agree on has been computed twice. It costs n^3.

Rows are multiplied by the roots of their weights, so that W is the identity; X = Q R, and h = R (beta - beta_ols).
With U = Z Lam, V = sigma^2 V0 and V0 = I + U U'.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

__all__ = ["Data", "Dense"]

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Blocks = tuple[Array, ...]


@dataclass(frozen=True, eq=False)
class Data:
    """The rows of a model.

    Parameters
    ----------
    y : array (n,)
        Response, the offset subtracted.
    X : array (n, r)
        Fixed side, of full column rank.
    w : array (n,)
        Precision weights.
    codes : tuple of array (n,)
        Level of each row, by grouping factor.
    columns : tuple of array (n, q)
        What multiplies the coefficients of that level.
    levels : tuple of int
        J, the number of levels.
    """

    y: Array
    X: Array
    w: Array
    codes: tuple[Index, ...]
    columns: Blocks
    levels: tuple[int, ...]

    @cached_property
    def qr(self) -> tuple[Array, Array]:
        """Q (n, r) and R (r, r) of W^(1/2) X."""
        Q, R = np.linalg.qr(np.sqrt(self.w)[:, None] * self.X)
        return Q, R

    @cached_property
    def back(self) -> Array:
        """R^-1 (r, r)."""
        return np.linalg.inv(self.qr[1])

    @cached_property
    def ols(self) -> tuple[Array, Array]:
        """Least squares (r,), and the weighted rows of what it leaves (n,)."""
        Q, _ = self.qr
        y = np.sqrt(self.w) * self.y
        beta = self.back @ (Q.T @ y)
        e = np.sqrt(self.w) * (self.y - self.X @ beta)
        return beta, e - Q @ (Q.T @ e)

    def spread(self, columns: Blocks) -> Array:
        """Columns (n, q) by grouping factor, each row at its own level: (n, sum of J q)."""
        rows, out = np.arange(len(self.y)), []
        for codes, J, x in zip(self.codes, self.levels, columns, strict=True):
            wide = np.zeros((len(rows), J, x.shape[1]))
            wide[rows, codes] = np.sqrt(self.w)[:, None] * x
            out.append(wide.reshape(len(rows), -1))
        return np.hstack(out)


@dataclass(frozen=True, eq=False)
class Dense:
    """The model at one relative covariance T (q, q) per grouping factor and one residual sd."""

    data: Data
    T: Blocks
    sigma: float

    @cached_property
    def U(self) -> Array:
        """Z Lam (n, q)."""
        return self.data.spread(tuple(x @ T for x, T in zip(self.data.columns, self.T, strict=True)))

    @cached_property
    def condition(self) -> float:
        """A bound of the condition number of V0."""
        return 1.0 + float(np.abs(self.U.T @ self.U).sum(axis=0).max())

    @cached_property
    def C(self) -> Array:
        """C C' = V0."""
        return np.linalg.cholesky(np.eye(len(self.U)) + self.U @ self.U.T)

    @cached_property
    def white(self) -> tuple[Array, Array, Array]:
        """C^-1 times Q (n, r), U (n, q) and e (n,)."""
        Q, r = self.data.qr[0], self.data.X.shape[1]
        found = solve_triangular(self.C, np.column_stack([Q, self.U, self.data.ols[1]]), lower=True)
        return found[:, :r], found[:, r:-1], found[:, -1]

    @cached_property
    def gls(self) -> tuple[Array, Array, Array]:
        """h (r,), the root of Q'V0^-1 Q (r, r), and C^-1 (y - X beta) (n,) [E-GLS]."""
        Q, _, e = self.white
        orthonormal, root = np.linalg.qr(Q)
        along = orthonormal.T @ e
        return np.linalg.solve(root, along), root, e - orthonormal @ along

    @property
    def beta(self) -> Array:
        """(X'V^-1 X)^-1 X'V^-1 y (r,) [E-GLS]."""
        return self.from_h(self.gls[0])

    def from_h(self, h: Array) -> Array:
        """beta (r,) of h (r,)."""
        return np.asarray(self.data.ols[0] + self.data.back @ h)

    @property
    def b(self) -> Blocks:
        """Sigma Z'V^-1 (y - X beta) (J, q) per grouping factor [E-BLUP]."""
        return self.blup(self.gls[2])

    def blup(self, left: Array) -> Blocks:
        """Sigma Z'V^-1 of what is left (n,), C^-1 applied to it already."""
        return tuple(u @ T.T for u, T in zip(self.by_level(self.white[1].T @ left), self.T, strict=True))

    def by_level(self, x: Array) -> Blocks:
        """x (q, ...) as (J, q_k, ...) per grouping factor."""
        out, start = [], 0
        for J, T in zip(self.data.levels, self.T, strict=True):
            out.append(x[start : start + J * len(T)].reshape(J, len(T), *x.shape[1:]))
            start += J * len(T)
        return tuple(out)

    @cached_property
    def pseudo_data(self) -> tuple[Array, Blocks]:
        """beta (r,) and b by least squares on [Q U], extended by rows [0 I] of value 0 [E-PLS]."""
        Q, r, q = self.data.qr[0], self.data.X.shape[1], self.U.shape[1]
        above = np.column_stack([Q, self.U, self.data.ols[1]])
        below = np.hstack([np.zeros((q, r)), np.eye(q), np.zeros((q, 1))])
        root = np.linalg.qr(np.vstack([above, below]), mode="r")[: r + q]
        found = solve_triangular(root[:, :-1], root[:, -1])
        u = self.by_level(found[r:])
        return self.from_h(found[:r]), tuple(x @ T.T for x, T in zip(u, self.T, strict=True))

    @cached_property
    def inverse(self) -> Array:
        """(r + q, r + q): Henderson's matrix in (h, u), over sigma^2, inverted [E-MME]."""
        A = np.hstack([self.data.qr[0], self.U])
        M = A.T @ A
        q = np.arange(self.data.X.shape[1], len(M))
        M[q, q] += 1.0
        found = np.linalg.inv(M)
        return np.asarray(0.5 * (found + found.T))

    @property
    def beta_cov(self) -> Array:
        """Beta block of M(0)^-1 (r, r) [E-PEV]."""
        r, back = self.data.X.shape[1], self.data.back
        return np.asarray(self.sigma**2 * back @ self.inverse[:r, :r] @ back.T)

    @cached_property
    def C_levels(self) -> Blocks:
        """Level blocks (J, q, q) of its u block."""
        r = self.data.X.shape[1]
        return self.diagonal_blocks(self.inverse[r:, r:])

    def diagonal_blocks(self, x: Array) -> Blocks:
        """Level blocks (J, q_k, q_k) of x (q, q)."""
        out, start = [], 0
        for J, T in zip(self.data.levels, self.T, strict=True):
            q, stop = len(T), start + J * len(T)
            each = np.arange(J)
            out.append(x[start:stop, start:stop].reshape(J, q, J, q)[each, :, each])
            start = stop
        return tuple(out)

    @property
    def pev(self) -> Blocks:
        """Level blocks (J, q, q) of the b block of M(0)^-1 [E-PEV]."""
        return tuple(self.sigma**2 * T @ C @ T.T for C, T in zip(self.C_levels, self.T, strict=True))

    @property
    def cross_cov(self) -> Blocks:
        """The (b, beta) block of M(0)^-1 by level (J, q, r) [E-PEV]."""
        r, back = self.data.X.shape[1], self.data.back
        parts = zip(self.by_level(self.inverse[r:, :r]), self.T, strict=True)
        return tuple(self.sigma**2 * T @ C @ back.T for C, T in parts)

    @cached_property
    def cond_cov(self) -> Blocks:
        """Level blocks (J, q, q) of the inverse of Henderson's b block alone [E-PEV]."""
        alone = np.linalg.inv(self.U.T @ self.U + np.eye(self.U.shape[1]))
        parts = zip(self.diagonal_blocks(alone), self.T, strict=True)
        return tuple(self.sigma**2 * T @ C @ T.T for C, T in parts)

    @cached_property
    def removed(self) -> Blocks:
        """Sigma Z'V^-1 Z Sigma by level (J, q, q): how much of Sigma the data remove [E-WEIGHT]."""
        out, n = [], len(self.U)
        for u, T in zip(self.by_level(self.white[1].T), self.T, strict=True):
            u = u.reshape(-1, len(T), n)
            out.append(self.sigma**2 * T @ (u @ u.transpose(0, 2, 1)) @ T.T)
        return tuple(out)
