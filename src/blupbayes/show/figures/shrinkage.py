"""Shrinkage of one coefficient: from what a level says alone to what it is given, row by row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from blupbayes.show.figures.moves import Drawing, about_raw, called, prepare
from blupbayes.show.figures.result import FigureResult
from blupbayes.show.figures.rows import height, left_out, margin, settle, stripes
from blupbayes.show.figures.style import RAW, Ink, page, sheet
from blupbayes.show.figures.tidy import about_intervals, percent, says
from blupbayes.show.figures.wording import MINUS, brief, count, drawn, joined

__all__ = ["shrinkage"]

VISIBLE = 0.04  # a median shift below this share of the axis needs a panel of its own
SPACE = "\u2007"  # as wide as a digit


def shrinkage(
    table: pd.DataFrame,
    raw: pd.DataFrame,
    group: str,
    term: str,
    *,
    width: str = "174mm",
    sort: str = "raw",
    max_levels: int | None = None,
) -> FigureResult:
    """Raw value, BLUP and posterior mean of each level, with arrows from the first to the others.

    Parameters
    ----------
    table : DataFrame
        The long table.
    raw : DataFrame
        group, level, term, n, estimate, se: each level alone, NaN where it cannot.
    group, term : str
        Which coefficient.
    width : {"174mm", "84mm", "slide"}
    sort : {"raw", "shift", "n", "level"}
    max_levels : int, optional
        Draw at most so many, at even ranks.

    Returns
    -------
    FigureResult
        data: level, term, estimator ("raw" is no pooling), estimate, ci_lb, ci_ub, ci_kind, ci_prob, shift (less the
        raw value), n, weight.
    """
    p = page(width)
    d = prepare(table, raw, group, term, sort, max_levels, p.rows)
    two = hidden(d)
    grid = {"nrows": 2} if two and p.narrow else {"ncols": 1 + two, "width_ratios": [1.5, 1][: 1 + two]}
    tall = height(len(d.levels), p, 0.42) * (2 if two and p.narrow else 1)
    with sheet(width, tall, sharey=not p.narrow, **grid) as (fig, grid_of_axes):
        axes = list(grid_of_axes.ravel())
        draw_values(axes[0], d)
        if two:
            draw_shifts(axes[1], d)
        step = label_rows(fig, axes, d, p)
    return FigureResult(fig, tuple(axes), d.data, alt(d, group), caption(d, group, two, step), width)


def hidden(d: Drawing) -> bool:
    """Whether arrows are too short to be seen beside the spread of the levels."""
    shifts = d.of(d.shown[0])["shift"].abs().median()
    width = np.nanmax(d.data[["estimate", "ci_ub"]].to_numpy()) - np.nanmin(
        d.data[["estimate", "ci_lb"]].to_numpy()
    )
    return bool(shifts < VISIBLE * width)


def draw_values(ax: Any, d: Drawing) -> None:
    """Raw values and what they become."""
    stripes(ax, len(d.levels))
    centre, se, _ = d.centre
    if np.isfinite(se):
        ax.axvspan(centre - se, centre + se, color="#C9DDEA", linewidth=0, zorder=0.5)
    ax.axvline(centre, **d.inks[d.shown[0]].stroke, zorder=1)
    start, size = d.of("raw")["estimate"].to_numpy(), marker_size(len(d.levels))
    draw_interval(ax, d, "raw", RAW.colour, 0.8)
    draw_interval(ax, d, d.shown[-1], d.inks[d.shown[-1]].colour, 1.4)
    for name in d.shown:
        draw_arrows(
            ax, start, d.places("raw"), d.of(name)["estimate"].to_numpy(), d.places(name), d.inks[name]
        )
    ax.plot(start, d.places("raw"), **RAW.point, markersize=size + 1, label="raw (no pooling)", zorder=4)
    for name in d.shown:
        ink = d.inks[name]
        ax.plot(
            d.of(name)["estimate"], d.places(name), **ink.point, markersize=size, label=called(name), zorder=4
        )
    ax.set_xlabel(drawn(d.term, 40))


def draw_interval(ax: Any, d: Drawing, name: str, colour: str, thick: float) -> None:
    """Intervals of one estimator."""
    rows = d.of(name)
    ax.hlines(d.places(name), rows["ci_lb"], rows["ci_ub"], color=colour, linewidth=thick, zorder=2)


def draw_arrows(ax: Any, x0: Any, y0: Any, x1: Any, y1: Any, ink: Ink) -> None:
    """Thin arrows from point to point, where there is a way to go."""
    style = {"arrowstyle": "-|>,head_length=0.25,head_width=0.12", "color": ink.colour, "linewidth": 0.7}
    seen = np.abs(x1 - x0) > 0.01 * np.ptp(ax.get_xlim())
    for k in np.flatnonzero(seen):
        arrow = ax.annotate(
            "", (x1[k], y1[k]), (x0[k], y0[k]), arrowprops=style | {"shrinkA": 0, "shrinkB": 2.5}, zorder=3
        )
        arrow.set_in_layout(False)


def draw_shifts(ax: Any, d: Drawing) -> None:
    """How far each level moves, on a scale of its own."""
    stripes(ax, len(d.levels))
    ax.axvline(0.0, color=RAW.colour, linewidth=1.0, zorder=1)
    for name in d.shown:
        moved, y, ink = d.of(name)["shift"].to_numpy(), d.places(name), d.inks[name]
        ax.hlines(y, 0.0, moved, color=ink.colour, linewidth=0.9, linestyle=ink.line, zorder=2)
        ax.plot(moved, y, **ink.point, markersize=marker_size(len(d.levels)), zorder=4)
    ax.set_xlabel(f"shift = shrunken {MINUS} raw")


def label_rows(fig: Any, axes: Sequence[Any], d: Drawing, p: Any) -> int:
    """Level names at the left, n and weight at the right of every row, a legend over all."""
    names = [drawn(level, p.letters) for level in d.levels]
    own = d.of("raw")
    counts = [f"{n:.0f}" for n in own["n"]]
    wide = max(map(len, counts))
    sides = [n.rjust(wide, SPACE) for n in counts]
    if d.weigher:
        sides = [f"{n}{SPACE}{w:5.3f}" for n, w in zip(sides, own["weight"], strict=True)]
    title = "n".rjust(wide, SPACE) + (SPACE + "weight" if d.weigher else "")
    hosts = axes if p.narrow else axes[-1:]
    columns = [(ax, names) for ax in (axes if p.narrow else axes[:1])]
    columns += [(margin(ax, sides, title, p), sides) for ax in hosts]
    if not p.narrow:
        for ax in axes[1:]:
            ax.tick_params(labelleft=False, length=0, axis="y")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper left", ncols=1 if p.narrow else 3)
    return settle(fig, axes, columns)


def marker_size(n: int) -> float:
    """Points."""
    return 4.5 if n <= 20 else 3.4 if n <= 45 else 2.6


def alt(d: Drawing, group: str) -> str:
    """Two sentences: how many, how far, and which one most."""
    own = d.of(d.shown[0])
    raw = d.of("raw")["estimate"]
    say = says([*raw, *own["estimate"]], [float(own["shift"].abs().max())])
    head = f"Shrinkage of {d.term} for {count(len(d.levels), 'level')} of {group}"
    if own["shift"].isna().all():
        ends = f"{say(own['estimate'].min())} to {say(own['estimate'].max())}"
        return f"{head}, none of which determines a raw value. Estimates run from {ends}."
    most: Any = own["shift"].abs().idxmax()
    towards = f" (they shrink toward {say(d.centre[0])})" if d.centre[2] else ""
    return (
        f"{head}: {called(d.shown[0])} differs from the raw value by at most "
        f"{say(abs(own['shift'][most]))}{towards}. {group} {brief(str(most), 40)} moves most, from "
        f"{say(raw[most])} to {say(own['estimate'][most])}"
        + (f"; its posterior mean is {say(d.of(d.shown[1])['estimate'][most])}." if len(d.shown) > 1 else ".")
    )


def caption(d: Drawing, group: str, two: bool, step: int) -> str:
    """What everything is."""
    prob = percent(d.data["ci_prob"].dropna().iloc[0])
    lines = [
        f"{d.term} by {group}. {about_raw(d.groups)}; arrows lead to {joined([called(name) for name in d.shown])}.",
        f"Raw intervals, {prob}: estimate ± z sigma/root of the level's information.",
        about_intervals(d.data[d.data["estimator"] == d.shown[-1]]),
    ]
    if d.centre[2]:
        lines.append(
            f"Vertical line and band: {d.shown[0]} estimate of the fixed effect ± one {d.centre[2]}."
        )
    if two:
        lines.append(
            "The shifts are too small to be seen on the scale of the levels; the second panel has a scale of "
            "its own."
        )
    lines.append(
        "Right margin: rows of the level"
        + (f" and the weight of its own data ({d.weigher})." if d.weigher else ".")
    )
    missing = int(d.of("raw")["estimate"].isna().sum())
    lines += [f"{count(missing, 'level').capitalize()} without a raw value: too few rows."] if missing else []
    lines.append(left_out(len(d.levels), d.there, step))
    return " ".join(filter(None, lines))
