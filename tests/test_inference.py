"""summary, varcorr, confint and profile of a Fit: each reaches the right floor with the right arguments."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

import blupbayes as bb
from blupbayes.errors import DataError
from blupbayes.frequentist.coefficients import FixedTests
from blupbayes.frequentist.profiles import intervals, traces
from blupbayes.frequentist.standard_errors import AT_BOUNDARY, spread, varcorr
from blupbayes.inference import ZETAS

COLUMNS = ["estimate", "ci_lb", "ci_ub", "ci_kind", "ci_prob", "note"]


@pytest.fixture(scope="module")
def model():
    return bb.MixedModel("Reaction ~ Days + (Days | Subject)", bb.load_dataset("sleepstudy"))


@pytest.fixture(scope="module")
def reml(model):
    return model.fit("REML")


@pytest.fixture(scope="module")
def ml(model):
    return model.fit("ML")


def test_summary_is_by_satterthwaite_unless_said(reml):
    expected = FixedTests.of(reml.estimate, "satterthwaite").coefficients()
    pd.testing.assert_frame_equal(reml.summary(), expected)
    assert reml.summary()["df"].tolist() == pytest.approx([17.0, 17.0], rel=1e-6)
    for df in ("kenward-roger", "none"):
        pd.testing.assert_frame_equal(
            reml.summary(df), FixedTests.of(reml.estimate, df).coefficients(), check_exact=True
        )


@pytest.mark.parametrize("information", ["observed", "average", "expected"])
def test_varcorr_is_of_the_information_asked_for(ml, information):
    expected = varcorr(ml.statistics, spread(ml.estimate, information))
    pd.testing.assert_frame_equal(ml.varcorr(information), expected, check_exact=True)
    assert ml.varcorr().attrs["se"].startswith("observed")


def test_confint_profiles_the_ml_deviance_for_either_fit(ml, reml):
    """As lme4: a fit by REML is refitted by ML for it; the estimates in the table are those of ML then."""
    expected = intervals(ml.estimate, 0.95)
    for fit in (ml, reml):
        found = fit.confint()
        assert list(found.columns) == COLUMNS
        assert found["ci_kind"].unique() == ["profile"] and found["ci_prob"].unique() == [0.95]
        assert found.attrs["criterion"] == "profile of the ML deviance"
        assert found["note"].tolist() == expected["note"].tolist()
        for name in ("estimate", "ci_lb", "ci_ub"):
            assert found[name].to_numpy() == pytest.approx(expected[name].to_numpy(), rel=1e-9)


def test_confint_of_the_reml_criterion(ml, reml):
    expected = intervals(reml.estimate, 0.9)
    for fit in (ml, reml):
        found = fit.confint(ci_prob=0.9, criterion="REML")
        assert found.attrs["criterion"] == "profile of the REML deviance"
        assert list(found.index) == list(expected.index) and "beta[Days]" not in found.index
        assert found["ci_ub"].to_numpy() == pytest.approx(expected["ci_ub"].to_numpy(), rel=1e-9)
    with pytest.raises(DataError, match=r"REML criterion does not hold the fixed effects"):
        reml.confint(parameters=["beta[Days]"], criterion="REML")


def test_wald_limits(reml):
    """beta +- z se; sds on the log scale, the correlation on Fisher's z; the scale is noted."""
    z, found = norm.ppf(0.95), reml.confint("wald", 0.9)
    assert list(found.columns) == COLUMNS and found["ci_kind"].unique() == ["wald"]
    assert list(found.index) == list(reml.confint().index)
    fixed, V = reml.summary("none"), reml.varcorr()
    for name in ("Intercept", "Days"):
        low, high = fixed.loc[name, "estimate"] + np.array([-z, z]) * fixed.loc[name, "se"]
        assert found.loc[f"beta[{name}]", ["ci_lb", "ci_ub"]].tolist() == pytest.approx(
            [low, high], rel=1e-12
        )
    rows = ["sd_Subject[Intercept]", "sd_Subject[Days]", "corr_Subject[Days,Intercept]", "sigma"]
    for name, (_, row) in zip(rows, V.iterrows(), strict=True):
        v, se = row["sdcor"], row["sdcor_se"]
        if name.startswith("corr"):
            expected = np.tanh(np.arctanh(v) + np.array([-z, z]) * se / (1 - v**2))
        else:
            expected = v * np.exp(np.array([-z, z]) * se / v)
        assert found.loc[name, ["ci_lb", "ci_ub"]].tolist() == pytest.approx(expected.tolist(), rel=1e-9)
        assert found.loc[name, "estimate"] == pytest.approx(v, rel=1e-12)
    scales = found["note"].str.removeprefix("scale: ").to_dict()
    assert scales["beta[Days]"] == "identity" and scales["sigma"] == "log"
    assert scales["corr_Subject[Days,Intercept]"] == "Fisher z"


def test_wald_and_profile_at_the_boundary():
    """Dyestuff2: Wald has nothing to say about the sd at 0, the profile is one-sided."""
    fit = bb.MixedModel("Yield ~ 1 + (1 | Batch)", bb.load_dataset("dyestuff2")).fit()
    row = fit.confint("wald").loc["sd_Batch[Intercept]"]
    assert np.isnan([row["ci_lb"], row["ci_ub"]]).all() and row["note"] == AT_BOUNDARY
    row = fit.confint().loc["sd_Batch[Intercept]"]
    assert row["ci_lb"] == 0.0 < row["ci_ub"] and row["note"].startswith("one-sided")


def test_wald_of_aliased_columns():
    frame = bb.load_dataset("sleepstudy").assign(Weeks=lambda x: x["Days"] / 7)
    fit = bb.MixedModel("Reaction ~ Days + Weeks + (1 | Subject)", frame).fit()
    found = fit.confint("wald")
    assert found.loc["beta[Weeks]", ["estimate", "ci_lb", "ci_ub"]].isna().all()
    assert found.drop(index="beta[Weeks]")[["ci_lb", "ci_ub"]].notna().all().all()


@pytest.mark.parametrize("method", ["profile", "wald"])
def test_parameters_are_chosen_by_name(reml, method):
    some = ["sigma", "beta[Days]"]
    found = reml.confint(method, parameters=some)
    assert list(found.index) == some
    assert found["ci_ub"].tolist() == reml.confint(method).loc[some, "ci_ub"].tolist()
    with pytest.raises(
        DataError, match=r"no parameter 'beta\[Day\]' in this fit \(it has beta\[Intercept\], "
    ):
        reml.confint(method, parameters=["beta[Day]"])


def test_one_parameter_may_be_named_alone(reml):
    for method in ("profile", "wald"):
        pd.testing.assert_frame_equal(
            reml.confint(method, parameters="sigma"), reml.confint(method, parameters=["sigma"])
        )
    assert reml.profile("sigma", zetas=[1]).equals(reml.profile(["sigma"], zetas=[1]))


@pytest.mark.parametrize("zeta", [np.inf, np.nan, "1.96", None])
def test_a_zeta_that_is_no_number_is_refused(reml, zeta):
    with pytest.raises(DataError, match=r"zetas: .* is no finite number"):
        reml.profile(["sigma"], zetas=[1.0, zeta])


def test_without_fixed_effects():
    """Tables of none, and variances as ever; by hand: the sums of squares about 0."""
    frame = bb.load_dataset("rail")
    fit = bb.MixedModel("travel ~ 0 + (1 | Rail)", frame).fit()
    for df in ("satterthwaite", "kenward-roger", "none"):
        assert len(fit.summary(df)) == 0
    means = frame.groupby("Rail", observed=True)["travel"].mean()
    total = 3 * float((means**2).sum()) / 6  # a mean square with 6 df, no mean taken out
    row = fit.varcorr().iloc[0]
    assert row["vcov"] == pytest.approx((total - 97 / 6) / 3, rel=1e-8)
    assert row["vcov_se"] == pytest.approx(np.sqrt(2 * total**2 / 6 + 2 * (97 / 6) ** 2 / 12) / 3, rel=1e-6)
    assert list(fit.confint().index) == ["sigma", "sd_Rail[Intercept]"]


@pytest.mark.parametrize("ci_prob", [0.0, 1.0, -0.5, 95, np.nan])
def test_a_level_that_is_none_is_refused(reml, ci_prob):
    with pytest.raises(DataError, match=r"ci_prob=.* must lie between 0 and 1"):
        reml.confint(ci_prob=ci_prob)


def test_unknown_words_are_refused(reml):
    with pytest.raises(DataError, match=r"method='score' is not one of 'profile', 'wald'"):
        reml.confint("score")
    with pytest.raises(DataError, match=r"criterion='GCV' is not one of 'ML', 'REML'"):
        reml.confint(criterion="GCV")
    with pytest.raises(DataError, match=r"criterion='GCV' is not one of 'ML', 'REML'"):
        reml.profile(criterion="GCV")


def test_profile_traces(ml, reml):
    """Half steps of zeta out to 3 unless said, of the ML deviance unless said."""
    some = ["sd_Subject[Days]", "theta[1]"]
    found = reml.profile(some)
    expected = traces(ml.estimate, ZETAS, some)
    assert len(found) == 2 * 13 and list(found.columns) == list(expected.columns)
    assert found["zeta"].to_numpy() == pytest.approx(np.tile(np.arange(-6, 7) / 2, 2), abs=1e-7)
    assert found["value"].to_numpy() == pytest.approx(expected["value"].to_numpy(), rel=1e-7)
    own = reml.profile(["sigma"], criterion="REML", zetas=[-1, 1])
    assert own["deviance"].to_numpy() == pytest.approx(reml.criterion + np.array([1, 0, 1]), abs=1e-7)


def test_asking_changes_nothing_and_refits_silently(reml, caplog):
    before = reml.theta
    with caplog.at_level(logging.INFO, logger="blupbayes"):
        reml.confint(parameters=["sigma"]), reml.summary(), reml.varcorr()
    assert not caplog.records
    assert reml.theta.tolist() == before.tolist() and reml.method == "REML"
