"""t and F tests of fixed effects: every reference fit of lme4, classical balanced designs, and laws."""

from __future__ import annotations

import functools
import logging

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import blupbayes as bb
from blupbayes.datasets import load
from blupbayes.errors import BlupbayesError
from blupbayes.frequentist.coefficients import REFITTED, FixedTests, f_tail, t_tail
from reference_data import CASES, Case
from test_linear import setting
from test_reference_lme4 import METHODS, fitted

COLUMNS = ["estimate", "se", "df", "t", "p"]
CORRECTED = tuple(case for case in CASES if "kenward_roger" in case.reference["REML"])


@functools.cache
def fixed_tests(case: Case, method: str, df: str) -> FixedTests:
    return FixedTests.of(fitted(case, method).estimate, df)


def need_data(case: Case):
    if case.name.startswith(("Chem97", "InstEval")) and not load.CHECKOUT_DATA.exists():
        pytest.skip("the data are in a checkout only")


def agree(table: pd.DataFrame, reference: dict):
    """lmerTest's df come from numerical second derivatives, 1e-4; p follows df, and 1e-2 is asked of it.

    The estimate is judged by its standard error.
    """
    found = table[COLUMNS].to_numpy().T
    estimate, se, df, t, p = (
        np.array([row[name] for row in reference.values()], dtype=float) for name in COLUMNS
    )
    assert np.abs(found[0] - estimate).max() <= 1e-6 * se.min()
    assert found[1] == pytest.approx(se, rel=1e-4)
    assert found[2] == pytest.approx(df, rel=1e-4)
    assert found[3] == pytest.approx(t, rel=1e-4, abs=1e-6)
    assert found[4] == pytest.approx(p, rel=1e-2)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_satterthwaite_as_lmerTest(case, method):
    need_data(case)
    table = fixed_tests(case, method, "satterthwaite").coefficients()
    agree(table, case.reference[method]["satterthwaite"])
    assert table.attrs["df"].startswith("Satterthwaite")
    assert "messages" not in table.attrs


@pytest.mark.parametrize("case", CORRECTED, ids=lambda case: case.name)
def test_kenward_roger_as_pbkrtest(case):
    tests, reference = fixed_tests(case, "REML", "kenward-roger"), case.reference["REML"]
    table = tests.coefficients()
    agree(table, reference["kenward_roger"])
    assert table.attrs["df"].startswith("Kenward-Roger")
    p = len(table)
    V = np.array(reference["kenward_roger_vcov"])
    found = tests.covariance(tests.linear(np.eye(p)))
    size = np.sqrt(np.diag(V))
    assert np.abs((found - V) / np.outer(size, size)).max() <= 1e-6  # both exact at theta known to 1e-8


# Terms that have the same hypothesis in our coding: the term's own columns are all that is zero.
TERMS = [
    ("cake-recipe_temperature_poly", "recipe:temperature", "recipe", ":"),
    ("cake-recipe_temperature_treatment", "recipe:temperature", "recipe", ":"),
    ("cake-recipe_temp_numeric", "recipe:temp", "recipe", ":temp"),
    ("cake-recipe_temp_numeric", "recipe", "recipe", "]"),
    ("Machines-machine_correlated", "Machine", "Machine", "]"),
    ("Machines-worker_machine_nested", "Machine", "Machine", "]"),
]


@pytest.mark.parametrize(
    ("method", "df", "key"),
    [
        ("ML", "satterthwaite", "anova_type3_satterthwaite"),
        ("REML", "satterthwaite", "anova_type3_satterthwaite"),
        ("REML", "kenward-roger", "anova_type3_kenward_roger"),
    ],
)
@pytest.mark.parametrize(("name", "term", "start", "part"), TERMS, ids=lambda x: x)
def test_F_of_terms(name, term, start, part, method, df, key):
    (case,) = (case for case in CASES if case.name == name)
    tests, expected = fixed_tests(case, method, df), case.reference[method][key][term]
    names = pd.Index(tests.fit.statistics.fixed_names)
    inside = names.str.startswith(start) & (
        names.str.endswith(part) | (part == ":") & names.str.contains(":")
    )
    found = tests.joint(np.eye(len(names))[inside], np.zeros(inside.sum()))
    assert found["num_df"] == expected["NumDF"]
    assert found["den_df"] == pytest.approx(expected["DenDF"], rel=1e-4)
    assert found["F"] == pytest.approx(expected["F"], rel=1e-4)
    assert found["p"] == pytest.approx(
        stats.f.sf(expected["F"], expected["NumDF"], expected["DenDF"]), rel=1e-2
    )


def sum_of_squares(frame, columns, y):
    """Between the cells of some columns, corrected for the mean; and the number of cells."""
    cells = frame.groupby(columns, observed=True)[y].agg(["mean", "size"])
    return float((cells["size"] * (cells["mean"] - frame[y].mean()) ** 2).sum()), len(cells)


@pytest.mark.parametrize("df", ["satterthwaite", "kenward-roger"])
def test_split_plot_has_the_classical_strata(df):
    """Oats: varieties against whole plots (2 and 10 df), nitrogen and both together against subplots (45)."""
    frame = bb.load_dataset("oats").assign(N=lambda x: x["nitro"].astype(str))
    formula = "yield ~ C(Variety, contr.sum) * C(N, contr.sum) + (1 | Block/Variety)"
    tests = FixedTests.of(bb.MixedModel(formula, frame).fit().estimate, df)
    SS = {
        name: sum_of_squares(frame, name.split(":"), "yield")[0]
        for name in ("Block", "Variety", "N", "Block:Variety", "Variety:N")
    }
    whole = (SS["Block:Variety"] - SS["Block"] - SS["Variety"]) / 10
    both = SS["Variety:N"] - SS["Variety"] - SS["N"]
    total = float(((frame["yield"] - frame["yield"].mean()) ** 2).sum())
    sub = (total - SS["Block:Variety"] - SS["N"] - both) / 45
    classical = {"Variety": (SS["Variety"] / 2 / whole, 2, 10), "N": (SS["N"] / 3 / sub, 3, 45)}
    classical["both"] = (both / 6 / sub, 6, 45)
    names = pd.Index(tests.fit.statistics.fixed_names)
    own = {"Variety": names.str.contains("Variety") & ~names.str.contains(":")}
    own |= {"N": names.str.contains("N,") & ~names.str.contains(":"), "both": names.str.contains(":")}
    for term, (F, num_df, den_df) in classical.items():
        found = tests.joint(np.eye(len(names))[own[term]], np.zeros(own[term].sum()))
        # estimates of variances are known to 1e-7, and df of differences of the gradient to 1e-6
        assert (found["F"], found["num_df"], found["den_df"]) == pytest.approx((F, num_df, den_df), rel=1e-5)
        assert found["p"] == pytest.approx(stats.f.sf(F, num_df, den_df), rel=1e-3)


@pytest.mark.parametrize("df", ["satterthwaite", "kenward-roger"])
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Rail-intercept", [5]),  # rails - 1
        ("sleepstudy-slope_correlated", [17, 17]),  # subjects - 1
        ("Machines-worker_machine_nested", [None, 10, 10]),  # (workers - 1) (machines - 1)
        ("Machines-machine_correlated", [5, 5, 5]),
        ("Pastes-batch_cask", [9]),  # batches - 1
    ],
)
def test_classical_df_of_balanced_designs(name, expected, df):
    (case,) = (case for case in CASES if case.name == name)
    found = fixed_tests(case, "REML", df).coefficients()["df"]
    for mine, theirs in zip(found, expected, strict=True):
        assert theirs is None or mine == pytest.approx(theirs, rel=1e-6)


@pytest.mark.parametrize("df", ["satterthwaite", "kenward-roger"])
def test_units_of_y_and_x(df):
    """y times 1000, age in months: t, df and p of every coefficient that means the same stay."""
    frame = bb.load_dataset("orthodont")
    formula = "distance ~ age * Sex + (age | Subject)"
    found = bb.MixedModel(formula, frame).fit().summary(df)
    other = frame.assign(distance=frame["distance"] * 1000, age=frame["age"] * 12)
    again = bb.MixedModel(formula, other).fit().summary(df)
    units = 1000 * np.array([1, 1 / 12, 1, 1 / 12])
    assert again["se"].to_numpy() == pytest.approx(found["se"].to_numpy() * units, rel=1e-6)
    assert again[["df", "t"]].to_numpy() == pytest.approx(found[["df", "t"]].to_numpy(), rel=1e-6)


@pytest.mark.parametrize("df", ["satterthwaite", "kenward-roger"])
def test_coding_of_x(df):
    """X A in place of X: l'beta is l'A beta_new, with the same se and df, and the F of several rows too for KR."""
    frame = bb.load_dataset("orthodont").drop(index=[2, 8, 9, 21, 39, 40, 41, 76, 99])
    design = bb.MixedModel("distance ~ age * Sex + (age | Subject)", frame).design
    y, X, codes = design.y, design.X, design.groups[0].codes
    Z = {"Subject": (codes, design.groups[0].columns)}
    A = np.array([[1.0, 0, 0, 0], [-9.0, 1, 0, 2], [0.3, 0, 1, 0], [0, 0, -4.0, 1]])
    L = np.array([[1.0, 11, 0, 0], [0, 0, 1, 11], [0, 1, 0, 0.5]])
    plain = FixedTests.of(bb.MixedModel.from_arrays(y, X, Z).fit().estimate, df)
    coded = FixedTests.of(bb.MixedModel.from_arrays(y, X @ A, Z).fit().estimate, df)
    rhs = np.array([1.0, -2.0, 0.1])
    found, expected = coded.rows(L @ A, rhs), plain.rows(L, rhs)
    for name in COLUMNS:
        assert found[name] == pytest.approx(expected[name], rel=1e-5)
    both = coded.joint(L @ A, rhs), plain.joint(L, rhs)
    assert both[0] == pytest.approx(both[1], rel=1e-4)


@pytest.mark.parametrize("kind", ["slope", "slope deficient"])
def test_plain_z_of_rows_together(kind):
    """No df: chi-square over its df, from V written out."""
    d, linear, L, _ = setting(kind)
    fit = bb.MixedModel(d.formula, d.frame).fit()
    tests = FixedTests.of(fit.estimate, "none")
    oracle = d.oracle(fit.sigma, fit.theta).estimable
    beta, cov = oracle.fixed()
    rhs = np.array([0.3, -1.0, 2.0])
    miss = L @ beta - rhs
    wald = miss @ np.linalg.solve(L @ cov @ L.T, miss)
    found = tests.joint(linear.L, rhs)
    assert (found["num_df"], found["den_df"]) == (3, np.inf)
    assert found["F"] == pytest.approx(wald / 3, rel=1e-8)
    assert found["p"] == pytest.approx(stats.chi2.sf(wald, 3), rel=1e-6)
    rows = tests.rows(linear.L, rhs)
    assert rows["t"] == pytest.approx(miss / np.sqrt(np.diag(L @ cov @ L.T)), rel=1e-8)
    assert rows["p"] == pytest.approx(2 * stats.norm.sf(np.abs(rows["t"])), rel=1e-12)


def test_one_row_together_is_the_row_alone():
    """F = t^2 with the same df and p, whatever the df."""
    for df in ("satterthwaite", "kenward-roger", "none"):
        tests = fixed_tests(CASES[12], "REML", df)
        L, rhs = np.array([[1.0, 11, 0, 0]]), np.array([24.0])
        row, together = tests.rows(L, rhs), tests.joint(L, rhs)
        assert together["F"] == pytest.approx(row["t"][0] ** 2, rel=1e-9)
        assert together["den_df"] == pytest.approx(row["df"][0], rel=1e-9)
        assert together["p"] == pytest.approx(row["p"][0], rel=1e-7)


def test_tails():
    t, df = np.array([-2.5, 0.0, 1.96, 40.0]), np.array([3.2, 5.0, np.inf, 4.5])
    expected = [
        2 * stats.t.sf(abs(x), v) if np.isfinite(v) else 2 * stats.norm.sf(x)
        for x, v in zip(t, df, strict=True)
    ]
    assert t_tail(t, df) == pytest.approx(expected, rel=1e-12)
    assert f_tail(3.3, 2, 7.7) == pytest.approx(stats.f.sf(3.3, 2, 7.7), rel=1e-12)
    assert f_tail(3.3, 2, np.inf) == pytest.approx(stats.chi2.sf(6.6, 2), rel=1e-12)


def test_kenward_roger_of_a_fit_by_ml_refits_and_says_so(caplog):
    model = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail"))
    with caplog.at_level(logging.WARNING, logger="blupbayes"):
        table = model.fit("ML").summary("kenward-roger")
    assert [record.getMessage() for record in caplog.records] == [REFITTED]
    assert table.attrs["messages"] == [REFITTED]
    expected = model.fit("REML").summary("kenward-roger")
    assert table.to_numpy() == pytest.approx(expected.to_numpy(), rel=1e-9)
    assert "messages" not in expected.attrs


def test_unknown_df_are_refused():
    fit = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail")).fit()
    with pytest.raises(BlupbayesError, match=r"df='magic'.*'none', 'satterthwaite', 'kenward-roger'"):
        fit.summary("magic")


@pytest.mark.parametrize("df", ["satterthwaite", "kenward-roger", "none"])
def test_aliased_columns_have_no_test_and_change_no_other(df):
    d, *_ = setting("slope deficient")
    table = bb.MixedModel(d.formula, d.frame).fit().summary(df)
    without = bb.MixedModel(d.formula.replace(" + x2", ""), d.frame).fit().summary(df)
    assert table.loc["x2"].isna().all() and list(table.index) == ["Intercept", "x", "x2", "f[T.v]", "f[T.w]"]
    assert table.drop(index="x2").to_numpy() == pytest.approx(without.to_numpy(), rel=1e-6)


def test_known_sigma_and_a_variance_at_zero_leave_nothing_to_estimate():
    """Eight schools: z tests by Satterthwaite. Kenward-Roger counts tau as estimated, at 0 too."""
    frame = bb.load_dataset("eight_schools")
    fit = bb.MixedModel("y ~ 1 + (1 | school)", frame, weights=1 / frame["se"] ** 2, sigma=1).fit()
    row, plain = fit.summary().iloc[0], fit.summary("none").iloc[0]
    assert row["df"] == np.inf and row.tolist() == plain.tolist()
    corrected = fit.summary("kenward-roger").iloc[0]
    assert 1 < corrected["df"] < 8 and corrected["se"] > row["se"]
