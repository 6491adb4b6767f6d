"""Shrinkage of two coefficients at once: from what a level says alone to what it is given, in their plane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from blupbayes.errors import ComparisonError
from blupbayes.show.figures.moves import about_raw, called, middle
from blupbayes.show.figures.result import FigureResult
from blupbayes.show.figures.rows import uncrowd
from blupbayes.show.figures.style import RAW, Ink, inks, page, sheet
from blupbayes.show.figures.tidy import bayes, plug_in, rows_of, says
from blupbayes.show.figures.wording import brief, count, drawn

__all__ = ["plane"]

SHARES = (0.1, 0.3, 0.5, 0.7, 0.9)  # of the estimated density that the ellipses hold
NAMED = 8  # levels that get a name, those that move most first


@dataclass(frozen=True, eq=False)
class Plane:
    """What is drawn: for each estimator, "raw" among them, the two coefficients (J, 2) of every level."""

    points: dict[str, pd.DataFrame]
    shown: list[str]
    inks: dict[str, Ink]
    terms: tuple[str, str]
    centre: tuple[float, float]
    covariance: Any
    groups: int

    @property
    def moved(self) -> pd.Series:
        """Length of each level's way in units of the sds of the random effects (J,); NaN without a raw value."""
        sd = np.sqrt(np.diag(self.covariance))
        way = self.points[self.shown[0]] - self.points["raw"]
        squares = np.square(way.to_numpy() / np.where(sd > 0, sd, 1.0))
        return pd.Series(np.sqrt(squares.sum(axis=1)), index=way.index)


def plane(
    table: pd.DataFrame, raw: pd.DataFrame, group: str, terms: tuple[str, str], *, width: str = "174mm"
) -> FigureResult:
    """Arrows from no pooling to partial pooling over the estimated density of the random effects.

    Parameters
    ----------
    table, raw : DataFrame
        As for ``shrinkage``.
    group : str
    terms : (str, str)
        The coefficients on the horizontal and on the vertical axis.
    width : {"174mm", "84mm", "slide"}

    Returns
    -------
    FigureResult
        data: level, estimator ("raw" is no pooling, "complete" has no level), and a column per coefficient.
    """
    d = prepare(table, raw, group, terms)
    p = page(width)
    with sheet(width, p.width * (1.2 if p.narrow else 0.68)) as (fig, axes):
        ax = axes[0, 0]
        draw(ax, d)
        fig.legend(*ax.get_legend_handles_labels(), loc="outside upper left", ncols=1 if p.narrow else 4)
        uncrowd(fig, [ax])
        name_levels(fig, ax, d, p)
    return FigureResult(fig, (ax,), tidy(d), alt(d, group), caption(d, group), width)


def prepare(table: pd.DataFrame, raw: pd.DataFrame, group: str, terms: tuple[str, str]) -> Plane:
    """Everything that is drawn, from the tables."""
    shown = [name for name in (plug_in(table), bayes(table)) if name is not None]
    component = "group_mean" if all(len(rows_of(table, "group_mean", group, t)) for t in terms) else "b"
    alone = raw[(raw["group"] == group) & raw["term"].isin(terms)]
    points = {"raw": wide(alone, terms)}
    for name in shown:
        own = table[
            (table["estimator"] == name) & (table["component"] == component) & (table["group"] == group)
        ]
        points[name] = wide(own[own["term"].isin(terms)], terms)
    if not shown or not len(points[shown[0]]):
        raise ComparisonError(f"nothing to draw: no answer has rows of {' and '.join(terms)} for {group}.")
    centre = (0.0, 0.0)
    if component == "group_mean":
        centre = (middle(table, shown[0], terms[0])[0], middle(table, shown[0], terms[1])[0])
    return Plane(
        points,
        shown,
        inks(shown),
        terms,
        centre,
        covariance(table, shown[0], group, terms),
        raw["group"].nunique(),
    )


def wide(rows: pd.DataFrame, terms: tuple[str, str]) -> pd.DataFrame:
    """A row per level, a column per coefficient, in the order of the levels."""
    turned = rows.pivot(index="level", columns="term", values="estimate")
    return turned.reindex(index=pd.unique(rows["level"]), columns=list(terms))


def covariance(table: pd.DataFrame, name: str, group: str, terms: tuple[str, str]) -> Any:
    """Estimated covariance (2, 2) of the random effects; a correlation that is not there counts as 0."""
    own = table[(table["estimator"] == name) & (table["group"] == group)]
    sds = own[own["component"] == "sd"].set_index("term")["estimate"]
    pairs = {f"{terms[0]}, {terms[1]}", f"{terms[1]}, {terms[0]}"}
    corr = own[(own["component"] == "corr") & own["term"].isin(pairs)]["estimate"].dropna()
    a, b, r = float(sds[terms[0]]), float(sds[terms[1]]), float(corr.iloc[0]) if len(corr) else 0.0
    return np.array([[a * a, r * a * b], [r * a * b, b * b]])


def ellipse(d: Plane, share: float) -> Any:
    """The curve (2, 200) around the densest region with this share of the density: chi-square with 2 df."""
    angle = np.linspace(0.0, 2 * np.pi, 200)
    values, vectors = np.linalg.eigh(d.covariance)
    radius = np.sqrt(-2.0 * np.log1p(-share) * np.maximum(values, 0.0))
    return np.array(d.centre)[:, None] + vectors @ (
        radius[:, None] * np.stack([np.cos(angle), np.sin(angle)])
    )


def draw(ax: Any, d: Plane) -> None:
    """Ellipses, arrows, points."""
    for share in SHARES:
        ax.plot(*ellipse(d, share), color="#767676", linewidth=0.6, zorder=1)
    start, end = d.points["raw"].to_numpy(), d.points[d.shown[0]].to_numpy()
    ax.plot(*start.T, **RAW.point, markersize=5, label="raw (no pooling)", zorder=4)
    for name in d.shown:
        ax.plot(
            *d.points[name].to_numpy().T, **d.inks[name].point, markersize=3.6, label=called(name), zorder=4
        )
    ax.plot(*d.centre, marker="x", markersize=10, markeredgewidth=2, color=d.inks[d.shown[0]].colour,
            linestyle="none", label="fixed effects", zorder=5)  # fmt: skip
    style = {"arrowstyle": "-|>,head_length=0.25,head_width=0.12", "color": d.inks[d.shown[0]].colour}
    for a, b in zip(start, end, strict=True):
        if np.isfinite(a).all():
            arrow = ax.annotate(
                "", b, a, arrowprops=style | {"linewidth": 0.8, "shrinkA": 0, "shrinkB": 2}, zorder=3
            )
            arrow.set_in_layout(False)
    ax.set_xlabel(drawn(d.terms[0], 40))
    ax.set_ylabel(drawn(d.terms[1], 40))


def name_levels(fig: Any, ax: Any, d: Plane, p: Any) -> None:
    """Names at the raw points of the levels that move most, each only where nothing is written yet."""
    renderer = fig.canvas.get_renderer()
    frame, taken = ax.get_window_extent(), point_boxes(fig, ax, d)
    corners = (
        ("left", "bottom", 4, 3),
        ("right", "bottom", -4, 3),
        ("left", "top", 4, -3),
        ("right", "top", -4, -3),
    )
    for level in d.moved.dropna().sort_values(ascending=False).index[:NAMED]:
        for ha, va, dx, dy in corners:
            text = ax.annotate(
                drawn(str(level), p.letters), d.points["raw"].loc[level], (dx, dy), textcoords="offset points",
                ha=ha, va=va, zorder=2, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
            )  # fmt: skip
            text.set_in_layout(False)
            box = text.get_window_extent(renderer)
            inside = frame.x0 < box.x0 and box.x1 < frame.x1 and frame.y0 < box.y0 and box.y1 < frame.y1
            if inside and not any(box.overlaps(other) for other in taken):
                taken.append(box)
                break
            text.remove()


def point_boxes(fig: Any, ax: Any, d: Plane) -> list[Any]:
    """Where points are: boxes that a name keeps clear of."""
    from matplotlib.transforms import Bbox

    spots = np.vstack([*(frame.dropna().to_numpy() for frame in d.points.values()), [d.centre]])
    half = 2.5 * fig.dpi / 72
    return [Bbox([[x - half, y - half], [x + half, y + half]]) for x, y in ax.transData.transform(spots)]


def tidy(d: Plane) -> pd.DataFrame:
    """All points under each other."""
    frames = [
        f.rename_axis(columns=None).reset_index().assign(estimator=name) for name, f in d.points.items()
    ]
    whole = pd.DataFrame(
        {"level": [""], d.terms[0]: [d.centre[0]], d.terms[1]: [d.centre[1]], "estimator": ["complete"]}
    )
    return pd.concat([*frames, whole], ignore_index=True)[["level", "estimator", *d.terms]]


def alt(d: Plane, group: str) -> str:
    """Two sentences: where they go, and which one most."""
    x, y = (
        says([*d.points["raw"][t].dropna(), d.centre[k]], [d.covariance[k, k] ** 0.5])
        for k, t in enumerate(d.terms)
    )
    a, b = d.terms
    head = (
        f"Plane of {a} and {b} for {count(len(d.points['raw']), 'level')} of {group}: arrows lead from raw "
        f"values toward {x(d.centre[0])} and {y(d.centre[1])}."
    )
    if d.moved.isna().all():
        return f"{head} No level determines a raw value of its own."
    most: Any = d.moved.idxmax()
    start, end = d.points["raw"].loc[most], d.points[d.shown[0]].loc[most]
    return (
        f"{head} {group} {brief(str(most), 40)} moves most, from ({x(start[a])}, {y(start[b])}) "
        f"to ({x(end[a])}, {y(end[b])})."
    )


def caption(d: Plane, group: str) -> str:
    """What everything is."""
    missing = int(d.points["raw"].isna().any(axis=1).sum())
    return (
        f"{d.terms[0]} and {d.terms[1]} by {group}. {about_raw(d.groups)}; arrows lead to "
        f"{called(d.shown[0])}. Cross: the fixed effects of {d.shown[0]}, where complete pooling would lead. "
        "Ellipses hold 10, 30, 50, 70 and 90 % of the density of the random effects that "
        f"{d.shown[0]} estimates; they are no confidence regions, "
        "and no intervals are drawn. The levels that move most, in sds of the random effects, are named "
        "where there is room."
        + (f" {count(missing, 'level').capitalize()} without a raw value: too few rows." if missing else "")
    )
