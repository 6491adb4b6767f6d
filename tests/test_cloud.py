"""Importance sampling where a lattice is too large: held against the lattice where both can be had."""

import numpy as np
import pytest

import blupbayes as bb
from blupbayes.bayes import integrate
from blupbayes.bayes.cloud import Proposal
from blupbayes.bayes.lattice import Modes

FORMULA = "Reaction ~ Days + (Days | Subject)"


def cloud(monkeypatch, rel_error, formula=FORMULA):
    monkeypatch.setattr(integrate, "ON_LATTICE", 0)
    return bb.MixedModel(formula, bb.load_dataset("sleepstudy")).integrate(rel_error=rel_error)


def test_the_same_posterior_as_on_a_lattice(monkeypatch):
    truth = bb.MixedModel(FORMULA, bb.load_dataset("sleepstudy")).integrate(rel_error=1e-3)
    found = cloud(monkeypatch, 0.01)
    sd = truth.integral.moments[1]
    wrong = np.abs(found.integral.moments - truth.integral.moments)
    assert (wrong <= found.integral.errors + truth.integral.errors).mean() > 0.95 and (
        wrong / sd
    ).max() < 0.01
    assert found.log_marginal_likelihood == pytest.approx(truth.log_marginal_likelihood, abs=5e-3)
    quantiles = ["median", "eti95_lb", "eti95_ub"]
    off = (found.summary() - truth.summary())[quantiles].abs().div(truth.summary()["sd"], axis=0)
    assert off.max(axis=None) < 0.05  # tail quantiles of 4000 weighted points
    assert found.diagnostics["pareto_k"] < 0.7 and "quasi-Monte-Carlo points" in repr(found)


def test_more_points_for_a_smaller_error(monkeypatch):
    rough, fine = cloud(monkeypatch, 0.05), cloud(monkeypatch, 0.004)
    assert fine.diagnostics["points"] > rough.diagnostics["points"]
    assert fine.diagnostics["error"] < rough.diagnostics["error"]


def test_a_proposal_integrates_to_one_and_covers_both_modes():
    modes = Modes(np.array([[0.0, 0.0], [5.0, 5.0]]), np.array([0.0, -1.0]), np.diag([1.0, 2.0]))
    proposal = Proposal(modes)
    x = np.linspace(-60.0, 65.0, 501)
    grid = np.array(np.meshgrid(x, x)).reshape(2, -1).T
    total = np.exp(proposal.log_density(grid)).sum() * (x[1] - x[0]) ** 2
    assert total == pytest.approx(1.0, abs=1e-3)  # the tails beyond the grid
    v, _, replicate = proposal.draw(0, 512, seed=1)
    share = np.mean(np.linalg.norm(v - 5.0, axis=1) < np.linalg.norm(v, axis=1))
    assert share == pytest.approx(np.exp(-1) / (1 + np.exp(-1)), abs=0.05) and set(replicate) == set(range(8))


def test_weights_that_cannot_be_trusted_are_told(monkeypatch):
    monkeypatch.setattr("blupbayes.bayes.cloud.WIDER", 0.3)  # a proposal far too narrow
    found = cloud(monkeypatch, 0.9)
    assert found.diagnostics["pareto_k"] > 0.7
    assert any("Pareto k of its weights" in message for message in found.messages)


def test_rows_left_out_of_a_cloud_have_an_error_too(monkeypatch):
    truth = bb.MixedModel(FORMULA, bb.load_dataset("sleepstudy")).integrate(rel_error=1e-3).loo()
    found = cloud(monkeypatch, 0.02).loo()
    assert (found["err"] > 0).all()
    assert (np.abs(found["elpd"] - truth["elpd"]) <= 2 * (found["err"] + truth["err"])).mean() > 0.95
