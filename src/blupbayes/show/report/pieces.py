"""What a report is made of: sections of pieces that know neither HTML nor Markdown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Code", "Formula", "Grid", "Items", "Missing", "Picture", "Report", "Section", "Side", "Text"]


@dataclass(frozen=True)
class Text:
    """A paragraph, plain text."""

    text: str


@dataclass(frozen=True)
class Items:
    """A list of sentences."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Formula:
    """An equation, written twice."""

    mathml: str
    latex: str


@dataclass(frozen=True)
class Grid:
    """A table of text cells; the first of each row is its head."""

    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Side:
    """The side-by-side table, a Sheet, and the long table behind it as CSV."""

    sheet: Any
    csv: str


@dataclass(frozen=True)
class Picture:
    """A figure as PNG: for a page and, unless empty, for a phone; ``call`` draws it again."""

    name: str
    alt: str
    caption: str
    call: str
    wide: bytes
    narrow: bytes = b""


@dataclass(frozen=True)
class Code:
    """A block to copy; ``folded`` behind its title."""

    title: str
    text: str
    language: str
    folded: bool = False


@dataclass(frozen=True)
class Missing:
    """What is not there, and why."""

    what: str
    why: str


Piece = Text | Items | Formula | Grid | Side | Picture | Code | Missing


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it.

    Parameters
    ----------
    key, title : str
    told : tuple of Piece
        What can be said before anything is computed; it stands in notebooks, too.
    made : tuple of Piece
        What was computed; a notebook computes it itself.
    """

    key: str
    title: str
    told: tuple[Piece, ...]
    made: tuple[Piece, ...] = ()

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """What a page shows."""
        return (*self.told, *self.made)


@dataclass(frozen=True)
class Report:
    """A finished report.

    Parameters
    ----------
    title, lead : str
        The heading, and the line under it.
    sections : tuple of Section
    code : str
        Python that does it again; "" where nobody knows it.
    """

    title: str
    lead: str
    sections: tuple[Section, ...]
    code: str = ""
