"""Estimation: closed forms, certificates, boundaries, and starts that must not matter."""

import numpy as np
import pytest

from blupbayes.errors import DataError
from blupbayes.mme.boundary import canonical, inside
from blupbayes.mme.criterion import evaluate
from blupbayes.mme.fit import estimate
from blupbayes.mme.statistics import reduce
from blupbayes.model.design import build
from random_models import KINDS
from test_gaussian import case


def one_way(y):
    """Statistics of the balanced one-way layout y (J, r)."""
    J, r = y.shape
    return reduce(build("y ~ 1 + (1 | g)", {"y": y.ravel(), "g": np.repeat(np.arange(J), r)}))


def anova(y, method):
    """[E-ONEWAY] sigma_a^2 and sigma^2 of a balanced one-way layout."""
    J, r = y.shape
    means = y.mean(axis=1)
    SSE, SST = np.sum((y - means[:, None]) ** 2), r * np.sum((means - means.mean()) ** 2)
    groups = J - 1 if method == "REML" else J
    within = SSE / (J * r - J)
    between = (SST / groups - within) / r
    if between > 0:
        return between, within
    return 0.0, (SSE + SST) / (J * r - (method == "REML"))


@pytest.mark.parametrize("sd", [0.0, 0.3, 1.0, 30.0, 1e3])
@pytest.mark.parametrize("method", ["ML", "REML"])
@pytest.mark.parametrize("seed", range(3))
def test_balanced_one_way_is_anova(seed, method, sd):
    rng = np.random.default_rng(seed)
    y = 5 + sd * rng.normal(size=(7, 4)).mean(axis=1, keepdims=True) * 2 + rng.normal(size=(7, 4))
    found = estimate(one_way(y), method)
    between, within = anova(y, method)
    assert found.certificate.converged
    assert found.is_boundary == (between == 0)
    # theta^2 of up to 1e6 cancels six of the sixteen digits of e'e; the rest is rounding
    assert found.sigma**2 == pytest.approx(within, rel=1e-8)
    assert (found.theta[0] * found.sigma) ** 2 == pytest.approx(between, rel=1e-7, abs=1e-14)


@pytest.mark.parametrize("method", ["ML", "REML"])
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_nearby_is_lower(kind, method, storage):
    """The criterion at random neighbours, 1e-2 to 10 away in each parameter, is never below the optimum."""
    _, statistics, _ = case(kind, seed=7)
    found = estimate(statistics, method)
    assert found.certificate.converged
    assert found.certificate.n_factorizations <= 15
    rng = np.random.default_rng(8)
    for size in (1e-2, 1e-1, 1.0, 10.0):
        for _ in range(10):
            there = evaluate(statistics, found.theta + size * rng.normal(size=len(found.theta)), method)
            assert there.criterion >= found.criterion - 1e-9


@pytest.mark.parametrize("kind", ["slope", "crossed_slopes", "three"])
def test_the_start_does_not_matter(kind, storage):
    _, statistics, _ = case(kind, seed=9)
    found = estimate(statistics)
    rng = np.random.default_rng(10)
    for _ in range(3):
        again = estimate(statistics, start=found.theta + rng.normal(size=len(found.theta)))
        assert again.criterion == pytest.approx(found.criterion, abs=1e-8)
        assert np.abs(again.theta - found.theta).max() < 1e-5  # singular optima are flat along T's rotation


def test_a_covariance_of_rank_one_is_found_and_said():
    rng = np.random.default_rng(0)
    J, r = 12, 8
    g, x = np.repeat(np.arange(J), r), np.tile(np.arange(r) - 3.5, J)
    u = rng.normal(size=J)
    y = 2 * u[g] + u[g] * x + rng.normal(size=J * r)
    found = estimate(reduce(build("y ~ x + (x | g)", {"y": y, "x": x, "g": g})))
    T = found.T[0]
    assert found.certificate.converged
    if found.is_boundary:
        assert T[1, 1] == 0.0
        assert "singular" in found.messages[0]
        assert found.certificate.multipliers["g"] >= 0
    assert abs((T @ T.T)[0, 1] / np.sqrt(np.prod(np.diag(T @ T.T)))) > 0.98


def test_zero_variance_is_a_message_with_a_sign():
    y = np.tile([[-1.0, 0.0, 1.0]], (5, 1)) + 3.0 + 1e-3 * np.arange(5)[:, None]
    found = estimate(one_way(y))
    assert found.theta[0] == 0.0
    assert found.is_boundary and found.singular == ("g",)
    assert found.certificate.multipliers["g"] > 0
    assert "sd(g) is 0" in found.messages[0]
    assert found.beta[0] == pytest.approx(
        y.mean(), rel=1e-12
    )  # the limit Sigma -> 0, never fixed effects of 0


def test_a_start_at_zero_escapes_when_zero_is_no_minimum():
    rng = np.random.default_rng(3)
    y = 3 * rng.normal(size=(8, 1)) + rng.normal(size=(8, 5))
    found = estimate(one_way(y), start=np.zeros(1))
    assert (found.theta[0] * found.sigma) ** 2 == pytest.approx(anova(y, "REML")[0], rel=1e-8)


def test_known_sigma_is_kept():
    school = {"y": [28.0, 8, -3, 7, -1, 1, 18, 12], "school": list("ABCDEFGH")}
    se = np.array([15.0, 10, 16, 11, 9, 11, 10, 18])
    design = build("y ~ 1 + (1 | school)", school, weights=1 / se**2, sigma=1.0)
    found = estimate(reduce(design), "REML")
    assert found.sigma == 1.0 and found.is_boundary
    assert found.beta[0] == pytest.approx(7.6856167249560352, rel=1e-12)  # pooled, closed form


def test_canonical_signs_keep_the_covariance():
    _, statistics, theta = case("crossed_slopes")
    flipped = theta.copy()
    flipped[:2] *= -1
    assert np.allclose(canonical(statistics, flipped), canonical(statistics, theta), rtol=1e-12)
    assert np.allclose(canonical(statistics, theta), theta, rtol=1e-12)


def test_inside_raises_what_a_scoring_step_made_negative():
    _, statistics, _ = case("slope")
    theta = inside(statistics, (np.array([[1.0, 2.0], [2.0, 1.0]]),))
    T = statistics.factors(theta)[0]
    assert np.all(np.linalg.eigvalsh(T @ T.T) > 0)


def test_certificate_reads_as_a_sentence():
    _, statistics, _ = case("slope")
    text = str(estimate(statistics).certificate)
    assert text.startswith("converged: within") and "factorisations with derivatives" in text


@pytest.mark.parametrize("kind", ["intercept", "crossed"])
def test_a_hopeless_theta_is_refused_or_right(kind, storage):
    """At theta = 1e12 a single group and one dense block know the limit; a tail has no digits left and says so."""
    d, statistics, theta = case(kind)
    theta = np.full(len(theta), 1e12)
    if kind == "crossed" and storage != "dense":
        with pytest.raises(DataError, match="double precision"):
            evaluate(statistics, theta)
        return
    within = np.hstack([d.X, d.Z])
    residual = d.y - within @ np.linalg.lstsq(within, d.y, rcond=1e-10)[0]
    assert evaluate(statistics, theta).border.r2 == pytest.approx(residual @ residual, rel=1e-10)
