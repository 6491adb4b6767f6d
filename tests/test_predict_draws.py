"""Predictions from draws: the draws' own moments, mixtures of normals, and the exact posterior within Monte Carlo."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from scipy.stats import t as student

import blupbayes as bb
from blupbayes.bayes import predict_draws
from blupbayes.errors import DataError, NewLevelError
from blupbayes.posterior import Posterior
from contract import close

NEW = pd.DataFrame({"Subject": ["308", "new"], "Days": [9.0, 5.0], "w": [2.0, 0.5]})


@pytest.fixture(scope="module")
def exact():
    return bb.MixedModel("Reaction ~ Days + (Days | Subject)", bb.load_dataset("sleepstudy")).integrate()


@pytest.fixture(scope="module")
def post(exact):
    """Draws as `sample` gives them, here independent ones from the exact posterior."""
    return Posterior(exact.design, exact.prior, exact.draw(1000, 4, 1), {"messages": []})


def flat(post, name):
    values = post.data["posterior"][name].values
    return values.reshape(-1, *values.shape[2:])


def test_means_and_mixtures_by_hand(post):
    """Moments of the draws to rounding; the ends of intervals by the distribution function of the mixture."""
    found = post.predict(NEW, new_levels="population", ci_prob=0.9, weights="w")
    beta, b, sd, R, sigma = (
        flat(post, k) for k in ("beta", "b_Subject", "sd_Subject", "corr_Subject", "sigma")
    )
    z = np.array([1.0, 5.0])
    mean = np.column_stack([(beta + b[:, 0]) @ [1.0, 9.0], beta @ z])
    Sigma = sd[:, :, None] * R * sd[:, None, :]
    noise = np.column_stack([sigma**2 / 2.0, sigma**2 / 0.5 + np.einsum("a,sab,b->s", z, Sigma, z)])
    close(found["mean"], mean.mean(axis=0), tolerance=1e-12)
    close(found["sd_mean"], mean.std(axis=0, ddof=1), tolerance=1e-12)
    close(found[["ci_lb", "ci_ub"]].T, np.quantile(mean, [0.05, 0.95], axis=0), tolerance=1e-12)
    close(found["sd_prediction"] ** 2, mean.var(axis=0, ddof=1) + noise.mean(axis=0), tolerance=1e-12)
    for name, prob in (("pi_lb", 0.05), ("pi_ub", 0.95)):
        below = norm.cdf(found[name].to_numpy(), mean, np.sqrt(noise)).mean(axis=0)
        assert below == pytest.approx([prob, prob], abs=1e-6)
    assert found.attrs["ci_prob"] == 0.9 and found.attrs["kind"].startswith("posterior")


def test_own_rows_with_weights_offset_and_a_known_sd():
    frame = bb.load_dataset("eight_schools")
    options = {"weights": 1 / frame["se"] ** 2, "sigma": 1.0, "offset": np.arange(8.0)}
    exact = bb.MixedModel("y ~ 1 + (1 | school)", frame, **options).integrate(bb.Prior(sd="HalfNormal(10)"))
    post = Posterior(exact.design, exact.prior, exact.draw(500, 2, 1), {"messages": []})
    found = post.predict()
    mean = flat(post, "beta") + flat(post, "b_school")[:, exact.design.groups[0].codes, 0] + np.arange(8.0)
    close(found["mean"], mean.mean(axis=0), tolerance=1e-12)
    close(found["sd_prediction"] ** 2 - found["sd_mean"] ** 2, frame["se"] ** 2, tolerance=1e-10)


def test_within_monte_carlo_of_the_exact_posterior(post, exact):
    """4000 independent draws: 5 Monte Carlo errors of means, sds and of the probability beyond each end."""
    one = post.predict(NEW, new_levels="population")
    two = exact.predict(NEW, new_levels="population")
    assert list(one) == list(two)
    assert np.all(np.abs(one["mean"] - two["mean"]) < 5 * two["sd_mean"] / np.sqrt(4000))
    for sd in ("sd_mean", "sd_prediction"):
        # kurtosis up to about 6
        assert np.all(np.abs(one[sd] / two[sd] - 1) < 5 * np.sqrt(5 / 4 / 4000))
    for end in ("ci_lb", "ci_ub", "pi_lb", "pi_ub"):
        sd = two["sd_mean" if end.startswith("c") else "sd_prediction"]
        # se of a 2.5 % quantile of a normal: sqrt(.025 .975 / S) / density = 2.7 sd / sqrt(S)
        assert np.all(np.abs(one[end] - two[end]) < 5 * 2.7 * sd / np.sqrt(4000)), end


def test_student_t_effects_of_a_new_level_are_wider(post):
    """nu = 4 in every draw: probabilities of a normal plus a scaled t, summed over 20 001 quantiles of the t."""
    tree = post.data.copy(deep=True)
    draws = tree["posterior"].dataset.assign(nu_Subject=tree["posterior"]["sigma"] * 0.0 + 4.0)
    tree["posterior"] = type(tree)(draws)
    heavy = replace(post, data=tree)
    found = heavy.predict(NEW, new_levels="population")
    usual = post.predict(NEW, new_levels="population")
    close(found.iloc[0], usual.iloc[0], tolerance=1e-12)  # an old level has its b
    assert np.isinf(found.loc[1, "sd_prediction"]) and np.isfinite(found.loc[1, "sd_mean"])
    beta, sd, R, sigma = (flat(post, k)[::20] for k in ("beta", "sd_Subject", "corr_Subject", "sigma"))
    z = np.array([1.0, 5.0])
    scale = np.sqrt(np.einsum("a,sab,b->s", z, sd[:, :, None] * R * sd[:, None, :], z))
    u = student.ppf((np.arange(20_001) + 0.5) / 20_001, 4)
    for end, prob in (("pi_lb", 0.025), ("pi_ub", 0.975)):
        far = found.loc[1, end] - (beta @ z)[:, None] - scale[:, None] * u
        p = norm.cdf(far / sigma[:, None]).mean(axis=1)
        # 200 of the draws stand for all; one scale per draw instead of all of a t: 0.02 / sqrt(4000) at worst
        assert p.mean() == pytest.approx(prob, abs=5 * (p.std() / np.sqrt(200) + 0.0003))
        assert usual.loc[1, "pi_lb"] > found.loc[1, "pi_lb"] and usual.loc[1, "pi_ub"] < found.loc[1, "pi_ub"]


def test_few_numbers_at_once_give_the_same(post, monkeypatch):
    before = post.predict()
    monkeypatch.setattr(predict_draws, "NUMBERS", 40_000)
    # quantiles are found to 1e-6 of an sd, each time
    close(post.predict(), before, before["sd_prediction"].min(), tolerance=3e-6)


def test_bad_requests_are_refused(post):
    with pytest.raises(NewLevelError, match="Subject 'new' was not in the fit"):
        post.predict(NEW)
    with pytest.raises(DataError, match="ci_prob=0 is not a probability"):
        post.predict(ci_prob=0)
    with pytest.raises(DataError, match="no column 'Days' in the new rows"):
        post.predict({"Subject": ["308"]})


def test_draws_of_pymc_are_read_alike():
    model = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail"))
    post = model.sample(draws=200, tune=200, chains=2, random_seed=1, progressbar=False)
    found = post.predict({"Rail": ["2", "new"]}, new_levels="population")
    expected = model.integrate().predict({"Rail": ["2", "new"]}, new_levels="population")
    # some 300 effective draws of a skewed sd
    assert np.all(np.abs(found["mean"] - expected["mean"]) < 5 * expected["sd_mean"] / np.sqrt(100))
    assert np.all(np.abs(np.log(found["sd_prediction"] / expected["sd_prediction"])) < 0.4)
