"""The oracle against closed forms and published numbers: it judges everything else, so it is judged first."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from blupbayes.datasets import load_dataset
from oracle import Oracle, gradient, minus_two_log_likelihood, profiled
from random_models import KINDS, random_design

SEED = 20240607


def one_way(frame, response, group, sigma_a, sigma):
    """y ~ 1 + (1 | group) at given sds; groups in order of their categories."""
    y, codes = frame[response].to_numpy(float), frame[group].cat.codes.to_numpy()
    Z = np.eye(codes.max() + 1)[codes]
    return Oracle(y, np.ones((len(y), 1)), Z, sigma_a**2 * np.eye(Z.shape[1]), sigma)


def sums_of_squares(oracle):
    """(J, r, SSE, SST) of a balanced one-way layout."""
    counts = oracle.Z.sum(axis=0)
    means = oracle.Z.T @ oracle.y / counts
    J, r = len(means), counts[0]
    return J, r, ((oracle.y - oracle.Z @ means) ** 2).sum(), r * ((means - means.mean()) ** 2).sum()


def closed_form(oracle, method):
    """Sds (sigma_a, sigma) of a balanced one-way layout [E-ONEWAY]."""
    J, r, SSE, SST = sums_of_squares(oracle)
    sigma2 = SSE / (J * r - J)
    return np.sqrt((SST / (J - (method == "REML")) - sigma2) / r), np.sqrt(sigma2)


@pytest.fixture
def rail():
    return load_dataset("rail")


def rail_at(rail, method):
    return one_way(rail, "travel", "Rail", *closed_form(one_way(rail, "travel", "Rail", 1.0, 1.0), method))


class TestRail:
    """Published numbers of the Rail data (theory.md, section 8); tolerances are their printed digits."""

    def test_variances(self, rail):
        oracle = rail_at(rail, "ML")
        assert oracle.Sigma[0, 0] == pytest.approx(18427 / 36, rel=1e-13)
        assert oracle.sigma**2 == pytest.approx(97 / 6, rel=1e-13)
        assert rail_at(rail, "REML").Sigma[0, 0] == pytest.approx(615.31, abs=5e-3)

    def test_ml(self, rail):
        oracle = rail_at(rail, "ML")
        beta, cov = oracle.fixed()
        assert -oracle.ml() / 2 == pytest.approx(-64.2800184692, abs=5e-11)
        assert beta == pytest.approx([66.5], abs=1e-12)
        assert np.sqrt(cov[0, 0]) == pytest.approx(9.2848442816, abs=5e-11)

    def test_blups(self, rail):
        published = {"1": -12.3697708, "2": -34.47042796, "3": 17.97740023}
        published |= {"4": 29.19265909, "5": -16.32809746, "6": 15.9982369}
        b = dict(zip(rail["Rail"].cat.categories, rail_at(rail, "ML").random(), strict=True))
        assert b == pytest.approx(published, rel=2e-8)  # they come from an optimiser that stopped 1e-8 early

    def test_reml(self, rail):
        oracle = rail_at(rail, "REML")
        assert -oracle.reml() / 2 == pytest.approx(-61.0885, abs=5e-5)
        assert np.sqrt(oracle.fixed()[1][0, 0]) == pytest.approx(10.17, abs=5e-3)
        assert 1 - oracle.cond_cov[0, 0] / oracle.Sigma[0, 0] == pytest.approx(0.9913, abs=5e-5)

    @pytest.mark.parametrize("kappa", [1e-6, 1e-3, 1.0])
    def test_kappa_path(self, rail, kappa):
        """mu(kappa) = 66.5 / (1 + 103.45 kappa), 103.45 to five digits."""
        mu = rail_at(rail, "REML").fixed(kappa)[0][0]
        assert mu == pytest.approx(66.5 / (1 + 103.45 * kappa), rel=5e-5)

    def test_spreads(self, rail):
        """PEV of a balanced one-way layout: the conditional variance plus weight^2 Var(mean)."""
        oracle = rail_at(rail, "REML")
        v, s2 = oracle.Sigma[0, 0], oracle.sigma**2
        weight = 3 * v / (3 * v + s2)
        assert oracle.cond_cov == pytest.approx(v * (1 - weight) * np.eye(6), abs=1e-9 * v)
        assert np.diag(oracle.pev()) == pytest.approx(v * (1 - weight) + weight**2 * (v + s2 / 3) / 6)
        assert np.sqrt(oracle.cond_cov[0, 0]) == pytest.approx(2.31, abs=5e-3)
        assert np.sqrt(oracle.pev()[0, 0]) == pytest.approx(10.34, abs=5e-3)


@pytest.mark.parametrize("method", ["ML", "REML"])
@pytest.mark.parametrize("theta", [0.0, 0.4, 3.0])
def test_balanced_one_way_criterion(rail, method, theta):
    """log|V| = (n-J) log sigma^2 + J log(sigma^2 + r sigma_a^2); the profiled sigma by sums of squares."""
    oracle = one_way(rail, "travel", "Rail", theta, 1.0)
    J, r, SSE, SST = sums_of_squares(oracle)
    d = 1 + r * theta**2
    m = J * r - (method == "REML")
    sigma2 = (SSE + SST / d) / m
    expected = m * (np.log(2 * np.pi * sigma2) + 1) + J * np.log(d)
    expected += np.log(J * r / d) if method == "REML" else 0
    found = profiled(oracle.y, oracle.X, oracle.Z, theta * np.eye(J), method)
    assert found == pytest.approx((expected, np.sqrt(sigma2)), rel=1e-13)


def test_dyestuff_and_dyestuff2():
    """Dyestuff REML 1764.05 / 2451.25; Dyestuff2's moment estimate is -1.322: the boundary is the optimum."""
    frame = load_dataset("dyestuff")
    sds = closed_form(one_way(frame, "Yield", "Batch", 1.0, 1.0), "REML")
    assert np.square(sds) == pytest.approx([1764.05, 2451.25], abs=5e-3)
    J, r, SSE, SST = sums_of_squares(one_way(load_dataset("dyestuff2"), "Yield", "Batch", 1.0, 1.0))
    assert (SST / (J - 1) - SSE / (J * r - J)) / r == pytest.approx(-1.322, abs=5e-4)
    assert np.sqrt((SSE + SST) / (J * r - 1)) == pytest.approx(3.716, abs=5e-4)


ROBINSON = [105.63866, 104.27574, 105.45844, 0.39649, 0.52039, 0.75693, -1.67380]


def robinson():
    frame = load_dataset("robinson")
    X = np.column_stack([frame["herd"] == h for h in "123"]).astype(float)
    Z = np.column_stack([frame["sire"] == s for s in "ABCD"]).astype(float)
    return Oracle(frame["yield"].to_numpy(), X, Z, 0.1 * np.eye(4), 1.0)


def test_robinson():
    """The worked example of Robinson (1991), R = I and G = 0.1 I, to its five decimals, by two routes."""
    oracle = robinson()
    assert np.r_[oracle.fixed()[0], oracle.random()] == pytest.approx(ROBINSON, abs=5e-6)
    assert np.linalg.solve(*oracle.henderson()) == pytest.approx(ROBINSON, abs=5e-6)


@pytest.mark.parametrize("kappa", [0.0, 0.3])
@pytest.mark.parametrize("kind", [k for k in KINDS if "deficient" not in k])
def test_henderson_equals_v(kind, kappa):
    """The inverse of Henderson's matrix and the formulas by V are the same numbers (1e-9 of their scale)."""
    rng = np.random.default_rng(SEED)
    oracle = random_design(rng, kind).oracle(sigma=1.7)
    p = oracle.X.shape[1]
    A = rng.normal(size=(p, p))
    P, m = A @ A.T + np.eye(p), rng.normal(size=p)
    M, r = oracle.henderson(kappa, P, m)
    inverse = np.linalg.inv(M)
    beta, cov = oracle.fixed(kappa, P, m)
    assert np.r_[beta, oracle.random(kappa, P, m)] == pytest.approx(inverse @ r, rel=1e-9, abs=1e-9)
    assert cov == pytest.approx(inverse[:p, :p], rel=1e-9, abs=1e-9)
    assert oracle.pev(kappa, P) == pytest.approx(inverse[p:, p:], rel=1e-9, abs=1e-9)
    assert oracle.cross_cov(kappa, P) == pytest.approx(inverse[p:, :p], rel=1e-9, abs=1e-9)
    assert oracle.cond_cov == pytest.approx(np.linalg.inv(M[p:, p:]), rel=1e-9, abs=1e-9)


def test_smallest_norm_limit():
    """Rank-deficient X: the posterior mean at kappa -> 0 tends to the answer at kappa = 0, linearly."""
    rng = np.random.default_rng(SEED)
    oracle = random_design(rng, "slope deficient").oracle()
    P, m = np.diag(rng.uniform(0.5, 2, size=5)), rng.normal(size=5)
    limit = oracle.fixed(0.0, P, m)[0]
    near = [np.linalg.norm(oracle.fixed(k, P, m)[0] - limit) for k in (1e-3, 1e-4)]
    assert near[0] / near[1] == pytest.approx(10, rel=1e-2)  # the second-order term is about kappa
    assert oracle.kept == [0, 1, 3, 4]
    assert oracle.X @ limit == pytest.approx(oracle.estimable.X @ oracle.estimable.fixed()[0], rel=1e-9)


def test_evidence_tends_to_reml():
    """[E-HARVILLE]: evidence + log|kappa P / (2 pi)| -> REML criterion, the error of first order in kappa."""
    oracle = robinson()
    P = np.diag([1.0, 2.0, 3.0])
    gaps = []
    for kappa in (1e-6, 1e-7):
        prior = np.linalg.slogdet(kappa * P / (2 * np.pi))[1]
        gaps.append(oracle.evidence(kappa, P) + prior - oracle.reml())
    assert gaps[0] == pytest.approx(10 * gaps[1], rel=1e-3)
    assert abs(gaps[1]) < 0.01  # kappa x (beta'P beta, about 6e4)


def test_evidence_is_the_posterior_identity():
    """p(y) = p(y | beta) p(beta) / p(beta | y) at any beta: another route to the evidence."""
    rng = np.random.default_rng(SEED)
    oracle = random_design(rng, "slope weights offset").oracle(sigma=1.3)
    p, kappa = oracle.X.shape[1], 0.7
    P, m, beta = np.diag(rng.uniform(0.5, 2, size=p)), rng.normal(size=p), rng.normal(size=p)

    def density(x, mean, covariance):
        d, log_determinant = x - mean, np.linalg.slogdet(covariance)[1]
        return len(d) * np.log(2 * np.pi) + log_determinant + d @ np.linalg.solve(covariance, d)

    likelihood = density(oracle.e, oracle.X @ beta, oracle.V)
    prior, posterior = density(beta, m, np.linalg.inv(kappa * P)), density(beta, *oracle.fixed(kappa, P, m))
    assert oracle.evidence(kappa, P, m) == pytest.approx(likelihood + prior - posterior, rel=1e-11)


@pytest.mark.parametrize("sigma", [None, 1.3])
@pytest.mark.parametrize("method", ["ML", "REML"])
@pytest.mark.parametrize("kind", ["crossed_slopes", "nested weights offset", "slope deficient"])
def test_complex_step_gradient(kind, method, sigma):
    """Complex steps against central differences (their error: about 1e-10 of the criterion / step)."""
    example = random_design(np.random.default_rng(SEED), kind)

    def f(theta):
        return example.criterion(theta, method, sigma)

    step, identity = 1e-5, np.eye(len(example.theta))
    central = [(f(example.theta + step * d) - f(example.theta - step * d)) / (2 * step) for d in identity]
    assert gradient(f, example.theta) == pytest.approx(central, rel=1e-6, abs=1e-6)


def test_profiled_sigma_is_the_best():
    """At the profiled sigma the criterion of V = sigma^2 V0 has its minimum."""
    example = random_design(np.random.default_rng(SEED), "three weights")
    for method in ("ML", "REML"):
        value, sigma = example.profiled(example.theta, method)
        oracle = example.oracle(sigma)
        assert value == pytest.approx({"ML": oracle.ml, "REML": oracle.reml}[method](), rel=1e-12)
        for factor in (0.9, 1.1):
            V = factor**2 * oracle.V
            assert minus_two_log_likelihood(V, oracle.e, oracle.X, method) > value


def test_offset_is_a_known_part_of_the_mean():
    """An offset of X c lowers beta by c and leaves b, spreads and criteria alone."""
    rng = np.random.default_rng(SEED)
    oracle = random_design(rng, "slope weights").oracle()
    c = rng.normal(size=oracle.X.shape[1])
    moved = replace(oracle, offset=oracle.X @ c)
    assert moved.fixed()[0] == pytest.approx(oracle.fixed()[0] - c, abs=1e-10)
    assert moved.random() == pytest.approx(oracle.random(), abs=1e-10)
    assert (moved.ml(), moved.reml()) == pytest.approx((oracle.ml(), oracle.reml()), rel=1e-12)


def test_weight_two_is_a_repeated_row():
    """For beta, b and their variances, a weight of 2 is the same row twice."""
    example = random_design(np.random.default_rng(SEED), "crossed")
    twice = np.r_[np.arange(60), np.arange(20)]
    weighted = replace(example.oracle(), weights=np.bincount(twice).astype(float))
    repeated = replace(weighted, y=example.y[twice], X=example.X[twice], Z=example.Z[twice], weights=None)
    for mine, other in zip(weighted.fixed(), repeated.fixed(), strict=True):
        assert mine == pytest.approx(other, rel=1e-9, abs=1e-12)
    assert weighted.random() == pytest.approx(repeated.random(), rel=1e-9, abs=1e-12)
    assert weighted.pev() == pytest.approx(repeated.pev(), rel=1e-9, abs=1e-12)
