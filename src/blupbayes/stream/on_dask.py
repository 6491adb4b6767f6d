"""Passes on Dask: an accumulator for each partition, merged in a tree whose shape depends on their number only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import pandas as pd

from blupbayes.errors import BlupbayesError, DataError
from blupbayes.stream.passes import Accumulator, Pass, add_batch, failure

__all__ = ["DaskEngine", "columns_of"]

RETRIES = 2  # of a task that raised; a task whose worker died is run again by the scheduler itself


@dataclass(frozen=True, eq=False)
class DaskEngine:
    """Visits the partitions of a Dask frame where its scheduler wants to: threads here, or the workers of a cluster.

    Every task is a pure function of what it is given, so that Dask may run it twice. The answer is the same to the last
    bit, whichever worker did what.

    Parameters
    ----------
    ddf : dask.dataframe.DataFrame
    columns : sequence of str
        What a pass sees of each partition.

    Raises
    ------
    DataError
        If the frame lacks one of the columns.
    """

    ddf: Any
    columns: Sequence[str]

    def __post_init__(self) -> None:
        lacking = [name for name in self.columns if name not in self.ddf.columns]
        if lacking:
            held = ", ".join(map(str, self.ddf.columns))
            raise DataError(f"the Dask frame has no column {lacking[0]!r}. It has {held}.")

    def run(self, make: Callable[[], Pass], label: str) -> Pass:
        """One whole pass, by the active client or scheduler.

        Parameters
        ----------
        make : callable
            A new accumulator; picklable.
        label : str
            In errors.

        Returns
        -------
        Accumulator

        Raises
        ------
        BlupbayesError
            If a partition fails; the message names it as a batch, counted from 1.
        """
        import dask

        maker = dask.delayed(make, traverse=False)  # a node of its own: it travels once, not with every task
        one, two = dask.delayed(gather, pure=False), dask.delayed(merged, pure=False)
        parts = self.ddf[list(self.columns)].to_delayed()
        level = [one(maker, number, part, label) for number, part in enumerate(parts, 1)]
        while len(level) > 1:
            pairs = [two(a, b) for a, b in zip(level[::2], level[1::2], strict=False)]
            level = pairs + level[2 * len(pairs) :]
        try:
            found: Pass = dask.compute(level[0], retries=RETRIES)[0]
        except BlupbayesError:
            raise
        except Exception as error:
            raise failure(f"{label}: Dask could not finish", error) from error
        return found


def gather(make: Callable[[], Pass], number: int, frame: pd.DataFrame, label: str) -> Pass:
    """The accumulator of one partition."""
    found = make()
    add_batch(found, number, plain(frame), label, f"batch {number}")
    return found


def merged(earlier: Pass, later: Accumulator) -> Pass:
    """Two accumulators as one; neither is changed."""
    found = deepcopy(earlier)
    found.merge(later)
    return found


def plain(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of a partition as pandas holds them: rows 0, 1, ..., and its own text instead of Arrow's."""
    text = {name: series.astype(TEXT) for name, series in frame.items() if is_arrow_text(series.dtype)}
    return frame.assign(**text).reset_index(drop=True)  # type: ignore[arg-type]


def is_arrow_text(dtype: Any) -> bool:
    """Whether Dask made this text, and not pandas."""
    arrow = isinstance(dtype, pd.ArrowDtype) and dtype.type is str
    return arrow or (isinstance(dtype, pd.StringDtype) and dtype.na_value is pd.NA)


def text_dtype() -> Any:
    """What pandas makes of a list of text."""
    return pd.Series(["a"]).dtype


TEXT = text_dtype()


def columns_of(ddf: Any) -> tuple[str, ...]:
    """The columns of a Dask frame.

    Raises
    ------
    DataError
        If it is none.
    """
    if not hasattr(ddf, "to_delayed") or not hasattr(ddf, "columns"):
        kind = type(ddf).__name__
        raise DataError(
            f"a {kind} is no Dask frame; give a dask.dataframe.DataFrame, or use MixedModel.from_batches"
        )
    return tuple(str(name) for name in ddf.columns)
