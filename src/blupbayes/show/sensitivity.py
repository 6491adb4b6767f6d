"""The long table of a sensitivity analysis as text: a row per prior."""

from __future__ import annotations

import pandas as pd

from blupbayes.show.digits import decimals, interval, number

__all__ = ["table"]

WEIGHT_DECIMALS = 3


def table(frame: pd.DataFrame) -> pd.DataFrame:
    """Text, a row per prior and a column per quantity; the verdict is the last one.

    Parameters
    ----------
    frame : DataFrame
        prior, component, group, level, term, estimate, ci_lb, ci_ub, uncertainty, verdict.
    """
    priors = list(dict.fromkeys(frame["prior"]))
    columns = {}
    for (component, group, level, term), part in frame.groupby(
        ["component", "group", "level", "term"], sort=False
    ):
        name = head(str(component), str(group), str(level), str(term))
        columns[name] = texts(str(component), part.set_index("prior").reindex(priors))
    columns["verdict"] = [verdict(frame[frame["prior"] == name]) for name in priors]
    return pd.DataFrame(columns, index=pd.Index(priors, name="prior"))


def head(component: str, group: str, level: str, term: str) -> str:
    """Name of a column."""
    where = group if term == "Intercept" else f"{group}: {term}"
    if component == "group_mean":
        return f"{group} {level} (sd)" if term == "Intercept" else f"{group} {level}: {term} (sd)"
    return f"sd({where})" if component == "sd" else f"E weight({where})"


def texts(component: str, part: pd.DataFrame) -> list[str]:
    """The cells of one column."""
    places = (
        WEIGHT_DECIMALS
        if component == "weight"
        else decimals(part["estimate"], part["uncertainty"].fillna(0.0))
    )
    if component == "group_mean":
        pairs = zip(part["estimate"], part["uncertainty"], strict=True)
        return ["" if pd.isna(x) else f"{number(x, places)} ({number(s, places)})" for x, s in pairs]
    rows = zip(part["estimate"], part["ci_lb"], part["ci_ub"], strict=True)
    return [f"{number(x, places)} {interval(low, high, places)}".strip() for x, low, high in rows]


def verdict(part: pd.DataFrame) -> str:
    """One word for all groups, or one for each where they differ."""
    found = dict(zip(part["group"], part["verdict"], strict=True))
    if len(set(found.values())) == 1:
        return str(next(iter(found.values())))
    return "; ".join(f"{group}: {word}" for group, word in found.items())
