"""What priors, tables and checks ask of the rows of a design, besides the statistics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["ColumnMoments"]

Array = NDArray[np.float64]


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
        x = np.asarray(columns, float)
        x = x[:, None] if x.ndim == 1 else x
        n, m = x.shape
        mean = x.mean(axis=0) if n else np.zeros(m)
        away = x - mean
        shift = away.mean(axis=0) if n else np.zeros(m)
        m2 = np.einsum("im,im->m", away, away) - n * shift**2
        low, high = x.min(axis=0, initial=np.inf), x.max(axis=0, initial=-np.inf)
        return cls(n, mean + shift, np.maximum(m2, 0.0), low, high, ((x == 0.0) | (x == 1.0)).all(axis=0))

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
