"""Plug-in against full posterior: the density of one coefficient, level by level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from blupbayes.errors import ComparisonError
from blupbayes.show.figures.result import FigureResult
from blupbayes.show.figures.rows import chosen, left_out, ordered, uncrowd
from blupbayes.show.figures.style import INKS, RAW, Page, page, sheet
from blupbayes.show.figures.tidy import says
from blupbayes.show.figures.wording import TIMES, brief, count, drawn

__all__ = ["MOST", "densities"]

MOST = 12  # small multiples
FULL, COND, PEV = INKS["Bayes"], INKS["BLUP"], INKS["ML"]
SPIKE = "EB: point mass"


@dataclass(frozen=True, eq=False)
class Panels:
    """What is drawn: a row per level, the exact curves, and whether the panels share their place on the axis."""

    levels: pd.DataFrame
    curves: pd.DataFrame
    there: int
    group: str
    term: str

    @property
    def shared(self) -> bool:
        """Whether all levels lie close enough together for one axis."""
        low, high = self.spans.T
        return bool(high.max() - low.min() <= 3.0 * (high - low).max())

    @property
    def spans(self) -> Any:
        """Ends (J, 2) of the curves and the raw values."""
        ends = (
            self.curves.groupby("level", sort=False)["value"]
            .agg(["min", "max"])
            .loc[self.levels["level"]]
            .to_numpy()
        )
        raw = self.levels["raw"].to_numpy()
        return np.column_stack([np.fmin(ends[:, 0], raw), np.fmax(ends[:, 1], raw)])

    def limits(self, k: int) -> tuple[float, float]:
        """Ends of the axis of panel k: the same for all, or the same length for all."""
        spans = self.spans
        if self.shared:
            return float(spans[:, 0].min()), float(spans[:, 1].max())
        half = 0.52 * float((spans[:, 1] - spans[:, 0]).max())
        middle = float(spans[k].mean())
        return middle - half, middle + half


def densities(
    levels: pd.DataFrame,
    curves: pd.DataFrame,
    group: str,
    term: str,
    *,
    width: str = "174mm",
    sort: str = "raw",
    max_levels: int = MOST,
) -> FigureResult:
    """For each level the plug-in normal densities and the full posterior density.

    Parameters
    ----------
    levels : DataFrame
        level, estimate (BLUP), cond_sd, pev_sd (of that estimate), posterior_mean, posterior_sd, raw, n, shift.
    curves : DataFrame
        level, value, density: the posterior density; of the drawn levels at least.
    group, term : str
        For the words.
    width : {"174mm", "84mm", "slide"}
    sort : {"raw", "shift", "n", "level"}
    max_levels : int
        Small multiples; where there are more levels, they are chosen at even ranks.

    Returns
    -------
    FigureResult
        data: level, value, and the densities eb_cond_sd, eb_pev_sd (NaN where the plug-in sd is 0) and posterior.
    """
    d, p = prepare(levels, curves, group, term, sort, max_levels), page(width)
    n = len(d.levels)
    columns = min(n, 2 if p.narrow else 3 if n in (5, 6, 9) else 4)
    rows = -(-n // columns)
    with sheet(width, 0.7 + 1.25 * rows, nrows=rows, ncols=columns) as (fig, array):
        axes = list(array.ravel())
        for ax in axes[n:]:
            ax.remove()
        for k, ax in enumerate(axes[:n]):
            draw(ax, d, k, p, columns)
        for ax in axes[max(0, n - columns) : n]:
            ax.set_xlabel(drawn(term, 60 // columns))
        fig.legend(*entries(), loc="outside upper left", ncols=1 if p.narrow else 4)
        uncrowd(fig, axes[:n])
    return FigureResult(fig, tuple(axes[:n]), tidy(d), alt(d), caption(d), width)


def prepare(
    levels: pd.DataFrame, curves: pd.DataFrame, group: str, term: str, sort: str, most: int
) -> Panels:
    """The levels that are drawn, from the largest down."""
    names = chosen(ordered(levels, sort), most, MOST)[::-1]
    rows = levels.set_index("level").loc[names].reset_index()
    lacking = [name for name in names if name not in set(curves["level"])]
    if lacking:
        raise ComparisonError(f"no density of level {lacking[0]!r} among the curves.")
    return Panels(rows, curves[curves["level"].isin(names)], len(levels), group, term)


def normal(x: Any, mean: Any, sd: Any) -> Any:
    """Normal density; NaN without spread."""
    if not sd > 0:
        return np.full(len(x), np.nan)
    return np.exp(-0.5 * ((x - mean) / sd) ** 2) / (sd * np.sqrt(2 * np.pi))


def tidy(d: Panels) -> pd.DataFrame:
    """The three densities at the places of the exact one."""
    frames = []
    for row in d.levels.itertuples():
        own = d.curves[d.curves["level"] == row.level]
        x = own["value"].to_numpy()
        frames.append(
            pd.DataFrame(
                {
                    "level": row.level,
                    "value": x,
                    "eb_cond_sd": normal(x, row.estimate, row.cond_sd),
                    "eb_pev_sd": normal(x, row.estimate, row.pev_sd),
                    "posterior": own["density"].to_numpy(),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def draw(ax: Any, d: Panels, k: int, p: Page, columns: int) -> None:
    """One level."""
    row = d.levels.iloc[k]
    own = d.curves[d.curves["level"] == row["level"]]
    low, high = d.limits(k)
    x = np.linspace(low, high, 400)
    cond, pev = normal(x, row["estimate"], row["cond_sd"]), normal(x, row["estimate"], row["pev_sd"])
    ax.plot(x, pev, **PEV.stroke, zorder=4.5)
    ax.plot(x, cond, **COND.stroke, zorder=4)
    ax.plot(own["value"], own["density"], **FULL.stroke, zorder=5)
    top = np.nanmax([own["density"].max(), np.nanmax(np.append(pev, 0)), np.nanmax(np.append(cond, 0))])
    ax.set_ylim(0, 1.32 * top)
    if not row["cond_sd"] > 0:
        spike(ax, row["estimate"], top)
    ax.plot([row["raw"]], [0], **RAW.point, clip_on=False, zorder=6)
    ax.set_xlim(low, high)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.set_title(drawn(row["level"], 15 if columns > 1 else 30))
    ax.text(0.0, 0.99, ratio(row), transform=ax.transAxes, ha="left", va="top")


def spike(ax: Any, at: float, top: float) -> None:
    """A distribution without spread, as an arrow."""
    style = {"arrowstyle": "-|>", "color": COND.colour, "linewidth": 1.6}
    ax.annotate("", (at, 1.08 * top), (at, 0.0), arrowprops=style, zorder=4)
    ax.text(0.0, 0.99, SPIKE, transform=ax.transAxes, ha="left", va="top", color=COND.colour)


def ratio(row: Any) -> str:
    """How much wider the posterior is than the plug-in."""
    if not row["cond_sd"] > 0:
        return ""
    return f"sd {TIMES} {row['posterior_sd'] / row['cond_sd']:.2f}"


def entries() -> tuple[list[Any], list[str]]:
    """Handles and labels of the legend."""
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], **COND.stroke), Line2D([], [], **PEV.stroke), Line2D([], [], **FULL.stroke)]
    handles.append(Line2D([], [], **RAW.point))
    return handles, ["EB, cond_sd", "EB, root of PEV", "full posterior", "raw"]


def alt(d: Panels) -> str:
    """Two sentences: how much wider, and where."""
    own = d.levels.set_index("level")
    head = f"Densities of {d.term} for {count(len(own), 'level')} of {d.group}"
    if not (own["cond_sd"] > 0).any():
        say = says(own["estimate"], own["posterior_sd"])
        return (
            f"{head}: the variance is estimated as zero, so the plug-in with cond_sd is a point mass at "
            f"{say(own['estimate'].iloc[0])} for every level. The posterior sds run from "
            f"{say(own['posterior_sd'].min())} to {say(own['posterior_sd'].max())}."
        )
    wider = own["posterior_sd"] / own["cond_sd"]
    by_pev = own["posterior_sd"] / own["pev_sd"]
    return (
        f"{head}: the posterior sd is {wider.min():.2f} to {wider.max():.2f} times the plug-in's cond_sd and "
        f"{by_pev.min():.2f} to {by_pev.max():.2f} times the root of its prediction-error variance. The "
        f"widest ratio to cond_sd is that of {brief(str(wider.idxmax()), 40)}."
    )


def caption(d: Panels) -> str:
    """What everything is."""
    axes = (
        "All panels share their axis."
        if d.shared
        else "All axes have the same length, each around its own level."
    )
    zero = "" if (d.levels["cond_sd"] > 0).all() else f' Arrow, "{SPIKE}": the plug-in has no spread there.'
    return (
        f"{d.term} by {d.group}. Dashed: plug-in (empirical Bayes) normal with the conditional sd given beta "
        "and the REML variances; dotted: with the root of the prediction-error variance, beta estimated; "
        "solid: full posterior, everything unknown, by integration; open circle: raw value. Whole "
        f"densities; no intervals are drawn.{zero} sd {TIMES}: posterior sd over cond_sd. {axes} "
        f"{left_out(len(d.levels), d.there, 1)}"
    ).strip()
