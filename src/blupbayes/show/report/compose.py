"""A report of a comparison: which sections there are, and what stands in each."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable
from typing import Any

from blupbayes.show.report import results
from blupbayes.show.report.cells import script
from blupbayes.show.report.data import data_pieces
from blupbayes.show.report.equations import explained, model_formula
from blupbayes.show.report.findings import Findings
from blupbayes.show.report.pieces import Code, Grid, Items, Missing, Piece, Report, Section, Text
from blupbayes.show.report.question import heading, model_words, question
from blupbayes.show.report.trust import diagnostics
from blupbayes.show.summary import title as size_title
from blupbayes.versions import versions

__all__ = ["TITLES", "compose"]

TITLES = {
    "question": "The question",
    "summary": "The answer in short",
    "data": "The data",
    "model": "The model",
    "priors": "The priors",
    "table": "The answers side by side",
    "shrinkage": "What shrinks, and by how much",
    "ledger": "Why posterior means are not the BLUPs",
    "sensitivity": "What the prior does",
    "diagnostics": "How far to trust the answers",
    "methods": "Methods",
    "citations": "What to cite",
    "again": "Doing it again",
}
WORDS = {
    "table": "Every answer to the same question, with a spread whose kind is named under the table.",
    "shrinkage": "What each level says alone, and what the model makes of it: levels with little information of their "
    "own are drawn further.",
    "ledger": "The BLUP is the answer at the REML estimates of the variances; a posterior mean is the BLUP averaged "
    "over all variances that data and prior allow. Their difference is split into parts that add up exactly.",
    "sensitivity": "The posterior under several priors of the standard deviations, beside the REML plug-in. A prior is "
    "called prior-driven where it, more than the data, decides the answer.",
}


def compose(f: Findings, name: str | None, asked: str | None, advance: Callable[[str], None]) -> Report:
    """Everything, for a page.

    Parameters
    ----------
    f : Findings
    name, asked : str, optional
        Title and question in the user's words.
    advance : callable
        Told the title of each section before it is made.
    """
    made: dict[str, tuple[Piece, ...]] = {}
    order = [key for key in TITLES if key != "summary"] + ["summary"]  # which needs what others compute
    for key in order:
        advance(TITLES[key])
        made[key] = tuple(MAKERS[key](f)) if key in MAKERS else ()
    told = told_pieces(f, asked)
    sections = tuple(Section(key, TITLES[key], told.get(key, ()), made[key]) for key in TITLES)
    code = "" if f.subject.source is None else script(f, {key: made[key] for key in TITLES})
    return Report(name or heading(f.subject), size_title(f.subject.design), sections, code)


def told_pieces(f: Findings, asked: str | None) -> dict[str, tuple[Piece, ...]]:
    """What needs no computation."""
    d = f.subject.design
    words = {key: (Text(text),) for key, text in WORDS.items()}
    model = (model_formula(d), Items((*explained(d), *model_words(d))))
    return {**words, "question": (Text(asked or question(f.subject)),), "model": model}


def methods(f: Findings) -> Iterable[Piece]:
    """The methods text, to copy."""
    return map(Text, f.subject.comparison.methods_text().split("\n\n"))


def citations(f: Findings) -> Iterable[Piece]:
    """The list of references, the data's, and BibTeX."""
    cmp, data = f.subject.comparison, f.subject.about.get("citation")
    of_data = [f"Data: {data}"] if data else []
    yield Items((*cmp.cite("text").splitlines(), *of_data))
    yield Code("BibTeX", cmp.cite(), "bibtex")


def again(f: Findings) -> Iterable[Piece]:
    """Hash, seeds, versions, and why there is no code, where there is none."""
    yield Grid("What this report was made from", ("", "value"), facts(f.subject))
    if f.subject.source is None:
        known = f.subject.design.measures.has_rows
        yield Missing("Code", FROM_ARRAYS if known else FROM_BATCHES)


def facts(subject: Any) -> tuple[tuple[str, str], ...]:
    """Data hash, seeds, versions, date."""
    used = versions()
    named = ["blupbayes", "python", "numpy", "scipy", "pandas"]
    named += ["pymc", "nutpie", "arviz"] if subject.of("draws") else []
    seeds = [
        f"{name}: {a.data.attrs.get('random_seed', 'not noted')}" for name, a in subject.of("draws").items()
    ]
    return (
        ("Data hash (SHA-256 of y, X, Z, weights and offset)", subject.design.hash),
        ("Seed", "; ".join(seeds) or "none: nothing was drawn at random"),
        ("Versions", ", ".join(f"{name} {used[name]}" for name in named)),
        ("Written", datetime.date.today().isoformat()),
    )


FROM_ARRAYS = (
    "these answers were made from arrays or come from a pickle, so it is not known how to make them."
)
FROM_BATCHES = (
    "these answers were made from batches of rows that were not kept, so it is not known how to make them."
)

MAKERS: dict[str, Callable[[Findings], Iterable[Piece]]] = {
    "summary": results.summary,
    "data": lambda f: data_pieces(f.subject),
    "priors": results.priors,
    "table": results.table,
    "shrinkage": results.shrinkage,
    "ledger": results.ledger,
    "sensitivity": results.sensitivity,
    "diagnostics": diagnostics,
    "methods": methods,
    "citations": citations,
    "again": again,
}
