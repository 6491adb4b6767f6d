"""Models with some entries of theta held at zero: coefficients left out, or without correlation.

Which entries are free must again be a covariance structure: within a block of coefficients that share a covariance
all of T, and nothing of a coefficient that is left out. Its columns of Z are then left out too, so that whatever is
estimated under the restriction is estimated in a model of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from blupbayes.errors import DataError
from blupbayes.mme.boundary import components
from blupbayes.mme.layout import Span
from blupbayes.mme.problems import Problems
from blupbayes.mme.statistics import GroupStatistics
from blupbayes.model.covariance import Template

__all__ = ["Restriction", "restrict", "restricted"]

Array = NDArray[np.float64]
Index = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Restriction:
    """What is left of a model.

    ``groups``: the grouping factors with a coefficient left; ``kept``: for each grouping factor of the whole model,
    its coefficients that are left; ``free`` (m0,): their entries' places in the theta of the whole model, of
    length ``n_theta``.
    """

    groups: tuple[GroupStatistics, ...]
    kept: tuple[tuple[int, ...], ...]
    free: Index
    n_theta: int

    def expanded(self, theta: Array) -> Array:
        """theta (n, m) of the whole model from that of the restricted one (n, m0)."""
        out = np.zeros((len(theta), self.n_theta))
        out[:, self.free] = theta
        return out


def restrict(groups: Sequence[GroupStatistics], held: NDArray[np.bool_]) -> Restriction:
    """The model whose entries of theta ``held`` (m,), a mask, are zero.

    Raises
    ------
    DataError
        If the mask has another length, holds nothing, or does not leave a covariance structure.
    """
    m = sum(len(g.template.index) for g in groups)
    mask: NDArray[np.bool_] = np.asarray(held)
    if mask.dtype != bool or mask.shape != (m,):
        raise DataError(f"held must be a boolean mask of the {m} entries of theta; it is {held!r}.")
    if not mask.any():
        raise DataError(
            "held is False everywhere, so nothing would be held at zero: mark at least one entry."
        )
    free = np.flatnonzero(np.logical_not(mask))
    place = {int(i): k for k, i in enumerate(free)}
    found = [without(g, place) for g in groups]
    kept = tuple(kept for _, kept in found)
    return Restriction(tuple(g for g, kept in found if kept), kept, free, m)


def without(g: GroupStatistics, place: dict[int, int]) -> tuple[GroupStatistics, tuple[int, ...]]:
    """One grouping factor with the free entries of its theta, and the coefficients that are left."""
    t = g.template
    entries = [(r, c, place[i]) for r, c, i in zip(t.rows, t.cols, t.index, strict=True) if i in place]
    kept = tuple(k for k in range(t.size) if any(r == c == k for r, c, _ in entries))
    check(g, {(r, c) for r, c, _ in entries}, kept)
    new = {k: position for position, k in enumerate(kept)}
    rows, cols, index = (tuple(x) for x in zip(*entries, strict=True)) if entries else ((), (), ())
    template = Template(len(kept), tuple(new[r] for r in rows), tuple(new[c] for c in cols), index)
    names, scale = tuple(g.names[k] for k in kept), g.scale[list(kept)]
    return replace(g, names=names, template=template, scale=scale), kept


def check(g: GroupStatistics, free: set[tuple[int, int]], kept: tuple[int, ...]) -> None:
    """Refuse zeros that are not a covariance structure."""
    rows, cols = tuple(r for r, _ in free), tuple(c for _, c in free)
    blocks = [[k for k in block if k in kept] for block in components(rows, cols, g.template.size)]
    if free != {(r, c) for block in blocks for c in block for r in block if r >= c}:
        raise DataError(
            f"held: what it leaves of the covariance factor of {g.name} is no covariance structure. Hold all entries "
            "of a coefficient (leave it out), or all that join two sets of coefficients."
        )


def restricted(problems: Problems, restriction: Restriction) -> Problems:
    """The same responses in the restricted model."""
    sizes = [len(g.levels) for g in problems.statistics.groups]
    before = np.cumsum(
        [0, *(J * len(g.names) for J, g in zip(sizes, problems.statistics.groups, strict=True))]
    )
    after = np.cumsum([0, *(J * len(kept) for J, kept in zip(sizes, restriction.kept, strict=True))])
    left = [k for k, kept in enumerate(restriction.kept) if kept]
    C, start = len(problems.columns), 0
    spans, chosen, columns = [], [np.zeros(0, dtype=np.intp)], [np.zeros((C, 0), dtype=np.intp)]
    for s in problems.spans:
        kept = np.array(restriction.kept[s.group], dtype=np.intp)
        if len(kept):
            chosen.append((np.arange(s.start, s.start + s.J * s.q, s.q)[:, None] + kept).ravel())
            old = problems.columns[:, chosen[-1]]
            level, own = (old - before[s.group]) // s.q, np.tile(np.arange(len(kept)), s.J)
            columns.append(np.where(old < 0, -1, after[s.group] + level * len(kept) + own))
            spans.append(Span(left.index(s.group), start, s.J, len(kept)))
            start += s.J * len(kept)
    return replace(
        problems, statistics=replace(problems.statistics, groups=restriction.groups), spans=tuple(spans),
        columns=np.concatenate(columns, axis=1), root=problems.root[..., np.concatenate(chosen)],
    )  # fmt: skip
