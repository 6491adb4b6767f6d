"""Codes point to the level of each row, whatever the levels are made of."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blupbayes.errors import DataError
from blupbayes.model.grouping import learn_factor, learn_grouping

KINDS = {
    "text": st.sampled_from(["b", "a", "10", "9", "\u00e4"]),
    "int": st.integers(-3, 12),
    "float": st.sampled_from([0.5, -1.0, 10.0, 9.0]),
    "bool": st.booleans(),
}


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_a_factor_says_where_each_row_belongs(kind, data):
    values = pd.Series(data.draw(st.lists(KINDS[kind], min_size=1, max_size=15)), name="g")
    factor, codes = learn_factor(values)
    assert [factor.labels[code] for code in codes] == [str(value) for value in values.tolist()]
    assert list(factor.values) == sorted(set(values))
    np.testing.assert_array_equal(factor.encode(values), codes)
    np.testing.assert_array_equal(factor.encode(values.astype(str)), codes)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from("ba"), st.integers(0, 2)), min_size=1, max_size=20),
    st.permutations([0, 1, 2]),
)
@settings(max_examples=80, deadline=None)
def test_an_interaction_numbers_the_combinations_that_are_there(rows, order):
    frame = pd.DataFrame(rows, columns=["a", "b", "c"])
    names = [["a", "b", "c"][k] for k in order]
    grouping, codes = learn_grouping(names, {name: learn_factor(frame[name]) for name in names})
    np.testing.assert_array_equal(codes, frame.groupby(names, sort=True).ngroup())
    assert [grouping.labels[k] for k in codes] == [
        ":".join(map(str, row)) for row in frame[names].to_numpy().tolist()
    ]
    again, unseen = grouping.encode(frame, names)
    np.testing.assert_array_equal(again, codes)
    assert unseen == ()


def test_new_levels_of_an_interaction():
    frame = pd.DataFrame({"a": [1, 1, 2], "b": ["x", "y", "x"]})
    grouping, _ = learn_grouping(["a", "b"], {name: learn_factor(frame[name]) for name in "ab"})
    new = pd.DataFrame({"a": [2, 2, 3, 2, 2], "b": ["x", "y", "x", "z", "y"]})
    codes, unseen = grouping.encode(new, ["a", "b"])
    np.testing.assert_array_equal(codes, [2, -1, -1, -1, -1])
    assert unseen == ("2:y", "3:x", "2:z")


def test_more_combinations_than_fit_a_number_are_refused():
    many = pd.Series(np.arange(70_000), name="a")
    learned = {name: learn_factor(many.rename(name)) for name in "abcd"}
    with pytest.raises(DataError, match="too many combinations"):
        learn_grouping(list("abcd"), learned)
