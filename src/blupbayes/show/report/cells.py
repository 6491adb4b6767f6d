"""The cells of a notebook: what is told, and code in place of what was made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from blupbayes.compare.rows import KEYS
from blupbayes.prior_analysis.sets import read_set
from blupbayes.show.model_words import listed
from blupbayes.show.report.data import origin
from blupbayes.show.report.data_code import data_code, held
from blupbayes.show.report.findings import Findings, own_priors
from blupbayes.show.report.model_code import Again, answers_code, model_code, prior_code
from blupbayes.show.report.pieces import Missing, Picture, Piece, Report, Section

__all__ = ["ORDER", "cells", "script"]

ORDER = (
    "question", "data", "model", "table", "summary", "priors", "shrinkage", "ledger", "sensitivity", "diagnostics",
    "methods", "citations", "again",
)  # fmt: skip
REPORTED = ("fixed", "sd", "corr")  # components whose numbers are checked
CHECK = '''\
import io

import numpy as np

text = """\\
{csv}"""
keys = {keys!r}
reported = pd.read_csv(io.StringIO(text), dtype=dict.fromkeys(keys, "str"), keep_default_na=False)
both = reported.merge(cmp.to_dataframe(), on=keys, suffixes=("_reported", ""))
apart = (both["estimate"] - both["estimate_reported"]).abs()
# Draws repeat on the same machine; elsewhere they agree within their Monte Carlo error.
allowed = np.where(both["mcse"].notna(), 6 * both["mcse"], 1e-6 + 1e-4 * both["estimate"].abs())
assert len(both) == len(reported), "some numbers of the report are missing here"
assert (apart <= allowed).all(), both[apart > allowed]
print(f"{{len(both)}} numbers are those of the report; the largest difference is {{apart.max():.1g}}.")'''
MANUAL = "Every cell below can be run again. It needs Python with blupbayes and its extra `report`."


def cells(report: Report, f: Findings, folder: Path) -> Iterator[tuple[str, Any]]:
    """("code", text), or ("told", a Section or a Piece), in the order of the notebook.

    Raises
    ------
    DataError
        If the data cannot be had from code.
    """
    data, again = data_code(f.subject, folder), answers_code(f.subject)
    sections = {s.key: s for s in report.sections}
    yield "code", "import pandas as pd\n\nimport blupbayes as bb"
    for key in ORDER:
        section = sections[key]
        pieces = tuple(p for p in section.made if isinstance(p, Missing))
        extra = tuple(origin(f.subject)) if key == "data" else ()
        yield "told", Section(key, section.title, (*section.told, *extra, *pieces, *lost_words(key, again)))
        if key == "data":
            yield "code", data
            yield "code", described(f.subject)
        elif key == "model":
            yield "code", f"{model_code(f.subject)}\nmodel"
        elif not all(isinstance(p, Missing) for p in section.made):
            yield from (("code", code) for code in calls(key, f, again))
        yield from (("code", p.call) for p in section.made if isinstance(p, Picture))


def lost_words(key: str, again: Again) -> tuple[Piece, ...]:
    """That some answers are not in the notebook."""
    if key != "table" or not again.lost:
        return ()
    return (
        Missing(
            f"The column of {listed(again.lost)}", "it came from elsewhere and cannot be made again here."
        ),
    )


def described(subject: Any) -> str:
    """Columns, and rows of each level."""
    names = [str(name) for name in subject.frame]
    factors = list(dict.fromkeys(c for g in subject.design.encoding.groups.values() for c in g.factors))
    lines = [f"display(data[{names!r}].describe(include='all'))"]
    for name in factors:
        head = f"rows of a level of {name}"
        lines.append(f"display(data.groupby({name!r}, observed=True).size().describe().to_frame({head!r}).T)")
    return "\n".join(lines)


def calls(key: str, f: Findings, again: Again) -> list[str]:
    """The code of one section."""
    posteriors = [v for label, v in again.variables.items() if hasattr(f.subject.answers[label], "averages")]
    fits = [v for label, v in again.variables.items() if label in f.subject.of("fit")]
    return {
        "table": [f"{again.code}\ncmp"],
        "summary": ["print(cmp.verdict())"],
        "priors": [f"print({v}.prior)" for v in posteriors],
        "ledger": ["cmp.ledger()"] if posteriors else [],
        "sensitivity": [f"sensitivity = {analysis(f)}\nprint(sensitivity.verdict())", "sensitivity.table()"],
        "diagnostics": [
            *(f'print({v}.certificate, *{v}.messages, sep="\\n")' for v in fits),
            *(f"{v}.diagnostics" for v in posteriors),
        ],
        "methods": ["print(cmp.methods_text())"],
        "citations": ["print(cmp.cite())"],
        "again": [checked(f, again), 'print("data hash", model.design.hash)\nbb.show_versions()'],
    }.get(key, [])


def analysis(f: Findings) -> str:
    """The call of the sensitivity analysis."""
    s = f.subject
    chosen = f.asked if isinstance(f.asked, Mapping) else None
    priors = read_set(chosen, s.design) if chosen is not None else own_priors(s)
    shown = "{" + ", ".join(f"{name!r}: {prior_code(p)}" for name, p in priors.items()) + "}"
    given = [shown if chosen is not None else f"also={shown}"] if priors else []
    level = s.comparison.ci_prob
    return f"model.sensitivity({', '.join([*given, *([] if level == 0.95 else [f'ci_prob={level!r}'])])})"


def checked(f: Findings, again: Again) -> str:
    """The cell that holds this run against the numbers of the report."""
    table = f.subject.comparison.to_dataframe()
    rows = table[table["component"].isin(REPORTED) & table["estimator"].isin(list(again.variables))]
    rows = rows[np.isfinite(rows["estimate"])]
    keys = [*KEYS, "estimator"]
    return CHECK.format(
        csv=held(rows[[*keys, "estimate"]].to_csv(index=False, lineterminator="\n")), keys=keys
    )


def script(f: Findings, report_pieces: Mapping[str, tuple[Piece, ...]]) -> str:
    """All the code as one script, for a page; a table that is in no file is left to the reader."""
    s = f.subject
    data = "data = ...  # your table, with the columns above"
    if s.shipped:
        data = f"data = bb.load_dataset({s.shipped!r})"
    elif s.file is not None:
        data = f"data = pd.{'read_csv' if 'csv' in s.file.name.lower() else 'read_parquet'}({s.file.name!r})"
    again = answers_code(s)
    lines = ["import pandas as pd", "import blupbayes as bb", data, model_code(s), again.code]
    for key, pieces in report_pieces.items():
        if pieces and not all(isinstance(p, Missing) for p in pieces) and key not in ("table", "again"):
            lines += calls(key, f, again)
        lines += [p.call for p in pieces if isinstance(p, Picture)]
    return "\n".join(lines)
