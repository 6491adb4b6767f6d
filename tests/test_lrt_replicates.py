"""The bootstrap of a likelihood ratio: exact laws of balanced layouts, the chi-bar mixture, seeds and refusals."""

import numpy as np
import pytest
from scipy import stats

import blupbayes as bb
from blupbayes.errors import DataError
from blupbayes.frequentist.lrt_replicates import lrt_replicates


def model(formula="Reaction ~ Days + (Days | Subject)", name="sleepstudy"):
    return bb.MixedModel(formula, bb.load_dataset(name))


def exact(J, r, f):
    """REML ratio of a balanced one-way layout [E-ONEWAY] as a function of the F statistic."""
    n = J * r
    share = (J - 1) / (n - 1) * f + (n - J) / (n - 1)
    return np.where(f > 1.0, (n - 1) * np.log(share) - (J - 1) * np.log(np.maximum(f, 1.0)), 0.0)


def test_one_way_layout_has_the_law_of_f():
    m = model("Yield ~ 1 + (1 | Batch)", "dyestuff")
    found = lrt_replicates(m.design, m.statistics, np.array([True]), 2000, random_seed=1)
    sample = exact(6, 5, stats.f(5, 24).rvs(size=20_000, random_state=2))
    assert stats.ks_2samp(found.replicates, sample).pvalue > 1e-4
    assert found.zero_share == pytest.approx(stats.f(5, 24).cdf(1.0), abs=4.5 * np.sqrt(0.25 / 2000))
    y = bb.load_dataset("dyestuff")
    groups = y.groupby("Batch", observed=True)["Yield"]
    f = 5 * groups.mean().var() / groups.var().mean()
    assert found.observed == pytest.approx(float(exact(6, 5, f)), rel=1e-6)
    p = stats.f(5, 24).sf(f)  # the ratio rises with F
    assert found.p_value == pytest.approx(p, abs=4.5 * np.sqrt(p * (1 - p) / 2000) + 1e-3)


@pytest.mark.parametrize("method", ["ML", "REML"])
@pytest.mark.parametrize(
    ("held", "smaller"),
    [([0, 1, 1], "(1 | Subject)"), ([0, 1, 0], "(Days || Subject)"), ([1, 1, 0], "(0 + Days | Subject)")],
)
def test_observed_is_the_difference_of_two_fits(held, smaller, method):
    m, null = model(), model(f"Reaction ~ Days + {smaller}").fit(method)
    found = lrt_replicates(m.design, m.statistics, np.array(held, bool), 20, random_seed=1, method=method)
    assert found.observed == pytest.approx(null.criterion - m.fit(method).criterion, abs=1e-7)
    assert found.sigma == pytest.approx(null.sigma, rel=1e-5)
    assert found.theta[np.array(held) == 0] == pytest.approx(null.theta, rel=1e-4)
    assert found.beta == pytest.approx(null.beta.to_numpy(), rel=1e-6)


def test_the_observed_ratio_is_that_of_the_reference():
    """Rail by ML, with and without the rails: lme4's chi-squared (tests/reference/lme4/Rail-lrt.json)."""
    m = model("travel ~ 1 + (1 | Rail)", "rail")
    found = lrt_replicates(m.design, m.statistics, np.array([True]), 10, random_seed=1, method="ML")
    assert found.observed == pytest.approx(35.366430308434218, abs=1e-8)


def test_ratios_are_not_negative_and_the_mixture_is_near():
    """A slope's variance and covariance: half chi-squared 1, half 2, for 18 subjects roughly."""
    m = model()
    found = lrt_replicates(m.design, m.statistics, np.array([False, True, True]), 2000, random_seed=3)
    assert found.converged.all() and np.all(found.replicates >= 0)
    for q in (0.5, 0.8, 0.95):
        x = np.quantile(found.replicates, q)
        mixture = 0.5 * stats.chi2(1).cdf(x) + 0.5 * stats.chi2(2).cdf(x)
        assert mixture == pytest.approx(q, abs=0.05)
    assert found.p_value == pytest.approx(1 / 2001)


def test_replicates_are_those_of_refits():
    """Each ratio from rows: simulated under the null, both models fitted from the start; same distribution."""
    m, null = (
        model("strength ~ 1 + (1 | batch/cask)", "pastes"),
        model("strength ~ 1 + (1 | batch:cask)", "pastes").fit(),
    )
    found = lrt_replicates(m.design, m.statistics, np.array([True, False]), 1000, random_seed=1)
    rng, ratios, frame = np.random.default_rng(0), [], bb.load_dataset("pastes")
    codes, sd = null.design.groups[0].codes, null.theta[0]
    for _ in range(80):
        y = null.beta.iloc[0] + null.sigma * (sd * rng.normal(size=30)[codes] + rng.normal(size=60))
        fits = [
            bb.MixedModel(f, frame.assign(strength=y)).fit()
            for f in ("strength ~ 1 + (1 | batch:cask)", "strength ~ 1 + (1 | batch/cask)")
        ]
        ratios.append(max(0.0, fits[0].criterion - fits[1].criterion))
    positive = np.array(ratios) > 1e-6
    assert positive.mean() == pytest.approx(1 - found.zero_share, abs=4.5 * np.sqrt(0.25 / 80))
    assert stats.ks_2samp(found.replicates[found.replicates > 1e-6], np.array(ratios)[positive]).pvalue > 1e-4


def test_a_model_in_blocks(storage):
    m = model("strength ~ 1 + (1 | batch/cask)", "pastes")
    found = lrt_replicates(m.design, m.statistics, np.array([True, False]), 10, random_seed=1)
    assert len(found) == 10 and np.all(found.replicates >= 0)
    null = model("strength ~ 1 + (1 | batch:cask)", "pastes").fit()
    assert found.observed == pytest.approx(null.criterion - m.fit().criterion, abs=1e-7)
    bare = lrt_replicates(m.design, m.statistics, np.array([True, True]), 10, random_seed=1)
    assert bare.observed > found.observed


def test_seeds_and_jobs():
    m, held = model(), np.array([False, True, True])
    one, two = (lrt_replicates(m.design, m.statistics, held, 600, random_seed=1, n_jobs=k) for k in (1, 2))
    assert np.array_equal(one.replicates, two.replicates)


def test_refusals():
    m = model()
    with pytest.raises(DataError, match="whole number"):
        lrt_replicates(m.design, m.statistics, np.array([False, True, True]), 0)
    with pytest.raises(DataError, match="mask"):
        lrt_replicates(m.design, m.statistics, np.array([True]), 10)


def test_it_reads_as_a_sentence():
    m = model()
    text = repr(lrt_replicates(m.design, m.statistics, np.array([False, True, True]), 100, random_seed=1))
    assert text.startswith("REML likelihood ratio 42.84, p = 0.009901 by 100 replicates")


def test_the_example_runs():
    import doctest
    import sys

    found = doctest.testmod(sys.modules[lrt_replicates.__module__])
    assert found.attempted and not found.failed
