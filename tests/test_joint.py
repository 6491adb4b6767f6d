"""Joint priors of a covariance matrix: densities against scipy.stats and brute-force integrals."""

import math
import pickle

import numpy as np
import pytest
import scipy.stats as st
from scipy.integrate import quad

from blupbayes.errors import PriorError
from blupbayes.model.joint import Decov, InverseWishart, Wishart
from blupbayes.model.measure import log_volume

SIGMA = np.array([1.7])


def density(prior, r, R, sigma=SIGMA):
    """The density at one point."""
    r, R = np.atleast_1d(np.asarray(r, float)), np.asarray(R, float)
    return float(np.exp(prior.log_density(r[None], np.atleast_1d(sigma), R[None])[0, 0]))


def correlation(*rho):
    """Correlation matrix of 2 or 3 coefficients from r_21, (r_31, r_32)."""
    q = 2 if len(rho) == 1 else 3
    R = np.eye(q)
    R[np.tril_indices(q, -1)] = rho
    return R + np.tril(R, -1).T


def random_points(q, n=5, seed=1):
    """(relative sds, correlation matrix) at n points."""
    rng = np.random.default_rng(seed)
    for _ in range(n):
        A = rng.normal(size=(q, q + 2))
        S = A @ A.T
        d = np.sqrt(np.diag(S))
        yield d * rng.uniform(0.3, 1.5, q), S / np.outer(d, d)


def to_covariance(r):
    """dS / (dr d(uniform R)), from the definition: S = D R D."""
    q = len(r)
    jacobian = np.prod([2 * a for a in r])  # of the variances
    jacobian *= np.prod([r[i] * r[j] for i in range(q) for j in range(i)])  # of the covariances
    return jacobian * {1: 1.0, 2: 2.0, 3: math.pi**2 / 2}[q]


def test_volume_of_correlation_matrices():
    # closed forms: the interval (-1, 1), and pi^2 / 2
    assert math.exp(log_volume(1)) == 1 and math.exp(log_volume(2)) == pytest.approx(2, rel=1e-14)
    assert math.exp(log_volume(3)) == pytest.approx(math.pi**2 / 2, rel=1e-14)
    by_sum = quad(lambda x: (1 - x * x) ** 1.5, -1, 1)[0]
    assert math.exp(log_volume(2, 2.5)) == pytest.approx(by_sum, rel=1e-9)  # quad's own error


@pytest.mark.parametrize("q", [1, 2, 3])
def test_wishart_is_scipys(q):
    for r, R in random_points(q):
        S = np.outer(r, r) * R
        expected = st.wishart(q + 1.5, 3.0 * np.eye(q)).pdf(S) * to_covariance(r)
        assert density(Wishart(q + 1.5, 3.0), r, R) == pytest.approx(expected, rel=1e-11)
        flat = np.linalg.det(S) ** 0.75 * to_covariance(r)  # df = q + 2.5
        assert density(Wishart(), r, R) == pytest.approx(flat, rel=1e-11)


@pytest.mark.parametrize("q", [1, 2, 3])
def test_inverse_wishart_is_scipys_in_the_units_of_the_data(q):
    for r, R in random_points(q):
        for sigma in (0.4, 3.0):
            sd = sigma * r
            per_r = sigma**q * to_covariance(sd)  # dSigma / dr at this sigma
            expected = st.invwishart(q + 2, 0.5 * np.eye(q)).pdf(np.outer(sd, sd) * R) * per_r
            assert density(InverseWishart(q + 2, 0.5), r, R, sigma) == pytest.approx(expected, rel=1e-10)


def test_inverse_wishart_of_one_coefficient_is_the_inverse_gamma_on_the_variance():
    # precision ~ Gamma(df/2, scale/2): the logGamma prior of INLA's single effects
    r = np.array([0.2, 1.0, 3.0])
    sd = 1.7 * r
    expected = st.invgamma(1.0, scale=5e-5).logpdf(sd**2) + np.log(2 * sd) + np.log(1.7)
    actual = InverseWishart(2, 1e-4).log_density(r[:, None], SIGMA, np.ones((3, 1, 1)))[:, 0]
    np.testing.assert_allclose(actual, expected, rtol=1e-12)


def test_decov_of_one_coefficient_is_a_gamma():
    r = np.array([0.1, 1.0, 4.0])
    prior = Decov(shape=2.5, scale=3.0)
    expected = st.gamma(2.5, scale=3.0).logpdf(r)
    actual = prior.log_density(r[:, None], SIGMA, np.ones((3, 1, 1)))[:, 0]
    np.testing.assert_allclose(actual, expected, rtol=1e-12)


def test_decov_of_two_coefficients_by_its_closed_form():
    # rstanarm's defaults, in absolute sds: exp(-h/(sigma sqrt 2)) / (sigma sqrt 2) 2 sd1 sd2 / h^3
    sigma, sds = 1.7, np.array([2.0, 0.6])
    h = np.hypot(*sds)
    expected = math.exp(-h / (sigma * math.sqrt(2))) / (sigma * math.sqrt(2)) * 2 * sds.prod() / h**3
    actual = density(Decov(), sds / sigma, correlation(0.3)) / sigma**2
    assert actual == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("q", [2, 3])
def test_decov_has_the_moments_of_its_own_draws(q):
    # change of variables by simulation: E over draws of (tau, pi) against E under the density, by importance
    # weights from lognormal sds; 4 standard errors of the difference
    rng = np.random.default_rng(4)
    n, prior = 400_000, Decov(concentration=1.5, shape=2.0, scale=0.7)
    draws = 0.7 * np.sqrt(q * rng.dirichlet(np.full(q, 1.5), n)) * rng.gamma(2.0, 1.0, n)[:, None]
    proposal = st.lognorm(1.2)
    r = proposal.rvs((n, q), random_state=rng)
    log_w = prior.log_density(r, SIGMA, np.broadcast_to(np.eye(q), (n, q, q)))[:, 0]
    w = np.exp(log_w - proposal.logpdf(r).sum(axis=1))
    for f in (lambda x: np.ones(len(x)), lambda x: x[:, 0], lambda x: np.tanh(x[:, 0] * x[:, -1])):
        ours, theirs = w * f(r), f(draws)
        error = math.hypot(ours.std(), theirs.std()) / math.sqrt(n)
        assert abs(ours.mean() - theirs.mean()) < 4 * error
        assert error < 0.01 * theirs.mean()


PROPER = [Decov(), Decov(1.0, 2.0, 1.5, 0.4), Wishart(4.0, 0.3), InverseWishart(5.0, 2.0)]


@pytest.mark.parametrize("prior", PROPER)
def test_densities_of_one_sd_integrate_to_one(prior):
    total = quad(lambda r: density(prior, r, [[1.0]]), 0, np.inf, limit=200)[0]
    assert total == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize("prior", PROPER)
def test_densities_of_two_sds_and_a_correlation_integrate_to_one(prior):
    # a sum over (log r1, log r2, atanh rho): bells, for which it converges exponentially; cut off at e^-12
    x, z = np.arange(-12, 5, 0.25), np.arange(-7, 7, 0.25)
    a, b, c = (grid.ravel() for grid in np.meshgrid(x, x, z, indexing="ij"))
    R = np.tile(np.eye(2), (len(c), 1, 1))
    R[:, 0, 1] = R[:, 1, 0] = np.tanh(c)
    r = np.exp(np.stack([a, b], axis=1))
    log_jacobian = a + b - 2 * np.log(np.cosh(c)) - math.log(2)
    total = np.exp(prior.log_density(r, SIGMA, R)[:, 0] + log_jacobian).sum() * 0.25**3
    assert total == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("eta", [0.5, 1.0, 3.0])
def test_the_correlation_of_decov_is_lkj(eta):
    # relative to the uniform distribution on (-1, 1), whose density is 1/2: rho = 2 B - 1, B ~ Beta(eta, eta)
    at = np.array([0.8, 1.3])
    for rho in (-0.9, 0.1, 0.6):
        ratio = density(Decov(eta), at, correlation(rho)) / density(Decov(), at, correlation(rho))
        assert ratio / 2 == pytest.approx(st.beta(eta, eta, loc=-1, scale=2).pdf(rho), rel=1e-11)


def test_lkj_of_three_integrates_to_one_over_correlation_matrices():
    # R by (r21, r31, partial r32): dr32 = sqrt((1 - r21^2)(1 - r31^2)) dc
    at, base = np.array([0.8, 1.3, 0.5]), correlation(0.0, 0.0, 0.0)

    def inner(c, r31, r21):
        root = math.sqrt((1 - r21**2) * (1 - r31**2))
        ratio = density(Decov(2.5), at, correlation(r21, r31, r21 * r31 + c * root)) / density(
            Decov(), at, base
        )
        return ratio * root

    nodes, weights = np.polynomial.legendre.leggauss(24)
    total = sum(
        wa * wb * wc * inner(a, b, c)
        for a, wa in zip(nodes, weights, strict=True)
        for b, wb in zip(nodes, weights, strict=True)
        for c, wc in zip(nodes, weights, strict=True)
    )
    # powers of 2 in every direction: 24 nodes leave about 1e-6
    assert total / (math.pi**2 / 2) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("prior", [Wishart(), InverseWishart(6.0, 1.0), Wishart(df=4.0)])
@pytest.mark.parametrize("q", [1, 2, 3])
def test_tails_are_those_of_the_largest_eigenvalue(prior, q):
    # density of the largest eigenvalue v^2 of S, the others at 1: Vandermonde's (v^2)^(q - 1), times dS = 2v dv
    v = np.array([1e5, 1e6])
    values = []
    for a in v:
        S = np.diag([a * a, *np.linspace(1, 2, q - 1)]) if q > 1 else np.array([[a * a]])
        r = np.sqrt(np.diag(S))
        values.append(math.log(density(prior, r, np.eye(q), 1.0) / to_covariance(r) * a ** (2 * q - 1)))
    assert -np.diff(values)[0] / math.log(10) == pytest.approx(prior.tail(q), abs=1e-6)


def test_zero_sds_and_singular_correlations_are_answered():
    r = np.array([[0.0, 1.0], [1e-200, 0.0], [1.0, 1.0]])
    R = np.stack([np.eye(2), np.eye(2), np.ones((2, 2))])
    for prior in (Decov(0.5), Decov(), Wishart(), Wishart(3.0), InverseWishart()):
        value = prior.log_density(r, np.ones((3, 4)), R)
        assert value.shape == (3, 4) and not np.isnan(value).any() and not np.isposinf(value).any()
        assert (value[2] == -np.inf).all()


def test_what_is_not_the_default_is_printed_and_reads_back():
    for prior in (Decov(), Decov(2, scale=0.5), Wishart(), Wishart(4, 2.5), InverseWishart(df=7)):
        assert eval(str(prior)) == prior
    assert str(Decov(scale=2)) == "Decov(scale=2)"
    assert pickle.loads(pickle.dumps(Wishart(4))) == Wishart(4.0)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Decov(shape=-1), "shape = -1"),
        (lambda: Decov(scale=math.inf), "finite"),
        (lambda: Decov(scale=None), "scale = None"),
        (lambda: Wishart(df="many"), "df = 'many'"),
        (lambda: Wishart(df=1).check(3), "above 2"),
        (lambda: InverseWishart(1.5).check(3), "above 2"),
    ],
)
def test_refusals(make, says):
    with pytest.raises(PriorError) as error:
        make()
    assert says in str(error.value)
