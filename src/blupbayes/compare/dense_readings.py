"""Densities, slopes, posteriors and predictions of a dense model: more right-hand sides of the identities.

As dense.py it uses nothing of mme/.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blupbayes.compare.dense import Dense
from blupbayes.mme.linalg import triangular_solve

__all__ = [
    "BetaDensity", "by_variance", "flat", "given", "log_density", "predict", "score", "sigma_score", "with_prior",
]  # fmt: skip

Array = NDArray[np.float64]
Index = NDArray[np.intp]

LOG_2PI = float(np.log(2.0 * np.pi))


@dataclass(frozen=True, eq=False)
class BetaDensity:
    """A Gaussian prior of beta: mean (r,), precision (r, r), its rank and its log pseudo-determinant."""

    mean: Array
    precision: Array
    rank: int
    log_det: float


def flat(r: int) -> BetaDensity:
    """Density 1."""
    return BetaDensity(np.zeros(r), np.zeros((r, r)), 0, 0.0)


def with_prior(at: Dense, sigma: Array, prior: BetaDensity, tau: Array) -> tuple[Array, Array]:
    """R (E[beta] - m) (S, r) and the covariance of R beta (S, r, r) given y, T, each sigma and tau (S,) [E-MME].

    tau multiplies the prior precision. Measured from the prior mean, nothing cancels however large the precision.
    """
    best, root, _ = at.gls
    A = root.T @ root / sigma[:, None, None] ** 2
    K = at.data.back.T @ prior.precision @ at.data.back * tau[:, None, None]
    cov = np.linalg.inv(A + K)
    miss = best - at.data.qr[1] @ (prior.mean - at.data.ols[0])
    return np.einsum("sij,sjk,k->si", cov, A, miss), cov


def given(at: Dense, sigma: Array, prior: BetaDensity, tau: Array) -> tuple[Array, Array]:
    """Means and variances (S, r + q) of (beta, b) given T, each sigma (S,) and a prior of beta [E-MME]."""
    Q, U, e = at.white
    lift, cov = with_prior(at, sigma, prior, tau)
    h = lift + at.data.qr[1] @ (prior.mean - at.data.ols[0])
    parts = zip(at.by_level(U.T @ np.column_stack([Q, e])), at.T, strict=True)
    map_of_b = np.concatenate([(T @ x).reshape(-1, Q.shape[1] + 1) for x, T in parts])
    response = np.vstack([-at.data.back, map_of_b[:, :-1]])
    alone = [
        np.sum(T**2, axis=1) - np.diagonal(x, axis1=1, axis2=2) / at.sigma**2
        for x, T in zip(at.removed, at.T, strict=True)
    ]
    own = np.concatenate([np.zeros(Q.shape[1]), *(x.ravel() for x in alone)])
    base = np.concatenate([at.data.ols[0], map_of_b[:, -1]])
    spread = np.einsum("qi,sij,qj->sq", response, cov, response, optimize=True)
    return base - h @ response.T, sigma[:, None] ** 2 * own + spread


def log_density(at: Dense, sigma: float, prior: BetaDensity) -> float:
    """log p(y | T, sigma) with beta integrated out [E-EVIDENCE]; under a flat prior that of REML [E-REML]."""
    n, r = at.data.X.shape
    best, root, left = at.gls
    R, s2 = at.data.qr[1], sigma**2
    back = at.data.back
    A, K = root.T @ root / s2, back.T @ prior.precision @ back
    miss = best - R @ (prior.mean - at.data.ols[0])
    log_det = n * np.log(s2) + 2.0 * np.log(np.diag(at.C)).sum() - np.log(at.data.w).sum()
    log_det += 2.0 * np.linalg.slogdet(R)[1] + np.linalg.slogdet(A + K)[1] - prior.log_det
    quadratic = left @ left / s2 + miss @ K @ np.linalg.solve(A + K, A @ miss)
    return float(-0.5 * ((n - r + prior.rank) * LOG_2PI + log_det + quadratic))


def score(at: Dense) -> tuple[Array, ...]:
    """T' dl/dT (q, q) per grouping factor, l the REML log-likelihood, from Henderson's variances and effects [E-SCORE].

    -(J I - sum C_ll) + sum u_l u_l' / sigma^2: both sides times T', so that it holds at singular T, too.
    """
    u = at.by_level(at.white[1].T @ at.gls[2])
    return tuple(
        C.sum(axis=0) - len(C) * np.eye(C.shape[1]) + x.T @ x / at.sigma**2
        for C, x in zip(at.C_levels, u, strict=True)
    )


def sigma_score(at: Dense) -> float:
    """dl/dlog sigma at given T."""
    left = at.gls[2]
    return float(left @ left / at.sigma**2 - len(left) + at.data.X.shape[1])


def by_variance(at: Dense) -> tuple[tuple[Array, Array], ...]:
    """The two terms of -2 dl/d(T T') per grouping factor (q, q): Z'PZ and Z'Pe e'PZ, summed over the levels."""
    Z = triangular_solve(at.C, at.data.spread(at.data.columns))
    orthonormal = np.linalg.qr(at.white[0])[0]
    Z = Z - orthonormal @ (orthonormal.T @ Z)
    pairs = zip(at.by_level(Z.T), at.by_level(Z.T @ at.gls[2]), strict=True)
    return tuple((np.einsum("jqn,jrn->qr", z, z), s.T @ s / at.sigma**2) for z, s in pairs)


def predict(at: Dense, X: Array, codes: Sequence[Index], columns: Sequence[Array]) -> tuple[Array, Array]:
    """Best linear unbiased predictors x'beta + delta'(y - X beta) (m,) and their error variances [E-BLP].

    delta = V^-1 Cov(y, z'b), and the variance is z'Sigma z - c'delta + (x - X'delta)'Var(beta_hat)(x - X'delta).
    A level of -1 is new: nothing that was observed says anything about it.
    """
    parts, rows = [], np.arange(len(X))
    for code, x, T, J in zip(codes, columns, at.T, at.data.levels, strict=True):
        own = np.zeros((len(X), J, len(T)))
        own[rows, np.maximum(code, 0)] = (x @ T) * (code >= 0)[:, None]
        parts.append(own.reshape(len(X), -1))
    z, R = np.hstack(parts), at.data.qr[1]
    Q, U, _ = at.white
    delta = U @ z.T
    h, root, left = at.gls
    miss = np.linalg.solve(R.T, X.T) - Q.T @ delta
    variance = np.sum(z**2, axis=1) - np.sum(delta**2, axis=0)
    variance += np.sum(np.linalg.solve(root.T, miss) ** 2, axis=0)
    return X @ at.from_h(h) + delta.T @ left, at.sigma**2 * variance
