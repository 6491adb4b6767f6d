"""Forest: the answers to one coefficient beside each other, level by level, with their intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from blupbayes.errors import ComparisonError
from blupbayes.show.figures.result import FigureResult
from blupbayes.show.figures.rows import chosen, height, left_out, ordered, settle, stripes
from blupbayes.show.figures.style import Ink, inks, page, sheet
from blupbayes.show.figures.tidy import about_intervals, estimators, percent, says
from blupbayes.show.figures.wording import brief, count, drawn

__all__ = ["COMPONENTS", "forest"]

COMPONENTS = {
    "group_mean": "coefficients beta + b",
    "b": "random effects b",
    "fixed": "fixed effects",
    "sd": "standard deviations",
    "corr": "correlations",
    "weight": "weights",
}


@dataclass(frozen=True, eq=False)
class Forest:
    """What is drawn: one component of some answers, levels from the lowest row up, a facet per term."""

    rows: pd.DataFrame
    levels: list[str]
    facets: list[tuple[str, str]]
    inks: dict[str, Ink]
    component: str
    there: int

    def of(self, name: str, facet: tuple[str, str]) -> pd.DataFrame:
        """The rows of one answer in one facet, from the lowest row up; NaN where it has none."""
        same = (
            (self.rows["estimator"] == name)
            & (self.rows["group"] == facet[0])
            & (self.rows["term"] == facet[1])
        )
        return self.rows[same].set_index("level").reindex(self.levels)

    def places(self, name: str) -> Any:
        """Heights (J,) of one answer's points: the first one on top."""
        names = list(self.inks)
        step = 0.7 / max(len(names), 2)
        return np.arange(len(self.levels)) + step * (0.5 * (len(names) - 1) - names.index(name))


def forest(
    table: pd.DataFrame,
    inner: pd.DataFrame,
    component: str = "group_mean",
    *,
    group: str | None = None,
    term: str | None = None,
    width: str = "174mm",
    sort: str = "raw",
    max_levels: int | None = None,
    raw: pd.DataFrame | None = None,
) -> FigureResult:
    """Every answer's estimate and interval, a row per level and a facet per coefficient.

    Parameters
    ----------
    table : DataFrame
        The long table.
    inner : DataFrame
        The same at 50 %, for the thick part of the intervals.
    component : {"group_mean", "b", "fixed", "sd", "corr", "weight"}
        One at a time: an axis never holds two of them.
    group, term : str, optional
        Only these.
    width : {"174mm", "84mm", "slide"}
    sort : {"raw", "shift", "n", "level"}
        Rows of levels.
    max_levels : int, optional
        Draw at most so many, at even ranks.
    raw : DataFrame, optional
        group, level, term, n, estimate: what rows are sorted by; the last answer's estimates without it.

    Returns
    -------
    FigureResult
        data: the rows of the long table that are drawn, with inner_lb and inner_ub.
    """
    p = page(width)
    d = prepare(table, inner, component, (group, term), raw, sort, max_levels, p.rows)
    across = 1 if p.narrow else min(len(d.facets), 3)
    down = -(-len(d.facets) // across)
    each = 0.14 * (len(d.inks) + 0.8)
    tall = (height(len(d.levels), p, each) - 0.5) * down + 0.5 + (0.3 if len(d.levels) < 3 else 0)
    with sheet(width, tall, nrows=down, ncols=across) as (fig, array):
        axes = list(array.ravel())
        for ax in axes[len(d.facets) :]:
            ax.remove()
        axes = axes[: len(d.facets)]
        for ax, facet in zip(axes, d.facets, strict=True):
            draw(ax, d, facet)
        names = [drawn(level, p.letters) if level else "" for level in d.levels]
        for k, ax in enumerate(axes):
            if k % across:
                ax.set_yticks([])
        fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper left", ncols=2 if p.narrow else 5)
        step = settle(fig, axes, [(ax, names) for k, ax in enumerate(axes) if k % across == 0])
    return FigureResult(fig, tuple(axes), d.rows, alt(d), caption(d, step), width)


def prepare(
    table: pd.DataFrame,
    inner: pd.DataFrame,
    component: str,
    only: tuple[str | None, str | None],
    raw: pd.DataFrame | None,
    sort: str,
    most: int | None,
    usual: int,
) -> Forest:
    """The rows that are drawn, in their order."""
    keys = ["component", "group", "level", "term", "estimator"]
    own = table[table["component"] == component]
    for column, value in zip(("group", "term"), only, strict=True):
        if value is None and column == "group" and component in ("group_mean", "b", "weight") and len(own):
            value = own["group"].iloc[0]
        own = own if value is None else own[own[column] == value]
    if not len(own):
        raise ComparisonError(
            f"no answer has rows {component!r} for group {only[0]!r} and term {only[1]!r}; there are "
            f"{', '.join(table['component'].unique())}."
        )
    thick = inner[[*keys, "ci_lb", "ci_ub"]].rename(columns={"ci_lb": "inner_lb", "ci_ub": "inner_ub"})
    rows = own.merge(thick, on=keys, how="left")
    facets = list(dict.fromkeys(zip(rows["group"], rows["term"], strict=True)))
    levels = ordered(sorting(rows, facets[0], raw), sort)
    kept = chosen(levels, most, usual)
    names = estimators(rows)
    return Forest(rows[rows["level"].isin(kept)], kept, facets, inks(names), component, len(levels))


def sorting(rows: pd.DataFrame, facet: tuple[str, str], raw: pd.DataFrame | None) -> pd.DataFrame:
    """What the levels can be sorted by, from the first facet."""
    own = rows[(rows["group"] == facet[0]) & (rows["term"] == facet[1])]
    last = own[own["estimator"] == estimators(own)[-1]][["level", "estimate"]]
    last = pd.concat([last, own[["level", "estimate"]]]).drop_duplicates("level")
    alone = (
        None
        if raw is None
        else raw[(raw["group"] == facet[0]) & (raw["term"] == facet[1])].set_index("level")
    )
    nothing = pd.Series(np.nan, index=last.index)
    value = nothing if alone is None else last["level"].map(alone["estimate"])
    n = nothing if alone is None else last["level"].map(alone["n"])
    return last.assign(raw=value, shift=last["estimate"] - value, n=n)


def draw(ax: Any, d: Forest, facet: tuple[str, str]) -> None:
    """One facet."""
    n = len(d.levels)
    stripes(ax, n)
    size = 4.5 if n <= 20 else 3.0
    edge = {} if n <= 45 else {"markeredgecolor": "white", "markeredgewidth": 0.4}
    for name, ink in d.inks.items():
        rows, y = d.of(name, facet), d.places(name)
        if rows["estimate"].isna().all():
            ax.plot([], [], **ink.both, markersize=size, label=drawn(name))
            continue
        ax.hlines(
            y, rows["ci_lb"], rows["ci_ub"], color=ink.colour, linewidth=0.8, linestyle=ink.line, zorder=2
        )
        ax.hlines(
            y,
            rows["inner_lb"],
            rows["inner_ub"],
            color=ink.colour,
            linewidth=2.2 if n <= 45 else 1.2,
            zorder=3,
        )
        ax.plot(rows["estimate"], y, **ink.point, **edge, markersize=size, label=drawn(name), zorder=4)
    group, term = facet
    ax.set_title(drawn(", ".join(filter(None, (group, term))), 34))


def alt(d: Forest) -> str:
    """Two sentences: what is there, and where the answers differ most."""
    head = (
        f"Forest of {COMPONENTS.get(d.component, d.component)} by {', '.join(brief(n, 30) for n in d.inks)}: "
        f"{count(len(d.levels), 'row')} in {count(len(d.facets), 'facet')}"
    )
    places = d.rows.groupby(["group", "term", "level"], sort=False)
    spans, spread = places["estimate"].agg(["min", "max"]), places["uncertainty"].max()
    gaps = ((spans["max"] - spans["min"]) / spread.where(spread > 0, 1.0)).dropna()
    if len(d.inks) < 2 or not len(gaps):
        low, high = d.rows["estimate"].min(), d.rows["estimate"].max()
        say = says([low, high])
        return f"{head}. Estimates run from {say(low)} to {say(high)}."
    most: Any = gaps.idxmax()
    group, term, level = most
    own = d.rows[(d.rows["group"] == group) & (d.rows["term"] == term) & (d.rows["level"] == level)]
    say = says(own["estimate"].dropna().tolist(), own["uncertainty"].dropna().tolist())
    values = ", ".join(f"{say(r.estimate)} ({brief(str(r.estimator), 30)})" for r in own.itertuples())
    place = " ".join(brief(x, 40) for x in (group, level, term) if x)
    return f"{head}. Beside their spread the estimates differ most for {place}: {values}."


def caption(d: Forest, step: int) -> str:
    """What everything is."""
    thin = d.rows["ci_prob"].dropna()
    parts = [f"{COMPONENTS.get(d.component, d.component).capitalize()}."]
    if len(thin):
        parts += [f"Thin: {percent(thin.iloc[0])}, thick: 50 %, of the same kind.", about_intervals(d.rows)]
        lacking = [name for name in d.inks if d.rows.loc[d.rows["estimator"] == name, "ci_lb"].isna().all()]
        parts += [f"No interval: {', '.join(lacking)}."] if lacking else []
    else:
        parts.append("The answers have no intervals here.")
    return " ".join(filter(None, [*parts, left_out(len(d.levels), d.there, step)]))
