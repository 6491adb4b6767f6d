"""The last pass puts right what the one before it knew only approximately: the fit, Q, and what lies inside Z."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import blupbayes as bb
from blupbayes.mme.passes import FactorPass, Regression
from blupbayes.mme.sums import without
from streams import CASES, SHARED, differences, shuffled

SOME = ["slopes", "factors", "nearly inside", "aliased", "chain"]


def found(case: str) -> dict[str, float]:
    formula, load, options = CASES[case]
    batches = bb.MixedModel.from_batches(formula, shuffled(load(), 3), **options)
    return differences(batches.statistics, bb.MixedModel(formula, load(), **options).statistics)


@pytest.mark.parametrize("case", SOME)
def test_a_rough_projection_is_made_exact(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = FactorPass.taken
    noise = np.random.default_rng(1)

    def rough(self: FactorPass, shift: float) -> list[np.ndarray]:
        return [x * (1 + 1e-5 * noise.standard_normal(x.shape)) for x in taken(self, shift)]

    monkeypatch.setattr(FactorPass, "taken", rough)
    assert max(found(case).values()) <= SHARED


@pytest.mark.parametrize("case", SOME)
def test_a_rough_fit_is_made_exact(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    exact = Regression.of

    def rough(R: np.ndarray, shift: float) -> Regression:
        of = exact(R, shift)
        r = len(of.kept)
        turn = np.eye(r) + 1e-5 * np.random.default_rng(1).standard_normal((r, r))
        beta, M = of.beta * (1 + 1e-6), of.M.copy()
        M[of.kept, :-1], M[of.kept, -1] = of.T @ turn, -beta
        return replace(of, factor=np.linalg.solve(turn, of.factor), T=of.T @ turn, beta=beta, M=M)

    monkeypatch.setattr(Regression, "of", rough)
    assert max(found(case).values()) <= SHARED


def test_what_is_taken_away_leaves_the_root_of_the_rest() -> None:
    rng = np.random.default_rng(0)
    rest, gone = rng.standard_normal((30, 4)) @ np.diag([1.0, 1e-6, 1e-9, 50.0]), rng.standard_normal((20, 4))
    gone *= np.array([1e-3, 1e-8, 1e-9, 1e-2])
    root = np.linalg.qr(np.vstack([rest, gone]), mode="r")
    left = without(root, gone)
    size = np.linalg.norm(rest, axis=0)
    assert (left / size).T @ (left / size) == pytest.approx((rest / size).T @ (rest / size), abs=1e-9)


def test_a_column_that_is_taken_away_whole_does_not_touch_the_others() -> None:
    rng = np.random.default_rng(0)
    rest, gone = rng.standard_normal((30, 3)), np.zeros((5, 3))
    rest[:, 1], gone[:, 1] = 0.0, 1e-14 * rng.standard_normal(5)
    left = without(np.linalg.qr(np.vstack([rest, gone]), mode="r"), gone)
    gap = left.T @ left - rest.T @ rest
    assert np.abs(gap).max() <= 1e-13
    assert np.linalg.norm(left[:, 1]) <= 1e-13
