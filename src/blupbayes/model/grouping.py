"""Levels of grouping factors: what they are, in which order, and which row belongs to which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blupbayes.errors import DataError

__all__ = ["Factor", "Grouping", "combination", "combined", "learn_factor", "learn_grouping"]

Codes = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Factor:
    """Levels of one grouping column.

    Parameters
    ----------
    name : str
        The column.
    values : pandas.Index
        Its levels (J,), as they are in the data.
    labels : tuple of str
        The same as text.
    """

    name: str
    values: pd.Index[Any]
    labels: tuple[str, ...]

    @classmethod
    def of(cls, name: str, values: pd.Index[Any]) -> Factor:
        """The levels of a column from their values, in their order."""
        labels = tuple(str(value) for value in values.tolist())
        if len(set(labels)) < len(labels):
            raise DataError(f"two levels of '{name}' have the same text (such as 1 and '1'); rename them")
        return cls(name, values, labels)

    def encode(self, series: pd.Series[Any]) -> Codes:
        """Place of each row's level among the levels (m,), -1 if it is not one of them.

        A level is found by its value, or else by its label: 308 and "308" are the same subject.
        """
        if series.dtype in (np.int64, np.float64) and pd.api.types.is_numeric_dtype(self.values.dtype):
            places = np.asarray(self.values.get_indexer(pd.Index(series)), dtype=np.intp)
            if (places >= 0).all():
                return places
        new, uniques = pd.factorize(_plain(series))
        uniques = pd.Index(uniques)
        if not len(uniques):
            return np.zeros(0, dtype=np.intp)
        places = np.asarray(self.values.get_indexer(uniques), dtype=np.intp)
        unknown = np.flatnonzero(places < 0)
        by_label = {label: j for j, label in enumerate(self.labels)} if len(unknown) else {}
        for k in unknown:
            places[k] = by_label.get(str(uniques[k]), -1)
        return places[new]


def _plain(series: pd.Series[Any]) -> pd.Series[Any]:
    """A categorical column as its values."""
    if isinstance(series.dtype, pd.CategoricalDtype):
        return series.astype(series.cat.categories.dtype)
    return series


def learn_factor(series: pd.Series[Any]) -> tuple[Factor, Codes]:
    """The levels of a column without missing values, and the code (n,) of each row.

    Levels keep the order of the categories, if the column has categories, and are sorted by value
    otherwise (numbers as numbers); levels without rows are left out.
    """
    name = str(series.name)
    if isinstance(series.dtype, pd.CategoricalDtype):
        codes, values = series.cat.codes.to_numpy(), series.cat.categories
        present = np.bincount(codes, minlength=len(values)) > 0
        codes, values = (np.cumsum(present) - 1)[codes], values[present]
    else:
        codes, uniques = pd.factorize(series, sort=True)
        values = pd.Index(uniques)
    return Factor.of(name, values), codes.astype(np.intp)


@dataclass(frozen=True, eq=False)
class Grouping:
    """A grouping factor: one column, or the interaction of several.

    Parameters
    ----------
    name : str
        ``"a"`` or ``"a:b"``.
    factors : tuple of Factor
        The columns.
    present : ndarray of int
        For each level (J,) its number among all combinations of levels, increasing.
    labels : tuple of str
        Levels, ``"A:1"`` for an interaction.
    """

    name: str
    factors: tuple[Factor, ...]
    present: NDArray[np.int64]
    labels: tuple[str, ...]

    def encode(self, frame: pd.DataFrame, columns: Sequence[str]) -> tuple[Codes, tuple[str, ...]]:
        """Codes (m,) of new rows, -1 for unknown levels, and these levels in order of appearance."""
        parts = [factor.encode(frame[column]) for factor, column in zip(self.factors, columns, strict=True)]
        if len(parts) == 1:
            return parts[0], _unknown(frame, columns, parts[0])
        known = np.all([part >= 0 for part in parts], axis=0)
        numbers = combination([len(factor.labels) for factor in self.factors], parts)
        places = np.minimum(np.searchsorted(self.present, numbers), len(self.present) - 1)
        codes = np.where(known & (self.present[places] == numbers), places, -1).astype(np.intp)
        return codes, _unknown(frame, columns, codes)


def _unknown(frame: pd.DataFrame, columns: Sequence[str], codes: Codes) -> tuple[str, ...]:
    """Levels of the rows whose code is -1, in order of appearance."""
    if not (codes < 0).any():
        return ()
    new = frame.loc[codes < 0, list(columns)].drop_duplicates()
    return tuple(":".join(map(str, row)) for row in new.itertuples(index=False, name=None))


def learn_grouping(
    names: Sequence[str], learned: Mapping[str, tuple[Factor, Codes]]
) -> tuple[Grouping, Codes]:
    """The levels of an interaction of columns, and the code (n,) of each row.

    Parameters
    ----------
    names : sequence of str
        The columns; their levels vary fastest in the last one.
    learned : mapping
        What `learn_factor` gave for each of them.
    """
    factors = tuple(learned[name][0] for name in names)
    if len(factors) == 1:
        return combined(factors), learned[names[0]][1]
    numbers = combination([len(factor.labels) for factor in factors], [learned[name][1] for name in names])
    codes, present = pd.factorize(numbers, sort=True)
    return combined(factors, np.asarray(present, dtype=np.int64)), codes.astype(np.intp)


def combination(sizes: Sequence[int], codes: Sequence[Codes]) -> NDArray[np.int64]:
    """The number (n,) of each combination of levels among all; it varies fastest in the last factor."""
    numbers = np.zeros(len(codes[0]), dtype=np.int64)
    for size, part in zip(sizes, codes, strict=True):
        numbers = numbers * size + part
    return numbers


def combined(factors: tuple[Factor, ...], present: NDArray[np.int64] | None = None) -> Grouping:
    """The levels of one column, or of an interaction of several.

    Parameters
    ----------
    factors : tuple of Factor
        The columns.
    present : ndarray of int, optional
        The numbers of the combinations that occur (J,), increasing; not needed for one column.
    """
    name = ":".join(factor.name for factor in factors)
    if len(factors) == 1 or present is None:
        return Grouping(name, factors, np.arange(len(factors[0].labels)), factors[0].labels)
    size = 1
    for factor in factors:
        size *= len(factor.labels)
    if size >= 2**62:
        raise DataError(f"'{name}' has too many combinations of levels; make one column of it in the data")
    labels = _labels(factors, present)
    if len(set(labels)) < len(labels):
        raise DataError(
            f"two levels of '{name}' have the same text; take the ':' out of the levels of its columns"
        )
    return Grouping(name, factors, present, labels)


def _labels(factors: Sequence[Factor], present: NDArray[np.int64]) -> tuple[str, ...]:
    shape = tuple(len(factor.labels) for factor in factors)
    places = np.unravel_index(present, shape)
    columns = [np.array(factor.labels, dtype=object)[k] for factor, k in zip(factors, places, strict=True)]
    return tuple(":".join(row) for row in zip(*columns, strict=True))
