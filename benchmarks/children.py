"""What fit.py and start.py measure in Python, each in a process of its own. Imports are late: they are measured too.

Called as ``python children.py '{"measure": "fit", ...}'``; the last line of stdout is JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from data import ALL, Case

DISTRIBUTIONS = {
    "blupbayes": ("blupbayes",),
    "mixedlm": ("mixedlm",),
    "statsmodels": ("statsmodels", "statsmodels.formula.api"),
    "lme-python": ("lme_python",),
    "gpboost": ("gpboost",),
}  # tool -> the modules that a fit needs; the distribution has the tool's name

Run = dict[str, float]


def elapsed(since: float) -> float:
    """Seconds."""
    return time.perf_counter() - since


def run_blupbayes(frame: Any, case: Case, method: str, strict: bool) -> Run:
    """Fit from formula and frame; then the fit of a model that is already reduced."""
    import blupbayes as bb

    begun = time.perf_counter()
    fit = bb.MixedModel(case.formula, frame).fit(method)
    whole = elapsed(begun)
    model = bb.MixedModel(case.formula, frame)
    _ = model.statistics
    begun = time.perf_counter()
    model.fit(method)
    return {"criterion": fit.criterion, "whole": whole, "alone": elapsed(begun)}


def run_mixedlm(frame: Any, case: Case, method: str, strict: bool) -> Run:
    """Fit with mixedlm.lmer; then its optimiser on matrices that are already made."""
    import mixedlm as mlm

    control = mlm.lmerControl(ftol=1e-14, gtol=1e-8, maxiter=100_000) if strict else None
    begun = time.perf_counter()
    fit = mlm.lmer(case.formula, frame, REML=method == "REML", control=control)
    found = {"criterion": -2 * fit.logLik().value, "whole": elapsed(begun)}
    if strict:
        return found
    parts = mlm.lFormula(case.formula, frame, REML=method == "REML")
    begun = time.perf_counter()
    devfun = mlm.mkLmerDevfun(parts)
    mlm.mkLmerMod(devfun, mlm.optimizeLmer(devfun, method="auto"))
    return found | {"alone": elapsed(begun)}


def run_statsmodels(frame: Any, case: Case, method: str, strict: bool) -> Run:
    """Fit MixedLM with one grouping factor, or nested ones as a variance component."""
    import statsmodels.formula.api as smf

    fixed, _, random = case.formula.partition(" + (")
    slopes, _, group = random.rstrip(")").partition(" | ")
    begun = time.perf_counter()
    model = smf.mixedlm(fixed, frame, groups=group, re_formula=f"~{slopes}")
    made = time.perf_counter()
    fit = model.fit(reml=method == "REML", **({"gtol": 1e-10} if strict else {}))
    return {"criterion": -2 * fit.llf, "whole": elapsed(begun), "alone": elapsed(made)}


def run_lme_python(frame: Any, case: Case, method: str, strict: bool) -> Run:
    """Fit with lme_python.lmer; then a model that is already prepared."""
    import lme_python

    tight = lme_python.FitControl(max_iterations=100_000, tolerance=1e-12)
    options = {"control": tight if strict else lme_python.FitControl()}
    begun = time.perf_counter()
    fit = lme_python.lmer(case.formula, frame, reml=method == "REML", **options)
    whole = elapsed(begun)
    prepared = lme_python.prepare_lmer(case.formula, frame)
    begun = time.perf_counter()
    lme_python.fit_prepared(prepared, method == "REML", **options)
    return {"criterion": -2 * fit.log_likelihood, "whole": whole, "alone": elapsed(begun)}


def run_gpboost(frame: Any, case: Case, method: str, strict: bool) -> Run:
    """Fit GPModel with intercepts of every factor, by ML; strict: exact Cholesky, not the stochastic default."""
    import gpboost
    import numpy as np

    threads = int(os.environ.get("OMP_NUM_THREADS", "0")) or None
    exact = {"matrix_inversion_method": "cholesky"} if strict else {}
    begun = time.perf_counter()
    y, X, groups = intercepts(frame, case)
    made = time.perf_counter()
    model = gpboost.GPModel(group_data=groups, likelihood="gaussian", num_parallel_threads=threads, **exact)
    model.fit(y=y, X=X, params={"delta_rel_conv": 1e-10, "maxit": 10_000} if strict else {})
    assert np.isfinite(model.get_coef().to_numpy()).all()
    criterion = 2 * model.get_current_neg_log_likelihood()
    return {"criterion": criterion, "whole": elapsed(begun), "alone": elapsed(made)}


def intercepts(frame: Any, case: Case) -> tuple[Any, Any, Any]:
    """y, X and the codes of the groups of a formula like y ~ x + (1 | a) + (1 | a:b), with one covariate."""
    import numpy as np

    response, _, right = case.formula.partition(" ~ ")
    covariate, *groups = right.replace("(1 | ", "").replace(")", "").split(" + ")
    x = frame[covariate]
    column = (x.cat.codes if covariate in case.factors else x).to_numpy(dtype=float)
    codes = [frame.groupby(group.split(":"), observed=True).ngroup().to_numpy() for group in groups]
    return (
        frame[response].to_numpy(dtype=float),
        np.column_stack([np.ones(len(frame)), column]),
        np.column_stack(codes),
    )


RUNS: dict[str, Callable[[Any, Case, str, bool], Run]] = {
    "blupbayes": run_blupbayes,
    "mixedlm": run_mixedlm,
    "statsmodels": run_statsmodels,
    "lme-python": run_lme_python,
    "gpboost": run_gpboost,
}


def repeat(once: Callable[[], Run], seconds: float, least: int, long: float) -> dict[str, Any]:
    """Run ``once`` until ``seconds`` have passed and ``least`` runs are made: times and criterion.

    A run before those that count pays for late imports and compilation, unless only one is asked for or it took
    longer than ``long`` seconds.
    """
    runs = [once()]
    if least > 1 and runs[0]["whole"] < long:
        begun = time.perf_counter()
        runs = []
        while len(runs) < least or (len(runs) < 500 and elapsed(begun) < seconds):
            runs.append(once())
    return {"criterion": runs[-1]["criterion"]} | {
        key: [run[key] for run in runs if key in run] for key in ("whole", "alone")
    }


def read_frame(asked: dict[str, Any]) -> tuple[Any, Case]:
    """Read the CSV that all tools read."""
    import pandas as pd

    case = ALL[asked["data"]]
    return pd.read_csv(asked["path"], dtype=dict.fromkeys(case.factors, "category")), case


def imported(modules: tuple[str, ...]) -> float:
    """Seconds of an import."""
    import importlib

    begun = time.perf_counter()
    for name in modules:
        importlib.import_module(name)
    return elapsed(begun)


def measure_fit(asked: dict[str, Any]) -> dict[str, Any]:
    """Fit in this process: import, times, criterion and version."""
    from importlib.metadata import version

    tool = asked["tool"]
    seconds = imported(DISTRIBUTIONS[tool])
    frame, case = read_frame(asked)
    way = asked["way"] == "strict"
    found = repeat(
        lambda: RUNS[tool](frame, case, asked["method"], way), asked["seconds"], asked["least"], asked["long"]
    )
    return {"tool": f"{tool} {version(tool)}", "import": seconds, **found}


def measure_import(asked: dict[str, Any]) -> dict[str, Any]:
    """Import modules, in a fresh process."""
    return {"import": imported(tuple(asked["modules"]))}


def measure_has(asked: dict[str, Any]) -> dict[str, Any]:
    """Which of the tools this Python has, and what it runs on."""
    import platform
    from importlib.metadata import distributions

    found = {one.metadata["Name"].lower().replace("_", "-"): one.version for one in distributions()}
    return {
        "tools": [tool for tool in asked["tools"] if tool in found],
        "python": platform.python_version(),
        "versions": {name: found[name] for name in asked["versions"] if name in found},
        "blas": blas() if "numpy" in found else "",
    }


def blas() -> str:
    """Name and version of NumPy's BLAS."""
    import numpy as np

    built = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return f"{built['name']} {built['version']}"


MEASUREMENTS = {"fit": measure_fit, "import": measure_import, "has": measure_has}

if __name__ == "__main__":
    request = json.loads(sys.argv[1])
    print(json.dumps(MEASUREMENTS[request["measure"]](request)))
