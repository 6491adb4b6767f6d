"""Many trust-region steps at once are the steps of one after the other."""

import numpy as np
import pytest

from blupbayes.mme.trust_region import newton_decrement, trust_region_step
from blupbayes.mme.trust_region_many import newton_decrements, trust_region_steps


@pytest.mark.parametrize("m", [1, 2, 3, 6])
def test_each_is_the_step_for_one(m):
    rng = np.random.default_rng(m)
    H = rng.normal(size=(60, m, m))
    H = H + H.transpose(0, 2, 1) + np.where(np.arange(60) % 2, 4.0 * m, 0.0)[:, None, None] * np.eye(m)
    g, radius = rng.normal(size=(60, m)), rng.uniform(0.05, 3.0, size=60)
    found = trust_region_steps(g, H, radius)
    assert found.newton.any() and not found.newton.all()
    for k in range(60):
        one = trust_region_step(g[k], H[k], radius[k])
        # bisection to one per cent of the multiplier, from the same start: the same iterates
        assert np.abs(found.p[k] - one.p).max() <= 1e-2 * radius[k]
        assert found.decrease[k] == pytest.approx(one.decrease, rel=1e-2)
        assert found.newton[k] == one.newton
        assert newton_decrements(g, H)[k] == pytest.approx(newton_decrement(g[k], H[k]), rel=1e-9)


def test_no_point_of_the_balls_is_better():
    rng = np.random.default_rng(1)
    H = rng.normal(size=(20, 3, 3))
    H, g, radius = H + H.transpose(0, 2, 1), rng.normal(size=(20, 3)), rng.uniform(0.1, 3, size=20)
    step = trust_region_steps(g, H, radius)
    assert np.all(np.linalg.norm(step.p, axis=1) <= radius * (1 + 1e-6))
    others = rng.normal(size=(4000, 1, 3))
    length = radius[:, None] * rng.uniform(size=(4000, 20, 1))
    others = length * others / np.linalg.norm(others, axis=2, keepdims=True)
    values = np.einsum("sbi,bi->sb", others, g) + 0.5 * np.einsum("sbi,bij,sbj->sb", others, H, others)
    best = values.min(axis=0)
    assert np.all(-step.decrease <= best + 0.02 * np.abs(best))  # the radius is met to one per cent


def test_hard_case_leaves_a_saddle():
    step = trust_region_steps(np.zeros((1, 2)), np.diag([-1.0, 2.0])[None], np.array([0.5]))
    assert not step.newton[0]
    assert np.abs(step.p[0, 0]) == pytest.approx(0.5)
    assert step.decrease[0] == pytest.approx(0.125)
