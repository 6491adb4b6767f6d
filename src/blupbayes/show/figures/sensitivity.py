"""Prior sensitivity: a row per prior, what becomes of the weight, of some levels and of the sd."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from blupbayes.errors import ComparisonError
from blupbayes.show.figures.result import FigureResult
from blupbayes.show.figures.rows import chosen, height, margin, settle, stripes
from blupbayes.show.figures.style import INKS, RAW, Ink, page, sheet
from blupbayes.show.figures.tidy import says
from blupbayes.show.figures.wording import brief, count, drawn, joined

__all__ = ["prior_sensitivity"]

PANELS = {"weight": "weight", "group_mean": "beta + b", "sd": "sd"}
LEVELS = (INKS["Bayes"], INKS["BLUP"], INKS["ML"])  # an ink for each level that is drawn
BAND = "#C9DDEA"


@dataclass(frozen=True, eq=False)
class Panels:
    """What is drawn: priors from the lowest row up, levels by ink."""

    rows: pd.DataFrame
    priors: list[str]
    levels: dict[str, Ink]
    components: list[str]
    band: pd.DataFrame | None

    def of(self, component: str, level: str) -> pd.DataFrame:
        """The rows of one component and level, from the lowest prior up."""
        own = self.rows[(self.rows["component"] == component) & (self.rows["level"] == level)]
        return own.set_index("prior").reindex(self.priors)

    def verdict(self, prior: str) -> str:
        """What the rows of one prior say, once each."""
        own = self.rows[self.rows["prior"] == prior]
        found = dict.fromkeys(v for v in own["verdict"].fillna("").astype(str) if v)
        return "; ".join(found)


def prior_sensitivity(
    table: pd.DataFrame,
    group: str,
    term: str,
    *,
    levels: list[str] | None = None,
    band: pd.DataFrame | None = None,
    ci_prob: float = 0.95,
    width: str = "174mm",
) -> FigureResult:
    """What a set of priors does to the shrinkage, to some levels and to the sd.

    Parameters
    ----------
    table : DataFrame
        prior, component ("weight", "group_mean" or "sd"), group, level ("" for an sd, or for a weight that all levels
        share), term, estimate, ci_lb, ci_ub, verdict; priors in the order of their rows, the reference first.
    group, term : str
        Which coefficient.
    levels : list of str, optional
        At most three; the lowest and the highest under the first prior by default.
    band : DataFrame, optional
        level, low, high: inside, a group mean counts as unchanged.
    ci_prob : float
        Level of the intervals, for the caption.
    width : {"174mm", "84mm", "slide"}

    Returns
    -------
    FigureResult
        data: the rows that are drawn.
    """
    d, p = prepare(table, group, term, levels, band), page(width)
    n = len(d.components)
    grid = {"nrows": n} if p.narrow else {"ncols": n}
    tall = height(len(d.priors), p, 0.42)
    with sheet(width, tall * (n if p.narrow else 1), **grid) as (fig, array):
        axes = list(array.ravel())
        for ax, component in zip(axes, d.components, strict=True):
            draw(ax, d, component)
        names = [drawn(prior, p.letters) for prior in d.priors]
        verdicts = [drawn(d.verdict(prior), p.letters) if d.verdict(prior) else "" for prior in d.priors]
        columns = [(ax, names) for ax in (axes if p.narrow else axes[:1])]
        columns.append((margin(axes[0 if p.narrow else -1], verdicts, "verdict", p), verdicts))
        for ax in () if p.narrow else axes[1:]:
            ax.set_yticks([])
        handles = axes[min(1, n - 1)].get_legend_handles_labels()
        if handles[0]:
            fig.legend(*handles, loc="outside upper left", ncols=1 if p.narrow else 4)
        settle(fig, axes, columns)
    words = (alt(d, group, term), caption(d, group, term, ci_prob))
    return FigureResult(fig, tuple(axes), d.rows.reset_index(drop=True), *words, width)


def prepare(
    table: pd.DataFrame, group: str, term: str, levels: list[str] | None, band: pd.DataFrame | None
) -> Panels:
    """The rows that are drawn."""
    own = table[(table["group"] == group) & (table["term"] == term)]
    components = [name for name in PANELS if (own["component"] == name).any()]
    if not components:
        raise ComparisonError(f"nothing to draw: there is no row of {term} for {group}.")
    priors = list(dict.fromkeys(own["prior"]))[::-1]
    means = own[(own["component"] == "group_mean") & (own["prior"] == priors[-1])].sort_values("estimate")
    names = levels if levels is not None else chosen(list(means["level"]), 2, 2)
    if len(names) > len(LEVELS) or not set(names) <= {*own["level"]}:
        raise ComparisonError(f"levels={names!r}: at most {len(LEVELS)} levels of {group}.")
    rows = own[own["level"].isin([*names, ""])]
    return Panels(rows, priors, dict(zip(names, LEVELS, strict=False)), components, band)


def draw(ax: Any, d: Panels, component: str) -> None:
    """One panel."""
    stripes(ax, len(d.priors))
    shared = ["", *d.levels] if (d.rows["component"] == component).any() else []
    inks = {"": INKS["Bayes"]} | d.levels
    present = [level for level in shared if d.of(component, level)["estimate"].notna().any()]
    for k, level in enumerate(present):
        rows, ink = d.of(component, level), inks[level]
        y = np.arange(len(d.priors)) + 0.22 * (0.5 * (len(present) - 1) - k)
        ax.hlines(
            y, rows["ci_lb"], rows["ci_ub"], color=ink.colour, linestyle=ink.line, linewidth=1.0, zorder=3
        )
        ax.plot(
            rows["estimate"],
            y,
            **ink.point,
            label=drawn(f"{rows['group'].dropna().iloc[0]} {level}") if level else None,
            zorder=4,
        )
        first = rows["estimate"].iloc[-1]
        ax.axvline(first, color=RAW.colour, linewidth=0.8, linestyle=":", zorder=2)
        if component == "group_mean" and d.band is not None:
            for spot in d.band[d.band["level"] == level].itertuples():
                ax.axvspan(spot.low, spot.high, color=BAND, linewidth=0, zorder=1)
    ax.set_xlabel(PANELS[component])


def under(d: Panels) -> str:
    """What the rows are: posteriors, and the REML plug-in, which has no prior."""
    priors = [prior for prior in d.priors if not prior.startswith("REML")]
    return f"under {count(len(priors), 'prior')}{' and at the REML estimates' if len(priors) < len(d.priors) else ''}"


def alt(d: Panels, group: str, term: str) -> str:
    """Two sentences: how far the numbers go, and which priors are told."""
    spans = []
    for component in d.components:
        values = d.rows.loc[d.rows["component"] == component, "estimate"].dropna()
        say = says(values.tolist())
        spans.append(f"the {PANELS[component]} from {say(values.min())} to {say(values.max())}")
    told = [f"{brief(prior, 40)}: {d.verdict(prior)}" for prior in d.priors[::-1] if d.verdict(prior)]
    return (
        f"{term} by {group}: {under(d)}, estimates run for {joined(spans)}. "
        f"Verdicts are {'; '.join(told) or 'not given'}."
    )


def caption(d: Panels, group: str, term: str, ci_prob: float) -> str:
    """What everything is."""
    named = f" Levels: {', '.join(brief(level, 40) for level in d.levels)}." if d.levels else ""
    inside = " Band: inside it a level counts as unchanged." if d.band is not None else ""
    return (
        f"{term} by {group} {under(d)}; the first row is the reference, dotted in "
        f"every panel.{named} Bars: {100 * ci_prob:g} % intervals, equal-tailed where the row is a "
        f"posterior.{inside} Verdicts stand at the right."
    )
