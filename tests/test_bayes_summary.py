"""Summaries of draws: right rows, right order, right numbers."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from blupbayes.bayes import summary as read
from blupbayes.bayes.diagnostics import diagnostics
from blupbayes.errors import BlupbayesError
from blupbayes.model.design import build

COLUMNS = [
    "mean",
    "sd",
    "median",
    "eti95_lb",
    "eti95_ub",
    "mcse_mean",
    "mcse_sd",
    "ess_bulk",
    "ess_tail",
    "r_hat",
]


def make_frame():
    data = pd.DataFrame(np.random.default_rng(0).normal(size=(24, 2)), columns=["y", "x"])
    return data.assign(g=list("abc") * 8, h=np.arange(24) % 4)


def make_design():
    return build("y ~ x + (x + I(x**2) | g) + (1 | h)", make_frame())


def draws(chains=4, n=500, shift=0.0):
    """Independent normal draws with known means: 1, 2, ... in every variable; the second half of the chains shifted."""
    rng = np.random.default_rng(2)
    shapes = {
        "beta": (2,),
        "sigma": (),
        "sd_g": (3,),
        "sd_h": (1,),
        "corr_g": (3, 3),
        "b_g": (3, 3),
        "b_h": (4, 1),
    }
    out = {}
    for name, shape in shapes.items():
        mean = np.arange(1, 1 + int(np.prod(shape)), dtype=float).reshape(shape)
        values = mean + rng.normal(size=(chains, n, *shape))
        values[chains // 2 :] += shift
        out[name] = (("chain", "draw", *(f"{name}_{k}" for k in range(len(shape)))), values)
    diagonal = np.arange(3)
    out["corr_g"][1][:, :, diagonal, diagonal] = 1.0
    stats = xr.Dataset({"diverging": (("chain", "draw"), np.zeros((chains, n), dtype=bool))})
    return xr.DataTree.from_dict({"posterior": xr.Dataset(out), "sample_stats": stats})


def test_a_row_per_parameter_in_the_order_of_the_model():
    table = read.summary(draws(), make_design())
    assert list(table.index) == [
        "beta[Intercept]", "beta[x]", "sigma",
        "sd_g[Intercept]", "sd_g[x]", "sd_g[I(x ** 2)]", "sd_h[Intercept]",
        "corr_g[x,Intercept]", "corr_g[I(x ** 2),Intercept]", "corr_g[I(x ** 2),x]",
    ]  # fmt: skip
    assert list(table.columns) == COLUMNS
    # corr_g holds 1..9 row by row; its lower triangle is 4, 7, 8
    np.testing.assert_allclose(
        table["mean"], [1, 2, 1, 1, 2, 3, 1, 4, 7, 8], atol=0.15
    )  # sd 1/sqrt(2000) = 0.022


def test_numbers_of_independent_normal_draws():
    table = read.describe(draws()["posterior"]["b_g"].values.reshape(4, 500, 9) - np.arange(1, 10), 0.9)
    assert list(table.columns[3:5]) == ["eti90_lb", "eti90_ub"]
    # Monte Carlo error of 2000 draws, 5 of its sds: mean .11, sd .08, median .14, 5 % quantile .24
    np.testing.assert_allclose(table["mean"], 0, atol=0.11)
    np.testing.assert_allclose(table["sd"], 1, atol=0.08)
    np.testing.assert_allclose(table["median"], 0, atol=0.14)
    np.testing.assert_allclose(table["eti90_lb"], -1.645, atol=0.24)
    np.testing.assert_allclose(table["eti90_ub"], 1.645, atol=0.24)
    np.testing.assert_allclose(table["mcse_mean"], 1 / np.sqrt(2000), rtol=0.2)
    np.testing.assert_allclose(table["mcse_sd"], 1 / np.sqrt(4000), rtol=0.3)
    np.testing.assert_allclose(table["ess_bulk"], 2000, rtol=0.2)
    np.testing.assert_allclose(table["ess_tail"], 2000, rtol=0.3)
    assert (table["r_hat"] < 1.01).all()


def test_the_interval_follows_ci_prob():
    design = make_design()
    narrow, wide = (read.summary(draws(), design, p) for p in (0.5, 0.995))
    assert list(wide.columns[3:5]) == ["eti99.5_lb", "eti99.5_ub"]
    assert (wide["eti99.5_lb"] < narrow["eti50_lb"]).all() and (wide["eti99.5_ub"] > narrow["eti50_ub"]).all()
    with pytest.raises(BlupbayesError, match="ci_prob"):
        read.summary(draws(), design, 95)


def test_random_effects_level_by_level():
    table = read.ranef(draws(), make_design())
    assert list(table.columns) == [
        "group", "level", "term", "estimate", "posterior_sd", "eti95_lb", "eti95_ub", "mcse", "ess_bulk", "r_hat",
    ]  # fmt: skip
    assert list(table["group"]) == 9 * ["g"] + 4 * ["h"]
    assert list(table["level"]) == [*"aaabbbccc", *"0123"]
    assert list(table["term"]) == 3 * ["Intercept", "x", "I(x ** 2)"] + 4 * ["Intercept"]
    np.testing.assert_allclose(table["estimate"], [*range(1, 10), *range(1, 5)], atol=0.15)


def test_group_means_add_the_fixed_coefficient_of_the_same_name():
    data, design = draws(), make_design()
    table = read.group_means(data, design)
    assert list(table["term"]) == 3 * ["Intercept", "x"] + 4 * ["Intercept"]  # x**2 has no fixed column
    beta, b = data["posterior"]["beta"].values, data["posterior"]["b_g"].values
    slope_of_b = (beta[..., 1] + b[..., 1, 1]).reshape(-1)
    row = table[(table["level"] == "b") & (table["term"] == "x")].iloc[0]
    np.testing.assert_allclose(
        [row["estimate"], row["posterior_sd"]], [slope_of_b.mean(), slope_of_b.std(ddof=1)]
    )


def test_group_means_without_a_fixed_column_are_empty():
    data = pd.DataFrame({"y": np.arange(8.0) ** 2, "g": list("ab") * 4})
    design = build("y ~ 0 + (1 | g)", data)
    b = (("chain", "draw", "g", "k"), np.zeros((2, 5, 2, 1)))
    table = read.group_means(xr.DataTree.from_dict({"posterior": xr.Dataset({"b_g": b})}), design)
    assert len(table) == 0 and "estimate" in table.columns


def test_group_means_of_some_grouping_factors_only():
    data, design = draws(), make_design()
    only_x = build("y ~ 0 + x + (x + I(x**2) | g) + (1 | h)", make_frame())
    data["posterior"] = data["posterior"].to_dataset().isel(beta_0=[1])
    table = read.group_means(data, only_x)
    assert list(table["group"]) == 3 * ["g"] and list(table["term"]) == 3 * ["x"]
    expected = read.group_means(draws(), design).query("group == 'g' and term == 'x'")["estimate"]
    np.testing.assert_allclose(table["estimate"], expected, rtol=1e-12)


def test_a_constant_has_no_convergence_statistics():
    table = read.describe(np.ones((4, 100, 1)))
    assert table["mean"][0] == 1 and table["sd"][0] == 0
    assert table.loc[0, ["mcse_mean", "ess_bulk", "ess_tail", "r_hat"]].isna().all()


def test_good_draws_give_no_message():
    found = diagnostics(draws())
    assert found["messages"] == () and found["divergences"] == 0
    assert (found["chains"], found["draws"]) == (4, 500)
    assert 1 <= found["r_hat"] < 1.01 and found["ess_bulk"] > 1000


def test_messages_say_what_is_wrong_and_what_to_do():
    data = draws(shift=3.0)
    data["sample_stats"]["diverging"][:, :3] = True
    found = diagnostics(data)
    assert found["divergences"] == 12 and found["r_hat"] > 1.5 and found["ess_bulk"] < 20
    text = " ".join(found["messages"])
    for part in ("12 of 2000", "target_accept", f"{found['r_hat']:.3f}", found["worst"], "Sample more draws"):
        assert part in text
    assert any("One chain" in message for message in diagnostics(draws(chains=1))["messages"])
