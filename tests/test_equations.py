"""Equations in coefficients: judged by putting numbers in place of the names and calculating."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blupbayes.errors import FormulaError
from blupbayes.frequentist.equations import read_equation

NAMES = (
    "Intercept",
    "age",
    "ages",
    "Sex[T.Male]",
    "age:Sex[T.Male]",
    "temperature[T.185]",
    "poly(x, 2)[1]",
    "log(`my x`)",
    "my f[T.b]",
    "x > 0",
    "C(f, {'q': [1, 0, -1]})[q]",
    "x.1",
    "größe",
)
VALUES = dict(zip(NAMES, np.linspace(-2.3, 3.1, len(NAMES)), strict=True))


def calculated(text):
    """Left minus right side at VALUES, by Python, the names replaced by numbers."""
    for name in sorted(NAMES, key=len, reverse=True):
        text = text.replace(name, f"({VALUES[name]!r})")
    left, _, right = text.replace("==", "=").partition("=")
    return eval(left) - eval(right or "0")


@pytest.mark.parametrize(
    "text",
    [
        "age",
        "age - 2*Sex[T.Male] = 0",
        "temperature[T.185]=temperature[T.185]*3 - 1e-1",
        "-(age:Sex[T.Male] + poly(x, 2)[1]) / 4 == 2.5",
        "log(`my x`)-my f[T.b]",
        "x > 0 + x.1 = .5",
        "2*(3 - (age - ages)/2) = -(-1)*größe",
        "C(f, {'q': [1, 0, -1]})[q]*(1 + 1)/(3 - 1) - - age",
        "3*0.5*age*2 + 0*ages",
        "10 - Intercept",
    ],
)
def test_an_equation_is_what_it_says(text):
    weights, right = read_equation(text, NAMES)
    assert weights @ list(VALUES.values()) - right == pytest.approx(calculated(text), rel=1e-13)


numbers = st.integers(1, 9).map(str)
coefficients = st.sampled_from(NAMES)
products = st.one_of(
    coefficients,
    st.builds("{}*{}".format, numbers, coefficients),
    st.builds("{} * {} / {}".format, coefficients, numbers, numbers),
    numbers,
)


def sums(parts):
    return st.lists(st.tuples(st.sampled_from(["+", "-"]), parts), min_size=1, max_size=4).map(
        lambda signed: " ".join(f"{sign} {part}" for sign, part in signed)
    )


nested = st.recursive(products, lambda inner: st.builds("{}*({})".format, numbers, sums(inner)), max_leaves=8)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(sums(nested), sums(nested))
def test_any_linear_equation_is_read_as_it_is_calculated(left, right):
    weights, r = read_equation(f"{left} = {right}", NAMES)
    # sums of at most some hundred numbers below 1e6
    assert weights @ list(VALUES.values()) - r == pytest.approx(
        calculated(f"{left} = {right}"), rel=1e-9, abs=1e-8
    )


def test_the_longest_name_is_meant_and_no_part_of_one():
    assert read_equation("age:Sex[T.Male]", NAMES)[0].tolist() == [
        float(n == "age:Sex[T.Male]") for n in NAMES
    ]
    with pytest.raises(FormulaError, match=re.escape("no coefficient 'age:Sex[T.Female]'")):
        read_equation("age:Sex[T.Female]", NAMES)


def test_names_like_numbers_and_sums_stand_in_backticks():
    names = ["1", "a - b", "a", "b"]
    assert read_equation("2*`1` - 1", names)[0].tolist() == [2, 0, 0, 0]
    assert read_equation("2*`1` - 1", names)[1] == 1
    assert read_equation("`a - b` = a", names)[0].tolist() == [0, 1, -1, 0]
    assert read_equation("`a`-`b`", names)[0].tolist() == [0, 0, 1, -1]
    assert read_equation("3*a - b", names)[0].tolist() == [0, 3, 0, 0]  # the longest name is meant


@pytest.mark.parametrize(
    ("text", "problem", "caret"),
    [
        ("Sex[Male] = 0", "no coefficient 'Sex[Male]'", 0),
        ("age + nope", "no coefficient 'nope'", 6),
        ("2age", "no coefficient '2age'", 0),
        ("`nope` + age", "no coefficient 'nope'", 0),
        ("__import__('os').getcwd()", "no coefficient '__import__", 0),
        ("age*ages", "linear", 3),
        ("age / ages", "divided by numbers only", 4),
        ("age/(2 - 2)", "not by 0", 3),
        ("(age", "not closed", 4),
        ("age)", "a sign is missing", 3),
        ("age ages", "a sign is missing", 4),
        ("age = 1 = 2", "one '='", 8),
        ("age <= 3", "set to a number with '='", 4),
        ("age + ", "is missing here", 6),
        ("", "is missing here", 0),
        ("= 3", "is missing here", 0),
        ("2**age", "is missing here", 2),
        ("(" * 60 + "age" + ")" * 60, "nested more than 40", 41),
    ],
)
def test_what_is_no_equation_is_refused_with_a_caret_under_the_place(text, problem, caret):
    with pytest.raises(FormulaError) as caught:
        read_equation(text, NAMES)
    message, _, marked = str(caught.value).partition("\n")
    assert problem in str(caught.value)
    if text:
        assert marked.splitlines()[-1].index("^") - 2 == caret
    assert len(message) > len(problem) - 1


def test_a_close_name_is_suggested():
    with pytest.raises(FormulaError, match=re.escape("Did you mean 'Sex[T.Male]'?")):
        read_equation("Sex[T.male]", NAMES)


def test_deep_and_long_texts_end_in_an_answer_or_a_sentence():
    assert read_equation("-" * 20_001 + "age", NAMES)[0][1] == -1
    assert read_equation(" + ".join(["age"] * 5000), NAMES)[0][1] == 5000
    assert read_equation("(age) + " * 100 + "age", NAMES)[0][1] == 101
    with pytest.raises(FormulaError, match="nested"):
        read_equation("(" * 20_000, NAMES)
