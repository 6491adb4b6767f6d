"""A report as one HTML file: it asks nothing of a network, runs no script, prints, and fits a phone."""

from __future__ import annotations

from base64 import b64encode
from html import escape
from pathlib import Path
from typing import Any

from blupbayes.show import html as sheets
from blupbayes.show.report.pieces import Code, Formula, Grid, Items, Missing, Picture, Report, Side, Text
from blupbayes.versions import versions

__all__ = ["page"]

TEMPLATES = Path(__file__).resolve().parent / "templates"
LONG = 26  # signs from which a cell may be broken into lines
LARGEST = 400_000  # signs of a long table that a page carries for download


def page(report: Report) -> str:
    """The whole file.

    Parameters
    ----------
    report : Report
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    loader = FileSystemLoader(TEMPLATES)
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True
    )
    return environment.get_template("report.html").render(
        report=report,
        draw=lambda piece: Markup(drawn(piece)),
        table_style=Markup(sheets.STYLE),
        light=Markup(sheets.LIGHT),
        dark=Markup(sheets.DARK),
        version=versions()["blupbayes"],
    )


def drawn(piece: Any) -> str:
    """One piece; everything that users named is escaped here."""
    return DRAWERS[type(piece)](piece)


def text(piece: Text) -> str:
    """A paragraph."""
    return f"<p>{escape(piece.text)}</p>"


def items(piece: Items) -> str:
    """A list."""
    return "<ul>\n" + "\n".join(f"<li>{escape(item)}</li>" for item in piece.items) + "\n</ul>"


def formula(piece: Formula) -> str:
    """MathML with its LaTeX inside."""
    return (
        '<div class="formula" role="region" aria-label="The model as a formula" tabindex="0">'
        f'<math display="block" xmlns="http://www.w3.org/1998/Math/MathML"><semantics>{piece.mathml}'
        f'<annotation encoding="application/x-tex">{escape(piece.latex)}</annotation></semantics></math></div>'
    )


def grid(piece: Grid) -> str:
    """A table in a box that scrolls on its own."""
    numeric = [all(is_number(row[j]) for row in piece.rows) for j in range(len(piece.heads))]

    def cell(j: int, value: str) -> str:
        marks = [] if numeric[j] else ["text"]
        marks += ["long"] if len(value) > LONG and not value.startswith("[") else []
        mark = f' class="{" ".join(marks)}"' if marks else ""
        return f'<th scope="row"{mark}>{escape(value)}</th>' if j == 0 else f"<td{mark}>{escape(value)}</td>"

    heads = "".join(
        f'<th scope="col"{"" if numeric[j] else ' class="text"'}>{escape(name)}</th>' if name else "<td></td>"
        for j, name in enumerate(piece.heads)
    )
    body = "\n".join(f"<tr>{''.join(cell(j, v) for j, v in enumerate(row))}</tr>" for row in piece.rows)
    notes = "".join(f'\n<p class="notes">{escape(note)}</p>' for note in piece.notes)
    return (
        f'<div class="scroll" role="region" aria-label="{escape(piece.caption)}" tabindex="0">\n<table class="grid">\n'
        f"<caption><span>{escape(piece.caption)}</span></caption>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{body}\n"
        f"</tbody>\n</table>\n</div>{notes}"
    )


def is_number(cell: str) -> bool:
    """Whether a cell begins like a number, or is empty."""
    return not cell or cell.lstrip("-+[").startswith(tuple("0123456789")) or cell in ("inf", "-inf")


def side(piece: Side) -> str:
    """The side-by-side table, and every digit of it to take away."""
    table = sheets.to_html(piece.sheet).replace(f"<style>{sheets.STYLE}</style>\n", "", 1)
    if len(piece.csv) > LARGEST:
        return (
            f"{table}\n<p>The long table with every digit is too large for this page: to_csv() writes it.</p>"
        )
    data = b64encode(piece.csv.encode()).decode("ascii")
    return (
        f'{table}\n<p class="download"><a download="table.csv" href="data:text/csv;charset=utf-8;base64,{data}">'
        "The same as a long table with every digit (CSV)</a></p>"
    )


def picture(piece: Picture) -> str:
    """A figure; phones get one that was drawn for them."""
    narrow = f'<source media="(max-width: 34rem)" srcset="{uri(piece.narrow)}">' if piece.narrow else ""
    return (
        f'<figure>\n<picture>{narrow}<img alt="{escape(piece.alt)}" src="{uri(piece.wide)}"></picture>\n'
        f"<figcaption>{escape(piece.caption)}</figcaption>\n</figure>"
    )


def uri(png: bytes) -> str:
    """The picture itself as an address."""
    return f"data:image/png;base64,{b64encode(png).decode('ascii')}"


def code(piece: Code) -> str:
    """A block to copy."""
    label = escape(piece.title)
    block = f'<pre tabindex="0" role="region" aria-label="{label}"><code>{escape(piece.text)}</code></pre>'
    return f"<details>\n<summary>{label}</summary>\n{block}\n</details>" if piece.folded else block


def missing(piece: Missing) -> str:
    """What is not there."""
    return f'<p class="missing"><strong>{escape(piece.what)}: not here.</strong> {escape(sentence(piece.why))}</p>'


def sentence(why: str) -> str:
    """A reason with a capital and a full stop."""
    return why[:1].upper() + why[1:] + ("" if why.endswith((".", "!", "?")) else ".")


DRAWERS: dict[type, Any] = {
    Text: text,
    Items: items,
    Formula: formula,
    Grid: grid,
    Side: side,
    Picture: picture,
    Code: code,
    Missing: missing,
}
