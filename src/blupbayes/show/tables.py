"""A sheet as text, Markdown and LaTeX, and the long table as CSV."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence

import pandas as pd

from blupbayes.show.html import to_html
from blupbayes.show.sheet import Section, Sheet

__all__ = ["to_csv", "to_html", "to_latex", "to_markdown", "to_text"]

Used = Sequence[tuple[bool, ...]]


def flat(cells: Sequence[Sequence[str]], used: Used) -> list[str]:
    """The cells of the columns in use, in one list."""
    return [
        c for triple, keep in zip(cells, used, strict=True) for c, k in zip(triple, keep, strict=True) if k
    ]


def to_text(sheet: Sheet, width: int | None = None) -> str:
    """For the terminal: aligned, plain characters.

    Parameters
    ----------
    sheet : Sheet
        What to show.
    width : int or None
        Characters per line; intervals are left out, and that is said, if the table would be wider.

    Returns
    -------
    str
        Lines without trailing blanks.
    """
    used, dropped = sheet.used(), ""
    lines = text_lines(sheet, used)
    if width is not None and max(map(len, lines)) > width and any(keep[2] for keep in used):
        used = tuple((a, b, False) for a, b, _ in used)
        lines, dropped = (
            text_lines(sheet, used),
            "Intervals are left out in this width: a wider one, or to_dataframe(), has them.",
        )
    notes = [*sheet.notes, *([dropped] if dropped else [])]
    wrapped = [textwrap.fill(note, width or 110, subsequent_indent="  ") for note in notes]
    return "\n".join([sheet.title, "", *lines, "", *wrapped])


def text_lines(sheet: Sheet, used: Used) -> list[str]:
    """The body of the text table: a line of labels, then the sections."""
    body = [("", flat([(n, "", "") for n in sheet.labels], used))]
    for s in sheet.sections:
        body += [("", []), (s.title, flat(s.heads, used))]
        body += [("  " + row.name, flat(row.cells, used)) for row in s.rows]
        body += [("  " + s.more, [])] if s.hidden else []
    first = max(len(name) for name, _ in body)
    columns = list(zip(*(cells for _, cells in body[1:] if cells), strict=True))
    widths = widen([max(map(len, column)) for column in columns], sheet.labels, used)
    labels = "".join(spanned(n, w) for n, w in zip(sheet.labels, spans(widths, used), strict=True))
    lines = [" " * first + labels]
    for name, cells in body[1:]:
        shown = "".join("  " + c.rjust(w) for c, w in zip(cells, widths, strict=True)) if cells else ""
        lines.append((name.ljust(first) + shown).rstrip())
    return [line.rstrip() for line in lines]


def spans(widths: Sequence[int], used: Used) -> list[int]:
    """Width of every estimator's columns together, gaps of two included."""
    rest = list(widths)
    return [sum(2 + rest.pop(0) for k in keep if k) for keep in used]


def widen(widths: list[int], labels: Sequence[str], used: Used) -> list[int]:
    """Make the first column of an estimator wider where its label is longer than its columns."""
    out, start = list(widths), 0
    for name, keep, span in zip(labels, used, spans(widths, used), strict=True):
        out[start] += max(0, len(name) + 3 - span)
        start += sum(keep)
    return out


def spanned(name: str, width: int) -> str:
    """A label over the columns of its estimator, with a rule that shows how far it reaches."""
    return "  " + f" {name} ".center(width - 2, "-")


def to_markdown(sheet: Sheet) -> str:
    """GitHub-flavoured Markdown: one table per section, every head with its estimator."""
    used = sheet.used()
    parts = [f"**{escape_markdown(sheet.title)}**"] + [
        markdown_section(s, sheet.labels, used) for s in sheet.sections
    ]
    return "\n\n".join([*parts, "\n".join(f"- {escape_markdown(note)}" for note in sheet.notes)]) + "\n"


def escape_markdown(text: str) -> str:
    """Keep Markdown from reading signs as marks."""
    for sign in "\\|*`<$":
        text = text.replace(sign, "\\" + sign)
    text = re.sub(r"&(?=#?\w+;)|\](?=\()|(?<=\S)~|~(?=\S)", r"\\\g<0>", text)
    return re.sub(r"(?<![0-9A-Za-z])_|_(?![0-9A-Za-z])", r"\\_", text)


def markdown_section(s: Section, labels: Sequence[str], used: Used) -> str:
    """One section as a Markdown table; columns that are empty here are left out."""
    there = tuple(
        tuple(bool(h) and k for h, k in zip(*pair, strict=True)) for pair in zip(s.heads, used, strict=True)
    )
    heads = flat(
        [tuple(f"{n} {h}" for h in triple) for n, triple in zip(labels, s.heads, strict=True)], there
    )
    lines = [[s.title, *heads], ["---", *("---:" for _ in heads)]]
    lines += [[row.name, *flat(row.cells, there)] for row in s.rows]
    lines += [[s.more, *("" for _ in heads)]] if s.hidden else []
    escaped = [line if k == 1 else [escape_markdown(c) for c in line] for k, line in enumerate(lines)]
    return "\n".join("| " + " | ".join(line) + " |" for line in escaped)


LATEX = (
    {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "|": r"\textbar{}"}
    | {sign: "\\" + sign for sign in "&%$#_{}"}
    | {"<": r"\textless{}", ">": r"\textgreater{}"}
)


def escape_latex(text: str) -> str:
    """Text as LaTeX; a minus before a digit is a minus sign."""
    escaped = "".join(LATEX.get(sign, sign) for sign in text)
    return "".join(
        "$-$" if c == "-" and escaped[i + 1 : i + 2].isdigit() and not escaped[i - 1 : i].isalnum() else c
        for i, c in enumerate(escaped)
    )


def to_latex(sheet: Sheet) -> str:
    r"""A ``table`` environment with booktabs rules; needs ``\usepackage{booktabs}``."""
    used = sheet.used()
    n = sum(sum(keep) for keep in used)
    top, rules, start = "", "", 2
    for name, keep in zip(sheet.labels, used, strict=True):
        top += rf" & \multicolumn{{{sum(keep)}}}{{c}}{{{escape_latex(name)}}}"
        rules += rf"\cmidrule(lr){{{start}-{start + sum(keep) - 1}}}"
        start += sum(keep)
    lines = [r"\begin{table}", r"\centering", rf"\caption{{{escape_latex(sheet.title)}}}"]
    lines += [rf"\begin{{tabular}}{{l{'r' * n}}}", r"\toprule", top.strip() + r" \\", rules]
    for k, s in enumerate(sheet.sections):
        lines += [r"\addlinespace"] if k else []
        lines += latex_section(s, used)
    lines += [r"\bottomrule", r"\end{tabular}", "", r"\footnotesize"]
    return "\n".join([*lines, *(escape_latex(note) + r"\par" for note in sheet.notes), r"\end{table}"]) + "\n"


def latex_section(s: Section, used: Used) -> list[str]:
    """Lines of one section."""
    heads = [rf"\textit{{{escape_latex(h)}}}" if h else "" for h in flat(s.heads, used)]
    lines = [" & ".join([rf"\textit{{{escape_latex(s.title)}}}", *heads]) + r" \\"]
    for row in s.rows:
        cells = [escape_latex(c).replace("[", "{[}") for c in flat(row.cells, used)]
        lines.append(" & ".join([r"\quad " + escape_latex(row.name), *cells]) + r" \\")
    return [*lines, *([rf"\quad {escape_latex(s.more)} \\"] if s.hidden else [])]


def to_csv(table: pd.DataFrame) -> str:
    """The long table, for machines: full precision, every kind and level named, no rounding."""
    return str(table.to_csv(index=False, lineterminator="\n"))
