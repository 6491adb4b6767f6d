"""How long the posterior of sleepstudy's 36 random effects takes, to 1 % of a posterior sd, in every tool there is.

Part of run.py, in a process of its own; alone:

    python benchmarks/posterior.py [--bambi-python PATH] [--rstanarm] [--draws 2000] [--rounds 3] [--insteval]

The exact posterior is timed from a model to the means and sds of all random effects. Samplers are timed as they run,
and the time is scaled to 10 000 effective draws of the worst random effect, a Monte Carlo error of 1 %: set-up
(compiling, warm-up) once, drawing in proportion. Means must agree within 4.5 Monte Carlo errors of the same model
under the same prior, or there are no times. The last line of stdout is JSON.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

import blupbayes as bb
from process import HERE, Found, measure
from tables import header, ratios, row, spread, three

CORRELATED, SEPARATE = "Reaction ~ Days + (Days | Subject)", "Reaction ~ Days + (Days || Subject)"
INSTEVAL = "y ~ service + (1 | s) + (1 | d) + (1 | dept:service)"
WANTED = 10_000  # effective draws: 1 % of a posterior sd
AGREE = 4.5  # Monte Carlo errors, the largest of 36
COLUMNS = (
    "model and prior",
    "tool",
    "wall, s",
    "of it drawing, s",
    "smallest ESS of b",
    "s to ESS 10 000",
    "x",
)


def exact(formula: str, prior: bb.Prior | None, runs: int = 15) -> Found:
    """Times from a model to all random effects, after the first; and the answer."""
    frame = bb.load_dataset("sleepstudy")
    whole, table = [], []
    for _ in range(runs + 1):
        model = bb.MixedModel(formula, frame)
        begun = time.perf_counter()
        post = model.integrate(prior)
        means = post.integral.moments
        whole.append(time.perf_counter() - begun)
        effects = post.ranef()
        table.append(time.perf_counter() - begun)
    assert np.isfinite(means).all()
    return {
        "first": whole[0],
        "whole": whole[1:],
        "table": table[1:],
        "error": post.diagnostics["error"],
        "mean": effects["estimate"].to_numpy(),
        "sd": effects["posterior_sd"].to_numpy(),
        "prior": str(post.prior),
    }


def sampled(formula: str, way: str, draws: int) -> Found:
    """Our PyMC model, twice: the first run fills the compile cache."""
    model = bb.MixedModel(formula, bb.load_dataset("sleepstudy"))
    for _ in range(2):
        begun = time.perf_counter()
        post = model.sample(parameterization=way, draws=draws, cores=2, random_seed=1, progressbar=False)
        whole = time.perf_counter() - begun
    table = post.ranef()
    return {
        "tool": f"blupbayes, PyMC {way}",
        "whole": whole,
        "sampling": float(post.data["posterior"].attrs.get("sampling_time", np.nan)),
        "ess": float(table["ess_bulk"].min()),
        "mean": table["estimate"].to_numpy(),
        "mcse": table["mcse"].to_numpy(),
    }


def scales(prior: str) -> list[str]:
    """Scales of the half-t priors of sigma and the two sds, from the printed prior."""
    return re.findall(r"HalfStudentT\(3, ([\d.]+)\)", prior)


def scaled(found: Found) -> float:
    """Seconds to WANTED effective draws: set-up once, drawing in proportion."""
    drawing = found["sampling"]
    return float(found["whole"] - drawing + drawing * WANTED / found["ess"])


def disagreement(found: Found, truth: Found, order: Any = slice(None)) -> float:
    """The largest difference of means in Monte Carlo errors, ours included."""
    error = np.hypot(np.asarray(found["mcse"]), 0.01 * truth["sd"][order])
    return float(np.max(np.abs(np.asarray(found["mean"]) - truth["mean"][order]) / error))


def line(label: str, truth: Found, found: Sequence[Found], order: Any = slice(None)) -> str:
    """One row of the table; no time where a run failed or the means differ."""
    tool, width = found[0].get("tool", ""), len(COLUMNS)
    if failed := [one["failed"] for one in found if "failed" in one]:
        return row(label, tool, f"**{failed[0]}**", width=width)
    apart = max(disagreement(one, truth, order) for one in found)
    if not apart <= AGREE:
        return row(label, tool, f"**means differ by {apart:.1f} Monte Carlo errors: no time**", width=width)
    totals = [scaled(one) for one in found]
    cells = [three([one[name] for one in found]) for name in ("whole", "sampling", "ess")]
    times = three(ratios(totals, [median(truth["whole"])] * len(totals)))
    return row(label, tool, *cells, three(totals), times, width=width)


def insteval() -> Found:
    """One run on InstEval's 4128 random effects, in this process."""
    model = bb.MixedModel(INSTEVAL, bb.load_dataset("insteval"))
    begun = time.perf_counter()
    post = model.integrate()
    took = time.perf_counter() - begun
    return {"seconds": took, **{k: post.diagnostics[k] for k in ("points", "factorizations", "error")}}


def insteval_lines(rounds: int) -> list[str]:
    """InstEval in fresh processes."""
    found = [measure([sys.executable, __file__, "--child", "insteval"]) for _ in range(rounds)]
    if failed := [one["failed"] for one in found if "failed" in one]:
        return ["", f"InstEval: **{failed[0]}**"]
    last = found[-1]
    return [
        "",
        f"InstEval, 4128 random effects, three variances: {three([one['seconds'] for one in found])} s for "
        f"{last['points']} points ({last['factorizations']} factorisations), stated error {last['error']:.0e}, "
        f"peak {last['memory']:.0f} MB.",
    ]


def where(name: str) -> int:
    """Position in our table of rstanarm's b[Days Subject:308]."""
    subjects = list(bb.load_dataset("sleepstudy")["Subject"].astype(str).unique())
    term, _, subject = name.removeprefix("b[").rstrip("]").partition(" Subject:")
    return 2 * subjects.index(subject) + (term == "Days")


def measured(arguments: argparse.Namespace, csv: str) -> list[str]:
    """Every tool that is there: rows of the table."""
    draws, lines = arguments.draws, []

    def add(label: str, truth: Found, once: Callable[[], Found], order: Any = slice(None)) -> None:
        found = [once() for _ in range(arguments.rounds)]
        if callable(order):
            order = [] if "failed" in found[0] else order(found[0])
        lines.append(line(label, truth, found, order))
        print(lines[-1], file=sys.stderr, flush=True)

    ours = exact(CORRELATED, None)
    plain = [sys.executable, str(HERE / "pymc_child.py"), csv, str(draws), *scales(ours["prior"])]
    for way in ("noncentered", "centered", "collapsed"):
        add("ours, default", ours, lambda way=way: sampled(CORRELATED, way, draws))
    add("ours, default", ours, lambda: measure(plain))
    if arguments.rstanarm:
        like = bb.Prior.like("rstanarm", bb.MixedModel(CORRELATED, bb.load_dataset("sleepstudy")))
        command = ["Rscript", "--vanilla", str(HERE / "rstanarm.R"), csv, CORRELATED, str(draws)]
        order = lambda found: [where(name) for name in found["names"]]  # noqa: E731
        add("rstanarm's default", exact(CORRELATED, like), lambda: measure(command), order)
    if arguments.bambi_python:
        like = bb.Prior.like("bambi", bb.MixedModel(SEPARATE, bb.load_dataset("sleepstudy")))
        formula = "Reaction ~ Days + (1 | Subject) + (0 + Days | Subject)"
        theirs = [arguments.bambi_python, str(HERE / "bambi_child.py"), csv, formula, str(draws)]
        order = [*range(0, 36, 2), *range(1, 36, 2)]
        add("Bambi's default, uncorrelated", exact(SEPARATE, like), lambda: measure(theirs), order)
        add("ours, uncorrelated", exact(SEPARATE, None), lambda: sampled(SEPARATE, "noncentered", draws))
    return [said(ours), "", *header(COLUMNS), *lines]


def said(ours: Found) -> str:
    """Say what the exact posterior took."""
    return (
        f"Exact posterior of `{CORRELATED}`: {spread(ours['whole'])} ms from the model to means and sds of all "
        f"parameters, random effects and group means (first run {1e3 * ours['first']:.0f} ms), "
        f"{spread(ours['table'])} ms with 95 % intervals of the random effects; stated error {ours['error']:.1e} "
        "posterior sds."
    )


def options() -> argparse.ArgumentParser:
    """Describe the options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bambi-python", help="interpreter of an environment that has Bambi")
    parser.add_argument("--rstanarm", action="store_true", help="R has rstanarm")
    parser.add_argument("--draws", type=int, default=2000, help="per chain, four chains")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each sampler")
    parser.add_argument("--insteval", action="store_true", help="also InstEval, half a minute each")
    parser.add_argument("--child", choices=["insteval"], help=argparse.SUPPRESS)
    return parser


def main() -> None:
    """Measure; the last line is {"lines": Markdown, "agree": whether all means do}."""
    arguments = options().parse_args()
    if arguments.child:
        print(json.dumps(insteval()))
        return
    with tempfile.TemporaryDirectory() as folder:
        csv = str(Path(folder) / "sleepstudy.csv")
        bb.load_dataset("sleepstudy").to_csv(csv, index=False)
        lines = measured(arguments, csv)
    if arguments.insteval:
        lines += insteval_lines(arguments.rounds)
    print(json.dumps({"lines": lines, "agree": not any("means differ" in one for one in lines)}))


if __name__ == "__main__":
    main()
