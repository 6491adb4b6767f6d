"""The one-way layout in closed form against V written out, and who counts as one."""

import numpy as np
import pytest

from blupbayes.compare.oneway import OneWay, oneway
from oracle import minus_two_log_likelihood

J, R = 5, 4
codes = np.repeat(np.arange(J), R)
Z = np.eye(J)[codes]
ONES = np.ones((J * R, 1))


def layout(y, **changes):
    given = {"y": y, "X": ONES, "codes": (codes,), "columns": (ONES,), "w": np.ones(J * R)} | changes
    return oneway(**given)


@pytest.fixture(params=[3.0, 0.0])
def y(request):
    """Between groups sd 3, or less between them than chance alone would give."""
    rng = np.random.default_rng(1)
    e = rng.normal(size=J * R)
    if request.param == 0:
        e = e - (Z @ (Z.T @ e)) / R * 0.9
    return 10 + request.param * Z @ rng.normal(size=J) + e


@pytest.mark.parametrize("method", ["REML", "ML"])
def test_closed_forms_are_where_the_likelihood_is_highest(y, method):
    """No value nearby on a fine grid is higher; steps of 1e-4 raise the deviance by about 1e-8."""
    at = layout(y).estimates(method)

    def deviance(variances):
        return minus_two_log_likelihood(
            variances[0] * Z @ Z.T + variances[1] * np.eye(J * R), y, ONES, method
        )

    steps = 1e-4 * at[1] * np.array([(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)])
    around = [deviance(at + step) for step in steps if at[0] + step[0] >= 0]
    assert len(around) in (8, 5) and min(around) > deviance(at)


def test_determinant_and_weight_are_those_of_V(y):
    at = np.array([2.0, 0.7])
    V = at[0] * Z @ Z.T + at[1] * np.eye(J * R)
    assert layout(y).log_det(at) == pytest.approx(np.linalg.slogdet(V)[1], rel=1e-12)
    kept = at[0] * Z.T @ np.linalg.solve(V, Z[:, 0] * 1.0)
    assert layout(y).weight(at) == pytest.approx(kept[0], rel=1e-12)


def test_rail_is_published():
    """[E-ONEWAY] on numbers from the literature: Rail by REML is 615.31 and 16.1667."""
    rail = OneWay(6, 3, 194.0, 9310.5)
    assert rail.estimates("REML") == pytest.approx([615.3111, 16.1667], abs=1e-4)
    assert rail.estimates("ML") == pytest.approx([511.8611, 16.1667], abs=1e-4)


@pytest.mark.parametrize(
    "changes",
    [
        {"X": np.column_stack([ONES, np.arange(J * R)])},
        {"X": np.arange(1.0, J * R + 1)[:, None]},
        {"X": ONES[:, :0]},
        {"codes": (codes, codes), "columns": (ONES, ONES)},
        {"codes": (np.minimum(np.arange(J * R) // 3, J - 1),)},
        {"codes": (np.arange(J * R),)},
        {"codes": (np.zeros(J * R, int),)},
        {"columns": (np.column_stack([ONES, ONES]),)},
        {"columns": (2 * ONES,)},
        {"w": np.linspace(1, 2, J * R)},
    ],
)
def test_other_models_are_no_one_way_layout(y, changes):
    assert layout(y) is not None and layout(y, **changes) is None
