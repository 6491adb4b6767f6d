"""Fit the same data by the same model in every tool there is; the tables say who agrees, and only then how fast.

Part of run.py. Tools are run in turn, round by round, each in a process of its own, so that a ratio compares times
of one minute. A tool that stops above our criterion is run again with its tolerances tightened ("strict").
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from data import ALL
from peers import Peers
from process import HERE, Found, measure, needed, python
from tables import FIT_HEADER, Measured, fit_rows, header, losses, verdict

WAYS = {"lme4": ("", "no derivatives")}  # of a call, beside the default
ONLY = {"gpboost": ("ML",)}  # methods of a tool that has not both


class Budget(NamedTuple):
    """How long to measure: seconds and runs for each tool and round, rounds, and when it is enough."""

    seconds: float
    least: int
    rounds: int
    long: float  # a run longer than this is made once
    limit: float  # a process longer than this is ended


class Fits(NamedTuple):
    """What is needed to fit: peers, data and budget."""

    peers: Peers
    paths: dict[str, str]
    budget: Budget

    def tools(self, data: str, method: str) -> list[tuple[str, str]]:
        """Tools and ways that can state the model of a data set."""
        able = [
            tool
            for tool in ("blupbayes", *self.peers.fits)
            if tool not in ALL[data].skip and method in ONLY.get(tool, ("REML", "ML"))
        ]
        return [(tool, way) for tool in able for way in WAYS.get(tool, ("",))]

    def fit(self, tool: str, way: str, data: str, method: str, *, once: bool = False) -> Found:
        """Fit repeatedly, or once, in a process of its own."""
        case, budget = ALL[data], self.budget
        seconds, least = (0.0, 1) if once else (budget.seconds, budget.least)
        interpreter = self.peers.fits.get(tool, sys.executable)
        if interpreter == "Rscript":
            model = [tool, self.paths[data], ",".join(case.factors), case.formula, method, way or "default"]
            command = ["Rscript", "--vanilla", str(HERE / "fit.R"), *model]
            return measure([*command, str(seconds), str(least), str(budget.long)], limit=budget.limit)
        request = {"measure": "fit", "tool": tool, "way": way, "data": data, "method": method}
        amount = {"path": self.paths[data], "seconds": seconds, "least": least, "long": budget.long}
        return python(interpreter, request | amount, limit=budget.limit)

    def one_round(self, found: dict[str, Measured], data: str, method: str) -> None:
        """Run every tool once more that is still in: it agrees, and is not slow."""
        for tool, way in self.tools(data, method):
            self.again(found, tool, way, data, method)
            ours = found["blupbayes"]
            name = f"{tool} {way}".strip()
            if not way and tool != "blupbayes" and "above" in verdict(found[name], ours):
                self.again(found, tool, "strict", data, method)

    def again(self, found: dict[str, Measured], tool: str, way: str, data: str, method: str) -> None:
        """Measure a tool in one more process, unless that would tell nothing new."""
        name = f"{tool} {way}".strip()
        known = found.setdefault(name, Measured(name))
        if known.failed or (known.rounds and self.enough(known, found["blupbayes"])):
            return
        made = self.fit(tool, way, data, method)
        if "failed" in made:
            known.failed = made["failed"]
            return
        known.tool = made["tool"] + (f", {way}" if way else "")
        known.rounds.append(made)

    def enough(self, known: Measured, ours: Measured) -> bool:
        """Whether a tool that has run needs no further round."""
        return bool(verdict(known, ours)) or median(known.times("whole")) > self.budget.long

    def weigh(self, found: dict[str, Measured], data: str, method: str) -> None:
        """Peak memory: of a fresh process with one fit; of the slow ones, of the process that was timed."""
        for name, one in found.items():
            if one.failed or verdict(one, found["blupbayes"]):
                continue
            if median(one.times("whole")) > self.budget.long:
                one.memory = one.rounds[0]["memory"]
                continue
            tool, _, way = name.partition(" ")
            one.memory = needed(self.fit(tool, way, data, method, once=True))["memory"]

    def all_rounds(self, data: str, method: str) -> dict[str, Measured]:
        """Fit with every tool, in rounds."""
        found: dict[str, Measured] = {}
        for _ in range(self.budget.rounds):
            self.one_round(found, data, method)
        if method == ALL[data].methods[0]:
            self.weigh(found, data, method)
        return found


def section(peers: Peers, names: Sequence[str], budget: Budget) -> tuple[list[str], bool]:
    """Fit the named data sets: the Markdown, and whether our criterion was nowhere undercut."""
    lines, everything, fine = [], {}, True
    with tempfile.TemporaryDirectory() as folder:
        paths = needed(measure([sys.executable, str(HERE / "data.py"), folder, *names]))
        fits = Fits(peers, {name: paths[name] for name in names}, budget)
        for data in names:
            lines += [f"### {data}", "", f"`{ALL[data].formula}`: {ALL[data].what}.", "", *header(FIT_HEADER)]
            for method in ALL[data].methods:
                found = fits.all_rounds(data, method)
                everything[f"{data} {method}"] = found
                lines += fit_rows(method, found)
                fine &= not any("BELOW" in verdict(one, found["blupbayes"]) for one in found.values())
                print(f"{data} {method}: done", file=sys.stderr, flush=True)
            lines += [""]
    return [*lines, "### Where a peer is faster", "", *losses(everything)], fine
