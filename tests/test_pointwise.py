"""What is read off from draws, against SciPy and dense covariance matrices: equal to rounding."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats as st

from blupbayes.bayes import pointwise
from blupbayes.errors import BlupbayesError
from blupbayes.model.design import build
from blupbayes.model.prior import Prior

RNG = np.random.default_rng(2)
SHAPE = (2, 3)


def design(formula="y ~ x + (x | g)", **options):
    data = pd.DataFrame(RNG.normal(size=(30, 2)), columns=["y", "x"]).assign(g=np.arange(30) % 4, h=1)
    data["h"] = np.arange(30) // 8
    return build(formula, data, weights=1 + np.arange(30) % 3, offset=np.arange(30) / 10, **options)


def draws(of):
    found = {"beta": RNG.normal(size=(*SHAPE, len(of.fixed_names)))}
    if of.sigma is None:
        found["sigma"] = RNG.uniform(0.5, 2, SHAPE)
    for g in of.groups:
        q = len(g.names)
        found[f"sd_{g.name}"] = RNG.uniform(0.2, 2, (*SHAPE, q))
        found[f"b_{g.name}"] = RNG.normal(size=(*SHAPE, len(g.levels), q))
        if q == 2:
            rho = RNG.uniform(-0.9, 0.9, SHAPE)
            found[f"corr_{g.name}"] = np.stack([np.ones(SHAPE), rho, rho, np.ones(SHAPE)], -1).reshape(
                *SHAPE, 2, 2
            )
    return found


def means(of, found, c, d):
    mean = of.X @ found["beta"][c, d] + of.offset
    for g in of.groups:
        mean = mean + np.einsum("nk,nk->n", g.columns, found[f"b_{g.name}"][c, d][g.codes])
    return mean


@pytest.mark.parametrize("sigma", [None, 0.8])
def test_rows_given_b(sigma):
    of = design("y ~ x + (x | g) + (1 | h)", sigma=sigma)
    found = draws(of)
    values = pointwise.by_row(of, found)
    assert values.shape == (*SHAPE, 30)
    for c, d in np.ndindex(SHAPE):
        sd = (sigma or found["sigma"][c, d]) / np.sqrt(of.weights)
        np.testing.assert_allclose(values[c, d], st.norm(means(of, found, c, d), sd).logpdf(of.y), rtol=1e-12)


@pytest.mark.parametrize("sigma", [None, 0.8])
def test_levels_without_b(sigma):
    of = design(sigma=sigma)
    found, (g,) = draws(of), of.groups
    values = pointwise.by_level(of, Prior().resolve(of), found)
    for c, d in np.ndindex(SHAPE):
        Sigma = found["corr_g"][c, d] * np.outer(found["sd_g"][c, d], found["sd_g"][c, d])
        for j in range(4):
            own = g.codes == j
            V = g.columns[own] @ Sigma @ g.columns[own].T
            V += np.diag((sigma or found["sigma"][c, d]) ** 2 / of.weights[own])
            mean = of.X[own] @ found["beta"][c, d] + of.offset[own]
            expected = st.multivariate_normal(mean, V).logpdf(of.y[own])
            assert values[c, d, j] == pytest.approx(expected, rel=1e-10)


def test_levels_of_crossed_factors_share_effects():
    of = design("y ~ x + (1 | g) + (1 | h)")
    with pytest.raises(BlupbayesError, match="one grouping factor"):
        pointwise.by_level(of, Prior().resolve(of), draws(of))


def test_replicates_have_the_rows_own_mean_and_sd():
    of = design()
    found = {name: np.broadcast_to(x[:1, :1], (4, 2500, *x.shape[2:])) for name, x in draws(of).items()}
    y = pointwise.replicates(of, found, np.random.default_rng(0)).reshape(-1, 30)
    sd = found["sigma"][0, 0] / np.sqrt(of.weights)
    assert np.abs((y.mean(axis=0) - means(of, found, 0, 0)) / sd).max() < 4.5 / 100  # 10 000 draws
    assert np.abs(y.std(axis=0) / sd - 1).max() < 4.5 / np.sqrt(2e4)


def test_priors():
    of = design("y ~ x + (x | g) + (1 | h)")
    P = np.array([[2.0, 0.5], [0.5, 1.0]])
    prior = Prior(kappa=0.5, mean=[1, 2], precision=P, residual="Exponential(2)", sd="HalfNormal(3)", corr=2)
    found = draws(of) | {"nu_g": RNG.uniform(1, 30, SHAPE)}
    values = pointwise.log_prior(prior.resolve(of), found)
    assert set(values) == {"beta", "sigma", "sd_g", "sd_h", "corr_g", "nu_g"}  # b has no prior of its own
    beta = st.multivariate_normal([1, 2], np.linalg.inv(0.5 * P)).logpdf(found["beta"])
    np.testing.assert_allclose(values["beta"].sum(axis=-1), beta, rtol=1e-12)
    np.testing.assert_allclose(values["sigma"], st.expon(scale=0.5).logpdf(found["sigma"]), rtol=1e-12)
    np.testing.assert_allclose(values["sd_g"], st.halfnorm(scale=3).logpdf(found["sd_g"]), rtol=1e-12)
    np.testing.assert_allclose(values["nu_g"], st.gamma(2, scale=10).logpdf(found["nu_g"]), rtol=1e-12)
    rho = found["corr_g"][..., 1, 0]
    np.testing.assert_allclose(values["corr_g"], st.beta(2, 2).logpdf((rho + 1) / 2) - np.log(2), rtol=1e-12)
    assert "beta" not in pointwise.log_prior(Prior().resolve(of), found)


@pytest.mark.parametrize("eta", [1.0, 2.5])
def test_density_of_three_correlations_integrates_to_1(eta):
    of = design("y ~ x + (x + I(x**2) | g)")
    (group,) = Prior().resolve(of).groups

    def density(a, b, c):
        R = np.array([[1, a, b], [a, 1, c], [b, c, 1]])
        inside = np.linalg.det(R) > 0
        return np.exp(pointwise.lkj(group, eta, R[None, None])[0, 0]) if inside else 0.0

    def inner(a, b):
        half = np.sqrt((1 - a**2) * (1 - b**2))
        x, w = np.polynomial.legendre.leggauss(12)
        return half * sum(v * density(a, b, a * b + half * t) for t, v in zip(x, w, strict=True))

    x, w = np.polynomial.legendre.leggauss(12)
    total = sum(v * u * inner(a, b) for a, v in zip(x, w, strict=True) for b, u in zip(x, w, strict=True))
    assert total == pytest.approx(1, abs=0.01)  # the quadrature's own error at the edge
