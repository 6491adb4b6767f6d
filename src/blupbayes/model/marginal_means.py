"""Marginal means of the factors of the fixed side, as combinations of beta [E-MARGINAL].

A level's marginal mean is the mean response with that level, in equal weights over the levels of all other factors,
each column of numbers (`x`, `log(x)`, one column of `poly(x, 3)`) at its mean over the rows, random effects and offset
at 0. A product of two columns of numbers counts as the product of their means.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blupbayes.model.cells import CellColumn, cell_terms
from blupbayes.model.design import Design
from blupbayes.model.names import restored

__all__ = ["FactorMeans", "factor_means"]

Array = NDArray[np.float64]
Covariates = frozenset[str]


@dataclass(frozen=True, eq=False)
class FactorMeans:
    """One factor, its levels (J,) and L (J, p): marginal means L beta; NaN where a covariate has no mean of its own."""

    factor: str
    levels: tuple[str, ...]
    L: Array


def factor_means(design: Design) -> tuple[FactorMeans, ...]:
    """The marginal means of every factor that has columns without numbers, in the order of the formula.

    Parameters
    ----------
    design : Design
        One from arrays has no factors.

    Examples
    --------
    >>> import blupbayes as bb
    >>> from blupbayes.model.design import build
    >>> design = build("score ~ Machine + (1 | Worker)", bb.load_dataset("machines"))
    >>> [(m.factor, m.levels, m.L.tolist()) for m in factor_means(design)]
    [('Machine', ('A', 'B', 'C'), [[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [1.0, 0.0, 1.0]])]
    """
    terms = cell_terms(design)
    if design.encoding is None or any(len(t.columns) < t.stop - t.start for t in terms):
        return ()
    columns = [c for t in terms for c in t.columns]
    factors = dict.fromkeys(f for c in columns if not c.covariates for f in c.codings)
    means = covariate_means(design.measures.X.mean, columns)
    fixed = design.encoding.fixed
    return tuple(
        FactorMeans(restored(f, fixed.aliases), levels(fixed.spec, f), rows(f, columns, means))
        for f in factors
    )


def levels(spec: Any, factor: str) -> tuple[str, ...]:
    """Labels of a factor's levels; booleans have False and True."""
    state = spec.encoder_state.get(factor, (None, {}))[1]
    return tuple(str(x) for x in state.get("categories", (False, True)))


def rows(factor: str, columns: Sequence[CellColumn], means: Mapping[Covariates, float]) -> Array:
    """L (J, p) of one factor."""
    J = next(len(c.codings[factor]) for c in columns if factor in c.codings)
    L = np.empty((J, len(columns)))
    for k, c in enumerate(columns):
        other = float(np.prod([coding.mean() for f, coding in c.codings.items() if f != factor]))
        L[:, k] = c.scale * means[c.covariates] * other * c.codings.get(factor, np.ones(J))
    return L


def covariate_means(means: Array, columns: Sequence[CellColumn]) -> dict[Covariates, float]:
    """The mean of every product of numbers that occurs: the product of means, where each of them is known.

    ``means`` (p,): of the columns of X.
    """
    sets = dict.fromkeys(c.covariates for c in columns)
    own = {name: own_mean(means, columns, frozenset([name])) for name in frozenset().union(*sets)}
    out = {}
    for wanted in sets:
        single = [own[name] for name in wanted]
        whole = float(np.prod(single))
        out[wanted] = own_mean(means, columns, wanted) if np.isnan(whole) else whole
    return out


def own_mean(means: Array, columns: Sequence[CellColumn], wanted: Covariates) -> float:
    """Mean over the rows of a product of numbers, from the columns that are it times codings of factors.

    NaN if no combination of the codings is one on every cell.
    """
    place = [k for k, c in enumerate(columns) if c.covariates == wanted]
    found = [columns[k] for k in place]
    if not found:
        return np.nan
    sizes = {f: len(coding) for c in found for f, coding in c.codings.items()}
    on_cells = np.column_stack([values(c, sizes) for c in found])
    a = np.linalg.lstsq(on_cells, np.ones(len(on_cells)))[0]
    if not np.allclose(on_cells @ a, 1.0, rtol=0, atol=1e-9):
        return np.nan
    return float(means[place] @ a)


def values(column: CellColumn, sizes: Mapping[str, int]) -> Array:
    """What stands beside the numbers in a column, on every cell of some factors."""
    codings = [column.codings.get(f, np.ones(J)) for f, J in sizes.items()]
    return column.scale * np.array([np.prod(cell) for cell in itertools.product(*codings)])
