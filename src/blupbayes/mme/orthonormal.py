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

__all__ = ["Split", "basis", "split"]

Array = NDArray[np.float64]

DEPENDENT = 1e-15  # eigenvalues of Z'Z with unit columns below q times this are rounding
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


@dataclass(frozen=True, eq=False)
class Split:
    """[Q turn, e] inside and outside the range of Z.

    ``turn`` (r, r): rotates Q so that what lies inside stands in columns of its own; ``inside``: U'[Q turn, e],
    in the shape that ``along`` gives; ``within`` (r + 1, r + 1): [Q turn, e]'(I - U U')[Q turn, e], summed from
    the rows; ``outside`` (n, r + 1): (I - U U')[Q turn, e].
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
    return Split(turn, inside @ full, left.T @ left, left)
