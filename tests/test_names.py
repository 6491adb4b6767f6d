"""Names that Python would not read as they are get plain ones, and their own ones back."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blupbayes.errors import FormulaError
from blupbayes.model.expressions import Uses
from blupbayes.model.names import plain, resolve, restored, same_name


@pytest.mark.parametrize(
    ("text", "changed", "aliases"),
    [
        ("x + log(y)", "x + log(y)", {}),
        ("`x` + `y`", "x + y", {}),
        ("`a b` * log(`a b` + `c d`)", "quoted_0_ * log(quoted_0_ + quoted_1_)", ["a b", "c d"]),
        ("a.b + log(a.b) + np.log(x)", "quoted_0_ + log(quoted_0_) + np.log(x)", ["a.b"]),
        ("C(f, contr.sum) + x.values()", "C(f, contr.sum) + x.values()", {}),
        ("1.5:x + .5:y", "1.5:x + .5:y", {}),
        ("log(\u00b5g)", "log(quoted_0_)", ["\u00b5g"]),
        ("class + None", "quoted_0_ + None", ["class"]),
        ("`log` + log(x)", "quoted_0_ + log(x)", ["log"]),
        ("C(f, '`a b`')", "C(f, '`a b`')", {}),
        ("quoted_0_ + `a b`", "quoted_0_ + quoted_x_0_", None),
    ],
)
def test_plain(text, changed, aliases):
    found, names = plain(text)
    assert found == changed
    if aliases is not None:
        assert list(names.values()) == list(aliases)


@given(st.lists(st.text("ab .:'\"\u00b5\u00df()", min_size=1, max_size=5), min_size=1, max_size=12))
@settings(max_examples=200, deadline=None)
def test_every_name_in_backticks_comes_back(names):
    text = ":".join(f"`{name}`" for name in names)
    changed, aliases = plain(text)
    assert unicodedata.normalize("NFKC", changed) == changed
    assert restored(changed, aliases) == ":".join(names)
    inside, aliases = plain(f"f({text})")
    assert restored(inside, aliases).replace("`", "") == f"f({':'.join(names)})".replace("`", "")


def test_backslashes_are_refused():
    with pytest.raises(FormulaError, match="no backslashes"):
        plain("x + \\y")


def test_same_name():
    assert same_name("x", ["x", "y"]) == "x"
    assert same_name("\u00fc", ["u\u0308"]) == "u\u0308"
    assert same_name("X", ["x"]) is None


def test_resolve_prefers_columns_to_the_callers_names():
    uses = Uses(frozenset(["x", "c"]), frozenset(["log", "mine"]))
    assert resolve(uses, ["x", "c"], ["c", "mine"]) == {"x": "x", "c": "c"}
    assert resolve(uses, ["x"], ["c", "mine"]) == {"x": "x"}
    with pytest.raises(FormulaError, match="function 'mine' is not known"):
        resolve(uses, ["x", "c"], [])
