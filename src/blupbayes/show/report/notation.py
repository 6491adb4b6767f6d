"""Mathematics written twice at once: MathML for pages without a network, LaTeX for notebooks and Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

__all__ = [
    "Math", "aligned", "both", "fraction", "joined", "letter", "matrix", "number", "op", "row", "sub", "sup", "total",
    "words",
]  # fmt: skip

SPECIAL = {"{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_"}
OUTSIDE = {
    "\\": r"\backslash",
    "~": r"\sim",
    "^": r"\wedge",
    "<": r"\lt",
    ">": r"\gt",
}  # have no sign in \text


@dataclass(frozen=True)
class Math:
    """One expression."""

    mathml: str
    latex: str


def letter(sign: str, latex: str = "") -> Math:
    """A symbol: ``letter("β", r"\\beta")``."""
    return Math(f"<mi>{escape(sign)}</mi>", latex or sign)


def number(text: str) -> Math:
    """A number as it is to be read."""
    return Math(f"<mn>{escape(text)}</mn>", text)


def op(sign: str, latex: str = "") -> Math:
    """An operator or a relation."""
    return Math(f"<mo>{escape(sign)}</mo>", latex or sign)


def words(text: str) -> Math:
    """Names of columns and levels, whatever signs they hold."""
    runs = re.findall(r"[\\~^<>]|[^\\~^<>]+", text)
    return Math(f"<mtext>{escape(text)}</mtext>", " ".join(map(in_latex, runs)))


def in_latex(run: str) -> str:
    """One sign that needs mathematics, or a run of others as text."""
    return OUTSIDE.get(run) or rf"\text{{{''.join(SPECIAL.get(sign, sign) for sign in run)}}}"


def row(*parts: Math) -> Math:
    """Side by side."""
    return Math(f"<mrow>{''.join(p.mathml for p in parts)}</mrow>", " ".join(p.latex for p in parts))


def joined(parts: Sequence[Math], between: Math) -> Math:
    """Side by side with something between."""
    out = [parts[0]]
    for part in parts[1:]:
        out += [between, part]
    return row(*out)


def sub(base: Math, index: Math) -> Math:
    """base_index."""
    return Math(f"<msub>{base.mathml}{index.mathml}</msub>", f"{base.latex}_{{{index.latex}}}")


def sup(base: Math, power: Math) -> Math:
    """base^power."""
    return Math(f"<msup>{base.mathml}{power.mathml}</msup>", f"{base.latex}^{{{power.latex}}}")


def both(base: Math, index: Math, power: Math) -> Math:
    """base_index^power."""
    return Math(
        f"<msubsup>{base.mathml}{index.mathml}{power.mathml}</msubsup>",
        f"{base.latex}_{{{index.latex}}}^{{{power.latex}}}",
    )


def fraction(over: Math, under: Math) -> Math:
    """over / under."""
    return Math(f"<mfrac>{over.mathml}{under.mathml}</mfrac>", rf"\frac{{{over.latex}}}{{{under.latex}}}")


def total(index: Math, first: Math, last: Math) -> Math:
    """The sign of a sum from first to last."""
    low = row(index, op("="), first)
    return Math(
        f"<munderover><mo>∑</mo>{low.mathml}{last.mathml}</munderover>",
        rf"\sum_{{{low.latex}}}^{{{last.latex}}}",
    )


def matrix(cells: Sequence[Sequence[Math]]) -> Math:
    """In round brackets."""
    rows = "".join(f"<mtr>{''.join(f'<mtd>{c.mathml}</mtd>' for c in line)}</mtr>" for line in cells)
    body = r" \\ ".join(" & ".join(c.latex for c in line) for line in cells)
    return Math(
        f"<mrow><mo>(</mo><mtable>{rows}</mtable><mo>)</mo></mrow>",
        rf"\begin{{pmatrix}} {body} \end{{pmatrix}}",
    )


def aligned(lines: Sequence[tuple[Math | None, Math, Math]]) -> Math:
    """Lines of left side (None: as the line before), relation, right side, under each other."""
    rows = "".join(
        f'<mtr><mtd class="left">{a.mathml if a else ""}</mtd><mtd>{b.mathml}</mtd>'
        f'<mtd class="right">{c.mathml}</mtd></mtr>'
        for a, b, c in lines
    )
    body = " \\\\\n".join(f"{a.latex if a else ''} &{b.latex} {c.latex}" for a, b, c in lines)
    return Math(f"<mtable>{rows}</mtable>", f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}")
