"""Responses from a fit have the moments of the model; a refit is the fit of a new model."""

import numpy as np
import pandas as pd
import pytest

import blupbayes as bb
from blupbayes.errors import BlupbayesError, DataError
from blupbayes.frequentist.simulate import simulate
from contract import close
from test_prediction_error import SIGMA, case

N = 40_000


@pytest.mark.parametrize("kind", ["slope weights", "crossed_slopes", "nested weights offset"])
def test_new_responses_have_the_mean_and_covariance_of_the_model(kind):
    """5.5 Monte Carlo errors of 60 means and 1830 covariances."""
    d, design, solved, theta = case(kind)
    y = simulate(design, solved.beta, solved, N, random_seed=1).to_numpy()
    oracle = d.oracle(SIGMA, theta)
    V, offset = oracle.V, 0.0 if d.offset is None else d.offset
    sd = np.sqrt(np.diag(V))
    assert np.all(np.abs(y.mean(axis=1) - (offset + d.X @ oracle.fixed()[0])) < 5.5 * sd / np.sqrt(N))
    error = np.sqrt((np.outer(sd, sd) ** 2 + V**2) / N)
    assert np.all(np.abs(np.cov(y) - V) < 5.5 * error)


def test_conditional_responses_stay_around_the_fitted_values():
    d, design, solved, _ = case("nested weights offset")
    y = simulate(design, solved.beta, solved, N, "conditional", random_seed=2).to_numpy()
    sd = SIGMA / np.sqrt(d.weights)
    oracle = d.oracle(SIGMA)
    fitted = d.offset + d.X @ oracle.fixed()[0] + d.Z @ oracle.random()
    assert np.all(np.abs(y.mean(axis=1) - fitted) < 5.5 * sd / np.sqrt(N))
    assert np.all(np.abs(np.cov(y) - np.diag(sd**2)) < 5.5 * np.outer(sd, sd) * np.sqrt(2 / N))


@pytest.fixture(scope="module")
def sleep():
    return bb.MixedModel("Reaction ~ Days + (Days | Subject)", bb.load_dataset("sleepstudy"))


@pytest.fixture(scope="module")
def fit(sleep):
    return sleep.fit()


def test_responses_come_under_the_datas_index_and_follow_the_seed(sleep, fit, monkeypatch):
    one = fit.simulate(3, random_seed=1)
    assert one.shape == (180, 3) and one.index.equals(sleep.design.rows)
    assert one.equals(fit.simulate(3, random_seed=1)) and not one.equals(fit.simulate(3, random_seed=2))
    assert fit.simulate().shape == (180, 1)
    monkeypatch.setattr("blupbayes.frequentist.simulate.NUMBERS", 400)  # two responses at once
    assert fit.simulate(5, random_seed=1).shape == (180, 5)


def test_a_zero_variance_is_drawn_as_zero():
    model = bb.MixedModel("Yield ~ 1 + (1 | Batch)", bb.load_dataset("dyestuff2"))
    y = model.fit().simulate(4000, random_seed=1).to_numpy()
    C = np.corrcoef(y)[np.triu_indices(30, 1)]
    assert np.abs(C).max() < 5 / np.sqrt(4000)  # batches share nothing


@pytest.mark.parametrize("method", ["REML", "ML"])
def test_a_refit_is_the_fit_of_the_new_response(sleep, method):
    y = sleep.fit(method).simulate(random_seed=3)[0]
    again = sleep.fit(method).refit(y)
    data = bb.load_dataset("sleepstudy").assign(Reaction=y)
    fresh = bb.MixedModel(sleep.formula, data).fit(method)
    assert again.method == method and again.data_hash == fresh.data_hash != sleep.fit().data_hash
    assert np.array_equal(again.theta, fresh.theta) and again.criterion == fresh.criterion
    pd.testing.assert_frame_equal(again.summary(), fresh.summary())
    close(again.predict(), fresh.predict(), tolerance=1e-15)


def test_a_refit_from_a_variance_of_zero_finds_the_variance():
    """theta = 0 is stationary for any data: a search that began there would stay."""
    fit = bb.MixedModel("Yield ~ 1 + (1 | Batch)", bb.load_dataset("dyestuff2")).fit()
    other = bb.load_dataset("dyestuff")["Yield"]
    assert fit.theta[0] == 0.0
    assert fit.refit(other).theta[0] == pytest.approx(np.sqrt(1764.05 / 2451.25), rel=1e-6)


def test_weights_offset_and_a_known_sd_stay():
    frame = bb.load_dataset("eight_schools")
    options = {"weights": 1 / frame["se"] ** 2, "sigma": 1.0, "offset": np.arange(8.0)}
    y = np.array([3.0, 60, -20, 8, 9, 1, 40, 12])
    again = bb.MixedModel("y ~ 1 + (1 | school)", frame, **options).fit().refit(y)
    fresh = bb.MixedModel("y ~ 1 + (1 | school)", frame.assign(y=y), **options).fit()
    assert np.array_equal(again.theta, fresh.theta) and again.sigma == 1.0


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.ones(3), r"y has shape \(3,\), the fit has 180 rows"),
        (np.ones((180, 2)), r"y has shape \(180, 2\)"),
        (np.r_[np.nan, np.arange(179.0)], "1 of 180 values of y are missing or infinite"),
        (np.r_[np.inf, np.arange(179.0)], "1 of 180 values of y are missing or infinite"),
        (["a"] * 180, "y is not numbers"),
        (pd.Series(np.arange(180.0), index=np.arange(1, 181)), "other row labels than the data of the fit"),
        (np.ones(180), "is 1 in all 180 rows"),
    ],
)
def test_responses_that_cannot_be_fitted_are_refused(fit, y, message):
    with pytest.raises(BlupbayesError, match=message):
        fit.refit(y)


@pytest.mark.parametrize("n", [0, -1, 1.5, True, "3", None])
def test_numbers_of_responses_that_are_none_are_refused(fit, n):
    with pytest.raises(DataError, match="give a whole number above 0"):
        fit.simulate(n)


def test_an_unknown_way_is_refused(fit):
    with pytest.raises(DataError, match="random='old' is not one of 'new', 'conditional'"):
        fit.simulate(random="old")
