"""Time fits beside lme4, mixedlm and statsmodels; print no time and no ratio where the answers differ.

    uv run python benchmarks/fit.py
    uv run python benchmarks/fit.py --peer-python PATH        a Python that has mixedlm and statsmodels
    uv run python benchmarks/fit.py --data sleepstudy --seconds 1 --output table.md

Every measurement is made in a process of its own (children.py, lme4.R). This one imports nothing but the
standard library: on Linux a child's peak memory starts at that of its parent.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from children import CASES

HERE = Path(__file__).resolve().parent
AGREE = 1e-5  # in -2 log-likelihood: optimisers stop within 1e-6 of each other, a wrong answer is further off
PEERS = ("lme4", "lme4 without derivatives", "mixedlm", "statsmodels")
BASE = "pandas,scipy.linalg,formulaic"  # what any package of this kind has to import
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
HEADER = (
    "| data, method | tool | -2 log-likelihood | runs | formula and frame, ms | x | fit alone, ms | x | "
    "peak MB |\n"
    "|---|---|---|---|---|---|---|---|---|"
)

Found = dict[str, Any]


def measure(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Found:
    """Run a child: the JSON of its last line, and its peak memory in MB."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        env = {**os.environ, **(environment or {})}
        process = subprocess.Popen(command, stdout=out, stderr=err, stdin=subprocess.DEVNULL, env=env)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if process.returncode:
            raise RuntimeError(f"{' '.join(command)[:200]} failed:\n{err.read()[-2000:]}")
        peak = usage.ru_maxrss / (1024**2 if sys.platform == "darwin" else 1024)
        return {**json.loads(out.read().strip().splitlines()[-1]), "memory": peak}


def python(interpreter: str, *arguments: str, **environment: str) -> Found:
    """Make one of the measurements of children.py."""
    return measure([interpreter, str(HERE / "children.py"), *arguments], environment)


class Setting(NamedTuple):
    """What there is to run, and for how long."""

    seconds: float
    least: int
    paths: Mapping[str, str]
    lme4: bool
    peer: str | None

    def has(self, tool: str, data: str) -> bool:
        """Whether a tool is installed, and can fit the data within minutes."""
        if tool.startswith("lme4"):
            return self.lme4
        return tool == "blupbayes" or (self.peer is not None and tool not in CASES[data].skip)

    def fit(self, tool: str, data: str, method: str, *, once: bool = False) -> Found:
        """Fit repeatedly, or once, in a process of its own."""
        case = CASES[data]
        amount = ("0", "1") if once else (str(self.seconds), str(self.least))
        if tool.startswith("lme4"):
            model = [self.paths[data], ",".join(case.factors), case.formula, method]
            derivatives = "FALSE" if "without" in tool else "TRUE"
            return measure(["Rscript", "--vanilla", str(HERE / "lme4.R"), *model, *amount, derivatives])
        interpreter = self.peer if tool != "blupbayes" and self.peer else sys.executable
        return python(interpreter, "fit", tool, data, method, self.paths[data], *amount)

    def fits(self, data: str, method: str) -> dict[str, Found]:
        """Fit with every tool; for REML also once in a fresh process, for the peak memory."""
        found = {}
        for tool in ("blupbayes", *PEERS):
            if self.has(tool, data) and not (method == "ML" and "without" in tool):
                found[tool] = self.fit(tool, data, method)
                found[tool]["memory"] = (
                    self.fit(tool, data, method, once=True)["memory"] if method == "REML" else None
                )
        return found


def disagreement(found: Mapping[str, Found]) -> str:
    """Name the tools whose criterion is not that of the best; nothing if all agree."""
    best = min(one["criterion"] for one in found.values())
    gaps = {tool: one["criterion"] - best for tool, one in found.items()}
    apart = {tool: gap for tool, gap in gaps.items() if not gap <= AGREE}
    return ", ".join(f"{tool} is {gap:.3g} above the best" for tool, gap in apart.items())


def spread(times: Sequence[float]) -> str:
    """Median [min, max] in ms."""
    if not times:
        return ""
    digits = 2 if median(times) < 0.1 else 0
    middle, low, high = (1e3 * t for t in (median(times), min(times), max(times)))
    return f"{middle:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def ratio(theirs: Sequence[float], ours: Sequence[float]) -> str:
    """How many times longer they take, by the medians."""
    return f"{median(theirs) / median(ours):.3g}" if theirs and ours else ""


def rows(name: str, found: Mapping[str, Found]) -> list[str]:
    """Rows of the table for one data set and method; one row without times if the answers differ."""
    if differ := disagreement(found):
        return [f"| {name} | **the answers differ, so there are no times:** {differ} | | | | | | | |"]
    ours, lines = found["blupbayes"], []
    for tool, one in found.items():
        cells = [
            name,
            one["tool"] + (", no derivatives" if "without" in tool else ""),
            f"{one['criterion']:.6f}",
            str(len(one["whole"])),
            spread(one["whole"]),
            ratio(one["whole"], ours["whole"]),
            spread(one["alone"]),
            ratio(one["alone"], ours["alone"]),
            "" if one["memory"] is None else f"{one['memory']:.0f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def first_fits(setting: Setting, data: str, rounds: int) -> tuple[list[float], list[float]]:
    """Time the first REML fit of fresh processes, after the import: cold and warm compile cache."""
    cold, warm = [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as cache:
            for times in (cold, warm):
                one = python(sys.executable, "first", data, setting.paths[data], NUMBA_CACHE_DIR=cache)
                times.append(one["seconds"])
    return cold, warm


def imports(rounds: int) -> tuple[list[float], list[float]]:
    """Time, in turn, the import of the packages that are needed anyway and of this one."""
    base, own = [], []
    for _ in range(rounds):
        for times, modules in ((base, BASE), (own, "blupbayes")):
            times.append(python(sys.executable, "import", modules)["seconds"])
    return base, own


def latency(setting: Setting, data: Sequence[str], rounds: int) -> tuple[list[str], dict[str, list[float]]]:
    """Tabulate what a fresh process costs; the table and the warm first fits."""
    lines, warm_fits = ["| in a fresh process | ms |", "|---|---|"], {}
    for name in data:
        cold, warm = first_fits(setting, name, rounds)
        warm_fits[name] = warm
        lines.append(f"| first REML fit of {name} after the import, cold compile cache | {spread(cold)} |")
        lines.append(f"| the same, warm compile cache | {spread(warm)} |")
    base, own = imports(3 * rounds)
    lines += [
        f"| `import {BASE.replace(',', ', ')}` | {spread(base)} |",
        f"| `import blupbayes` | {spread(own)} |",
    ]
    return [*lines, f"| ratio of the two | {ratio(own, base)} |"], warm_fits


def aims(
    all_found: Mapping[tuple[str, str], Mapping[str, Found]], warm: Mapping[str, list[float]]
) -> list[str]:
    """Set the aims beside what was measured. Times are of this machine; ratios are of the same run."""
    lines = ["| aim | measured | met |", "|---|---|---|"]

    def add(text: str, value: float, limit: float, unit: str, *, at_least: bool = False) -> None:
        met = value >= limit if at_least else value <= limit
        lines.append(f"| {text} | {value:.3g} {unit} | {'yes' if met else 'no'} |")

    sleepstudy, insteval = all_found.get(("sleepstudy", "REML"), {}), all_found.get(("insteval", "REML"), {})
    if sleepstudy and not disagreement(sleepstudy):
        add("sleepstudy, fit alone: 1 ms", 1e3 * median(sleepstudy["blupbayes"]["alone"]), 1, "ms")
        add(
            "sleepstudy, from formula and frame: 10 ms",
            1e3 * median(sleepstudy["blupbayes"]["whole"]),
            10,
            "ms",
        )
    if insteval and not disagreement(insteval):
        for peer, factor in (("lme4", 10), ("mixedlm", 6)):
            if peer in insteval:
                times = median(insteval[peer]["whole"]) / median(insteval["blupbayes"]["whole"])
                add(
                    f"insteval, from formula and frame: {factor} times as fast as {peer}",
                    times,
                    factor,
                    "x",
                    at_least=True,
                )
    for data, seconds in warm.items():
        add(f"first fit of {data}, fresh process, warm cache: 0.3 s", median(seconds), 0.3, "s")
    return lines


def machine() -> str:
    """Describe the machine, without its name."""
    threads = (
        ", ".join(f"{name}={os.environ[name]}" for name in THREADS if name in os.environ) or "default threads"
    )
    python_version = f"Python {platform.python_version()}"
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, {python_version}, {threads}."


def report(arguments: argparse.Namespace, folder: str) -> tuple[str, bool]:
    """Run everything; the Markdown, and whether all answers agree."""
    probe = ["Rscript", "--vanilla", "-e", "library(lme4)"]
    lme4 = (
        shutil.which("Rscript") is not None
        and subprocess.run(probe, capture_output=True, check=False).returncode == 0
    )
    paths = python(sys.executable, "export", folder, *arguments.data)
    setting = Setting(arguments.seconds, arguments.least, paths, lme4, arguments.peer_python)
    all_found, lines = {}, [machine(), "", HEADER]
    for data, method in ((name, method) for name in arguments.data for method in CASES[name].methods):
        all_found[data, method] = setting.fits(data, method)
        lines += rows(f"{data} {method}", all_found[data, method])
        print(f"{data} {method}: done", file=sys.stderr, flush=True)
    table, warm = latency(setting, [name for name in arguments.data if name != "chem97"], arguments.rounds)
    text = "\n".join([*lines, "", *table, "", *aims(all_found, warm)])
    return text, not any(disagreement(found) for found in all_found.values())


def options() -> argparse.ArgumentParser:
    """Describe the options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument(
        "--seconds", type=float, default=5.0, help="at least, for each tool, data set and method (5)"
    )
    parser.add_argument("--least", type=int, default=3, help="runs at least (3)")
    parser.add_argument("--rounds", type=int, default=3, help="fresh processes for each latency (3)")
    parser.add_argument("--threads", type=int, help="BLAS threads of every tool (default: what each takes)")
    parser.add_argument("--peer-python", metavar="PATH", help="a Python that has mixedlm and statsmodels")
    parser.add_argument("--output", metavar="FILE", help="write the tables here too")
    return parser


def main() -> int:
    """Measure and print; 1 if any two answers differ."""
    arguments = options().parse_args()
    if arguments.threads:
        os.environ.update(dict.fromkeys(THREADS, str(arguments.threads)))
    with tempfile.TemporaryDirectory() as folder:
        text, agree = report(arguments, folder)
    print(text)
    if arguments.output:
        Path(arguments.output).write_text(text + "\n", encoding="utf-8")
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
