"""The path of one sd: every level given its value, over the posterior of the sd."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from blupbayes.show.figures.ends import name_ends
from blupbayes.show.figures.result import FigureResult
from blupbayes.show.figures.rows import chosen, uncrowd
from blupbayes.show.figures.style import INKS, RAW, page, sheet
from blupbayes.show.figures.tidy import levels_of, says
from blupbayes.show.figures.wording import brief, count, drawn

__all__ = ["sd_path"]

POSTERIOR, PRIOR = INKS["Bayes"].stroke, {"color": "#767676", "linestyle": "-", "linewidth": 0.8}
EB = INKS["BLUP"]


def sd_path(
    path: pd.DataFrame,
    curves: pd.DataFrame,
    estimate: float,
    group: str,
    term: str,
    *,
    width: str = "174mm",
    max_levels: int | None = None,
) -> FigureResult:
    """Conditional means of one coefficient of every level given its sd, and below them what the data say of that sd.

    Parameters
    ----------
    path : DataFrame
        sd, component (fixed, b, group_mean), group, level, term, estimate, uncertainty; from sd = 0 upwards.
    curves : DataFrame
        value, density and kind ("posterior" or "prior") of the sd.
    estimate : float
        Where empirical Bayes stands: the REML estimate of the sd.
    group, term : str
        Which coefficient: beta + b where it has a fixed effect, else b.
    width : {"174mm", "84mm", "slide"}
    max_levels : int, optional
        Name at most so many lines; all are drawn.

    Returns
    -------
    FigureResult
        data: sd, kind ("level", "fixed", "posterior", "prior"), level, estimate, uncertainty, density.
    """
    p, lines, fixed = page(width), levels_of(path, group, term), fixed_of(path, term)
    ratios = {"height_ratios": (2.4, 1)}
    with sheet(width, 4.6 if p.narrow else 4.2, nrows=2, sharex=True, gridspec_kw=ratios) as (fig, array):
        top, below = axes = tuple(array.ravel())
        draw_levels(top, lines, fixed, term)
        draw_density(below, curves, group, term)
        for ax in axes:
            ax.axvline(estimate, color=EB.colour, linestyle=EB.line, zorder=1)
        below.plot([estimate], [0.0], **EB.point, clip_on=False, zorder=6)
        fig.legend(*entries(curves, fixed), loc="outside upper left", ncols=2 if p.narrow else 5)
        uncrowd(fig, axes)
        ends = lines[lines["sd"] == lines["sd"].max()].sort_values("estimate").set_index("level")["estimate"]
        few = ends[chosen(list(ends.index), max_levels, len(ends))]
        name_ends(fig, top, few.to_numpy(), [drawn(str(level), p.letters) for level in few.index])
    data = tidy(lines, fixed, curves)
    words = alt(lines, curves, estimate, group, term), caption(lines, curves, group, term)
    return FigureResult(fig, axes, data, *words, width)


def fixed_of(path: pd.DataFrame, term: str) -> pd.DataFrame:
    """The line of the fixed effect; empty without one."""
    return path[(path["component"] == "fixed") & (path["term"] == term)]


def draw_levels(ax: Any, lines: pd.DataFrame, fixed: pd.DataFrame, term: str) -> None:
    """A line for every level, and the fixed effect."""
    thin = 1.0 if lines["level"].nunique() <= 20 else 0.5
    for _, own in lines.groupby("level", sort=False):
        ax.plot(own["sd"], own["estimate"], **RAW.stroke, linewidth=thin, zorder=2)
    ax.plot(fixed["sd"], fixed["estimate"], **EB.stroke, zorder=3)
    ax.set_ylabel(f"{drawn(term, 20)}, given sd")


def draw_density(ax: Any, curves: pd.DataFrame, group: str, term: str) -> None:
    """The posterior of the sd and its prior, which may be higher than the panel."""
    for kind, stroke in (("posterior", POSTERIOR), ("prior", PRIOR)):
        own = curves[curves["kind"] == kind]
        ax.plot(own["value"], own["density"], **stroke, zorder=3)
    full = curves[curves["kind"] == "posterior"]
    ax.set_ylim(0, 1.12 * full["density"].max())
    ax.set_xlim(-0.012 * full["value"].max(), full["value"].max())
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.set_ylabel("density")
    ax.set_xlabel(f"sd({drawn(group, 20)}, {drawn(term, 20)})")


def entries(curves: pd.DataFrame, fixed: pd.DataFrame) -> tuple[list[Any], list[str]]:
    """Handles and labels of the legend."""
    from matplotlib.lines import Line2D

    found = [(RAW.stroke, "levels")]
    found += [(EB.stroke, "fixed effect")] if len(fixed) else []
    found += [(EB.point | EB.stroke, "REML sd"), (POSTERIOR, "posterior of sd")]
    found += [(PRIOR, "prior")] if (curves["kind"] == "prior").any() else []
    return [Line2D([], [], **style) for style, _ in found], [name for _, name in found]


def tidy(lines: pd.DataFrame, fixed: pd.DataFrame, curves: pd.DataFrame) -> pd.DataFrame:
    """Everything that is drawn, under each other."""
    own = ["sd", "kind", "level", "estimate", "uncertainty"]
    blocks = [lines.assign(kind="level")[own], fixed.assign(kind="fixed")[own]]
    densities = curves.rename(columns={"value": "sd"})[["sd", "kind", "density"]].assign(level="")
    return pd.concat([b for b in (*blocks, densities) if len(b)], ignore_index=True)


def alt(lines: pd.DataFrame, curves: pd.DataFrame, estimate: float, group: str, term: str) -> str:
    """Two sentences: the spread at the ends, and where the posterior of the sd is highest."""
    start, end = (
        lines[lines["sd"] == s].set_index("level")["estimate"] for s in lines["sd"].agg(["min", "max"])
    )
    say = says([*end], [float(end.std())] if len(end) > 1 else ())
    sd = says([*lines["sd"]])
    full = curves[curves["kind"] == "posterior"]
    peak = float(full["value"].iloc[int(np.argmax(full["density"]))])
    peak = peak if peak > full["value"].min() else 0.0
    return (
        f"{term} of {count(len(end), 'level')} of {group} runs from {say(start.min())} to {say(start.max())} at sd 0, "
        f"and from {say(end.min())} ({brief(str(end.idxmin()), 40)}) to {say(end.max())} "
        f"({brief(str(end.idxmax()), 40)}) at sd {sd(lines['sd'].max())}. The posterior density of the sd is highest "
        f"at {sd(peak)}, where the REML estimate is {sd(estimate)}."
    )


def caption(lines: pd.DataFrame, curves: pd.DataFrame, group: str, term: str) -> str:
    """What everything is."""
    prior = ", with its prior (grey; it may lie above the panel)" if (curves["kind"] == "prior").any() else ""
    return (
        f"Above: {term} by {group} given each value of its sd, other variances as REML estimates them; dashed "
        "curve: the fixed effect. Below: the posterior density of the sd up to its 99 % quantile"
        f"{prior}. Dashed vertical: the REML estimate, where the BLUPs are read off; posterior means average over "
        "all values. Conditional means and a whole density; no intervals are drawn. "
        f"{lines['level'].nunique()} lines, named where there is room."
    )
