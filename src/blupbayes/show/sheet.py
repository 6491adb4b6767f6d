"""The long table as a sheet of text cells: sections, heads that name every spread, notes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from blupbayes.compare.rows import KEYS
from blupbayes.compare.table import wide
from blupbayes.show.digits import decimals, interval, number

__all__ = ["Row", "Section", "Sheet", "compose"]

TITLES = {
    "fixed": "Fixed effects",
    "sd": "Standard deviations",
    "corr": "Correlations",
    "icc": "Intraclass correlations",
    "weight": "Weights",
    "b": "Random effects b",
    "group_mean": "Coefficients beta + b",
    "marginal_mean": "Marginal means",
}
SPREADS = {
    "se": "se: standard error, with the variances held at their estimates.",
    "cond_sd": "cond_sd: sd of b given y, beta and the variances (lme4's condVar).",
    "pev_sd": "pev_sd: sqrt Var(b_hat - b), the prediction error: beta estimated, variances held. It is not "
    "cond_sd, the smaller sd of b given y, beta and the variances (lme4's condVar).",
    "posterior_sd": "posterior_sd: sd of the posterior; everything unknown, except what a note says is held.",
    "ls_se": "ls_se: standard error of least squares, with the residual sd of that fit; it knows no random effects.",
    "delta_se": "delta_se: standard error by the delta method, from the observed information of the criterion.",
    "sd": "sd: spread of an answer from elsewhere, which does not say of what kind it is.",
}
INTERVALS = {
    "wald": "wald: estimate +/- z se",
    "pev": "pev: estimate +/- z pev_sd",
    "cond": "cond: estimate +/- z cond_sd",
    "eti": "eti: equal-tailed posterior interval",
    "t": "t: estimate +/- t ls_se with the residual degrees of freedom",
    "logit": "logit: estimate +/- z delta_se on the logit scale",
    "stated": "stated: as the answer from elsewhere states it",
}
BREAKS = {10: " ", 13: " "}  # a row is a line
FIXED_DECIMALS = {"weight": 4, "corr": 3, "icc": 3}
WEIGHTS = "Weights: share of a level's own information that is kept, 1 - Var(b | y, beta, variances)/Var(b)."
MEANS = (
    "Coefficients beta + b: the rows to report for a group (coef() of lme4), its mean where there are no covariates; "
    "their spread counts the errors of beta and b together."
)
SHARES = "Intraclass correlations: variance of the group over the sum of all variances."
MARGINAL = (
    "Marginal means: X beta at each level of a factor, in equal weights over the levels of the other factors, numbers "
    "at their means."
)
WORDS = {"icc": SHARES, "weight": WEIGHTS, "group_mean": MEANS, "marginal_mean": MARGINAL}


@dataclass(frozen=True, eq=False)
class Row:
    """One quantity: its name, and for every estimator the cells estimate, spread, interval."""

    name: str
    cells: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, eq=False)
class Section:
    """One component; ``heads`` names the three columns of every estimator, "" where there is nothing."""

    title: str
    heads: tuple[tuple[str, str, str], ...]
    rows: tuple[Row, ...]
    hidden: int

    @property
    def more(self) -> str:
        """What to say about the rows that are left out; "" if there are none."""
        return f"... {self.hidden} more rows: to_dataframe()" if self.hidden else ""


@dataclass(frozen=True, eq=False)
class Sheet:
    """A finished table of strings: title, one label per estimator, sections and notes."""

    title: str
    labels: tuple[str, ...]
    sections: tuple[Section, ...]
    notes: tuple[str, ...]

    def used(self) -> tuple[tuple[bool, bool, bool], ...]:
        """For every estimator, which of its three columns hold anything at all."""
        return tuple(
            (True, *(any(row.cells[k][j] for s in self.sections for row in s.rows) for j in (1, 2)))  # type: ignore[misc]
            for k in range(len(self.labels))
        )


def names(rows: pd.DataFrame) -> list[str]:
    """What a row is called: group, level and term, the term left out where it can only be the intercept."""
    plain = rows.groupby("group")["term"].agg(lambda terms: set(terms) <= {"Intercept", ""})
    out = []
    for group, level, term in rows[["group", "level", "term"]].itertuples(index=False):
        place = " ".join(part for part in (group, level) if part)
        shown = "" if group and plain[group] else term
        out.append(", ".join(part for part in (place, shown) if part).translate(BREAKS))
    return out


def places(part: Any, labels: Sequence[str], component: str) -> dict[tuple[str, str], int]:
    """Decimals of every (group, term): the same for all its levels and all estimators."""
    if component in FIXED_DECIMALS:
        return {key: FIXED_DECIMALS[component] for key in part.index.droplevel(["component", "level"])}
    return {
        key: decimals(
            *(
                block.loc[:, [(n, field) for n in labels]].to_numpy(dtype=float).ravel()
                for field in ("estimate", "uncertainty")
            )
        )
        for key, block in part.groupby(level=["group", "term"], sort=False)
    }


def cells(part: Any, labels: Sequence[str], component: str) -> list[tuple[tuple[str, str, str], ...]]:
    """The cells of a section, a row per quantity."""
    keys, at = part.index.droplevel(["component", "level"]), places(part, labels, component)
    columns = []
    for name in labels:
        values = part[name][["estimate", "uncertainty", "ci_lb", "ci_ub"]].to_numpy(dtype=float)
        columns.append(
            [
                (number(v[0], at[key]), number(v[1], at[key]), interval(v[2], v[3], at[key]))
                for key, v in zip(keys, values, strict=True)
            ]
        )
    return list(zip(*columns, strict=True))


def collapsed(rows: pd.DataFrame, texts: list[Any]) -> tuple[pd.DataFrame, list[Any]]:
    """One row "every level" for each (group, term) whose levels all say the same."""
    same: dict[tuple[str, str], set[Any]] = {}
    for group, term, text in zip(rows["group"], rows["term"], texts, strict=True):
        same.setdefault((group, term), set()).add(text)
    whole = [len(same[key]) == 1 for key in zip(rows["group"], rows["term"], strict=True)]
    shown = rows.assign(
        level=[level if not w else "every level" for level, w in zip(rows["level"], whole, strict=True)]
    )
    keep = (~shown.duplicated()).to_numpy()
    return shown[keep], [text for text, k in zip(texts, keep, strict=True) if k]


def head(part: Any, percent: str) -> tuple[str, str, str]:
    """Column heads of one estimator in one section: the kinds that occur there."""
    spread = "/".join(k for k in part["uncertainty_kind"].unique() if k)
    kind = "/".join(k for k in part["ci_kind"].unique() if k)
    return ("estimate" if part["estimate"].notna().any() else "", spread, f"{percent} {kind}" if kind else "")


def section(
    turned: pd.DataFrame, component: str, labels: Sequence[str], percent: str, most: int | None
) -> Section:
    """One component of the wide table as text."""
    part = turned.loc[turned.index.get_level_values("component") == component]
    rows, texts = part.index.to_frame(index=False), cells(part, labels, component)
    if component == "weight":
        rows, texts = collapsed(rows, texts)
    return Section(
        TITLES.get(component, component),
        tuple(head(part[name], percent) for name in labels),
        tuple(Row(name, text) for name, text in zip(names(rows)[:most], texts[:most], strict=True)),
        max(0, len(rows) - len(rows.iloc[:most])),
    )


def definitions(table: pd.DataFrame, percent: str) -> list[str]:
    """Define every spread and interval that occurs, and the components that need a word."""
    present = set(table["component"])
    out = [text for kind, text in SPREADS.items() if (table["uncertainty_kind"] == kind).any()]
    kinds = [text for kind, text in INTERVALS.items() if (table["ci_kind"] == kind).any()]
    if kinds:
        out.append(f"Intervals, {percent}: {'; '.join(kinds)}.")
    return out + [text for component, text in WORDS.items() if component in present]


def remarks(table: pd.DataFrame) -> list[str]:
    """The notes of the rows, each once per estimator, with the rows it is about unless it is about all."""
    noted = table[table["note"] != ""]
    out = []
    for (estimator, component, note), part in noted.groupby(["estimator", "component", "note"], sort=False):
        whole = ((table["estimator"] == estimator) & (table["component"] == component)).sum()
        which = "" if len(part) == whole else f" ({', '.join(names(part[KEYS])[:5])})"
        out.append(f"{estimator}, {TITLES.get(str(component), str(component)).lower()}{which}: {note}.")
    return out


def compose(
    table: pd.DataFrame,
    title: str,
    notes: Sequence[str] = (),
    max_rows: int | None = None,
    order: Sequence[str] | None = None,
) -> Sheet:
    """Long table -> sheet.

    Parameters
    ----------
    table : DataFrame
        Long table of one or more answers.
    title : str
        What was asked: formula and size of the data.
    notes : sequence of str
        Further notes, such as the settings of the answers and the prior.
    max_rows : int or None
        Show at most so many rows per section.
    order : sequence of str, optional
        Of the answers, as in `wide`.

    Returns
    -------
    Sheet
        Strings only.
    """
    turned = wide(table, order)
    labels = tuple(str(name) for name in turned.columns.unique("estimator"))
    levels = table["ci_prob"].dropna().unique()
    percent = f"{100 * levels[0]:g} %" if len(levels) == 1 else "interval"
    components = table["component"].unique()
    return Sheet(
        title,
        labels,
        tuple(section(turned, c, labels, percent, max_rows) for c in components),
        (*definitions(table, percent), *remarks(table), *notes),
    )
