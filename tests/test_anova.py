"""F tests of terms and contrasts as users call them, against lmerTest and pbkrtest; refusals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import blupbayes as bb
from blupbayes.datasets import load
from blupbayes.errors import BlupbayesError, ComparisonError, DataError, FormulaError, IdentifiabilityError
from reference_data import CASES

BLOCKS = {"satterthwaite": "anova_type3_satterthwaite", "kenward-roger": "anova_type3_kenward_roger"}
ROWS = [
    (case, method, df)
    for case in CASES
    for method in ("REML", "ML")
    for df, block in BLOCKS.items()
    if case.reference[method].get(block) and not case.name.startswith(("InstEval", "Chem97"))
]


@pytest.mark.parametrize(("case", "method", "df"), ROWS, ids=lambda x: getattr(x, "name", x))
def test_type_three_tests_are_lmertests(case, method, df):
    table = bb.MixedModel(case.formula, case.frame()).fit(method).anova(df=df)
    expected = list(case.reference[method][BLOCKS[df]].values())
    assert len(table) == len(expected)
    for (_, row), lme4 in zip(table.iterrows(), expected, strict=True):
        # lmerTest takes numerical second derivatives: 1e-4 is what the reference promises
        ours = [row["sum_sq"], row["mean_sq"], row["num_df"], row["den_df"], row["F"]]
        theirs = [lme4[k] for k in ("SS", "MS", "NumDF", "DenDF", "F")]
        np.testing.assert_allclose(ours, theirs, rtol=1e-4)
        assert row["p"] == pytest.approx(lme4["p"], rel=1e-2)


def test_large_models_have_their_tests_too():
    if not load.CHECKOUT_DATA.exists():
        pytest.skip("the data are in a checkout only")
    (case,) = (c for c in CASES if c.name.startswith("InstEval"))
    table = bb.MixedModel(case.formula, case.frame()).fit().anova()
    (expected,) = case.reference["REML"]["anova_type3_satterthwaite"].values()
    np.testing.assert_allclose(
        table.iloc[0][["den_df", "F"]].astype(float), [expected["DenDF"], expected["F"]], rtol=1e-4
    )


@pytest.fixture(scope="module")
def sleep():
    return bb.MixedModel("Reaction ~ Days + (Days | Subject)", bb.load_dataset("sleepstudy")).fit()


def test_a_contrast_of_one_coefficient_is_its_row_of_the_summary(sleep):
    for df in ("satterthwaite", "kenward-roger", "none"):
        row, whole = sleep.contrast("Days", df=df).iloc[0], sleep.summary(df).loc["Days"]
        np.testing.assert_allclose(row.to_numpy(float), whole.to_numpy(float), rtol=1e-12)


def test_t_squared_is_f(sleep):
    one, both = sleep.contrast("Days = 10"), sleep.contrast("Days = 10", joint=True)
    assert both["F"].iloc[0] == pytest.approx(one["t"].iloc[0] ** 2, rel=1e-10)
    assert both["p"].iloc[0] == pytest.approx(one["p"].iloc[0], rel=1e-8)


def test_joint_tests_do_not_depend_on_how_the_hypothesis_is_written(sleep):
    first = sleep.contrast(["Intercept = 250", "Days = 10"], joint=True)
    second = sleep.contrast(["Intercept + Days = 260", "Intercept - 2 * Days = 230"], joint=True)
    np.testing.assert_allclose(first.to_numpy(float), second.to_numpy(float), rtol=1e-8)


def test_kenward_roger_of_an_ml_fit_refits_and_says_so(caplog):
    model = bb.MixedModel("Reaction ~ Days + (Days | Subject)", bb.load_dataset("sleepstudy"))
    table = model.fit("ML").summary("kenward-roger")
    pd.testing.assert_frame_equal(table, model.fit("REML").summary("kenward-roger"))
    assert "refitted by REML" in table.attrs["messages"][0] and "refitted by REML" in caplog.text


@pytest.mark.parametrize(
    ("L", "error", "words"),
    [
        ([1.0, 2.0, 3.0], DataError, "2"),
        ("Dayz", FormulaError, "Days"),
        ({"Dayz": 1.0}, BlupbayesError, "Dayz"),
        ([0.0, np.nan], DataError, "finite"),
    ],
)
def test_contrasts_that_cannot_be_read(sleep, L, error, words):
    with pytest.raises(error, match=words):
        sleep.contrast(L)


def test_a_contrast_that_the_data_cannot_answer_names_the_columns():
    frame = bb.load_dataset("sleepstudy").assign(weeks=lambda d: d["Days"] / 7.0)
    fit = bb.MixedModel("Reaction ~ Days + weeks + (1 | Subject)", frame).fit()
    with pytest.raises(IdentifiabilityError, match="weeks"):
        fit.contrast("weeks")
    table = fit.anova()
    assert table["F"].isna().all() and table.attrs["messages"]


def test_one_fit_alone_gives_its_own_tests(sleep):
    pd.testing.assert_frame_equal(bb.anova(sleep), sleep.anova())
    with pytest.raises(ComparisonError, match="two or more"):
        bb.anova()


def test_intercept_only_models_have_no_terms():
    table = bb.MixedModel("Yield ~ 1 + (1 | Batch)", bb.load_dataset("dyestuff")).fit().anova()
    assert table.empty and list(table.columns) == ["sum_sq", "mean_sq", "num_df", "den_df", "F", "p"]


@pytest.mark.parametrize("df", ["satterthwaite", "kenward-roger"])
def test_balanced_designs_have_the_classical_denominators(df):
    # split plot: 3 varieties in 6 blocks, 4 levels of nitrogen within: 15 whole plots, (6 - 1)(3 - 1) and 51
    oats = bb.load_dataset("oats").assign(N=lambda d: d["nitro"].astype(str))
    table = bb.MixedModel("yield ~ N * Variety + (1 | Block/Variety)", oats).fit().anova(df=df)
    np.testing.assert_allclose(table["den_df"], [45.0, 10.0, 45.0], rtol=1e-6)
    machines = bb.MixedModel("score ~ Machine + (1 | Worker/Machine)", bb.load_dataset("machines")).fit()
    assert machines.anova(df=df)["den_df"].iloc[0] == pytest.approx(10.0, rel=1e-6)


def test_zero_variances_answer_everything():
    fit = bb.MixedModel("Yield ~ 1 + (1 | Batch)", bb.load_dataset("dyestuff2")).fit()
    assert fit.sigma == pytest.approx(3.7157, abs=1e-4)
    row = fit.summary().iloc[0]
    assert row["estimate"] == pytest.approx(5.6656, abs=1e-4) and row["df"] == pytest.approx(29.0, rel=1e-8)
    table = fit.ranova()
    assert table["chisq"].iloc[1] == 0.0 and table["p"].iloc[1] == 1.0 == table["p_boundary"].iloc[1]
    assert np.isnan(fit.varcorr()["sdcor_se"].iloc[0]) and fit.varcorr()["sdcor_se"].iloc[1] > 0
    interval = fit.confint()
    assert (
        interval.loc["sd_Batch[Intercept]", "ci_lb"] == 0.0
        and "one-sided" in interval.loc["sd_Batch[Intercept]", "note"]
    )
    assert (fit.predict()["mean"] - row["estimate"]).abs().max() < 1e-12
    assert len(fit.influence()) == 6 and fit.bootstrap(50, random_seed=1).boundary_share["any"] > 0.2
    assert fit.summary("kenward-roger")["df"].notna().all() and len(fit.profile(["sigma"])) > 5
    assert fit.simulate(2, random_seed=1).shape == (30, 2) and fit.leverage().sum() == pytest.approx(1.0)
