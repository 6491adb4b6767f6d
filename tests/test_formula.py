"""Formulas in lme4's syntax -> their parts, and what cannot be read says where."""

from __future__ import annotations

import pickle

import pytest

from blupbayes.errors import FormulaError
from blupbayes.model.formula import Bar, parse


def bars(right):
    """The group terms of a right side, as text."""
    return [str(bar) for bar in parse(f"y ~ {right}").bars]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("(1|g)", ["(1 | g)"]),
        ("(x|g)", ["(1 + x | g)"]),
        ("(1 + x|g)", ["(1 + x | g)"]),
        ("(0+x|g)", ["(0+x | g)"]),
        ("(x - 1|g)", ["(x - 1 | g)"]),
        ("(-1 + x|g)", ["(-1 + x | g)"]),
        ("(x||g)", ["(1 + x || g)"]),
        ("(x || g)", ["(1 + x || g)"]),
        ("(1|a:b)", ["(1 | a:b)"]),
        ("(1|a/b)", ["(1 | a)", "(1 | a:b)"]),
        ("(1|a/b/c)", ["(1 | a)", "(1 | a:b)", "(1 | a:b:c)"]),
        ("(1|(a/b))", ["(1 | a)", "(1 | a:b)"]),
        ("(1|a/(b:c))", ["(1 | a)", "(1 | a:b:c)"]),
        ("(x|a + b)", ["(1 + x | a)", "(1 + x | b)"]),
        ("(1|(a+b)/c)", ["(1 | a)", "(1 | b)", "(1 | a:b:c)"]),
        ("(1|a) + (1|b)", ["(1 | a)", "(1 | b)"]),
        ("((1|g))", ["(1 | g)"]),
        ("(log(x + 1)|g)", ["(1 + log(x + 1) | g)"]),
        ("(1|`my group`)", ["(1 | my group)"]),
        ("(1|`a|b`)", ["(1 | a|b)"]),
        ("(1|größe)", ["(1 | größe)"]),
    ],
)
def test_bars(written, expected):
    assert bars(f"x + {written}") == expected


@pytest.mark.parametrize(
    ("written", "fixed"),
    [
        ("(1|g)", "1"),
        ("x + (1|g)", "x"),
        ("(1|g) + x", "x"),
        ("0 + x + (1|g)", "0 + x"),
        ("x - 1 + (1|g)", "x - 1"),
        ("(1|g) - 1", "- 1"),
        ("a * b + I(x | z) + (1|g)", "a * b + I(x | z)"),
        ("log(x + 1) + (1|g)", "log(x + 1)"),
        ("x + offset(log(n)) + (1|g)", "x"),
        ("x + `offset(z)` + (1|g)", "x + `offset(z)`"),
    ],
)
def test_fixed_side(written, fixed):
    assert parse(f"y ~ {written}").fixed == fixed


def test_offsets_are_taken_out():
    terms = parse("y ~ x + offset(log(n)) + (1|g) + offset(z)")
    assert terms.offsets == ("log(n)", "z")


def test_response_may_be_an_expression():
    assert parse("log(y + 0.1) ~ x + (1|g)").response == "log(y + 0.1)"


def test_lines_are_joined_and_terms_keep_their_order():
    terms = parse("y ~ x +\n  (1|b) +\n\t(1|a)")
    assert "\n" not in terms.text
    assert [bar.group for bar in terms.bars] == [("b",), ("a",)]


def test_terms_are_values():
    terms = parse("y ~ x + (x || g)")
    assert pickle.loads(pickle.dumps(terms)) == terms == parse("y ~ x + (x || g)")
    assert terms.bars == (Bar("1 + x", ("g",), "diagonal"),)


@pytest.mark.parametrize(
    ("text", "message", "under"),
    [
        ("travel ~ x | rail", "'|' outside brackets", "| rail"),
        ("y ~ x + (1|", "not closed", "(1|"),
        ("y ~ x) + (1|g)", "closes nothing", ") + (1|g)"),
        ("y ~ (x|g|h)", "one bar too many", "|h)"),
        ("y ~ (x|||h)", "one bar too many", None),
        ("y ~ (|g)", "before the bar", "|g)"),
        ("y ~ (1|)", "after it", "1|)"),
        ("y ~ x*(1|g)", "stands alone", "|g)"),
        ("y ~ (x + (1|g))", "stands alone", "|g))"),
        ("y ~ x - (1|g)", "cannot be subtracted", "(1|g)"),
        ("y ~ x + x + (1|g)", "'x' is given twice", "x + (1|g)"),
        ("y ~ (x|g) + (1 + x | g)", "given twice", None),
        ("y ~ (1|a:b) + (1|b:a)", "given twice", None),
        ("y ~ (1|a/b) + (1|a)", "given twice", None),
        ("y ~ x + (1|y)", "'y' is the response and cannot be a grouping factor", "y)"),
        ("`a b` ~ x + (1|g:`a b`)", "'a b' is the response", None),
        ("y ~ x + + ", "nothing stands after", "+"),
        ("y ~ (1|factor(g))", "not a grouping column", "factor(g))"),
        ("y ~ (1|2)", "not a grouping column", "2)"),
        ("y ~ (1|a*b)", "not a grouping column", "a*b)"),
        ("y ~ (1|" + ":".join(["(a+b)"] * 60) + ")", "more than 100 grouping factors", None),
        ("y ~ x*offset(z) + (1|g)", "offset stands alone", "offset(z) + (1|g)"),
        ("y ~ (1 + offset(z)|g)", "offset stands alone", "offset(z)|g)"),
        ("y ~ x + `` + (1|g)", "no name between the backticks", "`` + (1|g)"),
        ("y ~ x + 'a + (1|g)", "not closed", "'a + (1|g)"),
        ("y ~ . + (1|g)", "write their names", ". + (1|g)"),
        ("y x (1|g)", "no '~'", None),
        ("y ~ x ~ z", "2 times '~'", None),
        ("~ x + (1|g)", "on the left", None),
        ("y ~ ", "on the right", None),
        ("", "no '~'", None),
    ],
)
def test_errors_say_what_and_where(text, message, under):
    with pytest.raises(FormulaError) as caught:
        parse(text)
    first, *rest = str(caught.value).split("\n")
    assert message in first
    if under is not None:  # the caret stands under the start of that part of the formula
        source, carets = rest
        assert source[carets.index("^") :].startswith(under.strip())


def test_a_bar_outside_brackets_is_rewritten():
    with pytest.raises(FormulaError, match=r"travel ~ x \+ \(1 \| rail\)"):
        parse("travel ~ x | rail")


@pytest.mark.parametrize("text", [None, 3, ["y ~ x"], b"y ~ x"])
def test_a_formula_is_text(text):
    with pytest.raises(FormulaError, match="a formula is a text"):
        parse(text)


def test_errors_on_long_formulas_stay_short():
    text = "y ~ " + " + ".join(f"x{i}" for i in range(300)) + " + (1|g|h)"
    with pytest.raises(FormulaError) as caught:
        parse(text)
    *_, source, carets = str(caught.value).split("\n")
    assert len(str(caught.value)) < 1500
    assert source[carets.index("^") :].startswith("|h)")
