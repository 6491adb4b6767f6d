"""One command for all benchmarks: fits, posterior, start-up and scale, beside every peer that is found.

    python benchmarks/run.py --quick                       minutes: one round, small sizes
    python benchmarks/run.py --threads 1 --peer-python PATH --peer-python PATH --bambi-python PATH
    python benchmarks/run.py --only fit --data sleepstudy insteval

Agreement is checked first: a time is printed only where the -2 log-likelihood is ours within 1e-5 (posteriors: means
within 4.5 Monte Carlo errors). Everything is written to benchmarks/RESULTS.md; a part that was not run stays as it is
there, with its own date and machine. This process imports nothing but the standard library: on Linux a child's peak
memory starts at that of its parent.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

import fit
import scale
import start
from data import CASES, SCALE
from fit import Budget
from peers import Peers, find, machine
from process import HERE, THREADS, measure

PARTS = {
    "fit": "Fits",
    "posterior": "Posteriors",
    "start": "Start-up",
    "scale": "Scale",
    "large": "Large data",
}
TITLE = (
    "# Results\n\nWritten by `benchmarks/run.py`; what the words mean stands in [README.md](README.md). x: how many "
    "times longer than\nblupbayes in the same run, below 1 where a peer is faster. Triples are median [minimum, "
    "maximum].\n"
)


def options() -> argparse.ArgumentParser:
    """Describe the options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one round, small sizes, short limits")
    parser.add_argument("--only", help="parts, with commas (all)")
    parser.add_argument("--data", nargs="+", choices=list(CASES), default=list(CASES), help="of the fits")
    parser.add_argument("--peer-python", metavar="PATH", action="append", default=[], help="may be repeated")
    parser.add_argument("--bambi-python", metavar="PATH", help="a Python that has Bambi")
    parser.add_argument("--threads", type=int, help="threads of every tool (default: what each takes)")
    parser.add_argument("--rounds", type=int, help="processes of each tool in each table (3; quick: 1)")
    parser.add_argument("--seconds", type=float, help="of fits in each process (2; quick: 0.5)")
    parser.add_argument("--limit", type=float, help="seconds after which a fit is given up (300; quick: 60)")
    parser.add_argument("--folder", help="keep the large data here (default: a temporary folder)")
    parser.add_argument("--largest", type=float, default=1e8, help="rows of the scale part (1e8)")
    growths = [growth.name for growth in scale.FULL]
    parser.add_argument(
        "--growth", nargs="+", choices=growths, default=[], help="of the scale part (all; the others stay)"
    )
    parser.add_argument("--in-memory", action="store_true", help="scale: from tables, not from batches")
    parser.add_argument("--output", default=str(HERE / "RESULTS.md"), metavar="FILE")
    return parser


def budget(arguments: argparse.Namespace) -> Budget:
    """How long to measure."""
    quick = arguments.quick
    rounds = arguments.rounds or (1 if quick else 3)
    seconds = arguments.seconds if arguments.seconds is not None else (0.5 if quick else 2.0)
    limit = arguments.limit or (60.0 if quick else 300.0)
    return Budget(seconds, 2 if quick else 3, rounds, 5.0 if quick else 10.0, 20.0 if quick else 60.0, limit)


def posterior(arguments: argparse.Namespace, peers: Peers) -> tuple[list[str], bool]:
    """Run posterior.py, in a process of its own."""
    command = [sys.executable, str(HERE / "posterior.py")]
    command += ["--rounds", str(budget(arguments).rounds)]
    command += ["--draws", "500"] if arguments.quick else ["--insteval"]
    command += ["--bambi-python", peers.bambi] if peers.bambi else []
    command += ["--rstanarm"] if peers.rstanarm else []
    found = measure(command)
    return ([f"**{found['failed']}**"], False) if "failed" in found else (found["lines"], found["agree"])


def at_scale(arguments: argparse.Namespace) -> list[str]:
    """Growth with rows and levels."""
    way = "memory" if arguments.in_memory else "batches"
    runs, limit = budget(arguments).rounds, 6 * budget(arguments).limit
    return scale.section(
        arguments.quick, runs, way, arguments.folder, arguments.largest, limit, arguments.growth
    )


def parts(arguments: argparse.Namespace, peers: Peers) -> dict[str, Callable[[], tuple[list[str], bool]]]:
    """Name -> what makes its Markdown, and whether the answers agree."""
    amount = budget(arguments)
    return {
        "fit": lambda: fit.section(peers, arguments.data, amount),
        "posterior": lambda: posterior(arguments, peers),
        "start": lambda: (start.section(peers, amount), True),
        "scale": lambda: (at_scale(arguments), True),
        "large": lambda: fit.section(peers, list(SCALE), amount),
    }


def command(arguments: Sequence[str]) -> str:
    """Write the command that was given, without the paths of this machine."""
    words = [
        "PATH" if before in ("--peer-python", "--bambi-python", "--folder", "--output") else word
        for before, word in zip(["", *arguments], arguments, strict=False)
    ]
    return " ".join(["python benchmarks/run.py", *words])


def block(part: str, lines: Sequence[str], provenance: Sequence[str]) -> str:
    """Make one part of RESULTS.md."""
    inside = [f"## {PARTS[part]}", "", *provenance, "", *lines]
    return "\n".join([f"<!-- {part} -->", *inside, f"<!-- end of {part} -->"])


def replaced(text: str, part: str, new: str) -> str:
    """Put a part into RESULTS.md: where it stood, or at the end."""
    pattern = re.compile(rf"<!-- {part} -->.*?<!-- end of {part} -->", re.S)
    if pattern.search(text):
        return pattern.sub(lambda _: new, text)
    return f"{text.rstrip()}\n\n{new}\n"


def main() -> int:
    """Measure, print and write; 1 if a criterion is below ours, or means of posteriors differ."""
    arguments = options().parse_args()
    if arguments.threads:
        os.environ.update(dict.fromkeys(THREADS, str(arguments.threads)))
    peers = find(arguments.peer_python, arguments.bambi_python)
    chosen = (
        arguments.only.split(",")
        if arguments.only
        else [p for p in PARTS if not (arguments.quick and p == "large")]
    )
    if unknown := [part for part in chosen if part not in PARTS]:
        sys.exit(f"--only {','.join(unknown)}: there is {', '.join(PARTS)}")
    output, fine = Path(arguments.output), True
    for part in chosen:
        begun = time.perf_counter()
        lines, agree = parts(arguments, peers)[part]()
        fine &= agree
        said = (
            f"Measured on {date.today()} by `{command(sys.argv[1:])}` in {time.perf_counter() - begun:.0f} s."
        )
        provenance = [said, "", f"{machine()}.", "", *(f"- {note}" for note in peers.notes)]
        new = block(part, lines, provenance)
        print(new, flush=True)
        old = output.read_text(encoding="utf-8") if output.exists() else TITLE
        output.write_text(replaced(old, part, new), encoding="utf-8")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
