"""Small linear algebra that the factors share: Cholesky with a sentence, inverses, Lam applied by blocks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas, lapack

from blupbayes.errors import DataError
from blupbayes.mme.layout import Span

__all__ = [
    "Lam_times",
    "cholesky",
    "factored",
    "inverse_of",
    "mirrored",
    "scale",
    "scaled",
    "scaled_least_squares",
    "squares",
    "symmetric_inverse",
    "transpose",
    "triangular_solve",
]

Array = NDArray[np.float64]
PANEL = 128
TOO_LARGE = (
    "The random-effect variances are so large against the residual variance that double precision cannot "
    "solve the equations. For the limit of no pooling use pooling_path with tau = inf."
)


def transpose(x: Array) -> Array:
    """Transpose every level's block: (J, a, b) -> (J, b, a)."""
    return x.transpose(0, 2, 1)


def cholesky(M: Array) -> Array:
    """Cholesky factor of M (..., q, q); DataError where rounding has left M without one."""
    try:
        return np.linalg.cholesky(M)
    except np.linalg.LinAlgError:
        raise DataError(TOO_LARGE) from None


def factored(M: Array) -> tuple[Array, float]:
    """L (t, t) with M = L L', below and on its diagonal, and log|M|; M (C-contiguous) is overwritten."""
    if not len(M):
        return M, 0.0
    L, info = lapack.dpotrf(M.T, lower=1, overwrite_a=1, clean=0)
    if info:
        raise DataError(TOO_LARGE)
    return L, 2.0 * float(np.log(np.diag(L)).sum())


def inverse_of(L: Array) -> Array:
    """(L L')^-1 (t, t) for L as factored gives it."""
    if not len(L):
        return L
    C, _ = lapack.dpotri(L, lower=1)
    return mirrored(C).T  # C-contiguous again


def triangular_solve(L: Array, x: Array, *, transposed: bool = False) -> Array:
    """L^-1 x, or L'^-1 x, for x (t, m) and L as factored gives it."""
    if not len(L):
        return x
    # LAPACK's trtrs does the same, but wakes all threads even for a handful of numbers.
    return np.asarray(blas.dtrsm(1.0, L, x, lower=1, trans_a=int(transposed)))


def symmetric_inverse(M: Array) -> Array:
    """Inverse of a positive definite matrix (t, t); M is overwritten."""
    return inverse_of(factored(M)[0])


def mirrored(M: Array) -> Array:
    """M (t, t) with its lower triangle copied to the upper one, in place, block by block."""
    for i in range(0, len(M), PANEL):
        j = i + PANEL
        corner = np.tril(M[i:j, i:j])
        M[i:j, i:j] = corner + np.tril(corner, -1).T
        M[i:j, j:] = M[j:, i:j].T
    return M


def Lam_times(spans: Sequence[Span], T: tuple[Array, ...], x: Array) -> Array:
    """Lam x for x (t, m) over the given groups."""
    if not spans:
        return x
    return np.concatenate(
        [(T[s.group] @ x[s.slice].reshape(s.J, s.q, -1)).reshape(s.J * s.q, -1) for s in spans]
    )


def scaled(tail: Sequence[Span], M: Array, T: tuple[Array, ...], *, transposed: bool) -> Array:
    """Lam'M Lam if transposed, else Lam M Lam', for M (t, t) over the tail."""
    if all(s.q == 1 for s in tail):
        lam = np.repeat([T[s.group][0, 0] for s in tail], [s.J for s in tail])
        both: Array = M * lam
        both *= lam[:, None]
        return both
    out = M
    for _ in range(2):
        out = Lam_times(tail, tuple(t.T for t in T) if transposed else T, out).T
    return np.ascontiguousarray(out)


def scale(tail: Sequence[Span], M: Array, T: tuple[Array, ...]) -> None:
    """M becomes Lam'M Lam (t, t) over the tail, in place, some rows at a time."""
    if all(s.q == 1 for s in tail):
        lam = np.repeat([T[s.group][0, 0] for s in tail], [s.J for s in tail])
        M *= lam
        M *= lam[:, None]
        return
    for s in tail:
        for i in range(0, len(M), PANEL):
            rows = M[i : i + PANEL, s.slice]
            rows[...] = (rows.reshape(-1, s.q) @ T[s.group]).reshape(rows.shape)
        for i in range(0, s.J, PANEL):
            rows = M[s.slice][i * s.q : (i + PANEL) * s.q]
            rows[...] = (T[s.group].T @ rows.reshape(-1, s.q, len(M))).reshape(rows.shape)


def scaled_least_squares(H: Array, g: Array) -> Array:
    """x (m,) with H x = g for semidefinite H (m, m) of unit-scaled parameters: the same in any units of x."""
    size = np.sqrt(np.abs(H.diagonal()))
    size[size == 0] = 1.0
    return np.asarray(np.linalg.lstsq(H / np.outer(size, size), g / size, rcond=1e-10)[0] / size)


def squares(X: Array) -> Array:
    """Sum over m of X_m (x) X_m for X (m, q_a, q_b), as (q_a^2, q_b^2)."""
    m, q_a, q_b = X.shape
    flat = X.reshape(m, q_a * q_b)
    return (flat.T @ flat).reshape(q_a, q_b, q_a, q_b).transpose(0, 2, 1, 3).reshape(q_a**2, q_b**2)
