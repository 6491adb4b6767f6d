"""The random side of a design: grouping factors, their terms, and where theta stands in them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blupbayes.errors import FormulaError
from blupbayes.model.covariance import Template, template, triangle

__all__ = ["Group", "GroupTerm", "NewRows", "Part", "assemble", "data_hash"]

Array = NDArray[np.float64]
Codes = NDArray[np.intp]


@dataclass(frozen=True)
class GroupTerm:
    """One term of a grouping factor: a run of coefficients with a covariance of their own.

    Parameters
    ----------
    start, stop : int
        The columns start..stop-1 of the group belong to the term.
    structure : {"full", "diagonal"}
        Covariance of the coefficients.
    position : int
        Place among the group terms of the formula.
    first : int
        Place in theta of the first of its entries; theta runs over the terms in the order of the formula.
    """

    start: int
    stop: int
    structure: str
    position: int
    first: int = 0

    @property
    def n_theta(self) -> int:
        """Number of entries of theta."""
        return len(triangle(self.start, self.stop, self.structure))


@dataclass(frozen=True, eq=False)
class Group:
    """One grouping factor, with all the terms on it.

    Parameters
    ----------
    name : str
        ``"Subject"``, or ``"a:b"``.
    factors : tuple of str
        The columns of the data: ``("a", "b")``.
    levels : tuple of str
        Labels (J,) of the levels: in the order of the categories, or sorted by value.
    codes : ndarray of intp
        Level of each row (n,).
    columns : ndarray of float
        What multiplies the coefficients of the row's level (n, q).
    names : tuple of str
        Names (q,) of the coefficients.
    terms : tuple of GroupTerm
        How the coefficients fall into terms.
    """

    name: str
    factors: tuple[str, ...]
    levels: tuple[str, ...]
    codes: Codes
    columns: Array
    names: tuple[str, ...]
    terms: tuple[GroupTerm, ...]

    @property
    def template(self) -> Template:
        """Where the entries of theta stand in T (q, q)."""
        return template(len(self.names), [(t.start, t.stop, t.structure, t.first) for t in self.terms])

    def __repr__(self) -> str:
        return f"Group({self.name!r}: {len(self.levels)} levels, coefficients {', '.join(self.names)})"


@dataclass(frozen=True, eq=False)
class NewRows:
    """New rows in the coding of a design.

    Parameters
    ----------
    X : ndarray of float
        Fixed side (m, p).
    offset : ndarray of float, optional
        (m,), None if the model has none.
    codes : dict of ndarray
        For each group the level of each row (m,); -1 for a level that is not in the data.
    columns : dict of ndarray
        For each group what multiplies its coefficients (m, q).
    unseen : dict of tuple of str
        For each group the levels that are not in the data.
    """

    X: Array
    offset: Array | None
    codes: dict[str, Codes]
    columns: dict[str, Array]
    unseen: dict[str, tuple[str, ...]]


@dataclass(frozen=True, eq=False)
class Part:
    """One group term before terms on the same grouping factor are put together; fields as in `Group`."""

    factors: tuple[str, ...]
    levels: tuple[str, ...]
    codes: Codes
    columns: Array
    names: tuple[str, ...]
    structure: str


def assemble(parts: Sequence[Part]) -> tuple[Group, ...]:
    """Groups in the order of first appearance, with theta numbered in the order of the parts.

    Raises
    ------
    FormulaError
        If a coefficient of a group stands in two terms.
    """
    shared: dict[tuple[str, ...], list[int]] = {}
    firsts, first = [], 0
    for position, part in enumerate(parts):
        shared.setdefault(part.factors, []).append(position)
        firsts.append(first)
        first += len(triangle(0, len(part.names), part.structure))
    return tuple(_group(parts, positions, firsts) for positions in shared.values())


def _group(parts: Sequence[Part], positions: Sequence[int], firsts: Sequence[int]) -> Group:
    own = parts[positions[0]]
    names: tuple[str, ...] = ()
    terms = []
    for k in positions:
        part, start = parts[k], len(names)
        terms.append(GroupTerm(start, start + len(part.names), part.structure, k, firsts[k]))
        twice = [name for name in part.names if name in names]
        if twice:
            message = f"the coefficient '{twice[0]}' of group '{':'.join(own.factors)}' stands in two terms; "
            raise FormulaError(message + "begin the later one with '0 +', or leave one of them out")
        names += part.names
    columns = own.columns if len(positions) == 1 else np.hstack([parts[k].columns for k in positions])
    return Group(":".join(own.factors), own.factors, own.levels, own.codes, columns, names, tuple(terms))


def data_hash(parts: Mapping[str, Any]) -> str:
    """sha256 of the data in a design: the arrays with their shapes, and the names."""
    digest = hashlib.sha256()
    arrays = [
        ("y", parts["y"]),
        ("X", parts["X"]),
        ("weights", parts["weights"]),
        ("offset", parts["offset"]),
    ]
    digest.update(repr(parts["fixed_names"]).encode())
    for group in parts["groups"]:
        digest.update(repr((group.name, group.levels, group.names)).encode())
        arrays += [(group.name, group.codes.astype(np.int64)), (group.name, group.columns)]
    for name, array in arrays:
        digest.update(repr((name, None if array is None else array.shape)).encode())
        if array is not None:
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
