"""Profile intervals and traces: root finding on every reference fit, closed forms by brute force, and laws."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brentq
from scipy.stats import chi2

import blupbayes as bb
from blupbayes.errors import DataError
from blupbayes.frequentist.profiles import ALIASED, NO_CORRELATION, curves, intervals, traces
from blupbayes.mme.fit import estimate
from interior import interior
from reference_data import CASES, Case
from test_curves import lowest_by_hand
from test_gaussian import case as random_case
from test_reference_lme4 import fitted
from test_standard_errors import equal_slopes
from two_minima import two_minima

FOUND = "profile_ci95_by_root_finding"
PROFILED = tuple(case for case in CASES if FOUND in case.reference["ML"])
RISE = 3.841458820694124


@functools.cache
def table(case: Case) -> pd.DataFrame:
    return intervals(fitted(case, "ML").estimate, 0.95)


def our_names(case: Case) -> dict[str, str]:
    """lme4's name of every parameter -> ours."""
    statistics = fitted(case, "ML").statistics
    columns = zip(case.reference["X_columns"], statistics.fixed_names, strict=True)
    out = {"sigma": "sigma"} | {theirs: f"beta[{name}]" for theirs, name in columns}
    used: dict[str, int] = {}
    for i in case.terms:
        term = case.reference["random_terms"][i]
        group = next(g for g in statistics.groups if set(g.name.split(":")) == set(term["group"].split(":")))
        first = used.get(group.name, 0)
        used[group.name] = first + term["k"]
        ours = dict(zip(term["coef"], group.names[first:], strict=False))
        for k, a in enumerate(term["coef"]):
            out[f"sd_{a}|{term['group']}"] = f"sd_{group.name}[{ours[a]}]"
            for b in term["coef"][:k]:
                out[f"cor_{a}.{b}|{term['group']}"] = f"corr_{group.name}[{ours[a]},{ours[b]}]"
    return out


def ends(case: Case, name: str) -> tuple[float, float]:
    """Reference limits, open ends at the end of the parameter space."""
    low, high = case.reference["ML"][FOUND][name]
    edge = (-1.0, 1.0) if name.startswith("cor_") else (0.0, np.inf)
    return edge[0] if low is None else low, edge[1] if high is None else high


@pytest.mark.parametrize("case", PROFILED, ids=lambda case: case.name)
def test_limits_by_root_finding(case):
    """1e-4 of the width is asked; both are roots of one deviance, ours and the reference alike to 1e-9.

    Open ends (null there) stand at the end of the parameter space, and a note says so.
    """
    found, names = table(case), our_names(case)
    assert set(names.values()) == set(found.index) and set(case.reference["ML"][FOUND]) == set(names)
    for theirs, name in names.items():
        low, high = ends(case, theirs)
        row = found.loc[name]
        assert [row["ci_lb"], row["ci_ub"]] == pytest.approx([low, high], abs=1e-8 * (high - low))
        is_open = [end is None for end in case.reference["ML"][FOUND][theirs]]
        assert row["note"].count("never excludes") == sum(is_open)
        assert row["note"].startswith("one-sided: ") == any(is_open)


# Limits of lme4's own confint(), from splines through too few points, that are off by 4e-4 of the width and more
SPLINES = {
    "Machines-machine_correlated": [
        "cor_MachineB.(Intercept)|Worker",
        "cor_MachineC.(Intercept)|Worker",
        "cor_MachineC.MachineB|Worker",
    ],
    "Orthodont-age_sex": ["sd_(Intercept)|Subject", "sigma"],
    "Oats-nitro": ["sd_(Intercept)|Block"],
}


@pytest.mark.parametrize("name", SPLINES)
def test_where_the_splines_of_lme4_are_wrong_ours_are_not_them(name):
    """Exactly the listed intervals differ by 4e-4 of their width; root finding agrees with ours to 1e-8."""
    (case,) = (case for case in CASES if case.name == name)
    found, names, wrong = table(case), our_names(case), []
    for theirs, splines in case.reference["ML"]["profile_ci95"].items():
        row, (low, high) = found.loc[names[theirs]], ends(case, theirs)
        mine = np.array([row["ci_lb"], row["ci_ub"]])
        assert mine == pytest.approx([low, high], abs=1e-8 * (high - low))
        off = np.abs(mine - np.array([np.nan if x is None else x for x in splines], dtype=float)) / (
            high - low
        )
        if not (off < 4e-4).all():
            wrong.append(theirs)
    assert sorted(wrong) == SPLINES[name]


def one_way(frame, y, group):
    """J, r, SSE, SST of a balanced one-way layout."""
    by = frame.groupby(group, observed=True)[y]
    r = int(by.size().iloc[0])
    return (
        len(by),
        r,
        float(((frame[y] - by.transform("mean")) ** 2).sum()),
        float(r * by.mean().var(ddof=0) * len(by)),
    )


def closed_deviance(sums, method, a, s):
    """-2 log-likelihood at sds a between and s within: theory.md, [E-ONEWAY]; constants left out."""
    J, r, SSE, SST = sums
    d = s**2 + r * a**2
    minus = 1 if method == "REML" else 0
    return (J * r - J) * np.log(s**2) + (J - minus) * np.log(d) + SSE / s**2 + SST / d


def brute_force(f, low, high, rounds=12, points=401):
    """Least value of f over an interval, by grids each within the last one's best cell."""
    for _ in range(rounds):
        grid = np.linspace(low, high, points)
        k = int(np.argmin(f(grid)))
        low, high = grid[max(k - 1, 0)], grid[min(k + 1, points - 1)]
    return float(f(np.array([(low + high) / 2]))[0])


@pytest.mark.parametrize("method", ["ML", "REML"])
@pytest.mark.parametrize(("name", "y", "group"), [("rail", "travel", "Rail"), ("dyestuff", "Yield", "Batch")])
def test_one_way_by_brute_force(name, y, group, method):
    """The other sd by grids, the limit by bisection; 1e-7 of the limit, as rise and minimum are exact to 1e-10."""
    frame = bb.load_dataset(name)
    sums = one_way(frame, y, group)
    fit = bb.MixedModel(f"{y} ~ 1 + (1 | {group})", frame).fit(method)
    found = intervals(fit.estimate, 0.95, [f"sd_{group}[Intercept]", "sigma"])
    a, s = fit.variances.sd(group)["Intercept"], fit.sigma
    lowest = closed_deviance(sums, method, a, s)

    def between(x):
        return brute_force(lambda t: closed_deviance(sums, method, x, t), s / 10, 10 * s) - lowest - RISE

    def within(x):
        return brute_force(lambda t: closed_deviance(sums, method, t, x), 0.0, 10 * a) - lowest - RISE

    for row, f, middle in ((0, between, a), (1, within, s)):
        limits = brentq(f, middle / 50, middle, xtol=1e-10), brentq(f, middle, 50 * middle, xtol=1e-10)
        assert found.iloc[row][["ci_lb", "ci_ub"]].tolist() == pytest.approx(limits, rel=1e-7)


def test_dyestuff2_is_one_sided():
    """An sd of 0 has no lower limit, and the note says why; the mean is profiled as anywhere."""
    fit = bb.MixedModel("Yield ~ 1 + (1 | Batch)", bb.load_dataset("dyestuff2")).fit("ML")
    found = intervals(fit.estimate, 0.95)
    row = found.loc["sd_Batch[Intercept]"]
    assert row[["estimate", "ci_lb"]].tolist() == [0.0, 0.0] and row["ci_ub"] > 1
    assert row["note"] == "one-sided: never excludes 0"
    assert (found.drop(index="sd_Batch[Intercept]")["note"] == "").all()
    theta = intervals(fit.estimate, 0.95, ["theta[0]"]).iloc[0]
    assert theta[["estimate", "ci_lb"]].tolist() == [0.0, 0.0] and theta["note"] == row["note"]


def test_entries_of_theta_count_with_a_nonnegative_diagonal():
    """The sign of the second entry is that of the covariance, so its profile is no mirror; by another optimiser."""
    d, fit = interior("slope", "ML")
    found = intervals(fit, 0.95, ["theta[0]", "theta[1]", "theta[2]"])
    for name, row in found.iterrows():
        assert row["estimate"] == pytest.approx(fit.theta[int(name[6])], rel=1e-9)
        for end in (row["ci_lb"], row["ci_ub"]):
            if not (row["note"] and end == 0.0):
                rise = lowest_by_hand(d, name, end, "ML") - fit.criterion
                assert rise == pytest.approx(RISE, abs=1e-5)


@pytest.mark.parametrize(
    ("model", "method"), [("slope weights", "ML"), ("slope", "REML"), ("crossed offset", "ML")]
)
def test_limits_by_another_optimiser(model, method):
    """One limit of everything in a random model: the deviance has risen by the chi-square quantile there."""
    d, fit = interior(model, method)
    for k, (name, row) in enumerate(intervals(fit, 0.9).iterrows()):
        end = row["ci_ub"] if k % 2 else row["ci_lb"]
        if not (row["note"] and end in (-1.0, 0.0, 1.0)):
            rise = lowest_by_hand(d, str(name), end, method) - fit.criterion
            assert rise == pytest.approx(chi2.ppf(0.9, 1), abs=1e-5), name


def test_limits_where_the_rest_have_two_minima():
    """Found among random models: what is followed from the estimate rises too early, and the limit is farther out."""
    d, fit = two_minima("beta[x]")
    row = intervals(fit, 0.95, ["beta[x]"]).iloc[0]
    assert lowest_by_hand(d, "beta[x]", row["ci_lb"], "ML", starts=12) - fit.criterion == pytest.approx(
        RISE, abs=1e-5
    )
    d, fit = two_minima("corr_g[x,Intercept]")
    row = intervals(fit, 0.95, ["corr_g[x,Intercept]"]).iloc[0]
    assert row["ci_lb"] == -1.0 and row["note"] == "one-sided: never excludes -1"
    assert lowest_by_hand(d, "corr_g[x,Intercept]", -0.99999, "ML", starts=12) - fit.criterion < RISE


def test_units_of_y_and_x():
    """y times 1000, days in weeks: limits move with their parameters, to 1e-7 of the width."""
    frame = bb.load_dataset("sleepstudy")
    formula = "Reaction ~ Days + (Days | Subject)"
    found = intervals(bb.MixedModel(formula, frame).fit("ML").estimate, 0.95)
    other = frame.assign(Reaction=frame["Reaction"] * 1000, Days=frame["Days"] / 7)
    again = intervals(bb.MixedModel(formula, other).fit("ML").estimate, 0.95)
    units = {"beta[Intercept]": 1e3, "beta[Days]": 7e3, "sigma": 1e3, "sd_Subject[Intercept]": 1e3}
    units |= {"sd_Subject[Days]": 7e3, "corr_Subject[Days,Intercept]": 1.0}
    for name, row in found.iterrows():
        width = (row["ci_ub"] - row["ci_lb"]) * units[name]
        for end in ("ci_lb", "ci_ub"):
            assert again.loc[name, end] == pytest.approx(row[end] * units[name], abs=1e-7 * width)


@pytest.mark.parametrize("model", ["slope", "nested"])
def test_higher_levels_hold_lower_ones(model):
    _, statistics, _ = random_case(model, seed=77)
    fit = estimate(statistics, "ML")
    levels = [intervals(fit, p) for p in (0.5, 0.9, 0.99)]
    for inner, outer in itertools.pairwise(levels):
        assert (outer["ci_lb"] <= inner["ci_lb"]).all() and (inner["ci_ub"] <= outer["ci_ub"]).all()
        assert (inner["ci_lb"] <= inner["estimate"]).all() and (inner["estimate"] <= inner["ci_ub"]).all()


def test_known_sigma_is_no_parameter():
    """Eight schools: tau from 0, mu; closed forms of the deviance of independent y ~ N(mu, tau^2 + se^2)."""
    frame = bb.load_dataset("eight_schools")
    y, v = frame["y"].to_numpy(float), frame["se"].to_numpy(float) ** 2
    model = bb.MixedModel("y ~ 1 + (1 | school)", frame, weights=1 / v, sigma=1)
    found = intervals(model.fit("ML").estimate, 0.95)
    assert list(found.index) == ["beta[Intercept]", "sd_school[Intercept]"]

    def deviance(mu, tau):
        return (np.log(tau**2 + v) + (y - mu) ** 2 / (tau**2 + v)).sum()

    def at_tau(tau):
        w = 1 / (tau**2 + v)
        return deviance((w * y).sum() / w.sum(), tau)

    def at_mu(mu):
        return brute_force(lambda t: np.array([deviance(mu, x) for x in t]), 0.0, 60.0, points=61)

    lowest = at_tau(0.0)
    tau = brentq(lambda t: at_tau(t) - lowest - RISE, 0.1, 100)
    assert found.loc["sd_school[Intercept]", ["ci_lb", "ci_ub"]].tolist() == pytest.approx([0, tau], rel=1e-7)
    mu = found.loc["beta[Intercept]"]
    assert [at_mu(mu["ci_lb"]) - lowest, at_mu(mu["ci_ub"]) - lowest] == pytest.approx([RISE, RISE], abs=1e-6)


def test_aliased_columns_and_correlations_that_do_not_exist():
    d, statistics, _ = random_case("slope deficient", seed=3)
    found = intervals(estimate(statistics, "ML"), 0.95)
    assert found.loc["beta[x2]", ["estimate", "ci_lb", "ci_ub"]].isna().all()
    assert found.loc["beta[x2]", "note"] == ALIASED
    without = bb.MixedModel(d.formula.replace(" + x2", ""), d.frame).fit("ML")
    expected = intervals(without.estimate, 0.95)
    kept = found.drop(index="beta[x2]")
    assert list(kept.index) == list(expected.index)
    width = (expected["ci_ub"] - expected["ci_lb"]).to_numpy()
    for end in ("ci_lb", "ci_ub"):
        assert (np.abs(kept[end].to_numpy() - expected[end].to_numpy()) / width).max() < 1e-6
    fit = bb.MixedModel("y ~ x + (x | a)", equal_slopes()).fit("ML")
    row = intervals(fit.estimate, 0.95).loc["corr_a[x,Intercept]"]
    assert row["note"] == NO_CORRELATION and np.isnan(row["ci_lb"])


def test_reml_holds_no_fixed_effects():
    _, fit = interior("slope", "REML")
    assert not any(name.startswith("beta") for name in intervals(fit, 0.95).index)
    with pytest.raises(DataError, match=r"beta\[x\]: the REML criterion does not hold the fixed effects"):
        intervals(fit, 0.95, ["sigma", "beta[x]"])


def test_parameters_by_name():
    _, fit = interior("slope", "ML")
    everything = intervals(fit, 0.95)
    some = ["sd_a[x]", "beta[Intercept]", "sigma"]
    chosen = intervals(fit, 0.95, some)
    assert list(chosen.index) == some
    assert chosen["ci_ub"].tolist() == everything.loc[some, "ci_ub"].tolist()
    assert list(curves(fit, ["theta[2]"])) == ["theta[2]"]
    with pytest.raises(
        DataError, match=r"no parameter 'sd_a\[X\]'.*it has beta\[Intercept\], .*mean 'sd_a\[x\]'\?"
    ):
        intervals(fit, 0.95, ["sd_a[X]"])
    with pytest.raises(DataError, match=r"no parameter 'zzz' in this fit \(it has .*\)\.$"):
        intervals(fit, 0.95, ["zzz"])
    with pytest.raises(DataError, match=r"no parameter 'theta\[3\]'"):
        intervals(fit, 0.95, ["theta[3]"])


ZETAS = (-3.0, -1.96, -0.7, 0.4, 1.0, 2.5)


@pytest.mark.parametrize(
    ("model", "method"), [("slope weights", "ML"), ("crossed", "REML"), ("diagonal", "ML")]
)
def test_traces_lie_on_the_deviance(model, method):
    """zeta grows with the value, deviance = lowest + zeta^2, and every column is what a refit there would say."""
    _, fit = interior(model, method)
    found = traces(fit, ZETAS)
    names = list(curves(fit, None))
    assert list(found["parameter"].unique()) == names
    assert list(found.columns[:4]) == ["parameter", "zeta", "value", "deviance"]
    for name, rows in found.groupby("parameter"):
        assert (np.diff(rows["zeta"]) > 0).all() and (np.diff(rows["value"]) > 0).all()
        assert rows["deviance"].to_numpy() == pytest.approx(fit.criterion + rows["zeta"] ** 2, abs=1e-7)
        assert set(np.round(rows["zeta"], 6)) <= {0.0, *ZETAS} or rows["value"].min() == 0.0
        assert rows[str(name)].to_numpy() == pytest.approx(rows["value"].to_numpy(), rel=1e-12)
        best = rows[rows["zeta"] == 0.0].iloc[0]
        assert best["sigma"] == pytest.approx(fit.sigma, rel=1e-8)
        assert best["deviance"] == pytest.approx(fit.criterion, rel=1e-12)


def test_traces_meet_the_intervals():
    """At zeta = +-1.96 the trace stands on the 95 % limits."""
    _, fit = interior("slope", "ML")
    z = np.sqrt(RISE)
    found = traces(fit, (-z, z)).set_index(["parameter", "zeta"])
    for name, row in intervals(fit, 0.95).iterrows():
        values = found.loc[name, "value"].to_numpy()
        width = row["ci_ub"] - row["ci_lb"]
        assert values == pytest.approx(row[["ci_lb", "estimate", "ci_ub"]].tolist(), abs=1e-7 * width)


def test_a_trace_has_no_row_for_what_has_no_profile():
    _, statistics, _ = random_case("slope deficient", seed=3)
    found = traces(estimate(statistics, "ML"), (-1.0, 1.0), ["beta[x2]", "beta[x]"])
    assert list(found["parameter"].unique()) == ["beta[x]"]
