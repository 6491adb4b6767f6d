"""Time the parametric bootstrap of sleepstudy beside lme4's bootMer; print no ratio where the replicates differ.

    uv run python benchmarks/bootstrap.py
    uv run python benchmarks/bootstrap.py --replicates 1000 --runs 5 --output table.md

Both draw from the REML estimates of `Reaction ~ Days + (Days | Subject)` and estimate the model by REML from every
response, in one thread, each in a process of its own. Their means and sds must agree within Monte Carlo error.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from peers import machine
from process import HERE, THREADS, measure, needed

ERRORS = 5.0  # Monte Carlo standard errors that two means or sds may be apart
AIM = 20.0  # times as fast as bootMer
SECONDS = 0.4

Found = dict[str, Any]


def child(path: str, replicates: int, runs: int, seed: int) -> Found:
    """Bootstrap in this process: seconds of every run, and the moments of the replicates of the last."""
    from importlib.metadata import version

    import pandas as pd

    import blupbayes as bb
    from blupbayes.frequentist.bootstrap import bootstrap

    frame = pd.read_csv(path, dtype={"Subject": "category"})
    fit = bb.MixedModel("Reaction ~ Days + (Days | Subject)", frame).fit("REML")
    seconds = []
    for run in range(runs + 1):  # the first pays for late imports
        begun = time.perf_counter()
        found = bootstrap(fit.design, fit.estimate, replicates, seed + run)
        seconds.append(time.perf_counter() - begun)
    table = found.replicates.drop(columns="criterion")
    moments = {name: [x.mean(), x.std(), float(x.kurt()) + 3.0, int(x.count())] for name, x in table.items()}
    return {
        "tool": f"blupbayes {version('blupbayes')}",
        "seconds": seconds[1:],
        "moments": moments,
        "converged": float(found.converged.mean()),
    }


def apart(ours: Mapping[str, list[float]], theirs: Mapping[str, list[float]]) -> dict[str, float]:
    """How many Monte Carlo errors each mean and each sd is apart."""
    out = {}
    for name, (mean, sd, kurtosis, n) in ours.items():
        other_mean, other_sd, other_kurtosis, m = theirs[name]
        out[f"mean of {name}"] = abs(mean - other_mean) / (sd**2 / n + other_sd**2 / m) ** 0.5
        error = (sd**2 * (kurtosis - 1) / (4 * n) + other_sd**2 * (other_kurtosis - 1) / (4 * m)) ** 0.5
        out[f"sd of {name}"] = abs(sd - other_sd) / error
    return out


def rows(found: Found, replicates: int) -> str:
    """One row of the table."""
    times = found["seconds"]
    spread = f"{median(times):.3f} [{min(times):.3f}, {max(times):.3f}]"
    return f"| {found['tool']} | {replicates} | {len(times)} | {spread} |"


def report(arguments: argparse.Namespace, folder: str) -> tuple[str, bool]:
    """Run everything; the Markdown, and whether the replicates agree."""
    script, path = str(Path(__file__).resolve()), str(Path(folder) / "sleepstudy.csv")
    needed(measure([sys.executable, str(HERE / "data.py"), folder, "sleepstudy"]))
    own = [sys.executable, script, "--child", path, "--replicates", str(arguments.replicates)]
    ours = needed(measure([*own, "--runs", str(arguments.runs), "--seed", str(arguments.seed)]))
    lines = [machine(), "", "| tool | replicates | runs | seconds, median [min, max] |", "|---|---|---|---|"]
    lines.append(rows(ours, arguments.replicates))
    if shutil.which("Rscript") is None:
        return "\n".join([*lines, "", "lme4 is not there: nothing to compare with."]), True
    script = [str(HERE / "bootstrap.R"), path, str(arguments.replicates), str(arguments.seed)]
    theirs = needed(measure(["Rscript", "--vanilla", *script]))
    gaps = apart(ours["moments"], theirs["moments"])
    worst = max(gaps, key=lambda name: gaps[name])
    lines += [rows(theirs, arguments.replicates), ""]
    if gaps[worst] > ERRORS:
        return "\n".join(
            [*lines, f"**The answers differ**: {worst} by {gaps[worst]:.1f} Monte Carlo errors."]
        ), False
    ratio, ours_s = median(theirs["seconds"]) / median(ours["seconds"]), median(ours["seconds"])
    lines += [
        f"Largest distance of a mean or an sd: {gaps[worst]:.1f} Monte Carlo errors ({worst}).",
        f"{ours['converged']:.1%} of the replicates have converged.",
        "",
        "| aim | measured | met |",
        "|---|---|---|",
        f"| {AIM:g} times as fast as bootMer | {ratio:.3g} x | {'yes' if ratio >= AIM else 'no'} |",
        f"| {SECONDS} s | {ours_s:.3g} s | {'yes' if ours_s <= SECONDS else 'no'} |",
    ]
    return "\n".join(lines), True


def options() -> argparse.ArgumentParser:
    """Describe the options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--replicates", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=5, help="of this package; bootMer is run once (5)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", metavar="FILE", help="write the table here too")
    parser.add_argument("--child", metavar="CSV", help=argparse.SUPPRESS)
    return parser


def main() -> int:
    """Measure and print; 1 if the replicates differ."""
    arguments = options().parse_args()
    if arguments.child:
        print(json.dumps(child(arguments.child, arguments.replicates, arguments.runs, arguments.seed)))
        return 0
    os.environ.update(dict.fromkeys(THREADS, "1"))
    with tempfile.TemporaryDirectory() as folder:
        text, agree = report(arguments, folder)
    print(text)
    if arguments.output:
        Path(arguments.output).write_text(text + "\n", encoding="utf-8")
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
