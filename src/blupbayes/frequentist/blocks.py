"""Work cut into blocks with seeds of their own: in turn or through joblib, with progress, stopped without loss."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from blupbayes.errors import DataError
from blupbayes.progress import progress

__all__ = ["run_blocks", "seed_sequence", "whole_number"]

Work = Callable[[int, np.random.SeedSequence], Any]


def whole_number(name: str, value: Any) -> int:
    """A whole number above 0.

    Raises
    ------
    DataError
        If it is none.
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise DataError(f"{name}={value!r}: give a whole number of replicates above 0, such as {name}=1000.")
    return int(value)


def seed_sequence(random_seed: Any) -> np.random.SeedSequence:
    """The seeds of all blocks, from None, an int, a SeedSequence or a Generator (which moves on)."""
    if isinstance(random_seed, np.random.SeedSequence):
        return np.random.SeedSequence(random_seed.entropy, spawn_key=random_seed.spawn_key)
    if isinstance(random_seed, np.random.Generator):
        return np.random.SeedSequence(random_seed.integers(2**32, size=4).tolist())
    return np.random.SeedSequence(random_seed)


def run_blocks(
    work: Work, n: int, block: int, seeds: np.random.SeedSequence, n_jobs: int | None, progressbar: bool
) -> list[Any]:
    """What ``work`` makes of each block, in order; those that are done if Ctrl-C comes, which passes if none is.

    Parameters
    ----------
    work : callable
        (size of the block, its seed) -> anything; for n_jobs other than 1 it must be picklable.
    n, block : int
        n in all, in blocks of this size, whatever n_jobs is: so the answer does not depend on it.
    seeds : SeedSequence
    n_jobs : int or None
        1: in this process; else joblib.Parallel, with the backend that joblib.parallel_config has set.
    progressbar : bool
        Shown in a terminal only.
    """
    sizes = [min(block, n - start) for start in range(0, n, block)]
    jobs = list(zip(sizes, seeds.spawn(len(sizes)), strict=True))
    done: list[Any] = []
    with progress(n, progressbar, "replicates") as advance:
        try:
            for (size, _), found in zip(jobs, results(work, jobs, n_jobs), strict=True):
                done.append(found)
                advance(size)
        except KeyboardInterrupt:
            if not done:
                raise
    return done


def results(work: Work, jobs: list[tuple[int, np.random.SeedSequence]], n_jobs: int | None) -> Iterable[Any]:
    """One answer after the other."""
    if n_jobs == 1:
        return (work(size, seed) for size, seed in jobs)
    from joblib import Parallel, delayed

    found: Iterable[Any] = Parallel(n_jobs=n_jobs, return_as="generator")(
        delayed(work)(size, seed) for size, seed in jobs
    )
    return found
