"""The statistic: rounding is zero, a lower likelihood of the larger model is an error."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from blupbayes.errors import BlupbayesError
from blupbayes.frequentist.chi_bar import ChiBar, chi_bar
from blupbayes.frequentist.statistic import likelihood_ratio, reading

NAMES = ("small", "large")


def test_rounding_is_zero_and_nothing_else_is():
    assert likelihood_ratio(100.0 + 1e-7, 100.0, NAMES) == 0.0 == likelihood_ratio(100.0, 100.0 + 1e-7, NAMES)
    assert likelihood_ratio(1e7, 1e7 + 5e-6, NAMES) == 0.0  # 1e-12 of the criterion
    assert likelihood_ratio(100.001, 100.0, NAMES) == pytest.approx(0.001)


def test_a_special_case_that_fits_better_is_an_error():
    with pytest.raises(BlupbayesError, match="'small' has a higher likelihood than 'large'"):
        likelihood_ratio(99.99, 100.0, NAMES)


def test_the_columns_of_a_test():
    test = SimpleNamespace(chisq=3.0, df=2)
    row = reading(test, chi_bar(np.eye(1), 1), None)
    assert list(row) == ["chisq", "df", "p", "p_boundary"]
    assert row["p"] == pytest.approx(stats.chi2.sf(3.0, 2))
    assert row["p_boundary"] == pytest.approx(0.5 * (stats.chi2.sf(3.0, 1) + stats.chi2.sf(3.0, 2)))
    assert np.isnan(reading(test, "no closed form", None)["p_boundary"])
    assert np.isnan(reading(SimpleNamespace(chisq=0.0, df=0), ChiBar(np.ones(1)), None)["p"])


def test_a_bootstrap_is_asked_once_with_the_test():
    test, asked = SimpleNamespace(chisq=3.0, df=2), []
    row = reading(test, chi_bar(np.eye(1), 1), lambda t: asked.append(t) or 0.25)
    assert row["p_bootstrap"] == 0.25 and asked == [test]
