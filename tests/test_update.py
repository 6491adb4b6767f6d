"""`.` in a new formula stands for what was in the old one."""

from __future__ import annotations

import pytest

from blupbayes.errors import FormulaError
from blupbayes.model.update import update_formula

OLD = "y ~ x + (x | g)"


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (". ~ . + z", "y ~ x + (x | g) + z"),
        (". ~ . - x", "y ~ (x | g)"),
        (". ~ . - (x|g) + (1 | g)", "y ~ x + (1 | g)"),
        (". ~ . - 1", "y ~ x + (x | g) - 1"),
        ("log(.) ~ .", "log(y) ~ x + (x | g)"),
        ("z ~ .", "z ~ x + (x | g)"),
        (". ~ (1 | h)", "y ~ (1 | h)"),
        (". ~ z + . ", "y ~ z + x + (x | g)"),
        (". ~ . - x:z", "y ~ x + (x | g) - x:z"),
    ],
)
def test_update(new, expected):
    assert update_formula(OLD, new) == expected


def test_dots_in_names_are_names():
    assert update_formula("a.b ~ c.d + (1 | g)", "log(.) ~ . + e.f") == "log(a.b) ~ c.d + (1 | g) + e.f"


def test_a_group_term_that_is_not_there_cannot_be_taken_away():
    with pytest.raises(FormulaError, match="is not a term of 'y ~ x"):
        update_formula(OLD, ". ~ . - (1 | g)")


def test_the_result_is_read_again():
    with pytest.raises(FormulaError, match="given twice"):
        update_formula(OLD, ". ~ . + x")
