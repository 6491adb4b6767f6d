"""The text of a formula: quotes, brackets, signs, and the caret under an error."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from blupbayes.errors import FormulaError

__all__ = [
    "addends",
    "closing",
    "fail",
    "listing",
    "locate",
    "split",
    "suggestion",
    "unquoted",
    "unwrap",
    "walk",
]

IN_R = {"factor": "C", "as.factor": "C", "ns": "cr"}  # what is called otherwise in R

CLOSERS = {")": "(", "]": "[", "}": "{"}
MAX_DEPTH = 40
MAX_SHOWN = 400  # characters of a formula in an error


def fail(message: str, source: str, start: int | None = None, length: int = 1) -> FormulaError:
    """A FormulaError that shows the formula, with carets under the place where it went wrong."""
    message = message if len(message) <= MAX_SHOWN else message[:MAX_SHOWN] + " ..."
    if start is None or start < 0:
        shown = source if len(source) <= MAX_SHOWN else source[:MAX_SHOWN] + " ..."
        return FormulaError(f"{message}\n  {shown}" if source else message)
    first = max(0, start - MAX_SHOWN // 2) if len(source) > MAX_SHOWN else 0
    shown = source[first : first + MAX_SHOWN]
    carets = "^" * max(min(length, len(shown) - (start - first)), 1)
    return FormulaError(f"{message}\n  {shown}\n  {' ' * (start - first)}{carets}")


def locate(source: str, fragment: str) -> int:
    """Position of a name or an expression in the formula, -1 if it is written differently there."""
    if re.fullmatch(r"[\w.]+", fragment):
        found = re.search(rf"(?<![\w.]){re.escape(fragment)}(?![\w.])", source)
        return found.start() if found else -1
    return source.find(fragment)


def suggestion(name: str, options: Iterable[str]) -> str:
    """ " Did you mean 'x'?" if one of the options is close to the name, else nothing."""
    if name in IN_R:
        return f" Did you mean '{IN_R[name]}'?"
    folded = {option.casefold(): option for option in options}
    close = get_close_matches(name.casefold(), list(folded), n=1)
    return f" Did you mean '{folded[close[0]]}'?" if close else ""


def listing(names: Iterable[str], limit: int = 12) -> str:
    """The names joined by commas, at most `limit` of them."""
    names = list(names)
    return ", ".join(names[:limit]) + (f", ... {len(names) - limit} more" if len(names) > limit else "")


def _quoted_end(text: str, start: int) -> int:
    """Position of the quote that closes the one at `start`."""
    i = start + 1
    while i < len(text) and text[i] != text[start]:
        i += 2 if text[i] == "\\" else 1
    if i >= len(text):
        raise fail(f"the quote {text[start]} is not closed", text, start)
    if text[start] == "`" and i == start + 1:
        raise fail("there is no name between the backticks", text, start, 2)
    return i


def walk(text: str) -> Iterator[tuple[int, str, str]]:
    """Each character outside quotes, as (position, character, brackets around it).

    The brackets are one character each: ``(`` for grouping, ``f`` for the call of a function, ``[`` and
    ``{``. An opening bracket comes with those around it, and so does a closing one.

    Raises
    ------
    FormulaError
        If a quote or a bracket is not closed, or if brackets are nested too deeply.
    """
    stack: list[tuple[str, int]] = []
    i = 0
    while i < len(text):
        char = text[i]
        if char in "'\"`":
            i = _quoted_end(text, i) + 1
            continue
        if char in CLOSERS and (not stack or stack.pop()[0].replace("f", "(") != CLOSERS[char]):
            raise fail(f"the bracket '{char}' closes nothing", text, i)
        yield i, char, "".join(kind for kind, _ in stack)
        if char in "([{":
            called = char == "(" and i > 0 and (text[i - 1].isalnum() or text[i - 1] in "_.)]")
            stack.append(("f" if called else char, i))
            if len(stack) > MAX_DEPTH:
                raise fail(f"brackets are nested more than {MAX_DEPTH} deep", text, i)
        i += 1
    if stack:
        raise fail("this bracket is not closed", text, stack[-1][1])


def split(text: str, separators: str, start: int = 0) -> list[tuple[str, str, int]]:
    """Pieces between separators outside brackets and quotes: (separator before, piece, its position).

    Pieces are stripped; `start` is the position of the text in the whole formula.
    """
    cuts = [(i, char) for i, char, around in walk(text) if char in separators and not around]
    pieces = []
    for (begin, before), (end, _) in zip([(-1, ""), *cuts], [*cuts, (len(text), "")], strict=True):
        piece = text[begin + 1 : end]
        pieces.append((before, piece.strip(), start + begin + 1 + len(piece) - len(piece.lstrip())))
    return pieces


def addends(text: str, start: int = 0, source: str | None = None) -> list[tuple[str, str, int]]:
    """The signed terms of a sum: (sign "+" or "-", term, its position). Runs of signs are merged."""
    terms, sign = [], "+"
    for before, piece, position in split(text, "+-", start):
        sign = {"": sign, "+": sign, "-": "+" if sign == "-" else "-"}[before]
        if piece:
            terms.append((sign, piece, position))
            sign = "+"
        elif position >= start + len(text) and before:
            source = source or text
            raise fail(f"nothing stands after '{before}'", source, source.rfind(before, 0, position))
    return terms


def closing(text: str) -> int:
    """Position of the first round bracket that closes back to the outside, -1 if there is none."""
    return next((i for i, char, around in walk(text) if char == ")" and not around), -1)


def unwrap(text: str, start: int = 0) -> tuple[str, int]:
    """The text and its position without brackets around the whole of it."""
    while text.startswith("("):
        if closing(text) != len(text) - 1:
            break
        inner = text[1:-1]
        start += 1 + len(inner) - len(inner.lstrip())
        text = inner.strip()
    return text, start


def unquoted(name: str) -> str:
    """The name without backticks around it."""
    return name[1:-1] if len(name) > 2 and name[0] == name[-1] == "`" and "`" not in name[1:-1] else name
