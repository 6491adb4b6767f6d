"""The text of a formula: what stands outside brackets and quotes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blupbayes.errors import FormulaError
from blupbayes.model.scanner import addends, fail, locate, split, suggestion, unquoted, unwrap, walk


@given(st.text("xyz01+-*/:|~ ()[]{}'\"`\\.,\n", max_size=30))
@settings(max_examples=300, deadline=None)
def test_any_text_is_read_or_refused(text):
    try:
        seen = list(walk(text))
    except FormulaError:
        return
    assert all(text[i] == char for i, char, _ in seen)
    pieces = split(text, "+-")
    assert all(text[position:].startswith(piece) for _, piece, position in pieces)
    assert len(pieces) == 1 + sum(char in "+-" and not around for _, char, around in seen)


def test_brackets_of_calls_are_told_from_brackets_of_groups():
    around = {char: kinds for _, char, kinds in walk("(a) + f(b) + (g(c)) + {d} + `k`(e)") if char in "abcde"}
    assert around == {"a": "(", "b": "f", "c": "(f", "d": "{", "e": "("}


def test_quotes_hide_what_is_in_them():
    assert [char for _, char, _ in walk("a'+\\''\"(\"`)`b")] == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("x + y - z", ["+x", "+y", "-z"]),
        ("- 1 + x", ["-1", "+x"]),
        ("x - -y", ["+x", "+y"]),
        ("x + - y", ["+x", "-y"]),
        ("f(a + b) + (c - d)", ["+f(a + b)", "+(c - d)"]),
        ("`a + b` + 'c - d'", ["+`a + b`", "+'c - d'"]),
    ],
)
def test_addends(text, terms):
    assert [sign + piece for sign, piece, _ in addends(text)] == terms


def test_positions_count_from_the_start_of_the_formula():
    assert [position for _, _, position in addends("  x +   y", 10)] == [12, 18]
    assert unwrap("(( x ))", 5) == ("x", 8)
    assert unwrap("(x) + (y)", 5) == ("(x) + (y)", 5)


def test_names():
    assert (unquoted("`a b`"), unquoted("a"), unquoted("`a` + `b`")) == ("a b", "a", "`a` + `b`")
    assert locate("rails ~ rail + log(x)", "rail") == 8
    assert locate("y ~ x.y + x", "x") == 10
    assert locate("y ~ x", "z") == -1
    assert suggestion("Rial", ["rail", "travel"]) == " Did you mean 'rail'?"
    assert suggestion("batch", ["rail", "travel"]) == ""


def test_carets_stand_under_the_place_in_long_formulas_too():
    source = "a" * 1000 + "HERE" + "b" * 1000
    _, shown, carets = str(fail("wrong", source, 1000, 4)).split("\n")
    assert shown[carets.index("^") : carets.rindex("^") + 1] == "HERE"
    assert len(shown) < 500
