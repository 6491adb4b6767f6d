"""Exact leave-one-out and leave-one-group-out predictive densities: closed form at a point, summed over the lattice.

With P the precision of y given the variances, the density of a part of y given all the rest is normal,

    log p(y_j | y_-j, theta, sigma) = 1/2 log|P_jj| - 1/2 (P y)_j'P_jj^-1 (P y)_j - n_j/2 log 2 pi,
    P_jj = D_j - D_j Cov(eta_j | y) D_j,   (P y)_j = D_j (y_j - E(eta_j | y)),   D = W / sigma^2,

eta being the linear predictor; and p(y_j | y_-j) is one over the posterior mean of one over that density.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from blupbayes.bayes.accuracy import error_of
from blupbayes.bayes.combine import Blocks, blocks
from blupbayes.bayes.integrate import Integral
from blupbayes.bayes.mixture import Mixture
from blupbayes.errors import IntegrationError
from blupbayes.mme.criterion import LOG_2PI
from blupbayes.model.design import Design

__all__ = ["leave_out", "predictor"]

Array = NDArray[np.float64]
Index = NDArray[np.intp]

SINGULAR = 1e-9  # eigenvalues of I - H below it are rounding: nothing else predicts that part


def predictor(design: Design) -> Array:
    """[X Z] (n, p + q), columns of Z level by level, group by group."""
    parts = [design.X]
    for g in design.groups:
        Z = np.zeros((design.n_obs, len(g.levels), len(g.names)))
        Z[np.arange(design.n_obs), g.codes] = g.columns
        parts.append(Z.reshape(design.n_obs, -1))
    return np.hstack(parts)


def leave_out(integral: Integral, design: Design, parts: Sequence[Index]) -> tuple[Array, Array]:
    """log p(y_j | y_-j) of every part j of the rows, and its stated error; both (len(parts),).

    Parameters
    ----------
    integral : Integral
    design : Design
        The one that was integrated.
    parts : sequence of array
        Rows that are left out together.

    Returns
    -------
    elpd, error : array
        NaN where the rest of the data cannot predict the part: without it beta is not estimable at kappa = 0.

    Raises
    ------
    IntegrationError
        If the model is too large, or columns of X are linearly dependent.
    """
    if integral.mixture.points.extra.any():
        raise IntegrationError(
            "Leaving rows out needs independent columns of X: leave one out of the formula."
        )
    A = np.nan_to_num(predictor(design))
    mixture = integral.mixture
    log_p = np.concatenate([given_the_rest(mixture, design, x, parts) for x in blocks(integral, A)])
    log_p = log_p.reshape(-1, len(parts))

    def total(w: Array) -> Array:
        return -log_mean((w[:, None] * mixture.points.within).ravel(), -log_p)

    return total(mixture.weights), error_of(mixture, total)


def given_the_rest(mixture: Mixture, design: Design, x: Blocks, parts: Sequence[Index]) -> Array:
    """log p(y_j | y_-j, theta, sigma) (m, S, J) at some points and all nodes of sigma."""
    p = mixture.points
    shrink, t, tau = p.shrink[x.which, None], p.t[x.which, None], p.tau[x.which, :, None]
    s2 = np.exp(2.0 * p.log_sigma[x.which])
    if mixture.flat_prior:
        tau = tau[:, :1]
    shrunk = (s2[:, : tau.shape[1], None] * tau) * shrink
    y = design.y if design.offset is None else design.y - design.offset
    root = np.ones(len(y)) if design.weights is None else np.sqrt(design.weights)
    out = np.empty((*s2.shape, len(parts)))
    for j, rows in enumerate(parts):
        B = x.B[:, None, rows] * root[rows, None]
        cover = x.own_of(rows) * np.outer(root[rows], root[rows])
        mean = x.base[:, None, rows] * root[rows] - np.einsum("mskr,msr->msk", B, shrunk / (1.0 + shrunk) * t)
        left = np.eye(len(rows)) - cover[:, None] - (B / (1.0 + shrunk)[:, :, None, :]) @ B.swapaxes(-1, -2)
        log_det, size = measured(left, root[rows] * y[rows] - mean)
        log_det = log_det + 2.0 * np.log(root[rows]).sum() - len(rows) * (np.log(s2) + LOG_2PI)
        out[:, :, j] = 0.5 * (log_det - size / s2)
    return out


def measured(M: Array, e: Array) -> tuple[Array, Array]:
    """log|M| and e'M^-1 e (m, s) for M (m, s, k, k) and e (m, s, k); NaN where M is singular."""
    values, vectors = np.linalg.eigh(M)
    values = np.where(values > SINGULAR, values, np.nan)
    inside = np.einsum("mskl,msk->msl", vectors, e)
    return np.log(values).sum(axis=2), np.sum(inside**2 / values, axis=2)


def log_mean(w: Array, x: Array) -> Array:
    """log of the mean of exp(x) (k, n) with weights w (k,)."""
    top = x.max(axis=0)
    return np.asarray(top + np.log(w @ np.exp(x - top)))
