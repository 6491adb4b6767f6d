"""Rows, one per level: their order, their labels, and that no label lies on another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from blupbayes.errors import ComparisonError
from blupbayes.show.figures.style import BAND, Page

__all__ = [
    "SORTS",
    "chosen",
    "height",
    "left_out",
    "margin",
    "ordered",
    "settle",
    "stripes",
    "ticks",
    "uncrowd",
]

SORTS = ("raw", "shift", "n", "level")
FRAME = 1.1  # inches for axis labels and legend
GAP = 1.15  # labels keep so many of their own heights between their middles


def ordered(levels: pd.DataFrame, sort: str) -> list[str]:
    """Levels from the lowest row to the highest.

    Parameters
    ----------
    levels : DataFrame
        level, and raw, shift and n to sort by; levels without a raw value are sorted by ``estimate``.
    sort : {"raw", "shift", "n", "level"}
        Raw value, size of the shift, number of rows, or the order of the levels from the top.

    Raises
    ------
    ComparisonError
        If there is no such order.
    """
    if sort not in SORTS:
        raise ComparisonError(f"sort={sort!r} is not one of {', '.join(map(repr, SORTS))}.")
    if sort == "level":
        return levels["level"].tolist()[::-1]
    keys = {"raw": levels["raw"].fillna(levels["estimate"]), "shift": levels["shift"].abs(), "n": levels["n"]}
    place = keys[sort].fillna(-np.inf).to_numpy().argsort(kind="stable")
    return levels["level"].iloc[place].tolist()


def chosen(levels: Sequence[str], most: int | None, usual: int) -> list[str]:
    """At most so many levels (as many as usual for None), at even ranks, the first and the last among them."""
    most = usual if most is None else most
    if most < 1:
        raise ComparisonError(f"max_levels={most!r}: at least one level has to be drawn.")
    if len(levels) <= most:
        return list(levels)
    places = np.unique(np.linspace(0, len(levels) - 1, most).round().astype(int))
    return [levels[k] for k in places]


def height(n: int, p: Page, roomy: float = 0.3) -> float:
    """Inches for n rows: roomy for few, as close as labels allow for many."""
    close = GAP * 1.2 * p.font / 72
    return FRAME + n * (roomy if n <= 12 else max(close, roomy * 0.6))


def stripes(ax: Any, n: int) -> None:
    """A band behind every other row."""
    for k in range(0, n, 2):
        ax.axhspan(k - 0.5, k + 0.5, color=BAND, linewidth=0, zorder=0).set_in_layout(False)
    ax.set_ylim(-0.6, n - 0.4)


def ticks(ax: Any, labels: Sequence[str], step: int = 1) -> None:
    """A label for every row, or every so many from the top, on the left or on a secondary axis."""
    places = np.arange(len(labels))[::-1][::step]
    ax.set_yticks(places, [labels[k] for k in places])
    ax.tick_params(axis="y", length=0)


def margin(ax: Any, labels: Sequence[str], title: str, p: Page) -> Any:
    """A second column of labels at the right margin, with a title over it."""
    right = ax.secondary_yaxis("right")
    ticks(right, labels)
    right.spines["right"].set_visible(False)
    over = {"xycoords": "axes fraction", "textcoords": "offset points"}
    ax.annotate(title, (1.0, 1.0), (3.5, 0.4 * p.font), **over, ha="left", va="bottom")
    return right


def left_out(drawn: int, there: int, step: int) -> str:
    """What a caption says about levels that are not drawn or not named; "" if all are."""
    shown = f"{drawn} of {there} levels, at even ranks." if drawn < there else ""
    named = f"One row in {step} is named." if step > 1 else ""
    return " ".join(filter(None, [shown, named]))


def settle(fig: Any, axes: Sequence[Any], columns: Sequence[tuple[Any, Sequence[str]]]) -> int:
    """Lay the figure out; where labels of rows would overlap, leave some out, the same everywhere.

    Parameters
    ----------
    axes : sequence of Axes
        Whose numbers on the x axis are thinned, too.
    columns : sequence of (Axes, labels)
        Labels of rows, from the lowest up.

    Returns
    -------
    int
        One row in so many is named.
    """
    for ax, labels in columns:
        ticks(ax, labels)
    uncrowd(fig, axes)
    step = max(1, *(crowding(ax, len(labels)) for ax, labels in columns))
    if step > 1:
        for ax, labels in columns:
            ticks(ax, labels, step)
    return step


def crowding(ax: Any, n: int) -> int:
    """How many rows one label needs."""
    tall = max((t.get_window_extent().height for t in ax.get_yticklabels() if t.get_text()), default=0.0)
    pitch = ax.get_window_extent().height / (n + 0.2)
    return int(np.ceil(GAP * tall / pitch - 1e-9))


def uncrowd(fig: Any, axes: Sequence[Any], locator: Callable[[int], Any] | None = None) -> None:
    """Fewer numbers on each x axis until they keep apart."""
    from matplotlib.ticker import MaxNLocator

    make = locator or (lambda n: MaxNLocator(nbins=n, min_n_ticks=2))
    tight = list(axes)
    for n in (6, 5, 4, 3, 2, 1):
        for ax in tight:
            ax.xaxis.set_major_locator(make(n))
        fig.draw_without_rendering()
        tight = [ax for ax in axes if touching(ax)]
        if not tight:
            return


def touching(ax: Any) -> bool:
    """Whether two numbers of an x axis come closer than half a character."""
    low, high = sorted(ax.get_xlim())
    texts = [t for t in ax.get_xticklabels() if t.get_text() and low <= t.get_position()[0] <= high]
    boxes = sorted((t.get_window_extent() for t in texts), key=lambda box: box.x0)
    near = 0.5 * max((box.height for box in boxes), default=0.0)
    return any(a.x1 + near > b.x0 for a, b in pairwise(boxes))
