"""Satterthwaite's df against differences of Var(L beta_hat) in other coordinates, closed forms, and laws."""

import numpy as np
import pytest

import blupbayes as bb
from blupbayes.frequentist.linear import Linear
from blupbayes.frequentist.satterthwaite import denominator, t_df, wald_F
from blupbayes.frequentist.standard_errors import spread
from blupbayes.mme.fit import estimate
from interior import interior
from test_gaussian import case
from test_standard_errors import INTERIOR, case_like, singular_slopes

METHODS = ("ML", "REML")
L3 = np.array([[1.0, 0.5, 0.0, 0.3], [0.0, 1.0, 0.0, 0.0], [0.0, 0.2, 1.0, -1.0]])

# theta_hat is known to about 1e-6 of a standard error, the judge's own curvature to 1e-8
DF = 1e-5


def rows_of(fit, L):
    found = spread(fit)
    return Linear(found.at, L), found


def dense_df(d, fit, L):
    """In the entries of Sigma and sigma^2, of which a known one is no part."""
    known = fit.statistics.sigma
    gamma = d.gamma(fit.theta, fit.sigma, "Sigma")
    family = d.family("Sigma", known)
    return family, gamma if known is None else gamma[:-1]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("model", INTERIOR)
def test_df_of_random_rows(model, method):
    d, fit = interior(model, method)
    family, gamma = dense_df(d, fit, L3)
    assert t_df(*rows_of(fit, L3)) == pytest.approx(family.satterthwaite(L3, gamma, method), rel=DF)


@pytest.mark.parametrize("model", ["slope weights", "crossed_slopes", "nested"])
def test_df_whatever_the_storage(model, storage):
    d, found = interior(model, "REML")
    fit = estimate(case_like(d), "REML", start=found.theta)
    family, gamma = dense_df(d, fit, L3)
    assert t_df(*rows_of(fit, L3)) == pytest.approx(family.satterthwaite(L3, gamma, "REML"), rel=DF)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("model", ["slope", "crossed"])
def test_a_known_sigma_adds_nothing(model, method):
    d, fit = interior(model, method, 1.9)
    family, gamma = dense_df(d, fit, L3)
    assert t_df(*rows_of(fit, L3)) == pytest.approx(family.satterthwaite(L3, gamma, method), rel=DF)


@pytest.mark.parametrize("method", METHODS)
def test_where_nothing_is_estimated_df_are_infinite(method):
    """Eight schools: sigma known, tau at 0. F is then a chi-square over its df."""
    frame = bb.load_dataset("eight_schools")
    model = bb.MixedModel("y ~ 1 + (1 | school)", frame, weights=1 / frame["se"] ** 2, sigma=1)
    linear, found = rows_of(model.fit(method).estimate, np.eye(1))
    assert t_df(linear, found).tolist() == [np.inf]
    F, num_df, den_df = wald_F(linear, found, np.zeros(1))
    assert (num_df, den_df) == (1, np.inf)
    assert pytest.approx(linear.estimate[0] ** 2 / linear.covariance[0, 0], rel=1e-12) == F


@pytest.mark.parametrize(("method", "df"), [("ML", 30), ("REML", 29)])
def test_dyestuff2_has_the_df_of_the_mean(method, df):
    """The variance at 0 takes no part: n (ML) or n - 1 df, as of 30 independent yields."""
    fit = bb.MixedModel("Yield ~ 1 + (1 | Batch)", bb.load_dataset("dyestuff2")).fit(method)
    assert t_df(*rows_of(fit.estimate, np.eye(1))) == pytest.approx([df], rel=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_a_group_at_zero_takes_no_part(method):
    """df of a crossed model with one variance at 0 are those of the model without it."""
    for seed in range(100):
        d, statistics, _ = case("crossed", seed=seed)
        fit = estimate(statistics, method)
        if fit.theta[1] == 0 < fit.theta[0]:
            break
    without = bb.MixedModel(d.formula.replace(" + (1 | c)", ""), d.frame).fit(method)
    assert fit.theta[0] == pytest.approx(without.theta[0], rel=1e-6)
    assert t_df(*rows_of(fit, L3)) == pytest.approx(t_df(*rows_of(without.estimate, L3)), rel=DF)


def test_a_perfect_correlation_is_a_coefficient_less():
    """The free parameters are then two of theta and sigma; by hand from the same parameters."""
    d, fit = singular_slopes()
    free, family, gamma = [0, 1, 3], d.family("theta"), d.gamma(fit.theta, fit.sigma, "theta")
    A = np.linalg.inv(family.observed(gamma, "REML")[np.ix_(free, free)])
    step, expected = 1e-30, []
    for row in L3:
        f = row @ family.beta_cov(gamma) @ row
        s = np.array([(row @ family.beta_cov(gamma + 1j * step * u) @ row).imag / step for u in np.eye(4)])[
            free
        ]
        expected.append(2 * f**2 / (s @ A @ s))
    assert t_df(*rows_of(fit, L3)) == pytest.approx(expected, rel=DF)


def fai_cornelius(family, gamma, L, method, rhs):
    """F and denominator df by rows turned along the eigenvectors of their correlation matrix."""
    Phi = family.beta_cov(gamma)
    cov = L @ Phi @ L.T
    size = np.sqrt(np.diag(cov))
    _, vectors = np.linalg.eigh(cov / np.outer(size, size))
    turned = (vectors.T / size) @ L
    nu = family.satterthwaite(turned, gamma, method)
    E = np.sum(nu / (nu - 2))
    miss = L @ family.beta(gamma) - rhs
    return miss @ np.linalg.solve(cov, miss) / len(L), 2 * E / (E - len(L))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("model", INTERIOR)
def test_F_of_several_rows(model, method):
    d, fit = interior(model, method)
    family, gamma = dense_df(d, fit, L3)
    rhs = np.array([0.3, -1.0, 2.0])
    F, num_df, den_df = wald_F(*rows_of(fit, L3), rhs)
    expected = fai_cornelius(family, gamma, L3, method, rhs)
    assert num_df == 3
    assert (F, den_df) == pytest.approx(expected, rel=DF)


@pytest.mark.parametrize("model", ["slope weights", "crossed_slopes"])
def test_F_knows_no_units_of_its_rows(model):
    """Rows in other units, and in another order, are the same hypothesis with the same df."""
    _, fit = interior(model, "REML")
    rhs = np.array([0.3, -1.0, 2.0])
    expected = wald_F(*rows_of(fit, L3), rhs)
    size, order = np.array([1e3, 1.0, -1e-4]), [2, 0, 1]
    assert wald_F(*rows_of(fit, L3 * size[:, None]), rhs * size) == pytest.approx(expected, rel=1e-9)
    assert wald_F(*rows_of(fit, L3[order]), rhs[order]) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("model", ["slope weights", "crossed_slopes"])
def test_dependent_rows_count_once(model):
    """F and its numerator df are those of independent rows that span the same."""
    _, fit = interior(model, "REML")
    rhs, more = np.array([0.3, -1.0, 2.0]), np.array([[1.0, 2.0, 0.0], [0.0, 1.0, -1.0]])
    F, num_df, _ = wald_F(*rows_of(fit, L3), rhs)
    again = wald_F(*rows_of(fit, np.r_[L3, more @ L3]), np.r_[rhs, more @ rhs])
    assert again[:2] == (pytest.approx(F, rel=1e-9), num_df)
    twice = wald_F(*rows_of(fit, np.r_[L3[:1], L3[:1]]), np.zeros(2))
    assert twice == pytest.approx(wald_F(*rows_of(fit, L3[:1]), np.zeros(1)), rel=1e-9)


@pytest.mark.parametrize(
    ("df", "expected"),
    [
        ([7.0], 7.0),
        ([7.0, 7.0, 7.0], 7.0),
        ([4.0, 8.0], 2 * (2 + 4 / 3) / (4 / 3)),  # E = 4/2 + 8/6
        ([4.0, np.inf], 2 * 3 / 1),  # E = 4/2 + 1
        ([np.inf, np.inf], np.inf),
        ([1.5, 30.0], 2.0),  # F has no mean
        ([1.5], 1.5),
    ],
)
def test_denominator(df, expected):
    assert denominator(np.array(df)) == pytest.approx(expected, rel=1e-14)


def test_denominator_is_continuous_where_df_meet():
    assert denominator(np.array([7.0, 7.0 + 1e-7])) == pytest.approx(7.0, rel=1e-6)
