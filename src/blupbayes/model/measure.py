"""The measure on sds and correlations that densities of covariance matrices refer to.

Every density here is with respect to one measure [E-JOINT]: Lebesgue measure on the sds relative to sigma,
r_j = sd_j / sigma, times the uniform distribution of correlation matrices, LKJ(1), at a given sigma. With
D = diag(r) and S = Sigma / sigma^2 = D R D (q, q),

    dS = 2^q prod_j r_j^q dr dR,    dR = V_q d(uniform),    V_q = the volume of correlation matrices,

so that LKJ(eta) has the log-density (eta - 1) log|R| - log V_q(eta) + log V_q(1), which is 0 at eta = 1.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["log_det", "log_jacobian", "log_multigamma", "log_volume", "spread_over"]

Array = NDArray[np.float64]


def log_volume(q: int, eta: float = 1.0) -> float:
    """log of the integral of |R|^(eta - 1) over the correlation matrices R (q, q): log V_q(eta)."""
    total = 0.0
    for j in range(q - 1):
        a = eta + (q - 2 - j) / 2
        total += (q - 1 - j) * ((2 * a - 1) * math.log(2) + 2 * math.lgamma(a) - math.lgamma(2 * a))
    return total


def log_det(corr: Array) -> tuple[Array, Array]:
    """log|R| (m,), 0 where R is not positive definite in double precision; and where it is."""
    sign, value = np.linalg.slogdet(corr)
    return np.where(sign > 0, value, 0.0), sign > 0


def log_multigamma(q: int, a: float) -> float:
    """log Gamma_q(a)."""
    return q * (q - 1) / 4 * math.log(math.pi) + sum(math.lgamma(a - j / 2) for j in range(q))


def log_jacobian(log_r: Array) -> Array:
    """log of dS with respect to the measure of this file, (m,), at log relative sds (m, q)."""
    q = log_r.shape[1]
    return np.asarray(q * math.log(2) + q * log_r.sum(axis=1) + log_volume(q))


def spread_over(value: Array, inside: Array, sigma: Array) -> Array:
    """A log-density (m,) that does not depend on sigma, as (m, S); -inf where not inside (m,)."""
    return np.where(inside, value, -np.inf)[:, None] + np.zeros_like(np.atleast_2d(sigma))
