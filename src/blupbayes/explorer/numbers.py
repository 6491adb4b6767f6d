"""Numbers as the page holds them: rounded where a quantity's own uncertainty says so, densities as short strings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blupbayes.explorer.blocks import Block
from blupbayes.explorer.posteriors import PriorReading
from blupbayes.explorer.reading import Reading
from blupbayes.mme.fit import Estimate
from blupbayes.plot_tables import Tables
from blupbayes.show.digits import decimals

__all__ = ["MORE", "Digits", "block_data", "encoded", "fixed_data", "prior_data", "reading_data", "sd_data"]

MORE = 2  # decimals in the file beyond those that the page shows
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
BASE = len(ALPHABET)


class Digits:
    """Decimals of each quantity on the page, from its estimates and their uncertainty; the file has MORE."""

    def __init__(self, tables: Tables, some: Sequence[Block], exact: Any) -> None:
        self.blocks = [
            decimals(
                [*b.table["raw"].dropna(), *b.table["reml"].dropna()],
                [*b.table["reml_sd"].dropna(), *b.table["own_sd"].dropna()],
            )
            for b in some
        ]
        sds = np.sqrt(np.nan_to_num(np.diag(tables.solved.beta_cov)))
        self.fixed = [decimals([x], [sd]) for x, sd in zip(tables.solved.beta, sds, strict=True)]
        known = reml_sds(tables.reml)
        middle = [] if exact is None else sd_medians(exact, len(known))
        self.sds = [decimals([x, *middle[k : k + 1]], []) for k, x in enumerate(known)]


def sd_medians(exact: Any, count: int) -> list[float]:
    """Posterior medians of the sds of the random effects, then of sigma unless it is known."""
    table = exact.summary()
    found = table.loc[[name for name in table.index if str(name).startswith("sd_")], "median"].tolist()
    return [*found, *table.loc[table.index == "sigma", "median"]][:count]


def reml_sds(reml: Estimate) -> list[float]:
    """Every random coefficient's sd, then sigma."""
    found = [reml.sigma * float(x) for T in reml.T for x in np.sqrt(np.sum(T**2, axis=1))]
    return [*found, float(reml.sigma)]


def rounded(values: Any, places: int) -> Any:
    """Nested lists with so many decimals and MORE; None for what is not finite."""
    at = np.asarray(values, dtype=float)
    if at.ndim:
        return [rounded(x, places) for x in at]
    return round(float(at), places + MORE) + 0.0 if np.isfinite(at) else None


def encoded(density: NDArray[np.float64]) -> str:
    """A density relative to its highest point, two letters of base 64 for each value.

    Examples
    --------
    >>> import numpy as np
    >>> encoded(np.array([0.0, 0.5, 1.0]))
    'AAgA__'
    """
    heights = np.rint((BASE**2 - 1) * density / density.max()).astype(int)
    return "".join(ALPHABET[h // BASE] + ALPHABET[h % BASE] for h in heights.tolist())


def bell_data(curve: Mapping[str, Any]) -> list[Any]:
    """The density of a mean: where its fine points are, and all heights."""
    return [curve["peak"], encoded(curve["density"])]


def block_data(tables: Tables, some: Sequence[Block], digits: Digits, curves: Any) -> list[dict[str, Any]]:
    """Levels and marks of every block."""
    names = [(g.name, term) for g in tables.statistics.groups for term in g.names]
    fixed, out, start = list(tables.statistics.fixed_names), [], 0
    for block, places in zip(some, digits.blocks, strict=True):
        t, end = block.table, start + len(block.table)
        marks = {name: rounded(t[name], places) for name in ("raw", "reml", "reml_sd", "own", "own_sd")}
        named = {"group": block.group, "term": block.term, "component": block.component, "places": places}
        where = {
            "fixed": fixed.index(block.term) if block.component == "group_mean" else None,
            "sd": names.index((block.group, block.term)),
        }
        bells = None if curves is None else [bell_data(c) for c in curves[start:end]]
        out.append(named | where | {"levels": block.levels, "n": t["n"].tolist()} | marks | {"curves": bells})
        start = end
    return out


def fixed_data(tables: Tables, digits: Digits, exact: Any) -> list[dict[str, Any]]:
    """Marks of every fixed effect."""
    solved, names = tables.solved, tables.statistics.fixed_names
    sds, out = np.sqrt(np.diag(solved.beta_cov)), []
    own = None if exact is None else exact.summary().loc[[f"beta[{name}]" for name in names]]
    for k, (name, places) in enumerate(zip(names, digits.fixed, strict=True)):
        mean, sd = (None, None) if own is None else own[["mean", "sd"]].iloc[k]
        marks = {"reml": solved.beta[k], "reml_sd": sds[k], "own": mean, "own_sd": sd}
        out.append({"term": name, "places": places} | {key: rounded(x, places) for key, x in marks.items()})
    return out


def sd_data(tables: Tables, digits: Digits, own: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Marks of every sd: of the random coefficients, then the residual one."""
    labels = [(g.name, term) for g in tables.statistics.groups for term in g.names] + [("residual", "")]
    known = len(own["quantiles"]) if own is not None else 0
    return [
        {
            "group": group,
            "term": term,
            "places": places,
            "reml": rounded(x, places),
            "own": one_sd(own, k, places) if own is not None and k < known else None,
        }
        for k, ((group, term), x, places) in enumerate(
            zip(labels, reml_sds(tables.reml), digits.sds, strict=True)
        )
    ]


def one_sd(found: Mapping[str, Any], k: int, places: int) -> dict[str, Any]:
    """Interval, median, and density of one sd."""
    low, median, high = rounded(found["quantiles"][k], places)
    ends = [float(f"{x:.6g}") for x in found["ends"][k]]
    return {"lb": low, "median": median, "ub": high, "ends": ends, "curve": encoded(found["curves"][k])}


def reading_data(reading: Reading, places: Sequence[Any], digits: Digits) -> dict[str, Any]:
    """Stops, and estimates with their sds at each of them: of fixed effects, and of the levels of every block."""
    fixed = reading.where("fixed")
    return {
        "stops": [float(f"{x:.6g}") if np.isfinite(x) else "inf" for x in reading.stops],
        "rest": reading.rest,
        "fixed": [rounded(reading.estimates[:, c], d) for c, d in zip(fixed, digits.fixed, strict=True)],
        "fixed_sd": [rounded(reading.sds[:, c], d) for c, d in zip(fixed, digits.fixed, strict=True)],
        "blocks": [
            {"estimate": rounded(reading.estimates[:, c], d), "sd": rounded(reading.sds[:, c], d)}
            for c, d in zip(places, digits.blocks, strict=True)
        ],
    }


def prior_data(prior: PriorReading, places: Sequence[Any], digits: Digits) -> dict[str, Any]:
    """What the posteriors have beyond that: sds and densities."""
    ends = np.cumsum([0, *map(len, places)]).tolist()
    count = len(prior.sds[0]["quantiles"])
    return {
        "spread": [float(f"{x:.6g}") for x in prior.spread],
        "error": float(f"{prior.error:.1g}"),
        "sds": [[one_sd(found, k, digits.sds[k]) for found in prior.sds] for k in range(count)],
        "curves": [[[bell_data(c) for c in row[a:b]] for row in prior.curves] for a, b in pairwise(ends)],
    }
