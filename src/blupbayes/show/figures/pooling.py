"""The pooling path: every level between complete pooling and none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from blupbayes.errors import ComparisonError
from blupbayes.show.figures.ends import name_ends
from blupbayes.show.figures.result import FigureResult
from blupbayes.show.figures.rows import chosen
from blupbayes.show.figures.style import INKS, RAW, page, sheet
from blupbayes.show.figures.tidy import levels_of, says
from blupbayes.show.figures.wording import brief, count, drawn

__all__ = ["pooling_path"]

PLACES = (
    (0.0, "0\ncomplete\npooling"),
    (0.25, "¼"),
    (1.0, "1\nas\nestimated"),
    (4.0, "4"),
    (np.inf, "∞\nno\npooling"),
)


def pooling_path(
    path: pd.DataFrame, group: str, term: str, *, width: str = "174mm", max_levels: int | None = None
) -> FigureResult:
    """One coefficient of every level as all sds of random effects are multiplied by tau.

    Parameters
    ----------
    path : DataFrame
        As from ``model.pooling_path``; with tau = 0 and tau = 1 among others.
    group, term : str
        Which coefficient: beta + b where it has a fixed effect, else b.
    width : {"174mm", "84mm", "slide"}
    max_levels : int, optional
        Name at most so many lines; all are drawn.

    Returns
    -------
    FigureResult
        data: the rows of the path that are drawn.
    """
    rows, p = prepare(path, group, term), page(width)
    with sheet(width, 3.2 if p.narrow else 3.6) as (fig, axes):
        ax = axes[0, 0]
        draw(ax, rows, path, term)
        places = [(t, name) for t, name in PLACES if "\n" in name or not p.narrow]
        ax.set_xticks([float(place(t)) for t, _ in places], [name for _, name in places])
        ends = rows.loc[rows.groupby("level", sort=False)["tau"].idxmax()].set_index("level")["estimate"]
        few = chosen(list(ends.sort_values().index), max_levels, len(ends))
        name_ends(fig, ax, ends[few].to_numpy(), [drawn(str(x), p.letters) for x in few])
    return FigureResult(
        fig, (ax,), rows.reset_index(drop=True), alt(rows, group, term), caption(rows, group, term), width
    )


def prepare(path: pd.DataFrame, group: str, term: str) -> pd.DataFrame:
    """The rows that are drawn."""
    rows = levels_of(path, group, term)
    if not {0.0, 1.0} <= set(rows["tau"]):
        raise ComparisonError("the figure of the pooling path needs rows at tau = 0 and tau = 1.")
    return rows.sort_values("tau", kind="stable")


def place(tau: Any) -> Any:
    """tau in [0, inf] on an axis from 0 to 1: tau/(1 + tau)."""
    tau = np.asarray(tau, dtype=float)
    return np.where(np.isinf(tau), 1.0, tau / np.where(np.isinf(tau), 1.0, 1.0 + tau))


def draw(ax: Any, rows: pd.DataFrame, path: pd.DataFrame, term: str) -> None:
    """A line for every level, the fixed effect, and where the estimates are."""
    thin = 0.9 if rows["level"].nunique() <= 20 else 0.5
    for _, own in rows.groupby("level", sort=False):
        ax.plot(place(own["tau"]), own["estimate"], **RAW.stroke, linewidth=thin, zorder=2)
        at = own[own["tau"] == 1.0]
        ax.plot(place(at["tau"]), at["estimate"], **INKS["BLUP"].point, markersize=3.5, zorder=3)
        last = own[np.isinf(own["tau"])]
        ax.plot(place(last["tau"]), last["estimate"], **RAW.point, markersize=4, zorder=3, clip_on=False)
    fixed = path[(path["component"] == "fixed") & (path["term"] == term)].sort_values("tau")
    ax.plot(place(fixed["tau"]), fixed["estimate"], **INKS["BLUP"].stroke, zorder=4)
    ax.axvline(0.5, color=INKS["BLUP"].colour, linewidth=0.8, linestyle=":", zorder=1)
    ax.set_xlim(-0.02, 1.0)
    ax.set_xlabel("τ, the factor of every random-effect sd")
    ax.set_ylabel(drawn(term, 30))


def alt(rows: pd.DataFrame, group: str, term: str) -> str:
    """Two sentences: the spread at the ends and between, and who moves most."""
    at = {
        tau: rows[rows["tau"] == tau].set_index("level")["estimate"] for tau in (0.0, 1.0, rows["tau"].max())
    }
    start, middle, end = at.values() if len(at) == 3 else (at[0.0], at[1.0], at[1.0])
    say = says([*end], [float(end.std())] if len(end) > 1 else ())
    most: Any = (end - middle).abs().idxmax()
    name = "inf" if np.isinf(rows["tau"].max()) else f"{rows['tau'].max():g}"
    return (
        f"{term} of {count(len(end), 'level')} of {group} runs from {say(start.min())} to {say(start.max())} "
        f"at tau = 0 (complete pooling), from {say(middle.min())} to {say(middle.max())} as estimated, and "
        f"from {say(end.min())} to {say(end.max())} at tau = {name}. Between the estimate and that end "
        f"{brief(str(most), 40)} moves most, from {say(middle[most])} to {say(end[most])}."
    )


def caption(rows: pd.DataFrame, group: str, term: str) -> str:
    """What everything is."""
    return (
        f"{term} by {group} as every random-effect sd is multiplied by tau (axis: tau/(1 + tau)). Squares: "
        "as estimated (tau = 1); open circles: no pooling; dashed: the fixed effect. Point estimates at "
        f"given variances; no intervals are drawn. {rows['level'].nunique()} lines, named where there is "
        "room."
    )
