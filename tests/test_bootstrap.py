"""The parametric bootstrap: exact laws where there are some, the rows' own refits, seeds, boundaries and refusals."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import blupbayes as bb
from blupbayes.errors import BlupbayesError, DataError
from blupbayes.frequentist import bootstrap as module
from blupbayes.frequentist.bootstrap import bootstrap

KINDS = ("percentile", "bca", "basic")


@pytest.fixture(scope="module")
def sleepstudy():
    return bb.MixedModel("Reaction ~ Days + (Days | Subject)", bb.load_dataset("sleepstudy")).fit("REML")


@pytest.fixture(scope="module")
def replicates(sleepstudy):
    return bootstrap(sleepstudy.design, sleepstudy.estimate, 3000, random_seed=1)


def one_way(sd, seed=0, J=12, r=6, **options):
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(J), r)
    y = 5.0 + sd * rng.normal(size=J)[g] + rng.normal(size=J * r)
    return bb.MixedModel("y ~ 1 + (1 | g)", {"y": y, "g": g}, **options).fit("REML")


def test_a_balanced_one_way_layout_has_known_laws():
    """Mean normal, residual sum of squares chi-squared [E-ONEWAY]: Kolmogorov's distance, false alarm 1e-4."""
    fit = one_way(3.0)
    found = bootstrap(fit.design, fit.estimate, 2000, random_seed=2)
    se = float(fit.summary().loc["Intercept", "se"])
    mean = found.replicates["beta[Intercept]"]
    assert stats.kstest((mean - fit.beta["Intercept"]) / se, "norm").pvalue > 1e-4
    inside = ~found.singular["g"].to_numpy()
    assert inside.all()
    residual = (found.replicates["sigma"] / fit.sigma) ** 2 * 60
    assert stats.kstest(residual, stats.chi2(60).cdf).pvalue > 1e-4
    between = found.replicates["sd_g[Intercept]"] ** 2 * 6 + found.replicates["sigma"] ** 2
    expected = float(fit.variances.sd("g").iloc[0]) ** 2 * 6 + fit.sigma**2
    assert stats.kstest(between / expected * 11, stats.chi2(11).cdf).pvalue > 1e-4
    assert found.acceleration["sigma"] == pytest.approx(
        np.sqrt(8 / 60) / 6, rel=0.25
    )  # a third moment of 2000


def test_replicates_are_those_of_simulated_rows_and_refits(sleepstudy, replicates):
    """Means and sds of 3000 replicates against 150 whole refits of simulated rows."""
    d, rng, rows = sleepstudy.design, np.random.default_rng(3), []
    T = sleepstudy.estimate.T[0]
    for _ in range(150):
        b = sleepstudy.sigma * rng.normal(size=(18, 2)) @ T.T
        noise = sleepstudy.sigma * rng.normal(size=180)
        y = (
            d.X @ sleepstudy.estimate.beta
            + np.sum(d.groups[0].columns * b[d.groups[0].codes], axis=1)
            + noise
        )
        frame = bb.load_dataset("sleepstudy").assign(Reaction=y)
        v = (fit := bb.MixedModel("Reaction ~ Days + (Days | Subject)", frame).fit("REML")).variances
        corr = v.corr("Subject").iloc[1, 0]
        rows.append([*fit.beta, fit.sigma, *v.sd("Subject"), corr])
    other = pd.DataFrame(rows, columns=replicates.estimate.index)
    for name in other:
        one, two = replicates.replicates[name].dropna(), other[name].dropna()
        assert stats.ks_2samp(one, two).pvalue > 1e-4, name


def test_columns_estimates_and_counts(sleepstudy, replicates):
    assert list(replicates.replicates.columns) == [
        "beta[Intercept]", "beta[Days]", "sigma", "sd_Subject[Intercept]", "sd_Subject[Days]",
        "corr_Subject[Days,Intercept]", "criterion",
    ]  # fmt: skip
    assert len(replicates) == 3000 and not replicates.interrupted
    assert replicates.estimate["beta[Days]"] == sleepstudy.beta["Days"]
    assert replicates.estimate["sd_Subject[Days]"] == pytest.approx(
        sleepstudy.variances.sd("Subject")["Days"]
    )
    assert replicates.n_not_converged == 0
    share = replicates.boundary_share
    assert list(share.index) == ["any", "Subject"] and 0.0 < share["any"] < 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_intervals(replicates, kind):
    table = replicates.interval(0.9, kind)
    assert list(table.columns) == ["estimate", "bias", "se", "ci_lb", "ci_ub", "ci_kind", "ci_prob"]
    assert set(table["ci_kind"]) == {f"bootstrap {kind}"} and set(table["ci_prob"]) == {0.9}
    assert np.all(table["ci_lb"] < table["estimate"]) and np.all(table["estimate"] < table["ci_ub"])
    wider = replicates.interval(0.99, kind)
    assert np.all(wider["ci_lb"] <= table["ci_lb"]) and np.all(wider["ci_ub"] >= table["ci_ub"])
    assert np.all(table.filter(like="sd_", axis=0)["ci_lb"] >= 0)
    x = replicates.replicates["beta[Days]"]
    assert table.loc["beta[Days]", "se"] == pytest.approx(x.std())
    assert table.loc["beta[Days]", "bias"] == pytest.approx(x.mean() - replicates.estimate["beta[Days]"])


def test_equivariance_under_change_of_units(sleepstudy, replicates):
    """Reaction in seconds, Days in weeks: the same seed draws the same world."""
    frame = bb.load_dataset("sleepstudy").assign(
        Reaction=lambda d: d.Reaction / 1000, Days=lambda d: d.Days / 7
    )
    fit = bb.MixedModel("Reaction ~ Days + (Days | Subject)", frame).fit("REML")
    other = bootstrap(fit.design, fit.estimate, 3000, random_seed=1)
    units = np.array([1e-3, 7e-3, 1e-3, 1e-3, 7e-3, 1.0])
    for kind in KINDS:
        one, two = replicates.interval(kind=kind), other.interval(kind=kind)
        for column in ("ci_lb", "ci_ub", "se"):
            # theta to 1e-5 of its se
            assert two[column].to_numpy() == pytest.approx(one[column].to_numpy() * units, rel=1e-3)


def test_bca_limits_of_sigma_are_the_exact_ones_where_percentile_limits_are_not():
    """24 degrees of freedom: the exact 90 % limits are chi-squared ones."""
    fit = one_way(2.0, J=6, r=5)
    found = bootstrap(fit.design, fit.estimate, 20_000, random_seed=4)
    exact = fit.sigma * np.sqrt(24 / stats.chi2(24).ppf([0.95, 0.05]))
    bca, percentile = (
        found.interval(0.9, kind).loc["sigma", ["ci_lb", "ci_ub"]].to_numpy(float)
        for kind in ("bca", "percentile")
    )
    assert np.abs(bca - exact).max() < 0.2 * np.abs(percentile - exact).max()


def test_seeds_and_jobs(sleepstudy, replicates):
    again = bootstrap(sleepstudy.design, sleepstudy.estimate, 3000, random_seed=1, n_jobs=2)
    assert again.replicates.equals(replicates.replicates)
    shorter = bootstrap(sleepstudy.design, sleepstudy.estimate, 1000, random_seed=replicates.random_seed)
    assert shorter.replicates.equals(replicates.replicates.iloc[:1000])
    other = bootstrap(sleepstudy.design, sleepstudy.estimate, 100, random_seed=2)
    assert not np.isin(other.replicates["sigma"], replicates.replicates["sigma"]).any()


def test_an_estimate_at_the_boundary_says_so():
    fit = bb.MixedModel("Yield ~ 1 + (1 | Batch)", bb.load_dataset("dyestuff2")).fit("REML")
    found = bootstrap(fit.design, fit.estimate, 1000, random_seed=1)
    # P(between mean square <= within mean square) at variance 0: F with 5 and 24 degrees of freedom
    expected = stats.f(5, 24).cdf(1.0)
    assert found.boundary_share["Batch"] == pytest.approx(expected, abs=4.5 * np.sqrt(0.25 / 1000))
    assert any("one-sided" in note for note in found.notes)
    for kind in KINDS:
        table = found.interval(kind=kind)
        assert table.loc["sd_Batch[Intercept]", "ci_lb"] == 0.0
        assert table.loc["beta[Intercept]", "estimate"] == pytest.approx(5.6656, abs=1e-4)
        assert np.isfinite(table[["ci_lb", "ci_ub"]].to_numpy()).all()


def test_correlations_beside_a_zero_sd_are_left_out_and_counted():
    rng = np.random.default_rng(0)
    g, x = np.repeat(np.arange(8), 6), np.tile(np.arange(6.0), 8)
    fit = bb.MixedModel("y ~ x + (x | g)", {"y": rng.normal(size=48), "x": x, "g": g}).fit()
    found = bootstrap(fit.design, fit.estimate, 300, random_seed=1)
    missing = found.replicates["corr_g[x,Intercept]"].isna().sum()
    assert missing > 0 and any(f"in {missing} replicates" in note for note in found.notes)


def test_known_sigma_and_aliased_columns():
    fit = one_way(1.0, sigma=1.0)
    assert "sigma" not in bootstrap(fit.design, fit.estimate, 10, random_seed=1).replicates
    frame = bb.load_dataset("sleepstudy").assign(Twice=lambda d: 2 * d.Days)
    fit = bb.MixedModel("Reaction ~ Days + Twice + (1 | Subject)", frame).fit()
    found = bootstrap(fit.design, fit.estimate, 50, random_seed=1)
    table = found.interval()
    assert found.replicates["beta[Twice]"].isna().all() and table.loc["beta[Twice]"].isna().sum() == 5
    assert np.isfinite(table.loc["beta[Days]", ["ci_lb", "ci_ub"]].to_numpy(float)).all()


def test_a_model_in_blocks(storage):
    frame = bb.load_dataset("pastes")
    fit = bb.MixedModel("strength ~ 1 + (1 | batch/cask)", frame).fit("ML")
    found = bootstrap(fit.design, fit.estimate, 20, random_seed=1)
    assert len(found) == 20 and found.n_not_converged == 0
    assert found.boundary_share.index.tolist() == ["any", "batch", "batch:cask"]


def test_it_can_be_stopped(sleepstudy, monkeypatch):
    done = []

    def stopped(source, size, seed, whole=module.one_block):
        if done:
            raise KeyboardInterrupt
        done.append(size)
        return whole(source, size, seed)

    monkeypatch.setattr(module, "one_block", stopped)
    found = bootstrap(sleepstudy.design, sleepstudy.estimate, 2000, random_seed=1)
    assert found.interrupted and len(found) == 500
    assert any("500 of 2000" in note for note in found.notes)


@pytest.mark.parametrize("n", [0, -1, 2.5])
def test_no_replicates_are_refused(sleepstudy, n):
    with pytest.raises(DataError, match="whole number of replicates above 0"):
        bootstrap(sleepstudy.design, sleepstudy.estimate, n)


def test_no_such_interval_is_refused(replicates):
    with pytest.raises(BlupbayesError, match="percentile"):
        replicates.interval(kind="profile")


def test_it_reads_as_a_table_with_notes(replicates):
    text = repr(replicates)
    assert "bootstrap percentile" in text and "3000 parametric bootstrap replicates" in text


def test_it_can_be_pickled(replicates):
    import pickle

    again = pickle.loads(pickle.dumps(replicates))
    assert again.replicates.equals(replicates.replicates)


def test_the_example_runs():
    import doctest
    import sys

    found = doctest.testmod(sys.modules[bootstrap.__module__])
    assert found.attempted and not found.failed
