"""A formula from another one: ``.`` stands for what was there."""

from __future__ import annotations

import re

from blupbayes.model.formula import parse, sides
from blupbayes.model.scanner import addends, fail, unwrap

__all__ = ["update_formula"]


def update_formula(old: str, new: str) -> str:
    """A formula in which ``.`` stands for the same side of the old one.

    Parameters
    ----------
    old : str
        A complete formula.
    new : str
        For example ``". ~ . + x"``, ``". ~ . - (x | g) + (1 | g)"`` or ``"log(.) ~ ."``.

    Returns
    -------
    str
        Terms that `new` subtracts are gone; the others stand in their order.

    Raises
    ------
    FormulaError
        If a group term to subtract is not there.

    Examples
    --------
    >>> update_formula("y ~ x + (1 | g)", ". ~ . - x + z")
    'y ~ (1 | g) + z'
    """
    before = parse(old)
    response, right, start = sides(new.strip())
    response = re.sub(r"(?<![\w.`])\.(?![\w.`])", before.response, response)
    terms: list[tuple[str, str]] = []
    for sign, piece, position in addends(right, start, new):
        if piece == "." and sign == "+":
            terms += [(s, p) for s, p, _ in addends(sides(before.text)[1])]
        elif sign == "+" or _spaceless(piece) not in [_spaceless(p) for s, p in terms if s == "+"]:
            if sign == "-" and unwrap(piece)[0] != piece and "|" in piece:
                raise fail(f"'{piece}' is not a term of '{before.text}'", new, position, len(piece))
            terms.append((sign, piece))
        else:
            terms = [(s, p) for s, p in terms if s == "-" or _spaceless(p) != _spaceless(piece)]
    joined = " ".join(f"{sign} {piece}" for sign, piece in terms).removeprefix("+ ")
    text = f"{response} ~ {joined or '1'}"
    parse(text)
    return text


def _spaceless(text: str) -> str:
    return re.sub(r"\s", "", text)
