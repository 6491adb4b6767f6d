"""A progress bar in a terminal, nothing elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["progress"]


@contextmanager
def progress(total: int | None, wanted: bool, label: str) -> Iterator[Callable[[int], None]]:
    """A bar while the work lasts, and what moves it on.

    Parameters
    ----------
    total : int or None
        None where nobody knows: then the bar only shows that something moves.
    wanted : bool
    label : str
        Beside the bar.
    """
    if not (wanted and sys.stdout.isatty()):
        yield lambda size: None
        return
    from rich.progress import Progress

    with Progress(transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda size: bar.advance(task, size)
