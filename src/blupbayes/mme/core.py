"""Orthonormal coordinates of the range of Z, for models small enough to be one dense block (dense.py)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from blupbayes.mme.layout import Layout

__all__ = ["Core", "dense_core"]

Array = NDArray[np.float64]
Index = NDArray[np.intp]

DEPENDENT = 1e-15  # eigenvalues of Z'Z with unit columns below q times this are rounding
ROUNDING = 1e-12  # of a unit vector: what is left of it after projection is rounding


@dataclass(frozen=True)
class Core:
    """A small model in orthonormal coordinates of the range of Z = U root (dense.py).

    ``root`` (k, q), root'root = Z'WZ; ``root_a`` (k, q + r + 1): [root U'[Q e]]; ``within`` (r + 1, r + 1):
    [Q e]'(I - U U')[Q e], summed from the rows themselves, so that nothing cancels.
    """

    root: Array
    root_a: Array
    within: Array


def dense_core(layout: Layout, columns: Sequence[Array], codes: Sequence[Index], Qe: Array) -> Core | None:
    """Orthonormal coordinates of the range of Z, where the layout is one dense block; None elsewhere.

    Z is scaled to unit columns first, so that a direction is dropped for being dependent, never for its units.
    """
    if layout.chain:
        return None
    n, q = len(Qe), layout.size
    column = np.concatenate(
        [
            o + c[:, None] * Z.shape[1] + np.arange(Z.shape[1])
            for o, c, Z in zip(layout.offsets, codes, columns, strict=True)
        ],
        axis=1,
    )
    Z = sp.csr_array(
        (np.concatenate(columns, axis=1).ravel(), column.ravel(), np.arange(n + 1) * column.shape[1]), (n, q)
    )
    length = np.sqrt(layout.A.diagonal())
    length[length == 0] = 1.0
    values, vectors = np.linalg.eigh(layout.A / np.outer(length, length))
    kept = values > DEPENDENT * q
    vectors, roots = vectors[:, kept], np.sqrt(values[kept])
    from_U = vectors / roots / length[:, None]  # U = Z from_U
    a, left = np.zeros((len(roots), Qe.shape[1])), Qe
    for _ in range(2):
        step = from_U.T @ (Z.T @ left)
        a, left = a + step, left - Z @ (from_U @ step)
    left = without_rounding(left)
    root = (vectors * roots).T * length
    return Core(root, np.asfortranarray(np.hstack([root, a])), left.T @ left)


def without_rounding(left: Array) -> Array:
    """[Q e] outside the range of Z, (n, r + 1), with combinations of Q that lie inside set to exactly nothing."""
    r = left.shape[1] - 1
    if not r:
        return left
    _, s, Vt = np.linalg.svd(np.linalg.qr(left[:, :r], mode="r"))
    inside = Vt[np.sum(s > ROUNDING) :]
    out = left.copy()
    out[:, :r] -= (left[:, :r] @ inside.T) @ inside
    return out
