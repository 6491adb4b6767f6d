"""The measures of a design that has its rows, each made when it is first asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from blupbayes.mme.least_squares import least_squares
from blupbayes.model.measures import ColumnMoments, GroupMeasures, Measures

__all__ = ["RowMeasures", "exponent", "flat_columns"]

Array = NDArray[np.float64]
Index = NDArray[np.intp]

SMALLEST_ANGLE = 1e-7  # below it two spans meet
LARGEST_RANK = 2000  # rows above which a saturated model is not looked for


class GroupLike(Protocol):
    """What a grouping factor of a Design offers."""

    @property
    def levels(self) -> tuple[str, ...]: ...
    @property
    def codes(self) -> Index: ...
    @property
    def columns(self) -> Array: ...
    @property
    def names(self) -> tuple[str, ...]: ...


class DesignLike(Protocol):
    """What a Design offers."""

    @property
    def y(self) -> Array: ...
    @property
    def X(self) -> Array: ...
    @property
    def groups(self) -> Sequence[GroupLike]: ...
    @property
    def weights(self) -> Array | None: ...
    @property
    def offset(self) -> Array | None: ...


class RowMeasures(Measures):
    """The measures of the rows of a design."""

    has_rows = True

    def __init__(self, design: DesignLike) -> None:
        self.design = design

    @cached_property
    def y(self) -> ColumnMoments:  # type: ignore[override]
        """Moments of y."""
        return ColumnMoments.of(self.design.y)

    @cached_property
    def response(self) -> ColumnMoments:  # type: ignore[override]
        """Moments of y - offset."""
        return self.y if self.design.offset is None else ColumnMoments.of(self.design.y - self.design.offset)

    @cached_property
    def X(self) -> ColumnMoments:  # type: ignore[override]
        """Moments of the columns of X (p)."""
        return ColumnMoments.of(self.design.X)

    @cached_property
    def groups(self) -> tuple[RowGroup, ...]:  # type: ignore[override]
        """One per grouping factor."""
        return tuple(RowGroup(self.design, g) for g in self.design.groups)

    @cached_property
    def weights(self) -> ColumnMoments | None:  # type: ignore[override]
        """Moments of the weights."""
        return None if self.design.weights is None else ColumnMoments.of(self.design.weights)

    @cached_property
    def offset(self) -> ColumnMoments | None:  # type: ignore[override]
        """Moments of the offset."""
        return None if self.design.offset is None else ColumnMoments.of(self.design.offset)

    @property
    def n_obs(self) -> int:
        """Rows."""
        return len(self.design.y)

    @cached_property
    def tails(self) -> RowTails:  # type: ignore[override]
        """Ranks and angles, from the rows."""
        return RowTails(self.design)

    @property
    def typical_weight(self) -> float:
        """The median weight."""
        return self.median_weight()

    def median_weight(self) -> float:
        """Over the rows; 1 without weights."""
        return 1.0 if self.design.weights is None else float(np.median(self.design.weights))

    def robust(self) -> tuple[float, float]:
        """Median of y, and median absolute deviation from it."""
        middle = float(np.median(self.design.y))
        return middle, float(np.median(np.abs(self.design.y - middle)))


class RowGroup(GroupMeasures):
    """The measures of the rows of one grouping factor."""

    def __init__(self, design: DesignLike, group: GroupLike) -> None:
        self.design, self.group = design, group

    @cached_property
    def columns(self) -> ColumnMoments:  # type: ignore[override]
        """Moments of its columns of Z (q)."""
        return ColumnMoments.of(self.group.columns)

    @cached_property
    def counts(self) -> Index:  # type: ignore[override]
        """Rows of each level (J,)."""
        return np.bincount(self.group.codes, minlength=len(self.group.levels))

    @cached_property
    def sums(self) -> Array:  # type: ignore[override]
        """Sums of y - offset by level (J,)."""
        d = self.design
        response = d.y if d.offset is None else d.y - d.offset
        return np.bincount(self.group.codes, response, len(self.group.levels))


@dataclass(frozen=True, eq=False)
class RowTails:
    """Ranks and angles of a design, from its rows."""

    design: DesignLike

    @property
    def statistics(self) -> None:
        """None are needed."""
        return None

    @cached_property
    def root(self) -> Array:
        """R (r, p) of X = Q R, r its rank."""
        _, Q, _, _ = least_squares(self.design.X, self.design.y, None)
        return np.asarray(Q.T @ self.design.X)

    @property
    def saturated(self) -> bool:
        """Whether X and Z together have the rank of all observations; not looked for in large models."""
        d = self.design
        n = len(d.y)
        if n > LARGEST_RANK or n > d.X.shape[1] + sum(len(g.levels) * len(g.names) for g in d.groups):
            return False
        parts = [d.X]
        for g in d.groups:
            indicator = np.eye(len(g.levels))[g.codes]
            parts += [indicator * column[:, None] for column in g.columns.T]
        return bool(np.linalg.matrix_rank(np.hstack(parts)) == n)

    def beside(self, flat: Array) -> RowTail:
        """For the directions `flat` (p, f) in which beta has a flat prior."""
        return RowTail(self.design, flat_columns(self.design, flat))


@dataclass(frozen=True, eq=False)
class RowTail:
    """The flat part of X: an orthonormal basis (n, f)."""

    design: DesignLike
    basis: Array

    @property
    def rank(self) -> int:
        """f, its dimension."""
        return int(self.basis.shape[1])

    def exponent(self, group: int, combination: Array) -> int:
        """E of [E-TAIL] for a combination (q,) of the columns of one group."""
        g = self.design.groups[group]
        return exponent(g, g.columns @ combination, self.basis)


def flat_columns(design: DesignLike, flat: Array) -> Array:
    """Orthonormal basis (n, f) of X times the directions `flat` (p, f) in which beta has a flat prior."""
    X = design.X @ flat
    size = np.linalg.norm(X, axis=0)
    U, values, _ = np.linalg.svd(X / np.where(size > 0, size, 1.0), full_matrices=False)
    return np.asarray(U[:, values > 1e-10 * values.max(initial=0.0)])


def exponent(group: GroupLike, column: Array, basis: Array) -> int:
    """E of [E-TAIL] for a column (n,) of the group, with an orthonormal basis (n, f) of the flat part of X."""
    J = len(group.levels)
    size = np.bincount(group.codes, column**2, J)
    seen = size > 0
    inverse = np.where(seen, 1.0 / np.where(seen, size, 1.0), 0.0)
    means = [np.bincount(group.codes, column * b, J) * inverse for b in basis.T]
    outside = basis - np.array([m[group.codes] * column for m in means]).reshape(basis.T.shape).T
    sines = np.linalg.svd(outside, compute_uv=False) if basis.size else np.zeros(0)
    return int(seen.sum() - np.sum(sines < SMALLEST_ANGLE))
