"""Average weights of a posterior: closed form node by node, quantiles by direct summation."""

import numpy as np
import pytest

import blupbayes as bb
from blupbayes.bayes.shares import share_table, shares

PROBS = (0.025, 0.5, 0.975)


def test_every_point_has_the_closed_form_weight():
    post = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail")).integrate()
    ratio = post.integral.mixture.points.sds[:, 0]  # sd over sigma
    np.testing.assert_allclose(shares(post.integral)[:, 0], 3 * ratio**2 / (1 + 3 * ratio**2), atol=1e-12)


def test_moments_and_quantiles_are_sums_over_draws():
    post = bb.MixedModel("Yield ~ 1 + (1 | Batch)", bb.load_dataset("dyestuff")).integrate(
        bb.Prior(sd="HalfCauchy(50)", residual="Flat")
    )
    drawn = post.draw(5000, 4, random_seed=3)["posterior"]
    odds = 5 * (drawn["sd_Batch"].values[..., 0] / drawn["sigma"].values) ** 2
    weight = (odds / (1 + odds)).ravel()
    row = share_table(post.integral, PROBS).iloc[0]
    # 20000 independent draws: four standard errors
    assert row["estimate"] == pytest.approx(weight.mean(), abs=4 * weight.std() / np.sqrt(20_000))
    assert row["posterior_sd"] == pytest.approx(weight.std(), rel=0.03)
    for p in PROBS:
        assert np.mean(weight < row[p]) == pytest.approx(p, abs=4 * np.sqrt(p * (1 - p) / 20_000) + 1e-3)


def test_averages_are_those_of_the_levels():
    data = bb.load_dataset("sleepstudy")
    uneven = data.iloc[[i for i in range(len(data)) if i % 10 < 3 or i < 90]]
    post = bb.MixedModel("Reaction ~ Days + (Days | Subject)", uneven).integrate(rel_error=0.05)
    each = post.tidy().query("component == 'weight'").groupby("term")["estimate"].mean()
    found = share_table(post.integral, PROBS).set_index("term")["estimate"]
    np.testing.assert_allclose(found[["Intercept", "Days"]], each[["Intercept", "Days"]], rtol=1e-10)
