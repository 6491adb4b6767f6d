"""Which peers there are, in R and in the Python environments that are named; and what all of it runs on."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from process import THREADS, Found, needed, python

IN_R = ("lme4", "nlme", "glmmTMB", "rstanarm")
IN_PYTHON = ("mixedlm", "lme-python", "statsmodels", "gpboost")
LIBRARIES = ("numpy", "scipy", "pandas", "numba", "pymc", "nutpie", "bambi", "pyarrow")
PROBE = """
has <- function(p) requireNamespace(p, quietly = TRUE)
for (p in commandArgs(TRUE)) if (has(p)) cat("has", p, as.character(packageVersion(p)), "\\n")
cat("R", sub(" \\\\(.*", "", R.version.string), "\\n"); cat("BLAS", extSoftVersion()[["BLAS"]], "\\n")
"""


class Peers(NamedTuple):
    """Tool -> the interpreter that runs it; and sentences about interpreters and their BLAS."""

    fits: dict[str, str]
    rstanarm: bool
    bambi: str | None
    notes: tuple[str, ...]


def ask_r() -> tuple[list[str], str]:
    """Packages that R has, and a sentence about it; nothing without R."""
    if shutil.which("Rscript") is None:
        return [], "no R"
    done = subprocess.run(
        ["Rscript", "--vanilla", "-e", PROBE, *IN_R], capture_output=True, text=True, check=True
    )
    lines = [line.split() for line in done.stdout.splitlines()]
    has = [line[1] for line in lines if line and line[0] == "has"]
    version = " ".join(next(line[1:] for line in lines if line and line[0] == "R"))
    library = next(line[1:] for line in lines if line and line[0] == "BLAS")
    blas = Path(library[0]).name if library else "its own BLAS"
    versions = ", ".join(f"{line[1]} {line[2]}" for line in lines if line and line[0] == "has")
    return has, f"{version} with {blas}: {versions}"


def ask_python(interpreter: str) -> Found:
    """What a Python has: tools and libraries."""
    request = {"measure": "has", "tools": list(IN_PYTHON), "versions": [*LIBRARIES, *IN_PYTHON]}
    return needed(python(interpreter, request))


def describe(name: str, asked: Found) -> str:
    """One sentence about an interpreter."""
    versions = ", ".join(f"{name} {version}" for name, version in asked["versions"].items())
    return f"{name}: Python {asked['python']}, {asked['blas'] or 'no NumPy'}; {versions}"


def find(pythons: Sequence[str], bambi: str | None) -> Peers:
    """Find every peer; the first interpreter that has a tool runs it."""
    packages, said = ask_r()
    fits = {tool: "Rscript" for tool in packages if tool != "rstanarm"}
    notes = [describe("blupbayes", ask_python(sys.executable)), said]
    for number, interpreter in enumerate(pythons, 1):
        asked = ask_python(interpreter)
        fits |= {tool: interpreter for tool in asked["tools"] if tool not in fits}
        notes.append(describe(f"peers {number}", asked))
    if bambi:
        notes.append(describe("Bambi", ask_python(bambi)))
    return Peers(fits, "rstanarm" in packages, bambi, tuple(notes))


def machine() -> str:
    """Describe the machine, without its name."""
    threads = ", ".join(f"{name}={os.environ[name]}" for name in THREADS if name in os.environ)
    return (
        f"{platform.system()} {platform.machine()}, {processor()}, {os.cpu_count()} cores, {memory():.0f} GiB; "
        f"{threads or 'default threads'}"
    )


def processor() -> str:
    """Return the model of the processor, where Linux tells it."""
    path = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*:\s*(.*)$", path.read_text(), re.M) if path.exists() else None
    return found[1] if found else platform.processor() or "processor unknown"


def memory() -> float:
    """Memory of the machine in GiB."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
