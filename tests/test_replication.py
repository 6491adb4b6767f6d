"""Replicates by statistics and by rows are drawn from one law and estimated alike; restricted ones too."""

import numpy as np
import pytest

from blupbayes.frequentist.replication import ByRows, ByStatistics, null_estimates, replicator
from blupbayes.mme.restricted_many import restrict
from blupbayes.mme.statistics import reduce
from test_gaussian import case
from test_replicates import coordinates, design_of, truth

KINDS = ["slope", "nested weights offset", "crossed", "slope deficient"]


def pair(kind, method="REML"):
    """Both ways of replication at the truth."""
    d, statistics, theta = case(kind, seed=6)
    design, beta = design_of(d), truth(d, statistics)
    fast = replicator(design, statistics, beta, theta, 1.7, method)
    rows = ByRows(design, beta, statistics.factors(theta), 1.7, method, theta)
    assert isinstance(fast, ByStatistics)
    return d, statistics, fast, rows


@pytest.mark.parametrize("held", [None, "some", "all"])
@pytest.mark.parametrize("method", ["ML", "REML"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_same_responses_have_the_same_estimates_and_scores(kind, method, held):
    d, statistics, fast, rows = pair(kind, method)
    mask = np.arange(statistics.n_theta) > (0 if held == "some" else -1)
    restriction = None if held is None else restrict(statistics.groups, mask)
    y = rows.draw(4, np.random.default_rng(0))
    responses = coordinates(d, statistics, fast.law, y)
    one, other = fast.estimates(responses, restriction), rows.estimates(y, restriction)
    assert one.converged.all() and other.converged.all()
    assert one.criterion == pytest.approx(other.criterion, abs=1e-7)
    assert one.theta == pytest.approx(other.theta, abs=1e-4)
    assert one.sigma == pytest.approx(other.sigma, rel=1e-5)
    assert one.beta == pytest.approx(other.beta, abs=1e-4)
    assert np.array_equal(one.singular, other.singular)
    scores = rows.scores(y)
    assert np.abs(fast.scores(responses) - scores).max() <= 1e-8 * np.abs(scores).max()


@pytest.mark.parametrize("kind", KINDS)
def test_scores_have_mean_zero(kind):
    _, _, fast, _ = pair(kind)
    scores = fast.scores(fast.draw(4000, np.random.default_rng(0)))
    error = scores.std(axis=0) / np.sqrt(4000)
    assert np.all(np.abs(scores.mean(axis=0)) < 4.5 * error)


@pytest.mark.parametrize("kind", ["crossed", "nested weights offset"])
def test_models_in_blocks_go_by_rows(kind, storage):
    d, statistics, theta = case(kind, seed=6)
    source = replicator(design_of(d), statistics, statistics.beta_ols, theta, 1.7, "REML")
    assert isinstance(source, ByStatistics if storage == "dense" else ByRows)
    found = source.estimates(source.draw(2, np.random.default_rng(0)))
    assert found.converged.all() and found.theta.shape == (2, len(theta))
    mask = np.arange(len(theta)) > 0
    null = null_estimates(design_of(d), statistics, restrict(statistics.groups, mask), "ML")
    bare = null_estimates(design_of(d), statistics, restrict(statistics.groups, mask | True), "ML")
    assert null.converged[0] and bare.criterion[0] >= null.criterion[0]


def test_simulated_rows_have_the_models_covariance():
    d, _, _, rows = pair("nested weights offset")
    y = rows.draw(20000, np.random.default_rng(1))
    V = d.oracle(1.7).V
    gap = np.cov(y.T) - V
    size = np.sqrt((np.outer(np.diag(V), np.diag(V)) + V**2) / 20000)
    assert np.abs(gap / size).max() < 5.5  # standard errors, over 1830 entries
    mean = d.X @ rows.beta + d.offset
    assert np.abs((y.mean(axis=0) - mean) / np.sqrt(np.diag(V) / 20000)).max() < 4.5
    assert reduce(design_of(d)).n_obs == y.shape[1]
