"""Write README's performance table from RESULTS.md, between two comments; nothing is measured here.

python benchmarks/readme_table.py            rewrite it
python benchmarks/readme_table.py --check    only compare; exit 1 on a difference
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from tables import read_tables

ROOT = Path(__file__).resolve().parents[1]
START, END = "<!-- performance: from benchmarks/RESULTS.md -->", "<!-- end -->"
TOOLS = ("lme4", "glmmTMB", "nlme", "mixedlm", "lme-python", "statsmodels", "gpboost")
WIDTHS = (11, 7, *(max(len(tool), 8) + 1 for tool in TOOLS))

Row = dict[str, str]


def part(results: str, name: str) -> list[str]:
    """Lines of one part of RESULTS.md; none if it is not there."""
    found = re.search(rf"<!-- {name} -->\n(.*?)<!-- end of {name} -->", results, re.S)
    return found[1].splitlines() if found else []


def first(cell: str) -> str:
    """Return the median of a cell like 12.3 [11.0, 14.2]."""
    return cell.split(" ")[0]


def bare(tool: str) -> str:
    """Name of a tool without its version and way."""
    return tool.split(" ")[0]


def cell(rows: list[Row], tool: str) -> str:
    """Ratio of a tool's default, else of its strict settings; else why there is none; - if it was not run."""
    own = [row for row in rows if bare(row["tool"]) == tool and "no derivatives" not in row["tool"]]
    timed = [row for row in own if row["x"]]
    if timed:
        return first(timed[0]["x"]) + ("*" if "strict" in timed[0]["tool"] else "")
    return short(own[0]) if own else "-"


def short(row: Row) -> str:
    """Shorten the reason why a tool has no time."""
    said = " ".join(row.values())
    for pattern, form in ((r"stops (\S+) above", "+{}"), (r"not finished after (\d+) s", ">{} s")):
        if found := re.search(pattern, said):
            return form.format(found[1])
    return "differs" if "BELOW" in said else "fails"


def fit_lines(results: str) -> list[str]:
    """One line for each data set: our time of a REML fit, and every tool's ratio (gpboost: of ML)."""
    rows = read_tables(part(results, "fit"))
    lines = []
    for data in dict.fromkeys(heading for heading, _ in rows):
        of = {
            method: [row for name, row in rows if (name, row["method"]) == (data, method)]
            for method in ("REML", "ML")
        }
        ours = next(row for row in of["REML"] if bare(row["tool"]) == "blupbayes")
        cells = [cell(of["ML" if tool == "gpboost" else "REML"], tool) for tool in TOOLS]
        lines.append(aligned(data, first(ours["formula and frame, ms"]) or "none", *cells))
    return lines


def aligned(*cells: str) -> str:
    """Columns of fixed widths, the first to the left."""
    padded = [cells[0].ljust(WIDTHS[0]), *(c.rjust(w) for c, w in zip(cells[1:], WIDTHS[1:], strict=True))]
    return "".join(padded).rstrip()


def posterior_line(results: str) -> str:
    """Say how long the exact posterior takes, and how many times longer the samplers."""
    lines = part(results, "posterior")
    took = next((found[1] for one in lines if (found := re.match(r"Exact posterior of .*?: (\S+)", one))), "")
    rows = [row for _, row in read_tables(lines) if row["x"]]
    best: dict[str, float] = {}
    for row in rows:
        name = "PyMC" if "PyMC" in row["tool"] else bare(row["tool"])
        best[name] = min(best.get(name, float("inf")), float(first(row["x"])))
    ratios = ", ".join(f"{name} x {value:.0f}" for name, value in best.items())
    return f"exact posterior of sleepstudy {took} ms; draws to 1 % of an sd: {ratios}" if took else ""


def table(results: str) -> str:
    """Everything between the two comments: at most eight lines."""
    title = aligned("REML fit", "our ms", *TOOLS)
    lines = [title, *fit_lines(results), posterior_line(results)]
    note = "in multiples of ours; +: stops that much above our criterion; *: tolerances tightened; -: not run"
    return "\n".join(["```text", *(line for line in [*lines, note] if line), "```"])


def renewed(readme: str, results: str) -> str:
    """Return README with the table that RESULTS.md gives."""
    pattern = re.compile(rf"{re.escape(START)}.*?{re.escape(END)}", re.S)
    if not pattern.search(readme):
        raise ValueError(f"README.md has no place for the table: {START} ... {END}")
    return pattern.sub(lambda _: f"{START}\n{table(results)}\n{END}", readme)


def main(arguments: list[str]) -> int:
    """Rewrite README.md, or with --check say whether it is what RESULTS.md gives."""
    page = ROOT / "README.md"
    old = page.read_text(encoding="utf-8")
    new = renewed(old, (ROOT / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8"))
    print(f"README.md: {'as RESULTS.md gives' if old == new else 'another table'}")
    if "--check" in arguments:
        return int(old != new)
    page.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
