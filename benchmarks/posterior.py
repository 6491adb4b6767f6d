"""How long the posterior of sleepstudy's 36 random effects takes, to 1 % of a posterior sd, in every tool there is.

    python benchmarks/posterior.py [--bambi-python PATH] [--draws 2000] [--insteval] [--output table.md]

The exact posterior is timed from a model to the table of all random effects. Samplers are timed as they run, and
the time is scaled to 10 000 effective draws of the worst random effect, a Monte Carlo error of 1 %: set-up
(compiling, warm-up) once, drawing in proportion. Means must agree within 4.5 Monte Carlo errors of the same model
under the same prior, or there are no times.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

import blupbayes as bb

HERE = Path(__file__).parent
CORRELATED, SEPARATE = "Reaction ~ Days + (Days | Subject)", "Reaction ~ Days + (Days || Subject)"
WANTED = 10_000  # effective draws: 1 % of a posterior sd
AGREE = 4.5  # Monte Carlo errors, the largest of 36

Found = dict[str, Any]


def exact(formula: str, prior: bb.Prior | None, runs: int = 15) -> Found:
    """Median time from a model to all random effects, after the first; without and with intervals."""
    frame = bb.load_dataset("sleepstudy")
    whole, table, first = [], [], None
    for _ in range(runs + 1):
        model = bb.MixedModel(formula, frame)
        begun = time.perf_counter()
        post = model.integrate(prior)
        means = post.integral.moments
        took = time.perf_counter() - begun
        effects = post.ranef()
        with_intervals = time.perf_counter() - begun
        if first is None:
            first = took
        else:
            whole.append(took)
            table.append(with_intervals)
    assert np.isfinite(means).all()
    return {
        "tool": f"blupbayes {bb.__version__}, integrate",
        "first": first,
        "whole": median(whole),
        "table": median(table),
        "error": post.diagnostics["error"],
        "mean": effects["estimate"].to_numpy(),
        "sd": effects["posterior_sd"].to_numpy(),
    }


def sampled(formula: str, prior: bb.Prior | None, way: str, draws: int) -> Found:
    """Our PyMC model, twice: the first run fills the compile cache."""
    model = bb.MixedModel(formula, bb.load_dataset("sleepstudy"))
    for _ in range(2):
        begun = time.perf_counter()
        post = model.sample(
            prior, parameterization=way, draws=draws, cores=2, random_seed=1, progressbar=False
        )
        whole = time.perf_counter() - begun
    table = post.ranef()
    attrs = post.data["posterior"].attrs
    return {
        "tool": f"blupbayes, PyMC {way}",
        "whole": whole,
        "sampling": float(attrs.get("sampling_time", np.nan)),
        "ess": float(table["ess_bulk"].min()),
        "draws": 4 * draws,
        "mean": table["estimate"].to_numpy(),
        "sd": table["posterior_sd"].to_numpy(),
        "mcse": table["mcse"].to_numpy(),
    }


def child(command: list[str]) -> Found:
    """The JSON of another process's last line."""
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed:\n{done.stderr[-2000:]}")
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def scaled(found: Found) -> float:
    """Seconds to WANTED effective draws: set-up once, drawing in proportion."""
    drawing = found["sampling"]
    return float(found["whole"] - drawing + drawing * WANTED / found["ess"])


def disagreement(found: Found, truth: Found, order: Any = slice(None)) -> float:
    """The largest difference of means in Monte Carlo errors, ours included."""
    error = np.hypot(np.asarray(found["mcse"]), 0.01 * truth["sd"][order])
    return float(np.max(np.abs(np.asarray(found["mean"]) - truth["mean"][order]) / error))


def row(label: str, truth: Found, found: Found, order: Any = slice(None)) -> str:
    """One line of the table; no time where the means differ."""
    apart = disagreement(found, truth, order)
    if not apart <= AGREE:
        return f"| {label} | {found['tool']} | **means differ by {apart:.1f} Monte Carlo errors: no time** | | | | |"
    total = scaled(found)
    return (
        f"| {label} | {found['tool']} | {found['whole']:.2f} | {found['sampling']:.2f} | {found['ess']:.0f} | "
        f"{total:.1f} | {total / truth['whole']:.0f} |"
    )


def insteval() -> str:
    """One run on InstEval's 4128 random effects."""
    import resource

    model = bb.MixedModel("y ~ service + (1 | s) + (1 | d) + (1 | dept:service)", bb.load_dataset("insteval"))
    begun = time.perf_counter()
    post = model.integrate()
    took = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    d = post.diagnostics
    return (
        f"InstEval, 4128 random effects, three variances: {took:.1f} s for {d['points']} points "
        f"({d['factorizations']} factorisations), stated error {d['error']:.0e}, peak {peak:.0f} MB."
    )


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--bambi-python", help="interpreter of an environment that has Bambi")
    options.add_argument("--draws", type=int, default=2000, help="per chain, four chains")
    options.add_argument("--insteval", action="store_true", help="also InstEval, a minute")
    options.add_argument("--output", help="write the table there, too")
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        csv = f"{folder}/sleepstudy.csv"
        frame = bb.load_dataset("sleepstudy")
        frame.to_csv(csv, index=False)
        lines = measured(arguments, csv)
    text = "\n".join(lines)
    print(text)
    if arguments.output:
        Path(arguments.output).write_text(text + "\n", encoding="utf-8")


def measured(arguments: argparse.Namespace, csv: str) -> list[str]:
    """Every tool that is there."""
    model = bb.MixedModel(CORRELATED, bb.load_dataset("sleepstudy"))
    ours = exact(CORRELATED, None)
    lines = [
        f"Exact posterior of `{CORRELATED}`: {1e3 * ours['whole']:.0f} ms from the model to means and sds of all "
        f"parameters, random effects and group means (first run {1e3 * ours['first']:.0f} ms), "
        f"{1e3 * ours['table']:.0f} ms with 95 % intervals of the random effects; stated error {ours['error']:.1e} "
        "posterior sds.",
        "",
        "| model and prior | tool | wall, s | of it drawing, s | smallest ESS of b | s to ESS 10 000 | x |",
        "|---|---|---|---|---|---|---|",
    ]
    for way in ("noncentered", "centered", "collapsed"):
        found = sampled(CORRELATED, None, way, arguments.draws)
        lines.append(row("ours, default", ours, found))
        print(f"{way}: ESS per draw {found['ess'] / found['draws']:.3f}", file=sys.stderr, flush=True)
    if shutil.which("Rscript"):
        prior = bb.Prior.like("rstanarm", model)
        theirs = child(
            ["Rscript", "--vanilla", str(HERE / "rstanarm.R"), csv, CORRELATED, str(arguments.draws)]
        )
        truth = exact(CORRELATED, prior)
        order = [where(name) for name in theirs["names"]]
        lines.append(row("rstanarm's default", truth, theirs, order))
    if arguments.bambi_python:
        separate = bb.MixedModel(SEPARATE, bb.load_dataset("sleepstudy"))
        prior = bb.Prior.like("bambi", separate)
        truth = exact(SEPARATE, prior)
        formula = "Reaction ~ Days + (1 | Subject) + (0 + Days | Subject)"
        theirs = child(
            [arguments.bambi_python, str(HERE / "bambi_child.py"), csv, formula, str(arguments.draws)]
        )
        order = [*range(0, 36, 2), *range(1, 36, 2)]
        lines.append(row("Bambi's default, uncorrelated", truth, theirs, order))
        ours_too = sampled(SEPARATE, None, "noncentered", arguments.draws)
        lines.append(row("ours, uncorrelated", exact(SEPARATE, None), ours_too))
    if arguments.insteval:
        lines += ["", insteval()]
    return lines


def where(name: str) -> int:
    """Position in our table of rstanarm's b[Days Subject:308]."""
    subjects = list(bb.load_dataset("sleepstudy")["Subject"].astype(str).unique())
    term, _, subject = name.removeprefix("b[").rstrip("]").partition(" Subject:")
    return 2 * subjects.index(subject) + (term == "Days")


if __name__ == "__main__":
    main()
