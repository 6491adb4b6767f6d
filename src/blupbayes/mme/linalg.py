"""Small linear algebra that the factors share: Cholesky with a sentence, inverses, Lam applied by blocks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from blupbayes.errors import DataError
from blupbayes.mme.layout import Span

__all__ = ["Lam_times", "cholesky", "lower_solve", "mirrored", "scaled", "symmetric_inverse"]

Array = NDArray[np.float64]
PANEL = 128
TOO_LARGE = (
    "The random-effect variances are so large against the residual variance that double precision cannot "
    "solve the equations. For the limit of no pooling use pooling_path with tau = inf."
)


def cholesky(M: Array) -> Array:
    """Cholesky factor of M (..., q, q); DataError where rounding has left M without one."""
    try:
        return np.linalg.cholesky(M)
    except np.linalg.LinAlgError:
        raise DataError(TOO_LARGE) from None


def symmetric_inverse(M: Array) -> tuple[Array, float]:
    """Inverse and log-determinant of a positive definite matrix (t, t); M is overwritten."""
    if not len(M):
        return M, 0.0
    L, info = lapack.dpotrf(M.T, lower=1, overwrite_a=1, clean=0)
    if info:
        raise DataError(TOO_LARGE)
    log_det = 2.0 * float(np.log(np.diag(L)).sum())
    C, _ = lapack.dpotri(L, lower=1, overwrite_c=1)
    return mirrored(C).T, log_det  # C-contiguous again


def mirrored(M: Array) -> Array:
    """M (t, t) with its lower triangle copied to the upper one, in place, block by block."""
    for i in range(0, len(M), PANEL):
        j = i + PANEL
        corner = np.tril(M[i:j, i:j])
        M[i:j, i:j] = corner + np.tril(corner, -1).T
        M[i:j, j:] = M[j:, i:j].T
    return M


def lower_solve(M: Array, x: Array) -> tuple[Array, float]:
    """L^-1 x and log|M| for M = L L' (k, k) positive definite, x (k, m)."""
    if not len(M):
        return x, 0.0
    L = cholesky(M)
    y, _ = lapack.dtrtrs(L, x, lower=1)
    return y, 2.0 * float(np.log(L.diagonal()).sum())


def Lam_times(spans: Sequence[Span], T: tuple[Array, ...], x: Array) -> Array:
    """Lam x for x (t, m) over the given groups."""
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
