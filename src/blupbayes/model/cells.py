"""What each column of X is on the cells of its factors: covariates times a coding of levels.

Every column that formulaic makes is a product: of columns of numbers (`x`, or one column of `poly(x, 3)`), and of one
column of the coding of each factor, a function on its levels. Columns with the same covariates add up to one function
on the grid of all levels; hypotheses about factors are statements about these functions (`hypotheses.py`).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blupbayes.model.columns import Columns
from blupbayes.model.design import Design
from blupbayes.model.names import restored

__all__ = ["CellColumn", "CellTerm", "Margin", "cell_terms"]

Array = NDArray[np.float64]
Choice = str | tuple[str, Array]  # a covariate, or a factor and its value at each level


@dataclass(frozen=True, eq=False)
class CellColumn:
    """One column of X.

    Parameters
    ----------
    covariates : frozenset of str
        The columns of numbers in the product.
    codings : dict
        For each factor in the product its value (J,) at each level.
    scale : float
        A number in the product, usually 1.
    """

    covariates: frozenset[str]
    codings: Mapping[str, Array]
    scale: float


@dataclass(frozen=True)
class Margin:
    """Functions on the cells of some factors that sum to zero over each of them, times covariates."""

    covariates: frozenset[str]
    factors: frozenset[str]


@dataclass(frozen=True, eq=False)
class CellTerm:
    """One term of a formula.

    Parameters
    ----------
    name : str
        As the user wrote it; "1" for the intercept.
    columns : tuple of CellColumn
        Its columns, in the order of X; empty if they could not be told apart.
    start, stop : int
        Where they stand in X.
    margins : tuple of Margin
        What it adds to the terms before it: `b` in ``a + a:b`` belongs to ``a:b``.
    """

    name: str
    columns: tuple[CellColumn, ...]
    start: int
    stop: int
    margins: tuple[Margin, ...]


def cell_terms(design: Design) -> tuple[CellTerm, ...]:
    """The terms of the fixed side, the intercept (of no covariates and no factors) among them.

    A column of the data that holds booleans counts as a factor with the levels False and True, as in R. In a design
    from arrays each column is a term, and columns that are constant are intercepts.
    """
    if design.encoding is None:
        X = design.measures.X
        constants = zip(design.fixed_names, (X.constant & (X.low != 0)).tolist(), strict=True)
        return tuple(_term_of_array(k, name, one) for k, (name, one) in enumerate(constants))
    fixed = design.encoding.fixed
    if fixed.spec is None:
        return (_intercept("1", 0),)
    dtypes = {name: design.encoding.dtypes[column] for name, column in fixed.sources.items()}
    booleans = frozenset(name for name, dtype in dtypes.items() if dtype == np.bool_)
    return tuple(_terms(fixed, booleans))


def _intercept(name: str, k: int) -> CellTerm:
    nothing: frozenset[str] = frozenset()
    return CellTerm(name, (CellColumn(nothing, {}, 1.0),), k, k + 1, (Margin(nothing, nothing),))


def _term_of_array(k: int, name: str, is_intercept: bool) -> CellTerm:
    if is_intercept:
        return _intercept(name, k)
    own = frozenset([name])
    return CellTerm(name, (CellColumn(own, {}, 1.0),), k, k + 1, (Margin(own, frozenset()),))


def _terms(fixed: Columns, booleans: frozenset[str]) -> Iterator[CellTerm]:
    """formulaic's terms in its order; a margin belongs to the first term that spans it."""
    spanned: set[Margin] = set()
    start = 0
    for term, scoped_terms, names in fixed.spec.structure:
        stop = start + len(names)
        columns: list[CellColumn] = []
        own: dict[Margin, None] = {}
        for scoped in scoped_terms:
            choices = [_choices(factor, names, fixed.spec, booleans) for factor in scoped.factors]
            columns += _columns(choices, float(scoped.scale))
            own |= dict.fromkeys(margin for margin in _margins(scoped, choices) if margin not in spanned)
        spanned.update(own)
        found = tuple(columns) if len(columns) == len(names) else ()
        yield CellTerm(restored(str(term), fixed.aliases), found, start, stop, tuple(own))
        start = stop


def _choices(factor: Any, names: Sequence[str], spec: Any, booleans: frozenset[str]) -> list[Choice]:
    """What one factor of formulaic's gives to a product: covariates by name, or columns of a coding."""
    expr = factor.factor.expr
    state = spec.encoder_state.get(expr, (None, {}))[1]
    if "contrasts" in state:
        return [(expr, column) for column in _coding(state["contrasts"], factor.reduced).T]
    if expr in booleans:
        return [(expr, np.array([0.0, 1.0]))]
    own = re.compile(rf"(?:^|:)({re.escape(expr)}(?:\[[^\[\]]*\])*)(?=:|$)")
    found = {match for name in names for match in own.findall(name)}
    numbered = sorted(found, key=lambda token: (len(token), token))  # basis[2] stands before basis[10]
    return [token for token in numbered if not (factor.reduced and token == f"{expr}[0]")]


def _coding(contrasts: Any, reduced: bool) -> Array:
    """Values (J, m) of the columns of a coding at each level."""
    return np.asarray(contrasts.get_coding_matrix(reduced_rank=reduced), dtype=np.float64)


def _columns(choices: Sequence[Sequence[Choice]], scale: float) -> Iterator[CellColumn]:
    """The products, the first factor running fastest, as formulaic has them."""
    for picked in itertools.product(*reversed(choices)):
        covariates = frozenset(choice for choice in picked if isinstance(choice, str))
        codings = dict(choice for choice in picked if not isinstance(choice, str))
        yield CellColumn(covariates, codings, scale)


def _margins(scoped: Any, choices: Sequence[Sequence[Choice]]) -> Iterator[Margin]:
    """The margins that the products of one of formulaic's scoped terms span."""
    covariates, factors = [], []
    for factor, options in zip(scoped.factors, choices, strict=True):
        codings = [option[1] for option in options if not isinstance(option, str)]
        if codings:
            own = frozenset([factor.factor.expr])
            factors.append([frozenset(), own] if _holds_constant(np.column_stack(codings)) else [own])
        else:
            covariates.append([option for option in options if isinstance(option, str)])
    for numbers in itertools.product(*covariates):
        for sets in itertools.product(*factors):
            yield Margin(frozenset(numbers), frozenset().union(*sets))


def _holds_constant(coding: Array) -> bool:
    """Whether a function that is the same at all levels is a combination of the columns (J, m)."""
    with_one = np.column_stack([np.ones(len(coding)), coding])
    return bool(np.linalg.matrix_rank(with_one) == np.linalg.matrix_rank(coding))
