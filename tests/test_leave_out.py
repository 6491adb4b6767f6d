"""Exact leave-one-out and leave-one-group-out against refits, and combinations against what is known of them."""

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

import blupbayes as bb
from blupbayes.bayes.combine import combine
from blupbayes.errors import DataError, IntegrationError
from contract import close

PRIOR = {"residual": "HalfStudentT(3, 50)", "sd": "HalfStudentT(3, 50)"}


def sleep(**options):
    return bb.MixedModel("Reaction ~ Days + (Days | Subject)", bb.load_dataset("sleepstudy"), **options)


@pytest.mark.parametrize("kappa", [0.0, 1e-4])
def test_a_row_left_out_is_a_ratio_of_marginal_likelihoods(kappa):
    """log p(y_i | y_-i) = log p(y) - log p(y_-i), the last from a refit; row 60 is the outlier of subject 332."""
    model, prior = sleep(), bb.Prior(kappa=kappa, mean=(300.0, 0.0), **PRIOR)
    whole = model.integrate(prior, rel_error=1e-3)
    loo = whole.loo()
    for row in (0, 9, 57, 60, 100, 179):
        refit = model.drop([row]).integrate(prior, rel_error=1e-3)
        gap = whole.log_marginal_likelihood - refit.log_marginal_likelihood
        assert loo.loc[row, "elpd"] == pytest.approx(gap, abs=1e-3)  # both sums promise 1e-3


def test_a_group_left_out_is_a_ratio_of_marginal_likelihoods():
    model, prior = sleep(), bb.Prior(**PRIOR)
    whole = model.integrate(prior, rel_error=1e-3)
    logo = whole.logo()
    codes = model.design.groups[0].codes
    for j in (0, 5, 17):
        refit = model.drop(codes == j).integrate(prior, rel_error=1e-3)
        gap = whole.log_marginal_likelihood - refit.log_marginal_likelihood
        assert logo.loc[j, "elpd"] == pytest.approx(gap, abs=max(2e-3, 2 * logo.loc[j, "err"]))


def test_weights_and_offset_and_crossed_factors():
    rng = np.random.default_rng(1)
    frame = {"a": np.repeat(np.arange(5), 6), "b": np.tile(np.arange(6), 5), "w": rng.uniform(0.5, 2.0, 30)}
    frame["o"] = rng.normal(size=30)
    frame["y"] = (
        frame["o"] + rng.normal(size=5)[frame["a"]] + rng.normal(size=6)[frame["b"]] + rng.normal(size=30)
    )
    model = bb.MixedModel("y ~ 1 + (1 | a) + (1 | b)", frame, weights="w", offset="o")
    prior = bb.Prior(residual="HalfNormal(2)", sd="HalfNormal(2)")
    whole = model.integrate(prior, rel_error=1e-3)
    rest = model.drop([3]).integrate(prior, rel_error=1e-3)
    assert whole.loo().loc[3, "elpd"] == pytest.approx(
        whole.log_marginal_likelihood - rest.log_marginal_likelihood, abs=1e-3
    )
    rest = model.drop(frame["b"] == 2).integrate(prior, rel_error=1e-3)
    assert whole.logo("b").loc[2, "elpd"] == pytest.approx(
        whole.log_marginal_likelihood - rest.log_marginal_likelihood, abs=5e-3
    )
    with pytest.raises(DataError, match="name one of the grouping factors, a, b"):
        whole.logo()


def direct(model, posterior, rows):
    """The same sum over the same nodes, from dense V: log p(y_rows | the rest) at kappa = 1e-4, m = 0."""
    d, points, w = model.design, posterior.integral.mixture.points, posterior.integral.mixture.weights
    Z = np.hstack([np.eye(len(g.levels))[g.codes][:, :, None] * g.columns[:, None, :] for g in d.groups])
    Z = Z.reshape(d.n_obs, -1)
    rest = np.setdiff1d(np.arange(d.n_obs), rows)
    logs, weights = [], []
    for i in range(len(points)):
        T = [t[0] for t in posterior.integral.marginal.coordinates.places(points.v[i : i + 1]).T]
        G = np.kron(np.eye(len(d.groups[0].levels)), T[0] @ T[0].T)
        for x, share in zip(points.log_sigma[i], points.within[i], strict=True):
            if share > 0:
                V = np.exp(2 * x) * (Z @ G @ Z.T + np.eye(d.n_obs)) + d.X @ d.X.T * 1e4
                part = multivariate_normal(np.zeros(len(rest)), V[np.ix_(rest, rest)]).logpdf(d.y[rest])
                logs.append(multivariate_normal(np.zeros(d.n_obs), V).logpdf(d.y) - part)
                weights.append(w[i] * share)
    return -logsumexp(-np.array(logs), b=weights)


def test_direct_summation_on_the_same_nodes():
    model = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail"))
    posterior = model.integrate(bb.Prior(kappa=1e-4))
    assert posterior.loo().loc[4, "elpd"] == pytest.approx(direct(model, posterior, np.array([4])), rel=1e-10)
    rows = np.flatnonzero(model.design.groups[0].codes == 2)
    assert posterior.logo().loc[2, "elpd"] == pytest.approx(direct(model, posterior, rows), rel=1e-10)


def test_what_the_rest_cannot_predict_is_missing():
    frame = bb.load_dataset("rail").assign(one=[1.0] + [0.0] * 17)
    loo = bb.MixedModel("travel ~ 1 + one + (1 | Rail)", frame).integrate().loo()
    assert np.isnan(loo.loc[0, "elpd"]) and loo.loc[1:, "elpd"].notna().all()


def test_combinations_are_the_quantities_that_they_name():
    posterior = sleep().integrate()
    integral = posterior.integral
    A = np.zeros((3, 38))
    A[0, 1], A[1, 2 + 5], A[2, [0, 2]] = 1.0, 1.0, 1.0  # beta[Days], b of one subject, the first group mean
    found = combine(integral, A).linear(integral.mixture.weights)
    usual = integral.mixture.linear(integral.mixture.weights)
    close(found.mean, usual.mean[[1, 7, 38]], tolerance=1e-12)
    close(found.sd, usual.sd[[1, 7, 38]], tolerance=1e-10)


def test_combinations_by_name():
    posterior = sleep().integrate()
    table = posterior.combine([{"beta[Days]": 1, "b_Subject[308,Days]": 1}, {"beta[Intercept]": 2}], 0.9)
    mean = posterior.group_means(0.9).query("level == '308' and term == 'Days'").iloc[0]
    close(
        table.iloc[0], mean[["estimate", "posterior_sd", "eti90_lb", "eti90_ub"]], tolerance=1e-5
    )  # of a root
    twice = 2 * posterior.summary(0.9).loc["beta[Intercept]", ["mean", "sd", "eti90_lb", "eti90_ub"]]
    close(table.iloc[1], twice, tolerance=1e-5)
    with pytest.raises(DataError, match=r"Did you mean 'b_Subject\[308,Days\]'"):
        posterior.combine({"b_Subject[308,Day]": 1})


def test_too_many_rows_are_refused(monkeypatch):
    monkeypatch.setattr("blupbayes.bayes.combine.LARGEST", 10)
    with pytest.raises(IntegrationError, match="too many to integrate at once"):
        sleep().integrate().loo()
