"""Simulated coverage against closed forms of the balanced one-way layout, simulated apart in plain NumPy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import blupbayes as bb
from blupbayes.compare.coverage import METHODS, Truth, variances, within_levels
from blupbayes.compare.coverage import raw as raw_limits
from blupbayes.errors import DataError
from blupbayes.mme.fit import estimate

J, R = 6, 5


@pytest.fixture(scope="module")
def model():
    frame = pd.DataFrame({"y": np.arange(30.0) % 7, "g": np.repeat(list("abcdef"), R)})
    return bb.MixedModel("y ~ 1 + (1 | g)", frame)


def closed_forms(icc, n, seed):
    """Coverage of group means and of the variance by the closed forms of the one-way layout, n data sets."""
    rng = np.random.default_rng(seed)
    b = np.sqrt(icc) * rng.normal(size=(n, J, 1))
    y = b + np.sqrt(1 - icc) * rng.normal(size=(n, J, R))
    means = y.mean(axis=2)
    msw = ((y - means[:, :, None]) ** 2).sum(axis=(1, 2)) / (J * (R - 1))
    msb = R * means.var(axis=1, ddof=1)
    a2 = np.maximum(0.0, (msb - msw) / R)
    s2 = np.where(a2 > 0, msw, (J * (R - 1) * msw + (J - 1) * msb) / (J * R - 1))
    lam, grand = R * a2 / (R * a2 + s2), means.mean(axis=1)
    blup = grand[:, None] + lam[:, None] * (means - grand[:, None])
    cond = lam * s2 / R
    pev = cond + (1 - lam) ** 2 * (a2 + s2 / R) / J
    z, miss = 1.959964, np.abs(blup - b[:, :, 0])
    se = np.sqrt(2 / R**2 * ((s2 + R * a2) ** 2 / (J - 1) + s2**2 / (J * (R - 1))))
    return {
        "blup cond_sd": np.mean(miss <= z * np.sqrt(cond)[:, None]),
        "blup pev_sd": np.mean(miss <= z * np.sqrt(pev)[:, None]),
        "wald": np.mean(np.abs(a2 - icc) <= z * se),
    }


@pytest.mark.parametrize("icc", [0.05, 0.42])
def test_plug_in_intervals_cover_as_closed_forms_do(model, icc):
    truth = {"g": np.sqrt(icc), "residual": np.sqrt(1 - icc)}
    methods = ["raw", "blup cond_sd", "blup pev_sd", "wald"]
    table = bb.coverage(model, truth, methods=methods, n=500, random_seed=2).set_index(
        ["method", "component", "group"]
    )
    expected = closed_forms(icc, 40_000, 1)
    for method, component in (("blup cond_sd", "group_mean"), ("blup pev_sd", "group_mean"), ("wald", "sd")):
        row = table.loc[(method, component, "g")]
        assert abs(row["coverage"] - expected[method]) < 4 * row["mc_se"] + 0.005
    raw = table.loc[("raw", "group_mean", "g")]
    assert abs(raw["coverage"] - 0.95) < 4 * raw["mc_se"]  # exact t intervals
    assert raw["width"] == pytest.approx(2 * 2.0639 * np.sqrt((1 - icc) / R), rel=0.03)


def test_the_posterior_covers_where_plug_in_does_not(model):
    truth = {"g": np.sqrt(0.05), "residual": np.sqrt(0.95)}
    table = bb.coverage(model, truth, methods=["blup cond_sd", "profile", "posterior"], n=60, random_seed=5)
    rows = table.set_index(["method", "component", "group"])["coverage"]
    # 0.49, 0.97 and 0.98 in 2000 data sets; 60 have standard errors of 0.05, 0.02 and 0.02
    assert rows["blup cond_sd", "group_mean", "g"] < 0.65
    assert rows["posterior", "group_mean", "g"] > 0.92 and rows["profile", "sd", "g"] > 0.9
    assert set(table.query("method == 'posterior'")["component"]) == {"group_mean", "fixed", "sd"}


def held_by_likelihood_ratio(icc, n, seed, divisor):
    """Share of data sets whose deviance at the true variance of the groups is within 3.84 of the lowest."""
    rng = np.random.default_rng(seed)
    between = (icc * R + 1 - icc) * rng.chisquare(J - 1, n)
    within = (1 - icc) * rng.chisquare(J * (R - 1), n)
    df = J * (R - 1)

    def deviance(v, w):
        return df * np.log(v) + within / v + divisor * np.log(w) + between / w

    v, w = within / df, between / divisor
    pooled = (within + between) / (df + divisor)
    best = np.where(w > v, deviance(v, w), deviance(pooled, pooled))
    grid = np.exp(np.linspace(-3, 2, 1500))
    constrained = np.min([deviance(v, v + R * icc) for v in grid], axis=0)
    return float(np.mean(constrained - best <= 3.841459))


def test_profiles_cover_as_likelihood_ratios_do(model):
    """ML, as lme4 profiles: .908; REML: .947."""
    truth = {"g": np.sqrt(0.42), "residual": np.sqrt(0.58)}
    names = ["profile", "profile REML"]
    table = bb.coverage(model, truth, methods=names, n=80, random_seed=8).set_index(["method", "group"])
    for name, divisor in zip(names, (J, J - 1), strict=True):
        row = table.loc[name, "g"]
        assert abs(row["coverage"] - held_by_likelihood_ratio(0.42, 4000, 1, divisor)) < 4 * row["mc_se"]
    assert table.loc[("profile REML", "g"), "width"] > 1.1 * table.loc[("profile", "g"), "width"]


def test_the_same_seed_gives_the_same_table_whatever_the_jobs(model):
    truth, options = {"g": 1.0, "residual": 1.0}, {"methods": ["wald", "raw"], "n": 45, "random_seed": 3}
    one = bb.coverage(model, truth, **options)
    pd.testing.assert_frame_equal(one, bb.coverage(model, truth, **options))
    pd.testing.assert_frame_equal(one, bb.coverage(model, truth, n_jobs=2, **options))


def test_bias_rmse_and_units(model):
    truth = {"g": 2.0, "residual": 1.0}
    table = bb.coverage(model, truth, beta=5.0, methods=["blup pev_sd", "wald"], n=300, random_seed=4)
    fixed = table.query("component == 'fixed'").iloc[0]
    sd = np.sqrt((4 + 1 / R) / J)  # of the mean of all
    assert fixed["rmse"] == pytest.approx(sd, rel=0.15) and abs(fixed["bias"]) < 4 * sd / np.sqrt(300)
    large = {"g": 2000.0, "residual": 1000.0}
    other = bb.coverage(model, large, beta=5000.0, methods=["blup pev_sd", "wald"], n=300, random_seed=4)
    np.testing.assert_allclose(other["coverage"], table["coverage"], atol=1e-12)
    np.testing.assert_allclose(other[["width", "rmse"]], 1000 * table[["width", "rmse"]], rtol=1e-6)


def test_slopes_weights_and_offsets_come_through():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"g": np.repeat(np.arange(8).astype(str), 6), "x": np.tile(np.arange(6.0), 8)})
    frame = frame.assign(y=rng.normal(size=48), w=rng.uniform(0.5, 2.0, 48), o=frame["x"] * 3)
    model = bb.MixedModel("y ~ x + (x | g)", frame, weights="w", offset="o")
    truth = {"g": np.array([[1.0, 0.2], [0.2, 0.3]]), "residual": 0.7}
    table = bb.coverage(model, truth, beta={"x": 2.0}, methods=["raw", "wald"], n=200, random_seed=6)
    raw = table.query("method == 'raw'")
    assert list(raw["term"]) == ["Intercept", "x"]
    assert (abs(raw["coverage"] - 0.95) < 4 * raw["mc_se"]).all()  # exact, with weights
    assert (table["defined"] == 1.0).all() and len(table.query("component == 'sd'")) == 3


def test_levels_that_are_too_small_have_no_raw_mean():
    frame = pd.DataFrame(
        {"g": list("aabbbcdd"), "x": [0.0, 1, 0, 1, 2, 0, 0, 1], "y": [1.0, 2, 3, 4, 6, 5, 2, 2]}
    )
    design = bb.MixedModel("y ~ x + (x || g)", frame).design
    b, unit, sigma, df = within_levels(design, design.groups[0])
    assert np.isnan(b[2]).all() and df == 1 and np.isfinite(unit[:2]).all()
    np.testing.assert_allclose(b[:2], [[1.0, 1.0], [17 / 6, 1.5]])
    assert sigma == pytest.approx(np.sqrt(1 / 6))
    truth = Truth(design, np.zeros(2), (np.eye(2),), 1.0, bb.Prior(), ("raw",))
    assert np.isnan(raw_limits(truth, design)[1][4:6]).all()


def test_standard_errors_of_variances_are_fishers_at_zero_too():
    model = bb.MixedModel("Yield ~ 1 + (1 | Batch)", bb.load_dataset("dyestuff2"))
    values, se = variances(estimate(model.statistics, "REML"))
    s2 = values[1]
    assert values[0] == 0.0
    # closed form of the one-way layout at sigma_a = 0: 6 batches of 5
    assert se[0] == pytest.approx(np.sqrt(2 / 25 * (s2**2 / 5 + s2**2 / 24)), rel=1e-8)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n": 0}, "n=0"),
        ({"methods": ["magic"]}, "choose from"),
        ({"methods": []}, "choose from"),
        ({"ci_prob": 1.5}, "ci_prob"),
        ({"beta": {"Dayz": 1.0}}, "Dayz"),
    ],
)
def test_bad_input_is_refused(model, options, words):
    with pytest.raises(DataError, match=words):
        bb.coverage(model, {"g": 1.0, "residual": 1.0}, **{"n": 5, **options})


def test_methods_are_documented():
    assert all(f'"{m}"' in bb.coverage.__doc__ for m in METHODS)
