"""Rows of the long table: one layout, missing text "" and missing numbers NaN."""

import numpy as np
import pytest
from scipy.stats import norm

from blupbayes.compare.rows import COLUMNS, KEYS, TEXT, block, gather, normal_interval, variance_rows
from blupbayes.variances import Variances


def variances(corr=0.5, sd=(2.0, 3.0)):
    """Two coefficients with a free correlation, one group without; residual sd 1.5."""
    Sigma = np.outer(sd, sd) * np.array([[1.0, corr], [corr, 1.0]])
    return Variances(
        ("g", "h"), (("Intercept", "x"), ("Intercept",)), (Sigma, np.array([[16.0]])), (((1, 0),), ()), 1.5
    )


def test_the_columns_are_those_of_the_contract():
    expected = (
        "component group level term estimator estimate uncertainty uncertainty_kind ci_lb ci_ub ci_kind "
        "ci_prob mcse ess_bulk r_hat note"
    )
    assert expected.split() == COLUMNS and COLUMNS[:4] == KEYS


def test_what_is_not_given_is_empty():
    table = block("fixed", "ML", term=["a", "b"], estimate=[1.0, 2.0])
    assert list(table.columns) == COLUMNS and len(table) == 2
    for name in set(COLUMNS) - {"component", "term", "estimator", "estimate"}:
        missing = table[name] == "" if name in TEXT else table[name].isna()
        assert missing.all(), name
    assert all(table[name].dtype == float for name in set(COLUMNS) - TEXT)


def test_scalars_are_repeated():
    table = block(
        "b", "ML", group="g", level=["1", "2"], estimate=[0.0, 1.0], uncertainty=3, note=["", "odd"]
    )
    assert table["group"].tolist() == ["g", "g"] and table["uncertainty"].tolist() == [3.0, 3.0]
    assert table["note"].tolist() == ["", "odd"]


def test_normal_interval_is_the_normal_quantile():
    # Against scipy.stats at two levels; both sides to rounding of a quantile.
    for prob in (0.5, 0.95):
        found = normal_interval([1.0, 2.0], [0.5, 2.0], prob, "wald")
        lower, upper = norm.interval(prob, [1.0, 2.0], [0.5, 2.0])
        assert found["ci_lb"] == pytest.approx(lower, rel=1e-13) and found["ci_ub"] == pytest.approx(
            upper, rel=1e-13
        )
        assert found["ci_kind"] == ["wald", "wald"] and (found["ci_prob"] == prob).all()


def test_no_bounds_no_kind():
    found = normal_interval([1.0, np.nan, 3.0], [np.inf, 1.0, 0.0], 0.95, "wald")
    assert found["ci_kind"] == ["", "", "wald"]
    assert np.isnan(found["ci_lb"][:2]).all() and np.isnan(found["ci_prob"][:2]).all()
    assert found["ci_lb"][2] == found["ci_ub"][2] == 3.0


def test_variances_give_sds_then_residual_then_free_correlations():
    table = gather(variance_rows(variances(), "ML", "given"))
    assert table[["component", "group", "term"]].to_numpy().tolist() == [
        ["sd", "g", "Intercept"],
        ["sd", "g", "x"],
        ["sd", "h", "Intercept"],
        ["sd", "residual", ""],
        ["corr", "g", "Intercept, x"],
    ]
    assert table["estimate"].to_numpy() == pytest.approx([2.0, 3.0, 4.0, 1.5, 0.5], rel=1e-14)
    assert (table["note"] == "given").all() and table["uncertainty"].isna().all()


def test_a_correlation_beside_a_zero_sd_is_undefined_and_says_so():
    row = gather(variance_rows(variances(sd=(0.0, 3.0)), "ML")).iloc[-1]
    assert np.isnan(row["estimate"]) and row["note"] == "undefined: an sd is 0"
