"""The random side from matrices: indicator columns, dense or sparse, or codes with columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blupbayes.errors import DataError
from blupbayes.model.grouping import learn_factor
from blupbayes.model.structure import Part

__all__ = ["matrix", "names_of", "parts_of"]

Array = NDArray[np.float64]


def matrix(value: Any, role: str, n: int) -> Array:
    """A matrix (n, k) as floats, copied; a vector (n,) is one column.

    Raises
    ------
    DataError
        If it has another number of rows, or is not finite.
    """
    value = value.toarray() if hasattr(value, "toarray") else value
    try:
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{role} is not a matrix of numbers: {error}") from error
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or len(array) != n:
        raise DataError(f"{role} has shape {array.shape}, y has {n} rows; give one row for each value of y")
    if not np.isfinite(array).all():
        first = int((~np.isfinite(array)).any(axis=1).argmax())
        count = int((~np.isfinite(array)).sum())
        raise DataError(f"{role} has {count} values that are missing or infinite, the first in row {first}")
    return array


def names_of(value: Any, array: Array, prefix: str) -> tuple[str, ...]:
    """Names of the columns of `array` (n, k): those of a data frame, or Intercept, x1, x2, ..."""
    if isinstance(value, pd.DataFrame):
        return tuple(str(name) for name in value.columns)
    ones = (array == 1).all(axis=0)
    first = int(np.argmax(ones)) if ones.any() else -1
    plain = iter(range(1, array.shape[1] + 1))
    return tuple("Intercept" if k == first else f"{prefix}{next(plain)}" for k in range(array.shape[1]))


def parts_of(Z: Any, n: int, group_name: str) -> list[Part]:
    """Group terms of a random side.

    Parameters
    ----------
    Z : (n, q) matrix, dense or sparse, or dict
        Indicator columns of one group: each row has one entry that is not 0, in the column of its level; an
        entry other than 1 multiplies the level's coefficient. Or ``{name: (codes (n,), columns (n, q))}``,
        one term for each group.
    n : int
        Rows.
    group_name : str
        Name of the group of a matrix.
    """
    if isinstance(Z, Mapping):
        if not Z:
            raise DataError("Z has no group; give {name: (codes, columns)}")
        return [_from_codes(str(name), value, n) for name, value in Z.items()]
    return [_from_indicators(Z, n, group_name)]


def _from_indicators(Z: Any, n: int, name: str) -> Part:
    rows, columns, entries, width = _entries(Z, n)
    counts = np.bincount(rows, minlength=n)
    if (counts != 1).any():
        row = int(np.argmax(counts != 1))
        message = (
            f"row {row} of Z has {counts[row]} entries that are not 0; Z holds the indicator columns of "
        )
        message += "one group, with one entry in each row. Give several groups as {name: (codes, columns)}"
        raise DataError(message)
    codes = np.empty(n, dtype=np.intp)
    codes[rows] = columns
    values = np.empty((n, 1))
    values[rows, 0] = entries
    empty = np.flatnonzero(np.bincount(codes, minlength=width) == 0)
    if len(empty):
        raise DataError(
            f"column {empty[0]} of Z has no row, so the data say nothing about its level; leave it out"
        )
    labels = Z.columns if isinstance(Z, pd.DataFrame) else range(1, width + 1)
    levels = tuple(str(label) for label in labels)
    return Part((name,), _distinct(levels, name), codes, values, names_of(None, values, "z"), "full")


def _entries(Z: Any, n: int) -> tuple[Any, Any, Array, int]:
    """Rows, columns and values of the entries that are not 0, and the number of columns."""
    if hasattr(Z, "tocoo"):
        sparse = Z.tocsr().tocoo()
        shape, kept = sparse.shape, sparse.data != 0
        rows, columns, entries = (
            sparse.row[kept],
            sparse.col[kept],
            np.asarray(sparse.data[kept], dtype=np.float64),
        )
    else:
        dense = matrix(Z, "Z", n)
        shape = dense.shape
        rows, columns = np.nonzero(dense)
        entries = dense[rows, columns]
    if shape[0] != n or not np.isfinite(entries).all():
        raise DataError(f"Z has shape {shape}, y has {n} rows; give a finite row for each value of y")
    return rows, columns, entries, shape[1]


def _from_codes(name: str, value: Any, n: int) -> Part:
    if not isinstance(value, Sequence) or len(value) != 2:
        raise DataError(f"Z['{name}'] is a {type(value).__name__}; give (codes (n,), columns (n, q))")
    codes = value[0].reset_index(drop=True) if isinstance(value[0], pd.Series) else pd.Series(value[0])
    if len(codes) != n or codes.isna().any():
        raise DataError(
            f"Z['{name}'] has {codes.notna().sum()} codes, y has {n} rows; give one code for each row"
        )
    factor, places = learn_factor(codes.rename(name))
    columns = matrix(np.ones(n) if value[1] is None else value[1], f"Z['{name}'] columns", n)
    names = names_of(value[1], columns, "z")
    return Part((name,), factor.labels, places, columns, _distinct(names, name), "full")


def _distinct(names: tuple[str, ...], where: str) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise DataError(f"two columns of '{where}' have the same name; rename them")
    return names
