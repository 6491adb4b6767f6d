"""The data of a report: columns, levels, how grouping factors lie to each other, where the data are from."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from blupbayes.show.digits import decimals, number
from blupbayes.show.model_words import count
from blupbayes.show.report.pieces import Grid, Items, Piece, Text

__all__ = ["data_pieces"]

NO_ROWS = (
    "The rows came in batches and were not kept: how levels differ in spread, and how grouping factors cross, is not "
    "said here."
)
MOST = 12  # levels that are listed one by one


def data_pieces(subject: Any) -> Iterator[Piece]:
    """Everything that is said of the data."""
    d = subject.design
    yield Text(size(d))
    yield from origin(subject)
    yield columns(subject)
    yield groups(d)
    if not d.measures.has_rows:
        yield Text(NO_ROWS)
        return
    few = [g for g in d.groups if len(g.levels) <= MOST]
    for g in few:
        yield levels(subject, g)
    crossing = [relation(a, b) for a, b in combinations(d.groups, 2)]
    if crossing:
        yield Items(tuple(crossing))


def size(design: Any) -> str:
    """Rows that are used, and rows that are not."""
    left_out = (
        f" {count(design.n_dropped, 'row')} with missing values {'was' if design.n_dropped == 1 else 'were'} left out."
        if design.n_dropped
        else " No row was left out."
    )
    return f"{count(design.n_obs, 'row')} of data.{left_out}"


def origin(subject: Any) -> Iterator[Piece]:
    """Where the data are from, as far as that is known."""
    about = subject.about
    names = {
        "title": "Title",
        "source": "Source",
        "citation": "To cite",
        "licence": "Licence",
        "notes": "Note",
    }
    said = [f"{names[key]}: {about[key]}" for key in names if about.get(key)]
    if subject.shipped:
        said.append(f"The data come with blupbayes: load_dataset({subject.shipped!r}).")
    elif said:
        said.append(
            "The rows or columns are not exactly those of that data set; they were changed before the model."
        )
    if subject.file is not None:
        said.append(f"File: {subject.file.name}.")
    if not said:
        said.append("The data were given by the user; their source is not known here.")
    yield Items(tuple(said))


def columns(subject: Any) -> Grid:
    """A row for every column that the model uses."""
    heads = ("column", "unit", "values", "mean", "sd", "smallest", "largest")
    frame = subject.frame
    title = "Columns of the data that the model uses"
    if not subject.design.measures.has_rows:
        return Grid(title, heads, (of_response(subject),), ("Of the response alone; rows were not kept.",))
    if frame is None:
        frame = pd.DataFrame({subject.design.response: subject.design.y})
    rows = tuple(column(str(name), subject.unit(str(name)), frame[name]) for name in frame)
    note = () if subject.frame is not None else ("The table itself was not kept with these answers.",)
    if len(frame) > subject.design.n_obs:
        note = (f"Of all {len(frame)} rows, also those that were left out.",)
    return Grid(title, heads, rows, note)


def of_response(subject: Any) -> tuple[str, ...]:
    """The response, from its moments."""
    y, name = subject.design.measures.y, subject.design.response
    mean, sd, low, high = (float(x[0]) for x in (y.mean, y.sd(), y.low, y.high))
    places = decimals([max(abs(low), abs(high))], [sd])
    return (name, subject.unit(name), "", *(number(x, places) for x in (mean, sd, low, high)))


def column(name: str, unit: str, values: pd.Series) -> tuple[str, ...]:
    """One column: its unit, and what its values are like."""
    known = values.dropna()
    gone = len(values) - len(known)
    missing = f", {gone} missing" if gone else ""
    if not pd.api.types.is_numeric_dtype(known) or pd.api.types.is_bool_dtype(known):
        return (name, unit, f"{count(known.nunique(), 'level')}{missing}", "", "", "", "")
    x = known.to_numpy(dtype=float)
    places = decimals([float(np.abs(x).max())], [float(x.std(ddof=1))] if len(x) > 1 else [])
    spread = number(float(x.std(ddof=1)), places) if len(x) > 1 else ""
    return (
        name, unit, f"{count(len(np.unique(x)), 'value')}{missing}", number(float(x.mean()), places), spread,
        number(float(x.min()), places), number(float(x.max()), places),
    )  # fmt: skip


def groups(design: Any) -> Grid:
    """A row for every grouping factor."""
    rows = []
    for g, of in zip(design.groups, design.measures.groups, strict=True):
        n = of.counts
        even = "balanced" if n.min() == n.max() else "not balanced"
        rows.append((g.name, str(len(n)), str(n.min()), f"{np.median(n):g}", str(n.max()), even))
    heads = ("grouping factor", "levels", "fewest rows", "median", "most rows", "rows per level")
    return Grid("Grouping factors and rows per level", heads, tuple(rows))


def levels(subject: Any, group: Any) -> Grid:
    """A row for every level of a small grouping factor: rows, mean and sd of y."""
    y = pd.Series(subject.design.y).groupby(group.codes)
    mean, sd, n = y.mean(), y.std(ddof=1), y.size()
    places = decimals(mean, sd.fillna(0.0))
    rows = tuple(
        (group.levels[k], str(n[k]), number(float(mean[k]), places), number(float(sd[k]), places))
        for k in n.index
    )
    unit = subject.unit(subject.design.response)
    y_name = f"{subject.design.response} ({unit})" if unit else subject.design.response
    return Grid(f"Rows of each level of {group.name}", (group.name, "rows", f"mean of {y_name}", "sd"), rows)


def relation(a: Any, b: Any) -> str:
    """How two grouping factors lie to each other."""
    pairs = np.unique(np.column_stack([a.codes, b.codes]), axis=0)
    J, K, met = len(a.levels), len(b.levels), len(pairs)
    if met == K:
        return f"{b.name} is nested in {a.name}: each level of {b.name} occurs with one level of {a.name}."
    if met == J:
        return f"{a.name} is nested in {b.name}: each level of {a.name} occurs with one level of {b.name}."
    if met == J * K:
        return (
            f"{a.name} and {b.name} are fully crossed: each level of one occurs with each level of the other."
        )
    return (
        f"{a.name} and {b.name} are partly crossed: {met} of {J * K} combinations of their levels "
        f"({100 * met / (J * K):.3g} %) occur."
    )
