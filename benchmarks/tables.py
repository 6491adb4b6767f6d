"""Tables: agreement first, then ratios. What is printed where answers differ is decided here. No measuring."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

AGREE = 1e-5  # in -2 log-likelihood: optimisers stop within 1e-6 of each other, a wrong answer is further off
FIT_HEADER = (
    "method",
    "tool",
    "-2 log-likelihood",
    "formula and frame, ms",
    "x",
    "fit alone, ms",
    "x alone",
    "runs",
    "peak MB",
)


@dataclass
class Measured:
    """What one tool gave in the rounds of one run: a process each, several fits in each."""

    tool: str  # with version and way
    rounds: list[Mapping[str, Any]] = field(default_factory=list)
    memory: float | None = None
    failed: str = ""

    @property
    def criterion(self) -> float:
        """The worst of the rounds."""
        return max(one["criterion"] for one in self.rounds)

    def times(self, kind: str) -> list[float]:
        """Return the times of all rounds."""
        return [time for one in self.rounds for time in one[kind]]

    def medians(self, kind: str) -> list[float]:
        """One time for each round."""
        return [median(one[kind]) for one in self.rounds if one[kind]]


def verdict(measured: Measured, ours: Measured) -> str:
    """Why a tool gets no time; nothing if it agrees with ours."""
    if measured.failed:
        return measured.failed
    gap = measured.criterion - ours.criterion
    if gap > AGREE:
        return f"stops {gap:.2g} above"
    if not gap >= -AGREE:
        return f"{-gap:.2g} BELOW ours: another criterion, or ours is no optimum"
    return ""


def spread(times: Sequence[float], unit: float = 1e3) -> str:
    """Median [min, max] in ms, or another unit; nothing for nothing."""
    return three([unit * time for time in times]) if times else ""


def three(values: Sequence[float]) -> str:
    """Median [min, max], three digits."""
    middle, low, high = (number(one) for one in (median(values), min(values), max(values)))
    return f"{middle} [{low}, {high}]" if len(values) > 1 else middle


def number(value: float) -> str:
    """Three digits, without an exponent."""
    return f"{value:.0f}" if abs(value) >= 99.95 else f"{value:#.3g}".rstrip(".")


def ratios(theirs: Sequence[float], ours: Sequence[float]) -> list[float]:
    """How many times longer they take: round by round, or one time of theirs against every round of ours."""
    if len(theirs) == len(ours):
        return [them / us for them, us in zip(theirs, ours, strict=True)]
    return [median(theirs) / us for us in ours] if theirs else []


def ratio(theirs: Sequence[float], ours: Sequence[float]) -> str:
    """Median [min, max] of the ratios; nothing for nothing."""
    return three(ratios(theirs, ours)) if theirs and ours else ""


def fit_rows(method: str, found: Mapping[str, Measured]) -> list[str]:
    """Rows of the table for one data set and method: a time only where the answer is ours.

    If a tool is below ours and none agrees with us, nobody gets a time.
    """
    ours = found["blupbayes"]
    if ours.failed:
        return [row(method, ours.tool, f"**{ours.failed}**")]
    words = {name: verdict(one, ours) for name, one in found.items()}
    alone = all(words[name] for name in found if name != "blupbayes")
    if alone and any("BELOW" in word for word in words.values()):
        words = {name: word or "no time: the answers differ" for name, word in words.items()}
    return [fit_row(method, one, ours, words[name]) for name, one in found.items()]


def fit_row(method: str, one: Measured, ours: Measured, word: str) -> str:
    """One row; with ``word`` in bold instead of times, if there is one."""
    if word:
        value = "" if one.failed else f"{one.criterion:.6f}"
        return row(method, one.tool, value, f"**{word}**")
    return row(
        method,
        one.tool,
        f"{one.criterion:.6f}",
        spread(one.times("whole")),
        "1" if one is ours else ratio(one.medians("whole"), ours.medians("whole")),
        spread(one.times("alone")),
        "1" if one is ours else ratio(one.medians("alone"), ours.medians("alone")),
        str(len(one.times("whole"))),
        "" if one.memory is None else f"{one.memory:.0f}",
    )


def row(*cells: str, width: int = len(FIT_HEADER)) -> str:
    """Make a row, filled with empty cells."""
    return "| " + " | ".join([*cells, *[""] * (width - len(cells))]) + " |"


def header(names: Sequence[str]) -> list[str]:
    """Make the first two lines of a table."""
    return [row(*names, width=len(names)), "|" + "---|" * len(names)]


def losses(found: Mapping[str, Mapping[str, Measured]]) -> list[str]:
    """Sentences that say which tool is faster than ours, where, and by how much."""
    lines = []
    for name, tools in found.items():
        ours = tools["blupbayes"]
        for tool, one in tools.items():
            if tool == "blupbayes" or verdict(one, ours):
                continue
            values = ratios(one.medians("whole"), ours.medians("whole"))
            if median(values) < 1:
                lines.append(f"- {name}: {one.tool} takes {three(values)} of our time.")
    return lines or ["- None, in this run."]


def read_tables(lines: Iterable[str]) -> list[tuple[str, dict[str, str]]]:
    """Rows of Markdown tables, as (last heading above, {column: cell})."""
    rows, heading, names = [], "", []
    for line in lines:
        if line.startswith("#"):
            heading, names = line.lstrip("# ").strip(), []
        elif not line.startswith("|"):
            names = []
        elif not re.fullmatch(r"[|: -]+", line):
            cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
            if names:
                rows.append((heading, dict(zip(names, cells, strict=True))))
            else:
                names = cells
    return rows
