"""The sections of results: summary, priors, table, shrinkage, ledger, sensitivity, diagnostics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from blupbayes.compare.ledger import MEAN, SENTENCES
from blupbayes.errors import BlupbayesError
from blupbayes.sensitivity import Sensitivity
from blupbayes.show.digits import decimals, number
from blupbayes.show.model_words import listed
from blupbayes.show.report.doubts import doubts
from blupbayes.show.report.findings import Findings
from blupbayes.show.report.pieces import Grid, Items, Missing, Piece, Side, Text
from blupbayes.show.report.trust import no_doubt
from blupbayes.show.sheet import TITLES

__all__ = ["ledger", "priors", "sensitivity", "shrinkage", "summary", "table"]

MOST_ROWS = 40  # of a component in the table
MOST_PICTURES = 4
SHORTLY = {TITLES["fixed"]: "{}", TITLES["sd"]: "sd({})", TITLES["corr"]: "corr({})"}
SHORT_NOTE = (
    "Intervals and spreads are explained under the whole table. Fits have intervals of sds, too: confint()."
)
SCALE = "s_y is the sd of y, for a slope over the spread of its column: the scale of the default prior."


def summary(f: Findings) -> Iterator[Piece]:
    """The answer in short."""
    cmp, found, careful = f.subject.comparison, f.sensitivity, doubts(f.subject.answers)
    yield in_short(f)
    yield Text(cmp.verdict())
    if isinstance(found, Sensitivity):
        heads = tuple(f"{group}: " for group in found.yard.groups)
        lines = [line for line in found.verdict().splitlines() if line.startswith(heads)]
        yield Items(tuple(f"{line.split('. ')[0].rstrip('.')}." for line in lines))
    yield Text(f"Be careful: {'; '.join(careful)}." if careful else no_doubt(f))


def in_short(f: Findings) -> Piece:
    """Fixed effects, sds and correlations of the last fit and the first posterior."""
    answers, sheet = f.subject.answers, f.subject.comparison.sheet(MOST_ROWS)
    posteriors = [name for name, a in answers.items() if hasattr(a, "averages")]
    labels = [*list(f.subject.of("fit"))[-1:], *posteriors[:1]] or list(answers)[:1]
    where = [sheet.labels.index(name) for name in labels]
    rows = tuple(
        (SHORTLY[s.title].format(row.name), *(row.cells[k][j] for k in where for j in (0, 2)))
        for s in sheet.sections
        if s.title in SHORTLY
        for row in s.rows
    )
    level = f"{100 * f.subject.comparison.ci_prob:g} %"
    words = ["posterior mean" if name in posteriors else "estimate" for name in labels]
    heads = [
        h for name, word in zip(labels, words, strict=True) for h in (f"{name}: {word}", f"{level} interval")
    ]
    return Grid("The main numbers", ("", *heads), rows, (SHORT_NOTE,))


def priors(f: Findings) -> Iterator[Piece]:
    """Every line of every prior, and a figure."""
    posteriors = {name: a for name, a in f.subject.answers.items() if hasattr(a, "averages")}
    if not posteriors:
        yield Missing(
            "Priors", "no posterior is among the answers, and estimates by ML or REML have no prior."
        )
        return
    same: dict[tuple[tuple[str, str, str], ...], list[str]] = {}
    for name, a in posteriors.items():
        same.setdefault(tuple(a.prior.lines()), []).append(name)
    for lines, names in same.items():
        label = posteriors[names[0]].prior.label
        caption = f"Prior of {listed(names)}{f' ({label})' if label else ''}, in the units of the data"
        yield Grid(caption, ("parameter", "prior", "remark"), lines)
    yield from f.pictures("Figure of the priors", "priors", "cmp", "plot_variances")


def table(f: Findings) -> Iterator[Piece]:
    """The side-by-side table."""
    cmp = f.subject.comparison
    yield Side(cmp.sheet(MOST_ROWS), cmp.to_csv())


def shrinkage(f: Findings) -> Iterator[Piece]:
    """A figure for each grouping factor."""
    groups = f.subject.design.groups
    for g in groups[:MOST_PICTURES]:
        yield from f.pictures(
            f"Shrinkage of {g.name}", f"shrinkage-{g.name}", "cmp", "plot_shrinkage", group=g.name
        )
        if len(g.names) > 2:
            yield Missing(
                f"Shrinkage of {listed(g.names[2:])}",
                f"a figure shows two coefficients of {g.name}; plot_shrinkage(group=..., term=...) draws the others.",
            )
    yield from left_out("Shrinkage", [g.name for g in groups])


def left_out(what: str, names: list[str]) -> Iterator[Piece]:
    """That there are more than are drawn."""
    if len(names) > MOST_PICTURES:
        yield Missing(
            f"{what} of {listed(names[MOST_PICTURES:])}",
            f"a report draws {MOST_PICTURES} of these figures at most.",
        )


def coefficients(design: Any) -> list[tuple[str, str]]:
    """(group, term) of all random effects."""
    return [(g.name, term) for g in design.groups for term in g.names]


def ledger(f: Findings) -> Iterator[Piece]:
    """Why the posterior means are not the BLUPs: words and figures."""
    cmp = f.subject.comparison
    try:
        parts = cmp.ledger()
    except BlupbayesError as refusal:
        yield Missing("Ledger", str(refusal))
        return
    yield Items((*largest(parts), *parts_words(parts)))
    pairs = coefficients(f.subject.design)
    for group, term in pairs[:MOST_PICTURES]:
        name = f"ledger-{group}-{term}"
        yield from f.pictures(
            f"Ledger of {group}, {term}", name, "cmp", "plot_ledger", group=group, term=term
        )
    yield from left_out("Ledger", [f"{g}: {t}" for g, t in pairs])


def parts_words(parts: pd.DataFrame) -> Iterator[str]:
    """What each part is, and which are 0 everywhere."""
    named = [name for name in MEAN if (parts[name] != 0).any()]
    yield from (SENTENCES[name] for name in named)
    if none := [name for name in MEAN if name not in named]:
        yield f"0 everywhere here: {listed(none)}."


def largest(parts: pd.DataFrame) -> Iterator[str]:
    """The level of each coefficient whose posterior mean is farthest from its BLUP, with the parts."""
    levels = parts[parts["component"] == "b"]
    for (estimator, group, term), rows in levels.groupby(["estimator", "group", "term"], sort=False):
        if rows["difference"].notna().any():
            where = f"{estimator}, {group}" if term == "Intercept" else f"{estimator}, {group}, {term}"
            yield one_largest(where, rows.iloc[int(np.nanargmax(rows["difference"].abs().to_numpy()))])


def one_largest(where: str, row: pd.Series) -> str:
    """The parts of one difference as a sum."""
    names = [name for name in MEAN if row[name] != 0] or ["theta"]
    places = decimals([row["blup"], row["posterior_mean"]], [abs(row["difference"])])
    shown = " + ".join(f"{name} {number(row[name], places)}" for name in names)
    return (
        f"{where}: b of level {row['level']} has the largest difference: posterior mean "
        f"{number(row['posterior_mean'], places)}, BLUP {number(row['blup'], places)}, difference "
        f"{number(row['difference'], places)} = {shown}."
    )


def sensitivity(f: Findings) -> Iterator[Piece]:
    """Table, verdict and figures."""
    found = f.sensitivity
    if not isinstance(found, Sensitivity):
        yield Missing("Sensitivity to the prior", found)
        return
    yield Items(tuple(found.verdict().splitlines()))
    level = f"{100 * found.ci_prob:g} %"
    shown = found.table()
    yield Grid(
        f"Answers under several priors: median of each sd and posterior mean of each weight with {level} intervals",
        ("prior", *map(str, shown.columns)),
        tuple((str(name), *map(str, row)) for name, row in zip(shown.index, shown.to_numpy(), strict=True)),
        (
            "REML plug-in: the estimate with its profile interval, the weight at its ends. Others: equal-tailed "
            "posterior intervals. Means of levels with their posterior sd, at REML with the prediction error.",
            *([] if isinstance(f.asked, Mapping) else [SCALE]),
        ),
    )
    pairs = coefficients(f.subject.design)
    for group, term in pairs[:MOST_PICTURES]:
        what, name = f"Sensitivity of {group}, {term}", f"sensitivity-{group}-{term}"
        yield from f.pictures(what, name, "sensitivity", "plot", group=group, term=term)
    yield from left_out("Sensitivity", [f"{g}: {t}" for g, t in pairs])
