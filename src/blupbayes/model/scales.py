"""What a prior asks of a design: scales of the defaults, in the units of y and of Z, and the terms of a group."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["DesignLike", "GroupLike", "default_scales", "residual_scale", "term_ranges"]

Array = NDArray[np.float64]


class TermLike(Protocol):
    """One term of a grouping factor: its range of coefficients."""

    @property
    def start(self) -> int: ...
    @property
    def stop(self) -> int: ...
    @property
    def structure(self) -> str: ...


class GroupLike(Protocol):
    """What a grouping factor of a Design offers."""

    @property
    def name(self) -> str: ...
    @property
    def levels(self) -> tuple[str, ...]: ...
    @property
    def codes(self) -> NDArray[np.intp]: ...
    @property
    def columns(self) -> Array: ...
    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def terms(self) -> Sequence[TermLike]: ...


class DesignLike(Protocol):
    """What a Design offers."""

    @property
    def y(self) -> Array: ...
    @property
    def X(self) -> Array: ...
    @property
    def fixed_names(self) -> tuple[str, ...]: ...
    @property
    def groups(self) -> Sequence[GroupLike]: ...
    @property
    def weights(self) -> Array | None: ...
    @property
    def offset(self) -> Array | None: ...
    @property
    def sigma(self) -> float | None: ...


def response_sd(design: DesignLike) -> float:
    """s_y: sample sd of y minus offset; unit of y."""
    y = design.y if design.offset is None else design.y - design.offset
    return float(np.std(y, ddof=1))


def residual_scale(design: DesignLike) -> float:
    """Scale of the default prior of sigma: s_y, times the root of the median weight (sigma is the sd at weight 1)."""
    median = 1.0 if design.weights is None else float(np.median(design.weights))
    return response_sd(design) * math.sqrt(median)


def spread(column: Array) -> float:
    """s_k: sample sd of a column of Z; the absolute value of a constant one; 1 for zeros and ones."""
    values = np.unique(column)
    if np.isin(values, (0.0, 1.0)).all():
        return 1.0
    return float(abs(values[0]) if values.size == 1 else np.std(column, ddof=1))


def default_scales(group: GroupLike, design: DesignLike) -> tuple[float, ...]:
    """Scales (q,) of the default priors of the sds of one group: s_y / s_k."""
    return tuple(response_sd(design) / spread(column) for column in group.columns.T)


def term_ranges(group: GroupLike) -> tuple[tuple[int, int], ...]:
    """Ranges of coefficients with a covariance matrix of their own: terms, or single coefficients of diagonal ones."""
    full = [(t.start, t.stop) for t in group.terms if t.structure == "full"]
    single = [(k, k + 1) for t in group.terms if t.structure != "full" for k in range(t.start, t.stop)]
    return tuple(sorted([*full, *single]))
