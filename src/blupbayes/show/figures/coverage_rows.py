"""Coverage at one truth: a row per method, its Monte Carlo error, and the width of its intervals."""

from __future__ import annotations

from typing import Any

import pandas as pd

from blupbayes.show.figures.coverage import method_inks, reach, replicates
from blupbayes.show.figures.result import FigureResult
from blupbayes.show.figures.rows import height, settle, stripes
from blupbayes.show.figures.style import page, sheet
from blupbayes.show.figures.tidy import percent
from blupbayes.show.figures.wording import brief, count, drawn

__all__ = ["coverage_rows"]


def coverage_rows(table: pd.DataFrame, *, nominal: float = 0.95, width: str = "174mm") -> FigureResult:
    """Coverage with its Monte Carlo error beside the mean width, a row per method.

    Parameters
    ----------
    table : DataFrame
        method, coverage, mc_se, width, n (replicates), a row per method, drawn from the top.
    nominal : float
        The level that the intervals claim.
    width : {"174mm", "84mm", "slide"}

    Returns
    -------
    FigureResult
        data: the table.
    """
    p, upwards = page(width), table.iloc[::-1].reset_index(drop=True)
    grid = {"nrows": 2} if p.narrow else {"ncols": 2}
    tall = height(len(upwards), p) * (2 if p.narrow else 1)
    with sheet(width, tall, **grid) as (fig, array):
        axes = list(array.ravel())
        draw(axes, upwards, nominal)
        names = [drawn(str(name), 40) for name in upwards["method"]]
        if not p.narrow:
            axes[1].set_yticks([])
        settle(fig, axes, [(ax, names) for ax in (axes if p.narrow else axes[:1])])
    words = (alt(table, nominal), caption(table, nominal))
    return FigureResult(fig, tuple(axes), table.reset_index(drop=True), *words, width)


def draw(axes: list[Any], table: pd.DataFrame, nominal: float) -> None:
    """Coverage in the first panel, width in the second."""
    for ax in axes:
        stripes(ax, len(table))
    inks = method_inks(table["method"].tolist()[::-1])
    for y, row in enumerate(table.to_dict("records")):
        ink = inks[row["method"]]
        axes[0].hlines(y, *reach(row["coverage"], row["mc_se"]), color=ink.colour)
        axes[0].plot([row["coverage"]], [y], **ink.point)
        axes[1].plot([row["width"]], [y], **ink.point)
    axes[0].axvline(nominal, color="black", linewidth=0.8, zorder=1)
    axes[0].set_xlabel("coverage")
    axes[1].set_xlabel("mean width")
    axes[1].set_xlim(left=0)
    axes[0].set_title(f"n = {replicates(table)} replicates")


def alt(table: pd.DataFrame, nominal: float) -> str:
    """Two sentences: every method, and the worst."""
    spans = [
        f"{brief(str(row['method']), 40)} {row['coverage']:.3f} (mean width {row['width']:.4g})"
        for _, row in table.iterrows()
    ]
    at: Any = (table["coverage"] - nominal).abs().idxmax()
    worst = table.loc[at]
    return (
        f"Coverage of nominal {percent(nominal)} intervals: {', '.join(spans)}. Farthest from nominal is "
        f"{brief(str(worst['method']), 40)}."
    )


def caption(table: pd.DataFrame, nominal: float) -> str:
    """What everything is."""
    return (
        "Simulated coverage (first panel) and mean width (second) of the intervals of "
        f"{count(len(table), 'method')} that claim {percent(nominal)}; the line is at nominal. Bars: ± 2 Monte Carlo "
        f"standard errors (95 %, Wald, cut at 0 and 1), {replicates(table)} replicates."
    )
