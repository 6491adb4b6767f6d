"""The pooling path and both of its ends."""

import numpy as np
import pytest

from blupbayes.errors import DataError
from blupbayes.mme import pooling
from blupbayes.mme.gaussian import posterior
from blupbayes.mme.pooling import pooling_path
from contract import close
from test_gaussian import SIGMA, case

KINDS = ["intercept", "slope", "crossed", "nested", "slope deficient", "crossed_slopes"]


@pytest.mark.parametrize("kind", KINDS)
def test_zero_is_complete_pooling(kind):
    d, statistics, theta = case(kind)
    (point,) = pooling_path(statistics, statistics.factors(theta), SIGMA, [0.0])
    ols = np.linalg.lstsq(d.X, d.y, rcond=None)[0]
    close(point.beta, ols)
    assert all(np.all(b == 0) for b in point.b)


@pytest.mark.parametrize("kind", KINDS)
def test_infinity_is_least_squares_with_fixed_groups(kind):
    """Fitted values of no pooling: the projection on [X Z]; b: the solution of smallest b'Sigma^-1 b."""
    d, statistics, theta = case(kind)
    (point,) = pooling_path(statistics, statistics.factors(theta), SIGMA, [np.inf])
    b = np.concatenate([x.ravel() for x in point.b])
    XZ = np.hstack([d.X, d.Z])
    fitted = XZ @ np.linalg.lstsq(XZ, d.y, rcond=1e-10)[0]
    close(d.X @ point.beta + d.Z @ b, fitted, tolerance=1e-9)  # condition of [X Z], squared in Z'Z
    (near,) = pooling_path(statistics, statistics.factors(theta), SIGMA, [1e5])
    close(
        np.concatenate([x.ravel() for x in near.b]), b, tolerance=1e-8
    )  # 1/tau^2 over the smallest information


@pytest.mark.parametrize("kind", KINDS)
def test_both_routes_agree_in_the_middle(kind, storage):
    _, statistics, theta = case(kind)
    T, tau = statistics.factors(theta), 30.0
    (by_factor,) = pooling_path(statistics, T, SIGMA, [tau])
    by_decomposition = pooling.no_pooling(statistics, T, SIGMA, tau)
    for name in ("beta", "beta_sd"):
        x, y = getattr(by_factor, name), getattr(by_decomposition, name)
        seen = np.isfinite(x)
        assert (seen == np.isfinite(y)).all()
        close(y[seen], x[seen], tolerance=1e-8)  # elimination cancels tau^2 of the information
    for name in ("b", "b_sd", "sum_sd"):
        for x, y in zip(getattr(by_factor, name), getattr(by_decomposition, name), strict=True):
            seen = np.isfinite(x)
            assert (seen == np.isfinite(y)).all()
            close(y[seen], x[seen], tolerance=1e-8)


@pytest.mark.parametrize("kind", KINDS)
def test_without_pooling_the_sd_of_a_group_mean_is_that_of_least_squares(kind):
    """sigma times the length of (e_k + e_jk)'[X Z]^+, where least squares determines the sum; else infinite."""
    d, statistics, theta = case(kind)
    (point,) = pooling_path(statistics, statistics.factors(theta), SIGMA, [np.inf])
    XZ, q = np.hstack([d.X, d.Z]), d.Z.shape[1]
    inverse, column = np.linalg.pinv(XZ, rcond=1e-10), 0
    for g, found in zip(statistics.groups, point.sum_sd, strict=True):
        for j in range(len(g.levels)):
            for k, name in enumerate(g.names):
                if name not in statistics.fixed_names:
                    assert np.isnan(found[j, k])
                else:
                    a = np.zeros(d.X.shape[1] + q)
                    a[[statistics.fixed_names.index(name), d.X.shape[1] + column]] = 1.0
                    seen = np.allclose(a @ inverse @ XZ, a, atol=1e-8)
                    sd = SIGMA * np.linalg.norm(a @ inverse) if seen else np.inf
                    assert found[j, k] == pytest.approx(sd, rel=1e-7)
                column += 1


def test_what_the_data_cannot_see_has_infinite_sd_without_pooling():
    d, statistics, theta = case("intercept")
    (point,) = pooling_path(statistics, statistics.factors(theta), SIGMA, [np.inf])
    assert np.isinf(point.beta_sd[0])
    assert np.isinf(point.b_sd[0]).all()
    within = d.X[:, 1:] - d.Z @ np.linalg.lstsq(d.Z, d.X[:, 1:], rcond=None)[0]
    assert np.allclose(
        point.beta_sd[1:], SIGMA * np.sqrt(np.diag(np.linalg.inv(within.T @ within))), rtol=1e-10
    )


def test_tau_one_is_henderson():
    _, statistics, theta = case("slope")
    T = statistics.factors(theta)
    (point,) = pooling_path(statistics, T, SIGMA, [1.0])
    assert np.array_equal(point.beta, posterior(statistics, T, SIGMA).beta)


@pytest.mark.parametrize("tau", [-1.0, np.nan])
def test_negative_tau_is_refused(tau):
    _, statistics, theta = case("intercept")
    with pytest.raises(DataError, match="tau multiplies standard deviations"):
        list(pooling_path(statistics, statistics.factors(theta), SIGMA, [tau]))


def test_a_limit_too_large_to_decompose_says_so(monkeypatch):
    _, statistics, theta = case("intercept")
    monkeypatch.setattr(pooling, "LARGEST", 3)
    with pytest.raises(DataError, match="Use a smaller tau instead"):
        list(pooling_path(statistics, statistics.factors(theta), SIGMA, [np.inf]))
