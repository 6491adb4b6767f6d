"""Time and memory against rows and levels: reduction, fit and exact posterior, each size in fresh processes.

Part of run.py; alone:

    python benchmarks/scale.py --quick                 small sizes
    python benchmarks/scale.py --largest 1e7           no more rows than that
    python benchmarks/scale.py --in-memory             from tables in memory, not from Parquet in batches

Data are those of scale_data.py. A process imports, then runs a model of one batch of the same kind (start-up: compiled
code is loaded, memory is taken for the first time; reported apart), then the stages; peak memory is read after each.
Everything measured goes to scale.csv, which plots.py draws.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from process import HERE, Found, measure, needed
from tables import header, row, three

CSV = HERE / "scale.csv"
COLUMNS = (
    "growth", "rows", "levels", "second", "run", "way", "start", "reduce", "fit", "integrate",
    "MB start", "MB reduce", "MB fit", "MB integrate", "note",
)  # fmt: skip
STAGES = ("reduce", "fit", "integrate")
FORMULAS = {"one_factor": "y ~ x + (x | g)", "crossed": "y ~ x + (1 | a) + (1 | b)"}
SMALL = {
    "one_factor": (500_000, 2_000),
    "crossed": (500_000, 2_000, 200),
}  # one batch: compiled code, and memory


class Growth(NamedTuple):
    """One line of sizes: what grows, the recipe, its sizes, and from which size on the slope is fitted."""

    name: str
    recipe: str
    sizes: tuple[tuple[int, ...], ...]
    axis: int  # 0: rows, 1: levels, 2: levels of the smaller factor
    since: int
    stages: tuple[str, ...] = STAGES


FULL = (
    Growth("rows", "one_factor", tuple((10**k, 1_000) for k in (5, 6, 7, 8)), 0, 1_000_000),
    Growth(
        "levels", "one_factor", tuple((10_000_000, 10**k) for k in (3, 4, 5, 6)), 1, 10_000, ("reduce", "fit")
    ),
    Growth(
        "levels in a posterior",
        "one_factor",
        tuple((1_000_000, k) for k in (300, 1_000, 3_000, 10_000)),
        1,
        300,
    ),
    Growth(
        "smaller factor",
        "crossed",
        tuple((5_000_000, 100_000, k) for k in (500, 1_000, 2_000, 5_000, 10_000)),
        2,
        1_000,
        ("reduce", "fit"),
    ),
)
LONG = 120.0  # seconds: what takes longer is measured once
QUICK = (
    Growth("rows", "one_factor", ((100_000, 1_000), (300_000, 1_000), (1_000_000, 1_000)), 0, 100_000),
    Growth("levels", "one_factor", ((100_000, 1_000), (100_000, 3_000), (100_000, 10_000)), 1, 1_000),
    Growth(
        "smaller factor", "crossed", ((100_000, 5_000, 200), (100_000, 5_000, 500)), 2, 200, ("reduce", "fit")
    ),
)


def child(asked: dict[str, Any]) -> Iterator[Found]:
    """Measure one size in this process; after every stage what is known so far."""
    import blupbayes as bb

    def model_of(path: str) -> Any:
        if asked["way"] == "batches":
            return bb.MixedModel.from_batches(asked["formula"], path)
        import pandas as pd

        return bb.MixedModel(asked["formula"], pd.read_parquet(path))

    def reduced(path: str) -> Any:
        model = model_of(path)
        _ = model.statistics
        return model

    def timed(name: str, work: Callable[[], Any]) -> Any:
        begun = time.perf_counter()
        done = work()
        found[name] = time.perf_counter() - begun
        found[f"MB {name}"] = peak()
        return done

    found: Found = {}
    for path, names in ((asked["small"], ()), (asked["path"], asked["stages"])):
        if not names:
            begun = time.perf_counter()
            small = reduced(path)
            small.fit()
            if "integrate" in asked["stages"]:
                small.integrate()
            found |= {"start": time.perf_counter() - begun, "MB start": peak()}
            yield found
            continue
        model = timed("reduce", lambda path=path: reduced(path))
        yield found
        for name in names[1:]:
            timed(name, getattr(model, name))
            yield found


def peak() -> float:
    """Peak memory of this process so far, MB."""
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / (1024**2 if sys.platform == "darwin" else 1024)


def make_data(recipe: str, sizes: Sequence[int], folder: Path) -> str:
    """Write the Parquet file of a size, unless it is there."""
    path = folder / f"{recipe}_{'_'.join(map(str, sizes))}.parquet"
    if not path.exists():
        words = [recipe, *map(str, sizes), str(path)]
        made = measure([sys.executable, "-c", MAKE, str(HERE), *words])
        needed(made)
    return str(path)


MAKE = """
import runpy, sys
here, *words = sys.argv[1:]
sys.argv = [here, *words]
runpy.run_path(here + "/scale_data.py", run_name="__main__")
print("{}")
"""


def measured(
    growth: Growth, sizes: tuple[int, ...], run: int, way: str, paths: Sequence[str], limit: float
) -> Found:
    """Run one child; a row of scale.csv."""
    asked = {"formula": FORMULAS[growth.recipe], "path": paths[0], "small": paths[1]}
    request = json.dumps(asked | {"way": way, "stages": growth.stages})
    made = measure([sys.executable, str(HERE / "scale.py"), "--child", request], limit=limit)
    known = made.get("known", {}) | made
    padded = dict(zip(("rows", "levels", "second"), (*sizes, ""), strict=False))
    own = {"growth": growth.name, "run": run, "way": way, "note": made.get("failed", "")}
    return {name: (own | padded | known).get(name, "") for name in COLUMNS}


def all_rows(
    growths: Iterable[Growth], runs: int, way: str, folder: Path, keep: bool, limit: float
) -> Iterator[Found]:
    """Measure everything, size by size."""
    for growth in growths:
        small = make_data(growth.recipe, SMALL[growth.recipe], folder)
        for sizes in growth.sizes:
            path = make_data(growth.recipe, sizes, folder)
            for run in range(runs):
                found = measured(growth, sizes, run, way, (path, small), limit)
                print(", ".join(f"{k} {v}" for k, v in found.items() if v != ""), file=sys.stderr, flush=True)
                yield found
                if found["note"] or sum(float(found[stage] or 0) for stage in growth.stages) > LONG:
                    break
            if not keep and path != small:
                Path(path).unlink()


def slope(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Slope of the least-squares line through the logarithms; nan for fewer than two sizes."""
    if len(sizes) < 2:
        return math.nan
    x, y = [math.log(size) for size in sizes], [math.log(value) for value in values]
    middle_x, middle_y = sum(x) / len(x), sum(y) / len(y)
    products = sum((a - middle_x) * (b - middle_y) for a, b in zip(x, y, strict=True))
    return products / sum((a - middle_x) ** 2 for a in x)


def read(path: Path = CSV) -> list[dict[str, str]]:
    """Rows of scale.csv."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def medians(rows: Iterable[dict[str, Any]], growth: Growth, name: str) -> dict[int, list[float]]:
    """Size -> the runs of one column."""
    found: dict[int, list[float]] = {}
    for one in rows:
        if one["growth"] == growth.name and one[name] != "":
            found.setdefault(int(one[("rows", "levels", "second")[growth.axis]]), []).append(float(one[name]))
    return found


def fitted(rows: Iterable[dict[str, Any]], growth: Growth, name: str) -> float:
    """Slope of the medians of a column, from the stated size on."""
    found = {size: median(runs) for size, runs in medians(rows, growth, name).items() if size >= growth.since}
    return slope(list(found), list(found.values()))


def table(rows: list[dict[str, Any]], growth: Growth) -> list[str]:
    """One line for each size, and one with the slopes."""
    names = (*growth.stages, *(f"MB {stage}" for stage in growth.stages))
    titles = [f"{stage}, s" for stage in growth.stages] + [
        f"peak after {stage}, MB" for stage in growth.stages
    ]
    lines = header([growth.name, *titles, "note"])
    for size in sorted(
        {int(one[("rows", "levels", "second")[growth.axis]]) for one in rows if one["growth"] == growth.name}
    ):
        cells = [medians(rows, growth, name).get(size, []) for name in names]
        notes = {one["note"] for one in rows if one["growth"] == growth.name and note_of(one, growth, size)}
        lines.append(
            row(
                f"{size:,}".replace(",", " "),
                *(three(c) if c else "" for c in cells),
                "; ".join(notes),
                width=len(names) + 2,
            )
        )
    slopes = [fitted(rows, growth, name) for name in names]
    words = ["" if math.isnan(one) else f"{one:.2f}".replace("-0.00", "0.00") for one in slopes]
    since = f"{growth.since:,}".replace(",", " ")
    return [*lines, row(f"slope from {since} on", *words, "", width=len(names) + 2)]


def note_of(one: dict[str, Any], growth: Growth, size: int) -> bool:
    """Whether a row is of this size and says something."""
    return bool(one["note"]) and int(one[("rows", "levels", "second")[growth.axis]]) == size


def what(growth: Growth) -> str:
    """Say what was held while something grew."""
    rows, *levels = (f"{size:,}".replace(",", " ") for size in growth.sizes[0])
    held = {
        0: f"{levels[0]} levels",
        1: f"{rows} rows",
        2: f"{rows} rows, {levels[0]} levels of the larger factor",
    }
    return f"`{FORMULAS[growth.recipe]}`, {held[growth.axis]}:"


def write(rows: Iterable[Found]) -> None:
    """Write scale.csv."""
    with CSV.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def section(
    quick: bool,
    runs: int,
    way: str,
    folder: str | None,
    largest: float,
    limit: float,
    only: Sequence[str] = (),
) -> list[str]:
    """Measure and make the Markdown; write scale.csv and the figures, unless it is quick.

    ``only``: names of growths; the others stay as they are in scale.csv.
    """
    growths = capped(QUICK if quick else FULL, largest)
    chosen = [growth for growth in growths if not only or growth.name in only]
    names = [growth.name for growth in chosen]
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(folder or temporary)
        rows = list(all_rows(chosen, runs, way, place, folder is not None, limit))
    if not quick:
        kept = [one for one in read() if one["growth"] not in names] if CSV.exists() and only else []
        rows = sorted([*kept, *rows], key=lambda one: [growth.name for growth in FULL].index(one["growth"]))
        write(rows)
    lines = []
    for growth in growths:
        if any(one["growth"] == growth.name for one in rows):
            lines += [what(growth), "", *table(rows, growth), ""]
    return lines if quick else [*lines, *figures()]


def capped(growths: Iterable[Growth], largest: float) -> list[Growth]:
    """Leave out the sizes with more rows than ``largest``."""
    kept = [g._replace(sizes=tuple(s for s in g.sizes if s[0] <= largest)) for g in growths]
    return [growth for growth in kept if growth.sizes]


def figures() -> list[str]:
    """Draw what is in scale.csv; the lines that show it."""
    needed(measure([sys.executable, str(HERE / "plots.py")]))
    return [f"![Time and memory against {name}](figures/{name.replace(' ', '_')}.png)" for name in plotted()]


def plotted() -> list[str]:
    """Names of the growths in scale.csv."""
    return list(dict.fromkeys(one["growth"] for one in read()))


def options() -> argparse.ArgumentParser:
    """Describe the options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--largest", type=float, default=1e8, help="rows (1e8)")
    parser.add_argument("--growth", nargs="+", choices=[growth.name for growth in FULL], default=[])
    parser.add_argument("--folder", help="keep the data here (default: a temporary folder)")
    parser.add_argument("--limit", type=float, default=1800, help="seconds of one process (1800)")
    parser.add_argument("--in-memory", action="store_true")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    given = options().parse_args()
    if given.child:
        for so_far in child(json.loads(given.child)):
            print(json.dumps(so_far), flush=True)
    else:
        way = "memory" if given.in_memory else "batches"
        amount = (given.runs, way, given.folder, given.largest, given.limit, given.growth)
        print("\n".join(section(given.quick, *amount)))
