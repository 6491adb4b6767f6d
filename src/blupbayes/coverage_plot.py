"""plot_coverage: simulated coverage as users draw it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from blupbayes.errors import ComparisonError

if TYPE_CHECKING:
    from blupbayes.show.figures.result import FigureResult

__all__ = ["plot_coverage"]

KEYS = ("component", "group", "term")
USUAL = ("icc", "n_groups")
NEEDED = {"method", *KEYS, "coverage", "mc_se", "width", "n"}


def plot_coverage(
    tables: Any,
    along: str | None = None,
    *,
    component: str | None = None,
    group: str | None = None,
    term: str | None = None,
    ci_prob: float | None = None,
    width: str = "174mm",
) -> FigureResult:
    """Draw what :func:`coverage` has found: one table, a row per method, or several truths, a line per method.

    Parameters
    ----------
    tables : DataFrame or dict
        A table of coverage, or {value: table}, as {0.05: table, 0.8: other}; or one frame with such values in a column.
    along : str, optional
        What the values are: "icc", "n_groups", or the words for the axis; a frame's column of that name. Needed for a
        dict.
    component : {"group_mean", "fixed", "sd"}, optional
        One at a time; the default is the first there is.
    group, term : str, optional
        Which grouping factor and coefficient, "residual" for the residual sd; the first by default.
    ci_prob : float, optional
        The level that the intervals claim; tables of coverage know it, frames that were glued together may not.
    width : {"174mm", "84mm", "slide"}

    Returns
    -------
    FigureResult
        fig, axes, data, alt, caption; data has the rows that are drawn.

    Raises
    ------
    ComparisonError
        If it is no such table, nothing is left to draw, or the level is not known.

    Examples
    --------
    >>> import blupbayes as bb
    >>> model = bb.MixedModel("Yield ~ 1 + (1 | Batch)", bb.load_dataset("dyestuff"))
    >>> tables = {}
    >>> for icc in (0.2, 0.8):
    ...     truth = {"Batch": icc**0.5, "residual": (1 - icc) ** 0.5}
    ...     tables[icc] = bb.coverage(model, truth, methods=["raw", "blup cond_sd"], n=20, random_seed=1)
    >>> bb.plot_coverage(tables, along="icc").data["icc"].tolist()
    [0.2, 0.2, 0.8, 0.8]
    """
    from blupbayes.show.figures.coverage import coverage_lines
    from blupbayes.show.figures.coverage_rows import coverage_rows

    level, (frame, name) = claimed(tables, ci_prob), gather(tables, along)
    rows = chosen(frame, {"component": component, "group": group, "term": term})
    twice = rows.duplicated(["method", *([name] if name else [])])
    if twice.any():
        raise ComparisonError(
            f"there are several rows of {rows.loc[twice, 'method'].iloc[0]!r} at one place: along= has to name the "
            "column that tells them apart."
        )
    if name is None:
        return coverage_rows(rows, nominal=level, width=width)
    return coverage_lines(rows, along=name, nominal=level, width=width)


def gather(tables: Any, along: str | None) -> tuple[pd.DataFrame, str | None]:
    """One frame, and the column that tells the truths apart, if there are several."""
    if isinstance(tables, Mapping):
        if along is None or not tables:
            raise ComparisonError(
                'a dict of tables needs tables, and along= to say what its keys are, as along="icc".'
            )
        check(tables.values())
        parts = [table.assign(**{along: value}) for value, table in tables.items()]
        return pd.concat(parts, ignore_index=True), along
    check([tables])
    if along is not None and along not in tables.columns:
        raise ComparisonError(f"along={along!r} is no column of the table ({', '.join(tables.columns)}).")
    return tables, along or next((name for name in USUAL if name in tables.columns), None)


def check(tables: Any) -> None:
    """Every one is a table of coverage."""
    for table in tables:
        lacking = sorted(NEEDED - set(getattr(table, "columns", ())))
        if lacking:
            raise ComparisonError(
                f"this is no table of bb.coverage: it has no {', '.join(lacking)} (it is a {type(table).__name__})."
            )


def claimed(tables: Any, ci_prob: float | None) -> float:
    """The level of the intervals: as said, or as all tables know it."""
    if ci_prob is not None:
        return float(ci_prob)
    each = tables.values() if isinstance(tables, Mapping) else [tables]
    found = {getattr(t, "attrs", {}).get("truth", {}).get("ci_prob") for t in each}
    if len(found) != 1 or None in found:
        raise ComparisonError(
            "the level of the intervals is not known, or not one: say it, as ci_prob=0.95, for tables of one level."
        )
    return float(found.pop())


def chosen(frame: pd.DataFrame, asked: Mapping[str, str | None]) -> pd.DataFrame:
    """The rows of one component, group and term: as asked, or the first."""
    for key in KEYS:
        there = list(dict.fromkeys(frame[key]))
        wanted = there[0] if asked[key] is None and there else asked[key]
        if wanted not in there:
            raise ComparisonError(
                f"{key}={wanted!r}: the table has {', '.join(map(repr, there)) or 'no rows'}."
            )
        frame = frame[frame[key] == wanted]
    return frame.reset_index(drop=True)
