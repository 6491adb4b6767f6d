"""Fit: each reading against closed forms or lme4's definitions. lme4's own fits: test_reference_lme4."""

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

import blupbayes as bb
from blupbayes.compare.rows import COLUMNS
from blupbayes.errors import BlupbayesError
from contract import close
from random_models import random_design


@pytest.fixture(scope="module")
def rail():
    return bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail"))


@pytest.fixture(scope="module")
def deficient():
    d = random_design(np.random.default_rng(11), "slope deficient")
    return d, bb.MixedModel(d.formula, d.frame)


def test_rail_by_ml_has_the_published_digits(rail):
    # Balanced one-way closed forms [E-ONEWAY]; log-likelihood from theory.md, section 8, to its last digit.
    fit = rail.fit("ML")
    assert fit.log_likelihood == pytest.approx(-64.2800184692, abs=5e-11)
    assert fit.variances.sd("Rail")["Intercept"] ** 2 == pytest.approx(511.8611111, rel=1e-9)
    assert fit.sigma**2 == pytest.approx(16.1666667, rel=1e-8)
    assert fit.summary().loc["Intercept", "se"] == pytest.approx(9.2848442816, rel=1e-9)
    b = fit.ranef().set_index("level")["estimate"]
    travel = bb.load_dataset("rail").groupby("Rail", observed=True)["travel"].mean() - 66.5
    lam = 3 * 511.8611111 / (3 * 511.8611111 + 16.1666667)
    assert b.to_numpy() == pytest.approx(lam * travel[b.index].to_numpy(), rel=1e-8)
    # Printed by a program whose optimiser stopped at about 1e-8 of the variances.
    printed = {"1": -12.3697708, "2": -34.47042796, "3": 17.97740023, "4": 29.19265909, "5": -16.32809746}
    assert b[list(printed)].to_dict() == pytest.approx(printed, abs=5e-7)


def test_weights_of_rail_are_the_closed_form(rail):
    # r s2_a / (r s2_a + s2), the same for every rail; .9913 in print.
    fit = rail.fit()
    lam = 3 * 615.3111111 / (3 * 615.3111111 + 16.1666667)
    assert fit.weights()["estimate"].to_numpy() == pytest.approx(np.full(6, lam), rel=1e-8)


def test_information_criteria_count_as_lme4(rail):
    fit = rail.fit("ML")
    assert fit.n_parameters == 3
    assert fit.aic == pytest.approx(fit.criterion + 6, rel=1e-15)
    assert fit.bic == pytest.approx(fit.criterion + 3 * np.log(18), rel=1e-15)
    known = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail"), sigma=4.0).fit()
    assert known.n_parameters == 2


def test_summary_compares_t_with_the_normal_distribution(rail):
    table = rail.fit().summary(df="none")
    assert list(table.columns) == ["estimate", "se", "df", "t", "p"]
    row = table.loc["Intercept"]
    assert row["t"] == row["estimate"] / row["se"] and row["df"] == np.inf
    assert row["p"] == pytest.approx(2 * norm.sf(abs(row["t"])), rel=1e-12)
    assert table.attrs["df"].startswith("none")


def test_unknown_df_are_refused(rail):
    with pytest.raises(BlupbayesError, match=r"df='magic'.*'none'"):
        rail.fit().summary("magic")


def test_aliased_columns_are_nan_and_the_rest_is_the_model_without_them(deficient):
    d, model = deficient
    fit = model.fit()
    without = bb.MixedModel(d.formula.replace(" + x2", ""), d.frame).fit()
    kept = [name for name in fit.beta.index if name != "x2"]
    assert (
        np.isnan(fit.beta["x2"]) and fit.beta_cov["x2"].isna().all() and fit.beta_cov.loc["x2"].isna().all()
    )
    # Another reduction of the same model: agreement of two optima, 1e-8 of each block.
    close(fit.beta[kept], without.beta[kept], tolerance=1e-8)
    close(fit.beta_cov.loc[kept, kept], without.beta_cov.loc[kept, kept], tolerance=1e-8)
    close(fit.group_means().dropna()["pev_sd"], without.group_means()["pev_sd"], tolerance=1e-8)
    close(fit.predict()["mean"], without.predict()["mean"], tolerance=1e-8)
    assert fit.criterion == pytest.approx(without.criterion, rel=1e-9) and fit.aic == pytest.approx(
        without.aic, rel=1e-9
    )


def test_tidy_has_every_component_once(rail):
    table = rail.fit().tidy(0.9)
    assert list(table.columns) == COLUMNS and (table["estimator"] == "REML").all()
    assert table["component"].value_counts().to_dict() == {
        "weight": 6,
        "b": 6,
        "group_mean": 6,
        "sd": 2,
        "fixed": 1,
    }
    assert not table.duplicated(["component", "group", "level", "term"]).any()
    fixed = table.iloc[0]
    half = norm.ppf(0.95) * fixed["uncertainty"]
    assert (fixed["ci_lb"], fixed["ci_ub"]) == pytest.approx((66.5 - half, 66.5 + half), rel=1e-12)
    assert (fixed["uncertainty_kind"], fixed["ci_kind"], fixed["ci_prob"]) == ("se", "wald", 0.9)
    assert table.loc[table["component"] == "sd", ["ci_lb", "uncertainty"]].isna().all().all()


def test_tidy_marks_aliased_columns_and_known_sigma(deficient):
    _, model = deficient
    fixed = model.fit().tidy().query("component == 'fixed'").set_index("term")
    assert fixed.loc["x2", "note"].startswith("aliased") and fixed.loc["x2", "ci_kind"] == ""
    assert (fixed["note"] != "").sum() == 1
    known = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail"), sigma=4.0).fit().tidy()
    assert known.loc[known["group"] == "residual", ["estimate", "note"]].to_numpy().tolist() == [
        [4.0, "known, not estimated"]
    ]


def test_a_boundary_fit_has_exact_zeros_and_says_so():
    fit = bb.MixedModel("Yield ~ 1 + (1 | Batch)", bb.load_dataset("dyestuff2")).fit()
    assert fit.is_boundary and fit.converged and fit.messages
    assert (fit.ranef()[["estimate", "cond_sd", "pev_sd"]] == 0).all().all() and (
        fit.weights()["estimate"] == 0
    ).all()
    means = fit.group_means()
    assert means["estimate"].to_numpy() == pytest.approx(np.full(6, fit.beta.iloc[0]), rel=1e-15)
    assert means["pev_sd"].to_numpy() == pytest.approx(np.full(6, fit.summary()["se"].iloc[0]), rel=1e-12)


def test_html_is_a_table_with_the_messages():
    fit = bb.MixedModel("Yield ~ 1 + (1 | Batch)", bb.load_dataset("dyestuff2")).fit()
    text = fit._repr_html_()
    assert "<caption><span>Yield ~ 1 + (1 | Batch)" in text and "boundary of the parameter space" in text


def test_theta_is_a_copy(rail):
    fit = rail.fit()
    fit.theta[:] = 0
    assert fit.theta[0] > 1


def test_pickle(rail):
    fit = rail.fit()
    again = pickle.loads(pickle.dumps(fit))
    pd.testing.assert_frame_equal(again.tidy(), fit.tidy())
    assert repr(again) == repr(fit) and again.data_hash == fit.data_hash


def test_readers_do_not_change_the_answer(rail):
    fit = rail.fit()
    before = fit.tidy()
    table = fit.ranef()
    table["estimate"] = 0.0  # a reader's copy
    repr(fit), fit._repr_html_()
    pd.testing.assert_frame_equal(fit.tidy(), before)
