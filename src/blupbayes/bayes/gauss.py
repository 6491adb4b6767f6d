"""Gauss nodes of discrete measures: few that stand for many."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["gauss"]

Array = NDArray[np.float64]


def gauss(x: Array, w: Array, n: int) -> tuple[Array, Array]:
    """Gauss nodes and weights (m, n) of m discrete measures w (m, S) at x (m, S), by Lanczos' recursion."""
    shift = np.sum(w * x, axis=1, keepdims=True)
    size = np.maximum(np.sqrt(np.sum(w * (x - shift) ** 2, axis=1, keepdims=True)), 1e-300)
    z, v, before = (x - shift) / size, np.sqrt(w), np.zeros_like(w)
    J, beta = np.zeros((len(x), n, n)), np.zeros((len(x), 1))
    basis = []
    for k in range(n):
        basis.append(v)
        u = z * v - beta * before
        J[:, k, k] = np.sum(u * v, axis=1)
        for q in basis:
            u = u - np.sum(u * q, axis=1, keepdims=True) * q
        beta = np.sqrt(np.sum(u**2, axis=1, keepdims=True))
        if k + 1 < n:
            J[:, k, k + 1] = J[:, k + 1, k] = beta[:, 0]
        before, v = v, u / np.maximum(beta, 1e-300)
    values, vectors = np.linalg.eigh(J)
    return shift + size * values, vectors[:, 0, :] ** 2
