"""Kenward and Roger (1997) as printed, with G_i = dV/d(entry of Sigma) and W^-1 for sigma^2, V written out.

The package takes entries of Omega at constant sigma and V itself: another basis of the same span.
"""

import numpy as np
import pytest

import blupbayes as bb
from blupbayes.errors import DataError
from blupbayes.frequentist import standard_errors
from blupbayes.frequentist.kenward_roger import kenward_roger, scaled_F
from blupbayes.frequentist.linear import Linear
from blupbayes.mme import layout
from blupbayes.mme.criterion import evaluate
from blupbayes.mme.fit import estimate
from contract import close
from interior import interior
from test_gaussian import case
from test_satterthwaite import INTERIOR, L3, case_like

# Both sides are evaluated at one (theta, sigma): rounding times the condition of Fisher's information, about 1e3.
EXACT = 1e-8


def setting(fit):
    at = evaluate(fit.statistics, fit.theta, "REML")
    return kenward_roger(at), at


def check(d, fit):
    """Adjusted covariance, df of each row, F and df of two and of three rows."""
    found, at = setting(fit)
    known = fit.statistics.sigma
    gamma = d.gamma(fit.theta, fit.sigma, "Sigma")
    family, gamma = d.family("Sigma", known), gamma if known is None else gamma[:-1]
    close(found.covariance(Linear(at, L3)), L3 @ family.kenward_roger(gamma)[0] @ L3.T, tolerance=EXACT)
    expected = [family.kenward_roger_test(row[None], gamma)[1] for row in L3]
    assert found.t_df(Linear(at, L3)) == pytest.approx(expected, rel=EXACT)
    rhs = np.array([0.3, -1.0, 2.0])
    for rows in ([0], [0, 1], [1, 2], [0, 1, 2]):
        wald, df, factor = found.test(Linear(at, L3[rows]), rhs[rows])
        assert (factor * wald, df) == pytest.approx(
            family.kenward_roger_test(L3[rows], gamma, rhs[rows]), rel=EXACT
        )


@pytest.mark.parametrize("model", [*INTERIOR, "balanced"])
def test_as_printed(model):
    check(*interior(model, "REML"))


@pytest.mark.parametrize("model", ["slope weights", "crossed_slopes", "nested weights offset", "three"])
def test_whatever_the_storage(model, storage):
    d, found = interior(model, "REML")
    check(d, estimate(case_like(d), "REML", start=found.theta))


@pytest.mark.parametrize("model", ["slope", "crossed"])
def test_a_known_sigma_is_not_estimated(model):
    check(*interior(model, "REML", 1.9))


@pytest.mark.parametrize("model", ["slope", "crossed_slopes"])
def test_anywhere_even_at_a_singular_covariance(model):
    """Entries of Sigma stay free at the boundary, where theta has no slope: as pbkrtest does."""
    d, statistics, theta = case(model, seed=71, zero=True)
    at = evaluate(statistics, theta, "REML")
    gamma, family = d.gamma(theta, at.sigma, "Sigma"), d.family("Sigma")
    found = kenward_roger(at)
    close(found.covariance(Linear(at, L3)), L3 @ family.kenward_roger(gamma)[0] @ L3.T, tolerance=EXACT)
    wald, df, factor = found.test(Linear(at, L3), np.zeros(3))
    assert (factor * wald, df) == pytest.approx(family.kenward_roger_test(L3, gamma), rel=EXACT)


@pytest.mark.parametrize("model", ["slope weights", "crossed_slopes"])
def test_one_row_has_the_df_of_satterthwaite_with_fishers_information(model):
    """q = 1: A1 = A2, the scale of F is 1, and df = 2 f^2 / (f_g'W f_g)."""
    d, fit = interior(model, "REML")
    found, at = setting(fit)
    gamma, family = d.gamma(fit.theta, fit.sigma, "Sigma"), d.family("Sigma")
    W = np.linalg.inv(family.expected(gamma, "REML"))
    for row in L3:
        f, step = row @ family.beta_cov(gamma) @ row, 1e-30
        units = np.eye(len(gamma))
        s = np.array([(row @ family.beta_cov(gamma + 1j * step * u) @ row).imag / step for u in units])
        F, df, factor = found.test(Linear(at, row[None]), np.zeros(1))
        assert factor == pytest.approx(1.0, rel=EXACT)
        assert df == pytest.approx(2 * f**2 / (s @ W @ s), rel=EXACT)
        wald = (row @ at.beta) ** 2 / found.covariance(Linear(at, row[None]))[0, 0]
        assert pytest.approx(wald, rel=EXACT) == F


def test_never_below_the_plain_covariance_of_a_balanced_design():
    """Rail: the mean is free of the variances, so nothing is corrected, and df are those of the rails: 5."""
    model = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail"))
    found, at = setting(model.fit().estimate)
    linear = Linear(at, np.eye(1))
    assert found.covariance(linear)[0, 0] == pytest.approx(linear.covariance[0, 0], rel=1e-12)
    assert found.t_df(linear) == pytest.approx([5.0], rel=1e-9)


def test_dyestuff2_keeps_the_df_of_the_batches():
    """The estimate is 0, not the variance: 5 df, where Satterthwaite says 29."""
    model = bb.MixedModel("Yield ~ 1 + (1 | Batch)", bb.load_dataset("dyestuff2"))
    found, at = setting(model.fit().estimate)
    assert found.t_df(Linear(at, np.eye(1))) == pytest.approx([5.0], rel=1e-9)


def test_the_hypothesis_is_what_counts():
    """Nonsingular combinations of the rows: the same F and df."""
    _, fit = interior("crossed_slopes", "REML")
    found, at = setting(fit)
    rhs, turn = np.array([0.3, -1.0, 2.0]), np.array([[1.0, 2.0, 0.0], [0.0, 1e3, 1.0], [1.0, 0.0, 1.0]])
    expected = found.test(Linear(at, L3), rhs)
    assert found.test(Linear(at, turn @ L3), turn @ rhs) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize(
    ("q", "A1", "A2", "df"),
    [
        (1, 0.2, 0.2, 10.0),
        (1, 0.5, 0.5, 4.0),
        (2, 0.8, 0.4, 10.0),
        (3, 0.9, 0.3, 20.0),
        (2, 0.0, 0.0, np.inf),
    ],
)
def test_df_of_a_single_variance(q, A1, A2, df):
    """One variance with nu df: A2 = 2 q / nu, A1 = q A2, and F is exactly F(q, nu) with scale 1; 4 df are no pole."""
    nu, factor = scaled_F(q, A1, A2)
    assert nu == pytest.approx(df, rel=1e-12)
    assert factor == pytest.approx(1.0, rel=1e-12)


def test_where_the_formula_divides_by_zero_the_limit_is_taken():
    """Two df: 1 - A2 / q and its partner vanish together, and F has no mean to match."""
    nu, factor = scaled_F(1, 1.0, 1.0)
    assert nu == pytest.approx(2.0, rel=1e-9) and factor == 1.0
    near, _ = scaled_F(1, 1.0 + 1e-6, 1.0 + 1e-6)
    assert near == pytest.approx(2.0, rel=1e-5)


def test_a_matrix_that_is_too_large_is_refused(monkeypatch):
    monkeypatch.setattr(layout, "DENSE_LIMIT", 0)
    monkeypatch.setattr(standard_errors, "LARGEST", 5)
    _, statistics, _ = case("crossed", seed=2)
    fit = estimate(statistics, "REML")
    with pytest.raises(DataError, match=r"Kenward-Roger need a dense matrix.*df='satterthwaite'"):
        setting(fit)
