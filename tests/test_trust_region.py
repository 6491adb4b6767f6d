"""Newton steps in a ball: the full step inside, the boundary outside, the hard case."""

import numpy as np
import pytest

from blupbayes.mme.trust_region import trust_region_step


def model(g, H, p):
    return g @ p + 0.5 * p @ H @ p


@pytest.mark.parametrize("seed", range(20))
def test_no_point_of_the_ball_is_better(seed):
    rng = np.random.default_rng(seed)
    m = rng.integers(1, 6)
    H = rng.normal(size=(m, m))
    H, g, radius = H + H.T, rng.normal(size=m), rng.uniform(0.1, 3)
    step = trust_region_step(g, H, radius)
    assert np.linalg.norm(step.p) <= radius * (1 + 1e-6)
    assert step.decrease == pytest.approx(-model(g, H, step.p), rel=1e-9)
    others = rng.normal(size=(4000, m))
    others *= radius * rng.uniform(0, 1, size=(4000, 1)) / np.linalg.norm(others, axis=1, keepdims=True)
    best = min(model(g, H, p) for p in others)
    assert -step.decrease <= best + 0.02 * abs(best)  # the radius is met to one per cent


def test_full_newton_step_inside():
    H, g = np.diag([2.0, 4.0]), np.array([1.0, -2.0])
    step = trust_region_step(g, H, 10.0)
    assert step.newton
    assert np.allclose(step.p, [-0.5, 0.5])


def test_hard_case_leaves_a_saddle():
    step = trust_region_step(np.zeros(2), np.diag([-1.0, 2.0]), 0.5)
    assert not step.newton
    assert np.abs(step.p[0]) == pytest.approx(0.5)
    assert step.decrease == pytest.approx(0.125)


def test_flat_directions_are_left_alone():
    step = trust_region_step(np.array([0.0, 1.0]), np.diag([0.0, 1.0]), 10.0)
    assert step.p[0] == 0.0 and step.newton
