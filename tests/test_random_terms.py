"""ranova: lme4's tests against lm and smaller models, lmerTest's rows, boundaries, laws."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import blupbayes as bb
from blupbayes.frequentist.random_terms import drops, ranova
from blupbayes.mme.restricted import Restricted
from blupbayes.model.design import build
from random_models import KINDS, random_design
from reference_data import read

# data set, what: the row of the table of the larger model that makes the same comparison
ROWS = {
    ("Rail", "Rail variance (against lm)"): "(1 | Rail)",
    ("Dyestuff", "Batch variance (against lm)"): "(1 | Batch)",
    ("Dyestuff2", "Batch variance (against lm)"): "(1 | Batch)",
    ("Pastes", "batch variance"): "(1 | batch)",
    ("Pastes", "cask-in-batch variance"): "(1 | batch:cask)",
    ("Penicillin", "sample variance"): "(1 | sample)",
    ("Penicillin", "plate variance"): "(1 | plate)",
    ("sleepstudy", "random slope and its correlation"): "Days in (Days | Subject)",
    ("sleepstudy", "random slope, uncorrelated"): "(0 + Days | Subject)",
    ("Orthodont", "random slope and its correlation"): "age in (age | Subject)",
}


def terms_of(formula, data, method, **options):
    fit = bb.MixedModel(formula, data, **options).fit(method)
    return ranova(fit.design, fit.statistics, fit.estimate)


@pytest.mark.parametrize(("name", "what"), ROWS, ids=lambda v: v)
def test_lme4(name, what):
    (expected,) = [c for c in read("lme4", f"{name}-lrt")["comparisons"] if c["what"] == what]
    table = terms_of(expected["large"], bb.load_dataset(name.lower()), "ML")
    row, full, df = table.loc[ROWS[name, what]], table.loc["<none>"], expected["df"]
    assert row["chisq"] == pytest.approx(expected["chisq"], rel=1e-6)  # lme4's optima are polished
    assert (row["npar"], full["npar"], row["df"]) == (expected["small_npar"], expected["large_npar"], df)
    assert row["log_likelihood"] == pytest.approx(expected["small_logLik"], rel=1e-9)
    assert full["log_likelihood"] == pytest.approx(expected["large_logLik"], rel=1e-9)
    assert row["p"] == pytest.approx(expected["p_chisq"], rel=1e-5)  # rel of chisq times chisq / 2
    below = stats.chi2.sf(row["chisq"], df - 1) if df > 1 else float(row["chisq"] == 0)
    assert row["p_boundary"] == pytest.approx(0.5 * below + 0.5 * row["p"], rel=1e-9)


def test_lmertest():
    """lmerTest 3 on REML fits of sleepstudy, printed with four digits."""
    sleep = bb.load_dataset("sleepstudy")
    full = terms_of("Reaction ~ Days + (Days | Subject)", sleep, "REML")
    assert list(full.index) == ["<none>", "Days in (Days | Subject)"]
    assert full["chisq"].iloc[1] == pytest.approx(42.837, abs=5e-4)
    assert full["p"].iloc[1] == pytest.approx(4.99e-10, rel=1e-3)
    apart = terms_of("Reaction ~ Days + (Days || Subject)", sleep, "REML")
    assert list(apart.index) == ["<none>", "(1 | Subject)", "(0 + Days | Subject)"]
    assert apart["chisq"].iloc[1:].tolist() == pytest.approx([22.856, 42.796], abs=5e-4)
    assert full.attrs["method"] == "REML"


@pytest.mark.parametrize("method", ["ML", "REML"])
def test_a_variance_at_zero_has_no_evidence_against_it(method):
    row = terms_of("Yield ~ 1 + (1 | Batch)", bb.load_dataset("dyestuff2"), method).loc["(1 | Batch)"]
    assert row[["chisq", "p", "p_boundary"]].tolist() == [0.0, 1.0, 1.0]


@pytest.mark.parametrize("method", ["ML", "REML"])
def test_balanced_one_way_closed_form(method):
    """[E-ONEWAY]: -2 log-likelihoods from sums of squares, with and without the groups."""
    rng = np.random.default_rng(3)
    J, r = 7, 4
    y = rng.normal(size=(J, r)) + 1.5 * rng.normal(size=(J, 1))
    within = np.sum((y - y.mean(axis=1, keepdims=True)) ** 2)
    between = r * np.sum((y.mean(axis=1) - y.mean()) ** 2)
    groups = J - (method == "REML")
    inside = J * (r - 1) * np.log(within / (J * (r - 1))) + groups * np.log(between / groups)
    total = (J * (r - 1) + groups) * np.log((within + between) / (J * (r - 1) + groups))
    table = terms_of("y ~ 1 + (1 | g)", {"y": y.ravel(), "g": np.repeat(np.arange(J), r)}, method)
    assert table["chisq"].iloc[1] == pytest.approx(total - inside, rel=1e-9)
    assert list(table.columns) == ["npar", "log_likelihood", "chisq", "df", "p", "p_boundary"]


def labels(right, **columns):
    rng = np.random.default_rng(0)
    data = {name: rng.normal(size=240) for name in "yxz"} | {
        "f": np.tile(list("uvw"), 80), "g": np.repeat(np.arange(10), 24), "h": np.arange(240) % 8,
    }  # fmt: skip
    design = build(f"y ~ x + {right}", data)
    return [(d.label, d.group, d.coefficients) for d in drops(design.groups)]


@pytest.mark.parametrize(
    ("right", "expected"),
    [
        ("(1 | g)", [("(1 | g)", 0, (0,))]),
        ("(0 + x | g)", [("(0 + x | g)", 0, (0,))]),
        ("(x + z | g)", [("x in (x + z | g)", 0, (1,)), ("z in (x + z | g)", 0, (2,))]),
        ("(0 + x + z | g)", [("x in (0 + x + z | g)", 0, (0,)), ("z in (0 + x + z | g)", 0, (1,))]),
        ("(f | g)", [("f in (f | g)", 0, (1, 2))]),
        ("(0 + f | g)", [("(0 + f | g)", 0, (0, 1, 2))]),
        ("(x * f | g)", [("x:f in (x + f + x:f | g)", 0, (4, 5))]),
        ("(f || g)", [("(1 | g)", 0, (0,)), ("(0 + f || g)", 0, (1, 2))]),
        ("(x || g) + (z | h)", [("(1 | g)", 0, (0,)), ("(0 + x | g)", 0, (1,)), ("z in (z | h)", 1, (1,))]),
        ("(1 | g) + (1 | h) + (0 + x | g)", [("(1 | g)", 0, (0,)), ("(1 | h)", 1, (0,)), ("(0 + x | g)", 0, (1,))]),
        ("(1 | g/h)", [("(1 | g)", 0, (0,)), ("(1 | g:h)", 1, (0,))]),
    ],
)  # fmt: skip
def test_what_is_dropped(right, expected):
    assert sorted(labels(right)) == sorted(expected)
    assert [d[0] for d in labels(right)] == [e[0] for e in expected]


@pytest.mark.parametrize("method", ["ML", "REML"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_statistic_is_not_negative(kind, method, storage):
    """On data that know nothing of the model."""
    d = random_design(np.random.default_rng(4), kind)
    frame = d.frame.assign(y=np.random.default_rng(5).normal(size=len(d.y)))
    table = terms_of(d.formula, frame, method, weights=d.weights, offset=d.offset)
    rows = table.iloc[1:]
    assert (rows["chisq"] >= 0).all() and (rows["df"] == table["npar"].iloc[0] - rows["npar"]).all()
    assert (rows["p_boundary"] <= rows["p"] + 1e-12).all()


def test_a_known_residual_sd_is_no_parameter():
    data = {
        "y": [28.0, 8, -3, 7, -1, 1, 18, 12],
        "s": [15.0, 10, 16, 11, 9, 11, 10, 18],
        "g": list("abcdefgh"),
    }
    table = terms_of("y ~ 1 + (1 | g)", data, "REML", weights=1 / np.array(data["s"]) ** 2, sigma=1.0)
    assert table["npar"].tolist() == [2, 1]
    assert (
        table["chisq"].iloc[1] == 0.0 and table["p_boundary"].iloc[1] == 1.0
    )  # tau of the eight schools is 0


def test_where_there_is_no_closed_form_the_reason_is_said():
    table = terms_of("score ~ Machine + (Machine | Worker)", bb.load_dataset("machines"), "REML")
    assert table["df"].iloc[1] == 5 and np.isnan(table["p_boundary"].iloc[1])
    assert "Machine in (Machine | Worker): " in table.attrs["messages"][0]
    assert "use the bootstrap" in table.attrs["messages"][0]


def test_a_bootstrap_gets_the_restriction():
    fit, asked = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail")).fit("REML"), []
    table = ranova(fit.design, fit.statistics, fit.estimate, lambda test: asked.append(test) or 0.125)
    (test,) = asked
    assert isinstance(test.null, Restricted) and not test.null.free.any() and test.alternative is fit.estimate
    assert table["p_bootstrap"].iloc[1] == 0.125
    assert test.chisq == table["chisq"].iloc[1] and test.design is test.null_design is fit.design


@pytest.mark.parametrize("law", ["units", "rows", "labels", "coding"])
def test_a_test_does_not_depend_on_words(law):
    frame = random_design(np.random.default_rng(3), "crossed_slopes").frame
    fixed, other = "x + f", frame
    if law == "units":
        other = frame.assign(y=1e3 * frame["y"], x=1e-2 * frame["x"])
    elif law == "rows":
        other = frame.sample(frac=1.0, random_state=3)
    elif law == "labels":
        other = frame.assign(a=frame["a"].map(lambda s: f"q{9 - int(s[1:])}"))
    else:
        fixed = "I(5 - x) + C(f, contr.sum)"
    one = terms_of("y ~ x + f + (x | a) + (x || c)", frame, "REML")
    two = terms_of(f"y ~ {fixed} + (x | a) + (x || c)", other, "REML")
    columns = ["npar", "chisq", "df", "p", "p_boundary"]
    # two searches: criteria to 1e-9
    pd.testing.assert_frame_equal(one[columns], two[columns], rtol=1e-6, atol=1e-7)
