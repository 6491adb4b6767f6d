"""Run the Python and shell blocks of the README and of docs/*.md, and rewrite the outputs printed below them.

    uv run python docs/refresh_readme.py             rewrite the outputs
    uv run python docs/refresh_readme.py --check     only compare; exit 1 on a difference

A page is one script: its ```python blocks run in order, in one namespace; each line of a ```sh block is a command of
blupbayes, run in an empty folder. A ```text block right after one is its output (for the shell with what goes to
stderr). Words and whole numbers must agree exactly, other numbers to the last printed digit (one unit, for rounding). A
comment ``<!-- Monte Carlo: 0.2 -->`` between the two allows that relative difference and overlooks a sampler's
diagnostics ("NUTS: ..."); it is given only where numbers are draws.

Pages with {code-cell} blocks (docs/gallery.md) run when the site is built, and not here.
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent))
import shell_reference

ROOT = Path(__file__).resolve().parents[1]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
BLOCK = re.compile(
    r"^```(?P<language>python|sh)\n(?P<code>.*?)^```\n"
    r"(?:\s*(?:<!-- Monte Carlo: (?P<tolerance>[\d.]+) -->\s*)?^```text\n(?P<output>.*?)^```\n)?",
    re.M | re.S,
)
NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?(?![\w.]*\w)", re.I)
NOISE = 1e-9  # rounding errors may be printed (a gradient at the optimum), but differ between machines
RULE = re.compile(r"[-=\u2500]{3,}")
DIAGNOSTICS = re.compile(r"^NUTS: .*\n(?:  .*\n)*", re.M)


class Block(NamedTuple):
    """One Python block of a page: its code, where it starts, and the output printed below it, if any."""

    code: str
    line: int
    output: str | None
    span: tuple[int, int]  # of the output, within the page
    tolerance: float  # relative, for Monte Carlo output; 0 elsewhere
    language: str = "python"


def blocks(text: str) -> list[Block]:
    """Find the Python blocks of a page, in order."""
    return [
        Block(
            m["code"],
            text.count("\n", 0, m.start("code")),
            m["output"],
            m.span("output"),
            float(m["tolerance"] or 0),
            m["language"],
        )
        for m in BLOCK.finditer(text)
    ]


def run_shell(code: str) -> str:
    """Run each line as a command of blupbayes, here, and return what it says on stdout and stderr."""
    from blupbayes.cli import main as shell

    said = io.StringIO()
    with tempfile.TemporaryDirectory() as empty, contextlib.chdir(empty), both_to(said):
        for line in code.splitlines():
            program, *arguments = shlex.split(line)
            if program != "blupbayes":
                raise ValueError(f"{line!r}: a ```sh block holds commands of blupbayes")
            shell(arguments)
    return tidied(said.getvalue())


@contextlib.contextmanager
def both_to(stream: io.StringIO) -> Iterator[None]:
    """Send stdout and stderr to one place."""
    with contextlib.redirect_stdout(stream), contextlib.redirect_stderr(stream):
        yield


def tidied(said: str) -> str:
    """Output without blanks at line ends."""
    return "".join(line.rstrip() + "\n" for line in said.rstrip().splitlines())


def run(code: str, namespace: dict[str, object], filename: str, line: int = 0) -> str:
    """Run one block and return what it printed, without blanks at line ends. Warnings are errors."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), warnings.catch_warnings():
        warnings.simplefilter("error")
        exec(compile("\n" * line + code, filename, "exec"), namespace)
    return tidied(printed.getvalue())


def unit(number: str) -> float:
    """Return one unit of the last printed digit: 0.001 for "2.345", 10 for "1.2e2", 0 for a whole number."""
    mantissa, _, exponent = number.lower().partition("e")
    decimals = mantissa.partition(".")[2]
    return 10.0 ** (int(exponent or 0) - len(decimals)) if decimals or exponent else 0.0


def skeleton(line: str) -> list[str]:
    """Return the words of a line, every number as # and every rule as one dash."""
    return RULE.sub("-", NUMBER.sub(" # ", line)).split()


def same(left: str, right: str, tolerance: float) -> bool:
    """Whether two lines say the same: equal words, equal numbers within one last digit or ``tolerance``."""
    if skeleton(left) != skeleton(right):
        return False
    pairs = zip(NUMBER.findall(left), NUMBER.findall(right), strict=True)
    return all(
        abs(float(a) - float(b)) <= max(NOISE, 1.001 * max(unit(a), unit(b)), tolerance * abs(float(a)))
        for a, b in pairs
    )


def differences(expected: str, actual: str, tolerance: float = 0.0) -> list[str]:
    """List the lines in which two outputs differ, as "- expected" and "+ actual"."""
    if tolerance:
        expected, actual = DIAGNOSTICS.sub("", expected), DIAGNOSTICS.sub("", actual)
    left, right = expected.rstrip().splitlines(), actual.rstrip().splitlines()
    if len(left) != len(right):
        return [f"- {len(left)} lines", f"+ {len(right)} lines:", *right]
    wrong = [(a, b) for a, b in zip(left, right, strict=True) if not same(a, b, tolerance)]
    return [line for a, b in wrong for line in (f"- {a}", f"+ {b}")]


def refresh(page: Path) -> tuple[str, list[str]]:
    """Run a page: its text with the new outputs, and the differences from the old ones."""
    text = page.read_text(encoding="utf-8")
    namespace: dict[str, object] = {"__name__": "__main__"}
    pieces, found, end = [], [], 0
    for block in blocks(text):
        name = str(page.relative_to(ROOT))
        python = block.language == "python"
        actual = run(block.code, namespace, name, block.line) if python else run_shell(block.code)
        if block.output is None:
            continue
        lines = differences(block.output, actual, block.tolerance)
        found += lines
        start, stop = block.span
        pieces += [text[end:start], actual if lines else block.output]
        end = stop
    whole = "".join([*pieces, text[end:]])
    made = shell_reference.renewed(whole)
    return made, found + ([] if made == whole else ["- the generated part of this page", "+ another one"])


def main(arguments: list[str]) -> int:
    """Rewrite the outputs of all pages, or with ``--check`` only say where they differ."""
    failed = 0
    for page in PAGES:
        text, found = refresh(page)
        name = page.relative_to(ROOT)
        print("\n".join([f"{name}: {'outputs differ' if found else 'as printed'}", *found]))
        failed += bool(found)
        if "--check" not in arguments and found:
            page.write_text(text, encoding="utf-8")
    return int("--check" in arguments and failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
