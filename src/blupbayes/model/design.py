"""Formula + table -> Design: y, X, the random side, and how to encode new rows. Knows no estimation."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blupbayes.errors import DataError, FormulaError
from blupbayes.model.arrays import matrix, names_of, parts_of
from blupbayes.model.assembly import assembled, plan
from blupbayes.model.checks import (
    check_counts,
    check_distinct,
    check_extra,
    check_options,
    check_response,
    check_weights,
)
from blupbayes.model.encoding import Encoding
from blupbayes.model.formula import Terms, parse
from blupbayes.model.measures import Measures
from blupbayes.model.row_measures import RowMeasures
from blupbayes.model.structure import Group, GroupTerm, NewRows, assemble, data_hash
from blupbayes.model.table import open_table

__all__ = ["Design", "Group", "GroupTerm", "NewRows", "build", "from_arrays"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Design:
    """A linear mixed model as arrays [E-MODEL]: y = X beta + offset + sum over groups of columns times b + e.

    Parameters
    ----------
    formula : str
        As written.
    response : str
        Name of y.
    y : ndarray of float
        Response (n,), in its own units; the offset is not subtracted.
    X : ndarray of float
        Fixed side (n, p); its columns may be linearly dependent.
    fixed_names : tuple of str
        Names (p,) of its columns, formulaic's.
    groups : tuple of Group
        Grouping factors in the order of first appearance.
    weights : ndarray of float, optional
        (n,), positive: Var(e_i) = sigma**2 / weights_i.
    offset : ndarray of float, optional
        (n,), in the units of y.
    sigma : float, optional
        The residual sd, if it is known.
    n_dropped : int
        Rows left out because of missing values.
    hash : str
        sha256 of y, X, random side, weights and offset, in hex.
    rows : pandas.Index
        Labels of the rows that were kept.
    encoding : Encoding, optional
        How to encode new rows; None for a design from arrays.
    source : Source, optional
        The formula and the table that this very design was built from, if there is one; copies with other data have
        none, and pickles neither.
    """

    formula: str
    response: str
    y: Array
    X: Array
    fixed_names: tuple[str, ...]
    groups: tuple[Group, ...]
    weights: Array | None
    offset: Array | None
    sigma: float | None
    n_dropped: int
    hash: str
    rows: pd.Index[Any]
    encoding: Encoding | None = field(default=None, repr=False)
    source: Any = field(default=None, init=False, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        """Pickles go without the source: it may hold a table of any make, larger than the arrays."""
        return {k: v for k, v in vars(self).items() if k != "measures"} | {"source": None}

    @property
    def n_obs(self) -> int:
        """Number of rows."""
        return len(self.y)

    @property
    def has_weights(self) -> bool:
        """Whether rows have weights."""
        return self.weights is not None

    @property
    def has_offset(self) -> bool:
        """Whether there is an offset."""
        return self.offset is not None

    @cached_property
    def measures(self) -> Measures:
        """What priors, tables and checks ask of the rows."""
        return RowMeasures(self)

    @property
    def n_theta(self) -> int:
        """Length of theta: the free entries of all covariance factors."""
        return sum(term.n_theta for group in self.groups for term in group.terms)

    def encode(
        self, data: Any, groups: Collection[str] | None = None, columns: Collection[str] | None = None
    ) -> NewRows:
        """New rows in the coding of this design.

        Parameters
        ----------
        data : data frame
            The columns of the formula; the response is not needed.
        groups : collection of str, optional
            Names of the groups whose levels are encoded; the columns of the others are not needed. None for all.
        columns : collection of str, optional
            Names of the groups for which what multiplies their coefficients is made. None for the same.

        Returns
        -------
        NewRows

        Raises
        ------
        NewLevelError
            If a column of the fixed side, or one left of a bar, has a level that is not in the data.
        DataError
            If a column or a value is missing, or the design was made from arrays.
        """
        if self.encoding is None:
            message = "a model from arrays cannot encode new rows: it does not know how X and Z were made. "
            raise DataError(message + "Use a formula, or multiply your new rows with the estimates.")
        return self.encoding.encode(data, groups, columns)

    def __repr__(self) -> str:
        groups = ", ".join(f"{g.name} {len(g.levels)} levels x {len(g.names)}" for g in self.groups)
        return f"Design({self.formula!r}: {self.n_obs} rows, {len(self.fixed_names)} fixed columns; {groups})"


def build(
    formula: str | Terms,
    data: Any,
    *,
    weights: Any = None,
    offset: Any = None,
    sigma: float | None = None,
    missing: str = "raise",
    extra_names: Mapping[str, Any] | None = None,
) -> Design:
    """The design of a formula on a table.

    Parameters
    ----------
    formula : str or Terms
        In lme4's syntax, see `parse`.
    data : data frame
        pandas, polars, pyarrow, anything narwhals reads, or a dict of columns. It is not changed.
    weights, offset : array of shape (n,), or str, optional
        An array with a value for each row of the data (before rows are dropped), or a column, or an
        expression. The offset adds to those of the formula.
    sigma : float, optional
        The residual sd, if known, in the units of y.
    missing : {"raise", "drop"}
        What to do with rows that lack a value in a used column.
    extra_names : mapping, optional
        Functions and values of the caller's that the formula may use.

    Returns
    -------
    Design

    Raises
    ------
    FormulaError, DataError, IdentifiabilityError
        With what is wrong, where, and what to do.

    Examples
    --------
    >>> data = {"y": [1.0, 2.0, 4.0, 3.0], "x": [0, 1, 0, 1], "g": ["a", "a", "b", "b"]}
    >>> build("y ~ x + (1 | g)", data)
    Design('y ~ x + (1 | g)': 4 rows, 2 fixed columns; g 2 levels x 1)
    """
    terms = formula if isinstance(formula, Terms) else parse(formula)
    extra = dict(extra_names or {})
    check_options(sigma, missing)
    check_extra(extra)
    if not terms.bars:
        raise FormulaError(f"no group term; add one, such as '+ (1 | group)'\n  {terms.text}")
    table = open_table(data)
    planned = plan(terms, table.names, extra, weights, offset)
    parts = assembled(planned, table, weights, offset, missing)
    return _checked(sigma=None if sigma is None else float(sigma), **parts)


def _checked(**parts: Any) -> Design:
    """The design, after the checks that every door has in common."""
    y, X, groups, sigma = parts["y"], parts["X"], parts["groups"], parts["sigma"]
    check_response(y, parts["response"], sigma)
    check_weights(parts["weights"])
    check_counts(len(y), X.shape[1], groups, sigma)
    check_distinct(groups)
    return Design(hash=data_hash(parts), **parts)


def from_arrays(
    y: Any,
    X: Any,
    Z: Any,
    *,
    fixed_names: Sequence[str] | None = None,
    group_name: str = "g",
    weights: Any = None,
    offset: Any = None,
    sigma: float | None = None,
) -> Design:
    """A design from matrices.

    Parameters
    ----------
    y : array (n,)
        Response.
    X : array (n, p) or data frame
        Fixed side; include a column of ones for an intercept.
    Z : array (n, q), dense or sparse, or dict
        Indicator columns of one group, or ``{name: (codes (n,), columns (n, q))}``; columns None for ones.
    fixed_names : sequence of str, optional
        Names (p,); otherwise those of a data frame, or ``Intercept`` for ones and x1, x2, ...
    group_name : str
        Name of the group of a matrix.
    weights, offset, sigma
        As in `build`, arrays only.

    Returns
    -------
    Design

    Raises
    ------
    DataError, IdentifiabilityError
        As `build`.

    Examples
    --------
    >>> from_arrays([1.0, 2, 4, 3], np.ones((4, 1)), [[1, 0], [1, 0], [0, 1], [0, 1]])
    Design('y ~ 0 + Intercept + (0 + Intercept | g)': 4 rows, 1 fixed columns; g 2 levels x 1)
    """
    check_options(sigma, "raise")
    response = str(getattr(y, "name", None) or "y")
    values = matrix(y, "y", np.size(y))[:, 0]
    n = len(values)
    fixed = matrix(X, "X", n)
    names = names_of(X, fixed, "x") if fixed_names is None else tuple(str(name) for name in fixed_names)
    if len(names) != fixed.shape[1] or len(set(names)) < len(names):
        raise DataError(f"X has {fixed.shape[1]} columns; give as many different names, not {list(names)}")
    parts = parts_of(Z, n, group_name)
    given = {
        k: matrix(v, k, n)[:, 0] for k, v in {"weights": weights, "offset": offset}.items() if v is not None
    }
    bars = [f"(0 + {' + '.join(part.names)} | {part.factors[0]})" for part in parts]
    return _checked(
        formula=f"{response} ~ {' + '.join(['0', *names, *bars])}",
        response=response,
        y=values,
        X=fixed,
        fixed_names=names,
        groups=assemble(parts),
        weights=given.get("weights"),
        offset=given.get("offset"),
        sigma=None if sigma is None else float(sigma),
        n_dropped=0,
        rows=pd.RangeIndex(n),
    )
