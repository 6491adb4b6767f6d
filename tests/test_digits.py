"""Rounding by the uncertainty: decimals of a quantity, and a number as text."""

import math

import pytest

from blupbayes.show.digits import decimals, interval, number

NAN = math.nan


@pytest.mark.parametrize(
    ("estimates", "spreads", "places"),
    [
        ([66.5], [10.17], 2),  # four digits of the estimate, at most two more than the spread needs
        ([66.5], [2.31], 2),
        ([251.405], [6.825], 1),  # two digits of the spread
        ([0.00123], [0.00045], 6),
        ([1e-12], [10.0], 2),  # a tiny estimate does not ask for twelve decimals
        ([-34.5, 0.2], [2.31, 2.31], 2),  # the largest estimate decides
        ([24.805], [], 2),
        ([24.805], [NAN, 0.0, math.inf], 2),  # no spread
        ([251405.1], [6825.0], 0),  # never before the point
        ([9.99996], [], 2),  # rounds to 10.00
        ([0.0, NAN], [], 0),
        ([], [], 0),
    ],
)
def test_decimals(estimates, spreads, places):
    assert decimals(estimates, spreads) == places


@pytest.mark.parametrize(
    ("x", "places", "text"),
    [
        (66.5, 2, "66.50"),
        (-0.004, 2, "0.00"),
        (-0.006, 2, "-0.01"),
        (NAN, 2, ""),
        (math.inf, 2, "inf"),
        (-math.inf, 2, "-inf"),
        (0.0, 0, "0"),
        (1.5e9, 0, "1.500e+09"),
        (1.5e-10, 12, "1.500e-10"),
        (1e6, 0, "1000000"),
    ],
)
def test_number(x, places, text):
    assert number(x, places) == text


def test_an_interval_needs_both_bounds():
    assert interval(-0.001, 2.0, 1) == "[0.0, 2.0]"
    assert interval(NAN, 2.0, 1) == interval(0.0, NAN, 1) == ""
