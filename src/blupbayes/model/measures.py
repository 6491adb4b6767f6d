"""What priors, tables and checks ask of the rows of a design, besides the statistics; with and without the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from blupbayes.errors import RowsNotKeptError

__all__ = ["ColumnMoments", "GroupMeasures", "Measures", "Tail", "Tails", "check_rows"]

Array = NDArray[np.float64]
Index = NDArray[np.intp]


def is_binary(column: Array) -> bool:
    """Whether a column (n,) holds only zeros and ones."""
    return bool(((column == 0.0) | (column == 1.0)).all())


@dataclass(frozen=True, eq=False)
class ColumnMoments:
    """Mean, spread and range of m columns, which two parts of the rows can bring together.

    Parameters
    ----------
    n : int
        Number of rows.
    mean, m2 : ndarray of float
        (m,) means, and sums of squared deviations from them.
    low, high : ndarray of float
        (m,) smallest and largest values; inf and -inf without rows.
    binary : ndarray of bool
        (m,) whether a column holds only zeros and ones.

    Examples
    --------
    >>> first, second = ColumnMoments.of([[1.0], [2.0]]), ColumnMoments.of([[6.0]])
    >>> first.merged(second).mean, first.merged(second).sd()
    (array([3.]), array([2.64575131]))
    """

    n: int
    mean: Array
    m2: Array
    low: Array
    high: Array
    binary: NDArray[np.bool_]

    @classmethod
    def of(cls, columns: Array) -> ColumnMoments:
        """The moments of columns (n, m); a column alone may be (n,)."""
        x = np.atleast_2d(
            np.ascontiguousarray(np.asarray(columns, float).T)
        )  # (m, n): each column in one piece
        m, n = x.shape
        mean = x.mean(axis=1) if n else np.zeros(m)
        away = x - mean[:, None]
        shift = away.mean(axis=1) if n else np.zeros(m)
        m2 = np.array([a @ a for a in away]).reshape(m) - n * shift**2
        low, high = x.min(axis=1, initial=np.inf), x.max(axis=1, initial=-np.inf)
        binary = np.array(
            [lo >= 0 and hi <= 1 and is_binary(c) for c, lo, hi in zip(x, low, high, strict=True)], bool
        )
        return cls(n, mean + shift, np.maximum(m2, 0.0), low, high, binary)

    def merged(self, other: ColumnMoments) -> ColumnMoments:
        """The moments of both parts together, by Chan, Golub and LeVeque's update (1983, Am. Stat. 37, 242)."""
        n = self.n + other.n
        share = other.n / max(n, 1)
        apart = other.mean - self.mean
        return ColumnMoments(
            n,
            self.mean + share * apart,
            self.m2 + other.m2 + share * self.n * apart**2,
            np.minimum(self.low, other.low),
            np.maximum(self.high, other.high),
            self.binary & other.binary,
        )

    def sd(self, ddof: int = 1) -> Array:
        """Standard deviations (m,); exactly zero for a constant column."""
        sd = np.sqrt(self.m2 / max(self.n - ddof, 1))
        return np.where(self.constant, 0.0, sd)

    @property
    def constant(self) -> NDArray[np.bool_]:
        """Which columns (m,) have one value."""
        return np.asarray(self.low == self.high)

    @property
    def norms(self) -> Array:
        """Euclidean norms (m,) of the columns."""
        return np.asarray(np.sqrt(self.m2 + self.n * self.mean**2))


class GroupMeasures:
    """What is read of one grouping factor: its columns of Z (q), and by level (J,) the rows and sums of y - offset."""

    columns: ColumnMoments
    counts: Index
    sums: Array

    @property
    def means(self) -> Array:
        """Means (J,) of y - offset."""
        return np.asarray(self.sums / np.maximum(self.counts, 1))


class Tail(Protocol):
    """The flat part of X beside the random effects [E-TAIL]."""

    @property
    def rank(self) -> int: ...
    def exponent(self, group: int, combination: Array) -> int: ...


class Tails(Protocol):
    """What decides whether a posterior exists: ranks, and angles between spans."""

    @property
    def root(self) -> Array: ...
    @property
    def saturated(self) -> bool: ...
    @property
    def statistics(self) -> Any: ...
    def beside(self, flat: Array) -> Tail: ...


class Measures:
    """What is read from the measures of a design, whether they were stored or are made from its rows."""

    y: ColumnMoments
    response: ColumnMoments  # y - offset
    X: ColumnMoments
    groups: Sequence[GroupMeasures]
    weights: ColumnMoments | None
    offset: ColumnMoments | None
    tails: Tails
    has_rows: ClassVar[bool]  # whether the rows are kept

    @property
    def statistics(self) -> Any:
        """The statistics that were stored with them; None where the rows are kept."""
        return None

    @property
    def n_obs(self) -> int:
        """Rows."""
        return self.y.n

    @property
    def response_sd(self) -> float:
        """s_y: sample sd of y minus offset; unit of y."""
        return float(self.response.sd()[0])

    def spreads(self, group: int) -> Array:
        """s_k (q,) of the columns of Z of one group: 1 for zeros and ones, |value| of a constant, else sample sds."""
        c = self.groups[group].columns
        return np.where(c.binary, 1.0, np.where(c.constant, np.abs(c.low), c.sd()))

    def combination(self, group: int, start: int, stop: int) -> Array:
        """Weights (q,) of a general combination of the columns start..stop-1 of one group."""
        norms, out = self.groups[group].columns.norms, np.zeros(len(self.groups[group].columns.mean))
        norms = np.where(norms > 0, norms, 1.0)
        out[start:stop] = np.sqrt(np.arange(1.0, stop - start + 1)) / norms[start:stop]
        return out

    @property
    def mean_offset(self) -> float:
        """Mean over the rows; 0 without an offset."""
        return 0.0 if self.offset is None else float(self.offset.mean[0])

    @property
    def typical_weight(self) -> float:
        """The median weight where it is known, else the mean: where a sampler may start."""
        raise NotImplementedError

    def median_weight(self) -> float:
        """Over the rows; 1 without weights."""
        raise NotImplementedError

    def robust(self) -> tuple[float, float]:
        """Median of y, and median absolute deviation from it."""
        raise NotImplementedError


class Measured(Protocol):
    """What a Design offers, with its rows or without."""

    @property
    def measures(self) -> Measures: ...


def check_rows(design: Measured, hint: str = "") -> None:
    """RowsNotKeptError, before any work is done, if a design keeps no rows; ``hint``: what else can be done."""
    if not design.measures.has_rows:
        raise RowsNotKeptError(*([f"{RowsNotKeptError()}. {hint}"] if hint else []))
