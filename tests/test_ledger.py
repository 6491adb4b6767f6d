"""Why a posterior mean is not the BLUP: parts that add up, each judged by what it claims to be."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import blupbayes as bb
from blupbayes.bayes.averages import median, of_draws
from blupbayes.compare.ledger import SENTENCES
from blupbayes.errors import BlupbayesError, ComparisonError
from reference_data import CASES

PARTS = ["theta", "curvature", "kappa", "monte_carlo"]
VARIANCE = ["average_pev", "movement", "kappa", "monte_carlo"]
SMALL = [
    c
    for c in CASES
    if not c.name.startswith(("InstEval", "Chem97", "cake-recipe_temperature", "Machines-machine"))
]


@pytest.fixture(scope="module", params=SMALL, ids=lambda c: c.name)
def compared(request):
    case = request.param
    model = bb.MixedModel(case.formula, case.frame())
    return bb.compare(model.fit(), model.integrate(rel_error=0.1))


def test_parts_add_up_and_end_where_the_posterior_does(compared):
    cmp = compared
    table, post = cmp.ledger(), cmp.answers["integrate"]
    scale = np.maximum(table["posterior_mean"].abs(), 1.0)
    assert ((table[PARTS].sum(axis=1) - table["difference"]).abs() <= 1e-10 * scale).all()
    assert ((table["posterior_mean"] - table["blup"] - table["difference"]).abs() <= 1e-10 * scale).all()
    assert (table["monte_carlo"] == 0.0).all() and (table["kappa"].abs() <= 1e-10 * scale).all()
    for component, expected in (("b", post.ranef()), ("group_mean", post.group_means())):
        rows = table[table["component"] == component]
        np.testing.assert_allclose(rows["posterior_mean"], expected["estimate"], rtol=1e-12, atol=1e-12)
        assert list(rows["level"]) == list(expected["level"]) and list(rows["term"]) == list(expected["term"])
    blup = cmp.answers["REML"].ranef()["estimate"]
    np.testing.assert_allclose(table.query("component == 'b'")["blup"], blup, rtol=1e-10, atol=1e-10)


def test_variances_add_up_and_begin_at_the_plug_in(compared):
    cmp = compared
    table, post, fit = cmp.ledger("variance"), cmp.answers["integrate"], cmp.answers["REML"]
    scale = table["posterior_variance"]
    assert ((table[VARIANCE].sum(axis=1) - table["difference"]).abs() <= 1e-10 * scale).all()
    assert (table["kappa"].abs() <= 1e-9 * scale).all()  # a flat prior of beta adds nothing
    b = table.query("component == 'b'")
    np.testing.assert_allclose(b["plug_in"], fit.ranef()["pev_sd"] ** 2, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(b["posterior_variance"], post.ranef()["posterior_sd"] ** 2, rtol=1e-10)
    means = table.query("component == 'group_mean'")
    np.testing.assert_allclose(means["plug_in"], fit.group_means()["pev_sd"] ** 2, rtol=1e-8, atol=1e-12)
    assert (table["movement"] >= -1e-12 * scale).all()


def one_way(seed=3, J=6, r=4):
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(J), r)
    return pd.DataFrame({"g": g.astype(str), "y": 2.0 + rng.normal(size=J)[g] + rng.normal(size=J * r)})


def test_every_part_against_a_grid():
    # balanced one-way, flat on (sd_g, sigma): b_0 = lambda (mean_j - mean), lambda = r t^2 / (1 + r t^2)
    frame, J, r = one_way(), 6, 4
    prior = bb.Prior(sd="Uniform(0, 20)", residual="Uniform(0, 20)")
    model = bb.MixedModel("y ~ 1 + (1 | g)", frame)
    table = bb.compare(model.fit(), model.integrate(prior, rel_error=1e-4)).ledger().query("component == 'b'")
    means = frame.groupby("g")["y"].mean().to_numpy()
    within, between = ((frame["y"] - means.repeat(r)) ** 2).sum(), r * ((means - means.mean()) ** 2).sum()
    s, a = np.meshgrid(np.linspace(0.02, 6, 1500), np.linspace(0.002, 20, 4000), indexing="ij")
    total = s**2 + r * a**2
    log_p = (
        -J * (r - 1) * np.log(s) - (J - 1) / 2 * np.log(total) - within / (2 * s**2) - between / (2 * total)
    )
    p = np.exp(log_p - log_p.max())
    t = a / s
    t_bar, lam = (p * t).sum() / p.sum(), (p * r * t**2 / (1 + r * t**2)).sum() / p.sum()
    fit_t = model.fit().theta[0]
    shrink = lambda x: r * x**2 / (1 + r * x**2)  # noqa: E731
    d = means - means.mean()
    # a grid of 0.005 by 0.004 is good to 1e-4 of these
    np.testing.assert_allclose(table["theta"], (shrink(t_bar) - shrink(fit_t)) * d, atol=2e-3)
    np.testing.assert_allclose(table["curvature"], (lam - shrink(t_bar)) * d, atol=2e-3)
    np.testing.assert_allclose(table["posterior_mean"], lam * d, atol=2e-3)


def test_a_prior_of_beta_appears_as_kappa():
    model = bb.MixedModel("y ~ 1 + (1 | g)", one_way())
    fit = model.fit()
    flat, tight = (model.integrate(bb.Prior(kappa=k, mean=0.0), rel_error=1e-3) for k in (0.0, 4.0))
    row = bb.compare(fit, tight).ledger().iloc[0]
    assert abs(row["kappa"]) > 0.2 > abs(bb.compare(fit, flat).ledger().iloc[0]["kappa"])
    # the mean is drawn to 0, and nothing but kappa can do that in a balanced layout
    assert row["theta"] == pytest.approx(0.0, abs=1e-9) and row["curvature"] == pytest.approx(0.0, abs=1e-9)
    assert row["posterior_mean"] < row["blup"] and row["kappa"] == pytest.approx(row["difference"], rel=1e-8)


def draws_of(post, n=400):
    tree = post.draw(n, 2, random_seed=1)["posterior"]
    return {name: np.asarray(v) for name, v in tree.data_vars.items()}


@pytest.mark.parametrize(
    "formula", ["Reaction ~ Days + (Days | Subject)", "Reaction ~ Days + (Days || Subject)"]
)
@pytest.mark.parametrize("kappa", [0.0, 1e-3])
def test_draws_have_the_same_ledger_up_to_their_noise(formula, kappa):
    model = bb.MixedModel(formula, bb.load_dataset("sleepstudy"))
    post = model.integrate(bb.Prior(kappa=kappa), rel_error=0.05)
    found = of_draws(model.design, model.statistics, post.prior, draws_of(post))
    exact, sd = post.averages, np.sqrt(post.averages.variance)
    n = 800  # independent draws: 5 standard errors of a mean, and of a variance with normal tails
    assert np.all(np.abs(found.reported - exact.mean) <= 5 * sd / np.sqrt(n))
    for name in ("blup", "mean"):
        assert np.all(np.abs(getattr(found, name) - getattr(exact, name)) <= 5 * sd / np.sqrt(n))
    for name in ("pev", "variance", "reported_variance"):
        assert np.all(np.abs(getattr(found, name) / getattr(exact, name) - 1) <= 0.35)
    assert np.all(np.abs(found.T[0] - exact.T[0]) < 0.1)


def test_draws_of_a_posterior_in_a_comparison():
    model = bb.MixedModel("y ~ 1 + (1 | g)", one_way())
    post = model.integrate(rel_error=0.05)
    averages = of_draws(model.design, model.statistics, post.prior, draws_of(post))
    drawn = SimpleNamespace(
        averages=averages, prior=post.prior, design=model.design, estimator="draws", tidy=post.tidy
    )
    table = bb.compare(model.fit(), drawn).ledger()
    assert ((table[PARTS].sum(axis=1) - table["difference"]).abs() < 1e-12).all()
    assert (table["monte_carlo"] != 0).any() and set(table["estimator"]) == {"draws"}


def test_student_t_effects_have_no_ledger():
    model = bb.MixedModel("y ~ 1 + (1 | g)", one_way())
    with pytest.raises(BlupbayesError, match="normal random effects"):
        of_draws(model.design, model.statistics, model.integrate().prior, {"nu_g": np.ones((1, 2))})


def test_weighted_medians():
    T = np.array([[[1.0, 5.0]], [[2.0, 4.0]], [[3.0, 3.0]]])
    np.testing.assert_allclose(median(T, np.array([0.2, 0.2, 0.6])), [[3.0, 3.0]])
    np.testing.assert_allclose(median(T, np.array([0.6, 0.2, 0.2])), [[1.0, 5.0]])


def test_what_cannot_be_explained_is_refused():
    model = bb.MixedModel("y ~ 1 + (1 | g)", one_way())
    with pytest.raises(ComparisonError, match="no posterior"):
        bb.compare(model.fit()).ledger()
    with pytest.raises(ComparisonError, match="'mean' or 'variance'"):
        bb.compare(model.integrate()).ledger("median")


def test_reml_is_found_where_it_is_not_among_the_answers():
    model = bb.MixedModel("y ~ 1 + (1 | g)", one_way())
    post = model.integrate()
    alone, beside = bb.compare(post).ledger(), bb.compare(model.fit("ML"), model.fit(), post).ledger()
    pd.testing.assert_frame_equal(alone, beside)
    assert len(alone.attrs["parts"]) == 4 and set(PARTS) | set(VARIANCE) == set(SENTENCES)
