"""Accumulators made up for the tests of the engines; workers import them from here."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from blupbayes.errors import DataError


@dataclass
class Sums:
    """Rows, sums of x (to the last bit, so that the order of additions shows), text and numbers of batches."""

    n: int = 0
    total: float = 0.0
    words: list = field(default_factory=list)
    numbers: list = field(default_factory=list)

    def add(self, number, frame):
        self.n += len(frame)
        self.total += float(np.sum(frame["x"].to_numpy()))
        self.words += frame["g"].tolist()
        self.numbers.append(number)

    def merge(self, other):
        self.n += other.n
        self.total += other.total
        self.words += other.words
        self.numbers += other.numbers


@dataclass
class Dies(Sums):
    """The first time that it sees batch 3, it kills the process."""

    marker: str = ""

    def add(self, number, frame):
        if number == 3 and not Path(self.marker).exists():
            Path(self.marker).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        super().add(number, frame)


@dataclass
class Refuses(Sums):
    """Our own error in batch 2, without its number."""

    def add(self, number, frame):
        if number == 2:
            raise DataError("x is no number")
        super().add(number, frame)


@dataclass
class Names(Sums):
    """Our own error in batch 2, with its number."""

    def add(self, number, frame):
        if number == 2:
            raise DataError("in batch 2 x is no number")
        super().add(number, frame)


@dataclass
class Breaks(Sums):
    """Somebody else's error in batch 2."""

    def add(self, number, frame):
        if number == 2:
            raise ZeroDivisionError("nothing to divide by")
        super().add(number, frame)


@dataclass
class Stumbles(Sums):
    """Somebody else's error in batch 3, the first time."""

    marker: str = ""

    def add(self, number, frame):
        super().add(number, frame)
        if number == 3 and not Path(self.marker).exists():
            Path(self.marker).touch()
            raise OSError("the disk was away")


def dies(marker):
    """Makes accumulators that kill the process once."""
    return partial(Dies, marker=str(marker))
