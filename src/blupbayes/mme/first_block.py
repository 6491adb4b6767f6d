"""The first block of a chain in orthonormal coordinates of its range, level by level.

With Z_1 = U root, U'U = I, H = root T and G = (I + H H')^-1, the elimination of the first block leaves

    Z_r'V1^-1 Z_r = Z_r'(I - U U')Z_r + (U'Z_r)' G (U'Z_r)

of whatever comes later: the first part does not depend on T and is found once, the second is a sum of squares.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from blupbayes.errors import DataError
from blupbayes.mme.elimination import Remainder
from blupbayes.mme.layout import Layout
from blupbayes.mme.linalg import TOO_LARGE, transpose
from blupbayes.mme.orthonormal import Split, basis, nearly_dependent, refined, split
from blupbayes.mme.stacks import eliminated, scattered, times, turned

__all__ = ["Damped", "FirstBlock", "first_block", "level_sums", "rest_of"]

Array = NDArray[np.float64]
Index = NDArray[np.intp]

LEVELS = 16_384  # whose small matrices stay in a processor's cache while they are eliminated
DUST = 1e-13  # of what stood there: what is left of a nested factor's own block is rounding


@dataclass(frozen=True, eq=False)
class FirstBlock:
    """The first chain block, and what is left of everything else outside its range.

    ``from_U``, ``root`` (J, q, q): Z_1 from_U = U and root'root = Z_1'Z_1; ``inside`` (J, q, r + 1): U'[Q e];
    ``within`` (r + 1, r + 1): triangular root of [Q e]'(I - U U')[Q e]; ``ZQe`` (q_total, r + 1): Z'(I - U U')[Q e];
    ``rest``: Z'(I - U U')Z of the later blocks.
    """

    from_U: Array
    root: Array
    inside: Array
    within: Array
    ZQe: Array
    rest: Remainder

    def eliminated(self, T: Array) -> Damped:
        """The block eliminated at T (q, q), some levels at a time."""
        half, W, K, taken, answer = out = [np.empty_like(self.root) for _ in range(5)]
        log_det = 0.0
        for start in range(0, len(self.root), LEVELS):
            some = slice(start, start + LEVELS)
            root, from_U = scattered(self.root[some]), scattered(self.from_U[some])
            log_det += damp(root, from_U, T, [x[some] for x in out])
        if not np.isfinite(log_det):
            raise DataError(TOO_LARGE)
        return Damped(half, W, K, taken, answer, log_det)


@dataclass(frozen=True, eq=False)
class Damped:
    """The first block at one T, by level (J, q, q); log|T'DT + I| of all.

    ``half``: half'half = G = (I + root T T'root')^-1; ``W`` = T(T'DT + I)^-1 T'; ``K`` = root'G from_U' = I - DW on
    the range of D; ``taken`` = -from_U G from_U' = W - D^-1; ``answer`` = T T'K.
    """

    half: Array
    W: Array
    K: Array
    taken: Array
    answer: Array
    log_det: float


def damp(root: Array, from_U: Array, T: Array, out: Sequence[Array]) -> float:
    """Fill the five arrays of Damped for some levels; the log-determinant, NaN where double precision has none."""
    half, W, K, taken, answer = out
    eye, H = np.eye(len(T)), times(root, T)
    x, _ = eliminated(times(turned(H), H) + eye, np.broadcast_to(T.T, H.shape))
    W[...] = times(turned(x), x)
    damped, log_det = eliminated(times(H, turned(H)) + eye, np.broadcast_to(eye, H.shape))
    half[...] = damped
    inside = times(damped, turned(from_U))
    kept = times(turned(times(damped, root)), inside)
    K[...], answer[...] = kept, times(T @ T.T, kept)
    np.negative(times(turned(inside), inside), out=taken)
    return float(log_det.sum())


def level_sums(codes: Index, J: int, left: Array, right: Array) -> Array:
    """Sum over the rows of each level of the outer products of left (n, a) and right (n, b): (J, a, b)."""
    n, a = left.shape
    b = right.shape[1]
    if n * J <= 20_000 and a == 1:
        indicator = np.zeros((J, n))
        indicator[codes, np.arange(n)] = left[:, 0]
        return (indicator @ right).reshape(J, 1, b)
    Z = sp.csr_array(
        (left.ravel(), (codes[:, None] * a + np.arange(a)).ravel(), np.arange(n + 1) * a), shape=(n, J * a)
    )
    return np.asarray(Z.T @ right).reshape(J, a, b)


def first_block(
    layout: Layout, columns: Sequence[Array], codes: Sequence[Index], Qe: Array
) -> tuple[FirstBlock, Split]:
    """Project everything on the range of the chain's first block; Q is turned as in Split."""
    block = layout.chain[0]
    mine, Z = codes[block.group], columns[block.group]
    from_U, root = basis(block.D)
    J = len(block.D)

    def in_rows(from_U: Array) -> Array:
        return np.asarray(np.einsum("nq,nqk->nk", Z, from_U[mine]))

    def products(from_U: Array) -> tuple[Array, Array]:
        U = in_rows(from_U)
        return level_sums(mine, J, U, U), level_sums(mine, J, U, Z)

    if nearly_dependent(from_U, np.sqrt(np.diagonal(block.D, axis1=1, axis2=2))):
        from_U, root = refined(from_U, products)
    U = in_rows(from_U)

    def along(x: Array) -> Array:
        return level_sums(mine, J, U, x)

    def back(a: Array) -> Array:
        return np.asarray(np.einsum("nq,nqm->nm", U, a[mine]))

    parts = split(along, back, Qe)
    outside = [
        np.zeros((J, q, Qe.shape[1])) if k == block.group else level_sums(c, J, x, parts.outside)
        for k, ((J, q), c, x) in enumerate(zip(layout.shapes, codes, columns, strict=True))
    ]
    rest = rest_of(layout, from_U)
    return FirstBlock(from_U, root, parts.inside, parts.within, layout.join(outside), rest), parts


def rest_of(layout: Layout, from_U: Array) -> Remainder:
    """Z'(I - U U')Z of the blocks after the first, U = Z_1 from_U."""
    rest = Remainder.of(layout)
    rest.subtract(0, from_U @ transpose(from_U))
    for k, later in enumerate(layout.chain[1:], 1):
        size = np.sqrt(np.diagonal(later.D, axis1=1, axis2=2))
        rest.D[k][np.abs(rest.D[k]) < DUST * size[:, :, None] * size[:, None, :]] = 0.0
    return rest
