"""One pass over batches: what it gathers, who runs it, and how a batch that fails is named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import pandas as pd

from blupbayes.errors import BlupbayesError, DataError

__all__ = ["Accumulator", "Engine", "add_batch", "failure"]


class Accumulator(Protocol):
    """What one pass gathers; picklable. What comes out must not depend on the order of the batches but for rounding.

    An engine may deep-copy it. What is large and never changes, such as a design, should be shared by its copies.
    """

    def add(self, number: int, frame: pd.DataFrame) -> None:
        """Take the rows of a batch, in place; the frame is not changed."""

    def merge(self, other: Any) -> None:
        """Take what another one has of later batches, in place; the other one is not changed."""


Pass = TypeVar("Pass", bound=Accumulator)


class Engine(Protocol):
    """Who visits all batches."""

    def run(self, make: Callable[[], Pass], label: str) -> Pass:
        """One whole pass: every batch in exactly one accumulator, and all of them merged."""


def add_batch(accumulator: Accumulator, number: int, frame: pd.DataFrame, label: str, batch: str) -> None:
    """Add one batch, unless it has no rows.

    Parameters
    ----------
    accumulator : Accumulator
    number : int
        From 1.
    frame : DataFrame
    label : str
        What the pass is called in errors and beside a bar.
    batch : str
        What the batch is called in errors.

    Raises
    ------
    BlupbayesError
        What the accumulator raised, with the batch in its message; another exception becomes the cause of a DataError.
    """
    if not len(frame):
        return
    try:
        accumulator.add(number, frame)
    except BlupbayesError as error:
        if batch in str(error):
            raise
        raise type(error)(f"{batch}: {error}") from error
    except Exception as error:
        raise failure(f"{label}: {batch} failed", error) from error


def failure(what: str, error: BaseException) -> DataError:
    """An error that says what failed, and by which exception."""
    told = str(error).strip()
    return DataError(f"{what} with {type(error).__name__}{f': {told}' if told else ''}")
