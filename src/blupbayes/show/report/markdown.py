"""A report as Markdown with pictures in a folder beside it, and pieces as Markdown for notebooks."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import Any

from blupbayes.show.report.html import sentence
from blupbayes.show.report.pieces import (
    Code,
    Formula,
    Grid,
    Items,
    Missing,
    Picture,
    Report,
    Section,
    Side,
    Text,
)
from blupbayes.show.tables import escape_markdown, to_markdown

__all__ = ["document", "file_names", "piece_text", "section_text"]


def document(report: Report, folder: str) -> tuple[str, dict[str, bytes]]:
    """The text, and the pictures that it shows by their names in ``folder``.

    Parameters
    ----------
    report : Report
    folder : str
        Name of the folder beside the document.
    """
    pictures = [p for s in report.sections for p in s.pieces if isinstance(p, Picture)]
    names = file_names([p.name for p in pictures])
    place = {id(p): f"{quoted(folder)}/{name}" for p, name in zip(pictures, names, strict=True)}
    contents = "\n".join(f"- [{s.title}](#{anchor(s.title)})" for s in report.sections)
    parts = [f"# {line(report.title)}", line(report.lead), f"## Contents\n\n{contents}"]
    parts += [section_text(s, lambda p: place[id(p)]) for s in report.sections]
    if report.code:
        parts.append(
            f"<details>\n<summary>Python code of this report</summary>\n\n{block(report.code, 'python')}\n\n</details>"
        )
    return "\n\n".join(parts) + "\n", {name: p.wide for p, name in zip(pictures, names, strict=True)}


def file_names(names: list[str]) -> list[str]:
    """Names of files that every system takes, each once."""
    out: list[str] = []
    for name in names:
        plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
        stem = re.sub(r"[^A-Za-z0-9]+", "-", plain).strip("-").lower()[:60]
        tries = (stem if k == 1 else f"{stem}-{k}" for k in range(1, len(names) + 2))
        out.append(next(f"{t}.png" for t in tries if f"{t}.png" not in out))
    return out


def quoted(folder: str) -> str:
    """A folder's name inside a link."""
    from urllib.parse import quote

    return quote(folder)


def anchor(title: str) -> str:
    """What code hosts call a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def section_text(section: Section, place: Callable[[Any], str], dollars: bool = False) -> str:
    """A heading and its pieces."""
    return "\n\n".join([f"## {section.title}", *(piece_text(p, place, dollars) for p in section.pieces)])


def piece_text(piece: Any, place: Callable[[Any], str], dollars: bool = False) -> str:
    """One piece; formulas between dollars for notebooks, fenced for code hosts."""
    if isinstance(piece, Text):
        return line(piece.text)
    if isinstance(piece, Items):
        return "\n".join(f"- {line(item)}" for item in piece.items)
    if isinstance(piece, Formula):
        return f"$$\n{piece.latex}\n$$" if dollars else block(piece.latex, "math")
    if isinstance(piece, Grid):
        return grid(piece)
    if isinstance(piece, Side):
        return to_markdown(piece.sheet).strip()
    if isinstance(piece, Picture):
        return f"![{line(piece.alt)}]({place(piece)})\n\n*{line(piece.caption)}*"
    if isinstance(piece, Code):
        return f"{piece.title}:\n\n{block(piece.text, piece.language)}"
    assert isinstance(piece, Missing)
    return f"> **{line(piece.what)}: not here.** {line(sentence(piece.why))}"


def line(text: str) -> str:
    """Plain text in one line."""
    escaped = escape_markdown(" ".join(text.split()))
    return re.sub(r"^([#>+-]|\d+[.)])(?=\s)", r"\\\1", escaped).replace("[", "\\[").replace("]", "\\]")


def grid(piece: Grid) -> str:
    """A caption, a pipe table and its notes."""
    heads = "| " + " | ".join(line(name) for name in piece.heads) + " |"
    rule = "|" + "|".join(["---"] * len(piece.heads)) + "|"
    rows = ["| " + " | ".join(line(cell) for cell in row) + " |" for row in piece.rows]
    notes = [line(note) for note in piece.notes]
    return "\n\n".join([f"**{line(piece.caption)}**", "\n".join([heads, rule, *rows]), *notes])


def block(text: str, language: str) -> str:
    """A fenced block, its fence longer than any inside."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"
