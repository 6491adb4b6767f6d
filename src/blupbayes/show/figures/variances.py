"""The posterior of each standard deviation, with its prior, its profile likelihood and the ML and REML estimates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from blupbayes.errors import ComparisonError
from blupbayes.show.figures.result import FigureResult
from blupbayes.show.figures.rows import uncrowd
from blupbayes.show.figures.style import INKS, inks, page, sheet
from blupbayes.show.figures.tidy import percent, says
from blupbayes.show.figures.wording import drawn

__all__ = ["variances"]

STROKES = {
    "posterior": INKS["Bayes"].stroke,
    "profile": {"color": INKS["ML"].colour, "linestyle": ":", "linewidth": 1.6},
    "prior": {"color": "#767676", "linestyle": "-", "linewidth": 0.8},
}
WORDS = {"posterior": "posterior", "profile": "profile likelihood (scaled)", "prior": "prior"}


def variances(table: pd.DataFrame, curves: pd.DataFrame, *, width: str = "174mm") -> FigureResult:
    """A panel per standard deviation.

    Parameters
    ----------
    table : DataFrame
        The long table; its sd rows are used.
    curves : DataFrame
        group ("residual" for sigma), term, kind ("posterior", "prior" or "profile"), value, density. A profile is the
        likelihood relative to its maximum; it is drawn as high as the posterior.
    width : {"174mm", "84mm", "slide"}

    Returns
    -------
    FigureResult
        data: the curves, and the estimates as rows of kind "estimate" with the estimator's name.
    """
    p, keys = page(width), list(dict.fromkeys(zip(curves["group"], curves["term"], strict=True)))
    if not keys:
        raise ComparisonError("nothing to draw: there is no curve of any standard deviation.")
    sds = table[table["component"] == "sd"]
    plug_ins = points(sds, keys)
    columns = min(len(keys), 1 if p.narrow else 3)
    rows = -(-len(keys) // columns)
    with sheet(width, 0.9 + 1.9 * rows, nrows=rows, ncols=columns) as (fig, array):
        axes = list(array.ravel())
        for ax in axes[len(keys) :]:
            ax.remove()
        axes = axes[: len(keys)]
        for ax, key in zip(axes, keys, strict=True):
            draw(ax, of(curves, key), of(plug_ins, key))
            ax.set_title(called(key, 30 if columns < 3 else 22))
            ax.set_xlabel("sd")
        fig.legend(*entries(curves, plug_ins), loc="outside upper left", ncols=2 if p.narrow else 5)
        uncrowd(fig, axes)
    data = pd.concat([curves, estimates(plug_ins, keys)], ignore_index=True)
    return FigureResult(fig, tuple(axes), data, alt(sds, plug_ins, keys), caption(sds, curves), width)


def points(sds: pd.DataFrame, keys: list[tuple[str, str]]) -> pd.DataFrame:
    """The sds that are drawn as points: of no posterior, and MME's only where it is not at REML's variances."""
    own = pd.concat([of(sds, key) for key in keys])
    posteriors = set(sds.loc[sds["uncertainty_kind"] == "posterior_sd", "estimator"])
    own = own[~own["estimator"].isin(posteriors)]
    by_name = {name: rows["estimate"].to_numpy() for name, rows in own.groupby("estimator", sort=False)}
    if {"MME", "REML"} <= set(by_name) and np.allclose(by_name["MME"], by_name["REML"], rtol=1e-9):
        own = own[own["estimator"] != "MME"]
    return own


def of(rows: pd.DataFrame, key: tuple[str, str]) -> pd.DataFrame:
    """The rows of one standard deviation."""
    return rows[(rows["group"] == key[0]) & (rows["term"] == key[1])]


def called(key: tuple[str, str], most: int = 60) -> str:
    """A standard deviation in words."""
    return "sd(residual)" if key[0] == "residual" else drawn(f"sd({key[0]}, {key[1]})", most)


def draw(ax: Any, curves: pd.DataFrame, plug_ins: pd.DataFrame) -> None:
    """One standard deviation: three curves, and a marker on a line for each estimate."""
    posterior = curves[curves["kind"] == "posterior"]
    top = float(posterior["density"].max())
    for kind, stroke in STROKES.items():
        own = curves[curves["kind"] == kind]
        height = top if kind == "profile" else 1.0
        ax.plot(own["value"], height * own["density"], **stroke, zorder=3 if kind == "posterior" else 2)
    for name, ink in inks(list(plug_ins["estimator"])).items():
        at = float(plug_ins.loc[plug_ins["estimator"] == name, "estimate"].iloc[0])
        ax.vlines(at, 0, 1.06 * top, color=ink.colour, linestyle=ink.line, linewidth=1.0, zorder=1)
        high = 0.0 if name != "ML" else 0.09 * top
        ax.plot([at], [high], **ink.point, clip_on=False, zorder=5)
    low, high = float(posterior["value"].min()), float(posterior["value"].max())
    ends = [low, high, *plug_ins["estimate"]]
    ax.set_xlim(min(ends) - 0.02 * (max(ends) - min(ends)), max(ends))
    ax.set_ylim(0, 1.15 * top)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)


def entries(curves: pd.DataFrame, plug_ins: pd.DataFrame) -> tuple[list[Any], list[str]]:
    """Handles and labels of the legend."""
    from matplotlib.lines import Line2D

    kinds = [kind for kind in STROKES if (curves["kind"] == kind).any()]
    handles = [Line2D([], [], **STROKES[kind]) for kind in kinds]
    names = list(dict.fromkeys(plug_ins["estimator"]))
    for ink in inks(names).values():
        handles.append(Line2D([], [], **ink.both))
    return handles, [WORDS[kind] for kind in kinds] + [drawn(name) for name in names]


def estimates(plug_ins: pd.DataFrame, keys: list[tuple[str, str]]) -> pd.DataFrame:
    """The estimates as rows beside the curves."""
    own = pd.concat([of(plug_ins, key) for key in keys])
    found = own[["group", "term", "estimator"]].assign(kind="estimate", value=own["estimate"])
    return found.assign(density=np.nan)


def alt(sds: pd.DataFrame, plug_ins: pd.DataFrame, keys: list[tuple[str, str]]) -> str:
    """Two sentences: posterior means with their intervals, and the plug-in estimates."""
    means, told = [], []
    for key in keys:
        own = of(sds, key)
        full = own[own["uncertainty_kind"] == "posterior_sd"]
        say = says(own["estimate"].dropna().tolist(), full["uncertainty"].tolist())
        for row in full.iloc[:1].itertuples():
            means.append(f"{called(key)} {say(row.estimate)} [{say(row.ci_lb)}, {say(row.ci_ub)}]")
        for row in of(plug_ins, key).itertuples():
            told.append(f"{called(key)} {say(row.estimate)} by {row.estimator}")
    prob = percent(sds["ci_prob"].dropna().iloc[0]) if sds["ci_prob"].notna().any() else ""
    return (
        f"Posterior means with {prob} equal-tailed intervals are {', '.join(means)}. "
        f"Plug-in estimates are {', '.join(told) or 'not among the answers'}."
    )


def caption(sds: pd.DataFrame, curves: pd.DataFrame) -> str:
    """What everything is."""
    profile = (curves["kind"] == "profile").any()
    lines = [
        "Posterior density of each standard deviation by integration (solid), its prior (grey)",
        "and the profile likelihood, as high as the posterior (dotted)" if profile else "",
        "; markers on the axis: ML and REML estimates, or those of other answers with known variances.",
        "Whole densities; no intervals are drawn.",
    ]
    return " ".join(filter(None, lines)).replace(" ;", ";")
