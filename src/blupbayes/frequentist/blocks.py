"""Work cut into blocks with seeds of their own: in turn or through joblib, with progress, stopped without loss."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np

from blupbayes.errors import DataError
from blupbayes.progress import progress

__all__ = ["results", "run_blocks", "run_jobs", "seed_sequence", "whole_number"]

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
    return run_jobs(work, jobs, sizes, n_jobs, progressbar, "replicates")


def run_jobs(
    work: Callable[..., Any],
    jobs: Sequence[tuple[Any, ...]],
    sizes: Sequence[int],
    n_jobs: int | None,
    progressbar: bool,
    label: str,
) -> list[Any]:
    """What ``work`` makes of each job, in order; those that are done if Ctrl-C comes, which passes if none is.

    Parameters
    ----------
    work : callable
        The arguments of a job -> anything; for n_jobs other than 1 it must be picklable.
    jobs : sequence of tuple
    sizes : sequence of int
        How far each job moves the bar.
    n_jobs, progressbar
        As in run_blocks.
    label : str
        Beside the bar.
    """
    done: list[Any] = []
    answers = results(work, jobs, n_jobs)
    with progress(sum(sizes), progressbar, label) as advance:
        try:
            for size, found in zip(sizes, answers, strict=True):
                done.append(found)
                advance(size)
        except KeyboardInterrupt as stop:
            with suppress(KeyboardInterrupt):
                answers.throw(stop)  # the workers hear of it, wherever in this loop it came
            if not done:
                raise
    return done


def results(work: Callable[..., Any], jobs: Sequence[tuple[Any, ...]], n_jobs: int | None) -> Generator[Any]:
    """One answer after the other.

    Arguments travel inside the callable: Dask puts large ones beside it on one worker, and they would die with it.
    """
    if n_jobs == 1:
        return (work(*job) for job in jobs)
    from joblib import Parallel, delayed

    found: Generator[Any] = Parallel(n_jobs=n_jobs, return_as="generator")(
        delayed(partial(work, *job))() for job in jobs
    )
    return found
