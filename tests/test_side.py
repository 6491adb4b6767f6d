"""Right sides: their size is known before they are expanded, their names before they are evaluated."""

from __future__ import annotations

import pytest
from formulaic import Formula
from formulaic.parser import DefaultFormulaParser

from blupbayes.errors import FormulaError
from blupbayes.model.side import _n_terms, compile_side, explicit


@pytest.mark.parametrize(
    "text",
    [
        "1",
        "0",
        "x",
        "x - 1",
        "a + b*c",
        "a*b*c*d",
        "(a + b + c)**2",
        "(a+b)^3 - a",
        "a/b/c",
        "(a+b)/c",
        "b %in% a",
        "a:b + c",
    ],
)
def test_the_bound_holds(text):
    root = DefaultFormulaParser().get_ast(text)
    assert len(list(Formula(text))) <= _n_terms(root) <= 30


@pytest.mark.parametrize(
    "text", ["(a+b)**40", "(a+b)**99999", "*".join("abcdefghijklmnop"), "((a+b+c)**5)**5"]
)
def test_sides_that_explode_are_refused(text):
    with pytest.raises(FormulaError, match=r"expands to more than|cannot be read"):
        compile_side(text)


def test_long_sums_are_fine():
    assert len(list(compile_side(" + ".join(f"x{i}" for i in range(800))).formula)) == 801


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x", "1 + x"),
        ("0 + x", "0 + x"),
        ("1 + x", "1 + x"),
        ("x - 1", "x - 1"),
        ("- x + z", "1 - x + z"),
        ("1", "1"),
    ],
)
def test_explicit_intercepts(text, expected):
    assert explicit(text) == expected
    assert list(Formula(text)) == list(Formula(expected))


def test_names_that_stand_alone_and_names_in_calls():
    side = compile_side("x + log(z):f + `a b`")
    assert {side.aliases.get(name, name) for name in side.lookups.values} == {"x", "f", "a b"}
    assert (side.uses.values, side.uses.functions) == ({"z"}, {"log"})


def test_the_callers_values_stand_in_calls_only():
    side = compile_side("x + I(c * z)")
    assert side.sources(["x", "z"], ["c"], "") == {"x": "x", "z": "z"}
    with pytest.raises(FormulaError, match="no column 'x'"):
        side.sources(["z"], ["c", "x"], "")


@pytest.mark.parametrize(
    "text", ["x ~ y", "[x ~ y]", "x | y", "'a'", "3", "x *", "x y", "2.5", "x:'a'", "x $ y", "log(x)(y)"]
)
def test_what_formulaic_cannot_read(text):
    with pytest.raises(FormulaError):
        compile_side(text, f"y ~ {text}")
