"""Simulation-based calibration: ranks are uniform where prior, simulation and posterior are of one model."""

import numpy as np
import pandas as pd
import pytest

import blupbayes as bb
from blupbayes.bayes.calibration import drawn_ranks, uniformity
from blupbayes.bayes.prior_draws import draw_prior, responses
from blupbayes.errors import DataError, PriorError

ONE_WAY = bb.Prior(kappa=1e-4, mean=60.0, residual="HalfNormal(5)", sd="HalfNormal(30)")
SLOPES = bb.Prior(
    kappa=1.0,
    mean=(250.0, 10.0),
    precision=[[1 / 50**2, 0.0], [0.0, 1 / 10**2]],
    residual="HalfNormal(40)",
    sd={"Subject": {"Intercept": "HalfNormal(40)", "Days": "HalfNormal(8)"}},
    corr=2.0,
)


def rail():
    return bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail"))


def sleep():
    return bb.MixedModel("Reaction ~ Days + (Days | Subject)", bb.load_dataset("sleepstudy"))


@pytest.mark.parametrize(("model", "prior", "quantities"), [(rail, ONE_WAY, 4), (sleep, SLOPES, 8)])
def test_ranks_of_500_data_sets_are_uniform(model, prior, quantities):
    found = model().calibrate(prior, 500, random_seed=7, rel_error=0.1)
    table = found.summary()
    assert found.ranks.shape == (500, quantities)
    assert (
        table["p"] > 1e-3 / quantities
    ).all()  # 1 in 1000 of such tests would fail by chance, the seed is fixed
    assert table["inside"].all() and "All ranks are as uniform" in repr(found)


def test_a_wrong_prior_is_seen():
    """Simulated from one prior, integrated with another: sds three times too small."""
    model, wrong = rail(), bb.Prior(kappa=1e-4, mean=60.0, residual="HalfNormal(5)", sd="HalfNormal(3)")
    resolved, rng = ONE_WAY.resolve(model.design), np.random.default_rng(1)
    draws = draw_prior(model.design, resolved, 60, rng)
    frame, ranks = bb.load_dataset("rail"), []
    for y, sd in zip(responses(model.design, draws, rng), draws.sds[:, 0], strict=True):
        posterior = bb.MixedModel("travel ~ 1 + (1 | Rail)", frame.assign(travel=y)).integrate(
            wrong, rel_error=0.1
        )
        ranks.append({"sd": posterior.cdf("sd_Rail[Intercept]", sd)})
    table = uniformity(pd.DataFrame(ranks))
    assert table.loc["sd", "p"] < 1e-6 and not table.loc["sd", "inside"]


def test_draws_from_the_prior_follow_the_model():
    model = sleep()
    d = draw_prior(model.design, SLOPES.resolve(model.design), 20_000, np.random.default_rng(2))
    assert d.beta.mean(axis=0) == pytest.approx(
        [250.0, 10.0], abs=1.5
    )  # 4 standard errors of 50 / sqrt(20000)
    assert d.beta.std(axis=0) == pytest.approx([50.0, 10.0], rel=0.02)
    assert (d.sds**2).mean(axis=0) == pytest.approx(
        [1600.0, 64.0], rel=0.05
    )  # E sd^2 of a half-normal is scale^2
    rho = d.corrs[0][:, 1, 0]
    assert rho.var() == pytest.approx(1 / 5, rel=0.05)  # LKJ(2): rho = 2 Beta(2, 2) - 1
    products = (d.b[0][:, :, 0] * d.b[0][:, :, 1]).mean(axis=1) / (d.sds[:, 0] * d.sds[:, 1])
    assert np.polyfit(rho, products, 1)[0] == pytest.approx(1.0, abs=0.05)
    y = responses(model.design, d, np.random.default_rng(3))
    assert y.shape == (20_000, 180)
    expected = (
        50**2 + 10**2 * 81 + 1600 + 64 * 81 + 1600
    )  # the last day: beta, b (uncorrelated on average), residual
    assert y[:, model.design.X[:, 1] == 9].var() == pytest.approx(expected, rel=0.05)


def test_draws_take_part_in_the_same_way():
    import xarray as xr

    posterior = xr.Dataset(
        {
            "sigma": (("chain", "draw"), [[1.0, 2.0, 3.0]]),
            "b_g": (("chain", "draw", "g", "g_term"), np.ones((1, 3, 1, 1))),
        },
        coords={"g": ["a"], "g_term": ["Intercept"]},
    )
    assert drawn_ranks({"posterior": posterior}, {"sigma": 2.5, "b_g[a,Intercept]": 0.0}) == {
        "sigma": 2.5 / 4,
        "b_g[a,Intercept]": 0.5 / 4,
    }


@pytest.mark.parametrize("simulations", [0, -1, 2.5])
def test_a_number_of_simulations_is_asked_for(simulations):
    with pytest.raises(DataError, match="whole number above 0"):
        rail().calibrate(ONE_WAY, simulations)


@pytest.mark.parametrize(
    ("prior", "text"),
    [
        (bb.Prior(), "flat prior of beta"),
        (bb.Prior(kappa=1.0, sd="Flat"), "no proper distribution"),
        (bb.Prior(kappa=1.0, covariance=bb.Decov()), "joint prior of a covariance matrix"),
    ],
)
def test_an_improper_prior_cannot_be_simulated(prior, text):
    with pytest.raises(PriorError, match=text):
        rail().calibrate(prior, 5)


def test_an_interrupted_calibration_keeps_what_it_has(monkeypatch):
    from blupbayes.bayes import calibration

    count = iter(range(100))
    whole = calibration.integrate

    def interrupted(*arguments):
        if next(count) == 3:
            raise KeyboardInterrupt
        return whole(*arguments)

    monkeypatch.setattr(calibration, "integrate", interrupted)
    assert len(rail().calibrate(ONE_WAY, 10, random_seed=1).ranks) == 3
