"""Standard errors of predictions against the best linear predictor with V written out, and against laws."""

import logging

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

import blupbayes as bb
from blupbayes import prediction_error
from blupbayes.errors import DataError
from blupbayes.mme.gaussian import posterior
from blupbayes.mme.statistics import reduce
from blupbayes.model.design import build
from blupbayes.prediction_error import predict_with_error
from contract import close
from new_rows import by_hand, coefficients, new_frame, prior_variance
from random_models import KINDS, random_design

SIGMA = 1.7
SUBSETS = {  # name: (random, {group: letters} by hand, or all)
    "all": ("all", None),
    "none": ("none", {}),
    "intercept of a": ("a[Intercept]", {"a": "1"}),
    "slope of a": ("(0 + x | a)", {"a": "x"}),
    "c alone": (["c"], {"c": "1x"}),
}


def case(kind, zero=False):
    """Design by hand, model's design, Henderson's solution at theta, theta."""
    d = random_design(np.random.default_rng([7, *map(ord, kind)]), kind)
    given = {"weights": "weight"} if d.weights is not None else {}
    given |= {"offset": "shift"} if d.offset is not None else {}
    design = build(d.formula, d.frame, **given)
    statistics, theta = reduce(design), d.theta.copy()
    if zero:
        theta[0] = 0.0
    return d, design, posterior(statistics, statistics.factors(theta), SIGMA), theta


def check(found, oracle, d, kind, frame, theta, chosen=None, weights=None):
    """mean, se_mean and sd_prediction by the formula; variances relative to the largest in sight."""
    X, Z, outside = by_hand(d, kind, frame, chosen)
    offset = 0.0 if d.offset is None else frame["shift"].to_numpy()
    mean, variance = oracle.blp(X, Z, offset)
    noise = SIGMA**2 / (1.0 if weights is None else weights) + prior_variance(d, outside, SIGMA, theta)
    close(found["mean"], mean)
    size = np.max(variance + noise)
    close(found["se_mean"] ** 2, variance, size)
    close(found["sd_prediction"] ** 2, variance + noise, size)


@pytest.mark.parametrize("zero", [False, True], ids=["", "at zero"])
@pytest.mark.parametrize("kind", KINDS)
def test_new_rows_have_the_error_of_the_best_linear_predictor(kind, zero, storage):
    d, design, solved, theta = case(kind, zero)
    frame = new_frame(d, np.random.default_rng(1), unseen=["a"])
    found = predict_with_error(design, solved.beta, solved, frame, new_levels="population")
    check(found, d.oracle(SIGMA, theta), d, kind, frame, theta)


@pytest.mark.parametrize("kind", KINDS)
def test_own_rows_with_their_own_weights(kind, storage):
    d, design, solved, theta = case(kind)
    found = predict_with_error(design, solved.beta, solved)
    check(found, d.oracle(SIGMA, theta), d, kind, d.frame, theta, weights=d.weights)


@pytest.mark.parametrize(
    ("kind", "subset"),
    [
        (kind, subset)
        for kind in ("slope weights", "crossed_slopes", "split", "three offset")
        for subset, (_, chosen) in SUBSETS.items()
        if set(chosen or ()) <= set(coefficients(kind))
    ],
)
def test_any_subset_of_the_random_effects(kind, subset):
    random, chosen = SUBSETS[subset]
    d, design, solved, theta = case(kind)
    frame = new_frame(d, np.random.default_rng(2), unseen=["c"])
    found = predict_with_error(
        design, solved.beta, solved, frame, random=random, new_levels="population", weights="weight"
    )
    check(found, d.oracle(SIGMA, theta), d, kind, frame, theta, chosen, frame["weight"].to_numpy())


def test_few_numbers_at_once_give_the_same(monkeypatch):
    d, design, solved, _ = case("three")
    frame = new_frame(d, np.random.default_rng(3), 40)
    before = predict_with_error(design, solved.beta, solved, frame, new_levels="population")
    monkeypatch.setattr(prediction_error, "NUMBERS", 7)
    monkeypatch.setattr("blupbayes.mme.forms.NUMBERS", 7)
    after = predict_with_error(design, solved.beta, solved, frame, new_levels="population")
    close(after, before, tolerance=1e-13)  # the same sums in other portions


@pytest.fixture(scope="module")
def rail():
    return bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail")).fit()


def test_closed_form_of_a_balanced_one_way_model(rail):
    """Old: Var = lam sigma^2/r + (1 - lam) sigma^2/(rJ) .. as lam = r sa^2/(r sa^2 + s^2); new: (sa^2 + s^2/r)/J."""
    s2, sa2, r, J = rail.sigma**2, rail.variances.sd("Rail")["Intercept"] ** 2, 3, 6
    lam, mean = r * sa2 / (r * sa2 + s2), (sa2 + s2 / r) / J
    found = rail.predict({"Rail": ["2", "new"]}, new_levels="population")
    old = sa2 * (1 - lam) + (1 - lam) ** 2 * mean
    expected = {"se_mean": [old, mean], "sd_prediction": [old + s2, mean + sa2 + s2]}
    for name, variance in expected.items():
        assert (found[name] ** 2).to_numpy() == pytest.approx(variance, rel=1e-12)


def test_without_random_effects_it_is_the_error_of_x_beta():
    fit = bb.MixedModel("Reaction ~ Days + (Days | Subject)", bb.load_dataset("sleepstudy")).fit()
    found = fit.predict({"Days": [0.0, 4.0]}, random="none")
    X = np.array([[1.0, 0.0], [1.0, 4.0]])
    close(found["se_mean"] ** 2, np.diag(X @ fit.beta_cov.to_numpy() @ X.T), tolerance=1e-12)
    sd, corr = fit.variances.sd("Subject").to_numpy(), fit.variances.corr("Subject").to_numpy()
    Sigma = corr * np.outer(sd, sd)
    total = found["se_mean"] ** 2 + np.diag(X @ Sigma @ X.T) + fit.sigma**2
    close(found["sd_prediction"] ** 2, total, tolerance=1e-12)


def test_intervals_are_normal_and_say_what_they_are(rail):
    table = rail.predict(ci_prob=0.9)
    assert list(table) == ["mean", "se_mean", "sd_prediction", "ci_lb", "ci_ub", "pi_lb", "pi_ub"]
    z = norm.ppf(0.95)
    for name, sd in (("ci", "se_mean"), ("pi", "sd_prediction")):
        close(table[f"{name}_lb"], table["mean"] - z * table[sd], tolerance=1e-12)
        close(table[f"{name}_ub"], table["mean"] + z * table[sd], tolerance=1e-12)
    assert table.attrs["kind"].startswith("plug-in: variances held") and table.attrs["ci_prob"] == 0.9
    assert list(rail.predict()) == ["mean", "se_mean", "sd_prediction"]
    assert list(rail.predict(se=False)) == ["mean"]


@pytest.mark.parametrize("bad", [0, 1, 1.5, -0.1, "95", np.nan])
def test_levels_that_are_no_probability_are_refused(rail, bad):
    with pytest.raises(DataError, match="ci_prob="):
        rail.predict(ci_prob=bad)


def test_an_interval_needs_the_standard_error(rail):
    with pytest.raises(DataError, match="needs the standard error"):
        rail.predict(ci_prob=0.95, se=False)


def test_change_of_units_and_shift_of_y(rail):
    """y -> 1000 + 2.5 y: means follow, spreads are multiplied; 1e-7 of the sd: two optima of one criterion."""
    frame = bb.load_dataset("rail")
    other = bb.MixedModel("travel ~ 1 + (1 | Rail)", frame.assign(travel=1000 + 2.5 * frame["travel"])).fit()
    one, two = rail.predict(), other.predict()
    close(two["mean"], 1000 + 2.5 * one["mean"], 25.0, tolerance=1e-7)
    close(two[["se_mean", "sd_prediction"]], 2.5 * one[["se_mean", "sd_prediction"]], 25.0, tolerance=1e-7)


def test_a_weight_of_two_is_half_the_residual_variance(rail):
    new = pd.DataFrame({"Rail": ["1", "1"], "w": [1.0, 2.0]})
    one, two = (rail.predict(new, weights="w")["sd_prediction"] ** 2).to_numpy()
    assert one - two == pytest.approx(rail.sigma**2 / 2, rel=1e-12)


def test_a_mean_that_cannot_be_estimated_has_an_infinite_error_and_is_named(caplog):
    """x2 = 1 + 2 x in the data: a new row that keeps to it is as good as without x2, others are unknown."""
    d = random_design(np.random.default_rng(11), "slope deficient")
    fit = bb.MixedModel(d.formula, d.frame).fit()
    without = bb.MixedModel(d.formula.replace(" + x2", ""), d.frame).fit()
    new = pd.DataFrame(
        {"x": [0.3, 0.3, 1e4], "x2": [1.6, 1.7, 1 + 2e4], "f": "u", "a": "a1"}, index=list("rst")
    )
    with caplog.at_level(logging.WARNING, logger="blupbayes"):
        found = fit.predict(new, ci_prob=0.95)
    (message,) = found.attrs["messages"]
    assert message.startswith("Row s: the mean is not estimable") and "x2" in message
    assert message in caplog.text
    assert np.isinf(found.loc["s", ["se_mean", "sd_prediction"]].to_numpy(float)).all()
    assert (found.loc["s", "pi_lb"], found.loc["s", "ci_ub"]) == (-np.inf, np.inf)
    same = without.predict(new)
    for name in ("mean", "se_mean", "sd_prediction"):
        # two optima of one criterion
        assert found.loc[["r", "t"], name].to_numpy() == pytest.approx(same.loc[["r", "t"], name], rel=1e-7)
    assert fit.predict().attrs["messages"] == ()


def test_a_variance_at_zero_leaves_the_error_of_the_mean():
    fit = bb.MixedModel("Yield ~ 1 + (1 | Batch)", bb.load_dataset("dyestuff2")).fit()
    found, y = fit.predict(), bb.load_dataset("dyestuff2")["Yield"]
    assert found["mean"].to_numpy() == pytest.approx(np.full(30, y.mean()), rel=1e-14)
    assert found["se_mean"].to_numpy() == pytest.approx(np.full(30, y.std() / np.sqrt(30)), rel=1e-12)
