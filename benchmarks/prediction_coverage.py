"""Do 95 % prediction intervals hold a new observation 95 times in 100? Simulated one-way data, one new row each.

    python benchmarks/prediction_coverage.py                        4000 data sets per design, about seven minutes
    python benchmarks/prediction_coverage.py --data-sets 200 --jobs 2

y = 10 + a_j + e with Var(a) = ICC = 0.4 and Var(e) = 0.6. The new row belongs to the first group, or to a group that
the data do not have. Plug-in intervals are normal, at the REML estimates; exact ones are those of the posterior under
the default prior. Both are read from the same data. Printed with the coverage is its Monte Carlo standard error.
"""

from __future__ import annotations

import argparse
import logging
import time

import numpy as np
import pandas as pd

import blupbayes as bb

ICC = 0.4
LEVEL = 0.95
DESIGNS = {"18 x 10": (18, 10, False), "50 x 5": (50, 5, False), "6 x 3": (6, 3, True)}
NEW = {"g": [0, -1]}  # an old group, and one that the data do not have
KINDS = ("old group", "new group")


def simulate(groups: int, rows: int, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """One data set, and a new observation (2,) of its first group and of a new one."""
    rng = np.random.default_rng([2026, groups, rows, seed])
    a = np.sqrt(ICC) * rng.standard_normal(groups + 1)
    e = np.sqrt(1.0 - ICC) * rng.standard_normal(groups * rows + 2)
    codes = np.repeat(np.arange(groups), rows)
    frame = pd.DataFrame({"g": codes, "y": 10.0 + a[codes] + e[:-2]})
    return frame, 10.0 + a[[0, -1]] + e[-2:]


def covered(groups: int, rows: int, seed: int, exact: bool) -> np.ndarray:
    """Whether the interval holds the new row, and how long it is: (2 kinds of row, hit and length) by estimator."""
    frame, y = simulate(groups, rows, seed)
    model = bb.MixedModel("y ~ 1 + (1 | g)", frame)
    answers = [model.fit(), *([model.integrate()] if exact else [])]
    out = []
    for answer in answers:
        found = answer.predict(NEW, new_levels="population", ci_prob=LEVEL)
        low, high = found["pi_lb"].to_numpy(), found["pi_ub"].to_numpy()
        out.append(np.column_stack([(low <= y) & (y <= high), high - low]))
    return np.array(out)


def run(groups: int, rows: int, exact: bool, data_sets: int, jobs: int) -> np.ndarray:
    """All data sets of a design (data sets, estimators, 2, 2)."""
    if jobs == 1:
        return np.array([covered(groups, rows, seed, exact) for seed in range(data_sets)])
    from joblib import Parallel, delayed

    tasks = (delayed(covered)(groups, rows, seed, exact) for seed in range(data_sets))
    return np.array(Parallel(n_jobs=jobs)(tasks))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-sets", type=int, default=4000)
    parser.add_argument("--jobs", type=int, default=1, help="more than one needs joblib")
    options = parser.parse_args()
    logging.getLogger("blupbayes").setLevel(logging.ERROR)
    print("| groups x rows | new row in | intervals | coverage, % | Monte Carlo se, % | median length |")
    print("|---|---|---|---|---|---|")
    for name, (groups, rows, exact) in DESIGNS.items():
        start = time.perf_counter()
        found = run(groups, rows, exact, options.data_sets, options.jobs)
        for k, label in enumerate(("plug-in REML", "exact posterior")[: found.shape[1]]):
            for j, kind in enumerate(KINDS):
                hit, length = found[:, k, j, 0].mean(), np.median(found[:, k, j, 1])
                error = 100 * np.sqrt(hit * (1 - hit) / len(found))
                print(f"| {name} | {kind} | {label} | {100 * hit:.2f} | {error:.2f} | {length:.3f} |")
        print(f"{name}: {len(found)} data sets in {time.perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
