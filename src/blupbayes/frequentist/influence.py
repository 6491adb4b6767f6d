"""Leave-one-group-out influence: the estimates without each level of a grouping factor, by downdating.

The levels are taken out of the orthonormal coordinates (mme/downdate.py), and the estimates without each of them are
found together, from the estimate with all. A level without which X has lower rank, and every level of a model that is
stored in blocks, is taken out of the rows instead and fitted on its own: the same answer, slower.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blupbayes.errors import DataError
from blupbayes.frequentist.parameters import parameter_names, variance_values
from blupbayes.mme.criterion import evaluate
from blupbayes.mme.downdate import Rows, rows_of
from blupbayes.mme.estimate_many import ManyEstimates, estimate_many
from blupbayes.mme.fit import Estimate
from blupbayes.mme.fit import estimate as fit_alone
from blupbayes.mme.parts import parts_of
from blupbayes.mme.problems import Problems, sweep
from blupbayes.mme.statistics import reduce

__all__ = ["influence"]

Array = NDArray[np.float64]
Index = NDArray[np.intp]

VARIANCES = ("refit", "fixed")
NUMBERS = 4_000_000  # in the largest array of the levels that are taken out at a time


@dataclass(frozen=True, eq=False)
class _Without:
    """Estimates without each level: beta (J, p), NaN where aliased; theta (J, m); sigma (J,); what to say of each."""

    beta: Array
    theta: Array
    sigma: Array
    notes: list[str]


def influence(
    design: Any, estimate: Estimate, group: str | None = None, *, variances: str = "refit"
) -> pd.DataFrame:
    """What the estimates would be without each level of a grouping factor.

    Parameters
    ----------
    design : Design
        The design of the fit.
    estimate : Estimate
    group : str, optional
        A grouping factor; needed where the model has several.
    variances : {"refit", "fixed"}
        "refit" estimates the variances again without each level. "fixed" holds the relative variances (theta) at their
        estimates: beta is exact given them, and of the variance parameters only sigma is computed again.

    Returns
    -------
    DataFrame
        A row per level: n_rows; cooks_distance, (beta - beta_(j))' Var(beta)^-1 (beta - beta_(j)) / rank of X; for
        each coefficient dfbeta[...] = beta - beta_(j), and dfbetas[...], the same over the standard error of beta from
        all levels (Var(beta) too is that of all); sigma, sd_... and corr_... without the level, and change[...],
        these minus the estimates from all levels; note. X is that of the fit: what a formula has learned from the
        data, such as the centre of scale(x), stays.

    Raises
    ------
    DataError
        If there is no such group or option, or the group has one level only.

    Examples
    --------
    >>> import blupbayes as bb
    >>> from blupbayes.frequentist.influence import influence
    >>> fit = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail")).fit("REML")
    >>> table = influence(fit.design, fit.estimate)
    >>> table["cooks_distance"].round(3).to_dict()
    {'2': 0.469, '5': 0.105, '1': 0.06, '6': 0.101, '3': 0.128, '4': 0.336}
    """
    if variances not in VARIANCES:
        raise DataError(f"variances={variances!r} is not one of {', '.join(map(repr, VARIANCES))}.")
    g = chosen(design, group)
    sets = [np.flatnonzero(g.codes == j) for j in range(len(g.levels))]
    found = without_each(design, estimate, g.levels, sets, refit=variances == "refit")
    table = tabulated(estimate, found, refit=variances == "refit")
    table.insert(0, "n_rows", [len(gone) for gone in sets])
    table.index = pd.Index(g.levels, name="level")
    table.attrs.update(group=g.name, variances=variances)
    return table


def chosen(design: Any, group: str | None) -> Any:
    """The grouping factor that is meant."""
    names = [g.name for g in design.groups]
    if group is None and len(names) > 1:
        raise DataError(
            f"the model has the groups {', '.join(map(repr, names))}: say whose levels to leave out, group=..."
        )
    if group is not None and group not in names:
        raise DataError(
            f"group={group!r} is not a grouping factor of the model (it has {', '.join(map(repr, names))})."
        )
    g = design.groups[0 if group is None else names.index(group)]
    if len(g.levels) < 2:
        raise DataError(f"{g.name} has one level: without it no data are left.")
    return g


def without_each(
    design: Any, estimate: Estimate, levels: Sequence[str], sets: list[Index], *, refit: bool
) -> _Without:
    """The estimates without each of these sets of rows."""
    s, J = estimate.statistics, len(sets)
    beta, theta = np.full((J, len(s.fixed_names)), np.nan), np.full((J, s.n_theta), np.nan)
    out, parts = _Without(beta, theta, np.full(J, np.nan), [""] * J), parts_of(s)
    rows = None if parts is None else rows_of(design, s, parts)
    fast = [] if rows is None else [j for j, gone in enumerate(sets) if plain(rows, gone)]
    if rows is not None and fast:
        together(out, estimate, rows, sets, fast, refit=refit)
    for j in sorted(set(range(J)) - set(fast)):
        alone(out, estimate, design, sets[j], j, refit=refit)
    return out


def plain(rows: Rows, gone: Index) -> bool:
    """Whether the model without these rows has the same rank, and rows to spare."""
    s = rows.statistics
    return 0 < len(gone) < s.n_obs - s.rank and rows.keeps_rank(gone)


def together(
    out: _Without, estimate: Estimate, rows: Rows, sets: list[Index], which: list[int], *, refit: bool
) -> None:
    """Levels whose rows are downdated, some at a time."""
    s, parts = estimate.statistics, rows.parts
    portion = max(1, NUMBERS // max(parts.root.size + parts.inside.size, 1))
    for start in range(0, len(which), portion):
        some = which[start : start + portion]
        problems = rows.without([sets[j] for j in some])
        found = (
            estimate_many(problems, estimate.theta, estimate.method) if refit else held(problems, estimate)
        )
        out.beta[np.ix_(some, s.kept)] = found.beta[:, s.kept]
        out.theta[some], out.sigma[some] = found.theta, found.sigma
        for j, converged in zip(some, found.converged, strict=True):
            out.notes[j] = "" if converged else "the estimates without it did not converge"


def held(problems: Problems, estimate: Estimate) -> ManyEstimates:
    """beta and sigma at the theta of the estimate."""
    at = sweep(problems.packed(), estimate.theta, estimate.method)
    theta = np.repeat(estimate.theta[None], len(problems), axis=0)
    none = np.zeros((len(theta), len(problems.statistics.groups)), dtype=bool)
    return ManyEstimates(theta, at.sigma, at.beta, at.criterion, none, np.isfinite(at.criterion))


def alone(out: _Without, estimate: Estimate, design: Any, gone: Index, j: int, *, refit: bool) -> None:
    """One level, its rows taken out of the design."""
    try:
        s = reduce(without_rows(design, gone))
        if s.n_obs <= s.rank:
            raise DataError(f"{s.n_obs} rows are left for {s.rank} fixed effects.")
        found = fit_alone(s, estimate.method) if refit else evaluate(s, estimate.theta, estimate.method)
    except DataError as problem:
        out.notes[j] = f"no estimates without it: {problem}"
        return
    out.beta[j, s.kept], out.theta[j], out.sigma[j] = found.beta[s.kept], found.theta, found.sigma
    lost = [name for name in s.aliased if name not in estimate.statistics.aliased]
    if lost:
        out.notes[j] = f"without it {', '.join(lost)} cannot be estimated"
    elif isinstance(found, Estimate) and not found.certificate.converged:
        out.notes[j] = "the estimates without it did not converge"


def without_rows(design: Any, gone: Index) -> Any:
    """The design without some rows; levels that have none left stay, empty."""
    keep = np.ones(len(design.y), dtype=bool)
    keep[gone] = False
    groups = tuple(replace(g, codes=g.codes[keep], columns=g.columns[keep]) for g in design.groups)
    weights, offset = (None if x is None else x[keep] for x in (design.weights, design.offset))
    own = {"y": design.y[keep], "X": design.X[keep], "weights": weights, "offset": offset}
    return replace(design, groups=groups, **own)


def tabulated(estimate: Estimate, found: _Without, *, refit: bool) -> pd.DataFrame:
    """The table, without its labels."""
    s, kept = estimate.statistics, estimate.statistics.kept
    at = evaluate(s, estimate.theta, estimate.method)
    information = s.R[:, kept].T @ at.border.S @ s.R[:, kept] / at.sigma**2
    difference = estimate.beta - found.beta
    own = difference[:, kept]
    distance = np.einsum("ji,ik,jk->j", own, information, own) / max(s.rank, 1)
    se = np.full(len(s.fixed_names), np.nan)
    se[kept] = np.sqrt(np.diag(np.linalg.inv(information)))
    columns = {"cooks_distance": distance}
    columns |= {f"dfbeta[{name}]": x for name, x in zip(s.fixed_names, difference.T, strict=True)}
    columns |= {f"dfbetas[{name}]": x for name, x in zip(s.fixed_names, (difference / se).T, strict=True)}
    columns |= variance_columns(estimate, found, refit=refit)
    return pd.DataFrame(columns | {"note": found.notes})


def variance_columns(estimate: Estimate, found: _Without, *, refit: bool) -> dict[str, Array]:
    """Variance parameters without each level, and their changes; sigma alone where theta is held."""
    s = estimate.statistics
    names = parameter_names(s)[len(s.fixed_names) :]
    all_levels = variance_values(s, estimate.theta[None], np.array([estimate.sigma]))
    values = variance_values(s, found.theta, found.sigma)
    shown = [k for k, name in enumerate(names) if refit or name == "sigma"]
    return {names[k]: values[:, k] for k in shown} | {
        f"change[{names[k]}]": values[:, k] - all_levels[0, k] for k in shown
    }
