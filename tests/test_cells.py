"""Columns of X put together again from covariates and codings, row by row, and the margins that terms add."""

import itertools
import re

import numpy as np
import pandas as pd
import pytest

from blupbayes.model.cells import Margin, cell_terms
from blupbayes.model.design import build, from_arrays

FORMULAS = {
    "crossed": "f * h * x",
    "no_intercept": "0 + f + h",
    "slopes_in_levels": "f + f:x",
    "nested": "h / f",
    "cell_means": "f:h",
    "squares": "(f + h + x)**2",
    "sum": "C(f, contr.sum) * h",
    "helmert": "C(f, contr.helmert) * x",
    "poly_coding": "C(f, contr.poly):h",
    "reference": "C(f, contr.treatment(base='b')) * C(h, contr.SAS)",
    "diff": "C(f, contr.diff)",
    "custom": "C(f, {'linear': [1, 0, -1]}) * h",
    "not_spanning": "C(f, spans_intercept=False)",
    "extra_level": "C(f, levels=['b', 'a', 'c', 'z']) * h",
    "boolean": "flag * f + flag:x",
    "comparison": "C(x > 0) * f",
    "scaled": "2:x + f",
    "two_covariates": "x:z:f + z:x",
    "quoted": "`my f`*x",
    "quoted_call": "C(`my f`, contr.sum):x",
    "odd_levels": "odd * x",
    "ends_alike": "hx:x",
    "one_level": "only + C(only, contr.poly):x + f:only",
}


def make_frame(n=90):
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({name: rng.normal(size=n) for name in ("y", "x", "z")})
    for name, levels in {"f": "abc", "h": "uv", "g": "ABCDEF", "my f": "klm"}.items():
        frame[name] = rng.choice(list(levels), n)
    frame["odd"] = rng.choice(["x:", "f[a]:x", "]", "a:x[1]"], n)
    return frame.assign(flag=rng.random(n) > 0.5, hx=frame["h"], only="level")


FRAME = make_frame()
# what formulaic's factors are, by hand
VALUES = {
    **{f"C({name}, {rest})": name for name in "fh" for rest in ("contr.sum", "contr.helmert", "contr.poly")},
    "C(f, contr.diff)": "f",
    "C(f, contr.treatment(base='b'))": "f",
    "C(h, contr.SAS)": "h",
    "C(only, contr.poly)": "only",
    "C(f, {'linear': [1, 0, -1]})": "f",
    "C(f, spans_intercept=False)": "f",
    "C(f, levels=['b', 'a', 'c', 'z'])": "f",
    "quoted_0_": "my f",
    "C(quoted_0_, contr.sum)": "my f",
}
LEVELS = {"C(f, levels=['b', 'a', 'c', 'z'])": ["b", "a", "c", "z"]}


def values_of(factor):
    return FRAME["x"] > 0 if factor == "C(x > 0)" else FRAME[VALUES.get(factor, factor)]


def rebuilt(column):
    """The values (n,) of a column, from the data."""
    out = np.full(len(FRAME), column.scale)
    for name in column.covariates:
        out *= FRAME[name]
    for factor, coding in column.codings.items():
        values = values_of(factor)
        levels = LEVELS.get(factor, sorted(values.unique()))
        assert len(levels) == len(coding)
        out *= values.map(dict(zip(levels, coding, strict=True))).to_numpy(dtype=float)
    return out


@pytest.mark.parametrize("text", FORMULAS.values(), ids=FORMULAS)
def test_columns_are_the_products_that_their_cells_say(text):
    design = build(f"y ~ {text} + (1 | g)", FRAME)
    columns = [column for term in cell_terms(design) for column in term.columns]
    # products of two or three floats, in whatever order
    np.testing.assert_allclose(np.column_stack([rebuilt(c) for c in columns]), design.X, rtol=1e-14, atol=0)


BASES = [
    "poly(x, 2) * f",
    "f:poly(x, 2):bs(z, df=3)",
    "bs(x, df=12):f",
    "cr(x, df=3):h",
    "f:bs(x, df=4, include_intercept=True)",
    "f:h:bs(x, df=4, include_intercept=True)",
]


@pytest.mark.parametrize("text", BASES)
def test_the_columns_of_a_basis_are_covariates_of_their_own(text):
    """Products of codings and of the columns of the bare bases, by name, are the columns of X."""
    design = build(f"y ~ {text} + (1 | g)", FRAME)
    alone = {}
    for basis in re.findall(r"\w+\([^)]*\)", text):
        bare = build(f"y ~ 0 + {basis} + (1 | g)", FRAME)
        alone |= dict(zip(bare.fixed_names, bare.X.T, strict=True))
    columns = [column for term in cell_terms(design) for column in term.columns]
    for column, values in zip(columns, design.X.T, strict=True):
        expected = np.prod([alone[name] for name in column.covariates], axis=0) * np.ones(len(FRAME))
        for factor, coding in column.codings.items():
            expected *= FRAME[factor].map(dict(zip(sorted(FRAME[factor].unique()), coding, strict=True)))
        np.testing.assert_allclose(values, expected, rtol=1e-14, atol=0)


def margins(text):
    """Term -> its margins, as (covariates, factors) in text."""
    terms = cell_terms(build(f"y ~ {text} + (1 | g)", FRAME))
    return {
        term.name: {("".join(sorted(m.covariates)), "".join(sorted(m.factors))) for m in term.margins}
        for term in terms
    }


def test_a_term_owns_what_it_adds_to_the_terms_before_it():
    assert margins("f + f:h") == {"1": {("", "")}, "f": {("", "f")}, "f:h": {("", "h"), ("", "fh")}}
    assert margins("f + f:x") == {"1": {("", "")}, "f": {("", "f")}, "f:x": {("x", ""), ("x", "f")}}
    assert margins("0 + f + h") == {"f": {("", ""), ("", "f")}, "h": {("", "h")}}
    assert margins("f:h") == {"1": {("", "")}, "f:h": {("", "f"), ("", "h"), ("", "fh")}}
    assert margins("f:flag") == {"1": {("", "")}, "f:flag": {("", "flag"), ("", "fflag")}}


@pytest.mark.parametrize(
    "text", [FORMULAS[k] for k in ("crossed", "nested", "cell_means", "squares", "boolean")]
)
def test_margins_count_the_columns(text):
    """(J_f - 1) for each factor of a margin, multiplied, and added up over the margins of a term."""
    terms = cell_terms(build(f"y ~ {text} + (1 | g)", FRAME))
    for term in terms:
        sizes = {f: len(coding) for column in term.columns for f, coding in column.codings.items()}
        counts = [np.prod([sizes[f] - 1 for f in margin.factors], dtype=int) for margin in term.margins]
        assert sum(counts) == term.stop - term.start == len(term.columns)


def test_without_columns_there_are_no_terms():
    assert cell_terms(build("y ~ 0 + (1 | g)", FRAME)) == ()


def test_an_intercept_alone_is_one_term():
    (term,) = cell_terms(build("y ~ 1 + (1 | g)", FRAME))
    assert (term.name, term.start, term.stop, term.margins) == (
        "1",
        0,
        1,
        (Margin(frozenset(), frozenset()),),
    )


def test_arrays_have_a_term_for_each_column():
    X = np.column_stack([np.full(6, 3.0), np.arange(6.0), np.zeros(6)])
    terms = cell_terms(
        from_arrays(np.arange(6.0), X, np.repeat(np.eye(3), 2, axis=0), fixed_names=["c", "x", "o"])
    )
    assert [(term.name, bool(term.columns[0].covariates)) for term in terms] == [
        ("c", False),
        ("x", True),
        ("o", True),
    ]


def test_terms_stand_one_after_the_other():
    terms = cell_terms(build("y ~ f * h * x + (1 | g)", FRAME))
    assert terms[0].start == 0 and all(a.stop == b.start for a, b in itertools.pairwise(terms))
