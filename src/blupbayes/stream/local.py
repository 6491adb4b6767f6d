"""Passes in this process: one accumulator, one batch after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass

from blupbayes.model.batches import Batches
from blupbayes.progress import progress
from blupbayes.stream.passes import Pass, add_batch

__all__ = ["LocalEngine"]


@dataclass(frozen=True, eq=False)
class LocalEngine:
    """Visits the batches in this process, in their order.

    Parameters
    ----------
    batches : Batches
    columns : sequence of str
        What a pass sees of each batch.
    progressbar : bool
        Shown in a terminal only.
    """

    batches: Batches
    columns: Sequence[str]
    progressbar: bool = True

    def run(self, make: Callable[[], Pass], label: str) -> Pass:
        """One whole pass; after an error or Ctrl-C nothing is left of it.

        Parameters
        ----------
        make : callable
            A new accumulator.
        label : str
            Beside the bar and in errors.

        Returns
        -------
        Accumulator

        Raises
        ------
        BlupbayesError
            If a batch fails; the message names it.
        """
        gathered, n_rows = make(), self.batches.n_rows
        with (
            closing(self.batches.frames(self.columns)) as frames,
            progress(n_rows, self.progressbar, label) as advance,
        ):
            for number, frame in frames:
                add_batch(gathered, number, frame, label, self.batches.describe(number))
                advance(len(frame))
        return gathered
