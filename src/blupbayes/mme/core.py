"""A small model in orthonormal coordinates of the range of Z, for one dense block (dense.py)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from blupbayes.mme.layout import Layout
from blupbayes.mme.orthonormal import Split, basis, nearly_dependent, refined, split

__all__ = ["Core", "dense_core"]

Array = NDArray[np.float64]
Index = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Core:
    """A small model in orthonormal coordinates of the range of Z = U root (dense.py).

    ``root`` (k, q), root'root = Z'WZ; ``root_a`` (k, q + r + 1): [root U'[Q e]]; ``within`` (r + 1, r + 1):
    triangular root of [Q e]'(I - U U')[Q e], from the rows themselves, so that nothing cancels.
    """

    root: Array
    root_a: Array
    within: Array


def dense_core(
    layout: Layout, columns: Sequence[Array], codes: Sequence[Index], Qe: Array
) -> tuple[Core, Split]:
    """Orthonormal coordinates of the range of Z, where the layout is one dense block; Q is turned as in Split."""
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
    from_U, root = basis(layout.dense())
    kept = root.any(axis=1)
    from_U, root = from_U[:, kept], root[kept]
    if not nearly_dependent(from_U, np.sqrt(layout.A.diagonal())):
        parts = split(lambda x: from_U.T @ (Z.T @ x), lambda a: Z @ (from_U @ a), Qe)
    else:
        from_U, root = refined(from_U, lambda F: ((Z @ F).T @ (Z @ F), (Z.T @ (Z @ F)).T))
        U = Z @ from_U
        parts = split(lambda x: U.T @ x, lambda a: U @ a, Qe)
    return Core(root, np.asfortranarray(np.hstack([root, parts.inside])), parts.within), parts
