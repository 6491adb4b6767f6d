"""anova: lme4's numbers, refits said aloud, refusals, and laws that any data obey."""

import logging

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import blupbayes as bb
from blupbayes.errors import ComparisonError
from blupbayes.frequentist.likelihood_ratio import anova
from blupbayes.mme.fit import Estimate
from random_models import BARS, random_design
from reference_data import read

LRT = ["sleepstudy", "Pastes", "Penicillin", "cake", "Orthodont", "Machines", "Oats"]
COMPARISONS = [(name, c["what"]) for name in LRT for c in read("lme4", f"{name}-lrt")["comparisons"]]


def fit(formula, data, method="ML", **options):
    return bb.MixedModel(formula, data, **options).fit(method)


@pytest.mark.parametrize("method", ["ML", "REML"])
@pytest.mark.parametrize(("name", "what"), COMPARISONS, ids=lambda v: v)
def test_lme4(name, what, method):
    """REML fits are refitted by ML. lme4's optima are polished: chisq agrees to far below the 1e-4 that is asked."""
    (expected,) = [c for c in read("lme4", f"{name}-lrt")["comparisons"] if c["what"] == what]
    data = bb.load_dataset(name.lower())
    table = anova(fit(expected["large"], data, method), fit(expected["small"], data, method))
    small, large = table.iloc[0], table.iloc[1]
    assert list(table.index) == [expected["small"], expected["large"]]
    assert large["chisq"] == pytest.approx(expected["chisq"], rel=1e-6)
    assert large["df"] == expected["df"]
    assert large["p"] == pytest.approx(expected["p_chisq"], rel=1e-5)  # rel of chisq times chisq / 2
    for row, key in ((small, "small"), (large, "large")):
        assert row["npar"] == expected[f"{key}_npar"]
        assert row["log_likelihood"] == pytest.approx(expected[f"{key}_logLik"], rel=1e-9)
        assert row["deviance"] == -2 * row["log_likelihood"]
        assert row["aic"] == pytest.approx(row["deviance"] + 2 * row["npar"])
        assert row["bic"] == pytest.approx(row["deviance"] + np.log(len(data)) * row["npar"])
    assert np.isnan(small[["chisq", "df", "p", "p_boundary"]].to_numpy(float)).all()
    # unstructured against compound symmetry is marked as a boundary there, but its null is positive definite
    at_zero = expected["boundary_null"] and "compound symmetry" not in what
    df = expected["df"]
    below = (stats.chi2.sf(large["chisq"], df - 1) if df > 1 else 0.0) if at_zero else large["p"]
    assert large["p_boundary"] == pytest.approx(0.5 * below + 0.5 * large["p"], rel=1e-9)


def sleep():
    return bb.load_dataset("sleepstudy")


def test_several_fits_are_sorted_and_labelled():
    data = sleep()
    a, b, c = (fit(f"Reaction ~ Days + ({bar} Subject)", data) for bar in ("1 |", "Days ||", "Days |"))
    table = anova(c, a, middle=b)
    assert list(table.index) == [a.formula, "middle", c.formula]
    assert list(table.columns) == [
        "npar", "aic", "bic", "log_likelihood", "deviance", "chisq", "df", "p", "p_boundary",
    ]  # fmt: skip
    assert table["npar"].tolist() == [4, 5, 6] and table["npar"].dtype.kind == "i"
    assert table["chisq"].iloc[1:].sum() == pytest.approx(a.criterion - c.criterion)
    assert table.attrs == {"method": "ML", "messages": ()}


def test_refits_are_said_aloud(caplog):
    data = sleep()
    one, two = fit("Reaction ~ 1 + (1 | Subject)", data, "REML"), fit("Reaction ~ Days + (1 | Subject)", data)
    with caplog.at_level(logging.WARNING, "blupbayes"):
        table = anova(one, two)
    (message,) = table.attrs["messages"]
    assert "Refitted by ML" in message and one.formula in message and two.formula not in message
    assert caplog.messages[-1] == message and table.attrs["method"] == "ML"
    assert table["chisq"].iloc[1] == pytest.approx(fit(one.formula, data).criterion - two.criterion)


def test_reml_criteria_of_the_same_columns_are_compared_on_request():
    data = sleep()
    one, two = (fit(f"Reaction ~ Days + ({bar} | Subject)", data, "REML") for bar in ("1", "Days"))
    table = anova(one, two, refit=False)
    assert table.attrs == {"method": "REML", "messages": ()}
    assert table["chisq"].iloc[1] == pytest.approx(one.criterion - two.criterion)
    recoded = fit("Reaction ~ I(Days / 7 - 2) + (Days | Subject)", data, "REML")
    other = anova(one, recoded, refit=False)
    assert other["chisq"].iloc[1] == pytest.approx(table["chisq"].iloc[1], rel=1e-8)
    assert abs(recoded.criterion - two.criterion) > 1
    assert "coded otherwise" in other.attrs["messages"][0]


def test_reml_criteria_of_other_columns_are_refused():
    data = sleep()
    one, two = (fit(f"Reaction ~ {x} + (1 | Subject)", data, "REML") for x in ("1", "Days"))
    with pytest.raises(ComparisonError, match="different fixed effects"):
        anova(one, two, refit=False)
    with pytest.raises(ComparisonError, match="some of the fits are by ML"):
        anova(fit(one.formula, data), two, refit=False)


def test_one_fit_and_no_fit():
    one = fit("Reaction ~ Days + (1 | Subject)", sleep())
    with pytest.raises(ComparisonError, match=r"two or more fits, and 1 was given.*fit\.anova\(\)"):
        anova(one)
    with pytest.raises(ComparisonError, match="cannot compare a str"):
        anova(one, "two")
    solved = bb.MixedModel("Reaction ~ Days + (1 | Subject)", sleep()).solve(one)
    with pytest.raises(ComparisonError, match="cannot compare a Gaussian"):
        anova(one, solved)
    with pytest.raises(ComparisonError, match="two or more"):
        anova()


def test_other_data_and_models_that_are_not_nested_are_refused():
    data = sleep()
    one = fit("Reaction ~ Days + (1 | Subject)", data)
    with pytest.raises(ComparisonError, match=r"180 vs 179 rows"):
        anova(one, fit("Reaction ~ Days + (Days | Subject)", data.iloc[1:]))
    with pytest.raises(ComparisonError, match=r"180 vs 179 rows"):
        anova(*(fit(one.formula, d, "REML") for d in (data, data.iloc[1:])), refit=False)
    with pytest.raises(ComparisonError, match="different data"):
        anova(one, fit("Reaction ~ Days + (Days | Subject)", data.assign(Reaction=data["Reaction"] / 1000)))
    with pytest.raises(ComparisonError, match="is not nested in"):
        anova(one, fit("Reaction ~ Days + (0 + Days | Subject)", data))
    with pytest.raises(ComparisonError, match="is not nested in"):
        anova(one, fit("Reaction ~ I(Days ** 2) + (Days | Subject)", data))


def test_where_there_is_no_closed_form_p_boundary_is_nan_and_the_reason_is_said():
    data = sleep().assign(half=lambda d: (d["Days"] > 4) * 1.0)
    one, two = (fit(f"Reaction ~ Days + ({bar} | Subject)", data) for bar in ("1", "Days + half"))
    table = anova(one, two)
    assert np.isnan(table["p_boundary"].iloc[1]) and table["p"].iloc[1] < 1e-7
    assert "use the bootstrap" in table.attrs["messages"][0]


def test_one_model_in_two_ways_is_no_test():
    data = sleep()
    one, two = (fit(f"Reaction ~ Days + ({x} | Subject)", data) for x in ("Days", "I(Days - 4.5)"))
    table = anova(one, two)
    assert table["chisq"].iloc[1] == 0.0 == table["df"].iloc[1]
    assert table[["p", "p_boundary"]].iloc[1].isna().all()
    assert "two ways" in table.attrs["messages"][0]


def test_a_null_at_its_own_boundary_is_mentioned():
    data = bb.load_dataset("dyestuff2").assign(x=lambda d: np.arange(30) % 5)
    table = anova(fit("Yield ~ 1 + (1 | Batch)", data), fit("Yield ~ x + (1 | Batch)", data))
    assert "Batch is singular" in table.attrs["messages"][0]


def test_a_bootstrap_gets_both_estimates_and_adds_a_column():
    data, asked = sleep(), []
    one, two = (fit(f"Reaction ~ Days + ({bar} | Subject)", data, "REML") for bar in ("1", "Days"))
    table = anova(two, one, p_bootstrap=lambda test: asked.append(test) or 0.5)
    (test,) = asked
    assert table["p_bootstrap"].iloc[1] == 0.5 and np.isnan(table["p_bootstrap"].iloc[0])
    assert isinstance(test.null, Estimate) and (test.null.method, test.alternative.method) == ("ML", "ML")
    assert (test.null_design, test.design, test.df) == (one.design, two.design, 2)
    assert test.chisq == table["chisq"].iloc[1] == test.null.criterion - test.alternative.criterion


# --- laws -----------------------------------------------------------------------------------------------------------

PAIRS = [
    ("intercept", "slope"), ("intercept", "diagonal"), ("diagonal", "slope"), ("slope_only", "slope"),
    ("intercept", "crossed"), ("crossed", "crossed_slopes"), ("intercept", "nested"), ("crossed", "three"),
]  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("small", "large"), PAIRS)
def test_the_statistic_is_not_negative(small, large, seed):
    """On data that know nothing of either model."""
    d = random_design(np.random.default_rng(seed), "slope")
    frame = d.frame.assign(y=np.random.default_rng(seed + 100).normal(size=60))
    for fixed in ("x + f", "x"):
        table = anova(
            fit(f"y ~ {fixed} + {BARS[small][0]}", frame), fit(f"y ~ x + f + {BARS[large][0]}", frame)
        )
        row = table.iloc[1]
        assert row["chisq"] >= 0 and row["df"] == table["npar"].diff().iloc[1]
        assert np.isnan(row["p_boundary"]) or row["p_boundary"] <= row["p"] + 1e-12


def changed(frame, law):
    """(frame, formulas) of the same models in other words."""
    sides = ["x + f + (1 | a)", "x + f + (x || a) + (1 | c)"]
    if law == "units":
        return frame.assign(y=1e3 * frame["y"], x=1e-2 * frame["x"]), sides
    if law == "rows":
        return frame.sample(frac=1.0, random_state=3), sides
    if law == "labels":
        names = {old: new for old, new in zip(sorted(set(frame["a"])), "qzwpby", strict=True)}
        return frame.assign(a=frame["a"].map(names)), sides
    if law == "coding":
        recode = ["I(5 - x) + C(f, contr.sum)" + side.removeprefix("x + f") for side in sides]
        return frame, recode
    return frame, [sides[0], "x + f + (1 | c) + (0 + x | a) + (1 | a)"]  # order of the terms


@pytest.mark.parametrize("method", ["ML", "REML"])
@pytest.mark.parametrize("law", ["units", "rows", "labels", "coding", "order"])
def test_a_test_does_not_depend_on_words(law, method):
    """Two new variances in an orthant, whose weights come from the information."""
    frame = random_design(np.random.default_rng(3), "crossed_slopes").frame
    tables = []
    for data, sides in (changed(frame, "none"), changed(frame, law)):
        table = anova(*(fit(f"y ~ {side}", data, method) for side in sides), refit=False)
        tables.append(table.iloc[1][["chisq", "df", "p", "p_boundary"]].astype(float))
    # two searches: criteria to 1e-9; the nuisance theta, and so the weights, to its root
    assert tables[0]["chisq"] > 0.1 and tables[0]["p_boundary"] < tables[0]["p"]
    pd.testing.assert_series_equal(*tables, rtol=1e-6, check_names=False)
