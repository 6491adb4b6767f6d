"""Which random coefficients a user means: by grouping factor, by coefficient, or as in the formula."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blupbayes.errors import DataError, FormulaError
from blupbayes.model.formula import Bar, parse
from blupbayes.model.scanner import addends, listing, suggestion
from blupbayes.model.structure import Group

__all__ = ["Taken", "taken"]

Taken = tuple[NDArray[np.bool_], ...]


def taken(random: Any, groups: Sequence[Group]) -> Taken:
    """Which coefficients (q_k,) of every grouping factor are meant.

    Parameters
    ----------
    random : str or sequence of str
        "all", "none", or names: a grouping factor ("Subject"), one coefficient ("Subject[Days]"), or a term as a
        formula writes it ("(1 | Subject)").
    groups : sequence of Group

    Raises
    ------
    DataError
        If a name is none of these.
    """
    if isinstance(random, str) and random in ("all", "none"):
        return tuple(np.full(len(g.names), random == "all") for g in groups)
    out = tuple(np.zeros(len(g.names), dtype=bool) for g in groups)
    for name in names_of(random):
        for mine, more in zip(out, one(name, groups), strict=True):
            mine |= more
    return out


def names_of(random: Any) -> list[str]:
    """The names, as a list."""
    given = (
        [random] if isinstance(random, str) else list(random) if isinstance(random, Iterable) else [random]
    )
    if not all(isinstance(name, str) for name in given):
        raise DataError(f"random={random!r} is not 'all', 'none', a name or a list of names.")
    return given


def one(name: str, groups: Sequence[Group]) -> Taken:
    """The coefficients of one name."""
    if "|" in name:
        return of_bars(name, groups)
    found = tuple(np.array([name in (g.name, f"{g.name}[{k}]") for k in g.names]) for g in groups)
    if not any(x.any() for x in found):
        raise unknown(name, groups)
    return found


def of_bars(text: str, groups: Sequence[Group]) -> Taken:
    """The coefficients of terms such as (1 + Days | Subject): `Days` also means Days[T.a], Days[T.b], ..."""
    try:
        bars = parse(f"y ~ 1 + {text if text.lstrip().startswith('(') else f'({text})'}").bars
    except FormulaError as error:
        raise DataError(f"random={text!r} is not a group term such as '(1 | g)'.") from error
    out = tuple(np.zeros(len(g.names), dtype=bool) for g in groups)
    for bar in bars:
        where = [k for k, g in enumerate(groups) if set(g.factors) == set(bar.group)]
        if not where:
            raise unknown(text, groups)
        group = groups[where[0]]
        for label in labels_of(bar):
            mine = np.array([label_of(name) == label for name in group.names])
            if not mine.any():
                raise unknown(text, groups, f"{group.name}[{label}]")
            out[where[0]][mine] = True
    return out


def labels_of(bar: Bar) -> list[str]:
    """What stands left of the bar, without blanks; 1 is the Intercept."""
    pieces = [(sign, label_of(piece)) for sign, piece, _ in addends(bar.lhs)]
    return ["Intercept" if piece == "1" else piece for sign, piece in pieces if sign == "+" and piece != "0"]


def label_of(name: str) -> str:
    """The name of a coefficient as the formula has it: Machine[T.B] is Machine."""
    return re.sub(r"\[[^\]]*\]|[\s`]", "", name)


def unknown(text: str, groups: Sequence[Group], sought: str = "") -> DataError:
    """The error for a name that is not there, with the nearest one and all that are."""
    known = [name for g in groups for name in (g.name, *(f"{g.name}[{k}]" for k in g.names))]
    what = f" no {sought}" if sought else " no such random effect"
    hint = suggestion(sought or text, known)
    return DataError(f"random={text!r}: the model has{what}.{hint} It has {listing(known)}.")
