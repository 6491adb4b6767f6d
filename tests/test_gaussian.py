"""The Gaussian posterior against the dense oracle, at any kappa, in every storage."""

import numpy as np
import pytest

from blupbayes.datasets import load_dataset
from blupbayes.errors import DataError
from blupbayes.mme.gaussian import kappa_path, posterior
from blupbayes.mme.statistics import reduce
from blupbayes.model.design import build
from contract import check_answer, close
from oracle import minus_two_log_likelihood
from random_models import KINDS, random_design

SIGMA = 1.7


def case(kind, seed=0, zero=False):
    """A random model, its Statistics and T at its theta (a variance at zero if asked)."""
    d = random_design(np.random.default_rng([seed, *map(ord, kind)]), kind)
    options = {
        name: value for name, value in (("weights", d.weights), ("offset", d.offset)) if value is not None
    }
    statistics = reduce(build(d.formula, d.frame, **options))
    theta = d.theta.copy()
    if zero:
        theta[0] = 0.0
    return d, statistics, theta


@pytest.mark.parametrize("zero", [False, True], ids=["", "at zero"])
@pytest.mark.parametrize("kappa", [0.0, 1e-3, 2.0, 1e4, np.inf])
@pytest.mark.parametrize("kind", KINDS)
def test_posterior_equals_oracle(kind, kappa, zero, storage):
    d, statistics, theta = case(kind, zero=zero)
    mean = 0.3 * np.arange(d.X.shape[1])
    answer = posterior(statistics, statistics.factors(theta), SIGMA, kappa, mean)
    check_answer(answer, d.oracle(SIGMA, theta), d.blocks, kappa, mean)


@pytest.mark.parametrize("kappa", [1e-3, 2.0, 1e4])
@pytest.mark.parametrize("kind", KINDS)
def test_evidence_equals_normal_density_of_y(kind, kappa):
    d, statistics, theta = case(kind)
    answer = posterior(statistics, statistics.factors(theta), SIGMA, kappa, 0.5)
    expected = -0.5 * d.oracle(SIGMA, theta).evidence(kappa, m=0.5)
    assert answer.log_evidence == pytest.approx(expected, rel=1e-10)  # log-determinants of V, condition ~1e3


def test_evidence_at_the_ends_of_kappa():
    d, statistics, theta = case("slope")
    assert posterior(statistics, statistics.factors(theta), SIGMA).log_evidence == -np.inf
    oracle, mean = d.oracle(SIGMA, theta), 0.2
    fixed = minus_two_log_likelihood(
        oracle.V, d.y - d.X @ np.full(d.X.shape[1], mean), np.zeros((len(d.y), 0)), "ML"
    )
    answer = posterior(statistics, statistics.factors(theta), SIGMA, np.inf, mean)
    assert answer.log_evidence == pytest.approx(-0.5 * fixed, rel=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_restricted_log_likelihood_is_reml(kind):
    d, statistics, theta = case(kind)
    answer = posterior(statistics, statistics.factors(theta), SIGMA)
    assert answer.restricted_log_likelihood == pytest.approx(-0.5 * d.oracle(SIGMA, theta).reml(), rel=1e-10)


@pytest.mark.parametrize("kind", ["slope", "crossed", "nested", "slope deficient"])
def test_error_in_kappa_is_first_order(kind):
    """[E-RATE] slope of log|a(kappa) - a(0)| on log kappa is 1.00 +- 0.01, over four decades and more."""
    _, statistics, theta = case(kind)
    kappas = 10.0 ** np.arange(-9, -3.5, 0.5)
    limit = posterior(statistics, statistics.factors(theta), SIGMA)
    path = kappa_path(statistics, statistics.factors(theta), SIGMA, kappas)
    error = [
        np.linalg.norm(
            np.concatenate(
                [g.beta - limit.beta, *((x - y).ravel() for x, y in zip(g.b, limit.b, strict=True))]
            )
        )
        for g in path
    ]
    slopes = np.diff(np.log(error)) / np.diff(np.log(kappas))
    assert np.abs(slopes - 1).max() <= 0.01


def test_rate_is_exact():
    """[E-RATE] a(kappa) - a(0) = -kappa M(0)^-1 E_P (a(kappa) - a_m), at a kappa that is not small."""
    d, statistics, theta = case("crossed_slopes")
    kappa, mean, p = 3.0, 0.7, d.X.shape[1]
    at, limit = (posterior(statistics, statistics.factors(theta), SIGMA, k, mean) for k in (kappa, 0.0))
    M, _ = d.oracle(SIGMA, theta).henderson()
    flat = lambda g: np.concatenate([g.beta, *(x.ravel() for x in g.b)])  # noqa: E731
    pull = np.zeros(len(M))
    pull[:p] = kappa * (at.beta - mean)
    close(flat(at) - flat(limit), -np.linalg.solve(M, pull), tolerance=1e-9)  # condition of M


@pytest.mark.parametrize("kind", ["slope", "crossed", "slope deficient"])
def test_evidence_without_its_divergent_part_tends_to_reml(kind):
    """[E-HARVILLE] log p(y | kappa) - (1/2) log|kappa P/(2 pi)| -> REML, first order in kappa; rank r if deficient."""
    d, statistics, theta = case(kind)
    r, T = statistics.rank, statistics.factors(theta)
    limit = posterior(statistics, T, SIGMA).restricted_log_likelihood
    kappas = 10.0 ** np.arange(-8.0, -3.9, 1.0)
    gap = np.array(
        [
            g.log_evidence - 0.5 * r * np.log(g.kappa / (2 * np.pi)) - limit
            for g in kappa_path(statistics, T, SIGMA, kappas)
        ]
    )
    if kind.endswith("deficient"):
        kept = d.X[:, statistics.kept]
        shape = np.linalg.svd(d.X, compute_uv=False)[:r]
        constant = 0.5 * np.linalg.slogdet(kept.T @ kept)[1] - np.sum(np.log(shape))
        gap = gap - constant
    slopes = np.diff(np.log(np.abs(gap))) / np.diff(np.log(kappas))
    assert np.abs(gap[0]) < 1e-5
    assert np.abs(slopes[1:] - 1).max() <= 0.01  # the first is near the rounding of log p, 1e-13 of 1e2


def test_smallest_norm_limit_and_infinite_variance():
    d, statistics, theta = case("slope deficient")
    assert statistics.aliased == ("x2",)
    mean = np.linspace(-1, 1, d.X.shape[1])
    limit = posterior(statistics, statistics.factors(theta), SIGMA, 0.0, mean)
    near = posterior(statistics, statistics.factors(theta), SIGMA, 1e-10, mean)
    null = np.linalg.svd(d.X)[2][-1]
    assert abs(null @ (limit.beta - mean)) < 1e-12 * np.linalg.norm(limit.beta)
    close(near.beta, limit.beta, tolerance=1e-8)  # first order in kappa = 1e-10
    seen = np.abs(null) > 1e-12
    assert np.isinf(np.diag(limit.beta_cov)).tolist() == seen.tolist()
    assert near.beta_cov[0, 0] * 1e-10 == pytest.approx(null[0] ** 2, rel=1e-6)


@pytest.mark.parametrize("kind", ["slope", "crossed_slopes", "nested", "three"])
def test_draws_have_the_posterior_moments(kind, storage):
    d, statistics, theta = case(kind)
    n, answer = 20_000, posterior(statistics, statistics.factors(theta), SIGMA, 0.5)
    beta, b = answer.draw(n, np.random.default_rng(1))
    M = d.oracle(SIGMA, theta).henderson(0.5)[0]
    exact = np.linalg.inv(M)
    flat = np.hstack([beta, *(x.reshape(n, -1) for x in b)])
    centre = np.concatenate([answer.beta, *(x.ravel() for x in answer.b)])
    sd = np.sqrt(np.diag(exact))
    assert np.abs((flat.mean(axis=0) - centre) / sd).max() < 5 / np.sqrt(n)  # 5 standard errors, ~40 numbers
    gap = (np.cov(flat.T) - exact) / np.outer(sd, sd)
    assert np.abs(gap).max() < 6 * np.sqrt(2 / n)  # 6 standard errors of a variance, ~1000 numbers


@pytest.mark.parametrize("kappa", [-1.0, np.nan])
def test_negative_kappa_is_refused(kappa):
    _, statistics, theta = case("intercept")
    with pytest.raises(DataError, match="kappa is a prior precision"):
        posterior(statistics, statistics.factors(theta), SIGMA, kappa)


def test_robinson():
    """Robinson (1991): R = I, G = 0.1 I; herds fixed, sires random."""
    import blupbayes as bb

    frame = bb.load_dataset("robinson")
    model = bb.MixedModel("yield ~ 0 + herd + (1 | sire)", frame.astype({"sire": str}))
    g = model.solve({"sire": np.sqrt(0.1), "residual": 1.0})
    published = [105.63866, 104.27574, 105.45844, 0.39649, 0.52039, 0.75693, -1.67380]
    assert np.allclose([*g.beta, *g.b["estimate"]], published, atol=5.1e-6)  # printed with five decimals


def test_the_evidence_does_not_lose_digits_to_the_units_of_a_column():
    """[E-HARVILLE] for x in units of 1e-6: the limit is REML's, and REML's moves by log(1e6).

    1e-8: X'X has condition number 1e14, and its determinant in double precision is wrong in the third digit.
    """
    frame = load_dataset("sleepstudy")
    limits = []
    for unit in (1.0, 1e6):
        s = reduce(build("Reaction ~ x + (1 | Subject)", frame.assign(x=frame["Days"] * unit)))
        answer = posterior(s, (np.array([[1.2]]),), 30.0, kappa := 1e-14)
        limits.append(answer.log_evidence - np.log(kappa / (2 * np.pi)))
        assert limits[-1] == pytest.approx(answer.restricted_log_likelihood, abs=1e-8)
    assert limits[0] - limits[1] == pytest.approx(np.log(1e6), abs=1e-8)
