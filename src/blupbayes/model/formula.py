"""A formula in lme4's syntax, read into its parts: response, fixed side, group terms and offsets.

The layer of the bars is our own; what stands on either side of them is read by formulaic. Nothing is
evaluated here, and a formula that holds more than arithmetic on columns is refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from blupbayes.errors import FormulaError
from blupbayes.model.scanner import addends, closing, fail, split, unquoted, unwrap, walk
from blupbayes.model.side import as_side, compile_side, explicit

__all__ = ["Bar", "Terms", "parse", "sides"]

MAX_LENGTH = 10_000
MAX_GROUPS = 100  # of one term
NAME = re.compile(r"(?![0-9.])[\w.]+|`[^`]+`")


@dataclass(frozen=True)
class Bar:
    """One group term, ``(lhs | group)``.

    Parameters
    ----------
    lhs : str
        The columns that vary by group, with the intercept made explicit: ``"1 + x"`` or ``"0 + x"``.
    group : tuple of str
        Names of the grouping columns: ``("a", "b")`` for ``a:b``.
    structure : {"full", "diagonal"}
        Covariance of the coefficients: ``|`` gives full, ``||`` diagonal.
    """

    lhs: str
    group: tuple[str, ...]
    structure: str

    def __str__(self) -> str:
        return f"({self.lhs} {'|' if self.structure == 'full' else '||'} {':'.join(self.group)})"


@dataclass(frozen=True)
class Terms:
    """The parts of a formula.

    Parameters
    ----------
    text : str
        The formula, on one line.
    response : str
        A column or an expression.
    fixed : str
        The fixed side, as formulaic reads it.
    bars : tuple of Bar
        Group terms in the order of the formula; ``a/b`` stands as a, then a:b.
    offsets : tuple of str
        Expressions that are added with coefficient 1.
    """

    text: str
    response: str
    fixed: str
    bars: tuple[Bar, ...]
    offsets: tuple[str, ...]


def parse(text: str) -> Terms:
    """Read a formula.

    Parameters
    ----------
    text : str
        ``"y ~ x + (1 + x | g)"``. Group terms: ``(1 | g)``, ``(x | g)``, ``(0 + x | g)``, ``(x || g)`` for
        uncorrelated coefficients (those of a factor too), ``(f | g)`` for a factor f, ``(1 | a/b)`` for
        ``(1 | a) + (1 | a:b)``, ``(x | a + b)`` for ``(x | a) + (x | b)``. Names with spaces stand in
        backticks. ``offset(x)`` has no coefficient.

    Returns
    -------
    Terms

    Raises
    ------
    FormulaError
        With the formula and a caret under the place, if it cannot be read or is not harmless.

    Examples
    --------
    >>> [str(bar) for bar in parse("strength ~ 1 + (1 | batch/cask)").bars]
    ['(1 | batch)', '(1 | batch:cask)']
    """
    if not isinstance(text, str):
        raise FormulaError(f"a formula is a text such as 'y ~ x + (1 | g)', not {type(text).__name__}")
    return _parse(re.sub(r"[\r\n\t]", " ", text).strip())


@lru_cache(maxsize=512)
def _parse(text: str) -> Terms:
    response, right, start = sides(text)
    _harmless(response, text)
    fixed: list[tuple[str, str]] = []
    bars: list[Bar] = []
    offsets: list[str] = []
    for sign, piece, position in addends(right, start, text):
        inner, at = unwrap(piece, position)
        offset = _offset(piece)
        if inner != piece and any(char == "|" and not around for _, char, around in walk(inner)):
            if sign == "-":
                raise fail("a group term cannot be subtracted; leave it out", text, position, len(piece))
            bars += _bars(inner, at, text)
        elif offset is not None and sign == "+":
            compile_side(as_side(offset), text)
            offsets.append(offset)
        else:
            _plain(piece, position, text)
            if (sign, piece) in fixed:
                raise fail(f"the term '{piece}' is given twice", text, position, len(piece))
            fixed.append((sign, piece))
    _not_twice(bars, text)
    _not_the_response(response, bars, text)
    side = _joined(fixed) or "1"
    compile_side(side, text)
    return Terms(text, response, side, tuple(bars), tuple(offsets))


def sides(text: str) -> tuple[str, str, int]:
    """Response, right side and the right side's position."""
    if len(text) > MAX_LENGTH:
        raise FormulaError(f"the formula has {len(text)} characters; {MAX_LENGTH} is the limit")
    parts = split(text, "~")
    if len(parts) != 2:
        found = "no '~'" if len(parts) == 1 else f"{len(parts) - 1} times '~'"
        raise fail(f"{found} in the formula; write it as 'response ~ terms + (1 | group)'", text)
    (_, response, _), (_, right, start) = parts
    if not response or not right:
        side = "right" if response else "left"
        raise fail(f"nothing stands on the {side} of '~'; write 'response ~ terms + (1 | group)'", text)
    return response, right, start


def _harmless(response: str, text: str) -> None:
    """Refuse a response that is no expression, names with two underscores, and bars outside brackets."""
    dunder = re.search(r"(?<![\w`])__\w*", text)
    if dunder:
        message = f"'{dunder[0]}': names that begin with two underscores are closed to formulas"
        raise fail(message, text, dunder.start(), len(dunder[0]))
    for i, char, around in walk(text):
        if char == "|" and not around:
            written = f"{text[:i].rstrip(' |')} + (1 | {text[i:].strip(' |')})"
            raise fail(f"'|' outside brackets. A group term stands in brackets: '{written}'", text, i)
    if not NAME.fullmatch(response):
        compile_side(as_side(response), text)


def _not_the_response(response: str, bars: Sequence[Bar], text: str) -> None:
    """Refuse a grouping factor that is the response: its levels would fit every row."""
    name = response.strip("`")
    for bar in bars:
        if name in bar.group:
            raise fail(
                f"'{name}' is the response and cannot be a grouping factor, too",
                text,
                text.rindex(name),
                len(name),
            )


def _plain(piece: str, position: int, text: str) -> None:
    """Refuse a bar or an offset that is only a part of a term."""
    for i, char, around in walk(piece):
        if char == "|" and set(around) <= {"("}:
            raise fail("a group term stands alone, added with '+': '... + (x | g)'", text, position + i)
        if char == "(" and re.search(r"(?<![\w.])offset$", piece[:i]):
            raise fail("an offset stands alone, added with '+': '... + offset(x)'", text, position + i - 6, 6)


def _offset(piece: str) -> str | None:
    """The expression inside ``offset(...)``, if the piece is nothing else."""
    is_offset = piece.startswith("offset(") and closing(piece) == len(piece) - 1
    return piece[len("offset(") : -1].strip() if is_offset else None


def _bars(inner: str, start: int, text: str) -> list[Bar]:
    """The group terms of what stands in one pair of brackets."""
    pieces = split(inner, "|", start)
    structure = "diagonal" if len(pieces) == 3 and not pieces[1][1] else "full"
    if len(pieces) != (3 if structure == "diagonal" else 2):
        raise fail("one bar too many; write two group terms, '(x | a) + (x | b)'", text, pieces[-1][2] - 1)
    (_, lhs, at), (_, group, where) = pieces[0], pieces[-1]
    if not lhs or not group:
        raise fail(
            "a group term has columns before the bar and a group after it: '(1 | g)'", text, start, len(inner)
        )
    _plain(lhs, at, text)
    lhs = explicit(lhs)
    compile_side(lhs, text)
    return [Bar(lhs, names, structure) for names in _groups(group, where, text)]


def _groups(group: str, start: int, text: str) -> list[tuple[str, ...]]:
    """Grouping factors of ``a``, ``a:b``, ``a/b`` and ``a + b``, as tuples of columns."""
    group, start = unwrap(group, start)
    for operator in "+/:":
        pieces = split(group, operator, start)
        if len(pieces) > 1:
            parts = [_groups(piece, position, text) for _, piece, position in pieces]
            combined = _combined(operator, parts)
            if len(combined) > MAX_GROUPS:
                raise fail(f"'{group}' is more than {MAX_GROUPS} grouping factors", text, start, len(group))
            return combined
    if not NAME.fullmatch(group):
        message = (
            f"'{group}' is not a grouping column; put a name with spaces or brackets in `backticks`, join names "
            "by ':', '/' or '+', or make the column first"
        )
        raise fail(message, text, start, len(group))
    return [(unquoted(group),)]


def _combined(operator: str, parts: list[list[tuple[str, ...]]]) -> list[tuple[str, ...]]:
    result = parts[0]
    for part in parts[1:]:
        if len(result) > MAX_GROUPS:
            return result
        if operator == "+":
            result = result + part
        elif operator == ":":
            result = [_union(a, b) for a in result for b in part]
        else:
            parents = _union(*result)
            result = result + [_union(parents, b) for b in part]
    return result


def _union(*names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for group in names for name in group))


def _not_twice(bars: list[Bar], text: str) -> None:
    seen: set[tuple[str, frozenset[str]]] = set()
    for bar in bars:
        key = (re.sub(r"\s", "", bar.lhs), frozenset(bar.group))
        if key in seen:
            raise fail(f"the group term {bar} is given twice", text)
        seen.add(key)


def _joined(terms: list[tuple[str, str]]) -> str:
    return " ".join(f"{sign} {piece}" for sign, piece in terms).removeprefix("+ ")
