"""One line under a comparison: do the answers agree, where do their uncertainties differ, and why. Knows no estimator.

The rules, for the long table:

    unit        of a fixed effect, an effect b or a group mean: its posterior sd where there is one, else its largest
                spread of any kind
    points      agree if no estimate lies further than AGREE units from another answer's, nearly agree up to NEARLY, and
                differ beyond
    spreads     of fixed effects, b or group means differ if the largest is more than WIDER times the smallest one of
                the same quantity
    sds         differ if the largest estimate is more than WIDER times the smallest; an estimate of 0 is said apart
    few levels  carry little information on an sd if the ends of its posterior interval are more than WIDE-fold apart
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from blupbayes.compare.rows import KEYS

__all__ = ["verdict"]

AGREE, NEARLY = 0.1, 0.5
WIDER = 1.1
WIDE = 3.0
R_HAT = 1.01
POINTS = {"fixed": "the fixed effects", "b": "b", "group_mean": "the group means"}
MOST = 5  # names in a list


def verdict(table: pd.DataFrame, cautions: Mapping[str, Sequence[str]] | None = None) -> str:
    """The line.

    Parameters
    ----------
    table : DataFrame
        A long table (compare/rows.py).
    cautions : mapping, optional
        Label -> why an answer cannot be trusted as it is: "12 divergences".
    """
    said = [*doubts(table, cautions or {}), *boundary(table)]
    estimators = list(dict.fromkeys(table["estimator"]))
    if len(estimators) == 1:
        said += [f"One answer ({estimators[0]}): there is nothing to compare it with", *little(table)]
    else:
        found = "; ".join(filter(None, [points(table), spreads(table)])) or "no quantity is in two answers"
        said.append(found[0].upper() + found[1:])
    return " ".join(f"{line}." for line in said)


def doubts(table: pd.DataFrame, cautions: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Answers that cannot be trusted: what is known of them, and their largest r_hat."""
    for name, part in table.groupby("estimator", sort=False):
        why = list(cautions.get(str(name), ()))
        worst = part["r_hat"].max()
        if worst > R_HAT and not any("r_hat" in reason for reason in why):
            why.append(f"r_hat {worst:.3f}")
        if why:
            yield f"{name} cannot be relied on yet ({', '.join(why)})"


def boundary(table: pd.DataFrame) -> Iterator[str]:
    """Sds that are estimated as 0, and what other answers say of them."""
    sds = table[(table["component"] == "sd") & (table["note"] != "known, not estimated")]
    for (group, term), part in sds.groupby(["group", "term"], sort=False):
        zero = part.loc[part["estimate"] == 0, "estimator"].tolist()
        above = part[(part["estimate"] > 0) & (part["uncertainty_kind"] == "posterior_sd")]
        if zero:
            name = sd_name(str(group), str(term))
            other = ", ".join(f"{row['estimate']:.3g} in {row['estimator']}" for _, row in above.iterrows())
            verb = "has" if len(zero) == 1 else "have"
            rest = f", while its posterior mean is {other}" if other else ""
            yield f"{listed(zero)} {verb} {name} = 0, the boundary: complete pooling of {group}{rest}"


def points(table: pd.DataFrame) -> str:
    """Whether point estimates agree, and where they lie furthest apart."""
    found = in_units(table[table["component"].isin(list(POINTS))])
    if not found["units"].notna().any():
        return ""
    k = int(found["units"].fillna(-1.0).to_numpy().argmax())
    largest, posterior = float(found["units"].iloc[k]), bool(found["posterior"].iloc[k])
    word = "agree" if largest <= AGREE else "nearly agree" if largest <= NEARLY else "differ"
    unit = "posterior sd" if posterior else "standard error"
    size = f"{100 * largest:.2g} % of a {unit}" if largest < 1 else f"{largest:.2g} {unit}s"
    where = quantity_name(*map(str, found.index[k]))
    return f"point estimates {word} (largest difference {size}, of {where})"


def in_units(part: pd.DataFrame) -> pd.DataFrame:
    """A row per quantity: largest difference in its unit (units), and whether that is a posterior sd."""
    posterior = part["uncertainty"].where(part["uncertainty_kind"] == "posterior_sd")
    by = part.assign(posterior=posterior).groupby(KEYS, sort=False, dropna=False)
    apart = (by["estimate"].max() - by["estimate"].min()).where(by["estimate"].count() > 1)
    own = by["posterior"].max()
    unit = own.fillna(by["uncertainty"].max())
    return pd.DataFrame({"units": (apart / unit).where(unit > 0), "posterior": own.notna()})


def spreads(table: pd.DataFrame) -> str:
    """Which sds differ, of what the uncertainty does, and the levels that are too few."""
    sds = differing_sds(table)
    wide = [name for component, name in POINTS.items() if widest_ratio(table, component) > WIDER]
    if not sds and not wide:
        return "their uncertainties agree too" if has_two_spreads(table) else ""
    said = [f"estimates of {listed(sds)} differ by more than 10 %"] if sds else []
    said += [f"uncertainty of {listed(wide)} differs"] if wide else []
    why = listed(little(table))
    return "; ".join(said) + (f": {why}" if why else "")


def has_two_spreads(table: pd.DataFrame) -> bool:
    """Whether any quantity has spreads from two answers."""
    part = table[table["component"].isin(list(POINTS)) & table["uncertainty"].notna()]
    return bool((part.groupby(KEYS, dropna=False).size() > 1).any())


def differing_sds(table: pd.DataFrame) -> list[str]:
    """Names of sds whose estimates differ, those at 0 apart."""
    part = table[(table["component"] == "sd") & (table["estimate"] > 0)]
    ratio = part.groupby(["group", "term"], sort=False)["estimate"].agg(lambda x: x.max() / x.min())
    names = ratio[ratio > WIDER].index.tolist()
    return [sd_name(str(group), str(term)) for group, term in names]


def widest_ratio(table: pd.DataFrame, component: str) -> float:
    """Largest ratio of two spreads of one quantity of a component; infinite beside a spread of 0, 1 without any."""
    by = table[table["component"] == component].groupby(KEYS, dropna=False)["uncertainty"]
    low, high = by.min(), by.max()
    ratio = np.where(low > 0, high / low.where(low > 0), np.where(high > 0, np.inf, 1.0))
    return float(np.nanmax(ratio, initial=1.0))


def little(table: pd.DataFrame) -> list[str]:
    """Groups whose levels carry little information on an sd, by its posterior interval."""
    part = table[(table["component"] == "sd") & (table["ci_kind"] == "eti") & (table["group"] != "residual")]
    rows = part[part["ci_ub"] > WIDE * part["ci_lb"]]
    named: dict[str, list[str]] = {}
    for group, term in dict.fromkeys(zip(rows["group"], rows["term"], strict=True)):
        named.setdefault(group, []).append(sd_name(group, term))
    return [
        f"{n_levels(table, group)} levels of {group} carry little information on {listed(names)}"
        for group, names in named.items()
    ]


def n_levels(table: pd.DataFrame, group: str) -> int:
    """How many levels a group has."""
    return int(table.loc[(table["component"] == "b") & (table["group"] == group), "level"].nunique())


def sd_name(group: str, term: str) -> str:
    """sd(Rail), sd(Subject: Days), sd(residual)."""
    return f"sd({group})" if term in ("", "Intercept") else f"sd({group}: {term})"


def quantity_name(component: str, group: str, level: str, term: str) -> str:
    """beta[Days], b[Rail 2], mean[Rail 2], with the term where it is not the intercept."""
    if component == "fixed":
        return f"beta[{term}]"
    inside = f"{group} {level}" + ("" if term == "Intercept" else f", {term}")
    return f"{'b' if component == 'b' else 'the mean of'} {inside}"


def listed(names: Sequence[str]) -> str:
    """a; a and b; a, b and c; a, b, c and 4 more."""
    shown = list(names[:MOST]) + ([f"{len(names) - MOST} more"] if len(names) > MOST else [])
    return " and ".join(filter(None, [", ".join(shown[:-1]), *shown[-1:]]))
