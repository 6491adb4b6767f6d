"""The ledger as bars: the parts of each difference, stacked by sign, and their total."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from blupbayes.errors import ComparisonError
from blupbayes.show.figures.result import FigureResult
from blupbayes.show.figures.rows import chosen, height, left_out, ordered, settle, stripes
from blupbayes.show.figures.style import PARTS, page, sheet
from blupbayes.show.figures.tidy import says
from blupbayes.show.figures.wording import MINUS, brief, count, drawn, joined

__all__ = ["ledger_bars"]

KINDS: dict[tuple[str, ...], str] = {
    ("theta", "curvature", "kappa", "monte_carlo"): f"Posterior mean {MINUS} REML BLUP",
    ("average_pev", "movement", "kappa", "monte_carlo"): f"Posterior variance {MINUS} plug-in PEV",
}
WORDS = {
    "theta": "theta",
    "curvature": "curvature",
    "kappa": "kappa",
    "monte_carlo": "Monte Carlo",
    "average_pev": "average PEV",
    "movement": "movement of the BLUP",
}


def ledger_bars(
    ledger: pd.DataFrame,
    group: str,
    term: str,
    *,
    estimator: str | None = None,
    width: str = "174mm",
    sort: str = "shift",
    max_levels: int | None = None,
    raw: pd.DataFrame | None = None,
) -> FigureResult:
    """Why the posterior of each level differs from the BLUP.

    Parameters
    ----------
    ledger : DataFrame
        As from ``Comparison.ledger``, of means or variances.
    group, term : str
        Which random effects b.
    estimator : str, optional
        Which posterior; the first by default.
    width : {"174mm", "84mm", "slide"}
    sort : {"shift", "raw", "n", "level"}
        By the size of the difference, or as in the other figures.
    max_levels : int, optional
        Draw at most so many, at even ranks.
    raw : DataFrame, optional
        group, level, term, n, estimate: for sort="raw" and "n".

    Returns
    -------
    FigureResult
        data: level, difference and the parts, which add up to it.
    """
    parts = next((names for names in KINDS if set(names) <= set(ledger.columns)), None)
    rows = own_rows(ledger, group, term, estimator)
    if parts is None or not len(rows):
        raise ComparisonError(f"nothing to draw: the ledger has no rows of b for {term} of {group}.")
    p = page(width)
    levels = chosen(ordered(sorting(rows, group, term, raw), sort), max_levels, p.rows)
    data = rows.set_index("level").loc[levels, ["difference", *parts]]
    with sheet(width, height(len(levels), p)) as (fig, axes):
        ax = axes[0, 0]
        draw(ax, data, parts)
        ax.set_xlabel(KINDS[parts])
        ax.set_title(drawn(f"b of {group}, {term}", 40))
        fig.legend(*ax.get_legend_handles_labels(), loc="outside upper left", ncols=2 if p.narrow else 5)
        step = settle(fig, [ax], [(ax, [drawn(level, p.letters) for level in levels])])
    name = str(rows["estimator"].iloc[0])
    words = (
        alt(data, parts, group, term, name),
        caption(data, parts, name) + " " + left_out(len(levels), len(rows), step),
    )
    return FigureResult(fig, (ax,), data.reset_index(), words[0], words[1].strip(), width)


def own_rows(ledger: pd.DataFrame, group: str, term: str, estimator: str | None) -> pd.DataFrame:
    """The rows of b of one coefficient in one posterior."""
    own = ledger[(ledger["component"] == "b") & (ledger["group"] == group) & (ledger["term"] == term)]
    name = estimator if estimator is not None or not len(own) else own["estimator"].iloc[0]
    return own[own["estimator"] == name]


def sorting(rows: pd.DataFrame, group: str, term: str, raw: pd.DataFrame | None) -> pd.DataFrame:
    """What the levels can be sorted by."""
    keys = rows[["level"]].assign(estimate=rows["difference"], shift=rows["difference"], raw=np.nan, n=np.nan)
    if raw is None:
        return keys
    alone = raw[(raw["group"] == group) & (raw["term"] == term)].set_index("level")
    return keys.assign(raw=keys["level"].map(alone["estimate"]), n=keys["level"].map(alone["n"]))


def draw(ax: Any, data: pd.DataFrame, parts: tuple[str, ...]) -> None:
    """Positive parts to the right, negative ones to the left, the total as a marker."""
    y = np.arange(len(data))
    stripes(ax, len(data))
    ax.use_sticky_edges = False
    right, left = np.zeros(len(data)), np.zeros(len(data))
    for part, (colour, hatch) in zip(parts, PARTS, strict=True):
        value = data[part].to_numpy()
        there = np.flatnonzero(value)
        if there.size:
            start = np.where(value >= 0, right, left)[there]
            ax.barh(
                y[there], value[there], left=start, height=0.62, label=WORDS[part], hatch=hatch, linewidth=0.8,
                facecolor="white" if hatch else colour, edgecolor=colour, zorder=3,
            )  # fmt: skip
        right, left = right + np.maximum(value, 0), left + np.minimum(value, 0)
    size = 5 if len(data) <= 45 else 3
    ax.plot(
        data["difference"], y, marker="D", markersize=size, color="black", markeredgecolor="white",
        linestyle="none", label="total", zorder=5,
    )  # fmt: skip
    ax.axvline(0.0, color="black", linewidth=0.8, zorder=4)


def alt(data: pd.DataFrame, parts: tuple[str, ...], group: str, term: str, name: str) -> str:
    """Two sentences: the largest difference with its parts, and the largest part on the whole."""
    say = says(data["difference"].abs().tolist(), data["difference"].abs().nlargest(1).tolist())
    most: Any = data["difference"].abs().idxmax()
    split = joined([f"{WORDS[part]} {say(data[part][most]) if data[part][most] else 0}" for part in parts])
    size = data[list(parts)].abs().mean()
    return (
        f"{KINDS[parts]} ({name}) for {term} of {count(len(data), 'level')} of {group}: the largest "
        f"difference is {say(data['difference'][most])} for {brief(str(most), 40)}, of {split}. On average "
        f"the largest part is {WORDS[str(size.idxmax())]}, {say(size.max())} in size."
    )


def caption(data: pd.DataFrame, parts: tuple[str, ...], name: str) -> str:
    """What everything is."""
    zero = [WORDS[part] for part in parts if not data[part].any()]
    none = f" Nowhere different from 0: {joined(zero)}." if zero else ""
    meaning = {
        "theta": "theta: prior and integration move the variances",
        "curvature": "curvature: the BLUP is not linear in them",
        "kappa": "kappa: the prior of the fixed effects",
        "monte_carlo": "Monte Carlo: the draws",
        "average_pev": "average PEV: the posterior mean of the prediction-error variance, less its plug-in value",
        "movement": "movement: the BLUP itself moves with the variances",
    }
    return (
        f"{KINDS[parts]} ({name}) in parts that add up to it (diamond). "
        f"{'; '.join(meaning[x] for x in parts)}. Exact parts; no intervals are drawn.{none}"
    )
