"""Quantiles of mixtures, to more digits than are asked for: rounding must not move what is reported."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from scipy.special import ndtri

from blupbayes.bayes.curves import Bells
from blupbayes.bayes.mixture import Mixture


def test_a_quantile_that_is_found_stays_while_others_are_sought():
    means, sds = np.array([[1.0, 0.0], [1.0, 30.0]]), np.array([[2.0, 1.0], [2.0, 1.0]])
    found = Bells(means, sds, np.array([0.3, 0.7])).quantiles([0.31, 0.025], 1e-3)
    np.testing.assert_allclose(found[:, 0], 1.0 + 2.0 * ndtri([0.31, 0.025]), rtol=1e-13)


def test_rounding_does_not_choose_among_equal_weights():
    w = np.array([0.9, 1e-5, 1e-5 * (1 + 1e-15), 1e-5 * (1 - 1e-15), 1e-9])
    kept = Mixture.worthwhile(SimpleNamespace(rel_error=2e-3), w)  # 2e-5 may be left out: one of the three
    assert kept.tolist() == [True, True, True, True, False]
