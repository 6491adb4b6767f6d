"""Modes of likelihood times prior, against dense likelihoods and searches that share nothing with the source."""

import numpy as np
import pytest
from scipy.optimize import minimize, minimize_scalar

import blupbayes as bb
from blupbayes.bayes.penalised import peak
from blupbayes.errors import IdentifiabilityError, PriorError
from blupbayes.model.joint import Decov, InverseWishart, Wishart
from oracle import minus_two_log_likelihood

FOUND = 1e-5  # a search that compares heights finds a mode to the root of their rounding, 1e-7 of its width


def mode_of(model, prior):
    return peak(model.statistics, prior.filled(model.design))


@pytest.fixture(scope="module")
def schools():
    frame = bb.load_dataset("eight_schools")
    return bb.MixedModel("y ~ 1 + (1 | school)", frame, weights=1 / frame["se"] ** 2, sigma=1.0)


@pytest.fixture(scope="module")
def rail():
    return bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail"))


@pytest.fixture(scope="module")
def sleep():
    return bb.MixedModel("Reaction ~ Days + (Days | Subject)", bb.load_dataset("sleepstudy"))


def dense(model):
    """y, X, Z (q columns per level) of a model with one grouping factor."""
    d = model.design
    g = d.groups[0]
    Z = np.zeros((d.n_obs, len(g.levels), len(g.names)))
    Z[np.arange(d.n_obs), g.codes] = g.columns
    return d.y, d.X, Z.reshape(d.n_obs, -1)


def log_reml(model, Sigma, sigma):
    """The restricted log-likelihood at a covariance matrix (q, q), with V written out."""
    y, X, Z = dense(model)
    J = Z.shape[1] // len(Sigma)
    V = Z @ np.kron(np.eye(J), Sigma) @ Z.T + sigma**2 * np.eye(len(y))
    return -0.5 * minus_two_log_likelihood(V, y, X, "REML")


def highest(f, start):
    """A maximum by Nelder and Mead, begun again where it stops."""
    x = np.asarray(start, float)
    for _ in range(4):
        x = minimize(
            lambda v: -f(v), x, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12, "maxiter": 4000}
        ).x
    return x


@pytest.mark.parametrize(("df", "mode"), [(3.0, 7.2923), (None, 9.1007)])
def test_published_modes_of_eight_schools(schools, df, mode):
    """Chung et al. (2013), REML: likelihood times sd, and times sd^1.5, blme's default."""
    found = mode_of(schools, bb.Prior(covariance=Wishart(df=df)))
    assert found.T[0][0, 0] * found.sigma == pytest.approx(mode, abs=5e-5)


def test_a_flat_prior_leaves_reml(rail, sleep):
    for model in (rail, sleep):
        flat = bb.Prior(sd="HalfFlat()", residual="HalfFlat()")
        found, fit = mode_of(model, flat), model.fit()
        for t, own in zip(found.T, fit.estimate.T, strict=True):
            np.testing.assert_allclose(t, own, atol=FOUND * np.abs(own).max())
        assert found.sigma == pytest.approx(fit.sigma, rel=FOUND)
        assert found.log_density == pytest.approx(fit.log_likelihood, abs=1e-8)


@pytest.mark.parametrize(
    ("text", "log_prior"),
    [
        ("HalfNormal(10)", lambda s: -0.5 * (s / 10) ** 2),
        ("InverseGamma(2, 300) on variance", lambda s: -3 * np.log(s**2) - 300 / s**2),
        ("Gamma(2, 0.1)", lambda s: np.log(s) - 0.1 * s),
    ],
)
def test_a_prior_counts_with_the_density_of_what_it_is_stated_for(rail, text, log_prior):
    found = mode_of(rail, bb.Prior(sd=text, residual="HalfFlat() on log sd"))
    x = highest(
        lambda u: log_reml(rail, np.exp(2 * u[:1, None]), np.exp(u[1])) + log_prior(np.exp(u[0])), [3, 1.4]
    )
    assert [found.T[0][0, 0] * found.sigma, found.sigma] == pytest.approx(np.exp(x), rel=FOUND)


def test_the_prior_of_sigma_counts_too(rail):
    found = mode_of(rail, bb.Prior(sd="HalfFlat()", residual="HalfNormal(1)"))
    x = highest(
        lambda u: log_reml(rail, np.exp(2 * u[:1, None]), np.exp(u[1])) - 0.5 * np.exp(2 * u[1]), [3, 1.4]
    )
    assert [found.T[0][0, 0] * found.sigma, found.sigma] == pytest.approx(np.exp(x), rel=FOUND)


def matrix(u):
    """Sigma (2, 2) and sigma from five numbers: no coordinates of the source."""
    L = np.array([[np.exp(u[0]), 0], [u[1], np.exp(u[2])]])
    return L @ L.T, np.exp(u[3])


def log_wishart(S, sigma):
    return 0.75 * np.linalg.slogdet(S / sigma**2)[1]


def log_inverse_wishart(S, sigma):
    return -(8 + 3) / 2 * np.linalg.slogdet(S)[1] - 0.5 * 200 * np.trace(np.linalg.inv(S))


def log_decov(S, sigma):
    """tau ~ Gamma(2, 1), pi ~ Dirichlet(1.5, 1.5), correlation ~ LKJ(2), each with its own density."""
    r = np.sqrt(np.diag(S)) / sigma
    h = np.hypot(*r)
    tau, shares = h / np.sqrt(2), r**2 / h**2
    rho = S[0, 1] / np.sqrt(S[0, 0] * S[1, 1])
    return np.log(tau) - tau + 0.5 * np.log(shares).sum() + np.log(1 - rho**2)


def log_lkj(S, sigma):
    rho = S[0, 1] / np.sqrt(S[0, 0] * S[1, 1])
    return 3 * np.log(1 - rho**2) - 0.5 * S[0, 0] / 30**2 - 0.5 * S[1, 1] / 4**2


@pytest.mark.parametrize(
    ("prior", "log_prior"),
    [
        ({"covariance": Wishart()}, log_wishart),
        ({"covariance": InverseWishart(df=8, scale=200)}, log_inverse_wishart),
        ({"covariance": Decov(regularization=2, concentration=1.5, shape=2)}, log_decov),
        ({"sd": {"Subject": {"Intercept": "HalfNormal(30)", "Days": "HalfNormal(4)"}}, "corr": 4}, log_lkj),
    ],
)
def test_covariance_matrices(sleep, prior, log_prior):
    found = mode_of(sleep, bb.Prior(**prior, residual="HalfFlat()"))
    T = found.sigma * found.T[0]

    def height(u):
        S, sigma = matrix(u)
        return log_reml(sleep, S, sigma) + log_prior(S, sigma)

    S, sigma = matrix(highest(height, [np.log(24), 0.3, np.log(6), np.log(25)]))
    size = np.sqrt(np.outer(np.diag(S), np.diag(S)))
    np.testing.assert_allclose(T @ T.T / size, S / size, atol=5 * FOUND)
    assert found.sigma == pytest.approx(sigma, rel=FOUND)


def test_the_matrix_stays_regular_where_reml_is_singular():
    model = bb.MixedModel("Yield ~ 1 + (1 | Batch)", bb.load_dataset("dyestuff2"))
    assert model.fit().is_boundary
    # printed: 1.489, blme's default; 1.173 for density sd, Chung et al. (2013)
    for df, printed in ((None, 1.489), (3.0, 1.173)):
        found = mode_of(model, bb.Prior(covariance=Wishart(df=df), residual="HalfFlat() on log sd"))
        assert found.T[0][0, 0] * found.sigma == pytest.approx(printed, abs=5e-4)


def test_a_mode_at_zero_is_an_exact_zero():
    model = bb.MixedModel("Yield ~ 1 + (1 | Batch)", bb.load_dataset("dyestuff2"))
    found = mode_of(model, bb.Prior(sd="HalfNormal(5)", residual="HalfNormal(3)"))
    assert found.T[0][0, 0] == 0.0
    one = minimize_scalar(
        lambda s: -(log_reml(model, np.zeros((1, 1)), s) - 0.5 * (s / 3) ** 2),
        bounds=(1, 9),
        method="bounded",
    )
    assert found.sigma == pytest.approx(one.x, rel=1e-4)  # bounded stops at 1e-5 of its interval


def test_crossed_factors():
    model = bb.MixedModel("diameter ~ 1 + (1 | plate) + (1 | sample)", bb.load_dataset("penicillin"))
    found = mode_of(model, bb.Prior(covariance=Wishart(), residual="HalfFlat()"))

    def height(u):
        r = np.exp(u)
        fit = model.solve({"plate": r[0], "sample": r[1], "residual": r[2]}).posterior
        return fit.restricted_log_likelihood + 1.5 * np.log(r[0] / r[2]) + 1.5 * np.log(r[1] / r[2])

    x = np.exp(highest(height, np.log([0.8, 1.9, 0.5])))
    sds = [t[0, 0] * found.sigma for t in found.T]
    assert [*sds, found.sigma] == pytest.approx(x, rel=FOUND)


def test_beta_with_a_prior_is_integrated_out(rail):
    found = mode_of(rail, bb.Prior(kappa=1e-3, mean=60, sd="HalfNormal(10)", residual="HalfFlat()"))
    y, X, Z = dense(rail)

    def height(u):
        s, sigma = np.exp(u)
        V = s**2 * Z @ Z.T + sigma**2 * np.eye(18) + X @ X.T / 1e-3
        return -0.5 * (np.linalg.slogdet(V)[1] + (y - 60) @ np.linalg.solve(V, y - 60)) - 0.5 * (s / 10) ** 2

    assert [found.T[0][0, 0] * found.sigma, found.sigma] == pytest.approx(
        np.exp(highest(height, [3, 1.4])), rel=FOUND
    )


@pytest.mark.parametrize("prior", [{"nu": 3.0}, {"precision": np.array([[1.0, 0.2], [0.2, 1.0]])}])
def test_other_priors_of_beta_are_refused(sleep, prior):
    with pytest.raises(PriorError, match="must be flat, or normal"):
        mode_of(sleep, bb.Prior(kappa=1e-3, **prior))


def test_a_density_that_rises_for_ever_is_refused():
    two = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail").query("Rail in ['1', '2']"))
    with pytest.raises(IdentifiabilityError, match="rises without limit"):
        mode_of(two, bb.Prior(covariance=Wishart(df=6), residual="HalfFlat()"))
