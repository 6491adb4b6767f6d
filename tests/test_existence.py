"""Whether posteriors and their moments exist: the exponents against slopes of dense log-likelihoods."""

import math

import numpy as np
import pandas as pd
import pytest

from blupbayes.bayes.propriety import check_beta, check_sampled, moment_messages
from blupbayes.errors import IdentifiabilityError, PriorError
from blupbayes.model.design import build
from blupbayes.model.existence import missing_moments
from blupbayes.model.joint import Decov, InverseWishart, Wishart
from blupbayes.model.prior import Prior
from blupbayes.model.row_measures import exponent, flat_columns


def frame(J=5, n=40):
    """J groups, a covariate within them (x), two of the groups themselves (w, v), and a second factor."""
    rng = np.random.default_rng(5)
    g = np.arange(n) % J
    w, v = rng.normal(size=(2, J))
    return pd.DataFrame(
        {
            "y": rng.normal(10, 4, n),
            "x": rng.normal(5, 2, n),
            "w": w[g],
            "v": v[g],
            "g": g,
            "h": np.arange(n) // J % 4,
        }
    )


def log_likelihood(design, prior, column, s):
    """log p(y | sd of the column = s, sigma = 1), beta out; other random effects with sd 1. Dense, from V."""
    group = design.groups[0]
    Z = np.eye(len(group.levels))[group.codes] * column[:, None]
    V = np.eye(design.n_obs) + s**2 * Z @ Z.T
    if prior.kappa > 0:
        V += design.X @ np.linalg.pinv(prior.kappa * prior.precision) @ design.X.T
    X = flat_columns(design, prior.flat)
    inverse = np.linalg.inv(V)
    information = X.T @ inverse @ X
    y = design.y
    e = y - X @ np.linalg.solve(information, X.T @ inverse @ y) if X.size else y
    return -0.5 * (np.linalg.slogdet(V)[1] + np.linalg.slogdet(information)[1] + e @ inverse @ e)


ONE_COLUMN = np.outer([1, 5.0, 0], [1, 5.0, 0])
CASES = [
    ("y ~ 1 + (1 | g)", Prior(), 4),
    ("y ~ 0 + x + (1 | g)", Prior(), 5),
    ("y ~ x + (1 | g)", Prior(kappa=1e-3), 5),
    ("y ~ x + w + (1 | g)", Prior(), 3),
    ("y ~ x + w + v + (1 | g)", Prior(), 2),
    ("y ~ C(g) + (1 | g)", Prior(kappa=0.1), 5),
    ("y ~ x + w + (1 | g)", Prior(kappa=1, precision=np.diag([0, 1, 1])), 4),
    ("y ~ x + w + (1 | g)", Prior(kappa=1, precision=np.diag([1, 0, 0])), 4),
    ("y ~ x + w + (1 | g)", Prior(kappa=1, precision=np.diag([1, 0, 1])), 5),
    ("y ~ x + w + (1 | g)", Prior(kappa=1, precision=ONE_COLUMN), 4),
    ("y ~ x + (0 + x | g)", Prior(), 4),
    ("y ~ 1 + (0 + x | g)", Prior(), 5),
    ("y ~ x + x:w + (0 + x | g)", Prior(), 3),
]


@pytest.mark.parametrize(("formula", "prior", "expected"), CASES)
def test_exponents_are_slopes_of_the_likelihood(formula, prior, expected):
    design = build(formula, frame())
    resolved = prior.resolve(design)
    group = design.groups[0]
    column = group.columns[:, 0]
    assert exponent(group, column, flat_columns(design, resolved.flat)) == expected
    # the next term is s^-2 relative to the first; V^-1 has lost half its digits at s = 1e4
    low, high = (log_likelihood(design, resolved, column, s) for s in (1e3, 1e4))
    assert -(high - low) / math.log(10) == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize(("fixed", "expected"), [("x", 4), ("1", 5)])
def test_the_exponent_of_a_term_is_that_of_a_general_combination(fixed, expected):
    design = build(f"y ~ {fixed} + (x | g)", frame())
    group, basis = design.groups[0], flat_columns(design, Prior().resolve(design).flat)
    both = group.columns @ design.measures.combination(0, 0, 2)
    assert exponent(group, both, basis) == expected
    low, high = (log_likelihood(design, Prior().resolve(design), both, s) for s in (1e3, 1e4))
    assert -(high - low) / math.log(10) == pytest.approx(expected, abs=2e-3)


def test_levels_without_a_value_do_not_count():
    data = frame().assign(x=lambda d: np.where(d["g"] == 0, 0.0, d["x"]))
    design = build("y ~ 1 + (0 + x | g)", data)
    group = design.groups[0]
    assert exponent(group, group.columns[:, 0], flat_columns(design, np.eye(1))) == 4


def test_moments_by_the_order_of_the_tail():
    # the integral of sd^k sd^-order converges if order - k > 1
    assert missing_moments(2) == ["mean", "variance"]
    assert missing_moments(2.5) == missing_moments(3) == ["variance"]
    assert missing_moments(3.1) == missing_moments(math.inf) == []


@pytest.mark.parametrize(
    ("sd", "J", "missing"),
    [
        ("Flat", 3, "mean and variance do not exist"),
        ("Flat", 4, "variance does not exist"),  # pulp: mean finite, variance infinite
        ("Flat", 5, None),
        ("Flat on variance", 4, "mean and variance do not exist"),
        ("Flat on variance", 6, None),
        ("HalfCauchy(1)", 2, "variance does not exist"),
        ("HalfCauchy(1)", 3, None),
        ("HalfStudentT(3, 1)", 2, None),
        ("InverseGamma(.1, .1) on variance", 2, "variance does not exist"),
        ("HalfNormal(1)", 2, None),
    ],
)
def test_messages_say_which_moments_are_missing(sd, J, missing):
    design = build("y ~ 1 + (1 | g)", frame(J))
    messages = moment_messages(design, Prior(sd=sd).resolve(design))
    assert len(messages) == (missing is not None)
    for line in messages:
        assert missing in line and f"with {J} levels of g" in line and "of beta too" in line


def test_of_correlated_terms_and_joint_priors_it_is_said_that_they_may():
    design = build("y ~ x + (x | g)", frame(4))
    messages = moment_messages(design, Prior(sd="Flat").resolve(design))
    assert len(messages) == 2 and all("may not exist" in line for line in messages)
    assert moment_messages(design, Prior(covariance=Decov()).resolve(design)) == ()
    assert moment_messages(design, Prior(covariance=InverseWishart(3)).resolve(design)) == ()
    seven = build("y ~ x + (x | g)", frame(7))  # E = 6, tail -4.5
    (line,) = moment_messages(seven, Prior(covariance=Wishart()).resolve(seven))
    assert "sd_g[Intercept,x]" in line and "sd^-1.5" in line and "mean and variance may not exist" in line


@pytest.mark.parametrize(
    ("formula", "J", "prior", "says"),
    [
        ("y ~ 1 + (1 | g)", 8, Prior(sd="Flat on log sd"), "infinite mass"),
        ("y ~ 1 + (1 | g)", 8, Prior(sd="Flat on log sd"), "'HalfCauchy("),
        ("y ~ 1 + (1 | g)", 4, Prior(covariance=Wishart()), "at least 5 levels"),
        ("y ~ x + (x | g)", 6, Prior(covariance=Wishart()), "at least 7 levels"),
        ("y ~ w + (1 | g)", 3, Prior(sd="Flat"), "at least 4 levels"),
        ("y ~ 1 + (1 | g)", 3, Prior(sd="Flat on variance"), "at least 4 levels"),
    ],
)
def test_improper_posteriors_are_refused(formula, J, prior, says):
    with pytest.raises(PriorError) as error:
        prior.resolve(build(formula, frame(J)))
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("formula", "J", "prior"),
    [
        ("y ~ 1 + (1 | g)", 5, Prior(covariance=Wishart())),
        ("y ~ x + (x | g)", 7, Prior(covariance=Wishart())),
        ("y ~ w + (1 | g)", 4, Prior(sd="Flat")),
        ("y ~ 1 + (1 | g)", 2, Prior(residual="Flat on log sd")),
        ("y ~ 1 + (1 | g)", 2, Prior(sd="HalfCauchy(1)", residual="Flat on variance")),
    ],
)
def test_proper_posteriors_are_not(formula, J, prior):
    prior.resolve(build(formula, frame(J)))


def test_a_residual_sd_that_may_be_zero_needs_a_density_that_allows_it():
    data = pd.DataFrame(
        {"y": [1.0, 2.0, 4.0, 3.0, 7.0, 1.5], "x": [0, 1, 0, 1, 0, 1.0], "g": [0, 0, 1, 1, 2, 2]}
    )
    design = build("y ~ 1 + (x || g)", data)
    with pytest.raises(PriorError, match="reach every observation"):
        Prior(residual="Flat on log sd").resolve(design)
    Prior(residual="Flat").resolve(design)
    few = build("y ~ x + (1 | g)", data.iloc[:4])
    with pytest.raises(PriorError, match="2 observations more"):
        Prior(residual="Flat on variance").resolve(few)


@pytest.mark.parametrize(
    ("prior", "says"),
    [
        (Prior(covariance=Decov()), "covariance matrix of g"),
        (Prior(kappa=1, nu=3), "Student t"),
        (Prior(kappa=1, precision=np.diag([0, 1])), "singular"),
    ],
)
def test_the_pymc_model_refuses_what_it_does_not_hold(prior, says):
    with pytest.raises(PriorError, match=says):
        check_sampled(prior.resolve(build("y ~ x + (1 | g)", frame())))
    check_sampled(Prior(nu=3).resolve(build("y ~ x + (1 | g)", frame())))  # nu has no effect at kappa = 0


def test_dependent_columns_are_refused_only_where_the_prior_is_flat():
    design = build("y ~ x + twice + (1 | g)", frame().assign(twice=lambda d: 2 * d["x"] + 1))
    for precision in (np.diag([0.0, 0, 1]), np.diag([1.0, 1, 0]), np.eye(3)):
        check_beta(design, Prior(kappa=1, precision=precision).resolve(design))
    for prior in (Prior(), Prior.like("brms", design)):
        with pytest.raises(IdentifiabilityError, match="twice"):
            check_beta(design, prior.resolve(design))
