"""The local engine, with made-up batches and accumulators."""

import numpy as np
import pandas as pd
import pytest

from blupbayes.errors import BlupbayesError, DataError
from blupbayes.stream.local import LocalEngine
from sums import Breaks, Names, Refuses, Sums


class Made:
    """Batches of four rows; knows which columns were asked for, and whether it was left in order."""

    n_rows = None

    def __init__(self, sizes=(4, 0, 4, 4), fails=None):
        self.sizes, self.fails, self.asked, self.closed = sizes, fails, None, False

    def frames(self, columns):
        self.asked = columns
        try:
            for number, size in enumerate(self.sizes, 1):
                if number == self.fails:
                    raise KeyboardInterrupt
                yield number, pd.DataFrame({"x": np.arange(size) + number, "g": ["a"] * size})
        finally:
            self.closed = True

    def describe(self, number):
        return f"batch {number} (part-{number}.parquet)"


def run(make, batches):
    return LocalEngine(batches, ("x", "g")).run(make, "sums")


def test_every_batch_with_rows_is_added_once_in_order():
    batches = Made()
    found = run(Sums, batches)
    assert (found.n, found.total, found.numbers) == (12, 10.0 + 18.0 + 22.0, [1, 3, 4])
    assert batches.asked == ("x", "g") and batches.closed
    assert run(Sums, batches) == found  # a second pass begins anew


def test_an_error_of_ours_gets_the_batch():
    with pytest.raises(DataError, match=r"^batch 2 \(part-2.parquet\): x is no number$"):
        run(Refuses, Made((4, 4, 4)))


def test_an_error_that_names_the_batch_stays_as_it_is():
    batches = Made((4, 4, 4))
    batches.describe = lambda number: f"batch {number}"
    with pytest.raises(DataError, match=r"^in batch 2 x is no number$"):
        run(Names, batches)


def test_another_error_becomes_the_cause():
    batches = Made((4, 4, 4))
    with pytest.raises(BlupbayesError, match=r"sums: batch 2 \(part-2.*\) failed with ZeroDivision") as told:
        run(Breaks, batches)
    assert isinstance(told.value.__cause__, ZeroDivisionError) and batches.closed


def test_ctrl_c_leaves_nothing_open():
    batches = Made((4, 4, 4), fails=3)
    with pytest.raises(KeyboardInterrupt):
        run(Sums, batches)
    assert batches.closed


def test_no_bar_but_in_a_terminal(capsys, monkeypatch):
    run(Sums, Made())
    assert capsys.readouterr().out == ""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    run(Sums, Made())
    assert "sums" in capsys.readouterr().out
    LocalEngine(Made(), ("x", "g"), progressbar=False).run(Sums, "sums")
    assert capsys.readouterr().out == ""
