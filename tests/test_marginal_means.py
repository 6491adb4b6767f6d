"""Marginal means against predictions on a grid of all levels, covariates at their means."""

import itertools

import numpy as np
import pandas as pd
import pytest

import blupbayes as bb
from blupbayes.model.design import build, from_arrays
from blupbayes.model.marginal_means import factor_means


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(5)
    n = 90
    return pd.DataFrame(
        {
            "y": rng.normal(size=n), "a": rng.choice(list("pqr"), n), "b": rng.choice(["u", "v"], n),
            "t": rng.random(n) < 0.4, "x": rng.normal(3, 1, n), "z": rng.normal(-1, 2, n),
            "g": rng.choice(list("123456"), n),
        }
    )  # fmt: skip


def by_grid(design, frame, factor):
    """L of one factor: rows of X on the grid of all factors, in equal weights; numbers at their means."""
    factors = {k: sorted(frame[k].unique()) for k in ("a", "b", "t")}
    cells = list(itertools.product(*factors.values()))
    grid = pd.DataFrame(cells, columns=list(factors)).assign(x=frame["x"].mean(), z=frame["z"].mean())
    X = design.encode(grid, groups=()).X
    return np.array([X[(grid[factor] == level).to_numpy()].mean(axis=0) for level in factors[factor]])


@pytest.mark.parametrize(
    "formula",
    [
        "a",
        "0 + a",
        "a + b",
        "a * b + x",
        "a * b * x",
        "a + a:x",
        "a:x + b",
        "C(a, contr.sum) * b + x + z",
        "a + x * z",
        "a * (x + z) + t",
        "t + a:x",
        "a + a:b",
    ],
)
def test_factors_are_read_as_a_grid_of_predictions(frame, formula):
    design = build(f"y ~ {formula} + (1 | g)", frame)
    found = {m.factor: m for m in factor_means(design)}
    names = {"C(a, contr.sum)": "a"}
    assert found
    for factor, m in found.items():
        own = names.get(factor, factor)
        assert list(m.levels) == [str(v) for v in sorted(frame[own].unique())]
        # 1e-12: sums over 90 rows
        np.testing.assert_allclose(m.L, by_grid(design, frame, own), atol=1e-12)


def test_which_factors_have_means(frame):
    def names(formula):
        return [m.factor for m in factor_means(build(f"y ~ {formula} + (1 | g)", frame))]

    assert names("a * b + x") == ["a", "b"] and names("x") == [] and names("a:x") == []
    assert names("t + x") == ["t"] and names("1") == []


def test_a_column_of_the_data_in_backticks(frame):
    odd = frame.rename(columns={"a": "my factor"})
    (found,) = factor_means(build("y ~ `my factor` + (1 | g)", odd))
    assert found.factor == "my factor" and found.levels == ("p", "q", "r")


def test_functions_of_numbers_stand_at_the_mean_of_their_own_columns(frame):
    design = build("y ~ a + I(x ** 2) + (1 | g)", frame)
    (found,) = factor_means(design)
    assert found.L[0, list(design.fixed_names).index("I(x ** 2)")] == pytest.approx((frame["x"] ** 2).mean())


def test_arrays_have_no_factors():
    assert factor_means(from_arrays([1.0, 2, 4, 3], np.ones((4, 1)), [[1, 0], [1, 0], [0, 1], [0, 1]])) == ()


def test_what_they_are_does_not_depend_on_the_coding():
    data = bb.load_dataset("machines")
    plain = bb.MixedModel("score ~ Machine + (1 | Worker)", data).fit().marginal_means()
    summed = bb.MixedModel("score ~ C(Machine, contr.sum) + (1 | Worker)", data).fit().marginal_means()
    np.testing.assert_allclose(plain["estimate"], summed["estimate"], rtol=1e-9)
    np.testing.assert_allclose(plain["uncertainty"], summed["uncertainty"], rtol=1e-8)
    # balanced: the means of the machines
    np.testing.assert_allclose(plain["estimate"], data.groupby("Machine")["score"].mean(), rtol=1e-9)
