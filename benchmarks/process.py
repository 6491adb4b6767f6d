"""Child processes: run one, time it, read the JSON of its last line. Standard library only.

On Linux a child's peak memory starts at that of its parent, so that what starts children must stay small.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
THREADS = (
    "OPENBLAS_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "RAYON_NUM_THREADS",
    "POLARS_MAX_THREADS",
)

Found = dict[str, Any]


def measure(
    command: Sequence[str], environment: Mapping[str, str] | None = None, limit: float | None = None
) -> Found:
    """Run a child: the JSON of its last line, its wall time, and its peak memory in MB.

    A child that fails, or runs longer than ``limit`` seconds, gives {"failed": one line that says
    so, "known": what it had found}.
    """
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        env = {**os.environ, **(environment or {})}
        env.pop("PYTHONDONTWRITEBYTECODE", None)  # modules are compiled once, as in an installation
        begun, late = time.perf_counter(), threading.Event()
        process = subprocess.Popen(command, stdout=out, stderr=err, stdin=subprocess.DEVNULL, env=env)
        watch = threading.Timer(limit, lambda: (late.set(), process.send_signal(9))) if limit else None
        if watch:
            watch.start()
        _, status, usage = os.wait4(process.pid, 0)
        if watch:
            watch.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - begun
        out.seek(0)
        err.seek(0)
        said = out.read().strip().splitlines()
        if late.is_set():
            return {"failed": f"not finished after {limit:.0f} s", "known": known(said)}
        if process.returncode:
            return {"failed": last_words(err.read(), process.returncode), "known": known(said)}
        peak = usage.ru_maxrss / (1024**2 if sys.platform == "darwin" else 1024)
        return {**json.loads(said[-1]), "wall": wall, "memory": peak}


def known(said: Sequence[str]) -> Found:
    """What a child had found before it ended: its last line, if that is whole."""
    whole = [line for line in said if line.startswith("{") and line.endswith("}")]
    return dict(json.loads(whole[-1])) if whole else {}


def last_words(stderr: str, code: int) -> str:
    """What a child said last, as a cell of a table."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    said = lines[-1] if lines else "no message"
    return f"fails (exit {code}): {said[:160]}".replace("|", "/")


def needed(found: Found) -> Found:
    """Return a measurement that this run cannot do without; raise if it failed."""
    if "failed" in found:
        raise RuntimeError(found["failed"])
    return found


def python(
    interpreter: str,
    request: Mapping[str, Any],
    *,
    limit: float | None = None,
    environment: Mapping[str, str] | None = None,
) -> Found:
    """Make one of the measurements of children.py."""
    return measure([interpreter, str(HERE / "children.py"), json.dumps(request)], environment, limit)
