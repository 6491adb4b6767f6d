"""What figures read off the long table: which answers, which rows, which words for its intervals."""

from __future__ import annotations

from typing import Any

import pandas as pd

from blupbayes.errors import ComparisonError
from blupbayes.show.digits import decimals, number

__all__ = [
    "about_intervals",
    "bayes",
    "estimators",
    "group_of",
    "levels_of",
    "plug_in",
    "rows_of",
    "says",
    "terms_of",
]

PLUG_IN = ("REML", "MME", "ML")
KINDS = {
    "wald": "estimate ± z se (Wald)",
    "pev": "estimate ± z times the root of the prediction-error variance",
    "eti": "equal-tailed posterior",
}


def estimators(table: pd.DataFrame) -> list[str]:
    """Labels of the answers, in their order."""
    return [str(name) for name in table["estimator"].unique()]


def bayes(table: pd.DataFrame) -> str | None:
    """The first answer whose spreads are posterior sds of what was estimated from data, None without one."""
    of_sds = table[(table["component"] == "sd") & (table["uncertainty_kind"] == "posterior_sd")]
    return estimators(of_sds)[0] if len(of_sds) else None


def plug_in(table: pd.DataFrame) -> str | None:
    """The answer with plugged-in variances to show: REML's, else the first there is."""
    posteriors = set(
        table.loc[(table["component"] == "sd") & (table["uncertainty_kind"] == "posterior_sd"), "estimator"]
    )
    names = [name for name in estimators(table) if name not in posteriors]
    return next((name for name in PLUG_IN if name in names), names[0] if names else None)


def group_of(table: pd.DataFrame, group: str | None) -> str:
    """The grouping factor asked for, or the first.

    Raises
    ------
    ComparisonError
        If there is no such group.
    """
    known = [str(g) for g in table.loc[table["component"] == "b", "group"].unique()]
    if group is None and known:
        return known[0]
    if group not in known:
        raise ComparisonError(f"group={group!r}: the grouping factors are {', '.join(known) or 'none'}.")
    return str(group)


def terms_of(table: pd.DataFrame, group: str, term: Any) -> tuple[str, ...]:
    """The coefficients asked for, or all of the group.

    Raises
    ------
    ComparisonError
        If the group has no such coefficient.
    """
    own = table[(table["component"] == "b") & (table["group"] == group)]
    known = tuple(str(t) for t in own["term"].unique())
    asked = known if term is None else (term,) if isinstance(term, str) else tuple(term)
    for name in asked:
        if name not in known:
            raise ComparisonError(f"term={name!r}: the coefficients of {group} are {', '.join(known)}.")
    return asked


def rows_of(table: pd.DataFrame, component: str, group: str, term: str) -> pd.DataFrame:
    """The rows of one coefficient of one group, all levels and answers."""
    same = (table["component"] == component) & (table["group"] == group) & (table["term"] == term)
    return table[same]


def about_intervals(table: pd.DataFrame) -> str:
    """Kind and level of the intervals in some rows, as a sentence; "" if there are none."""
    there = table[table["ci_kind"].fillna("") != ""]
    if not len(there):
        return ""
    kinds = [
        f"{', '.join(estimators(part))} {KINDS.get(str(kind), str(kind))}"
        for kind, part in there.groupby("ci_kind", sort=False)
    ]
    return f"Intervals, {percent(there['ci_prob'].iloc[0])}: {'; '.join(kinds)}."


def percent(probability: float) -> str:
    """A level: "95 %"."""
    return f"{100 * probability:g} %"


def says(values: Any, spreads: Any = ()) -> Any:
    """How to write numbers of one kind: with the digits that these values and spreads ask for."""
    places = decimals(values, spreads)
    return lambda x: number(float(x), places)


def levels_of(path: pd.DataFrame, group: str, term: str) -> pd.DataFrame:
    """One coefficient of every level along a path: beta + b where it has a fixed effect, else b."""
    own = path[(path["group"] == group) & (path["term"] == term)]
    means = own[own["component"] == "group_mean"]
    return means if len(means) else own[own["component"] == "b"]
