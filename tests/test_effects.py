"""Readings of a Gaussian as tables, against dense algebra on random models."""

import numpy as np
import pytest

from blupbayes.compare.effects import effects, group_means, labels, pivoted, random_rows, weights
from blupbayes.mme.gaussian import posterior
from blupbayes.mme.statistics import reduce
from blupbayes.model.design import build
from contract import close, split
from random_models import KINDS, random_design

SIGMA = 1.3


def case(kind, zero=False):
    """A random model, its Statistics, its oracle and the Gaussian at its own theta."""
    d = random_design(np.random.default_rng([7, *map(ord, kind)]), kind)
    options = {
        name: value for name, value in (("weights", d.weights), ("offset", d.offset)) if value is not None
    }
    statistics = reduce(build(d.formula, d.frame, **options))
    theta = d.theta.copy()
    if zero:
        theta[0] = 0.0
    return d, statistics, d.oracle(SIGMA, theta), posterior(statistics, statistics.factors(theta), SIGMA)


def diagonal(full, blocks):
    """Square roots of the diagonal of a covariance (q, q), flat and by group."""
    return np.concatenate([x.ravel() for x in split(np.sqrt(np.maximum(np.diag(full), 0.0)), blocks)])


@pytest.mark.parametrize("kind", KINDS)
def test_ranef_is_the_oracles_blup_with_both_spreads(kind):
    d, statistics, oracle, gaussian = case(kind)
    table = effects(statistics.groups, gaussian)
    close(table["estimate"], oracle.random())
    close(table["cond_sd"], diagonal(oracle.cond_cov, d.blocks))
    close(table["pev_sd"], diagonal(oracle.pev(), d.blocks))
    assert (table["pev_sd"] >= table["cond_sd"] * (1 - 1e-12)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_weights_are_one_minus_conditional_over_prior_variance(kind):
    _, statistics, oracle, gaussian = case(kind)
    found = weights(statistics.groups, gaussian)["estimate"]
    close(found, 1 - np.diag(oracle.cond_cov) / np.diag(oracle.Sigma))


def test_a_zero_variance_has_weight_zero():
    _, statistics, _, gaussian = case("intercept", zero=True)
    assert (weights(statistics.groups, gaussian)["estimate"] == 0).all()


def functional(d, statistics, p):
    """For every group mean its row over (beta, b) as (J q, p + q) of the dense model, by names."""
    rows, first, q = [], p, d.Z.shape[1]
    for g in statistics.groups:
        for j in range(len(g.levels)):
            for k, name in enumerate(g.names):
                if name in statistics.fixed_names:
                    row = np.zeros(p + q)
                    row[statistics.fixed_names.index(name)] = 1.0
                    row[first + j * len(g.names) + k] = 1.0
                    rows.append(row)
        first += len(g.levels) * len(g.names)
    return np.array(rows)


@pytest.mark.parametrize("kind", [k for k in KINDS if "deficient" not in k])
def test_group_means_add_the_errors_of_beta_and_b(kind):
    d, statistics, oracle, gaussian = case(kind)
    beta, beta_cov = oracle.fixed()
    cross = oracle.cross_cov()
    joint = np.block([[beta_cov, cross.T], [cross, oracle.pev()]])
    F = functional(d, statistics, len(beta))
    table = group_means(statistics.groups, statistics.fixed_names, gaussian)
    close(table["estimate"], F @ np.concatenate([beta, oracle.random()]))
    close(table["pev_sd"], np.sqrt(np.einsum("ij,jk,ik->i", F, joint, F)))


def test_a_pivoted_gaussian_is_the_model_without_the_aliased_columns():
    _, statistics, oracle, gaussian = case("slope deficient")
    kept = statistics.kept
    read = pivoted(gaussian)
    beta, beta_cov = oracle.estimable.fixed()
    close(read.beta[kept], beta)
    close(read.beta_cov[np.ix_(kept, kept)], beta_cov)
    cross = np.concatenate([c[..., kept].reshape(-1, len(kept)) for c in read.cross_cov])
    close(cross, oracle.estimable.cross_cov())
    aliased = [k for k in range(len(statistics.fixed_names)) if k not in kept]
    assert len(aliased) == 1 and np.isnan(read.beta[aliased]).all() and np.isnan(read.beta_cov[aliased]).all()


def test_full_rank_needs_no_pivot():
    gaussian = case("slope")[3]
    assert pivoted(gaussian) is gaussian


def test_labels_run_with_the_coefficient_fastest():
    group = reduce(build(*random_pair("slope"))).groups[0]
    found = labels(group)
    q = len(group.names)
    assert found["term"][:q] == list(group.names) and found["level"][:q] == [group.levels[0]] * q
    assert labels(group, [1])["term"] == [group.names[1]] * len(group.levels)


def random_pair(kind):
    """Formula and frame of a random model."""
    d = random_design(np.random.default_rng(3), kind)
    return d.formula, d.frame


def test_rows_of_b_and_group_means_carry_their_kind_and_level():
    _, statistics, _, gaussian = case("slope")
    parts = (
        effects(statistics.groups, gaussian),
        group_means(statistics.groups, statistics.fixed_names, gaussian),
        weights(statistics.groups, gaussian),
    )
    weight, b, mean = random_rows(*parts, "MME", 0.8)
    assert (
        (b["uncertainty_kind"] == "pev_sd").all()
        and (b["ci_kind"] == "pev").all()
        and (b["ci_prob"] == 0.8).all()
    )
    assert b["uncertainty"].tolist() == parts[0]["pev_sd"].tolist()  # never cond_sd
    assert mean["uncertainty"].tolist() == parts[1]["pev_sd"].tolist()
    assert weight["uncertainty"].isna().all() and (weight["ci_kind"] == "").all()
