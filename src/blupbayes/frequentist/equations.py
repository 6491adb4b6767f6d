"""A linear equation in coefficients, as text: "Days - 2*x = 0", with the names that columns of X have.

Names are found by looking for them, longest first, since they may hold brackets, colons, blanks and signs; nothing is
evaluated as Python.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blupbayes.errors import FormulaError
from blupbayes.model.scanner import MAX_DEPTH, fail, listing, suggestion

__all__ = ["read_equation"]

Array = NDArray[np.float64]

NUMBER = re.compile(r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
ENDS = re.compile(r"\s|[-+*/)=]|$")  # what may follow a name or a number
WORD = re.compile(r"`[^`]*`?|[^\s+*/=]+")


@dataclass(frozen=True)
class Token:
    """A sign, a number or a coefficient of the text, and where it stands."""

    text: str
    start: int
    value: float | int | None = None
    kind: str = "sign"


def read_equation(text: str, names: Sequence[str]) -> tuple[Array, float]:
    """The weights (p,) and the right-hand side of an equation; without "=" the text is set to zero.

    Parameters
    ----------
    text : str
        Sums of multiples of coefficients; a name that looks like a number or a sum stands in `backticks`.
    names : sequence of str
        The coefficients (p,).

    Raises
    ------
    FormulaError
        If it cannot be read, with a caret under the place.

    Examples
    --------
    >>> read_equation("2*(age - Sex[T.Male]) = 1", ["Intercept", "age", "Sex[T.Male]"])
    (array([ 0.,  2., -2.]), 1.0)
    """
    reader = _Reader(text, list(_tokens(text, names)), len(names))
    with np.errstate(all="ignore"):
        value = reader.equation()
    return value[:-1] + 0.0, float(0.0 - value[-1])


def _tokens(text: str, names: Sequence[str]) -> Iterator[Token]:
    longest = sorted((name for name in names if name and not NUMBER.fullmatch(name)), key=len, reverse=True)
    i = 0
    while i < len(text):
        if text[i].isspace():
            i += 1
            continue
        token = _token(text, i, names, longest)
        yield token
        i += len(token.text)


def _token(text: str, i: int, names: Sequence[str], longest: Sequence[str]) -> Token:
    """The name, number or sign at a position."""
    name = next((name for name in longest if text.startswith(name, i) and _ends(text, i + len(name))), None)
    if name is not None:
        return Token(name, i, names.index(name), "name")
    number = NUMBER.match(text, i)
    if number and _ends(text, number.end()):
        return Token(number[0], i, float(number[0]), "number")
    if text[i] in "+-*/()=":
        return Token("==" if text.startswith("==", i) else text[i], i)
    word = WORD.match(text, i)
    found = word[0] if word else text[i]
    if found.strip("`") in names and found == f"`{found.strip('`')}`":
        return Token(found, i, names.index(found.strip("`")), "name")
    raise _unknown(found, names, text, i)


def _ends(text: str, i: int) -> bool:
    return ENDS.match(text, i) is not None


def _unknown(word: str, names: Sequence[str], text: str, i: int) -> FormulaError:
    if word[0] in "<>!~":
        return fail("a contrast is a sum of coefficients, set to a number with '='", text, i)
    name = word.strip("`")
    message = f"there is no coefficient '{name}' (coefficients: {listing(names)}).{suggestion(name, names)}"
    return fail(message, text, i, len(word))


class _Reader:
    """Sums of products, from tokens; a value is (p + 1,): a weight for each coefficient, and a constant."""

    def __init__(self, text: str, tokens: list[Token], p: int) -> None:
        self.text, self.tokens, self.p = text, tokens, p
        self.place, self.depth = 0, 0

    def take(self, signs: str) -> Token | None:
        """The next token if it is one of some signs."""
        if self.place < len(self.tokens):
            token = self.tokens[self.place]
            if token.kind == "sign" and token.text in signs.split():
                self.place += 1
                return token
        return None

    def refuse(self, message: str) -> FormulaError:
        """The error at the next token, or at the end."""
        rest = self.tokens[self.place :]
        return fail(
            message, self.text, rest[0].start if rest else len(self.text), len(rest[0].text) if rest else 1
        )

    def equation(self) -> Array:
        value = self.sum()
        if self.take("= =="):
            value = value - self.sum()
        if self.take("= =="):
            self.place -= 1
            raise self.refuse("one '=' in a contrast; give several contrasts as a list")
        if self.place < len(self.tokens):
            raise self.refuse("a sign is missing here: write +, -, * or / between two parts")
        return value

    def sum(self) -> Array:
        value = self.product()
        while sign := self.take("+ -"):
            value = value + self.product() * (1.0 if sign.text == "+" else -1.0)
        return value

    def product(self) -> Array:
        value = self.signed()
        while sign := self.take("* /"):
            value = self.multiplied(value, self.signed(), sign)
        return value

    def multiplied(self, a: Array, b: Array, sign: Token) -> Array:
        if sign.text == "/":
            if b[:-1].any() or b[-1] == 0:
                raise fail("a contrast is divided by numbers only, and not by 0", self.text, sign.start)
            return np.asarray(a / b[-1])
        if a[:-1].any() and b[:-1].any():
            raise fail(
                "a contrast is linear: coefficients are not multiplied together", self.text, sign.start
            )
        return np.asarray(b * a[-1] if b[:-1].any() else a * b[-1])

    def signed(self) -> Array:
        size = 1.0
        while sign := self.take("+ -"):
            size = size if sign.text == "+" else -size
        return self.single() * size

    def single(self) -> Array:
        """A number, a coefficient, or a sum in brackets."""
        if self.take("("):
            self.depth += 1
            if self.depth > MAX_DEPTH:
                raise self.refuse(f"brackets are nested more than {MAX_DEPTH} deep")
            value = self.sum()
            if not self.take(")"):
                raise self.refuse("a bracket is not closed")
            self.depth -= 1
            return value
        token: Any = self.tokens[self.place] if self.place < len(self.tokens) else None
        if token is None or token.kind == "sign":
            raise self.refuse("a number or a coefficient is missing here")
        self.place += 1
        value = np.zeros(self.p + 1)
        value[token.value if token.kind == "name" else -1] = 1.0 if token.kind == "name" else token.value
        return value
