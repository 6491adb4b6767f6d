"""The covariance structure of a design as directions: Var(y) is linear in the entries of the random covariances.

The random side is cut into pieces that have one full covariance each: a term, or a coefficient of a diagonal term.
In an orthonormal basis U (n, k) of a piece's columns its part of Var(y) is the sum over levels of U S U', whatever
the origin and unit of the columns, and S (k, k) is positive semidefinite if and only if the term's covariance is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blupbayes.model.structure import Group

__all__ = ["Piece", "entries", "images", "matrices", "pieces"]

Array = NDArray[np.float64]

SAME = 1e-9  # columns of a term that differ by less than this share of their size are one


@dataclass(frozen=True, eq=False)
class Piece:
    """Coefficients of one group that have a full covariance of their own.

    ``group``: its place in the design; ``coefficients``: theirs in the group; ``codes`` (n,); ``U`` (n, k): basis of
    their columns, mean square 1; ``B`` (q, k): U = columns B, so that their covariance is B S B'.
    """

    group: int
    coefficients: tuple[int, ...]
    codes: NDArray[np.intp]
    n_levels: int
    U: Array
    B: Array

    @property
    def size(self) -> int:
        """k, the rank of the columns."""
        return self.U.shape[1]

    def times(self, v: Array) -> Array:
        """The directions' matrices times v: (n, k(k+1)/2), sum over levels of U E U'v, E as in `entries`."""
        sums = np.stack(
            [np.bincount(self.codes, weights=u * v, minlength=self.n_levels) for u in self.U.T], axis=1
        )[self.codes]
        pairs = entries(self.size)
        return np.stack(
            [self.U[:, r] * sums[:, c] + (r != c) * self.U[:, c] * sums[:, r] for r, c in pairs], axis=1
        )


def entries(k: int) -> list[tuple[int, int]]:
    """The free entries of a symmetric (k, k) matrix, column-major in its lower triangle."""
    return [(r, c) for c in range(k) for r in range(c, k)]


def matrices(found: Sequence[Piece], values: Array) -> list[Array]:
    """Entries of all pieces, one after the other (m,) -> symmetric S (k, k) per piece."""
    out, first = [], 0
    for piece in found:
        S = np.zeros((piece.size, piece.size))
        for r, c in entries(piece.size):
            S[r, c] = S[c, r] = values[first]
            first += 1
        out.append(S)
    return out


def pieces(groups: Sequence[Group]) -> list[Piece]:
    """The pieces of a random side, in the order of its groups and their terms."""
    out = []
    for k, g in enumerate(groups):
        for term in g.terms:
            own = list(range(term.start, term.stop))
            for coefficients in [[i] for i in own] if term.structure == "diagonal" else [own]:
                out.append(_piece(k, g, coefficients))
    return out


def _piece(k: int, g: Group, coefficients: list[int]) -> Piece:
    """One piece, its basis by the singular vectors of the columns."""
    Z = g.columns[:, coefficients]
    size = np.linalg.norm(Z, axis=0)
    size = np.where(size > 0, size, 1.0)
    _, s, Vt = np.linalg.svd(Z / size, full_matrices=False)
    seen = s > SAME * s.max(initial=0.0)
    B = (Vt[seen].T / s[seen]) * np.sqrt(len(Z)) / size[:, None]
    return Piece(k, tuple(coefficients), g.codes, len(g.levels), Z @ B, B)


def images(found: Sequence[Piece], probes: Array) -> Array:
    """Every direction's matrix times every probe: (n probes, m), probes (n, many)."""
    return np.vstack([np.hstack([piece.times(v) for piece in found]) for v in probes.T])
