"""A fingerprint of rows that does not depend on their order, nor on the batches they came in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["fingerprint", "marks"]

Marks = NDArray[np.uint64]

FACTOR = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio
SHIFT = np.uint64(32)


def marks(values: pd.Index[Any] | pd.Series[Any]) -> Marks:
    """A number (n,) for each value: equal numbers have equal ones, whatever their type."""
    if pd.api.types.is_numeric_dtype(values.dtype):
        return (values.to_numpy(dtype=np.float64) + 0.0).view(np.uint64)
    return pd.util.hash_array(np.array([str(value) for value in values], dtype=object), categorize=False)


def fingerprint(columns: Iterable[Marks], n: int) -> int:
    """The sum over n rows of a mixture of the marks (n,) of their columns, modulo 2^64."""
    mixed = np.full(n, FACTOR, dtype=np.uint64)
    for column in columns:
        mixed = (mixed ^ column) * FACTOR
        mixed ^= mixed >> SHIFT
    return int((mixed * FACTOR).sum(dtype=np.uint64))
