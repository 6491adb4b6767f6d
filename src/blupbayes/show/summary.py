"""One fit, or one model, as a block of text in the order that users of lme4 know."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from blupbayes.variances import significant

__all__ = ["coefficients", "fit_text", "model_text", "paragraph", "size_of", "title"]

WIDTH = 100
LEAST_P = 2e-16
FORMATS = {
    "t": "{:.2f}".format,
    "df": "{:.1f}".format,
    "p": lambda p: f"<{LEAST_P:g}" if p < LEAST_P else f"{p:.3g}",
}


def size_of(design: Any) -> str:
    """Rows and levels in words: "18 rows, 6 levels of Rail"."""
    groups = "".join(f", {len(g.levels)} levels of {g.name}" for g in design.groups)
    dropped = f" ({design.n_dropped} dropped, missing values)" if design.n_dropped else ""
    return f"{design.n_obs} rows{dropped}{groups}"


def title(design: Any) -> str:
    """What a table of answers is called: the formula and the size of the data."""
    return f"{design.formula}: {size_of(design)}"


def coefficients(table: pd.DataFrame, columns: Sequence[str]) -> str:
    """Fixed effects as aligned text; five significant digits, two decimals for t, one for df, NaN as blank."""
    rows = [["", *columns]]
    for name, row in table.iterrows():
        cells = ["" if np.isnan(row[c]) else FORMATS.get(c, significant)(row[c]) for c in columns]
        rows.append([str(name), *cells])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        " "
        + row[0].ljust(widths[0])
        + "".join("  " + c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))
        for row in rows
    )


def paragraph(text: str) -> str:
    """Wrap a sentence for the terminal."""
    return textwrap.fill(text, WIDTH, subsequent_indent="  ")


def fit_text(fit: Any) -> str:
    """The repr of a Fit: criterion, random effects, fixed effects, messages, certificate."""
    kind = "REML criterion" if fit.method == "REML" else "-2 log-likelihood"
    lines = [
        f"{fit.method} fit of {fit.design.formula}",
        size_of(fit.design),
        f"{kind} {fit.criterion:.4f}, log-likelihood {fit.log_likelihood:.4f}, "
        f"AIC {fit.aic:.2f}, BIC {fit.bic:.2f}",
        "",
        "Random effects:",
        repr(fit.variances),
        "",
        *fixed_text(fit),
        "",
        *(paragraph(message) for message in fit.messages),
        paragraph(str(fit.certificate)),
    ]
    return "\n".join(lines)


def fixed_text(fit: Any) -> list[str]:
    """The fixed effects of a fit, with their head."""
    if not fit.design.fixed_names:
        return ["Fixed effects: none"]
    head = "Fixed effects (se with the variances held at their estimates; df by Satterthwaite):"
    return [head, coefficients(fit.summary(), ["estimate", "se", "df", "t", "p"])]


def model_text(design: Any, aliased: Sequence[str]) -> str:
    """The repr of a MixedModel: formula, X, Z by group, and whatever is out of the ordinary."""
    n, groups = design.n_obs, design.measures.groups
    rows = [("rows", str(n) + (f" ({design.n_dropped} dropped, missing values)" if design.n_dropped else ""))]
    rows.append(("X", f"{n} x {len(design.fixed_names)}  {shorten(design.fixed_names)}"))
    rows += [(f"Z {g.name}", group_text(g, of.counts)) for g, of in zip(design.groups, groups, strict=True)]
    if aliased:
        rows.append(("aliased", shorten(aliased)))
    if design.has_weights:
        rows.append(("weights", range_text(design.measures.weights)))
    if design.has_offset:
        rows.append(("offset", range_text(design.measures.offset)))
    if design.sigma is not None:
        rows.append(("sigma", f"{design.sigma:.6g} (known)"))
    width = max(len(name) for name, _ in rows)
    return "\n".join(
        [f"MixedModel {design.formula}", *(f"  {name.ljust(width)}  {text}" for name, text in rows)]
    )


def range_text(moments: Any) -> str:
    """From the smallest to the largest value of a column."""
    return f"from {moments.low[0]:.4g} to {moments.high[0]:.4g}"


def group_text(group: Any, counts: Any) -> str:
    """Size of one group's part of Z and whether its levels have equally many rows."""
    J, q = len(group.levels), len(group.names)
    even = counts.min() == counts.max()
    per = (
        f"{counts.min()} rows per level (balanced)"
        if even
        else f"{counts.min()} to {counts.max()} rows per level"
    )
    names = "" if tuple(group.names) == ("Intercept",) else f"  {shorten(group.names)}"
    return f"{counts.sum()} x {J * q}{names}  {J} levels, {per}"


def shorten(names: Sequence[str], most: int = 8) -> str:
    """Names in one line, the middle left out where there are many."""
    shown = [*names[: most - 1], f"... ({len(names)} in all)"] if len(names) > most else names
    return ", ".join(shown)
