"""One long table of anything with tidy(): labels, order, wide form, refusals."""

import re
from dataclasses import dataclass

import numpy as np
import pytest

from blupbayes.compare.rows import COLUMNS, KEYS, block, gather
from blupbayes.compare.table import FIELDS, absent, check_same_data, label, long, wide
from blupbayes.errors import ComparisonError


@dataclass
class Answer:
    """A made-up answer with a fixed effect, an sd and one random effect."""

    estimator: str = "ML"
    estimate: float = 1.0
    data_hash: str | None = "a" * 64
    n_obs: int = 18
    levels: tuple = ("1",)

    def tidy(self, ci_prob=0.95):
        name = self.estimator
        return gather(
            [
                block("sd", name, group="g", term="Intercept", estimate=[self.estimate]),
                block(
                    "fixed", name, term="Intercept", estimate=[self.estimate], ci_kind="wald", ci_prob=ci_prob
                ),
                block(
                    "b",
                    name,
                    group="g",
                    level=list(self.levels),
                    term="Intercept",
                    estimate=[0.5] * len(self.levels),
                ),
            ]
        )


def test_labels_are_the_estimators_and_numbered_where_they_repeat():
    found = label([Answer("ML"), Answer("MME"), Answer("MME")], {"mine": Answer("MME")})
    assert list(found) == ["ML", "MME", "MME (2)", "mine"]


def test_a_dict_gives_labels():
    assert list(label([{"a": Answer(), "b": Answer()}, Answer()], {})) == ["a", "b", "ML"]


@pytest.mark.parametrize(
    ("answers", "named", "text"),
    [
        ([], {}, "nothing to compare"),
        ([3], {}, "cannot compare a int"),
        ([], {"x": "ML"}, "cannot compare a str"),
        ([{"ML": Answer()}], {"ML": Answer()}, "two answers are labelled 'ML'"),
    ],
)
def test_what_cannot_be_labelled_is_refused(answers, named, text):
    with pytest.raises(ComparisonError, match=text):
        label(answers, named)


def test_long_is_sorted_by_component_and_keeps_the_order_of_answers():
    table = long({"x": Answer("ML", 1.0), "y": Answer("REML", 2.0)})
    assert list(table.columns) == COLUMNS
    assert table["component"].tolist() == ["fixed", "fixed", "sd", "sd", "b", "b"]
    assert table["estimator"].tolist() == ["x", "y"] * 3  # the labels, not the estimators' own names
    assert table["estimate"].tolist() == [1.0, 2.0, 1.0, 2.0, 0.5, 0.5]


def test_ci_prob_reaches_every_answer():
    table = long({"x": Answer(), "y": Answer("REML")}, 0.5)
    assert table["ci_prob"].dropna().tolist() == [0.5, 0.5]


def test_wide_has_one_row_per_quantity_and_a_column_per_field():
    table = wide(long({"x": Answer("ML", 1.0), "y": Answer("REML", 2.0, levels=("1", "2"))}))
    assert table.index.names == KEYS and table.index.is_unique
    assert list(table.columns) == [(name, field) for name in "xy" for field in FIELDS]
    assert table.xs("estimate", axis=1, level=1).loc["fixed"].to_numpy().tolist() == [[1.0, 2.0]]
    lonely = table.loc[("b", "g", "2", "Intercept")]
    assert (
        np.isnan(lonely["x", "estimate"]) and lonely["x", "ci_kind"] == "" and lonely["y", "estimate"] == 0.5
    )


def test_different_data_are_refused_with_rows_and_hashes():
    answers = {"a": Answer(), "b": Answer(data_hash="b" * 64, n_obs=16)}
    with pytest.raises(ComparisonError, match=re.escape("18 vs 16 rows, hash aaaaaaaa vs bbbbbbbb")):
        check_same_data(answers)


def test_other_data_of_the_same_size_are_refused():
    with pytest.raises(ComparisonError, match="18 vs 18 rows"):
        check_same_data({"a": Answer(), "b": Answer(data_hash="b" * 64)})


def test_the_same_data_and_answers_from_elsewhere_pass():
    check_same_data({"a": Answer(), "b": Answer("REML"), "c": Answer(data_hash=None)})
    check_same_data({"a": object(), "b": Answer()})


def test_levels_that_one_answer_lacks_are_named():
    table = long(
        {"full": Answer(levels=tuple("123456789")), "short": Answer(levels=("1",)), "none": Answer(levels=())}
    )
    assert absent(table) == ["short: no rows b for g 2, 3, 4, 5, 6 and 3 more."]
    assert absent(long({"a": Answer(), "b": Answer()})) == []


def test_rows_are_asked_for_from_the_answers_that_have_them():
    class More(Answer):
        def icc(self, ci_prob):
            return block("icc", "x", group="g", estimate=[ci_prob])

    table = long({"a": Answer(), "b": More()}, 0.8, ["icc", "marginal_mean"])
    row = table[table["component"] == "icc"]
    assert row["estimator"].tolist() == ["b"] and row["estimate"].tolist() == [0.8]
    assert table["component"].drop_duplicates().tolist() == ["fixed", "sd", "icc", "b"]


def test_a_spread_is_asked_for_where_there_is_a_choice():
    class Choice(Answer):
        spreads = ("pev_sd", "cond_sd")

        def tidy(self, ci_prob=0.95, *, spread="pev_sd"):
            return super().tidy(ci_prob).assign(uncertainty_kind=spread)

    table = long({"a": Answer(), "b": Choice()}, spread="cond_sd")
    assert set(table.loc[table["estimator"] == "b", "uncertainty_kind"]) == {"cond_sd"}
    assert set(long({"b": Choice()})["uncertainty_kind"]) == {"pev_sd"}
