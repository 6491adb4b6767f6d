"""Whether a posterior exists, from the statistics: ranks, and angles between the columns of Z and the flat part of X.

With Q an orthonormal basis of W^(1/2)X and U_k one of W^(1/2)Z_k, whose columns of different levels have no row in
common, the cosines of the angles are the singular values of U_k'Q. A cosine loses half of the digits of a small angle:
spans that meet are told from spans that nearly do down to angles of 1e-6 (the first block, of one column, and a small
model with one of them: 1e-7, since what is left of Q outside of Z is stored).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blupbayes.mme.statistics import Statistics

__all__ = ["StatisticsTails", "level_blocks"]

Array = NDArray[np.float64]
Index = NDArray[np.intp]

SMALLEST_SINE = 1e-7  # below it two spans meet, where sines are stored
SMALLEST_FALL = 1e-12  # the same for 1 - cosine^2
RANK = 1e-10  # singular values of unit columns, as a share of the largest, that count as 0
RANK_OF_SQUARES = 1e-12  # the same for eigenvalues of a matrix of cosines
LARGEST_RANK = 2000  # rows above which a saturated model is not looked for


def level_blocks(statistics: Statistics, group: int) -> Array:
    """Z_k'W Z_k by level (J, q, q)."""
    layout = statistics.layout
    for block in layout.chain:
        if block.group == group:
            return block.D
    (span,) = (s for s in layout.tail if s.group == group)
    return layout.levels(span)


@dataclass(frozen=True, eq=False)
class StatisticsTails:
    """Ranks and angles of a model of which there are statistics."""

    statistics: Statistics

    @property
    def root(self) -> Array:
        """R (r, p) of W^(1/2)X = Q R, r the rank of X."""
        return self.statistics.R

    @property
    def saturated(self) -> bool:
        """Whether X and Z together have the rank of all observations; not looked for in large models."""
        s = self.statistics
        r, q, n = s.rank, s.layout.size, s.n_obs
        if n > LARGEST_RANK or n > len(s.fixed_names) + q:
            return False
        gram = np.empty((r + q, r + q))
        gram[:r, :r], gram[r:, :r], gram[r:, r:] = np.eye(r), s.ZQe[:, :r], s.layout.multiply(np.eye(q))
        gram[:r, r:] = gram[r:, :r].T
        size = np.sqrt(gram.diagonal())
        size[size == 0] = 1.0
        values = np.linalg.eigvalsh(gram / np.outer(size, size))
        return int(np.sum(values > RANK_OF_SQUARES * values.max(initial=0.0))) == n

    def beside(self, flat: Array) -> StatisticsTail:
        """For the directions `flat` (p, f) in which beta has a flat prior."""
        X = self.statistics.R @ flat
        size = np.linalg.norm(X, axis=0)
        U, values, _ = np.linalg.svd(X / np.where(size > 0, size, 1.0), full_matrices=False)
        return StatisticsTail(self.statistics, U[:, values > RANK * values.max(initial=0.0)])


@dataclass(frozen=True, eq=False)
class StatisticsTail:
    """The flat part of X: an orthonormal basis (r, f) of its coordinates in Q."""

    statistics: Statistics
    basis: Array

    @property
    def rank(self) -> int:
        """f, its dimension."""
        return int(self.basis.shape[1])

    def exponent(self, group: int, combination: Array) -> int:
        """E of [E-TAIL] for a combination (q,) of the columns of one group."""
        s = self.statistics
        size = np.einsum("a,jab,b->j", combination, level_blocks(s, group), combination)
        seen = size > 0
        return int(seen.sum()) - (self._met(group, combination, size, seen) if self.rank else 0)

    def _met(self, group: int, combination: Array, size: Array, seen: NDArray[np.bool_]) -> int:
        """In how many dimensions the two spans meet."""
        within = self._outside(group)
        if within is not None:
            sines = np.linalg.svd(within[:, : self.statistics.rank] @ self.basis, compute_uv=False)
            return int(np.sum(sines < SMALLEST_SINE))
        ZQ = self.statistics.layout.split(self.statistics.ZQe)[group][seen, :, :-1]
        U = np.einsum("a,jar->jr", combination, ZQ) / np.sqrt(size[seen])[:, None]
        cosines = U @ self.basis
        fall = np.linalg.eigvalsh(np.eye(self.rank) - cosines.T @ cosines)
        return int(np.sum(fall < SMALLEST_FALL))

    def _outside(self, group: int) -> Array | None:
        """The root of [Q e]'(I - UU')[Q e] of the group's own column, if it is stored."""
        s = self.statistics
        if s.groups[group].template.size > 1:
            return None
        if s.first is not None:
            return s.first.within if s.layout.chain[0].group == group else None
        return s.core.within if s.core is not None and len(s.groups) == 1 else None
