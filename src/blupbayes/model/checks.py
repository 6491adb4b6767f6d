"""What data must be before a model is built on them: each check says what to do instead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blupbayes.errors import DataError, FormulaError, IdentifiabilityError
from blupbayes.model.functions import FUNCTIONS
from blupbayes.model.structure import Group

__all__ = [
    "check_counts",
    "check_distinct",
    "check_extra",
    "check_options",
    "check_response",
    "check_weights",
    "constant_text",
    "same_rows_text",
    "vector",
]

Array = NDArray[np.float64]


def vector(value: Any, role: str, n: int, index: pd.Index | None = None) -> Array:
    """The values (n,) of an argument such as weights, as floats.

    Raises
    ------
    DataError
        If they are not n finite-or-missing numbers, or a Series with other row labels than the data.
    """
    if isinstance(value, pd.Series) and index is not None and not value.index.equals(index):
        message = f"the {role} are a Series whose row labels are not those of the data; "
        raise DataError(message + "reindex it, or give its values with .to_numpy()")
    try:
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"the {role} are not numbers: {error}") from error
    if array.shape != (n,):
        message = f"the {role} have shape {array.shape}, the data {n} rows; give one value for each row"
        raise DataError(message + ", dropped rows included")
    if np.isinf(array).any():
        raise DataError(f"the {role} are infinite in {int(np.isinf(array).sum())} rows")
    return array


def check_options(sigma: float | None, missing: str) -> None:
    """Refuse a residual sd that is none, and an unknown way with missing values."""
    if missing not in {"raise", "drop"}:
        raise DataError(f"missing={missing!r} is not known; use 'raise' or 'drop'")
    if sigma is None:
        return
    if not isinstance(sigma, Real) or isinstance(sigma, bool) or not 0 < float(sigma) < np.inf:
        raise DataError(
            f"sigma={sigma!r} is not a residual sd; give a positive number, or leave it out to estimate it"
        )


def check_extra(extra: Mapping[str, Any]) -> None:
    """Refuse names that formulas know already, or that they could not hold."""
    for name in extra:
        if name in FUNCTIONS or name in {"np", "contr"}:
            raise FormulaError(
                f"'{name}' is a function that formulas know already; pass yours under another name"
            )
        if not isinstance(name, str) or not name.isidentifier() or name.startswith("__"):
            raise FormulaError(f"extra name {name!r} cannot stand in a formula; use a plain name")


def check_weights(weights: Array | None) -> None:
    """Refuse weights (n,) that are zero or negative."""
    if weights is not None and (weights <= 0).any():
        count = int((weights <= 0).sum())
        message = (
            f"{count} of {len(weights)} weights are zero or negative, the first in position "
            f"{int((weights <= 0).argmax())}; a weight is 1 / variance, up to a "
        )
        raise DataError(message + "factor. Leave such rows out of the data.")


def check_response(y: Array, name: str, sigma: float | None) -> None:
    """Refuse a response (n,) without rows, or without variation (unless sigma is known)."""
    if not len(y):
        raise DataError("there are no rows")
    if sigma is None and (y == y[0]).all():
        raise DataError(constant_text(name, y[0], len(y)))


def constant_text(name: str, value: float, n: int) -> str:
    """A response that is the same in all n rows."""
    rows = "has one row" if n == 1 else f"is {value:g} in all {n} rows"
    return f"the response '{name}' {rows}: there is nothing to explain. Check the column."


def check_counts(n: int, p: int, groups: Sequence[Any], sigma: float | None) -> None:
    """Refuse more coefficients than n rows can tell apart.

    Raises
    ------
    IdentifiabilityError
        If there are more fixed columns than rows, a grouping factor has one level, or a term has as many
        random coefficients as there are rows (as lme4, unless sigma is known).
    """
    if p > n:
        raise IdentifiabilityError(f"the fixed side has {p} columns, the data {n} rows; leave out terms")
    for group in groups:
        levels = len(group.levels)
        if levels < 2:
            message = f"the grouping factor '{group.name}' has one level, '{group.levels[0]}', "
            raise IdentifiabilityError(message + "so its variance cannot be seen; leave its terms out")
        for term in group.terms if sigma is None else ():
            width = 1 if term.structure == "diagonal" else term.stop - term.start
            if levels * width >= n:
                raise IdentifiabilityError(_too_many(group, group.names[term.start : term.stop], width, n))


def check_distinct(groups: Sequence[Group]) -> None:
    """Refuse two grouping factors that split the rows alike and share a coefficient: only a sum is identified."""
    for k, one in enumerate(groups):
        for other in groups[k + 1 :]:
            pairs = np.unique(one.codes * len(other.levels) + other.codes).size
            shared = [name for name in one.names if name in other.names]
            if pairs == len(one.levels) == len(other.levels) and shared:
                raise IdentifiabilityError(same_rows_text(one.name, other.name, shared[0]))


def same_rows_text(one: str, other: str, shared: str) -> str:
    """Two grouping factors that cannot be told apart, and the coefficient that they share."""
    return (
        f"'{one}' and '{other}' put the same rows together, so only the sum of their variances "
        f"of {shared} can be seen; leave out the terms of one of them"
    )


def _too_many(group: Any, names: Sequence[str], width: int, n: int) -> str:
    if width == 1 and len(group.levels) == n:
        what = (
            f"each level of '{group.name}' has one row, so sd({group.name}) and sd(residual) are confounded"
        )
    else:
        total = len(group.levels) * width
        what = f"({', '.join(names)} | {group.name}) has {total} random coefficients, the data {n} rows, so "
        what += "their variances and that of the residual are confounded"
    return f"{what}. Fix the residual sd (sigma = a number) or leave out terms of '{group.name}'."
