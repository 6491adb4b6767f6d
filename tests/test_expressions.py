"""A formula from a stranger runs no code: what is not on the list is refused before anything is evaluated."""

from __future__ import annotations

import os
import time

import numpy as np
import pandas as pd
import pytest

from blupbayes.errors import FormulaError
from blupbayes.model.design import build
from blupbayes.model.expressions import check
from blupbayes.model.formula import parse
from blupbayes.model.functions import FUNCTIONS

TABLE = pd.DataFrame(
    {
        "y": [1.0, 2.5, 3.0, 2.0, 4.0, 1.5],
        "x": [1.0, 2.0, 3.0, 4.0, 5.0, 7.0],
        "g": ["a", "a", "b", "b", "c", "c"],
    }
)

HOSTILE = [  # refused by its shape alone
    "__import__('os').system('true')",
    "I(__import__('os').system('true'))",
    "{__import__('os').system('true')}",
    "x.__class__",
    "I(x.__class__)",
    "I(().__class__.__bases__)",
    "x.to_csv('stolen')",
    "x.values[0]",
    "x[0]",
    "np.load('stolen')",
    "np.save('stolen', x)",
    "np.fromfile('stolen')",
    "np.ctypeslib.load_library('c', '.')",
    "np.add.reduce(x)",
    "np.log.__class__",
    "contr.__init__",
    "contr.mro()",
    "np.log(x, x)",
    "np.log(x, out=x)",
    "log(x, out=x)",
    "np.add(x, x, x)",
    "np.clip(x, 0, 1, x)",
    "np.round(x, 1, x)",
    "np.where(x > 1, x, x, x)",
    "np.frompyfunc(x, 1, 1)",
    "np.divmod(x, 2)",
    "I(lambda: 0)",
    "I((lambda: 0)())",
    "I([i for i in x])",
    "I({i for i in x})",
    "I((z := 3))",
    "I(f'{x}')",
    "I(x if x else x)",
    "I(x and x)",
    "I(not x)",
    "I(x is x)",
    "I(x in x)",
    "I(*x)",
    "I(**x)",
    "I(x @ x)",
    "I(1 < x < 2)",
    "I(x << 2)",
    "I(1j)",
    "I(b'a')",
    "I(...)",
    "I('a' * 1000000000)",
    "I([1] * 1000000000)",
    "I('%d' % x)",
    "center(x, _state={})",
    "center(x, _context=x)",
    "center(x, 'a\"b')",
    'center(x, "a\'b")',
    "center(x, 'a\\\\')",
    "center(x, 'a`b')",
    "Q(__import__('os').system('true'))",
    "Q('a', 'b')",
    "poly(x, 10**9)",
    "poly(x, degree=100000000)",
    "bs(x, df=100000000)",
    "hashed(x, 1000000000)",
    "I(9**9**9)",
    "I((9**9)**9)",
    "I(9**(9*9*9*9*9*9))",
    "I(9**I(9**9))",
    "I(I(9)**1000000000)",
    "I(9**-1000000000)",
    "I(1000000000**100)",
    "I(x + 9**9**9)",
    "(a + b + c + d + e + f)**30",
    "*".join(f"x{i}" for i in range(30)),
    ":".join(f"x{i}" for i in range(30)),
    "I(" + "x+" * 400 + "x)",
    "I(" + "-" * 3000 + "x)",
    "(" * 100 + "x" + ")" * 100,
    "x" * 20_000,
]

UNKNOWN = [  # names that are not known
    "hashed(x, 10, hash_func=eval)",
    "np.lib",
    "I(x.values)",
    "eval('1')",
    "exec('1')",
    "open('stolen')",
    "I(open('stolen'))",
    "compile('1', '', 'eval')",
    "getattr(x, 'values')",
    "globals()",
    "C(x, levels=eval('1'))",
    "print(x)",
    "range(3)",
    "unknown(x)",
]


@pytest.mark.parametrize("term", HOSTILE, ids=lambda term: term[:40])
def test_hostile_shapes_are_refused_before_there_are_data(term):
    with pytest.raises(FormulaError):
        parse(f"y ~ {term} + (1 | g)")


@pytest.mark.parametrize("term", HOSTILE + UNKNOWN, ids=lambda term: term[:40])
@pytest.mark.parametrize(
    "place", ["y ~ {} + (1 | g)", "y ~ x + ({} | g)", "{} ~ x + (1 | g)", "y ~ offset({}) + (1 | g)"]
)
def test_hostile_terms_are_refused_quickly_and_change_nothing(term, place, monkeypatch, tmp_path):
    def caught(*args, **kwargs):
        raise AssertionError(f"a formula ran code: {args}")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "system", caught)
    monkeypatch.setattr(np, "load", caught)
    before, start = TABLE.copy(deep=True), time.perf_counter()
    with pytest.raises(FormulaError):
        build(place.format(term), TABLE)
    assert time.perf_counter() - start < 2  # the towers would take hours, or the memory of the machine
    pd.testing.assert_frame_equal(TABLE, before)
    assert not list(tmp_path.iterdir())


def test_weights_and_offsets_as_text_are_checked_too():
    for option in ("weights", "offset"):
        with pytest.raises(FormulaError, match=r"underscores|not known"):
            build("y ~ x + (1 | g)", TABLE, **{option: "eval('1')"})


def test_names_in_backticks_cannot_break_out():
    name = "x'+eval('1')+'"
    with pytest.raises(FormulaError, match="no column"):
        build(f"y ~ C(`{name}`, '_formulaic_x__eval__1____') + (1 | g)", TABLE)
    design = build(f"y ~ center(`{name}`) + (1 | g)", TABLE.rename(columns={"x": name}))
    np.testing.assert_allclose(design.X[:, 1], TABLE.x - TABLE.x.mean(), atol=1e-12)  # sums of six numbers


@pytest.mark.parametrize(
    ("code", "values", "functions"),
    [
        ("log(x + 1)", {"x"}, {"log"}),
        ("np.log(x) / np.pi", {"x"}, {"np"}),
        ("x ** 2 + 2 ** x + (x ** 2) ** 0.5", {"x"}, set()),
        ("(x > 1) & ~(z == 'a') | (w != 2)", {"x", "z", "w"}, set()),
        ("C(f, contr.treatment(base='b'))", {"f"}, {"C", "contr"}),
        ("C(f, Treatment('b'), levels=['b', 'a'])", {"f"}, {"C", "Treatment"}),
        ("C(f, {'ab': [1, -1, 0]})", {"f"}, {"C"}),
        ("bs(x, df=5, degree=2)", {"x"}, {"bs"}),
        ("bs(x, knots=[1.5, 1e7])", {"x"}, {"bs"}),
        ("Q('a b')", {"a b"}, {"Q"}),
        ("clip(x, -1, 1) + where(x > 0, x, 0)", {"x"}, {"clip", "where"}),
        ("my(x, c)", {"x", "c"}, {"my"}),
        ("2 ** 10 * x", {"x"}, set()),
    ],
)
def test_harmless_expressions(code, values, functions):
    uses = check(code)
    assert (uses.values, uses.functions) == (values, functions)


def test_functions_are_numpys_and_formulaics():
    table = TABLE.assign(z=[-1.0, 0.5, 1.0, 2.0, 3.0, 4.0])
    design = build("y ~ sqrt(x) + np.abs(z) + I(x ** 2 / 3) + clip(z, 0, 2) - 1 + (1 | g)", table)
    expected = np.column_stack([np.sqrt(table.x), np.abs(table.z), table.x**2 / 3, np.clip(table.z, 0, 2)])
    np.testing.assert_allclose(design.X, expected, rtol=1e-15)  # the same operations


def test_exp10_is_ten_to_the_power():
    # formulaic's exp10(x) is x**10
    np.testing.assert_allclose(FUNCTIONS["exp10"](np.array([0.0, 2.0])), [1.0, 100.0], rtol=1e-15)


def test_the_callers_names_are_not_seen_unless_passed():
    secret = 3.0
    with pytest.raises(FormulaError, match="no column 'secret'"):
        build("y ~ I(x * secret) + (1 | g)", TABLE)
    design = build(
        "y ~ I(x * secret) + twice(x) + (1 | g)",
        TABLE,
        extra_names={"secret": secret, "twice": lambda v: 2 * v},
    )
    np.testing.assert_allclose(design.X[:, 1:], np.column_stack([3 * TABLE.x, 2 * TABLE.x]), rtol=1e-15)


def test_the_callers_integers_do_not_fill_the_memory():
    start = time.perf_counter()
    with pytest.raises(FormulaError, match="cannot be computed"):
        build("y ~ I(x * c ** c ** c) + (1 | g)", TABLE, extra_names={"c": 999})
    assert time.perf_counter() - start < 2


@pytest.mark.parametrize("name", ["log", "np", "__x", "a b", "contr"])
def test_extra_names_must_be_new_and_plain(name):
    with pytest.raises(FormulaError, match=r"extra name|already"):
        build("y ~ x + (1 | g)", TABLE, extra_names={name: 1})


@pytest.mark.parametrize(
    ("term", "hint"),
    [
        ("sqr(x)", "Did you mean 'sqrt'"),
        ("I(x and x)", "&"),
        ("log(a.b)", "no column 'a.b'"),
        ("x * log(offset)", "no column 'offset'"),
        ("I(9**9**9)", "are not stacked"),
        ("np.mean(x)", "np.<function>"),
    ],
)
def test_refusals_teach(term, hint):
    with pytest.raises(FormulaError, match=hint.replace("(", r"\(")):
        build(f"y ~ {term} + (1 | g)", TABLE)


def test_the_caret_stands_under_the_refused_part():
    with pytest.raises(FormulaError) as caught:
        build("y ~ x + I(x.values) + (1 | g)", TABLE)
    _, source, carets = str(caught.value).split("\n")
    assert source[carets.index("^") : carets.rindex("^") + 1] == "x.values"


def test_a_caret_is_no_power():
    """On whole numbers Python's ^ would be a bitwise operation, without a word."""
    with pytest.raises(FormulaError, match=r"'\^' is no power in Python; write x\*\*2"):
        check("x ^ 2")
