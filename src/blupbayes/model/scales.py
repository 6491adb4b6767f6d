"""What a prior asks of a design: scales of the defaults, in the units of y and of Z, and the terms of a group."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

from blupbayes.model.measures import Measures

__all__ = ["DesignLike", "GroupLike", "default_scales", "residual_scale", "term_ranges"]


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
    def names(self) -> tuple[str, ...]: ...
    @property
    def terms(self) -> Sequence[TermLike]: ...


class DesignLike(Protocol):
    """What a Design offers, with its rows or without."""

    @property
    def measures(self) -> Measures: ...
    @property
    def fixed_names(self) -> tuple[str, ...]: ...
    @property
    def groups(self) -> Sequence[GroupLike]: ...
    @property
    def has_weights(self) -> bool: ...
    @property
    def sigma(self) -> float | None: ...


def residual_scale(design: DesignLike, stated: bool = False) -> float:
    """Scale of the default prior of sigma: s_y, times the root of the median weight (sigma is the sd at weight 1).

    Where the prior is ``stated`` it is a scale to start from only, and the mean weight will do.
    """
    m = design.measures
    return m.response_sd * math.sqrt(m.typical_weight if stated else m.median_weight())


def default_scales(design: DesignLike, group: int) -> tuple[float, ...]:
    """Scales (q,) of the default priors of the sds of one group, by its place: s_y / s_k."""
    measures = design.measures
    return tuple((measures.response_sd / measures.spreads(group)).tolist())


def term_ranges(group: GroupLike) -> tuple[tuple[int, int], ...]:
    """Ranges of coefficients with a covariance matrix of their own: terms, or single coefficients of diagonal ones."""
    full = [(t.start, t.stop) for t in group.terms if t.structure == "full"]
    single = [(k, k + 1) for t in group.terms if t.structure != "full" for k in range(t.start, t.stop)]
    return tuple(sorted([*full, *single]))
