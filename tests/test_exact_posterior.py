"""ExactPosterior as users hold it: beside draws in ArviZ, pickled, printed, in notebooks."""

import pickle
import warnings

import numpy as np
import pytest

import blupbayes as bb
from blupbayes.errors import BlupbayesError


@pytest.fixture(scope="module")
def post():
    return bb.MixedModel("Reaction ~ Days + (Days | Subject)", bb.load_dataset("sleepstudy")).integrate()


def test_draws_are_a_tree_that_arviz_reads(post):
    import arviz as az
    import matplotlib

    matplotlib.use("Agg")
    tree = post.data
    groups = "posterior observed_data constant_data log_prior log_likelihood posterior_predictive"
    assert set(tree.children) == set(groups.split())
    assert dict(tree["posterior"].sizes) == {
        "chain": 4, "draw": 1000, "fixef": 2, "Subject": 18, "Subject_term": 2, "Subject_term_bis": 2
    }  # fmt: skip
    table = az.summary(tree, var_names=["beta", "sigma", "sd_Subject"], round_to="none")
    exact = post.summary().loc[
        ["beta[Intercept]", "beta[Days]", "sigma", "sd_Subject[Intercept]", "sd_Subject[Days]"]
    ]
    z = (table["mean"].to_numpy() - exact["mean"].to_numpy()) / table["mcse_mean"].to_numpy()
    assert np.abs(z).max() < 4.5
    assert table["ess_bulk"].min() > 3000  # independent: 4000, up to the noise of the estimate
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Estimated shape parameter")
        sampled = az.loo(tree).elpd
    assert sampled == pytest.approx(post.loo()["elpd"].sum(), abs=1.5)  # given b, and by importance sampling
    az.plot_forest({"exact": tree, "again": post.draw(random_seed=3)}, var_names=["beta"])
    az.plot_ppc_dist(tree)


def test_draws_are_the_same_each_time_and_others_for_another_seed(post):
    one, two = (post.draw(50, 1, seed)["posterior"]["sigma"].values for seed in (1, 2))
    assert np.array_equal(one, post.draw(50, 1, 1)["posterior"]["sigma"].values) and not np.array_equal(
        one, two
    )
    with pytest.raises(BlupbayesError, match="at least one of each"):
        post.draw(0)


def test_draws_with_known_sigma_and_joint_priors():
    frame = bb.load_dataset("eight_schools")
    model = bb.MixedModel("y ~ 1 + (1 | school)", frame, weights=1 / frame["se"] ** 2, sigma=1.0)
    assert "sigma" not in model.integrate().draw(20)["posterior"]
    rail = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail"))
    tree = rail.integrate(bb.Prior(covariance=bb.Decov(), kappa=1e-4, nu=3.0)).draw(20)
    assert set(tree["log_prior"].data_vars) == {"sigma"}


def test_pickled_and_read_back(post):
    again = pickle.loads(pickle.dumps(post))
    assert again.summary().equals(post.summary()) and again.cdf("sigma", 25.0) == post.cdf("sigma", 25.0)


def test_what_is_printed(post):
    text, html = repr(post), post._repr_html_()
    for piece in ("lattice points, no draws", "stated error", "HalfStudentT(3, 56.3", "sd_Subject[Days]"):
        assert piece in text
    assert "<table" in html and "integrate" in html
    assert list(post.summary(0.9)) == ["mean", "sd", "median", "eti90_lb", "eti90_ub", "err_mean", "err_sd"]
    assert len(post.ranef()) == 36 and list(post.ranef())[:4] == ["group", "level", "term", "estimate"]


def test_weights_are_averages_over_the_variances():
    """Three rows per rail: 3 sd^2 / (3 sd^2 + sigma^2), here from draws; 4.5 Monte Carlo errors."""
    post = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail")).integrate(rel_error=1e-3)
    drawn = post.draw(2000, 2, 1)["posterior"]
    ratio = 3 * (drawn["sd_Rail"].values[:, :, 0] / drawn["sigma"].values) ** 2
    weight = ratio / (ratio + 1)
    rows = post.tidy().query("component == 'weight'")
    assert len(rows) == 6 and np.ptp(rows["estimate"]) < 1e-12
    assert rows["estimate"].iloc[0] == pytest.approx(weight.mean(), abs=4.5 * weight.std() / 4000**0.5)
    assert rows["uncertainty"].iloc[0] == pytest.approx(
        weight.std(), rel=0.2
    )  # a skewed share: its sd is noisy


def test_values_outside_the_range_of_a_quantity_have_no_probability(post):
    for name, low, high in (("sd_Subject[Days]", 0.0, np.inf), ("corr_Subject[Days,Intercept]", -1.0, 1.0)):
        assert post.cdf(name, [low - 1, low]).tolist() == [0.0, 0.0]
        density = post.density(name, [low - 1, low])["density"].tolist()
        assert density[0] == 0.0 and np.isnan(density[1])
        if np.isfinite(high):
            assert post.cdf(name, [high, high + 1]).tolist() == [1.0, 1.0]
            assert post.density(name, [high + 1])["density"].tolist() == [0.0]
    assert post.cdf("sigma", 0.0) == 0.0
    inside = post.quantile("sigma", [0.1, 0.9])
    together = post.cdf("sigma", [-1.0, *inside, 1e9])  # values beside them change nothing
    np.testing.assert_allclose(together, [0.0, 0.1, 0.9, 1.0], atol=1e-6)
