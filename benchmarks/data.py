"""The data sets of the fits and their models: published ones, and simulated ones with their recipes and seeds.

    python benchmarks/data.py FOLDER [NAME ...]        writes the CSV files that every tool reads

The crossed designs are like kb07 (Kronmueller and Barr 2007), the usual example of a maximal model: 56 subjects, 32
items, 2 x 2 x 2 conditions S, P, L coded +-1, every subject once with every item, in a Latin square, two rows
missing. All random coefficients vary, so that the optimum is no boundary point.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple


class Case(NamedTuple):
    """One data set and its model; ``columns`` go to all tools, ``factors`` are categories there."""

    formula: str
    columns: tuple[str, ...]
    factors: tuple[str, ...]
    what: str
    skip: tuple[str, ...] = ()  # tools that cannot state this model
    rows: int = 0  # of a simulated one-way or crossed design; 0: see simulate() and load_dataset()
    levels: tuple[int, ...] = ()
    methods: tuple[str, ...] = ("REML", "ML")


FULL = "1 + S + P + L + SP + SL + PL + SPL"
KB07 = ("y", "S", "P", "L", "SP", "SL", "PL", "SPL", "subj", "item")
# gpboost has no correlation of slope and intercept, nlme no crossed factors; statsmodels has neither crossed factors
# with correlated slopes nor sparse ones (one dense block for all of the data: hours for InstEval)
CROSSED, NESTED = ("statsmodels", "nlme", "gpboost"), ("statsmodels",)
CASES = {
    "sleepstudy": Case(
        "Reaction ~ Days + (Days | Subject)",
        ("Reaction", "Days", "Subject"),
        ("Subject",),
        "180 rows, 36 effects, 3 thetas",
        ("gpboost",),
    ),
    "chem97": Case(
        "score ~ gcsecnt + (1 | lea) + (1 | school)",
        ("score", "gcsecnt", "lea", "school"),
        ("lea", "school"),
        "31 022 rows, 2 541 effects, nested, 2 thetas",
        NESTED,
    ),
    "insteval": Case(
        "y ~ service + (1 | s) + (1 | d) + (1 | dept:service)",
        ("y", "service", "s", "d", "dept"),
        ("service", "s", "d", "dept"),
        "73 421 rows, 4 128 effects, crossed, 3 thetas",
        ("statsmodels", "nlme"),
    ),
    "kb07like": Case(
        f"y ~ {FULL} + (1 + P | subj) + (1 + P | item)",
        KB07,
        ("subj", "item"),
        "1 790 rows, 176 effects, crossed, 6 thetas",
        CROSSED,
    ),
    "maximal": Case(
        f"y ~ {FULL} + ({FULL} | subj) + ({FULL} | item)",
        KB07,
        ("subj", "item"),
        "1 790 rows, 704 effects, crossed, 72 thetas",
        CROSSED,
    ),
}
SCALE = {
    "slopes": Case(
        "y ~ x + (x | g)",
        ("y", "x", "g"),
        ("g",),
        "1 000 000 rows, 100 000 levels with slopes",
        ("gpboost",),
        1_000_000,
        (100_000,),
        ("REML",),
    ),
    "two factors": Case(
        "y ~ x + (1 | a) + (1 | b)",
        ("y", "x", "a", "b"),
        ("a", "b"),
        "500 000 rows, 20 000 x 2 000 levels, crossed",
        ("statsmodels", "nlme"),
        500_000,
        (20_000, 2_000),
        ("ML",),
    ),
}
ALL = CASES | SCALE
SEED = 20_260_601


def latin_square(subjects: int = 56, items: int = 32) -> Any:
    """Subject, item and +-1 codes of the eight conditions of all pairs, item by item within a subject."""
    import numpy as np

    subj, item = (x.ravel() for x in np.mgrid[:subjects, :items])
    condition = (subj + item) % 8
    s, p, ell = (2.0 * ((condition >> bit) & 1) - 1 for bit in (2, 1, 0))
    return subj, item, np.stack([np.ones_like(s), s, p, ell, s * p, s * ell, p * ell, s * p * ell], axis=1)


def covariance(first: float, slope: float, correlation: float, size: int) -> Any:
    """An intercept and size - 1 slopes with their sds, every pair with the same correlation."""
    import numpy as np

    sds = np.array([first, *[slope] * (size - 1)])
    return (correlation + (1 - correlation) * np.eye(size)) * np.outer(sds, sds)


def simulate(name: str) -> Any:
    """Simulate kb07like (intercept and P vary) or maximal (all eight vary); residual sd 1. A DataFrame."""
    import numpy as np
    import pandas as pd

    random = np.random.default_rng(SEED)
    subj, item, X = latin_square()
    varying = [0, 2] if name == "kb07like" else list(range(8))
    by_subject = random.multivariate_normal(
        np.zeros(len(varying)), covariance(1.2, 0.8, 0.2, len(varying)), 56
    )
    by_item = random.multivariate_normal(np.zeros(len(varying)), covariance(1.5, 0.9, -0.1, len(varying)), 32)
    beta = np.array([20.0, -0.6, -3.0, 0.8, 0.2, -0.2, 0.1, 0.05])
    y = X @ beta + ((by_subject[subj] + by_item[item]) * X[:, varying]).sum(axis=1)
    y = y + random.standard_normal(len(y))
    keep = np.sort(random.permutation(len(y))[: len(y) - 2])
    columns = dict(zip(KB07[1:8], X.T[1:].astype(int), strict=True))
    frame = pd.DataFrame({"y": y, **columns, "subj": subj, "item": item})
    for factor, letter in (("subj", "s"), ("item", "i")):
        frame[factor] = [f"{letter}{k:02d}" for k in frame[factor]]
    return frame.iloc[keep].reset_index(drop=True)


def frame_of(name: str) -> Any:
    """Return the data of a case, published or simulated."""
    case = ALL[name]
    if case.rows:
        import scale_data

        make = scale_data.one_factor if len(case.levels) == 1 else scale_data.crossed
        return make(case.rows, *case.levels, None, seed=SEED)
    if name in ("kb07like", "maximal"):
        return simulate(name)
    import blupbayes as bb

    return bb.load_dataset(name)


def export(folder: str, *names: str) -> dict[str, str]:
    """Write the data sets as CSV files; name -> path."""
    paths = {name: str(Path(folder) / f"{name.replace(' ', '_')}.csv") for name in names}
    for name, path in paths.items():
        frame_of(name)[list(ALL[name].columns)].to_csv(path, index=False)
    return paths


if __name__ == "__main__":
    print(json.dumps(export(sys.argv[1], *(sys.argv[2:] or CASES))))
