"""Many estimates at once are those of one after the other, on any data, and closed forms where there are some."""

from dataclasses import replace

import numpy as np
import pytest

import blupbayes as bb
from blupbayes.mme import estimate_many as module
from blupbayes.mme.boundary import default_start
from blupbayes.mme.estimate_many import estimate_many
from blupbayes.mme.fit import estimate
from blupbayes.mme.parts import parts_of
from blupbayes.mme.problems import Problems, problem_of
from blupbayes.mme.replicates import law_of, problems_of
from random_models import KINDS
from test_fit import anova, one_way
from test_gaussian import case

SCHOOLS = {"y": [28.0, 8, -3, 7, -1, 1, 18, 12], "school": list("ABCDEFGH")}
SE = np.array([15.0, 10, 16, 11, 9, 11, 10, 18])
MODELS = {
    "sleepstudy": "Reaction ~ Days + (Days | Subject)",
    "pastes": "strength ~ 1 + (1 | batch/cask)",
    "penicillin": "diameter ~ 1 + (1 | plate) + (1 | sample)",
    "dyestuff2": "Yield ~ 1 + (1 | Batch)",
    "orthodont": "distance ~ age * Sex + (age | Subject)",
    "machines": "score ~ Machine + (Machine | Worker)",
}


def data_set(name):
    if name == "schools":
        return bb.MixedModel("y ~ 1 + (1 | school)", SCHOOLS, weights=1 / SE**2, sigma=1.0).statistics
    frame = bb.load_dataset(name.removesuffix(" weighted"))
    weights = np.random.default_rng(0).uniform(0.3, 3.0, size=len(frame)) if "weighted" in name else None
    return bb.MixedModel(MODELS[name.removesuffix(" weighted")], frame, weights=weights).statistics


def check(found, b, one):
    assert found.converged[b] and one.certificate.converged
    assert found.criterion[b] == pytest.approx(one.criterion, abs=1e-8)
    # theta is known to the root of that; singular covariances are flat along T's rotation
    assert np.abs(found.theta[b] - one.theta).max() <= 1e-4 * max(1.0, np.abs(one.theta).max())
    assert found.sigma[b] == pytest.approx(one.sigma, rel=1e-4)
    assert np.abs(found.beta[b] - one.beta).max() <= 1e-4 * max(1.0, np.abs(one.beta).max())
    assert list(found.singular[b]) == [g.name in one.singular for g in one.statistics.groups]


@pytest.mark.parametrize("method", ["ML", "REML"])
@pytest.mark.parametrize("name", [*MODELS, "schools", "sleepstudy weighted"])
def test_data_sets_from_any_start(name, method):
    statistics = data_set(name)
    problem, one = problem_of(statistics, parts_of(statistics)), estimate(statistics, method)
    start = default_start(statistics)
    for theta in (start, 0.1 * start, np.zeros_like(start), one.theta):
        check(estimate_many(problem, theta, method), 0, one)


def replicates(statistics, theta, n, sigma=2.0, seed=0):
    """n problems drawn from the model at theta."""
    law = law_of(
        statistics, parts_of(statistics), 0.0 * statistics.beta_ols, statistics.factors(theta), sigma
    )
    return problems_of(law, law.draw(n, np.random.default_rng(seed)))


@pytest.mark.parametrize("strength", [0.2, 1.0, 30.0])
@pytest.mark.parametrize("sigma", [None, 1.3])
@pytest.mark.parametrize("kind", KINDS)
def test_random_responses(kind, sigma, strength, storage):
    _, statistics, theta = case(kind, seed=5)
    statistics = replace(statistics, sigma=sigma)
    if parts_of(statistics) is None:
        return
    problems = replicates(statistics, strength * theta, 8, sigma or 2.0)
    found = estimate_many(problems, strength * theta)
    for b in range(8):
        check(found, b, estimate(problems.one(b)))


@pytest.mark.parametrize("method", ["ML", "REML"])
def test_balanced_one_way_is_anova(method):
    """A third of the variances are estimated as 0, and none is held there for having started there."""
    rng = np.random.default_rng(1)
    ys = [0.4 * rng.normal(size=(7, 1)) + rng.normal(size=(7, 4)) for _ in range(60)]
    all_ = [one_way(y) for y in ys]
    problem = problem_of(all_[0], parts_of(all_[0]))
    parts = [problem_of(s, parts_of(s)) for s in all_]
    many = replace(
        problem, inside=np.concatenate([p.inside for p in parts]), within=np.concatenate([p.within for p in parts]),
        origin=np.concatenate([p.origin for p in parts]),
    )  # fmt: skip
    expected = np.array([anova(y, method) for y in ys])
    assert 10 < (expected[:, 0] == 0).sum() < 50
    for start in (0.0, 1.0, 30.0):
        found = estimate_many(many, np.array([start]), method)
        assert found.converged.all()
        assert np.array_equal(found.boundary, expected[:, 0] == 0)
        assert found.sigma**2 == pytest.approx(expected[:, 1], rel=1e-8)
        # a decrement of 1e-10 leaves 1e-5 of a standard error, which is about 0.1, before the last Newton step
        assert (found.theta[:, 0] * found.sigma) ** 2 == pytest.approx(expected[:, 0], rel=1e-7, abs=1e-8)
        assert found.beta[:, 0] == pytest.approx([y.mean() for y in ys], rel=1e-10)


def test_neither_the_start_nor_the_portions_matter(monkeypatch):
    _, statistics, theta = case("slope", seed=5)
    problems = replicates(statistics, theta, 40)
    together = estimate_many(problems, theta)
    monkeypatch.setattr(module, "NUMBERS", 10 * problems.numbers)
    apart = estimate_many(problems, 2.0 * theta)
    assert apart.criterion == pytest.approx(together.criterion, abs=1e-8)


def test_who_does_not_arrive_is_estimated_alone(monkeypatch):
    _, statistics, theta = case("slope", seed=5)
    problems = replicates(statistics, theta, 6)
    expected = estimate_many(problems, theta)
    monkeypatch.setattr(module, "MAX_SWEEPS", 1)
    found = estimate_many(problems, theta)
    assert found.converged.all()
    assert found.criterion == pytest.approx(expected.criterion, abs=1e-8)
    monkeypatch.setattr(module, "ONE_BLOCK", 0)
    assert not estimate_many(problems, theta).converged.any()  # and if that cannot be, it is said


def test_zero_that_is_no_minimum_is_not_certified():
    rng = np.random.default_rng(3)
    s = one_way(3 * rng.normal(size=(8, 1)) + rng.normal(size=(8, 5)))
    found = module.settled(problem_of(s, parts_of(s)), np.zeros((1, 1)), "REML")
    assert found.boundary[0] and not found.converged[0]


@pytest.mark.parametrize("kind", ["intercept", "slope", "three", "quadratic"])
def test_no_residual_is_no_answer_and_no_other_problem_suffers(kind):
    if kind == "quadratic":  # three coefficients: routines that refuse what is not finite
        x = np.tile(np.arange(5.0), 6)
        frame = {
            "y": np.random.default_rng(0).normal(size=30),
            "x": x,
            "w": x**2,
            "g": np.repeat(range(6), 5),
        }
        statistics, theta = (
            bb.MixedModel("y ~ x + (x + w | g)", frame).statistics,
            np.array([1.0, 0, 0, 1, 0, 1]),
        )
    else:
        _, statistics, theta = case(kind, seed=5)
    problems = replicates(statistics, theta, 5)
    expected = estimate_many(problems, theta)
    problems.inside[2, ..., -1] = 0.0
    problems.within[2, :, -1] = 0.0
    found = estimate_many(problems, theta)
    assert np.isnan(found.criterion[2]) and np.isnan(found.theta[2]).all() and not found.converged[2]
    others = np.arange(5) != 2
    assert found.converged[others].all()
    assert found.criterion[others] == pytest.approx(expected.criterion[others], abs=1e-8)


def test_a_group_that_the_fixed_effects_explain_is_put_at_zero():
    frame = {"y": np.random.default_rng(0).normal(size=12), "g": list("abcd") * 3}
    statistics = bb.MixedModel("y ~ g + (1 | g)", frame).statistics
    found = estimate_many(problem_of(statistics, parts_of(statistics)), np.ones(1))
    assert found.theta[0, 0] == 0.0 and found.converged[0]


def test_without_random_effects_it_is_least_squares():
    rng = np.random.default_rng(0)
    y = rng.normal(size=(4, 5))
    s = one_way(y)
    problem = problem_of(s, parts_of(s))
    bare = Problems(
        replace(s, groups=()), (), problem.columns[:, :0], problem.root[..., :0], problem.inside, problem.within,
        problem.origin, problem.n_obs, problem.log_weights,
    )  # fmt: skip
    found = estimate_many(bare, np.zeros(0), "REML")
    assert found.theta.shape == (1, 0) and found.converged[0] and not found.boundary[0]
    assert found.sigma[0] == pytest.approx(y.std(ddof=1), rel=1e-12)
    assert found.beta[0, 0] == pytest.approx(y.mean(), rel=1e-12)
