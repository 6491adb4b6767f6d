"""Rows inside and outside the range of Z: the split that keeps digits when random effects are strong.

With Z = U root, U'U = I, the covariance of y is V0 = I + U (root Lam)(root Lam)'U', so every quadratic form in
V0^-1 is a sum of squares: what lies outside U counts fully, what lies inside is damped. Summing the parts
loses nothing; subtracting the damping from the whole loses as many digits as the damping has.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Split", "basis", "nearly_dependent", "refined", "split", "triangular_root"]

Array = NDArray[np.float64]

DEPENDENT = 1e-15  # eigenvalues of Z'Z with unit columns below q times this are rounding
LARGE = 30.0  # coefficients of U in unit columns of Z; rounding is multiplied by their square
PANEL = 4096  # rows that are reflected at a time: so many stay in the cache
ROUNDING = 1e-12  # of a unit vector: what is left of it after projection is rounding


def basis(A: Array) -> tuple[Array, Array]:
    """from_U and root (..., q, q) for A = Z'Z (..., q, q): Z from_U is orthonormal and root'root = A.

    Z is scaled to unit columns first, so that a direction is dropped (its column of from_U and its row of
    root are zero) for being dependent, never for its units.
    """
    if A.shape[-1] == 1:
        root = np.sqrt(A)
        return np.where(root > 0, 1.0 / np.where(root > 0, root, 1.0), 0.0), root
    length = np.sqrt(np.diagonal(A, axis1=-2, axis2=-1))
    length = np.where(length > 0, length, 1.0)
    values, vectors = np.linalg.eigh(A / (length[..., :, None] * length[..., None, :]))
    kept = values > DEPENDENT * A.shape[-1]
    roots = np.sqrt(np.where(kept, values, 1.0))[..., None, :]
    vectors = vectors * kept[..., None, :]
    return vectors / roots / length[..., :, None], np.swapaxes(vectors * roots * length[..., :, None], -1, -2)


def refined(from_U: Array, rows: Callable[[Array], tuple[Array, Array]]) -> tuple[Array, Array]:
    """from_U and root once more, from Z from_U itself: what eigenvalues of Z'Z have lost is put right.

    Parameters
    ----------
    from_U : array (..., q, k)
    rows : callable
        from_U -> (Z from_U)'(Z from_U) (..., k, k) and (Z from_U)'Z (..., k, q), summed from the rows.
    """
    for _ in range(2):
        gram, root = rows(from_U)
        values, vectors = np.linalg.eigh(gram)
        alive = values > 0.1
        inverse = (
            vectors * np.where(alive, 1.0 / np.sqrt(np.where(alive, values, 1.0)), 0.0)[..., None, :]
        ) @ (np.swapaxes(vectors, -1, -2))
        from_U, root = from_U @ inverse, inverse @ root
    return from_U, root


def nearly_dependent(from_U: Array, length: Array) -> bool:
    """Whether any column of U is a small difference of the columns of Z, which have these lengths (..., q)."""
    return bool(np.abs(from_U * length[..., None]).max(initial=0.0) > LARGE)


@dataclass(frozen=True, eq=False)
class Split:
    """[Q turn, e] inside and outside the range of Z.

    ``turn`` (r, r): rotates Q so that what lies inside stands in columns of its own; ``inside``: U'[Q turn, e],
    in the shape that ``along`` gives; ``outside`` (n, r + 1): (I - U U')[Q turn, e]; ``within`` (r + 1, r + 1):
    its triangular root, within'within = outside'outside.
    """

    turn: Array
    inside: Array
    within: Array
    outside: Array


def split(along: Callable[[Array], Array], back: Callable[[Array], Array], Qe: Array) -> Split:
    """Split Qe (n, r + 1).

    Parameters
    ----------
    along, back : callable
        x (n, m) -> U'x (..., m) and its transpose.
    Qe : array (n, r + 1)
    """
    r = Qe.shape[1] - 1
    first = along(Qe)
    left = Qe - back(first)
    second = along(left)  # once more: U is orthonormal to rounding only
    left -= back(second)
    inside = first + second
    turn, s = np.eye(r), np.zeros(r)
    if r:
        _, s, Vt = np.linalg.svd(np.linalg.qr(left[:, :r], mode="r"))
        turn = Vt.T
    full = np.eye(r + 1)
    full[:r, :r] = turn
    left = left @ full
    left[:, :r][:, s <= ROUNDING] = 0.0
    return Split(turn, inside @ full, triangular_root(left), left)


def triangular_root(rows: Array) -> Array:
    """R (m, m), upper triangular, R'R = rows'rows, for rows (n, m): by reflections, so that nothing is squared."""
    m = rows.shape[1]
    whole = len(rows) // PANEL if m * 4 <= PANEL else 0
    if whole > 1:
        cut = whole * PANEL
        panels = rows.T[:, :cut].reshape(m, whole, PANEL).transpose(1, 2, 0)
        return triangular_root(np.vstack([np.linalg.qr(panels, mode="r").reshape(-1, m), rows[cut:]]))
    R = np.linalg.qr(rows, mode="r")
    return np.vstack([R, np.zeros((m - len(R), m))]) if len(R) < m else R
