"""Draws as the user gets them: the same groups and names whatever the parametrisation, and ArviZ reads them."""

import json

import numpy as np
import pytest

import blupbayes as bb
from blupbayes.bayes.hierarchical import rows
from blupbayes.bayes.tree import log_likelihood
from blupbayes.errors import BlupbayesError, NewLevelError, PriorError

GROUPS = {"posterior", "sample_stats", "observed_data", "constant_data", "log_prior"}
POINTWISE = {"log_likelihood", "posterior_predictive"}


@pytest.fixture(scope="module")
def model():
    return bb.MixedModel("Reaction ~ Days + (Days | Subject)", bb.load_dataset("sleepstudy"))


@pytest.fixture(scope="module")
def post(model):
    prior = bb.Prior(kappa=0.001, mean=[250, 10], sd={"Subject": "HalfNormal(50)"})
    return model.sample(prior, parameterization="collapsed", draws=300, tune=300, chains=2, random_seed=1)


@pytest.fixture(scope="module")
def schools():
    data = bb.load_dataset("eight_schools")
    return bb.MixedModel("y ~ 1 + (1 | school)", data, weights=1 / data["se"] ** 2, sigma=1)


def test_collapsed_draws_have_beta_and_b(post):
    posterior = post.data["posterior"]
    assert list(posterior.data_vars) == ["beta", "sigma", "sd_Subject", "corr_Subject", "b_Subject"]
    assert posterior["b_Subject"].dims == ("chain", "draw", "Subject", "Subject_term")
    assert posterior["corr_Subject"].dims == ("chain", "draw", "Subject_term", "Subject_term_bis")
    assert post.data.attrs["parameterization"] == "collapsed" and "integrated out" in "\n".join(post.notes)
    assert set(post.data.children) == GROUPS | POINTWISE


def test_the_same_seed_recovers_the_same_b(model, post):
    again = model.sample(
        bb.Prior(kappa=0.001, mean=[250, 10], sd={"Subject": "HalfNormal(50)"}),
        parameterization="collapsed", draws=300, tune=300, chains=2, random_seed=1,
    )  # fmt: skip
    for group in ("posterior", "posterior_predictive"):
        for name, x in post.data[group].data_vars.items():
            np.testing.assert_array_equal(again.data[group][name].values, x.values)


def test_auto_says_why(schools):
    post = schools.sample(draws=30, tune=50, chains=2, random_seed=1)
    assert post.data.attrs["parameterization"] == "noncentered"
    assert "school 0.00" in post.data.attrs["parameterization_reason"]
    assert any("REML weight" in note for note in post.notes)
    assert "sigma" not in post.data["posterior"] and "sigma" not in post.data["log_prior"]
    assert list(post.data["log_prior"].data_vars) == ["sd_school"]  # a flat beta has no density


def test_large_data_get_no_group_with_a_value_for_each_row(schools, monkeypatch):
    from blupbayes.bayes import tree

    monkeypatch.setattr(tree, "MOST_VALUES", 8 * 60 - 1)
    post = schools.sample(draws=30, tune=30, chains=2, random_seed=1, parameterization="collapsed")
    assert set(post.data.children) == GROUPS
    assert post.log_likelihood().children["log_likelihood"]["y"].shape == (2, 30, 8)


def test_nothing_to_draw(model):
    with pytest.raises(BlupbayesError, match="at least one"):
        model.sample(draws=0)


@pytest.mark.parametrize("name", ["summary", "loo", "psense_summary"])
def test_arviz_reads_the_draws(post, name):
    az = pytest.importorskip("arviz")
    options = {} if name == "loo" else {"var_names": ["beta", "sigma", "sd_Subject"]}
    assert len(str(quiet(getattr(az, name), post.data, **options))) > 50


def quiet(function, *args, **options):
    """600 draws give Pareto k above ArviZ's threshold, which it warns of."""
    import warnings

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Estimated shape parameter of Pareto")
        return function(*args, **options)


@pytest.mark.parametrize("name", ["plot_forest", "plot_trace", "plot_ppc_dist"])
def test_arviz_draws_the_draws(post, name):
    import arviz as az
    import matplotlib

    matplotlib.use("Agg")

    options = {} if name == "plot_ppc_dist" else {"var_names": ["beta", "sigma"]}
    assert getattr(az, name)(post.data, backend="matplotlib", **options) is not None
    import matplotlib.pyplot as plt

    plt.close("all")


def test_arviz_counts_rows_or_levels(post):
    import arviz as az

    assert quiet(az.loo, post.data).n_data_points == 180
    assert quiet(az.loo, post.log_likelihood("marginal")).n_data_points == 18
    assert "new row" in post.data["log_likelihood"].attrs["kind_conditional"]
    with pytest.raises(BlupbayesError, match="kind='joint': choose one of conditional, marginal"):
        post.log_likelihood("joint")


def test_posterior_on_disk(post, model, schools, tmp_path):
    path = tmp_path / "post.zarr"
    post.to_zarr(path)
    again = bb.read_posterior(path, model)
    assert repr(again) == repr(post) and again.notes == post.notes
    assert set(again.data.children) == set(post.data.children)
    assert str(again.prior) == str(post.prior)
    with pytest.raises(BlupbayesError, match="exists already"):
        post.to_zarr(path)
    with pytest.raises(BlupbayesError, match="posterior of other data"):
        bb.read_posterior(path, schools)
    with pytest.raises(BlupbayesError, match="holds no posterior"):
        bb.read_posterior(tmp_path / "nothing", model)
    (tmp_path / "text").write_text("draws")
    with pytest.raises(BlupbayesError, match="holds no posterior"):
        bb.read_posterior(tmp_path / "text", model)


def test_prior_is_noted_in_full(post):
    given = json.loads(post.data.attrs["prior_arguments"])
    assert given["kappa"] == 0.001 and given["sd"] == {"Subject": "HalfNormal(50)"}


def test_prior_predictive():
    rail = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail"))
    prior = bb.Prior(kappa=0.01, mean=60, residual="HalfNormal(3)", sd="HalfNormal(20)")
    data = rail.prior_predictive(prior, draws=2000, random_seed=1)
    assert {"beta", "sigma", "sd_Rail", "b_Rail"} <= set(data["prior"].data_vars)
    y = data["prior_predictive"]["y"].values.reshape(-1, 18)
    sd = np.sqrt(100 + 400 + 9)  # 1/kappa and the mean squares of both half-normals
    assert np.abs(y.mean(axis=0) - 60).max() < 4.5 * sd / np.sqrt(2000)
    assert np.abs(y.std(axis=0) / sd - 1).max() < 0.15  # heavier tails than normal: 4.5 x 0.03
    with pytest.raises(PriorError, match="kappa > 0"):
        rail.prior_predictive(bb.Prior())
    with pytest.raises(PriorError, match="proper priors of the sds"):
        rail.prior_predictive(bb.Prior(kappa=1, sd="Flat"))


def test_new_rows(model, post):
    import pymc as pm

    new = bb.load_dataset("sleepstudy").iloc[:3].assign(Days=[0, 10, 20])
    with model.to_pymc():
        pm.set_data(rows(model.design.encode(new)), coords={"obs": range(3)})
        found = pm.sample_posterior_predictive(
            post.data, var_names=["y"], freeze_vars=["b_Subject"], predictions=True, progressbar=False, random_seed=1
        )["predictions"]["y"].values  # fmt: skip
    b = post.data["posterior"]
    line = (b["beta"].values + b["b_Subject"].values[:, :, 0]) @ np.array([[1, 1, 1], [0, 10, 20]])
    error = (found - line).mean(axis=(0, 1)) / b["sigma"].values.mean()
    assert np.abs(error).max() < 4.5 / np.sqrt(600)  # what is left is the residual of 600 draws
    unknown = new.assign(Subject="nobody")
    with pytest.raises(NewLevelError, match="nobody"):
        rows(model.design.encode(unknown))


def test_student_t_effects(schools):
    post = schools.sample(random="student_t", draws=50, tune=100, chains=2, random_seed=1)
    assert post.data["posterior"]["nu_school"].dims == ("chain", "draw")
    assert "nu_school" in post.summary().index and "nu_school" in post.data["log_prior"]
    with pytest.raises(BlupbayesError, match=r"Student t.*no closed form"):
        post.log_likelihood("marginal")
    with pytest.raises(BlupbayesError, match="needs normal random effects"):
        schools.to_pymc(parameterization="collapsed", random="student_t")


def test_log_likelihood_is_read_from_the_draws(post, model):
    kinds = {
        kind: log_likelihood(post.data, model.design, post.prior, kind)
        for kind in ("conditional", "marginal")
    }
    assert kinds["conditional"]["log_likelihood"]["y"].equals(post.data["log_likelihood"]["y"])
    assert kinds["marginal"]["log_likelihood"]["levels_of_Subject"].dims == ("chain", "draw", "Subject")
