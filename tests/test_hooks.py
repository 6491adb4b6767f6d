"""Hooks for packages of regression tables: what they ask, without importing them."""

import numpy as np
import pytest
from scipy.stats import t

import blupbayes as bb


@pytest.fixture(scope="module")
def model():
    return bb.MixedModel("Reaction ~ Days + (Days | Subject)", bb.load_dataset("sleepstudy"))


def test_a_fit(model):
    fit = model.fit()
    table, own = fit.__maketables_coef_table__, fit.summary()
    assert table.index.name == "Coefficient" and table.index.tolist() == ["Intercept", "Days"]
    assert table.columns.tolist() == ["b", "se", "t", "p", "ci95l", "ci95u"]
    np.testing.assert_array_equal(table[["b", "se", "t", "p"]], own[["estimate", "se", "t", "p"]])
    np.testing.assert_allclose(table["ci95u"], own["estimate"] + t.ppf(0.975, own["df"]) * own["se"])
    np.testing.assert_allclose(table["ci95l"] + table["ci95u"], 2 * own["estimate"])
    assert fit.__maketables_depvar__ == "Reaction" and fit.__maketables_fixef_string__ is None
    asked = {key: fit.__maketables_stat__(key) for key in ("N", "ll", "aic", "bic", "r2")}
    assert asked == {"N": 180, "ll": fit.log_likelihood, "aic": fit.aic, "bic": fit.bic, "r2": None}
    assert "variances held" in fit.__maketables_stat__("se_type")
    for answer in (fit, model.integrate()):
        keys = answer.__maketables_default_stat_keys__
        assert "se_type" in keys and all(answer.__maketables_stat__(key) is not None for key in keys)


def test_a_posterior(model):
    post = model.integrate()
    table, own = post.__maketables_coef_table__, post.summary()
    assert table["b"].to_dict() == {k: own.loc[f"beta[{k}]", "mean"] for k in ("Intercept", "Days")}
    assert table["ci95l"].to_dict() == {k: own.loc[f"beta[{k}]", "eti95_lb"] for k in ("Intercept", "Days")}
    assert table[["t", "p"]].isna().all(axis=None)
    assert post.__maketables_stat__("N") == 180 and post.__maketables_stat__("aic") is None
    assert post.__maketables_stat__("se_type") == "posterior sd" and post.__maketables_depvar__ == "Reaction"


def test_maketables_prints_them(model):
    maketables = pytest.importorskip("maketables")
    page = maketables.ETable([model.fit(), model.integrate()]).make(type="html")
    text = page if isinstance(page, str) else page.as_raw_html()
    assert "Reaction" in text and "10.467" in text
    assert "posterior sd" in text and "variances held" in text  # which spread each column has
