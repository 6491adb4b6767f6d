"""The two passes over the batches of a stream that end in Statistics: the factor of X, and the cross-products.

The first of them stacks triangular factors of [X 1 y] batch by batch and sums Z'WZ; the second knows R and sums
Z'W[Q e], Q = X R^-1, and what is left of [Q e] outside the range of the first block. All are sums or stacks, so they
do not depend on the order of the batches but for rounding [E-BATCHES].
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blupbayes.mme.coupling import Cross
from blupbayes.mme.kernels import add_level_sums, subtract_level_rows
from blupbayes.mme.least_squares import independent_columns
from blupbayes.mme.orthonormal import triangular_root
from blupbayes.mme.pairs import Pairs
from blupbayes.model.chunk import Chunk

__all__ = ["BasisPass", "FactorPass", "ProductPass", "Regression"]

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Shapes = Sequence[tuple[int, int]]

SMALL = 100_000  # sums of so few numbers are made for each batch and then added, which rounds less
INSIDE = 1e-12  # of the norm of a constant: what X leaves of it is rounding


class Rows:
    """The rows of a batch, weights applied: Z of every group, X and y minus offset."""

    def __init__(self, chunk: Chunk) -> None:
        root = None if chunk.weights is None else np.sqrt(chunk.weights)
        self.n, self.codes = len(chunk.y), chunk.codes
        y = chunk.y if chunk.offset is None else chunk.y - chunk.offset
        self.y, self.root = y, np.ones(self.n) if root is None else root
        self.Z = [np.ascontiguousarray(Z if root is None else Z * root[:, None]) for Z in chunk.columns]
        self.X = chunk.X if root is None else chunk.X * root[:, None]

    def joined(self, shift: float) -> Array:
        """[X 1 y - offset - shift] (n, p + 2), weighted; column by column, which is how it is read."""
        p = self.X.shape[1]
        out = np.empty((p + 2, self.n))
        out[:p], out[p] = self.X.T, self.root
        np.multiply(self.y - shift, self.root, out=out[p + 1])
        return out.T


def add_sums(total: Array, codes: Index, left: Array, right: Array) -> None:
    """total (J, a, b) += level sums of left (n, a) times right (n, b)."""
    if total.size > SMALL:
        add_level_sums(total, codes, left, right)
        return
    own = np.zeros_like(total)
    add_level_sums(own, codes, left, right)
    total += own


def stacked(R: Array, rows: Array) -> Array:
    """The triangular factor of what R stands for and of further rows."""
    return triangular_root(np.vstack([R, triangular_root(rows)]))


class FactorPass:
    """Sums of the pass that builds the factor of [X 1 y].

    Attributes: ``n`` rows; ``log_weights``; ``shift``, a constant taken off y; ``R`` (p + 2, p + 2); per group
    ``D`` (J, q, q), Z'WZ by level, and ``ZX`` (J, q, p + 2), Z'W[X 1 y]; ``pairs`` of groups.
    """

    def __init__(self, p: int, shapes: Shapes) -> None:
        self.n, self.log_weights, self.shift = 0, 0.0, 0.0
        self.R = np.zeros((p + 2, p + 2))
        self.D = [np.zeros((J, q, q)) for J, q in shapes]
        self.ZX = [np.zeros((J, q, p + 2)) for J, q in shapes]
        self.pairs = {
            (i, j): Pairs((shapes[i][0], shapes[j][0]), (shapes[i][1], shapes[j][1]))
            for i, j in itertools.combinations(range(len(shapes)), 2)
        }

    def add(self, chunk: Chunk) -> None:
        """Add the rows of one batch."""
        rows = Rows(chunk)
        if not rows.n:
            return
        if not self.n:
            self.shift = float(rows.y.min())
        self.n += rows.n
        self.log_weights += 0.0 if chunk.weights is None else float(np.sum(np.log(chunk.weights)))
        Xy = rows.joined(self.shift)
        self.R = stacked(self.R, Xy)
        for k, (codes, Z) in enumerate(zip(rows.codes, rows.Z, strict=True)):
            add_sums(self.D[k], codes, Z, Z)
            add_sums(self.ZX[k], codes, Z, Xy)
        for (i, j), pairs in self.pairs.items():
            pairs.add(rows.codes[i], rows.codes[j], rows.Z[i], rows.Z[j])

    def merge(self, other: FactorPass) -> None:
        """Add the sums of other batches."""
        if not other.n:
            return
        common = min(self.shift, other.shift) if self.n else other.shift
        mine, theirs = self._shifted(common), other._shifted(common)
        self.R, self.shift = stacked(mine[0], theirs[0]), common
        self.n, self.log_weights = self.n + other.n, self.log_weights + other.log_weights
        self.ZX = [a + b for a, b in zip(mine[1], theirs[1], strict=True)]
        for k, D in enumerate(other.D):
            self.D[k] += D
        for key, pairs in other.pairs.items():
            self.pairs[key].merge(pairs)

    def _shifted(self, shift: float) -> tuple[Array, list[Array]]:
        """R and ZX with another constant taken off y."""
        change, R, ZX = self.shift - shift, self.R, self.ZX
        if change == 0 or not self.n:
            return R, ZX
        move = np.eye(len(R))
        move[-2, -1] = change
        return R @ move, [x @ move for x in ZX]

    def taken(self, shift: float) -> list[Array]:
        """Z'W[X 1 y - shift] per group."""
        return self._shifted(shift)[1]

    def crosses(self) -> dict[tuple[int, int], Cross]:
        """Z_i'W Z_j for every pair of groups i < j."""
        return {key: pairs.cross() for key, pairs in self.pairs.items()}


@dataclass(frozen=True, eq=False)
class Regression:
    """Least squares of y on X from the factor of [X 1 y]; [Q e] = [X 1 y - shift] M.

    ``kept`` (r,); ``factor`` (r, p): Q'X; ``T`` (r, r) with Q = X_kept T; ``beta`` (r,) for y - shift; ``shift``:
    what to take off y; ``ones`` (r,): the constant in columns of X, 0 if X does not hold it; M (p + 2, r + 1).
    """

    kept: Index
    factor: Array
    T: Array
    beta: Array
    shift: float
    ones: Array
    M: Array

    @classmethod
    def of(cls, R: Array, shift: float) -> Regression:
        """Of the factor R (p + 2, p + 2) of [X 1 y - shift]."""
        p = len(R) - 2
        kept = independent_columns(R[:, :p])
        Q, upper = np.linalg.qr(R[:, kept])
        T = np.linalg.solve(upper, np.eye(len(kept))) if len(kept) else np.zeros((0, 0))
        one, y = R[:, p], R[:, p + 1]
        ones = T @ (Q.T @ one)
        if np.linalg.norm(one - R[:, kept] @ ones) > INSIDE * np.linalg.norm(one):
            y, ones, shift = y + shift * one, np.zeros(len(kept)), 0.0
        ones = np.where(np.abs(ones - np.round(ones)) < 1e-9, np.round(ones), ones)
        beta = T @ (Q.T @ y)
        M = np.zeros((p + 2, len(kept) + 1))
        M[kept, :-1], M[kept, -1], M[p + 1, -1] = T, -beta, 1.0
        return cls(kept, Q.T @ R[:, :p], T, beta, shift, ones, M)

    def Qe(self, rows: Rows) -> Array:
        """[Q e] (n, r + 1) of some rows."""
        return np.asarray(rows.joined(self.shift) @ self.M)


class ProductPass:
    """Sums of the pass that knows R.

    ``cuts``: per group the coefficients (J, q, r + 1) of what lies of [Q e] in the range of Z, about; None for groups
    whose range is not looked at; a copy is without them: it can be merged, but not added to. Attributes: ``gram``
    (r + 1, r + 1): [Q e]'[Q e]; ``root`` (r + 1, r + 1): triangular root of what is left after the cuts; per group
    ``ZQe`` and ``Zleft`` (J, q, r + 1): Z'W of [Q e] and of what is left.
    """

    def __init__(self, regression: Regression, cuts: Sequence[Array | None], shapes: Shapes) -> None:
        self.regression, self.cuts = regression, tuple(cuts)
        m = len(regression.kept) + 1
        self.n, self.gram, self.root = 0, np.zeros((m, m)), np.zeros((m, m))
        self.ZQe = [np.zeros((J, q, m)) for J, q in shapes]
        self.Zleft = [np.zeros((J, q, m)) for J, q in shapes]

    def __getstate__(self) -> dict[str, object]:
        return vars(self) | {"regression": None, "cuts": ()}

    def add(self, chunk: Chunk) -> None:
        """Add the rows of one batch."""
        rows = Rows(chunk)
        if not rows.n:
            return
        self.n += rows.n
        Qe = self.regression.Qe(rows)
        left = Qe.copy()
        for codes, Z, cut in zip(rows.codes, rows.Z, self.cuts, strict=True):
            if cut is not None:
                subtract_level_rows(left, codes, Z, cut)
        self.gram += Qe.T @ Qe
        self.root = stacked(self.root, left)
        for k, (codes, Z) in enumerate(zip(rows.codes, rows.Z, strict=True)):
            add_sums(self.ZQe[k], codes, Z, Qe)
            add_sums(self.Zleft[k], codes, Z, left)

    def merge(self, other: ProductPass) -> None:
        """Add the sums of other batches."""
        self.n += other.n
        self.gram += other.gram
        self.root = stacked(self.root, other.root)
        for mine, theirs in ((self.ZQe, other.ZQe), (self.Zleft, other.Zleft)):
            for k, sums in enumerate(theirs):
                mine[k] += sums


class BasisPass:
    """Sums of U = Z F for a basis F that is to be refined: U'U and U'Z, by level or for all of Z as one block.

    ``group``: the group whose levels F (J, q, k) is for; None if F (q, k) combines all columns of all groups,
    which have these ``shapes`` and begin at ``offsets``.
    """

    def __init__(self, F: Array, group: int | None, offsets: Sequence[int], shapes: Shapes) -> None:
        self.F, self.group = F, group
        self.offsets, self.shapes, self.n = tuple(offsets), tuple(shapes), 0
        lead = F.shape[:-2]
        self.gram = np.zeros((*lead, F.shape[-1], F.shape[-1]))
        self.product = np.zeros((*lead, F.shape[-1], F.shape[-2]))

    def add(self, chunk: Chunk) -> None:
        """Add the rows of one batch."""
        rows = Rows(chunk)
        self.n += rows.n
        if self.group is not None:
            codes, Z = rows.codes[self.group], rows.Z[self.group]
            U = np.einsum("nq,nqk->nk", Z, self.F[codes])
            add_sums(self.gram, codes, U, U)
            add_sums(self.product, codes, U, Z)
            return
        U = np.zeros((rows.n, self.F.shape[1]))
        for start, codes, Z in zip(self.offsets, rows.codes, rows.Z, strict=True):
            for a in range(Z.shape[1]):
                U += Z[:, a, None] * self.F[start + codes * Z.shape[1] + a]
        self.gram += U.T @ U
        for start, (J, q), codes, Z in zip(self.offsets, self.shapes, rows.codes, rows.Z, strict=True):
            sums = np.zeros((J, q, U.shape[1]))
            add_sums(sums, codes, Z, U)
            self.product[:, start : start + J * q] += sums.reshape(J * q, -1).T

    def merge(self, other: BasisPass) -> None:
        """Add the sums of other batches."""
        self.n += other.n
        self.gram += other.gram
        self.product += other.product
