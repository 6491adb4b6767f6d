"""What a fresh process costs: import and first fit, ours with a cold and a warm compile cache, and every peer's.

Part of run.py. The peers' compile caches are where they keep them, and warm.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from data import ALL
from fit import Budget, Fits
from peers import Peers
from process import HERE, Found, measure, needed, python
from tables import Measured, header, ratio, row, spread, verdict

DATA = ("sleepstudy", "insteval")
BASE = ("pandas", "scipy.linalg", "formulaic")  # what any package of this kind has to import
HEADER = ("data", "tool", "import, ms", "first REML fit, ms", "whole process, ms", "x")


def ours(fits: Fits, data: str, cache: str) -> Found:
    """Fit once in a fresh process, with a compile cache in ``cache``."""
    request = {"measure": "fit", "tool": "blupbayes", "way": "", "data": data, "method": "REML"}
    amount = {"path": fits.paths[data], "seconds": 0.0, "least": 1, "long": fits.budget.long}
    return needed(python(sys.executable, request | amount, environment={"NUMBA_CACHE_DIR": cache}))


def first_fits(fits: Fits, data: str) -> dict[str, Measured]:
    """Every tool once in a fresh process, round by round."""
    found: dict[str, Measured] = {}

    def add(name: str, made: Found) -> None:
        known = found.setdefault(name, Measured(name))
        known.failed = made.get("failed", "")
        if not known.failed:
            known.tool = name.replace(name.partition(",")[0], made["tool"], 1)
            known.rounds.append(made)

    for _ in range(fits.budget.rounds):
        with tempfile.TemporaryDirectory() as cache:
            cold, warm = ours(fits, data, cache), ours(fits, data, cache)
        add("blupbayes", warm)
        add("blupbayes, cold compile cache", cold)
        for tool in fits.peers.fits:
            able = tool not in ALL[data].skip and tool != "gpboost"
            known = found.get(tool)
            if able and not (known and (known.failed or verdict(known, found["blupbayes"]))):
                add(tool, fits.fit(tool, "", data, "REML", once=True))
    return found


def rows(data: str, found: Mapping[str, Measured]) -> list[str]:
    """Rows of the table; no time where the answer differs."""
    lines, walls = [], [one["wall"] for one in found["blupbayes"].rounds]
    for one in found.values():
        if word := verdict(one, found["blupbayes"]):
            lines.append(row(data, one.tool, f"**{word}**", width=len(HEADER)))
            continue
        wall = [run["wall"] for run in one.rounds]
        cells = [spread([run["import"] for run in one.rounds]), spread(one.times("whole")), spread(wall)]
        times = "1" if one is found["blupbayes"] else ratio(wall, walls)
        lines.append(row(data, one.tool, *cells, times, width=len(HEADER)))
    return lines


def imports(rounds: int) -> list[str]:
    """The import of the packages that are needed anyway, and of this one, in turn."""
    base, own = [], []
    for _ in range(3 * rounds):
        for times, modules in ((base, BASE), (own, ("blupbayes",))):
            times.append(needed(python(sys.executable, {"measure": "import", "modules": modules}))["import"])
    names = ", ".join(BASE)
    return [
        f"`import {names}`: {spread(base)} ms; `import blupbayes`: {spread(own)} ms; ratio {ratio(own, base)}."
    ]


def section(peers: Peers, budget: Budget) -> list[str]:
    """Make the Markdown."""
    lines = header(HEADER)
    with tempfile.TemporaryDirectory() as folder:
        paths = needed(measure([sys.executable, str(HERE / "data.py"), folder, *DATA]))
        fits = Fits(peers, {name: str(Path(paths[name])) for name in DATA}, budget)
        for data in DATA:
            lines += rows(data, first_fits(fits, data))
            print(f"start-up, {data}: done", file=sys.stderr, flush=True)
    return [*lines, "", *imports(budget.rounds)]
