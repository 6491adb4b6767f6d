"""What a shrinkage figure draws: raw values and what they become, from the long table and the raw levels."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd

from blupbayes.errors import ComparisonError
from blupbayes.show.figures.rows import chosen, ordered
from blupbayes.show.figures.style import Ink, inks
from blupbayes.show.figures.tidy import bayes, plug_in, rows_of
from blupbayes.show.figures.wording import drawn

__all__ = ["Drawing", "about_raw", "called", "middle", "prepare"]


@dataclass(frozen=True, eq=False)
class Drawing:
    """What is drawn: a row per level and estimator, "raw" among them; levels from the lowest row up."""

    data: pd.DataFrame
    levels: list[str]
    shown: list[str]
    inks: dict[str, Ink]
    term: str
    centre: tuple[float, float, str]
    weigher: str
    there: int
    groups: int

    def of(self, name: str) -> pd.DataFrame:
        """The rows of one estimator, from the lowest row up."""
        return self.data[self.data["estimator"] == name].set_index("level").loc[self.levels]

    def places(self, name: str) -> Any:
        """Heights (J,) of the points of one estimator: raw in the middle, the others beside it."""
        beside = dict(zip(self.shown, (-0.26, 0.26), strict=False))
        return np.arange(len(self.levels)) + beside.get(name, 0.0)


def prepare(
    table: pd.DataFrame, raw: pd.DataFrame, group: str, term: str, sort: str, most: int | None, usual: int
) -> Drawing:
    """Everything that is drawn, from the tables."""
    component = "group_mean" if len(rows_of(table, "group_mean", group, term)) else "b"
    own = rows_of(table, component, group, term)
    shown = [name for name in (plug_in(table), bayes(table)) if name is not None]
    if not len(own) or not shown:
        raise ComparisonError(f"nothing to draw: no answer has a row of {term} for the levels of {group}.")
    alone = raw[(raw["group"] == group) & (raw["term"] == term)]
    blocks = [unpooled(alone, own)] + [own[own["estimator"] == name] for name in shown]
    columns = ["level", "term", "estimator", "estimate", "ci_lb", "ci_ub", "ci_kind", "ci_prob"]
    data = pd.concat([block[columns] for block in blocks], ignore_index=True)
    by_level = alone.set_index("level")
    data["shift"] = data["estimate"] - data["level"].map(by_level["estimate"])
    data["n"] = data["level"].map(by_level["n"])
    shares = rows_of(table, "weight", group, term)
    weigher = shown[0] if shown[0] in set(shares["estimator"]) else ""
    data["weight"] = data["level"].map(shares[shares["estimator"] == weigher].set_index("level")["estimate"])
    first = data[data["estimator"] == shown[0]]
    keys = first.assign(raw=first["level"].map(by_level["estimate"]))
    levels = chosen(ordered(keys, sort), most, usual)
    kept = data[data["level"].isin(levels)].reset_index(drop=True)
    centre = middle(table, shown[0], term) if component == "group_mean" else (0.0, np.nan, "")
    return Drawing(kept, levels, shown, inks(shown), term, centre, weigher, len(keys), raw["group"].nunique())


def unpooled(alone: pd.DataFrame, own: pd.DataFrame) -> pd.DataFrame:
    """The raw values as rows like the others, with the level of the others' intervals."""
    known = own["ci_prob"].dropna()
    prob = float(known.iloc[0]) if len(known) else 0.95
    half = NormalDist().inv_cdf(0.5 + prob / 2) * alone["se"]
    return alone.assign(
        estimator="raw",
        ci_lb=alone["estimate"] - half,
        ci_ub=alone["estimate"] + half,
        ci_kind=np.where(alone["estimate"].notna(), "raw", ""),
        ci_prob=prob,
    )


def middle(table: pd.DataFrame, name: str, term: str) -> tuple[float, float, str]:
    """Estimate, spread and its kind of the fixed effect that the levels shrink to."""
    row = table[(table["component"] == "fixed") & (table["estimator"] == name) & (table["term"] == term)]
    return (
        float(row["estimate"].iloc[0]),
        float(row["uncertainty"].iloc[0]),
        str(row["uncertainty_kind"].iloc[0]),
    )


def called(name: str) -> str:
    """An estimator in the legend: what its numbers are."""
    return {
        "REML": "BLUP (REML)",
        "ML": "BLUP (ML)",
        "integrate": "posterior mean",
        "NUTS": "posterior mean (NUTS)",
    }.get(name, drawn(name, 28))


def about_raw(groups: int) -> str:
    """What a raw value is, for a caption."""
    rest = "; effects of other groups left in" if groups > 1 else ""
    return (
        f"Open circles: each level alone (least squares of its own rows, other fixed effects taken off{rest})"
    )
