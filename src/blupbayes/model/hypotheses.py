"""Type III hypotheses: for each term of the fixed side, which combinations of beta are zero if it has no effect.

Columns of X with the same covariates are a function on the cells of the factors (`cells.py`). A term is tested in what
it adds to the terms before it: differences between levels of its factors, in unweighted means over the levels of all
other factors, at zero of all other covariates [E-TYPE3]. So the hypothesis is the same in every coding of the factors.

In ``f + f:x`` the term ``f`` compares the curves at x = 0, and ``f:x`` says that every slope is zero; in ``a + a:b``
the term ``a`` compares means over b, and ``a:b`` says that b makes no difference within any level of a; without an
intercept the first factor says that all of its means are zero, which is seldom asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blupbayes.model.cells import CellColumn, CellTerm, Margin, cell_terms
from blupbayes.model.design import Design

__all__ = ["Hypothesis", "hypotheses", "type_three"]

Array = NDArray[np.float64]

RANK_TOLERANCE = 1e-9  # of the largest singular value; codings are numbers around 1


@dataclass(frozen=True, eq=False)
class Hypothesis:
    """L beta = 0.

    Parameters
    ----------
    name : str
        The term.
    L : ndarray of float
        (k, p), of rank k; (0, p) if the term cannot be tested.
    reason : str
        Why it cannot be tested; empty if it can.
    """

    name: str
    L: Array
    reason: str = ""


def type_three(design: Design) -> dict[str, Array]:
    """The type III hypothesis matrix (k, p) of each term but the intercept [E-TYPE3].

    Parameters
    ----------
    design : Design
        Of a formula; in a design from arrays each column is a term.

    Returns
    -------
    dict of ndarray
        By the names of the terms as written, in the order of the formula. A term that cannot be tested has a
        matrix (0, p), and `hypotheses` says why.

    Examples
    --------
    >>> import blupbayes as bb
    >>> from blupbayes.model.design import build
    >>> design = build("distance ~ age * Sex + (1 | Subject)", bb.load_dataset("orthodont"))
    >>> design.fixed_names
    ('Intercept', 'age', 'Sex[T.Female]', 'age:Sex[T.Female]')
    >>> type_three(design)["age"]
    array([[0. , 1. , 0. , 0.5]])
    """
    return {hypothesis.name: hypothesis.L for hypothesis in hypotheses(design)}


def hypotheses(design: Design) -> tuple[Hypothesis, ...]:
    """The type III hypotheses of `type_three`, with the reasons where there is none.

    Whether the data can answer them is another question, see `blupbayes.frequentist.estimable`.
    """
    terms = cell_terms(design)
    return tuple(_hypothesis(term, terms) for term in terms if not _is_intercept(term))


def _is_intercept(term: CellTerm) -> bool:
    return bool(term.columns) and not any(c.covariates or c.codings for c in term.columns)


def _hypothesis(term: CellTerm, terms: Sequence[CellTerm]) -> Hypothesis:
    """What a term says about the functions on cells, as rows over all columns of X."""
    n = term.stop - term.start
    unread = [other.name for other in terms if len(other.columns) < other.stop - other.start]
    if unread:
        return _refused(
            term, terms, f"the columns of '{unread[0]}' cannot be told apart; are two levels written alike?"
        )
    if not n:
        return _refused(term, terms, "it has no columns: a factor with one level")
    columns = [column for other in terms for column in other.columns]
    sizes = {f: len(coding) for column in term.columns for f, coding in column.codings.items()}
    blocks = [np.column_stack([_on_margin(c, margin, sizes) for c in columns]) for margin in term.margins]
    L = _independent(np.vstack([np.zeros((0, len(columns))), *blocks]))
    if len(L) != n:
        reason = f"its {n} columns hold {len(L)} hypotheses of their own; the rest is in other terms too"
        return _refused(term, terms, reason)
    return Hypothesis(term.name, L)


def _refused(term: CellTerm, terms: Sequence[CellTerm], reason: str) -> Hypothesis:
    return Hypothesis(term.name, np.zeros((0, terms[-1].stop)), reason)


def _on_margin(column: CellColumn, margin: Margin, sizes: Mapping[str, int]) -> Array:
    """What one unit of a column adds to the differences of a margin (k,), in means over all other factors."""
    others = [np.mean(coding) for factor, coding in column.codings.items() if factor not in sizes]
    row = np.array([column.scale * float(np.prod(others)) if column.covariates == margin.covariates else 0.0])
    for factor, J in sizes.items():
        coding = column.codings.get(factor, np.ones(J))
        row = np.kron(row, coding[1:] - coding[0] if factor in margin.factors else coding.mean(keepdims=True))
    return row + 0.0  # no -0.0


def _independent(L: Array) -> Array:
    """L itself if its rows are independent, else as many independent rows as there are, with the same null space."""
    size = np.abs(L).max(axis=0, initial=0.0)
    size[size == 0] = 1.0
    _, values, rows = np.linalg.svd(L / size, full_matrices=False)
    rank = int(np.sum(values > RANK_TOLERANCE * values.max(initial=0.0)))
    return L if rank == len(L) else np.asarray(rows[:rank] * size)
