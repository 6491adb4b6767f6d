"""Bootstrap intervals: definitions by hand, and models in which the acceleration has a closed form."""

import numpy as np
import pytest
from scipy import stats

from blupbayes.errors import BlupbayesError
from blupbayes.frequentist.bootstrap_intervals import acceleration, checked, limits


def test_percentile_and_basic_by_hand():
    x = np.arange(1.0, 100.0)  # with 99 replicates the 2.5 % quantile is at place 2.5 of 100
    assert limits(40.0, x, 0.0, 0.95, "percentile") == pytest.approx((2.5, 97.5))
    assert limits(40.0, x, 0.0, 0.95, "basic") == pytest.approx((80.0 - 97.5, 80.0 - 2.5))


def test_bca_without_bias_and_skewness_is_percentile():
    x = np.arange(1.0, 100.0)
    assert limits(50.0, x, 0.0, 0.95, "bca") == pytest.approx((2.5, 97.5), rel=1e-9)


def test_bca_by_its_formula():
    rng = np.random.default_rng(0)
    x, a, value = rng.normal(size=999), 0.1, 0.2
    z0 = stats.norm.ppf(np.mean(x < value))
    z = z0 + stats.norm.ppf([0.025, 0.975])
    expected = np.quantile(x, stats.norm.cdf(z0 + z / (1 - a * z)), method="weibull")
    assert limits(value, x, a, 0.95, "bca") == pytest.approx(tuple(expected), rel=1e-12)


def test_ties_are_split_in_half():
    """An estimate of 0 with 60 % of the replicates at 0: as if 30 % were below."""
    x = np.concatenate([np.zeros(60), np.linspace(0.01, 1.0, 40)])
    z = 2 * stats.norm.ppf(0.3) + stats.norm.ppf(0.95)
    expected = np.quantile(x, stats.norm.cdf(z), method="weibull")
    assert limits(0.0, x, 0.0, 0.9, "bca") == pytest.approx((0.0, expected))


def test_what_is_not_defined_is_left_out():
    x = np.array([np.nan, *np.arange(1.0, 100.0), np.nan])
    assert limits(40.0, x, 0.0, 0.95, "percentile") == pytest.approx((2.5, 97.5))
    assert np.isnan(limits(np.nan, x, 0.0, 0.95, "bca")).all()
    assert np.isnan(limits(1.0, np.array([1.0, np.nan]), 0.0, 0.95, "percentile")).all()


def test_acceleration_of_a_variance_is_that_of_chi_squared():
    """s2 = sigma^2 chi^2_m / m: a sixth of the skewness of chi^2_m, in any parametrisation."""
    m, n, sigma = 10, 400_000, 3.0
    r2 = sigma**2 * np.random.default_rng(0).chisquare(m, n)
    scores = (r2 / sigma**3 - m / sigma)[:, None]
    for power in (1.0, 2.0, -1.0):
        found = acceleration(
            scores, np.array([sigma]), np.array([sigma]), lambda eta, power=power: eta**power
        )
        expected = np.sign(power) * np.sqrt(8.0 / m) / 6.0
        assert found[0] == pytest.approx(expected, rel=0.02)  # five Monte Carlo errors of a third moment


def test_acceleration_is_equivariant_and_of_the_direction():
    rng = np.random.default_rng(1)
    scores = np.column_stack([rng.chisquare(5, 1000) - 5, rng.normal(size=1000)])

    def values(eta):
        return np.column_stack([eta[:, 0] + 2.0 * eta[:, 1], eta[:, 0] * eta[:, 1]])

    at, units = np.array([1.0, 2.0]), np.array([1e3, 1e-4])
    found = acceleration(scores, at, np.ones(2), values)
    other = acceleration(scores / units, at * units, units, lambda eta: values(eta / units))
    assert other == pytest.approx(found, rel=1e-6)  # central differences
    centred = scores - scores.mean(axis=0)
    u = centred @ np.linalg.solve(np.cov(centred.T, ddof=0), np.array([1.0, 2.0]))
    assert found[0] == pytest.approx(stats.skew(u) / 6.0, rel=1e-6)


def test_no_information_is_no_acceleration():
    scores = np.column_stack([np.random.default_rng(0).normal(size=100), np.zeros(100)])
    found = acceleration(scores, np.ones(2), np.ones(2), lambda eta: np.column_stack([eta, eta.sum(axis=1)]))
    assert found[0] != 0.0 and found[1] == found[2] == 0.0


@pytest.mark.parametrize(("ci_prob", "kind"), [(0.0, "bca"), (95, "bca"), (0.95, "wald")])
def test_refusals(ci_prob, kind):
    with pytest.raises(BlupbayesError, match=r"probability between 0 and 1|not one of 'percentile'"):
        checked(ci_prob, kind)
