"""Coverage: how often the intervals of each method hold the truth, and how wide they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from blupbayes.errors import ComparisonError
from blupbayes.show.figures.result import FigureResult
from blupbayes.show.figures.rows import uncrowd
from blupbayes.show.figures.style import FURTHER, INKS, RAW, Ink, page, sheet
from blupbayes.show.figures.tidy import percent
from blupbayes.show.figures.wording import brief, count, drawn

__all__ = ["coverage_lines"]

AXES = {"icc": "intraclass correlation", "n_groups": "number of groups"}
HINTS = {
    "raw": RAW,
    "posterior": INKS["Bayes"],
    "integrate": INKS["Bayes"],
    "cond": INKS["BLUP"],
    "pev": INKS["ML"],
}


def coverage_lines(
    table: pd.DataFrame, *, along: str | None = None, nominal: float = 0.95, width: str = "174mm"
) -> FigureResult:
    """Coverage with its Monte Carlo error over the truth, beside the mean width of the intervals.

    Parameters
    ----------
    table : DataFrame
        method, icc or n_groups, coverage, mc_se, width, n (replicates); a row per method and truth.
    along : str, optional
        Another column of numbers that tells the truths apart.
    nominal : float
        The level that the intervals claim.
    width : {"174mm", "84mm", "slide"}

    Returns
    -------
    FigureResult
        data: the table.
    """
    along = along or next((name for name in AXES if name in table.columns), None)
    if along is None or not len(table):
        raise ComparisonError("the coverage figure needs rows with a column icc or n_groups.")
    if not pd.api.types.is_numeric_dtype(table[along]):
        raise ComparisonError(f"{along!r} has to be numbers, to be an axis; it is {table[along].iloc[0]!r}.")
    p, inks = page(width), method_inks(list(dict.fromkeys(table["method"])))
    grid = {"nrows": 2} if p.narrow else {"ncols": 2}
    with sheet(width, 5.6 if p.narrow else 3.1, **grid) as (fig, array):
        axes = list(array.ravel())
        draw(axes, table, inks, along, nominal)
        columns = 1 if p.narrow else 2 if max(map(len, inks)) > 30 else 3
        fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper left", ncols=columns)
        uncrowd(fig, axes)
    words = (alt(table, along, nominal), caption(table, along, nominal))
    return FigureResult(fig, tuple(axes), table.reset_index(drop=True), *words, width)


def words_of(along: str) -> str:
    """What the axis is called."""
    return AXES.get(along, drawn(along, 40))


def method_inks(names: list[str]) -> dict[str, Ink]:
    """The ink of what a method's name tells, each once; others for the rest."""
    found: dict[str, Ink] = {}
    for name in names:
        usual = [ink for hint, ink in HINTS.items() if hint in name.lower() and ink not in found.values()]
        rest = [ink for ink in FURTHER if ink not in found.values()]
        found[name] = [*usual[:1], *rest, RAW][0]
    return found


def draw(axes: list[Any], table: pd.DataFrame, inks: dict[str, Ink], along: str, nominal: float) -> None:
    """Coverage left, width right; methods stand a little beside each other so that no bar hides another."""
    span = float(np.ptp(table[along])) or 1.0
    for k, (name, ink) in enumerate(inks.items()):
        own = table[table["method"] == name].sort_values(along)
        x = own[along] + 0.012 * span * (k - 0.5 * (len(inks) - 1))
        axes[0].vlines(x, *reach(own["coverage"], own["mc_se"]), color=ink.colour)
        axes[0].plot(x, own["coverage"], **ink.both, label=drawn(name, 40))
        axes[1].plot(x, own["width"], **ink.both)
    axes[0].axhline(nominal, color="black", linewidth=0.8, zorder=1)
    axes[0].set_ylabel("coverage")
    axes[1].set_ylabel("mean width")
    axes[1].set_ylim(bottom=0)
    axes[0].set_title(f"n = {replicates(table)} replicates")
    for ax in axes:
        ax.set_xlabel(words_of(along))


def reach(coverage: Any, mc_se: Any) -> tuple[Any, Any]:
    """Both ends of +- 2 Monte Carlo standard errors; a share lies between 0 and 1."""
    return np.maximum(coverage - 2 * mc_se, 0.0), np.minimum(coverage + 2 * mc_se, 1.0)


def replicates(table: pd.DataFrame) -> str:
    """Their number, or the range of it."""
    low, high = int(table["n"].min()), int(table["n"].max())
    return f"{low}" if low == high else f"{low} to {high}"


def alt(table: pd.DataFrame, along: str, nominal: float) -> str:
    """Two sentences: the range of each method, and the worst."""
    spans = [
        f"{brief(str(name), 40)} {own['coverage'].min():.3f} to {own['coverage'].max():.3f}"
        for name, own in table.groupby("method", sort=False)
    ]
    at: Any = (table["coverage"] - nominal).abs().idxmax()
    worst = table.loc[at]
    return (
        f"Coverage of nominal {percent(nominal)} intervals over {words_of(along)}: {', '.join(spans)}. Farthest "
        f"from nominal is {brief(str(worst['method']), 40)} at {worst[along]:g}, with "
        f"{worst['coverage']:.3f} and mean width {worst['width']:.4g}."
    )


def caption(table: pd.DataFrame, along: str, nominal: float) -> str:
    """What everything is."""
    return (
        "Simulated coverage (first panel) and mean width (second) of the intervals of "
        f"{count(table['method'].nunique(), 'method')} that claim {percent(nominal)}; the line is at nominal. "
        f"Bars: ± 2 Monte Carlo standard errors (95 %, Wald, cut at 0 and 1), {replicates(table)} replicates at each "
        f"{words_of(along)}; points stand a little beside each other for reading."
    )
