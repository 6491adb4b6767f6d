"""Side by side: anything with ``tidy()`` -> one long and one wide table. Imports no estimator."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Protocol

import pandas as pd

from blupbayes.compare.rows import COLUMNS, KEYS
from blupbayes.errors import ComparisonError

__all__ = [
    "COMPONENTS",
    "FIELDS",
    "PEV",
    "REQUESTS",
    "absent",
    "check_same_data",
    "label",
    "long",
    "only",
    "wide",
]

COMPONENTS = ["fixed", "sd", "corr", "icc", "weight", "b", "group_mean", "marginal_mean"]
REQUESTS = {"icc": "icc", "marginal_mean": "marginal_means"}  # rows on request, and who makes them
PEV = "pev_sd"
FIELDS = ["estimate", "uncertainty", "uncertainty_kind", "ci_lb", "ci_ub", "ci_kind"]


class Answer(Protocol):
    """What an answer must offer to be compared: a label and its long table."""

    @property
    def estimator(self) -> str: ...

    def tidy(self, ci_prob: float = 0.95) -> pd.DataFrame: ...


def label(answers: Iterable[Any], named: Mapping[str, Any]) -> dict[str, Any]:
    """One label per answer: the name given by the user, else the estimator, numbered where it repeats.

    Parameters
    ----------
    answers : iterable
        Answers, or dicts {label: answer}.
    named : mapping
        Further answers by label.

    Raises
    ------
    ComparisonError
        If there is nothing to compare, something has no ``tidy()``, or a label is used twice.
    """
    found: dict[str, Any] = {}
    for item in (*answers, dict(named)):
        own = item if isinstance(item, Mapping) else {numbered(estimator_of(item), found): item}
        for name, answer in own.items():
            estimator_of(answer)
            if str(name) in found:
                raise ComparisonError(f"two answers are labelled {name!r}. Give each its own label.")
            found[str(name)] = answer
    if not found:
        raise ComparisonError(
            "nothing to compare. Pass answers: bb.compare(model.fit('ML'), model.fit('REML'))."
        )
    return found


def estimator_of(answer: Any) -> str:
    """Label of an answer; refuses what is not one."""
    if not callable(getattr(answer, "tidy", None)):
        raise ComparisonError(
            f"cannot compare a {type(answer).__name__}: it has no tidy(). "
            "Pass the results of fit(), solve() or sample()."
        )
    return str(getattr(answer, "estimator", type(answer).__name__))


def numbered(name: str, taken: Mapping[str, Any]) -> str:
    """The name itself, or "name (2)", "name (3)", ... if it is taken."""
    candidates = (name if k == 1 else f"{name} ({k})" for k in range(1, len(taken) + 2))
    return next(c for c in candidates if c not in taken)


def check_same_data(answers: Mapping[str, Any]) -> None:
    """Refuse answers to different data, by their data hash; an answer without a hash is let through.

    Raises
    ------
    ComparisonError
        With both numbers of rows and the first digits of both hashes.
    """
    known = [(name, a.data_hash, a.n_obs) for name, a in answers.items() if getattr(a, "data_hash", None)]
    for name, digest, n in known[1:]:
        first, first_digest, first_n = known[0]
        if digest != first_digest:
            raise ComparisonError(
                f"{first!r} and {name!r} answer different questions: {first_n} vs {n} rows, "
                f"hash {first_digest[:8]} vs {digest[:8]} (of y, X, Z, weights and offset)"
                f"{other_formula(answers[first], answers[name])}. Compare answers of one MixedModel."
            )


def other_formula(first: Any, second: Any) -> str:
    """What is known of two answers to different questions: their formulas."""
    formulas = [str(getattr(getattr(a, "design", None), "formula", "")) for a in (first, second)]
    if not all(formulas):
        return ""
    return (
        f"; {formulas[0]!r} vs {formulas[1]!r}"
        if formulas[0] != formulas[1]
        else f"; {formulas[0]!r} both times"
    )


def long(
    answers: Mapping[str, Answer], ci_prob: float = 0.95, rows: Sequence[str] = (), spread: str = PEV
) -> pd.DataFrame:
    """All answers one under the other, labelled: the long table of the contract.

    Parameters
    ----------
    answers : mapping
        Label -> answer.
    ci_prob : float
        Level of every interval.
    rows : sequence of str
        Which of REQUESTS are added, by the answers that have them.
    spread : str
        Of the rows b, for the answers that have a choice.

    Returns
    -------
    DataFrame
        Columns COLUMNS, in full precision; sorted by component, otherwise in the order of the answers.
    """
    frames = [
        part.assign(estimator=name) for name, a in answers.items() for part in parts(a, ci_prob, rows, spread)
    ]
    table = pd.concat(frames, ignore_index=True)[COLUMNS]
    order = table["component"].map({c: k for k, c in enumerate(COMPONENTS)}).fillna(len(COMPONENTS))
    return table.iloc[order.argsort(kind="stable")].reset_index(drop=True)


def parts(answer: Any, ci_prob: float, rows: Sequence[str], spread: str) -> list[pd.DataFrame]:
    """What one answer says, and what was asked for besides."""
    choice = {"spread": spread} if spread in getattr(answer, "spreads", ()) else {}
    more = [getattr(answer, REQUESTS[row])(ci_prob) for row in rows if hasattr(answer, REQUESTS[row])]
    return [answer.tidy(ci_prob, **choice), *(table for table in more if len(table))]


def only(table: pd.DataFrame, component: str | Sequence[str]) -> pd.DataFrame:
    """The rows of one or several components, those that the table has.

    Raises
    ------
    ComparisonError
        If there is no such component, or none of them in the table.
    """
    wanted = [component] if isinstance(component, str) else [str(name) for name in component]
    present = list(table["component"].unique())
    for name in wanted:
        if name not in COMPONENTS and name not in present:
            close = get_close_matches(name, COMPONENTS, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise ComparisonError(
                f"no component is called {name!r}.{hint} There are {', '.join(COMPONENTS)}."
            )
    if not set(wanted) & set(present):
        more = " Ask for it with compare(..., rows=...)." if set(wanted) & set(REQUESTS) else ""
        raise ComparisonError(
            f"no rows {', '.join(wanted)} in this table, which has {', '.join(present)}.{more}"
        )
    return table[table["component"].isin(wanted)].reset_index(drop=True)


def absent(table: pd.DataFrame) -> list[str]:
    """Sentences that name the levels which one answer lacks and another one has."""
    out = []
    by_level = table[(table["level"] != "") & (table["component"] != "weight")]
    for (component, group), part in by_level.groupby(["component", "group"], sort=False):
        levels = part["level"].unique()
        for name, column in part.groupby("estimator", sort=False)["level"]:
            own = set(column)
            lacking = [level for level in levels if level not in own]
            if lacking:
                shown = ", ".join(lacking[:5]) + (f" and {len(lacking) - 5} more" if len(lacking) > 5 else "")
                out.append(f"{name}: no rows {component} for {group} {shown}.")
    return out


def wide(table: pd.DataFrame, order: Sequence[str] | None = None) -> pd.DataFrame:
    """The long table turned: a row per quantity, the columns of each estimator beside each other.

    Parameters
    ----------
    table : DataFrame
        A long table.
    order : sequence of str, optional
        Of the estimators; None takes them as they come.

    Returns
    -------
    DataFrame
        Index (component, group, level, term); columns (estimator, field), the fields being FIELDS.
        ``wide.xs("estimate", axis=1, level=1)`` has the estimates alone.
    """
    index = pd.MultiIndex.from_frame(table[KEYS].drop_duplicates())
    parts = {
        name: part.set_index(KEYS)[FIELDS].reindex(index)
        for name, part in table.groupby("estimator", sort=False)
    }
    parts = {name: parts[name] for name in (order or parts) if name in parts}
    turned = pd.concat(parts, axis=1, names=["estimator", "field"])
    kinds = [c for c in turned.columns if c[1].endswith("_kind")]
    return turned.fillna(dict.fromkeys(kinds, ""))
