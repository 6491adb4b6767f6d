"""A design on some of its rows: whole groups of it, where all are too many."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from blupbayes.model.design import Design
from blupbayes.model.structure import Group

__all__ = ["rows_of_design", "whole_groups"]

Index = NDArray[np.intp]

ENOUGH = 5  # levels that a subsample should have


def whole_groups(design: Design, most: int, seed: int = 0) -> tuple[Index, str]:
    """Rows of whole levels, at most ``most`` of them, and a sentence that says which.

    Levels are drawn, from the coarsest grouping factor that gives five or more of them, and kept while they fit; where
    no level fits, rows are drawn instead.

    Parameters
    ----------
    design : Design
    most : int
        Rows.
    seed : int
        Of the draw.
    """
    best: tuple[Index, Group | None] = (np.empty(0, dtype=np.intp), None)
    for g in sorted(design.groups, key=lambda g: len(g.levels)):
        levels = drawn(g, most, seed)
        if len(levels) > len(best[0]):
            best = levels, g
        if len(levels) >= ENOUGH:
            break
    levels, group = best
    if group is None:
        rows = np.random.default_rng(seed).choice(design.n_obs, most, replace=False)
        return np.sort(
            rows
        ), f"{most} of {design.n_obs} rows, drawn with seed {seed}: no level of a group is smaller."
    rows = np.flatnonzero(np.isin(group.codes, levels))
    what = f"{len(levels)} of {len(group.levels)} levels of {group.name}, drawn with seed {seed}"
    return rows, f"{what}: {len(rows)} of {design.n_obs} rows, at the variances of all of them."


def drawn(group: Group, most: int, seed: int) -> Index:
    """Levels in random order, each kept if it still fits; levels without rows are left out."""
    sizes = np.bincount(group.codes, minlength=len(group.levels))
    kept, total = [], 0
    for level in np.random.default_rng(seed).permutation(len(sizes)):
        if 0 < sizes[level] <= most - total:
            kept.append(level)
            total += sizes[level]
    return np.array(kept, dtype=np.intp)


def rows_of_design(design: Design, rows: Index) -> Design:
    """The same model on some rows, levels without rows left out; its hash stays that of all rows."""

    def part(x: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
        return None if x is None else x[rows]

    return replace(
        design,
        y=design.y[rows],
        X=design.X[rows],
        groups=tuple(some(g, rows) for g in design.groups),
        weights=part(design.weights),
        offset=part(design.offset),
        rows=design.rows[rows],
    )


def some(group: Group, rows: Index) -> Group:
    """A grouping factor on some rows."""
    present, codes = np.unique(group.codes[rows], return_inverse=True)
    levels = tuple(group.levels[j] for j in present)
    return replace(group, levels=levels, codes=codes.astype(np.intp), columns=group.columns[rows])
