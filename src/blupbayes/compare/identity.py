"""One equality: two sides, what their difference may be, and a row that shows where it is largest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blupbayes.compare.statements import STATEMENTS
from blupbayes.errors import ComparisonError

__all__ = ["ESTIMATE", "ROUNDING", "Identity", "judged", "rounding", "tabulate"]

Array = NDArray[np.float64]

ROUNDING = 1e-8  # half of the digits: rounding is far below, a wrong formula far above
PER_CONDITION = 2e-14  # 100 units of rounding for every unit of the condition number of V
WORST = 1e-4  # beyond, V in double precision judges nothing
ESTIMATE = 1e-4  # of a standard error: as well as an estimate is known to have converged


@dataclass(frozen=True, eq=False)
class Identity:
    """An equality of two arrays, computed on different routes.

    Parameters
    ----------
    name : str
        As in statements.py.
    left, right, scale : array (k,)
        It holds where |left - right| <= tolerance times scale.
    tolerance : float
    labels : sequence of str
        What each entry is (k,).
    about : mapping
        What the statement leaves open.
    mark : str
        Added to the name, where it is checked more than once.
    at_most : bool
        left <= right is enough.
    """

    name: str
    left: Array
    right: Array
    scale: Array
    tolerance: float
    labels: Sequence[str]
    about: Mapping[str, object] = field(default_factory=dict)
    mark: str = ""
    at_most: bool = False

    @property
    def difference(self) -> Array:
        """left - right (k,); for an inequality 0 where it holds."""
        with np.errstate(invalid="ignore"):
            found = self.left - self.right
        return np.maximum(found, 0.0) if self.at_most else found

    @property
    def misses(self) -> Array:
        """|difference| over scale (k,), infinite where either is no number."""
        found = np.abs(self.difference)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(found == 0.0, 0.0, found / self.scale)
        return np.where(np.isnan(ratio), np.inf, ratio)

    def row(self) -> dict[str, object]:
        """The entry that misses most."""
        k = int(np.argmax(self.misses))
        tag, statement = STATEMENTS[self.name]
        return {
            "identity": self.name + self.mark,
            "left": float(self.left[k]),
            "right": float(self.right[k]),
            "difference": float(self.difference[k]),
            "holds": bool(self.misses[k] <= self.tolerance),
            "where": self.labels[k],
            "scale": float(self.scale[k]),
            "tolerance": self.tolerance,
            "tag": tag,
            "statement": statement.format(**self.about),
        }


def tabulate(identities: Iterable[Identity]) -> pd.DataFrame:
    """A row per identity that has anything to compare, its entries checked all, the worst one shown."""
    rows = [one.row() for one in identities if len(one.left)]
    return pd.DataFrame(rows).set_index("identity")


def rounding(condition: float) -> float:
    """What both sides may differ by, relative to the size of their block, where V has this condition number.

    Raises
    ------
    ComparisonError
        If V has too large a one for double precision.
    """
    if not judged(condition):
        raise ComparisonError(
            f"identities: at these variances the covariance matrix V of the response has a condition number of about "
            f"{condition:.0e}, and formulas with V itself judge nothing in double precision. Give variances with a "
            "larger residual sd, or scale the columns left of the bars."
        )
    return max(ROUNDING, PER_CONDITION * condition)


def judged(condition: float) -> bool:
    """Whether double precision has digits left where V has this condition number."""
    return PER_CONDITION * condition <= WORST
