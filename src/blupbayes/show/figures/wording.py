"""Names and numbers as a figure can write them: what the font has, short enough, and never as mathematics."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache

from matplotlib.font_manager import findfont, get_font

__all__ = ["FONT", "MINUS", "TIMES", "brief", "count", "drawn", "joined", "signed"]

FONT = "DejaVu Sans"  # comes with matplotlib
MINUS = "\u2212"
TIMES = "\u00d7"
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


@cache
def glyphs() -> frozenset[int]:
    """The characters that the font has."""
    return frozenset(get_font(findfont(FONT)).get_charmap())


def visible(character: str) -> str:
    """The character itself, or its number where the font lacks it: a box would say nothing."""
    if character.isspace():
        return " "
    if unicodedata.category(character) in ("Cc", "Cf", "Mn") and ord(character) not in glyphs():
        return ""
    return character if ord(character) in glyphs() else f"[U+{ord(character):04X}]"


def brief(name: str, most: int = 24) -> str:
    """A name of at most so many characters: the middle of a longer one becomes an ellipsis.

    Examples
    --------
    >>> brief("a fairly long name of a county", 12), brief("short")
    ('a fair…ounty', 'short')
    """
    if len(name) <= most:
        return name
    tail = (most - 1) // 2
    return f"{name[: most - 1 - tail]}…{name[len(name) - tail :]}"


def drawn(name: str, most: int = 24) -> str:
    r"""A name as text of a figure: shortened, with what the font has, its $ no mathematics.

    Examples
    --------
    >>> print(drawn("5 $ & 10 %"))
    5 \$ & 10 %
    """
    plain = "".join(map(visible, name)).strip() or "(blank)"
    return brief(plain, most).replace("$", r"\$")


def count(n: int, noun: str) -> str:
    """A number of things in words: "six levels".

    Examples
    --------
    >>> count(6, "level"), count(1, "level"), count(18, "level")
    ('six levels', 'one level', '18 levels')
    """
    return f"{NUMBERS[n] if n < len(NUMBERS) else n} {noun}{'' if n == 1 else 's'}"


def joined(names: Sequence[str]) -> str:
    """Names in a sentence: "a, b and c"."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def signed(text: str) -> str:
    """A number with its sign."""
    return text if text.startswith("-") else f"+{text}"
