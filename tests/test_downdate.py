"""A model without some rows: downdated, and reduced again without them."""

from dataclasses import replace

import numpy as np
import pytest

from blupbayes.mme.criterion import evaluate
from blupbayes.mme.downdate import rows_of
from blupbayes.mme.fit import estimate
from blupbayes.mme.parts import parts_of
from blupbayes.mme.problems import sweep
from blupbayes.mme.statistics import reduce
from random_models import KINDS
from test_gaussian import case
from test_replicates import design_of


def without(design, gone):
    keep = np.ones(design.n_obs, dtype=bool)
    keep[gone] = False
    own = {
        name: None if getattr(design, name) is None else getattr(design, name)[keep]
        for name in ("weights", "offset")
    }
    groups = tuple(replace(g, codes=g.codes[keep], columns=g.columns[keep]) for g in design.groups)
    return replace(design, y=design.y[keep], X=design.X[keep], groups=groups, **own)


@pytest.mark.parametrize("kind", KINDS)
def test_downdated_is_reduced_again(kind, storage):
    """Criterion, sigma and beta without each level of each factor, at random theta."""
    d, statistics, theta = case(kind, seed=6)
    parts, design = parts_of(statistics), design_of(d)
    if parts is None:
        return
    rows, rng = rows_of(design, statistics, parts), np.random.default_rng(0)
    for g in design.groups:
        sets = [np.flatnonzero(g.codes == level) for level in range(len(g.levels))]
        sets = [gone for gone in sets if rows.keeps_rank(gone)]
        problems = rows.without(sets)
        for t in (theta, 0.0 * theta, theta + rng.normal(size=len(theta)), 30.0 * theta):
            for method in ("ML", "REML"):
                at = sweep(problems, t, method)
                for b, gone in enumerate(sets):
                    again = evaluate(reduce(without(design, gone)), t, method)
                    # roots of 1 - s^2 lose half of the digits of what is nearly gone, its squares do not
                    assert at.criterion[b] == pytest.approx(again.criterion, rel=1e-9)
                    assert at.sigma[b] == pytest.approx(again.sigma, rel=1e-8)
                    assert np.abs(at.beta[b] - again.beta).max() <= 1e-8 * np.abs(again.beta).max()


@pytest.mark.parametrize("kind", ["intercept", "slope weights"])
def test_of_a_level_that_is_gone_strong_effects_see_nothing(kind):
    d, statistics, theta = case(kind, seed=6)
    design, parts = design_of(d), parts_of(statistics)
    codes = design.groups[0].codes
    sets = [np.flatnonzero(codes == level) for level in range(codes.max() + 1)]
    at = sweep(rows_of(design, statistics, parts).without(sets), 1e6 * theta, "REML")
    for b, gone in enumerate(sets):
        again = evaluate(reduce(without(design, gone)), 1e6 * theta, "REML")
        assert at.criterion[b] == pytest.approx(again.criterion, rel=1e-9)


def test_the_estimates_of_one_that_is_left_are_those_of_the_rows():
    d, statistics, _ = case("slope weights", seed=6)
    design = design_of(d)
    gone = np.flatnonzero(design.groups[0].codes == 2)
    problems = rows_of(design, statistics, parts_of(statistics)).without([gone])
    found, expected = estimate(problems.one(0)), estimate(reduce(without(design, gone)))
    assert found.criterion == pytest.approx(expected.criterion, abs=1e-7)
    assert found.theta == pytest.approx(expected.theta, abs=1e-4)


def test_a_loss_of_rank_is_seen():
    d, _, _ = case("intercept", seed=6)
    design = design_of(d)
    only = (design.groups[0].codes == 1).astype(float)
    design = replace(design, X=np.column_stack([design.X, only]), fixed_names=(*design.fixed_names, "only"))
    statistics = reduce(design)
    rows = rows_of(design, statistics, parts_of(statistics))
    codes = design.groups[0].codes
    kept = [rows.keeps_rank(np.flatnonzero(codes == level)) for level in range(codes.max() + 1)]
    assert kept == [level != 1 for level in range(codes.max() + 1)]
