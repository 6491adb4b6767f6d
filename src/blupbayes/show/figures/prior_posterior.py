"""The prior of one sd and what the data make of it, prior by prior."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from blupbayes.errors import ComparisonError
from blupbayes.show.digits import short
from blupbayes.show.figures.result import FigureResult
from blupbayes.show.figures.rows import uncrowd
from blupbayes.show.figures.style import INKS, page, sheet
from blupbayes.show.figures.wording import brief, count, drawn, joined

__all__ = ["prior_posterior"]

POSTERIOR, PRIOR, EB = INKS["Bayes"], {"color": "#767676", "linestyle": "-", "linewidth": 0.9}, INKS["BLUP"]
ROOM = 1.45  # heights of the posterior in a panel: text stands above the curve


def prior_posterior(
    curves: pd.DataFrame,
    rows: pd.DataFrame,
    estimate: float,
    group: str,
    term: str,
    *,
    ci_prob: float = 0.95,
    width: str = "174mm",
) -> FigureResult:
    """A panel per prior, all on one axis: the prior density of an sd and its posterior density.

    Parameters
    ----------
    curves : DataFrame
        prior, kind ("posterior" or "prior"), value, density; a flat prior has no rows of kind "prior".
    rows : DataFrame
        prior, estimate (posterior median), ci_lb, ci_ub; the order of the panels.
    estimate : float
        The REML estimate of the sd.
    group, term : str
        Which sd.
    ci_prob : float
        Level of the intervals.
    width : {"174mm", "84mm", "slide"}

    Returns
    -------
    FigureResult
        data: the curves.
    """
    if not len(rows):
        raise ComparisonError(f"nothing to draw: there is no posterior of sd({group}, {term}).")
    p, n = page(width), len(rows)
    columns = 1 if p.narrow else min(n, 2 if n in (2, 4) else 3)
    lines = -(-n // columns)
    with sheet(width, 0.8 + 1.5 * lines, nrows=lines, ncols=columns, sharex=True) as (fig, array):
        axes = list(array.ravel())
        for ax in axes[n:]:
            ax.remove()
        axes = axes[:n]
        for ax, row in zip(axes, rows.itertuples(), strict=True):
            draw(ax, curves[curves["prior"] == row.prior], row, estimate)
            ax.set_title(drawn(str(row.prior), 40 if columns < 3 else 24))
        for ax in axes[max(0, n - columns) :]:
            ax.set_xlabel(f"sd({drawn(group, 20)}, {drawn(term, 14)})")
            ax.tick_params(labelbottom=True)
        axes[0].set_xlim(0, curves["value"].max())
        fig.legend(*entries(), loc="outside upper left", ncols=1 if p.narrow else 3)
        uncrowd(fig, axes)
    words = alt(rows, group, term), caption(curves, rows, group, term, ci_prob)
    return FigureResult(fig, tuple(axes), curves.reset_index(drop=True), *words, width)


def draw(ax: Any, curves: pd.DataFrame, row: Any, estimate: float) -> None:
    """One prior: two curves, the median with its interval on the axis, the REML estimate, and numbers."""
    full = curves[curves["kind"] == "posterior"]
    top = float(np.nanmax(full["density"]))
    for kind, stroke in (("prior", PRIOR), ("posterior", POSTERIOR.stroke)):
        own = curves[curves["kind"] == kind]
        ax.plot(own["value"], own["density"], **stroke, zorder=3)
    ax.axvline(estimate, color=EB.colour, linestyle=EB.line, linewidth=1.0, zorder=1)
    text = f"{short(row.estimate)} [{short(row.ci_lb)}, {short(row.ci_ub)}]"
    ax.text(1.0, 0.98, text, transform=ax.transAxes, ha="right", va="top")
    ax.set_ylim(0, ROOM * top)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)


def entries() -> tuple[list[Any], list[str]]:
    """Handles and labels of the legend."""
    from matplotlib.lines import Line2D

    styles = [PRIOR, POSTERIOR.stroke, {"color": EB.colour, "linestyle": EB.line}]
    return [Line2D([], [], **style) for style in styles], ["prior", "posterior", "REML estimate"]


def alt(rows: pd.DataFrame, group: str, term: str) -> str:
    """Two sentences: the median under every prior, and which posterior reaches furthest."""
    names, medians = rows["prior"].astype(str), rows["estimate"].astype(float)
    told = [f"{short(x)} under {brief(name, 60)}" for name, x in zip(names, medians, strict=True)]
    k = int(np.argmax(rows["ci_ub"]))
    return (
        f"The posterior median of sd({group}, {term}) is {joined(told)}. The interval that reaches furthest, to "
        f"{short(rows['ci_ub'].iloc[k])}, is that under {brief(names.iloc[k], 60)}."
    )


def caption(curves: pd.DataFrame, rows: pd.DataFrame, group: str, term: str, ci_prob: float) -> str:
    """What everything is."""
    own = set(curves.loc[curves["kind"] == "prior", "prior"])
    flat = [brief(name, 40) for name in rows["prior"] if name not in own]
    none = (
        f" No prior is drawn under {joined(flat)}: it is flat, or not one of this sd alone." if flat else ""
    )
    return (
        f"sd({group}, {term}) under {count(len(rows), 'prior')}: prior density (grey; it may lie above the panel) "
        "and posterior density (black), one axis for all, heights of their own. Numbers: posterior median "
        f"[equal-tailed {100 * ci_prob:g} % interval], which may reach beyond the axis. Dashed: the REML "
        f"estimate.{none}"
    )
