"""A sheet as a great_tables object: for more styling, images, and what else that package offers."""

from __future__ import annotations

from html import escape
from typing import Any

import pandas as pd

from blupbayes.errors import ComparisonError
from blupbayes.show.sheet import Sheet

__all__ = ["to_gt"]

SECTION, QUANTITY = "section", "quantity"


def to_gt(sheet: Sheet) -> Any:
    """A ``great_tables.GT``: a row group per section, a spanner per estimator, the notes below.

    Every section begins with a row of heads, because what a spread is differs from section to section.

    Raises
    ------
    ComparisonError
        If great_tables is not installed.
    """
    try:
        from great_tables import GT, html, loc, style
    except ImportError as error:
        raise ComparisonError(
            "to_gt() needs the package great_tables, which is not installed. Install blupbayes[tables], or use "
            "to_html(), which needs nothing."
        ) from error
    columns, rows = columns_of(sheet), rows_of(sheet)
    frame = pd.DataFrame(rows, columns=[SECTION, QUANTITY, *(name for own in columns for name in own)])
    table = GT(frame, rowname_col=QUANTITY, groupname_col=SECTION).tab_header(title=html(escape(sheet.title)))
    table = table.cols_label(cases={name: "" for own in columns for name in own})
    for label, own in zip(sheet.labels, columns, strict=True):
        table = table.tab_spanner(label=html(escape(label)), columns=own, id=own[0] + " spanner")
    heads = frame.index[frame[QUANTITY] == ""].tolist()
    table = table.tab_style(style.text(style="italic"), loc.body(rows=heads))
    table = table.cols_align("right", columns=[name for own in columns for name in own])
    for note in sheet.notes:
        table = table.tab_source_note(html(escape(note)))
    return table


def columns_of(sheet: Sheet) -> list[list[str]]:
    """Names of the columns of every estimator."""
    return [[f"{k}.{j}" for j, kept in enumerate(keep) if kept] for k, keep in enumerate(sheet.used())]


def rows_of(sheet: Sheet) -> list[list[str]]:
    """Section, quantity and cells, line by line; text as HTML."""
    used, out = sheet.used(), []
    for s in sheet.sections:
        lines = [("", s.heads), *((row.name, row.cells) for row in s.rows)]
        lines += [(s.more, tuple(("", "", "") for _ in used))] if s.hidden else []
        for name, cells in lines:
            flat = [
                c
                for triple, keep in zip(cells, used, strict=True)
                for c, k in zip(triple, keep, strict=True)
                if k
            ]
            out.append([escape(x) for x in (s.title, name, *flat)])
    return out
