"""Entries of theta held at zero: the model with the smaller formula."""

import numpy as np
import pytest

import blupbayes as bb
from blupbayes.errors import DataError
from blupbayes.mme.boundary import default_start
from blupbayes.mme.estimate_many import estimate_many
from blupbayes.mme.fit import estimate
from blupbayes.mme.parts import parts_of
from blupbayes.mme.problems import problem_of, sweep
from blupbayes.mme.restricted_many import restrict, restricted
from test_gaussian import case

SLEEP, PASTES = "Reaction ~ Days", "strength ~ 1"
SMALLER = [
    ("sleepstudy", SLEEP, "(Days | Subject)", [0, 1, 1], "(1 | Subject)"),
    ("sleepstudy", SLEEP, "(Days | Subject)", [0, 1, 0], "(Days || Subject)"),
    ("sleepstudy", SLEEP, "(Days | Subject)", [1, 1, 0], "(0 + Days | Subject)"),
    ("pastes", PASTES, "(1 | batch/cask)", [0, 1], "(1 | batch)"),
    ("pastes", PASTES, "(1 | batch/cask)", [1, 0], "(1 | batch:cask)"),
    ("penicillin", "diameter ~ 1", "(1 | plate) + (1 | sample)", [1, 0], "(1 | sample)"),
    ("machines", "score ~ Machine", "(Machine | Worker)", [0, 1, 1, 1, 1, 1], "(1 | Worker)"),
]


@pytest.mark.parametrize("method", ["ML", "REML"])
@pytest.mark.parametrize(("name", "fixed", "whole", "held", "smaller"), SMALLER)
def test_it_is_the_model_with_the_smaller_formula(name, fixed, whole, held, smaller, method):
    frame = bb.load_dataset(name)
    statistics = bb.MixedModel(f"{fixed} + {whole}", frame).statistics
    expected = estimate(bb.MixedModel(f"{fixed} + {smaller}", frame).statistics, method)
    restriction = restrict(statistics.groups, np.array(held, dtype=bool))
    problem = restricted(problem_of(statistics, parts_of(statistics)), restriction)
    found = estimate_many(problem, default_start(problem.statistics), method)
    assert found.converged[0]
    assert found.criterion[0] == pytest.approx(expected.criterion, abs=1e-8)
    assert found.theta[0] == pytest.approx(expected.theta, abs=1e-5)
    alone = estimate(problem.one(0), method)
    assert alone.criterion == pytest.approx(expected.criterion, abs=1e-8)
    assert restriction.expanded(found.theta)[0][np.array(held, dtype=bool)].tolist() == [0.0] * sum(held)


@pytest.mark.parametrize(
    ("kind", "held"),
    [
        ("crossed_slopes", [0, 1, 0, 0, 0]),
        ("crossed_slopes", [0, 0, 0, 1, 1]),
        ("crossed_slopes", [1, 1, 0, 1, 0]),
        ("three", [1, 0, 0, 0, 1]),
        ("nested", [1, 1]),
        ("slope", [1, 1, 1]),
    ],
)
def test_its_criterion_is_that_of_the_whole_at_theta_with_zeros(kind, held):
    _, statistics, theta = case(kind)
    problem = problem_of(statistics, parts_of(statistics))
    restriction = restrict(statistics.groups, np.array(held, dtype=bool))
    free = theta[restriction.free][None]
    for method in ("ML", "REML"):
        found = sweep(restricted(problem, restriction), free, method)
        whole = sweep(problem, restriction.expanded(free), method)
        assert found.criterion == pytest.approx(whole.criterion, rel=1e-12)
        assert found.beta == pytest.approx(whole.beta, rel=1e-10)


@pytest.mark.parametrize(
    ("held", "words"),
    [
        ([0, 0, 0], "nothing would be held"),
        ([1, 0], "mask of the 3 entries"),
        ([1, 0, 0], "no covariance structure"),
        ([0, 0, 1], "no covariance structure"),
    ],
)
def test_masks_that_are_no_model_are_refused(held, words):
    _, statistics, _ = case("slope")
    with pytest.raises(DataError, match=words):
        restrict(statistics.groups, np.array(held, dtype=bool))


def test_numbers_are_no_mask():
    _, statistics, _ = case("slope")
    with pytest.raises(DataError, match="boolean mask"):
        restrict(statistics.groups, np.array([0, 1, 1]))
