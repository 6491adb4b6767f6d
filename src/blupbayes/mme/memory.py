"""How much memory a model takes, from its shapes alone, and the refusal where there is not so much."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from blupbayes.errors import TooLargeError

__all__ = ["Need", "available", "lacking", "predict", "require", "require_rows", "rows"]

NUMBER = 8  # bytes
GB = 1e9
NEVER = 250_000_000  # bytes: a model that needs less is not worth looking at the machine
SQUARES = 4  # arrays (t, t) at once: what is left outside the first block, two factors, an inverse
CGROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory.stat"),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
        "/sys/fs/cgroup/memory/memory.stat",
    ),
)


@dataclass(frozen=True)
class Need:
    """Bytes of a model once its rows are reduced.

    ``kept``: by its statistics; ``working``: on top of them while the criterion is minimised; ``tail``: t, the random
    effects of the dense block (layout.py); ``groups``: which grouping factors make it up.
    """

    kept: int
    working: int
    tail: int
    groups: tuple[int, ...]

    @property
    def peak(self) -> int:
        """Both."""
        return self.kept + self.working


def predict(
    shapes: Sequence[tuple[int, int]],
    chain: Sequence[int],
    pairs: Mapping[tuple[int, int], int],
    couplings: Sequence[tuple[int, int]],
    columns: int,
) -> Need:
    """What a model will take.

    Parameters
    ----------
    shapes : sequence of (J, q)
        Levels and coefficients of every grouping factor.
    chain : sequence of int
        Grouping factors that are eliminated level by level; the others make up the dense block.
    pairs : mapping
        (i, j) -> pairs of levels that occur together.
    couplings : sequence of (int, int)
        For each of the chain the numbers in its coupling to the dense block, and its indices: 0 where it is dense.
    columns : int
        r + 1: fixed effects, and the response.
    """
    squares = sum(J * q * q for J, q in (shapes[k] for k in chain))
    effects = sum(J * q for J, q in shapes)
    others = tuple(k for k in range(len(shapes)) if k not in chain)
    t = sum(shapes[k][0] * shapes[k][1] for k in others)
    linked = sum(
        pairs.get((i, j), pairs.get((j, i), 0)) * shapes[i][1] * shapes[j][1]
        for place, i in enumerate(chain)
        for j in chain[place + 1 :]
    )
    indices = sum(x for _, x in couplings)
    numbers = sum(size * (2 if x else 1) for size, x in couplings)
    kept = 3 * squares + (3 * columns + 1) * effects + numbers + 4 * indices + 3 * linked + t * t
    working = 16 * squares + 12 * columns * effects + numbers + 6 * linked + (SQUARES - 1) * t * t
    return Need(NUMBER * kept, NUMBER * working, t, others)


def rows(n: int, rank: int, shapes: Sequence[tuple[int, int]]) -> int:
    """Bytes that n rows take while they are reduced in memory, beside the data themselves."""
    widest = max((q for _, q in shapes), default=0)
    pairs = 5 if len(shapes) > 1 else 0
    return NUMBER * n * (rank + 1 + 3 * (rank + 1) + widest * (rank + 3) + pairs)


def available() -> int | None:
    """Bytes that this process may still take; None where the system does not say."""
    found = [x for x in (of_machine(), *(of_cgroup(*paths) for paths in CGROUPS)) if x is not None]
    return min(found) if found else None


def of_machine() -> int | None:
    """Bytes that are free, or can be made so; of all memory where only that is known."""
    for line in text("/proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    names = getattr(os, "sysconf_names", {})
    for pages in ("SC_AVPHYS_PAGES", "SC_PHYS_PAGES"):
        if pages in names and "SC_PAGE_SIZE" in names:
            return int(os.sysconf(pages)) * int(os.sysconf("SC_PAGE_SIZE"))
    return None


def of_cgroup(limit: str, usage: str, stat: str) -> int | None:
    """What is left of the limit of a container; None without one."""
    most, used = text(limit).strip(), text(usage).strip()
    if not most.isdigit() or not used.isdigit():
        return None
    cached = [line.split()[1] for line in text(stat).splitlines() if line.startswith("inactive_file ")]
    return int(most) - int(used) + sum(map(int, cached))


def text(path: str) -> str:
    """A small file of the system; empty where there is none."""
    file = Path(path)
    return file.read_text() if file.is_file() else ""


def lacking(need: int) -> int | None:
    """What is available, if that is less than is needed."""
    if need <= NEVER:
        return None
    there = available()
    return there if there is not None and there < need else None


def require(need: Need, shapes: Sequence[tuple[int, int]], names: Sequence[str]) -> None:
    """Refuse a model that will not fit.

    Raises
    ------
    TooLargeError
        With what it needs, why, and what to do.
    """
    there = lacking(need.peak)
    if there is None:
        return
    if NUMBER * SQUARES * need.tail**2 > 0.5 * need.peak:
        dense = " and ".join(f"{names[k]} ({shapes[k][0]} levels)" for k in need.groups)
        why = (
            f"because {dense} crosses the others, so that matrices of {need.tail} x {need.tail} numbers are factored "
            f"({SQUARES} at a time, {NUMBER * need.tail**2 / GB:.3g} GB each)"
        )
        what = "Take the smaller of the crossed factors to the fixed side, leave out its levels with few rows"
    else:
        widest = max(range(len(shapes)), key=lambda k: shapes[k][0] * shapes[k][1] ** 2)
        J, q = shapes[widest]
        why = f"most of it for {names[widest]} with {J} levels of {q} coefficients"
        what = "Take fewer random coefficients, leave out levels with few rows"
    raise TooLargeError(
        f"fitting this model needs about {need.peak / GB:.3g} GB, {why}; {there / GB:.3g} GB are available. {what}, or "
        "use a machine with more memory."
    )


def require_rows(n: int, rank: int, shapes: Sequence[tuple[int, int]]) -> None:
    """Refuse rows that cannot be reduced in memory.

    Raises
    ------
    TooLargeError
    """
    need = rows(n, rank, shapes)
    there = lacking(need)
    if there is not None:
        raise TooLargeError(
            f"reducing {n} rows at once needs about {need / GB:.3g} GB beside the data; {there / GB:.3g} GB are "
            "available. Give the rows in batches with MixedModel.from_batches, which hold no more than one batch at a "
            "time, or use a machine with more memory."
        )
