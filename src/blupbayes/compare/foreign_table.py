"""A table of estimates from elsewhere as rows of the long table: our own columns, or broom.mixed's of lme4."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np
import pandas as pd

from blupbayes.compare.elsewhere import Known, text
from blupbayes.compare.rows import COLUMNS, KEYS, TEXT
from blupbayes.compare.table import COMPONENTS
from blupbayes.errors import ComparisonError

__all__ = ["read_table"]

BROOM = {
    "std.error": "uncertainty",
    "conf.low": "ci_lb",
    "conf.high": "ci_ub",
    "rhat": "r_hat",
    "ess": "ess_bulk",
}
SPREADS = {"fixed": "se", "ran_vals": "cond_sd"}  # of lme4; broom.mixed gives no others
EFFECTS = {"fixed": "fixed", "ran_vals": "b", "ran_coefs": "group_mean"}
UNSTATED = "sd"
OWN = ("se", "posterior_sd", "pev_sd", "cond_sd", "ls_se", "delta_se")  # columns that name a spread
SHOWN = 5


def read_table(frame: pd.DataFrame, known: Known, ci_prob: float) -> tuple[pd.DataFrame, list[str]]:
    """Rows of the long table, and sentences on what could not be read.

    Parameters
    ----------
    frame : DataFrame
        With a column estimate, and component, group, level, term, uncertainty, uncertainty_kind, ci_lb, ci_ub as far
        as there are; or effect, group, level, term, estimate, std.error, conf.low, conf.high of broom.mixed.
    known : Known
        Names of the model.
    ci_prob : float
        Level of the bounds, where no column ci_prob says it.

    Raises
    ------
    ComparisonError
        If there are no rows, no numbers in estimate, an unknown component, or a row twice.
    """
    if not len(frame):
        raise ComparisonError(
            "external: the table has no rows. Give the table of estimates of the other answer."
        )
    given = spread_of(frame.rename(columns=BROOM))
    numbers = [c for c in given if c in COLUMNS and c not in TEXT]
    for column in numbers:
        given = given.assign(**{column: number(given[column])})
    table, unread = from_broom(given) if "effect" in given else (named(given), [])
    out = pd.DataFrame([translated(row, known) for row in keys_of(table)], columns=KEYS, index=table.index)
    for column in COLUMNS[len(KEYS) :]:
        blank: Any = "" if column in TEXT else np.nan
        out[column] = table.get(column, blank)
    out = out.astype({c: "str" for c in TEXT} | {c: float for c in COLUMNS if c not in TEXT}).reset_index(
        drop=True
    )
    check_twice(out)
    other = [str(c) for c in given if c not in (*COLUMNS, "effect")]
    unread += [f"columns not read: {some(other)}."] if other else []
    return stated(out, ci_prob), [*unread, *foreign_rows(out, known)]


def spread_of(table: pd.DataFrame) -> pd.DataFrame:
    """A column that bears the name of a spread is the uncertainty, unless there is one; pev_sd before cond_sd."""
    named = [kind for kind in OWN if kind in table]
    if "uncertainty" in table or not named:
        return table
    return table.rename(columns={named[0]: "uncertainty"}).assign(uncertainty_kind=named[0])


def number(column: pd.Series) -> pd.Series:
    """As floats."""
    try:
        return pd.to_numeric(column).astype(float)
    except (TypeError, ValueError) as error:
        raise ComparisonError(
            f"external: column {column.name!r} holds what is no number ({error})."
        ) from error


def keys_of(table: pd.DataFrame) -> Iterator[list[str]]:
    """component, group, level, term of every row as text."""
    columns = [table[key].map(text) if key in table else pd.Series("", index=table.index) for key in KEYS]
    for row in zip(*columns, strict=True):
        yield list(row)


def named(table: pd.DataFrame) -> pd.DataFrame:
    """A table with our own columns; without a component its rows are fixed effects."""
    if "component" not in table:
        if "group" in table and (table["group"].map(text) != "").any():
            raise ComparisonError(
                "external: rows with a group need a column component that says what they are: b or group_mean, sd or "
                "corr."
            )
        table = table.assign(component="fixed")
    for value in dict.fromkeys(table["component"].map(text)):
        if value not in COMPONENTS:
            close = get_close_matches(value, COMPONENTS, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise ComparisonError(
                f"external: unknown component {value!r}.{hint} There are {', '.join(COMPONENTS)}."
            )
    return with_kinds(table)


def with_kinds(table: pd.DataFrame) -> pd.DataFrame:
    """Spreads and intervals without a kind are marked as such."""
    for value, kind, unstated in (
        ("uncertainty", "uncertainty_kind", UNSTATED),
        ("ci_lb", "ci_kind", "stated"),
    ):
        if value in table:
            own = table[kind].map(text) if kind in table else pd.Series("", index=table.index)
            own = own.where(own != "", unstated)
            table = table.assign(**{kind: own.where(table[value].notna(), "")})
    return table


def from_broom(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """broom.mixed's rows with our components; of random-effect parameters sds and correlations."""
    effect = table["effect"].map(text)
    terms, groups = table["term"].map(text), group_column(table)
    parsed = [one_of(e, t, g) for e, t, g in zip(effect, terms, groups, strict=True)]
    read = [row is not None for row in parsed]
    unread = [
        " ".join(part for part in (e, g, t) if part)
        for e, g, t, r in zip(effect, groups, terms, read, strict=True)
        if not r
    ]
    kept = table[read].drop(columns="effect")
    rows = pd.DataFrame(
        [row for row in parsed if row], columns=["component", "group", "term"], index=kept.index
    )
    kept = kept.assign(component=rows["component"], group=rows["group"], term=rows["term"])
    if "uncertainty" in kept and "uncertainty_kind" not in kept:
        kept = kept.assign(uncertainty_kind=effect[read].map(SPREADS).fillna(""))
    return with_kinds(kept), ([f"rows not read: {some(unread)}."] if unread else [])


def group_column(table: pd.DataFrame) -> pd.Series:
    """The grouping factors as text."""
    return table["group"].map(text) if "group" in table else pd.Series("", index=table.index)


def one_of(effect: str, term: str, group: str) -> tuple[str, str, str] | None:
    """(component, group, term) of one row of broom.mixed; None for what the long table has no place for."""
    if effect in EFFECTS:
        return EFFECTS[effect], "" if effect == "fixed" else group, term
    kind, _, what = term.partition("__")
    if effect != "ran_pars" or kind not in ("sd", "cor"):
        return None
    if group == "Residual":
        return "sd", "residual", ""
    return ("sd", group, what) if kind == "sd" else ("corr", group, ", ".join(pair(what)))


def pair(what: str) -> list[str]:
    """The two coefficients of (Intercept).Days."""
    if what.startswith("(Intercept)."):
        return ["(Intercept)", what.removeprefix("(Intercept).")]
    return what.split(".", 1)


def translated(row: Sequence[str], known: Known) -> list[str]:
    """One row's keys in the model's own words."""
    component, group, level, term = row
    if component in ("icc", "marginal_mean") or group == "residual":
        return list(row)
    group, flipped = known.group(group)
    terms = [known.term(t, group) for t in (term.split(", ") if component == "corr" else [term])]
    if component == "corr" and group in known.groups:
        own = known.groups[group][0]
        terms.sort(key=lambda t: own.index(t) if t in own else len(own))
    return [component, group, known.level(level, group, flipped), ", ".join(terms)]


def stated(table: pd.DataFrame, ci_prob: float) -> pd.DataFrame:
    """The level of the bounds, where the table does not have it."""
    there = table["ci_lb"].notna() & table["ci_ub"].notna()
    return table.assign(ci_prob=table["ci_prob"].where(table["ci_prob"].notna() | ~there, ci_prob))


def check_twice(table: pd.DataFrame) -> None:
    """Refuse a row that occurs twice."""
    twice = table[table.duplicated(KEYS)]
    if len(twice):
        name = " ".join(part for part in twice.iloc[0][KEYS] if part)
        raise ComparisonError(
            f"external: {len(twice)} rows are there twice, the first is {name}. Give one row per quantity."
        )


def foreign_rows(table: pd.DataFrame, known: Known) -> list[str]:
    """A sentence on rows that the model does not have; they are kept."""
    own = [known.has(*row) for row in table[KEYS].itertuples(index=False)]
    names = [
        " ".join(p for p in row if p) for row in table.loc[np.logical_not(own), KEYS].itertuples(index=False)
    ]
    return [f"rows that the model does not have: {some(names)}."] if names else []


def some(names: Sequence[str]) -> str:
    """The first names, and how many there are."""
    rest = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + rest
