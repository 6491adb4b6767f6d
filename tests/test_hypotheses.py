"""Type III hypotheses: against lme4, lmerTest and car, against cell means by hand, and in every coding."""

import functools
import itertools

import numpy as np
import pandas as pd
import pytest

import blupbayes as bb
from blupbayes.errors import DataError
from blupbayes.model.design import build, from_arrays
from blupbayes.model.hypotheses import hypotheses, type_three
from reference_data import CASES, read

LARGE = {"InstEval-service"}  # seconds for one number
TESTED = [case for case in CASES if case.reference["REML"].get("anova_type3_satterthwaite")]
# lmerTest rounds its contrasts to seven digits (zapsmall): 1/3 is 0.3333333, and F moves by up to some 1e-6
LMERTEST = 1e-5


def wald(L, beta, cov):
    """F of L beta = 0."""
    return (L @ beta) @ np.linalg.solve(L @ cov @ L.T, L @ beta) / len(L)


@functools.cache
def model_of(case):
    return bb.MixedModel(case.formula, case.frame())


@pytest.mark.parametrize("method", ["REML", "ML"])
@pytest.mark.parametrize("case", [c for c in TESTED if c.name not in LARGE], ids=lambda case: case.name)
def test_F_is_that_of_lmerTest(case, method):
    fit = model_of(case).fit(method)
    beta, cov = fit.beta.to_numpy(), fit.beta_cov.to_numpy()
    expected = case.reference[method]["anova_type3_satterthwaite"]
    found = type_three(fit.design)
    assert [len(L) for L in found.values()] == [row["NumDF"] for row in expected.values()]
    F = [wald(L, beta, cov) for L in found.values()]
    np.testing.assert_allclose(F, [row["F"] for row in expected.values()], rtol=LMERTEST)


@functools.cache
def unbalanced():
    """The stored reference, and its data."""
    reference = read("type3", "unbalanced")
    return reference["models"], pd.DataFrame(reference["data"])


@pytest.mark.parametrize("name", unbalanced()[0])
def test_F_of_unbalanced_models_is_that_of_lmerTest_and_car(name):
    models, data = unbalanced()
    reference = models[name]
    fit = bb.MixedModel(reference["formula"], data).fit("REML")
    found = type_three(fit.design)
    for program, rtol in (("lmerTest", LMERTEST), ("car", 1e-8)):  # both at optima with thetas exact to 1e-9
        for term, row in reference.get(program, {}).items():
            L = found[term]
            assert len(L) == row["NumDF"]
            assert wald(L, fit.beta.to_numpy(), fit.beta_cov.to_numpy()) == pytest.approx(row["F"], rel=rtol)
    assert list(found) == list(reference["lmerTest"])


def make_frame(n=160, seed=11):
    """Three factors, unbalanced and without empty cells, a covariate and a group."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"x": rng.normal(1.0, 2.0, n), "z": rng.normal(size=n)})
    frame["a"] = rng.choice(["p", "q", "r"], n, p=[0.5, 0.3, 0.2])
    frame["b"] = rng.choice(["k", "l", "m", "n"], n, p=[0.4, 0.2, 0.2, 0.2])
    frame["c"] = rng.choice(["no", "yes"], n, p=[0.65, 0.35])
    frame["g"] = rng.choice(list("ABCDEFGH"), n)
    frame["flag"] = frame["c"] == "yes"
    assert frame.groupby(["a", "b", "c"]).size().shape == (24,)
    effect = 0.5 * (frame["a"] == "q") * frame["x"] - 0.7 * (frame["b"] == "m") + 0.4 * (frame["c"] == "yes")
    return frame.assign(y=effect + rng.normal(size=8)[pd.factorize(frame["g"])[0]] + rng.normal(size=n))


FRAME = make_frame()
V = np.eye(len(FRAME)) + 0.8 * (FRAME["g"].to_numpy()[:, None] == FRAME["g"].to_numpy())


def gls(X):
    """beta and its covariance at given variances, V written out."""
    half = np.linalg.cholesky(V)
    Q, R = np.linalg.qr(np.linalg.solve(half, X))
    root = np.linalg.inv(R)
    return root @ (Q.T @ np.linalg.solve(half, FRAME["y"].to_numpy())), root @ root.T


def F_of(formula, data=FRAME):
    """F of each term, in the order of the formula."""
    design = build(f"y ~ {formula} + (1 | g)", data)
    beta, cov = gls(design.X)
    return np.array([wald(L, beta, cov) for L in type_three(design).values()])


MODEL = "{a} * {b} * {c} + {a} * x + {b}:x + z"
PLAIN = {"a": "a", "b": "b", "c": "c"}
CODINGS = {
    "sum": {k: f"C({k}, contr.sum)" for k in "abc"},
    "helmert": {k: f"C({k}, contr.helmert)" for k in "abc"},
    "poly": {k: f"C({k}, contr.poly)" for k in "abc"},
    "SAS": {k: f"C({k}, contr.SAS)" for k in "abc"},
    "diff": {k: f"C({k}, contr.diff)" for k in "abc"},
    "reference": {"a": "C(a, contr.treatment(base='q'))", "b": "C(b, contr.treatment(base='n'))", "c": "c"},
    "levels": {"a": "C(a, levels=['r', 'p', 'q'])", "b": "C(b, levels=['n', 'k', 'm', 'l'])", "c": "c"},
    "mixed": {"a": "C(a, contr.helmert)", "b": "b", "c": "C(c, contr.sum)"},
    "scores": {"a": "C(a, contr.poly(scores=[0, 1, 5]))", "b": "C(b, contr.helmert(scale=True))", "c": "c"},
    "matrix": {"a": "C(a, [[1, 0], [7, 3], [0, 1]])", "b": "b", "c": "C(c, {'up': [-30, 10]})"},
}


MODELS = [MODEL, "{a} / {b} + {c}:x", "{a}:{b} + {c}", "{a} + {a}:x + {c}"]


# a matrix of contrasts has no coding of full rank: without the margins of a term it makes another model
@pytest.mark.parametrize("coding", [name for name in CODINGS if name != "matrix"])
@pytest.mark.parametrize("model", MODELS)
def test_F_is_the_same_in_every_coding(model, coding):
    check_coding(model, CODINGS[coding])


def test_F_is_the_same_with_a_matrix_of_contrasts():
    check_coding(MODEL, CODINGS["matrix"])


def check_coding(model, coding):
    # solving with X costs its condition number, here below 1e4
    np.testing.assert_allclose(F_of(model.format(**coding)), F_of(model.format(**PLAIN)), rtol=1e-8)


def test_F_does_not_depend_on_the_names_of_levels_or_the_order_of_terms():
    renamed = FRAME.assign(a=FRAME["a"].map({"p": "z:", "q": "b]", "r": "a[T.q]"}))
    np.testing.assert_allclose(F_of("a * b + x", renamed), F_of("a * b + x"), rtol=1e-8)
    x, a, b, ab = F_of("x + b + a + b:a")[[0, 2, 1, 3]]
    np.testing.assert_allclose([a, b, x, ab], F_of("a + b + x + a:b"), rtol=1e-8)


def test_F_does_not_depend_on_units():
    changed = FRAME.assign(x=FRAME["x"] * 1e6)
    np.testing.assert_allclose(F_of("a * x + b", changed), F_of("a * x + b"), rtol=1e-8)


def test_F_does_not_depend_on_numbers_in_a_term():
    np.testing.assert_allclose(F_of("2:x + a:x + b"), F_of("x + a:x + b"), rtol=1e-8)


def sum_coded(values):
    """Columns (n, J - 1): 1 for a level, -1 for the last."""
    levels = sorted(values.unique())
    last = (values == levels[-1]).to_numpy(dtype=float)
    return np.column_stack([(values == level).to_numpy(dtype=float) - last for level in levels[:-1]])


def test_in_sum_coding_by_hand_a_term_is_zero_where_its_coefficients_are():
    main = {name: sum_coded(FRAME[name]) for name in "abc"} | {
        name: FRAME[[name]].to_numpy() for name in "xz"
    }
    terms = ["a", "b", "c", "x", "z", "ab", "ac", "bc", "ax", "bx", "abc"]

    def product(term):
        parts = [main[name] for name in term]
        return functools.reduce(
            lambda left, right: np.einsum("ni,nj->nij", left, right).reshape(len(FRAME), -1), parts
        )

    blocks = [np.ones((len(FRAME), 1)), *(product(term) for term in terms)]
    beta, cov = gls(np.hstack(blocks))
    stops = np.cumsum([block.shape[1] for block in blocks])
    expected = {}
    for term, start, stop in zip(terms, stops, stops[1:], strict=False):
        L = np.eye(len(beta))[start:stop]
        expected[term] = wald(L, beta, cov)
    design = build(f"y ~ {MODEL.format(**PLAIN)} + (1 | g)", FRAME)
    own, own_cov = gls(design.X)
    for term, L in type_three(design).items():
        assert wald(L, own, own_cov) == pytest.approx(
            expected["".join(sorted(term.replace(":", "")))], rel=1e-8
        )


GRID = pd.DataFrame(itertools.product("pqr", "klmn", ["no", "yes"]), columns=list("abc"))
GRID["flag"] = GRID["c"] == "yes"


def cell_rows(design, x):
    """Rows of X at all cells of the factors (3, 4, 2, p)."""
    return design.encode(GRID.assign(x=x, z=0.0), groups=()).X.reshape(3, 4, 2, -1)


def differences(rows, axes):
    """Differences along the factors of `axes` in means over the others, as rows (k, p)."""
    for axis in range(3):
        rows = np.diff(rows, axis=axis) if axis in axes else rows.mean(axis=axis, keepdims=True)
    return rows.reshape(-1, rows.shape[-1])


A, B, C = 0, 1, 2
# term -> margins: (whether it is about slopes, the factors whose levels are compared)
BY_HAND = {
    "a * b * c": {
        "a": [(False, {A})],
        "b": [(False, {B})],
        "a:b": [(False, {A, B})],
        "a:b:c": [(False, {A, B, C})],
    },
    "a + a:b": {"a": [(False, {A})], "a:b": [(False, {B}), (False, {A, B})]},
    "c + a:b:c": {
        "c": [(False, {C})],
        "a:b:c": [(False, axes) for axes in ({A}, {B}, {A, B}, {A, C}, {B, C}, {A, B, C})],
    },
    "a + a:x + b": {"a": [(False, {A})], "a:x": [(True, set()), (True, {A})], "b": [(False, {B})]},
    "a * x + b:x": {"a": [(False, {A})], "x": [(True, set())], "a:x": [(True, {A})], "b:x": [(True, {B})]},
    "0 + a + b": {"a": [(False, set()), (False, {A})], "b": [(False, {B})]},
    "a:b": {"a:b": [(False, {A}), (False, {B}), (False, {A, B})]},
    "flag * a + flag:x": {
        "flag": [(False, {C})],
        "a": [(False, {A})],
        "flag:a": [(False, {A, C})],
        "flag:x": [(True, {C})],
    },
    "a * C(flag)": {"a": [(False, {A})], "C(flag)": [(False, {C})]},
    "C(a, {'up': [1, 2, 5]}) * b": {"C(a, {'up': [1, 2, 5]})": [(False, {A})], "b": [(False, {B})]},
}


@pytest.mark.parametrize("formula", BY_HAND)
def test_hypotheses_are_differences_of_unweighted_cell_means(formula):
    """The rows of X at all cells, averaged and subtracted, span the same hypothesis."""
    design = build(f"y ~ {formula} + (1 | g)", FRAME)
    at_zero = cell_rows(design, 0.0)
    slopes = cell_rows(design, 1.0) - at_zero
    found = type_three(design)
    for term, margins in BY_HAND[formula].items():
        expected = np.vstack([differences(slopes if slope else at_zero, axes) for slope, axes in margins])
        L = found[term]
        k = np.linalg.matrix_rank(expected)
        assert len(L) == k == np.linalg.matrix_rank(np.vstack([L, expected])), term


@pytest.mark.parametrize(
    "formula", ["a * b * c + x", "a / b", "0 + a + x:b", "a:b + poly(x, 2):c", "flag * bs(x, df=4)"]
)
def test_a_term_has_as_many_independent_rows_as_columns(formula):
    design = build(f"y ~ {formula} + (1 | g)", FRAME)
    found = type_three(design)
    assert all(np.linalg.matrix_rank(L) == len(L) for L in found.values())
    assert sum(len(L) for L in found.values()) == len(design.fixed_names) - (
        "Intercept" in design.fixed_names
    )


def test_a_basis_is_tested_as_one_term_and_averaged_over_factors():
    design = build("y ~ poly(x, 2) * c + (1 | g)", FRAME)
    L = type_three(design)["poly(x, 2)"]
    expected = np.zeros((2, 6))
    for row, name in enumerate(["poly(x, 2)[1]", "poly(x, 2)[2]"]):
        expected[row, [design.fixed_names.index(name), design.fixed_names.index(f"{name}:c[T.yes]")]] = [
            1,
            0.5,
        ]
    np.testing.assert_allclose(L, expected, atol=0, rtol=1e-15)


def test_terms_are_named_as_they_were_written():
    frame = FRAME.rename(columns={"a": "my a", "x": "x.1"})
    design = build("y ~ x.1 * `my a` + C(`my a`, contr.sum):z + (1 | g)", frame)
    assert list(type_three(design)) == ["x.1", "my a", "x.1:my a", "C(`my a`, contr.sum):z"]


def test_levels_without_rows_change_nothing():
    more = FRAME.assign(a=pd.Categorical(FRAME["a"], categories=["none", "p", "q", "r", "zero"]))
    for before, after in zip(
        hypotheses(build("y ~ a * b + (1 | g)", FRAME)),
        hypotheses(build("y ~ a * b + (1 | g)", more)),
        strict=True,
    ):
        np.testing.assert_array_equal(before.L, after.L)


def test_columns_of_arrays_are_terms_of_their_own_but_the_constant():
    X = np.column_stack([np.ones(len(FRAME)), FRAME["x"], FRAME["z"]])
    Z = (FRAME["g"].to_numpy()[:, None] == np.unique(FRAME["g"])).astype(float)
    found = type_three(from_arrays(FRAME["y"], X, Z, fixed_names=["one", "x", "z"]))
    assert {name: L.tolist() for name, L in found.items()} == {"x": [[0, 1, 0]], "z": [[0, 0, 1]]}


def test_there_is_nothing_to_test_without_terms():
    assert type_three(build("y ~ 1 + (1 | g)", FRAME)) == type_three(build("y ~ 0 + (1 | g)", FRAME)) == {}


def test_levels_that_are_written_alike_never_get_here():
    """formulaic would make one column of the two; the design is refused."""
    levels = np.array([0, 1, "1"], dtype=object)
    mixed = pd.Categorical(levels[np.arange(len(FRAME)) % 3], categories=levels)
    with pytest.raises(DataError, match="written '1'"):
        build("y ~ mixed * x + (1 | g)", FRAME.assign(mixed=mixed))


@pytest.mark.parametrize(
    ("formula", "term", "reason"),
    [
        ("C(a, spans_intercept=False) + b", "C(a, spans_intercept=False)", "its 3 columns hold 2 hypotheses"),
        ("C(a, {'one': [1, 1, 1]}) + b", "C(a, {'one': [1, 1, 1]})", "its 1 columns hold 0 hypotheses"),
        ("only + x", "only", "no columns"),
    ],
)
def test_a_term_that_says_nothing_of_its_own_is_refused_alone(formula, term, reason):
    found = {h.name: h for h in hypotheses(build(f"y ~ {formula} + (1 | g)", FRAME.assign(only="level")))}
    refused = found.pop(term)
    assert reason in refused.reason and refused.L.shape[0] == 0
    assert found and all(len(h.L) and not h.reason for h in found.values())
