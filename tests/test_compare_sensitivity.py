"""The rules of a verdict, one at a time, on made-up numbers."""

from dataclasses import replace

import numpy as np
import pytest

from blupbayes.compare.sensitivity import Measured, Yardstick, judge, sentences

YARD = Yardstick(
    coefficients=(("g", "Intercept"), ("h", "x")),
    owner=("g", "g", "h"),
    means=np.array([10.0, 20.0, 5.0]),
    unit=np.array([2.0, 4.0, 1.0]),
    sds=np.array([[3.0, 1.0, 8.0], [2.0, 1.0, 4.0]]),
    sd_unit=np.array([2.0, 1.0]),
    low=np.array([0.3, 0.5]),
    high=np.array([0.9, 0.8]),
    upper=np.array([9.0, 5.0]),
    near=np.array([0.15, 0.1]),
)
SAME = Measured(
    means=YARD.means,
    sds=YARD.sds,
    weights=np.array([0.6, 0.6]),
    above=np.array([0.5, 0.5]),
    below=np.array([0.01, 0.01]),
    beside=np.array([0.01, 0.01]),
)


def verdict(group="g", **changes):
    """The verdict of one group after some changes."""
    return judge(replace(SAME, **{k: np.array(v) for k, v in changes.items()}), YARD, group)


def test_the_same_is_the_same():
    assert verdict().verdict == "same" and verdict().note == "" and verdict().moved == 0


@pytest.mark.parametrize(
    ("changes", "expected", "word"),
    [
        ({"means": [10.99, 20, 5]}, "same", ""),
        ({"means": [11.01, 20, 5]}, "prior-driven", "a group mean moves by 0.5"),
        ({"means": [10, 17.9, 5]}, "prior-driven", "a group mean moves by 0.5"),
        ({"means": [10, 20, 50]}, "same", ""),  # another group's
        ({"weights": [0.31, 0.6]}, "same", ""),
        ({"weights": [0.29, 0.6]}, "prior-driven", "E(weight) 0.290 is outside [0.300, 0.900]"),
        ({"weights": [0.91, 0.6]}, "prior-driven", "E(weight) 0.910"),
        ({"above": [0.051, 0.5]}, "same", ""),
        ({"above": [0.049, 0.5]}, "prior-driven", "4.9 % of the prior of sd(g) lie above 9"),
        (
            {"below": [0.06, 0], "beside": [0.029, 0]},
            "spike at 0",
            "6 % of the posterior lie at sd(g) < 0.15",
        ),
        ({"below": [0.06, 0], "beside": [0.031, 0]}, "same", ""),  # as a bounded density
        ({"below": [0.049, 0], "beside": [0.0, 0]}, "same", ""),  # too little
        ({"below": [0.06, 0], "beside": [0.0, 0], "weights": [0.1, 0.6]}, "spike at 0", "E(weight)"),
    ],
)
def test_each_rule_at_its_edge(changes, expected, word):
    found = verdict(**changes)
    assert found.verdict == expected and word in found.note


def test_a_rule_without_numbers_is_not_applied():
    # No profile interval, a joint prior, no default median: NaN everywhere.
    yard = replace(YARD, low=YARD.low * np.nan, high=YARD.high * np.nan)
    found = replace(SAME, above=np.full(2, np.nan), below=np.full(2, np.nan), beside=np.full(2, np.nan))
    assert judge(found, yard, "g").verdict == "same"


def test_names_of_slopes():
    assert "sd(h: x)" in verdict("h", above=[0.5, 0.01]).note


@pytest.mark.parametrize(
    ("means", "median", "headline"),
    [
        ([10, 20, 5], 3.0, "g: shrinkage and variance component robust"),
        ([10, 20, 5], 4.1, "g: shrinkage robust, variance component not"),
        ([12, 20, 5], 4.1, "g: neither shrinkage nor variance component robust"),
        ([12, 20, 5], 3.9, "g: variance component robust, shrinkage not"),
    ],
)
def test_headlines(means, median, headline):
    found = {"a": SAME, "b": replace(SAME, means=np.array(means), sds=np.array([[median, 1, 8], [2, 1, 4]]))}
    judged = {(name, g): judge(m, YARD, g) for name, m in found.items() for g in ("g", "h")}
    said = sentences(found, judged, {"c": "improper"}, YARD, 0.9)
    assert said[0].startswith(headline) and "upper 90 % limit 8." in said[0]
    assert said[-1] == "No answer under c: improper"


def test_nothing_but_failures():
    assert sentences({}, {}, {"c": "improper"}, YARD, 0.95) == ["No answer under c: improper"]


def test_a_range_is_one_number_where_print_does_not_tell_its_ends_apart():
    judged = {(name, g): verdict(g) for name in ("only", "wider") for g in ("g", "h")}
    alone = sentences({"only": SAME}, judged, {}, YARD, 0.95)[0]
    assert alone.endswith("E(weight) is 0.600; the median of sd(g) is 3, its upper 95 % limit 8.")
    wider = replace(SAME, weights=np.array([0.7, 0.6]), sds=SAME.sds + 1)
    both = sentences({"only": SAME, "wider": wider}, judged, {}, YARD, 0.95)[0]
    assert "E(weight) lies between 0.600 and 0.700; the median of sd(g) lies between 3 and 4, " in both
    assert both.endswith("its upper 95 % limit between 8 and 9.")
