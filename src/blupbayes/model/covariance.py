"""theta <-> T, the relative covariance factor of one grouping factor, and its readings as sds and correlations.

A covariance structure is a *template*: the positions of the free entries of the lower-triangular factor T
and, for each, its place in theta. One template serves NumPy here and PyTensor in ``bayes/``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Template", "covariance_from", "sd_and_correlation", "semidefinite_cholesky"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Template:
    """Where the entries of theta stand in T, for one grouping factor.

    Parameters
    ----------
    size : int
        q, the number of random coefficients per level; T is (q, q), lower triangular.
    rows, cols : tuple of int
        Positions of the free entries of T.
    index : tuple of int
        For each of them, its place in theta.
    """

    size: int
    rows: tuple[int, ...]
    cols: tuple[int, ...]
    index: tuple[int, ...]

    def matrix(self, theta: Array) -> Array:
        """T (q, q) at theta (m,), relative to sigma [E-MODEL]."""
        T = np.zeros((self.size, self.size))
        T[list(self.rows), list(self.cols)] = theta[list(self.index)]
        return T

    def read(self, T: Array, theta: Array) -> None:
        """Write the free entries of T (q, q) into their places in theta (m,)."""
        theta[list(self.index)] = T[list(self.rows), list(self.cols)]

    @property
    def diagonal(self) -> tuple[int, ...]:
        """The places in theta of the diagonal entries of T, in the order of the coefficients."""
        places = {r: i for r, c, i in zip(self.rows, self.cols, self.index, strict=True) if r == c}
        return tuple(places[k] for k in range(self.size))


def triangle(start: int, stop: int, structure: str) -> list[tuple[int, int]]:
    """Free positions of one term that owns the coefficients start..stop-1, column-major."""
    if structure == "diagonal":
        return [(k, k) for k in range(start, stop)]
    return [(r, c) for c in range(start, stop) for r in range(c, stop)]


def template(size: int, terms: Sequence[tuple[int, int, str, int]]) -> Template:
    """Template of a grouping factor with the given terms (start, stop, structure, first place in theta)."""
    rows, cols, index = [], [], []
    for start, stop, structure, first in terms:
        for k, (r, c) in enumerate(triangle(start, stop, structure)):
            rows.append(r)
            cols.append(c)
            index.append(first + k)
    return Template(size, tuple(rows), tuple(cols), tuple(index))


def semidefinite_cholesky(Sigma: Array) -> Array:
    """T (q, q), lower triangular with T T' = Sigma, for a positive semidefinite Sigma (q, q).

    A pivot that is zero to rounding gives a zero column: variances of exactly 0 and correlations of
    exactly 1 or -1 are allowed.

    Raises
    ------
    ValueError
        If Sigma has a negative eigenvalue beyond rounding.
    """
    q = Sigma.shape[0]
    T = np.zeros((q, q))
    scale = np.sqrt(np.maximum(np.diag(Sigma), 0.0))
    for k in range(q):
        pivot = Sigma[k, k] - T[k, :k] @ T[k, :k]
        if pivot > 64 * q * np.finfo(float).eps * scale[k] ** 2:
            T[k, k] = np.sqrt(pivot)
            T[k + 1 :, k] = (Sigma[k + 1 :, k] - T[k + 1 :, :k] @ T[k, :k]) / T[k, k]
    if not np.allclose(T @ T.T, Sigma, rtol=0, atol=1e-9 * max(scale.max(initial=0.0) ** 2, 1e-300)):
        raise ValueError("the covariance matrix has a negative eigenvalue")
    return T


def sd_and_correlation(Sigma: Array) -> tuple[Array, Array]:
    """Sds (q,) and correlations (q, q) of a covariance matrix; NaN beside an sd of 0."""
    sd = np.sqrt(np.diag(Sigma))
    with np.errstate(invalid="ignore", divide="ignore"):
        corr = np.where(np.outer(sd, sd) > 0, Sigma / np.outer(sd, sd), np.nan)
    np.fill_diagonal(corr, 1.0)
    return sd, corr


def covariance_from(sd: Array, corr: Array) -> Array:
    """Sigma (q, q) from sds (q,) and correlations (q, q)."""
    return np.asarray(corr) * np.outer(sd, sd)
