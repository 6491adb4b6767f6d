"""Different values with their numbers, in order of first appearance: cheap to extend, batch after batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["Codebook", "distinct"]

Codes = NDArray[np.intp]


class Codebook:
    """Values and their numbers 0, 1, ...; a number never changes.

    The values lie in runs, each at least twice as long as the next, so that a value is looked up in few of them and
    hashed again only when its run has doubled.
    """

    def __init__(self) -> None:
        self.runs: list[pd.Index[Any]] = []

    def __len__(self) -> int:
        return sum(map(len, self.runs))

    @property
    def values(self) -> pd.Index[Any]:
        """All values, by number."""
        return _joined(self.runs) if self.runs else pd.Index([], dtype=object)

    def encode(self, values: pd.Index[Any]) -> Codes:
        """The numbers (m,) of values; those that are new are taken in."""
        codes = np.full(len(values), -1, dtype=np.intp)
        open_, start = np.arange(len(values)), 0
        for run in self.runs:
            places = run.get_indexer(values[open_])
            codes[open_[places >= 0]] = places[places >= 0] + start
            open_, start = open_[places < 0], start + len(run)
        if len(open_):
            places, new = pd.factorize(values[open_])
            codes[open_] = start + places
            self._take(pd.Index(new, dtype=values.dtype))
        return codes

    def _take(self, new: pd.Index[Any]) -> None:
        self.runs.append(new)
        while len(self.runs) > 1 and len(self.runs[-2]) < 2 * len(self.runs[-1]):
            last = self.runs.pop()
            self.runs[-1] = _joined([self.runs[-1], last])


def _joined(runs: list[pd.Index[Any]]) -> pd.Index[Any]:
    """One after the other; Python strings stay the same objects, which `append` would copy into a text type."""
    together: pd.Index[Any]
    if all(run.dtype == object for run in runs):
        together = pd.Index(np.concatenate([run.to_numpy() for run in runs]), dtype=object)
    else:
        together = runs[0].append(runs[1:])
    return together


def distinct(series: pd.Series[Any]) -> tuple[Codes | slice, pd.Index[Any]]:
    """Values, and the place of each row's value (n,) among them: text once each as Python strings, numbers as given."""
    if isinstance(series.dtype, np.dtype) and series.dtype.kind in "if":
        return slice(None), pd.Index(series)
    if isinstance(series.dtype, pd.CategoricalDtype):
        codes, used = pd.factorize(series.cat.codes.to_numpy())
        values = series.cat.categories[used]
    else:
        codes, uniques = pd.factorize(series)
        values = pd.Index(uniques)
    if pd.api.types.is_string_dtype(values.dtype):
        values = pd.Index(values.to_numpy(dtype=object), dtype=object)
    return np.asarray(codes, dtype=np.intp), values
