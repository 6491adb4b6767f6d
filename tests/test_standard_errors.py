"""Standard errors of variance parameters against inverse informations of the dense model in other coordinates.

The package works in (theta, log sigma^2); the judge in the entries of Sigma and sigma^2, where V is linear. At an
optimum the observed information is one tensor in all coordinates, the other two are so everywhere.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import blupbayes as bb
from blupbayes.errors import DataError
from blupbayes.frequentist import standard_errors
from blupbayes.frequentist.standard_errors import inverse_on, spread, varcorr, wald
from blupbayes.mme import layout
from blupbayes.mme.fit import estimate
from interior import interior
from oracle import gradient
from test_gaussian import case

METHODS = ("ML", "REML")
INTERIOR = (
    "intercept",
    "slope weights",
    "diagonal",
    "split",
    "crossed offset",
    "crossed_slopes",
    "nested",
    "three",
)

# The optimum is known to about 1e-6 of a standard error, and so is the slope that separates the coordinates there.
AT_OPTIMUM = 1e-5


def by_hand(d, fit, kind):
    """vcov, vcov_se, sdcor, sdcor_se by (group, coefficient, other coefficient), from V alone."""
    known = fit.statistics.sigma
    gamma = d.gamma(fit.theta, fit.sigma, "Sigma")
    gamma = gamma if known is None else gamma[:-1]
    A = np.linalg.inv(d.family("Sigma", known).information(gamma, fit.method, kind))

    def row(f):
        value, slope = f(gamma), gradient(f, gamma)
        return float(np.real(value)), float(np.sqrt(slope @ A @ slope))

    out = {}
    for g, k in zip(fit.statistics.groups, d.blocks, strict=True):
        at = {(r, c): place for r, c, place in k.places}
        for (r, c), i in at.items():
            if r == c:
                rows = row(lambda x, i=i: x[i]), row(lambda x, i=i: np.sqrt(x[i]))
                out[g.name, g.names[r], ""] = np.ravel(rows)
            else:
                a, b = at[r, r], at[c, c]
                rows = (
                    row(lambda x, i=i: x[i]),
                    row(lambda x, i=i, a=a, b=b: x[i] / np.sqrt(x[a] * x[b])),
                )
                out[g.name, g.names[r], g.names[c]] = np.ravel(rows)
    if known is None:
        out["residual", "", ""] = np.ravel((row(lambda x: x[-1]), row(lambda x: np.sqrt(x[-1]))))
    return out


def agree(table: pd.DataFrame, expected, tolerance):
    """Every row of varcorr, and no other; relative to each number's own size (covariances: to their se)."""
    found = table.set_index(["group", "term", "with_term"])
    assert set(found.index) == set(expected)
    for name, (vcov, vcov_se, sdcor, sdcor_se) in expected.items():
        row = found.loc[name]
        assert row["vcov"] == pytest.approx(vcov, abs=tolerance * vcov_se)
        assert row["sdcor"] == pytest.approx(sdcor, abs=tolerance * sdcor_se)
        assert row["vcov_se"] == pytest.approx(vcov_se, rel=tolerance)
        assert row["sdcor_se"] == pytest.approx(sdcor_se, rel=tolerance)


@pytest.mark.parametrize("kind", standard_errors.KINDS)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("model", INTERIOR)
def test_table_of_variances(model, method, kind):
    d, fit = interior(model, method)
    table = varcorr(fit.statistics, spread(fit, kind))
    agree(table, by_hand(d, fit, kind), AT_OPTIMUM)
    assert table.attrs["se"].startswith(f"{kind} information") and list(table["group"])[-1] == "residual"


@pytest.mark.parametrize("kind", standard_errors.KINDS)
@pytest.mark.parametrize("model", ["slope", "crossed_slopes", "nested weights offset"])
def test_whatever_the_storage(model, kind, storage):
    """The chain storages form Z'PZ for Fisher's information, and take differences for the observed one."""
    d, found = interior(model, "REML")
    again = case_like(d)
    fit = estimate(again, "REML", start=found.theta)
    agree(varcorr(again, spread(fit, kind)), by_hand(d, fit, kind), AT_OPTIMUM)


def case_like(d):
    """The random design's Statistics under the storage of the test."""
    options = {k: v for k, v in (("weights", d.weights), ("offset", d.offset)) if v is not None}
    return bb.MixedModel(d.formula, d.frame, **options).statistics


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("model", ["slope", "crossed"])
def test_known_sigma_is_not_estimated(model, method):
    d, fit = interior(model, method, 1.9)
    for kind in standard_errors.KINDS:
        found = spread(fit, kind)
        agree(varcorr(fit.statistics, found), by_hand(d, fit, kind), AT_OPTIMUM)
        assert not found.cov[-1].any() and not found.cov[:, -1].any()
        assert "sigma" not in [x.name for x in found.which]


@pytest.mark.parametrize("information", standard_errors.KINDS)
def test_rail_has_the_published_standard_error(information):
    """392.57 from every information; sigma^2 is a chi-square with J (r - 1) = 12 df: se = sigma^2 sqrt(2 / 12)."""
    fit = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail")).fit()
    table = fit.varcorr(information).set_index("group")
    assert table.loc["Rail", "vcov_se"] == pytest.approx(392.57, abs=5e-3)
    assert table.loc["residual", "vcov_se"] == pytest.approx(97 / 6 * np.sqrt(1 / 6), rel=1e-7)


def test_dyestuff2_at_the_boundary():
    """The variance that is 0 has no standard error; sigma has that of the mean alone: sigma^2 sqrt(2 / (n - 1))."""
    fit = bb.MixedModel("Yield ~ 1 + (1 | Batch)", bb.load_dataset("dyestuff2")).fit()
    for kind in standard_errors.KINDS:
        table = fit.varcorr(kind).set_index("group")
        assert table.loc["Batch", ["vcov", "sdcor"]].tolist() == [0, 0]
        assert table.loc["Batch", ["vcov_se", "sdcor_se"]].isna().all()
        assert table.loc["residual", "vcov_se"] == pytest.approx(fit.sigma**2 * np.sqrt(2 / 29), rel=1e-9)


def singular_slopes():
    """A random model with a correlation of exactly -1 or 1, and its estimates."""
    for seed in range(100):
        d, statistics, _ = case("slope", seed=seed)
        fit = estimate(statistics, "REML")
        if fit.is_boundary and abs(fit.theta[0]) > 0.2 and abs(fit.theta[1]) > 0.1:
            return d, fit
    raise AssertionError


@pytest.mark.parametrize("kind", standard_errors.KINDS)
def test_a_perfect_correlation_has_no_standard_error_and_the_sds_have(kind):
    """The column of T that is zero is held: the model is one random coefficient 1 + c x."""
    d, fit = singular_slopes()
    free = [0, 1, 3]
    info = d.family("theta").information(d.gamma(fit.theta, fit.sigma, "theta"), "REML", kind)
    A = np.linalg.inv(info[np.ix_(free, free)])
    gamma = np.r_[fit.theta[:2], 2 * np.log(fit.sigma)]
    table = varcorr(fit.statistics, spread(fit, kind)).set_index(["term", "with_term"])
    for k, name in enumerate(("Intercept", "x")):
        slope = gradient(lambda x, k=k: np.sqrt(x[k] ** 2) * np.exp(x[2] / 2), gamma)
        assert table.loc[(name, ""), "sdcor_se"] == pytest.approx(np.sqrt(slope @ A @ slope), rel=AT_OPTIMUM)
    assert not spread(fit, kind).cov[2].any() and not spread(fit, kind).cov[:, 2].any()
    row = table.loc[("x", "Intercept")]
    assert abs(row["sdcor"]) == 1.0 and np.isnan(row["sdcor_se"]) and np.isnan(row["vcov_se"])


def equal_slopes():
    """Six groups of five rows, y ~ x + (x | a), whose least-squares slopes are all the same."""
    rng, x = np.random.default_rng(1), np.tile(np.arange(5.0) - 2, (6, 1))
    noise = rng.normal(size=(6, 5))
    noise -= (noise * x).sum(axis=1, keepdims=True) * x / 10
    y = 3 * rng.normal(size=(6, 1)) + noise
    return pd.DataFrame({"y": y.ravel(), "x": x.ravel(), "a": np.repeat(list("abcdef"), 5)})


def test_beside_an_sd_of_zero_there_is_no_correlation():
    """The covariance is 0 there, the correlation NaN, both without standard error."""
    fit = bb.MixedModel("y ~ x + (x | a)", equal_slopes()).fit()
    assert fit.variances.sd("a")["x"] == 0.0
    row = fit.varcorr().query("with_term != ''").iloc[0]
    assert row["vcov"] == 0.0 and row[["vcov_se", "sdcor", "sdcor_se"]].isna().all()
    table = fit.varcorr().query("group == 'a' and with_term == ''").set_index("term")
    assert np.isnan(table.loc["x", "sdcor_se"]) and table.loc["Intercept", "sdcor_se"] > 0


@pytest.mark.parametrize("model", ["slope", "crossed_slopes"])
def test_wald_limits_on_the_stated_scale(model):
    """log of an sd and Fisher's z of a correlation move by z standard errors of their own."""
    _, fit = interior(model, "REML")
    found = spread(fit)
    low, high, scale = wald(found, 1.7)
    for x, v, se, a, b, s in zip(found.which, found.values, found.se, low, high, scale, strict=True):
        f, slope = (np.arctanh, 1 / (1 - v**2)) if x.kind == "corr" else (np.log, 1 / v)
        assert s == ("Fisher z" if x.kind == "corr" else "log")
        assert [f(a), f(b)] == pytest.approx([f(v) - 1.7 * se * slope, f(v) + 1.7 * se * slope], rel=1e-10)


def test_wald_limits_at_the_boundary_are_none():
    _, fit = singular_slopes()
    low, high, _ = wald(spread(fit), 1.96)
    assert np.isnan([low[-1], high[-1]]).all() and np.isfinite([low[:-1], high[:-1]]).all()
    fit = estimate(bb.MixedModel("Yield ~ 1 + (1 | Batch)", bb.load_dataset("dyestuff2")).statistics, "REML")
    low, high, _ = wald(spread(fit), 1.96)
    assert np.isnan([low[1], high[1]]).all() and np.isfinite([low[0], high[0]]).all()


def test_wald_limits_of_an_sd_next_to_zero_are_wide_without_a_warning():
    _, fit = interior("intercept", "REML")
    found = spread(fit)
    low, high, _ = wald(replace(found, se=np.array([1e-3, 1e4])), 1.96)
    assert (low[1], high[1]) == (0.0, np.inf) and np.isfinite([low[0], high[0]]).all()


def test_units_of_y_and_x():
    """y times 1000 and x in other units: standard errors move with their parameters."""
    frame = bb.load_dataset("sleepstudy")
    formula = "Reaction ~ Days + (Days | Subject)"
    found = bb.MixedModel(formula, frame).fit().varcorr()
    other = frame.assign(Reaction=frame["Reaction"] * 1000, Days=frame["Days"] / 7)
    again = bb.MixedModel(formula, other).fit().varcorr()
    # rows: intercept, Days, their covariance or correlation, residual
    units = {"vcov": [1e6, 49e6, 7e6, 1e6], "sdcor": [1000, 7000, 1, 1000]}
    for column, factor in units.items():
        for name in (column, f"{column}_se"):
            assert again[name].to_numpy() == pytest.approx(found[name].to_numpy() * factor, rel=1e-5)


def test_inverse_on_free_entries_whatever_their_units():
    """Held entries are zero; directions without curvature count as known; units do not decide which these are."""
    rng = np.random.default_rng(3)
    B, size = rng.normal(size=(3, 3)), np.array([1e-6, 1.0, 1e6])
    M = np.zeros((4, 4))
    M[:3, :3] = B @ B.T * np.outer(size, size)
    free = np.array([True, True, True, False])
    assert inverse_on(M, free)[:3, :3] * np.outer(size, size) == pytest.approx(
        np.linalg.inv(B @ B.T), rel=1e-9
    )
    assert not inverse_on(M, free)[3].any()
    flat = np.diag([1.0, 4.0, 0.0])
    assert inverse_on(flat, np.ones(3, dtype=bool)) == pytest.approx(np.diag([1.0, 0.25, 0.0]), rel=1e-12)
    assert inverse_on(M, np.zeros(4, dtype=bool)).tolist() == np.zeros((4, 4)).tolist()


def test_unknown_information_is_refused():
    fit = estimate(bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail")).statistics)
    with pytest.raises(DataError, match=r"information='sandwich'.*'observed', 'average', 'expected'"):
        spread(fit, "sandwich")


def test_a_matrix_that_is_too_large_is_refused(monkeypatch):
    """Only Fisher's information of crossed groups needs it: the others still answer."""
    monkeypatch.setattr(layout, "DENSE_LIMIT", 0)
    monkeypatch.setattr(standard_errors, "LARGEST", 5)
    _, statistics, _ = case("crossed", seed=2)
    fit = estimate(statistics)
    with pytest.raises(DataError, match=r"dense matrix of all \d+ random effects, and 5 is the limit"):
        spread(fit, "expected")
    assert np.isfinite(spread(fit, "average").se).all()
    _, single, _ = case("intercept", seed=60)
    assert np.isfinite(spread(estimate(single), "expected").se).all()
