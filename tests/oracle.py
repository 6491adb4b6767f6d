"""The dense oracle: textbook formulas with V written out; shares no code with the package.

`Oracle` answers for given variance components; `profiled` and `gradient` judge the criteria. Letters as in
docs/theory.md. Random models to ask it about: random_models.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import block_diag, solve_triangular

LOG_2PI = np.log(2 * np.pi)


def log_det(A):
    """log|A| of a positive definite matrix; analytic, so that a complex step passes through."""
    sign, log_modulus = np.linalg.slogdet(A)
    return log_modulus + np.log(sign)


@dataclass(frozen=True)
class Oracle:
    """y ~ N(X beta + Z b + offset, sigma^2 W^-1), b ~ N(0, Sigma), at known Sigma (q, q) and sigma.

    Sigma may be singular: nothing here inverts it, but `henderson`. Arguments kappa, P (p, p), m (p,) are
    the prior beta ~ N(m, (kappa P)^-1); kappa = 0 is flat.
    """

    y: np.ndarray
    X: np.ndarray
    Z: np.ndarray
    Sigma: np.ndarray
    sigma: float
    weights: np.ndarray | None = None
    offset: np.ndarray | None = None

    @property
    def e(self):
        """y - offset (n,)."""
        return self.y if self.offset is None else self.y - self.offset

    @property
    def w(self):
        """Diagonal of W (n,)."""
        return np.ones(len(self.y)) if self.weights is None else np.asarray(self.weights, dtype=float)

    @property
    def V(self):
        """Var(y) = Z Sigma Z' + sigma^2 W^-1 (n, n)."""
        return self.Z @ self.Sigma @ self.Z.T + self.sigma**2 * np.diag(1 / self.w)

    @property
    def kept(self):
        """Columns of X in their order, without those that depend linearly on earlier ones."""
        unit = self.X / np.maximum(np.linalg.norm(self.X, axis=0), 1e-300)
        kept: list[int] = []
        for k in range(unit.shape[1]):
            if np.linalg.matrix_rank(unit[:, [*kept, k]], tol=1e-9) > len(kept):
                kept.append(k)
        return kept

    @property
    def estimable(self):
        """The same model with the kept columns of X alone."""
        return replace(self, X=self.X[:, self.kept])

    def fixed(self, kappa=0.0, P=None, m=0.0):
        """Posterior mean (p,) and covariance (p, p) of beta; kappa = 0: the GLS estimate, (X'V^-1 X)^-1.

        Least squares on whitened rows C^-1 [e - X m], C C' = V, with the rows of the prior below, in
        gamma = L'(beta - m), L L' = P: its smallest-norm solution is the limit kappa -> 0 for any rank.
        """
        p = self.X.shape[1]
        m, L = np.zeros(p) + m, np.linalg.cholesky(np.eye(p) if P is None else P)
        if np.isinf(kappa):
            return m, np.zeros((p, p))
        back = np.linalg.inv(L.T)
        C = np.linalg.cholesky(self.V)
        white = solve_triangular(C, np.c_[self.X @ back, self.e - self.X @ m], lower=True)
        G = np.linalg.pinv(np.r_[white[:, :p], np.sqrt(kappa) * np.eye(p)], rcond=1e-10)
        return m + back @ G @ np.r_[white[:, p], np.zeros(p)], back @ G @ G.T @ back.T

    def random(self, kappa=0.0, P=None, m=0.0):
        """b_hat (q,) = Sigma Z'V^-1 (y - offset - X beta_hat)."""
        beta, _ = self.fixed(kappa, P, m)
        return self.Sigma @ self.Z.T @ np.linalg.solve(self.V, self.e - self.X @ beta)

    @property
    def cond_cov(self):
        """Var(b | y, beta) = Sigma - Sigma Z'V^-1 Z Sigma (q, q)."""
        ZS = self.Z @ self.Sigma
        return self.Sigma - ZS.T @ np.linalg.solve(self.V, ZS)

    def cross_cov(self, kappa=0.0, P=None):
        """Cov(b_hat - b, beta_hat) = -Sigma Z'V^-1 X Var(beta_hat) (q, p)."""
        return -(self.Z @ self.Sigma).T @ np.linalg.solve(self.V, self.X) @ self.fixed(kappa, P)[1]

    def pev(self, kappa=0.0, P=None):
        """Var(b_hat - b) = Var(b | y, beta) + K Var(beta_hat) K', K = Sigma Z'V^-1 X (q, q)."""
        K = (self.Z @ self.Sigma).T @ np.linalg.solve(self.V, self.X)
        return self.cond_cov + K @ self.fixed(kappa, P)[1] @ K.T

    def henderson(self, kappa=0.0, P=None, m=0.0):
        """M(kappa) (p + q, p + q) and right-hand side of the mixed model equations; Sigma nonsingular."""
        p, W = self.X.shape[1], self.w[:, None] / self.sigma**2
        P, A = np.eye(p) if P is None else P, np.c_[self.X, self.Z]
        M = A.T @ (W * A) + block_diag(kappa * P, np.linalg.inv(self.Sigma))
        r = A.T @ (W[:, 0] * self.e)
        r[:p] += kappa * P @ (np.zeros(p) + m)
        return M, r

    def blp(self, x, z, offset=0.0):
        """Best linear unbiased predictor of o + x'beta + z'b and its error variance, for rows x (m, p), z (m, q).

        With c = Cov(y, z'b) = Z Sigma z and delta = V^-1 c: o + x'beta_hat + delta'(y - offset - X beta_hat), and
        z'Sigma z - c'V^-1 c + (x - X'delta)'(X'V^-1 X)^-1 (x - X'delta). X is read on its kept columns.
        """
        own, x = self.estimable, np.asarray(x)[:, self.kept]
        c = self.Z @ self.Sigma @ z.T
        delta = np.linalg.solve(self.V, c)
        beta, cov = own.fixed()
        left = x - delta.T @ own.X
        variance = np.sum((z @ self.Sigma) * z, axis=1) - np.sum(c * delta, axis=0)
        mean = offset + x @ beta + delta.T @ (self.e - own.X @ beta)
        return mean, variance + np.sum((left @ cov) * left, axis=1)

    def ml(self):
        """-2 log p(y | beta_hat) = n log(2 pi) + log|V| + r'V^-1 r."""
        return minus_two_log_likelihood(self.V, self.e, self.X[:, self.kept], "ML")

    def reml(self):
        """-2 log of the integral of p(y | beta) over the kept columns' beta."""
        return minus_two_log_likelihood(self.V, self.e, self.X[:, self.kept], "REML")

    def evidence(self, kappa, P=None, m=0.0):
        """-2 log p(y | kappa): the density of y under N(X m + offset, V + X (kappa P)^-1 X')."""
        p = self.X.shape[1]
        prior = np.linalg.inv(kappa * (np.eye(p) if P is None else P))
        C, r = self.V + self.X @ prior @ self.X.T, self.e - self.X @ (np.zeros(p) + m)
        return len(r) * LOG_2PI + log_det(C) + r @ np.linalg.solve(C, r)


def minus_two_log_likelihood(V, e, X, method):
    """-2 log-likelihood at beta_hat, or restricted; X of full column rank; complex V pass."""
    ViX, Vie = np.linalg.solve(V, X), np.linalg.solve(V, e)
    A = X.T @ ViX
    r2 = e @ Vie - (ViX.T @ e) @ np.linalg.solve(A, ViX.T @ e)
    m = len(e) - (X.shape[1] if method == "REML" else 0)
    return m * LOG_2PI + log_det(V) + r2 + (log_det(A) if method == "REML" else 0.0)


def profiled(y, X, Z, Lam, method, *, weights=None, offset=None, sigma=None):
    """(criterion, sigma) at relative Lam (q, q): -2 log-likelihood at its best sigma, or at the known one.

    sigma^2 = e'P0 e / n (ML) or / (n - rank) (REML), P0 the projection in the metric of V / sigma^2.
    Complex Lam passes through.
    """
    flat = Oracle(y, X, Z, np.zeros((Z.shape[1],) * 2), 1.0, weights, offset)
    X, e = flat.estimable.X, flat.e
    V0 = Z @ Lam @ Lam.T @ Z.T + flat.V
    if sigma is None:
        ViX, Vie = np.linalg.solve(V0, X), np.linalg.solve(V0, e)
        r2 = e @ Vie - (ViX.T @ e) @ np.linalg.solve(X.T @ ViX, ViX.T @ e)
        sigma = np.sqrt(r2 / (len(e) - (X.shape[1] if method == "REML" else 0)))
    return minus_two_log_likelihood(sigma**2 * V0, e, X, method), sigma


def gradient(f: Callable, theta, step=1e-30):
    """df/dtheta (m,) of an analytic scalar function by complex steps: exact to rounding."""
    theta = np.asarray(theta, dtype=complex)
    return np.array([f(theta + 1j * step * unit).imag / step for unit in np.eye(len(theta))])


@dataclass(frozen=True)
class Family:
    """e ~ N(X beta, V(gamma)): any analytic V (n, n) of parameters gamma (m,); X (n, p) of full column rank.

    What likelihood theory says of gamma and beta_hat, with G_i = dV/dgamma_i and P written out.
    """

    e: np.ndarray
    X: np.ndarray
    V: Callable

    def deviance(self, gamma, method):
        """D = -2 log-likelihood at beta_hat, or restricted."""
        return minus_two_log_likelihood(self.V(np.asarray(gamma)), self.e, self.X, method)

    def directions(self, gamma, step=1e-30):
        """G_i (m, n, n) by complex steps."""
        return np.array([self.V(gamma + 1j * step * unit).imag / step for unit in np.eye(len(gamma))])

    def P(self, gamma):
        """V^-1 - V^-1 X (X'V^-1 X)^-1 X'V^-1 (n, n)."""
        V_inv = np.linalg.inv(self.V(gamma))
        return V_inv - V_inv @ self.X @ np.linalg.solve(self.X.T @ V_inv @ self.X, self.X.T @ V_inv)

    def gradient(self, gamma, method):
        """dD/dgamma (m,)."""
        return gradient(lambda g: self.deviance(g, method), gamma)

    def observed(self, gamma, method):
        """Half the curvature of D (m, m): fourth-order differences of the gradient by complex steps."""
        h = 1e-4 * max(1.0, np.abs(gamma).max())
        rows = []
        for unit in np.eye(len(gamma)):
            near, far = (
                self.gradient(gamma + k * h * unit, method) - self.gradient(gamma - k * h * unit, method)
                for k in (1, 2)
            )
            rows.append((8 * near - far) / (24 * h))
        return np.array(rows)

    def average(self, gamma):
        """e'P G_i P G_j P e / 2 (m, m)."""
        P, G = self.P(gamma), self.directions(gamma)
        moved = G @ P @ self.e
        return moved @ P @ moved.T / 2

    def expected(self, gamma, method):
        """tr(P G_i P G_j) / 2 (m, m); V^-1 in place of P for ML."""
        B = (self.P(gamma) if method == "REML" else np.linalg.inv(self.V(gamma))) @ self.directions(gamma)
        return np.einsum("iab,jba->ij", B, B) / 2

    def information(self, gamma, method, kind):
        """One of the three by its name."""
        if kind == "average":
            return self.average(gamma)
        return getattr(self, kind)(gamma, method)

    def beta_cov(self, gamma):
        """Phi = (X'V^-1 X)^-1 (p, p); complex gamma pass."""
        return np.linalg.inv(self.X.T @ np.linalg.solve(self.V(gamma), self.X))

    def beta(self, gamma):
        """GLS estimate (p,)."""
        return self.beta_cov(gamma) @ self.X.T @ np.linalg.solve(self.V(gamma), self.e)

    def satterthwaite(self, L, gamma, method):
        """df (k,) of the rows of L (k, p): 2 f^2 / (f_g'A f_g), f(gamma) = l'Phi l, A = observed^-1."""
        A, f = np.linalg.inv(self.observed(gamma, method)), np.diag(L @ self.beta_cov(gamma) @ L.T)
        slopes = [gradient(lambda g, row=row: row @ self.beta_cov(g) @ row, gamma) for row in L]
        return np.array([2 * v**2 / (s @ A @ s) for v, s in zip(f, slopes, strict=True)])

    def kenward_roger(self, gamma):
        """Phi_A (p, p) of Kenward and Roger (1997) for a V that is linear in gamma; with W, P_i and Phi."""
        X, V_inv, G = self.X, np.linalg.inv(self.V(gamma)), self.directions(gamma)
        Phi, m = self.beta_cov(gamma), len(gamma)
        P = [-X.T @ V_inv @ g @ V_inv @ X for g in G]
        Q = [[X.T @ V_inv @ g @ V_inv @ h @ V_inv @ X for h in G] for g in G]
        twice = np.array(
            [
                [
                    np.trace(V_inv @ G[i] @ V_inv @ G[j])
                    - np.trace(2 * Phi @ Q[i][j] - Phi @ P[i] @ Phi @ P[j])
                    for j in range(m)
                ]
                for i in range(m)
            ]
        )
        W = np.linalg.inv(twice / 2)
        inner = sum(W[i, j] * (Q[i][j] - P[i] @ Phi @ P[j]) for i in range(m) for j in range(m))
        return Phi + 2 * Phi @ inner @ Phi, W, P, Phi

    def kenward_roger_test(self, L, gamma, rhs=0.0):
        """(F, df) of L beta = rhs, L (k, p) of full row rank: F scaled so that two moments are those of F(k, df)."""
        adjusted, W, P, Phi = self.kenward_roger(gamma)
        k = len(L)
        Theta = L.T @ np.linalg.solve(L @ Phi @ L.T, L)
        each = [Theta @ Phi @ p @ Phi for p in P]
        A1 = sum(W[i, j] * np.trace(a) * np.trace(b) for i, a in enumerate(each) for j, b in enumerate(each))
        A2 = sum(W[i, j] * np.trace(a @ b) for i, a in enumerate(each) for j, b in enumerate(each))
        B = (A1 + 6 * A2) / (2 * k)
        g = ((k + 1) * A1 - (k + 4) * A2) / ((k + 2) * A2)
        bottom = 3 * k + 2 * (1 - g)
        c1, c2, c3 = g / bottom, (k - g) / bottom, (k + 2 - g) / bottom
        mean = 1 / (1 - A2 / k)
        variance = 2 / k * (1 + c1 * B) / ((1 - c2 * B) ** 2 * (1 - c3 * B))
        rho = variance / (2 * mean**2)
        df = 4 + (k + 2) / (k * rho - 1)
        miss = L @ self.beta(gamma) - rhs
        F = df / (mean * (df - 2)) * miss @ np.linalg.solve(L @ adjusted @ L.T, miss) / k
        return F, df
