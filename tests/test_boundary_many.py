"""theta at and near singular covariances: many at a time are one after the other."""

import numpy as np
import pytest

from blupbayes.mme.boundary import canonical, inside, multipliers, without_small
from blupbayes.mme.boundary_many import (
    canonical_many,
    inside_many,
    multipliers_many,
    unseen,
    without_small_many,
)
from blupbayes.mme.criterion import evaluate
from blupbayes.mme.derivatives import derivatives
from random_models import KINDS
from test_gaussian import case


def thetas(kind):
    """Random thetas (12, m): signs, zeros, nearly zero and singular ones among them."""
    _, statistics, theta = case(kind)
    rng = np.random.default_rng(0)
    many = theta + rng.normal(size=(12, len(theta)))
    many[3] = 0.0
    many[4, -1] = many[5, 0] = 1e-6
    many[6, 0] = many[7, -1] = 0.0
    return statistics, many


@pytest.mark.parametrize("kind", KINDS)
def test_signs_zeros_and_floors(kind):
    statistics, many = thetas(kind)
    groups = statistics.groups
    signed = canonical_many(groups, many)
    zeroed = without_small_many(groups, signed)
    Omega = [
        np.stack(T) for T in zip(*([T - 0.5 * T.T for T in statistics.factors(t)] for t in many), strict=True)
    ]
    Omega = [T + T.transpose(0, 2, 1) for T in Omega]  # of any signature
    raised = inside_many(groups, Omega, statistics.n_theta)
    for b, theta in enumerate(many):
        # squares and roots again: half of the digits of a nearly zero pivot
        assert np.abs(signed[b] - canonical(statistics, theta)).max() <= 1e-7
        assert np.abs(zeroed[b] - without_small(statistics, canonical(statistics, theta))).max() <= 1e-7
        assert np.abs(raised[b] - inside(statistics, tuple(x[b] for x in Omega))).max() <= 1e-9
    assert (zeroed == 0.0).sum() >= (many == 0.0).sum()


@pytest.mark.parametrize("kind", KINDS)
def test_slopes_at_singular_covariances(kind):
    statistics, many = thetas(kind)
    many = without_small_many(statistics.groups, canonical_many(statistics.groups, many))
    points = [evaluate(statistics, theta) for theta in many]
    slopes = [derivatives(at) for at in points]
    by_variance = [np.stack(D) for D in zip(*(x.by_variance for x in slopes), strict=True)]
    lowest, singular = multipliers_many(statistics.groups, many, by_variance)
    for b, (at, slope) in enumerate(zip(points, slopes, strict=True)):
        found = multipliers(statistics, at, slope)
        assert list(singular[b]) == [g.name in found for g in statistics.groups]
        expected = min(found.values(), default=np.inf)
        assert lowest[b] == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert singular.any() and not singular.all()


def test_what_the_criterion_does_not_see_is_put_at_zero():
    statistics, many = thetas("crossed")
    hessian = np.zeros((12, 2, 2))
    hessian[:, 0, 0] = 1.0
    found = unseen(statistics.groups, many, hessian)
    assert np.array_equal(found[:, 1], np.zeros(12))
    seen = many[:, 0] ** 2 >= 1e-6
    assert np.array_equal(found[seen, 0], many[seen, 0])
