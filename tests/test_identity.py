"""One identity as a row: the worst entry decides."""

import numpy as np
import pytest

from blupbayes.compare.identity import Identity, judged, rounding, tabulate
from blupbayes.compare.statements import STATEMENTS
from blupbayes.errors import ComparisonError


def one(left, right, scale, **options):
    labels = [f"entry {k}" for k in range(len(left))]
    values = (np.array(x, dtype=float) for x in (left, right, scale))
    return Identity("gls", *values, 1e-3, labels, **options)


def row(*args, **options):
    return tabulate([one(*args, **options)]).iloc[0]


def test_the_entry_that_misses_most_is_shown():
    found = row([1.0, 2.0, 3.0], [1.0, 2.1, 3.2], [1.0, 1.0, 100.0])
    assert (found["where"], found["left"], found["right"], found["scale"]) == ("entry 1", 2.0, 2.1, 1.0)
    assert found["difference"] == pytest.approx(-0.1) and not found["holds"]
    assert (found["tag"], found["statement"]) == STATEMENTS["gls"]


def test_it_holds_within_tolerance_times_scale():
    assert row([100.05], [100.0], [100.0])["holds"]
    assert not row([100.2], [100.0], [100.0])["holds"]


def test_what_is_no_number_does_not_hold():
    for left, right in ((np.nan, 1.0), (1.0, np.nan), (np.inf, np.inf), (np.inf, 1.0)):
        found = row([1.0, left], [1.0, right], [1.0, 1.0])
        assert found["where"] == "entry 1" and not found["holds"]
    assert not row([1.0], [1.1], [np.nan])["holds"]


def test_zero_equals_zero_whatever_the_scale_and_nothing_else_does():
    assert row([0.0], [0.0], [0.0])["holds"]
    assert not row([1e-300], [0.0], [0.0])["holds"]


def test_an_inequality_holds_on_one_side():
    assert row([-5.0], [0.0], [1.0], at_most=True)["holds"]
    found = row([-5.0, 0.1], [0.0, 0.0], [1.0, 1.0], at_most=True)
    assert found["difference"] == 0.1 and not found["holds"]
    assert not row([np.nan], [0.0], [1.0], at_most=True)["holds"]


def test_identities_without_entries_are_no_rows():
    found = tabulate([one([], [], []), one([1.0], [1.0], [1.0], mark="[a]")])
    assert found.index.tolist() == ["gls[a]"] and found.index.name == "identity"


def test_the_tolerance_grows_with_the_condition_until_nothing_is_judged():
    assert rounding(10.0) == 1e-8 and rounding(1e8) == pytest.approx(2e-6)
    assert judged(4e9) and not judged(6e9) and not judged(np.nan)
    with pytest.raises(ComparisonError, match="larger residual sd"):
        rounding(1e12)
