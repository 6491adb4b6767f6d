"""The measurements that fit.py makes, each in a process of its own. Imports are late: they are measured too.

Called as ``python children.py fit TOOL DATA METHOD CSV SECONDS LEAST``; the last line of stdout is JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple


class Case(NamedTuple):
    """One data set and its model; ``columns`` go to all tools, ``factors`` are categories there."""

    formula: str
    columns: tuple[str, ...]
    factors: tuple[str, ...]
    methods: tuple[str, ...]
    skip: tuple[str, ...] = ()  # tools that need more than five minutes


CASES = {
    "sleepstudy": Case(
        "Reaction ~ Days + (Days | Subject)", ("Reaction", "Days", "Subject"), ("Subject",), ("REML", "ML")
    ),
    "chem97": Case(
        "score ~ gcsecnt + (1 | lea) + (1 | school)",
        ("score", "gcsecnt", "lea", "school"),
        ("lea", "school"),
        ("REML", "ML"),
        ("statsmodels",),
    ),
    "insteval": Case(
        "y ~ service + (1 | s) + (1 | d) + (1 | dept:service)",
        ("y", "service", "s", "d", "dept"),
        ("service", "s", "d", "dept"),
        ("REML", "ML"),
        ("statsmodels",),
    ),
}


def repeat(once: Callable[[], dict[str, float]], seconds: float, least: int) -> dict[str, Any]:
    """Run ``once`` until ``seconds`` have passed and ``least`` runs are made: times and criterion.

    A run before those that count pays for late imports and compilation, unless only one is asked for.
    """
    runs = [once()]
    if least > 1:
        begun = time.perf_counter()
        runs = []
        while len(runs) < least or (len(runs) < 500 and time.perf_counter() - begun < seconds):
            runs.append(once())
    return {"criterion": runs[-1]["criterion"]} | {
        key: [run[key] for run in runs] for key in ("whole", "alone")
    }


def read_frame(path: str, factors: Sequence[str]) -> Any:
    """Read the CSV that all tools read."""
    import pandas as pd

    return pd.read_csv(path, dtype=dict.fromkeys(factors, "category"))


def run_blupbayes(frame: Any, case: Case, method: str) -> dict[str, float]:
    """Time a fit from formula and frame, and a fit of a model that is already reduced."""
    import blupbayes as bb

    begun = time.perf_counter()
    fit = bb.MixedModel(case.formula, frame).fit(method)
    whole = time.perf_counter() - begun
    model = bb.MixedModel(case.formula, frame)
    _ = model.statistics
    begun = time.perf_counter()
    model.fit(method)
    return {"criterion": fit.criterion, "whole": whole, "alone": time.perf_counter() - begun}


def run_mixedlm(frame: Any, case: Case, method: str) -> dict[str, float]:
    """Time mixedlm.lmer, and its optimiser on matrices that are already made."""
    import mixedlm as mlm

    begun = time.perf_counter()
    fit = mlm.lmer(case.formula, frame, REML=method == "REML")
    whole = time.perf_counter() - begun
    parts = mlm.lFormula(case.formula, frame, REML=method == "REML")
    begun = time.perf_counter()
    devfun = mlm.mkLmerDevfun(parts)
    mlm.mkLmerMod(devfun, mlm.optimizeLmer(devfun, method="auto"))
    return {"criterion": -2 * fit.logLik().value, "whole": whole, "alone": time.perf_counter() - begun}


def run_statsmodels(frame: Any, case: Case, method: str) -> dict[str, float]:
    """Time MixedLM of sleepstudy, the one case of the three that it fits within minutes."""
    import statsmodels.formula.api as smf

    begun = time.perf_counter()
    model = smf.mixedlm("Reaction ~ Days", frame, groups="Subject", re_formula="~Days")
    made = time.perf_counter()
    fit = model.fit(reml=method == "REML")
    return {
        "criterion": -2 * fit.llf,
        "whole": time.perf_counter() - begun,
        "alone": time.perf_counter() - made,
    }


def measure_fit(tool: str, data: str, method: str, path: str, seconds: str, least: str) -> dict[str, Any]:
    """Fit in this process and report times, criterion and version."""
    from importlib.metadata import version

    once = {"blupbayes": run_blupbayes, "mixedlm": run_mixedlm, "statsmodels": run_statsmodels}[tool]
    case = CASES[data]
    frame = read_frame(path, case.factors)
    found = repeat(lambda: once(frame, case, method), float(seconds), int(least))
    return {"tool": f"{tool} {version(tool)}", **found}


def measure_first(data: str, path: str) -> dict[str, float]:
    """Time the first REML fit of a fresh process, after the import."""
    import blupbayes as bb

    frame = read_frame(path, CASES[data].factors)
    begun = time.perf_counter()
    bb.MixedModel(CASES[data].formula, frame).fit("REML")
    return {"seconds": time.perf_counter() - begun}


def measure_import(modules: str) -> dict[str, float]:
    """Time an import, in a fresh process."""
    import importlib

    begun = time.perf_counter()
    for name in modules.split(","):
        importlib.import_module(name)
    return {"seconds": time.perf_counter() - begun}


def measure_export(folder: str, *names: str) -> dict[str, str]:
    """Write the data sets as the CSV files that every tool reads."""
    import blupbayes as bb

    paths = {name: str(Path(folder) / f"{name}.csv") for name in names}
    for name, path in paths.items():
        bb.load_dataset(name)[list(CASES[name].columns)].to_csv(path, index=False)
    return paths


MEASUREMENTS: dict[str, Callable[..., dict[str, Any]]] = {
    "fit": measure_fit,
    "first": measure_first,
    "import": measure_import,
    "export": measure_export,
}

if __name__ == "__main__":
    print(json.dumps(MEASUREMENTS[sys.argv[1]](*sys.argv[2:])))
