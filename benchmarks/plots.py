"""Draw scale.csv: time and memory against rows, levels, and levels of the smaller crossed factor, log-log.

    python benchmarks/plots.py [CSV FOLDER]

Points are medians, bars minimum and maximum, dashed lines the fitted slopes that the labels state.
"""

from __future__ import annotations

import math
import sys
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import scale
from process import HERE

COLOURS = {"reduce": "#0072B2", "fit": "#D55E00", "integrate": "#009E73"}  # Okabe and Ito
MARKERS = {"reduce": "o", "fit": "s", "integrate": "^"}
WORDS = {"reduce": "reduction", "fit": "fit", "integrate": "exact posterior"}
AXES = {
    "rows": "rows",
    "levels": "levels, with random slopes",
    "levels in a posterior": "levels, with random slopes",
    "smaller factor": "levels of the smaller of two crossed factors",
}


def curve(
    ax: Any, rows: list[dict[str, str]], growth: scale.Growth, stage: str, name: str
) -> tuple[float, str] | None:
    """Draw one stage; the height at which its line ends, and its label."""
    found = scale.medians(rows, growth, name)
    if not found:
        return None
    sizes = sorted(found)
    middle = [median(found[size]) for size in sizes]
    low = [m - min(found[size]) for m, size in zip(middle, sizes, strict=True)]
    high = [max(found[size]) - m for m, size in zip(middle, sizes, strict=True)]
    ax.errorbar(
        sizes, middle, [low, high], color=COLOURS[stage], marker=MARKERS[stage], ms=6, lw=0, elinewidth=1.2
    )
    steepness, long = scale.fitted(rows, growth, name), [size for size in sizes if size >= growth.since]
    label = WORDS[stage]
    if not math.isnan(steepness):
        centre = sum(math.log(size) for size in long) / len(long)
        height = sum(math.log(median(found[size])) for size in long) / len(long)
        line = [math.exp(height + steepness * (math.log(size) - centre)) for size in (long[0], long[-1])]
        ax.plot((long[0], long[-1]), line, color=COLOURS[stage], lw=1.2, ls="--")
        label += f", slope {steepness:.2f}".replace("-0.00", "0.00")
    return middle[-1], label


def apart(heights: list[float], least: float) -> list[float]:
    """Move labels up until they are ``least`` apart (factors)."""
    order = sorted(range(len(heights)), key=lambda k: heights[k])
    placed = list(heights)
    for below, k in pairwise(order):
        placed[k] = max(placed[k], placed[below] * least)
    return placed


def panel(ax: Any, rows: list[dict[str, str]], growth: scale.Growth, memory: bool) -> None:
    """Draw one panel, with labels at the ends of the lines."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    ax.set(
        xscale="log",
        yscale="log",
        xlabel=AXES[growth.name],
        ylabel="peak memory, MB" if memory else "seconds",
    )
    ends = {}
    for stage in growth.stages:
        if end := curve(ax, rows, growth, stage, f"MB {stage}" if memory else stage):
            ends[stage] = end
    low, high = ax.get_ylim()
    if memory:  # at least a factor of ten, so that flat looks flat
        high = max(high, 10 * low)
    ax.set_ylim(low / 1.3, high * 1.3)
    least = (1.69 * high / low) ** 0.075
    _, right = ax.get_xlim()
    heights = apart([height for height, _ in ends.values()], least)
    for (stage, (_, label)), height in zip(ends.items(), heights, strict=True):
        ax.annotate(
            label, (right, height), xytext=(6, 0), textcoords="offset points", va="center", fontsize=9.5,
            color=COLOURS[stage], annotation_clip=False,
        )  # fmt: skip
    if memory:
        ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}".replace(",", " ")))
        ax.yaxis.set_minor_formatter(NullFormatter())
    ax.grid(which="major", color="#dddddd", lw=0.6)
    ax.spines[["top", "right"]].set_visible(False)


def draw(rows: list[dict[str, str]], growth: scale.Growth, path: Path) -> None:
    """One figure: time on the left, memory on the right."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    with mpl.rc_context({"font.size": 10, "axes.axisbelow": True}):
        figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4), layout="constrained")
        panel(left, rows, growth, memory=False)
        panel(right, rows, growth, memory=True)
        figure.suptitle(scale.what(growth).rstrip(":").replace("`", ""), fontsize=11)
        figure.savefig(path, dpi=110)
        plt.close(figure)


def main(source: Path, folder: Path) -> None:
    """Draw every growth that the file has."""
    rows = scale.read(source)
    folder.mkdir(exist_ok=True)
    for growth in scale.FULL:
        if any(one["growth"] == growth.name for one in rows):
            draw(rows, growth, folder / f"{growth.name.replace(' ', '_')}.png")
    print("{}")


if __name__ == "__main__":
    main(*(Path(word) for word in sys.argv[1:]) if sys.argv[1:] else (scale.CSV, HERE / "figures"))
