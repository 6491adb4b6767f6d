"""Gaussian: Henderson's solution as users hold it. The algebra itself: test_gaussian."""

import pickle

import numpy as np
import pandas as pd
import pytest

import blupbayes as bb

RAIL = {"Rail": np.sqrt(615.3111111), "residual": np.sqrt(16.1666667)}


@pytest.fixture(scope="module")
def rail():
    return bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail"))


def test_the_kappa_path_of_rail_is_the_closed_form(rail):
    # mu(kappa) = 66.5 / (1 + kappa Var(mu_hat)), Var(mu_hat) = (s2_a + s2 / 3) / 6 = 103.45.
    var = (615.3111111 + 16.1666667 / 3) / 6
    for kappa in (0.0, 1e-6, 1e-3, 1.0):
        assert rail.solve(RAIL, kappa).beta["Intercept"] == pytest.approx(66.5 / (1 + kappa * var), rel=1e-9)


def test_names_and_shapes(rail):
    g = rail.solve(RAIL)
    assert g.beta.index.tolist() == ["Intercept"] and g.beta_cov.shape == (1, 1)
    assert list(g.b.columns) == ["group", "level", "term", "estimate", "cond_sd", "pev_sd"] and len(g.b) == 6
    assert g.log_evidence == -np.inf and np.isfinite(rail.solve(RAIL, 1e-3).log_evidence)
    assert g.kappa == 0.0 and g.estimator == "MME"


def test_at_a_fits_variances_it_is_the_fit(rail):
    fit = rail.fit()
    g = rail.solve(fit)
    # The same equations at the same numbers, theta rebuilt from the variances: to rounding.
    pd.testing.assert_frame_equal(g.b, fit.ranef(), rtol=1e-11, atol=1e-11)
    pd.testing.assert_frame_equal(g.group_means(), fit.group_means(), rtol=1e-11, atol=1e-11)


def test_draws_have_the_posteriors_names_and_moments(rail):
    g = rail.solve(RAIL, kappa=1e-3)
    draws = g.draw(4000, random_seed=1)
    assert {name: x.shape for name, x in draws.items()} == {"beta": (4000, 1), "b_Rail": (4000, 6, 1)}
    sd = np.sqrt(g.beta_cov.to_numpy()[0, 0])
    # Five standard errors of a mean and of an sd of 4000 independent draws.
    assert draws["beta"].mean() == pytest.approx(g.beta.iloc[0], abs=5 * sd / np.sqrt(4000))
    assert draws["beta"].std() == pytest.approx(sd, rel=5 / np.sqrt(8000))
    b = draws["b_Rail"][:, :, 0]
    assert b.std(axis=0) == pytest.approx(g.b["pev_sd"].to_numpy(), rel=5 / np.sqrt(8000))
    means = draws["beta"] + b
    assert means.std(axis=0) == pytest.approx(g.group_means()["pev_sd"].to_numpy(), rel=5 / np.sqrt(8000))


def test_draws_repeat_with_their_seed(rail):
    g = rail.solve(RAIL)
    first, again, other = (g.draw(3, random_seed=s)["beta"] for s in (1, 1, 2))
    assert (first == again).all() and (first != other).all()
    assert g.draw(2, np.random.default_rng(0))["beta"].shape == (2, 1)


def test_tidy_calls_a_spread_by_its_name(rail):
    flat = rail.solve(RAIL).tidy().iloc[0]
    assert (flat["uncertainty_kind"], flat["ci_kind"], flat["note"]) == ("se", "wald", "")
    prior = rail.solve(RAIL, kappa=1e-3).tidy().iloc[0]
    assert (prior["uncertainty_kind"], prior["ci_kind"]) == ("posterior_sd", "eti")
    assert prior["note"] == "kappa = 0.001, variances held"
    sds = rail.solve(RAIL).tidy().query("component == 'sd'")
    assert (sds["note"] == "given, not estimated").all() and sds["estimate"].tolist() == pytest.approx(
        list(RAIL.values())
    )


def test_what_cannot_be_estimated_has_no_interval():
    frame = bb.load_dataset("sleepstudy").assign(twice=lambda f: 2 * f["Days"])
    model = bb.MixedModel("Reaction ~ Days + twice + (1 | Subject)", frame)
    g = model.solve({"Subject": 37.0, "residual": 31.0})
    # Smallest norm: slope s is split as (s, 2 s) / 5.
    assert g.beta["twice"] == pytest.approx(2 * g.beta["Days"], rel=1e-9)
    fixed = g.tidy().query("component == 'fixed'").set_index("term")
    assert fixed.loc["Days", "uncertainty"] == np.inf and fixed.loc["Days", "ci_kind"] == ""
    assert fixed.loc["Intercept", "ci_kind"] == "wald"


def test_reprs_and_pickle(rail):
    g = rail.solve(RAIL, kappa=1e-3)
    assert "kappa = 0.001 (prior precision of beta)" in repr(g) and "60.266" in repr(g)
    assert "kappa = 0 (flat prior on beta)" in repr(rail.solve(RAIL))
    assert "<caption>" in g._repr_html_()
    again = pickle.loads(pickle.dumps(g))
    pd.testing.assert_frame_equal(again.tidy(), g.tidy())
