"""Contrasts as users write them: every way to say the same gives the same rows; what cannot be is refused."""

import re

import numpy as np
import pandas as pd
import polars as pl
import pytest

from blupbayes.errors import BlupbayesError, DataError, FormulaError
from blupbayes.frequentist.contrasts import Contrasts, independent, read_contrasts

NAMES = ("Intercept", "Days", "Sex[T.Male]", "Days:Sex[T.Male]")
TWO = np.array([[0.0, 1, 0, 0.5], [0, 0, 1, 0]])


@pytest.mark.parametrize(
    "given",
    [
        TWO,
        TWO.tolist(),
        [{"Days": 1, "Days:Sex[T.Male]": 0.5}, {"Sex[T.Male]": 1}],
        ["Days + 0.5*Days:Sex[T.Male]", "Sex[T.Male]"],
        ["Days = -Days:Sex[T.Male]/2", {"Sex[T.Male]": 1.0}],
        [pd.Series({"Days:Sex[T.Male]": 0.5, "Days": 1}), [0, 0, 1, 0]],
        pd.DataFrame({"Sex[T.Male]": [0, 1], "Days:Sex[T.Male]": [0.5, 0], "Days": [1, 0]}),
        pl.DataFrame({"Sex[T.Male]": [0, 1], "Days:Sex[T.Male]": [0.5, 0], "Days": [1, 0]}),
        pd.DataFrame(TWO, columns=list(NAMES)),
    ],
)
def test_all_ways_to_write_contrasts_give_the_same_rows(given):
    found = read_contrasts(given, NAMES)
    np.testing.assert_array_equal(found.L, TWO)
    np.testing.assert_array_equal(found.rhs, [0, 0])
    assert found.L.dtype == found.rhs.dtype == float and len(found.labels) == 2


@pytest.mark.parametrize(
    "given", ["Days", {"Days": 1}, [0, 1, 0, 0], pd.Series([0, 1, 0, 0]), "2*Days - Days = 0"]
)
def test_one_contrast_is_one_row(given):
    np.testing.assert_array_equal(read_contrasts(given, NAMES).L, [[0, 1, 0, 0]])


def test_right_hand_sides_are_kept():
    found = read_contrasts(["Days = 3", "Intercept - 250", "2 = Sex[T.Male]"], NAMES)
    np.testing.assert_array_equal(found.L @ [250, 3, 2, 0] - found.rhs, [0, 0, 0])
    np.testing.assert_array_equal(np.abs(found.rhs), [3, 250, 2])


def test_a_name_is_a_coefficient_even_if_it_reads_as_an_equation():
    np.testing.assert_array_equal(read_contrasts("a - b", ["a", "b", "a - b"]).L, [[0, 0, 1]])
    np.testing.assert_array_equal(read_contrasts("1", ["0", "1"]).L, [[0, 1]])


def test_labels_are_the_users_where_there_are_any():
    frame = pd.DataFrame({"Days": [1, 2]}, index=["once", "twice"])
    assert read_contrasts(frame, NAMES).labels == ("once", "twice")
    assert read_contrasts(frame.reset_index(drop=True), NAMES).labels == ("Days", "2*Days")
    assert read_contrasts([" Days = 3 ", "Days"], NAMES).labels == ("Days = 3", "Days")
    found = read_contrasts([[0, 1, -2, 0], [-1, 0, 0.5, 0]], NAMES)
    assert found.labels == ("Days - 2*Sex[T.Male]", "-Intercept + 0.5*Sex[T.Male]")
    many = np.vstack([np.eye(6)[0], np.ones(6)])
    assert read_contrasts(many, list("abcdef")).labels == ("a", "contrast 2")


def test_the_input_is_not_changed_and_not_shared():
    given = TWO.copy()
    found = read_contrasts(given, NAMES)
    found.L[:] = 7
    np.testing.assert_array_equal(given, TWO)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ([0, 1], "a contrast has 2 weights; give one for each of the 4 coefficients Intercept, Days"),
        (np.zeros((2, 5)), "has 5 weights"),
        (np.zeros((1, 2, 4)), "not of shape (1, 2, 4)"),
        (None, "not of shape ()"),
        ([], "there is no contrast"),
        (np.zeros((0, 4)), "there is no contrast"),
        ([[0, 1, 0, 0], [0, 0, 0, 0]], "contrast 2 has no weights but zeros"),
        ({}, "no weights but zeros"),
        ("Days - Days", "contrast 1 ('Days - Days') has no weights but zeros"),
        ([[0, np.nan, 0, 0]], "a weight for 'Days' that is infinite or not a number"),
        ({"Sex[T.Male]": np.inf}, "a weight for 'Sex[T.Male]' that is infinite"),
        ("1e308*10*Days", "that is infinite or not a number"),
        ("Days = 1e308*10", "right-hand side of contrast 1 ('Days = 1e308*10') is infinite"),
        ({"days": 1}, "a weight for 'days', and there is no such coefficient"),
        ({"days": 1}, "Did you mean 'Days'?"),
        ({"Days": "many"}, "the weight of 'Days' in a contrast is not made of real numbers"),
        ({"Days": [1, 2]}, "give one number"),
        ({"Days": 10**400}, "not made of real numbers"),
        (np.eye(4) * 1j, "not made of real numbers"),
        ([[1, 2], [3]], "not made of real numbers"),
        (pd.DataFrame([{"Days": 1}, {"Intercept": 1}]), "infinite or not a number"),
        (pd.DataFrame([[1, 2]], columns=["Days", "Days"]), "two columns of the same name"),
        (pd.Series([1, 2], index=["Days", "Days"]), "two columns of the same name"),
        ("Dayz", "there is no coefficient 'Dayz'"),
    ],
)
def test_what_is_no_contrast_is_refused(given, problem):
    with pytest.raises(BlupbayesError, match=re.escape(problem)) as caught:
        read_contrasts(given, NAMES)
    assert isinstance(caught.value, FormulaError if problem.startswith("there is no coeff") else DataError)


def hypothesis_space(contrasts):
    """[L, rhs] in reduced form: two sets of equations with the same solutions have the same."""
    _, s, V = np.linalg.svd(np.column_stack([contrasts.L, contrasts.rhs]))
    rows = V[: int(np.sum(s > 1e-9 * s[0]))]
    return rows.T @ rows


def test_rows_that_follow_from_others_are_left_out_of_a_joint_test_and_named():
    pairs = read_contrasts(["a - b = 1", "b - c = 2", "a - c = 3", "2*a - 2*b = 2", "d = 0"], list("abcd"))
    chosen, message = independent(pairs)
    assert chosen.labels == ("a - b = 1", "b - c = 2", "d = 0")
    np.testing.assert_array_equal(chosen.L, pairs.L[[0, 1, 4]])
    np.testing.assert_array_equal(chosen.rhs, [1, 2, 0])
    assert (
        message.startswith("2 of 5 contrasts follow from the others")
        and "'a - c = 3', '2*a - 2*b = 2'" in message
    )


def test_independent_rows_stay_as_they_are():
    contrasts = read_contrasts(TWO, NAMES)
    chosen, message = independent(contrasts)
    assert chosen is contrasts and message == ""


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
def test_the_same_equations_are_left_in_any_units(scale):
    """Random rows of rank 3: the solutions stay the same, and neither units nor rounding change the rank."""
    rng = np.random.default_rng(3)
    basis, mix = rng.normal(size=(3, 6)) * scale, rng.normal(size=(7, 3))
    beta = rng.normal(size=6) / scale
    given = Contrasts(mix @ basis, mix @ basis @ beta, tuple("abcdefg"))
    chosen, _ = independent(given)
    assert chosen.L.shape == (3, 6)
    same = Contrasts(chosen.L / scale, chosen.rhs, chosen.labels)
    # rounding of the products above, times the condition of three random rows
    np.testing.assert_allclose(
        hypothesis_space(same), hypothesis_space(Contrasts(basis / scale, basis @ beta, ())), atol=1e-12
    )


def test_equations_that_contradict_each_other_are_refused():
    given = read_contrasts(["a - b = 1", "b - c = 2", "a - c = 4"], list("abc"))
    with pytest.raises(DataError, match="'a - c = 4' asks for 4, and the earlier ones say 3"):
        independent(given)
