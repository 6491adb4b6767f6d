"""Each level alone, against least squares written out."""

import numpy as np
import pandas as pd
import pytest

import blupbayes as bb
from blupbayes.compare.raw import raw_levels


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(3)
    g = np.repeat(list("abcd"), [6, 5, 3, 1])
    frame = pd.DataFrame(
        {"g": g, "x": rng.normal(size=15), "z": rng.normal(size=15), "w": rng.uniform(0.5, 2, 15)}
    )
    return frame.assign(o=rng.normal(size=15), y=rng.normal(size=15) + frame["x"])


def test_weights_offset_and_other_columns(data):
    model = bb.MixedModel("y ~ x + z + (x | g)", data, weights="w", offset="o")
    beta, sigma = {"Intercept": 9.0, "x": 9.0, "z": 0.7}, 1.3
    table = raw_levels(model.design, model.statistics, beta, sigma).set_index(["level", "term"])
    for level in "abc":
        own = data[data["g"] == level]
        C, W = np.column_stack([np.ones(len(own)), own["x"]]), np.diag(own["w"])
        information = C.T @ W @ C
        y = own["y"] - own["o"] - 0.7 * own["z"]  # z is no coefficient of the group, so it is taken off
        expected = np.linalg.solve(information, C.T @ W @ y.to_numpy())
        se = sigma * np.sqrt(np.diag(np.linalg.inv(information)))
        # Normal equations of 2 columns and QR agree to their condition number, here below 100.
        np.testing.assert_allclose(table.loc[level, "estimate"], expected, rtol=1e-12)
        np.testing.assert_allclose(table.loc[level, "se"], se, rtol=1e-12)
        assert set(table.loc[level, "n"]) == {len(own)}


def test_too_few_rows_give_no_value(data):
    model = bb.MixedModel("y ~ x + (x | g)", data)
    table = raw_levels(model.design, model.statistics, {"Intercept": 0.0, "x": 0.0}, 1.0).set_index("level")
    assert table.loc["d", ["estimate", "se"]].isna().all(axis=None) and set(table.loc["d", "n"]) == {1}
    assert table.loc["a", "estimate"].notna().all()


def test_means_of_rail():
    rail = bb.load_dataset("rail")
    model = bb.MixedModel("travel ~ 1 + (1 | Rail)", rail)
    table = raw_levels(model.design, model.statistics, {"Intercept": 66.5}, 4.0)
    means = rail.groupby(rail["Rail"].astype(str))["travel"].mean()
    np.testing.assert_allclose(table.set_index("level")["estimate"], means[table["level"]], rtol=1e-14)
    np.testing.assert_allclose(table["se"], 4.0 / np.sqrt(3), rtol=1e-14)


def test_aliased_coefficients_count_as_zero(data):
    model = bb.MixedModel("y ~ z + I(2 * z) + (1 | g)", data)
    names = model.design.fixed_names
    table = raw_levels(model.design, model.statistics, dict(zip(names, [0.0, 0.4, np.nan], strict=True)), 1.0)
    means = (data["y"] - 0.4 * data["z"]).groupby(data["g"]).mean()
    np.testing.assert_allclose(table["estimate"], means, rtol=1e-12)
