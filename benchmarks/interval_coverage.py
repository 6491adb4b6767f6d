"""Do the intervals work? Simulated coverage in the balanced one-way layout of 6 groups x 5 rows, over the ICC.

    uv run python benchmarks/interval_coverage.py                      2000 data sets at each of four ICCs
    uv run python benchmarks/interval_coverage.py --n 500 --jobs 2

Group means: BLUP +- z cond_sd, BLUP +- z pev_sd (of the mean), equal-tailed intervals of the exact posterior under a
flat prior of the sd. The sd of the groups: Wald interval of the variance, profile likelihood. 95 % nominal.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pandas as pd

import blupbayes as bb

ICCS = (0.05, 0.20, 0.42, 0.80)
COLUMNS = {
    ("blup cond_sd", "group_mean"): "BLUP +- z cond_sd",
    ("blup pev_sd", "group_mean"): "BLUP +- z pev_sd",
    ("posterior", "group_mean"): "posterior, flat sd",
    ("wald", "sd"): "Wald, variance",
    ("profile", "sd"): "profile, ML",
    ("profile REML", "sd"): "profile, REML",
}


def one(model: bb.MixedModel, icc: float, n: int, jobs: int) -> tuple[dict[str, str], float]:
    """Cells of one row, and the seconds that it took."""
    started = time.perf_counter()
    table = bb.coverage(
        model, {"g": np.sqrt(icc), "residual": np.sqrt(1 - icc)}, n=n, random_seed=1, n_jobs=jobs,
        prior=bb.Prior(sd="Flat"), progressbar=False, methods=[name for name, _ in COLUMNS],
    )  # fmt: skip
    rows = table[table["group"] == "g"].set_index(["method", "component"])
    cells = {
        name: f"{rows.loc[key, 'coverage']:.3f} ({rows.loc[key, 'mc_se']:.3f})"
        for key, name in COLUMNS.items()
    }
    return cells, time.perf_counter() - started


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=2000)
    parser.add_argument("--jobs", type=int, default=1)
    given = parser.parse_args()
    frame = pd.DataFrame({"y": np.arange(30.0) % 7, "g": np.repeat(list("abcdef"), 5)})
    model = bb.MixedModel("y ~ 1 + (1 | g)", frame)
    print("| ICC | " + " | ".join(COLUMNS.values()) + " | seconds |")
    print("|---" * (len(COLUMNS) + 2) + "|")
    for icc in ICCS:
        cells, seconds = one(model, icc, given.n, given.jobs)
        print(f"| {icc:.2f} | " + " | ".join(cells.values()) + f" | {seconds:.0f} |", flush=True)


if __name__ == "__main__":
    main()
