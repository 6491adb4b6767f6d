"""Laws where the random effects are strong: sds 10 to 1e5 times the residual's, as in a good measuring device.

What is left for the residual is then a small part of y'y, and the intercept is known a million times less well
than a slope: whatever is computed as a difference, or from a Gram matrix of both, loses that many digits.
"""

import numpy as np
import pytest
from worlds import ESTIMATE, law

import blupbayes as bb
from blupbayes.errors import DataError
from blupbayes.mme.criterion import evaluate
from contract import close
from random_models import KINDS

J, R = 9, 5


def one_way(ratio, mixed, seed=0):
    """[E-ONEWAY] with a covariate that is centred in every group; X = [1 x], or [1 + x, 1 - x] if mixed."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(J, R))
    x -= x.mean(axis=1, keepdims=True)
    y = 3 + 2 * x + ratio * rng.normal(size=(J, 1)) + rng.normal(size=(J, R))
    X = np.column_stack([np.ones(J * R), x.ravel()]) @ (
        np.array([[1.0, 1.0], [1.0, -1.0]]) if mixed else np.eye(2)
    )
    model = bb.MixedModel.from_arrays(y.ravel(), X, {"g": (np.repeat(np.arange(J), R), None)})
    means = y.mean(axis=1)
    slope = np.sum(x * (y - means[:, None])) / np.sum(x**2)
    SSE = np.sum((y - means[:, None] - slope * x) ** 2)
    SST = R * np.sum((means - means.mean()) ** 2)
    return model, SSE, SST, np.sum(x**2) * (4.0 if mixed else 1.0)


def criterion(theta, SSE, SST, xx, method):
    """-2 log-likelihood at theta, sigma profiled: log|V0| = J log(1 + R theta^2)."""
    n, between = J * R, 1 + R * theta**2
    m = n if method == "ML" else n - 2
    r2 = SSE + SST / between
    log_det = J * np.log(between) + (np.log(n / between) + np.log(xx) if method == "REML" else 0.0)
    return m * (1 + np.log(2 * np.pi * r2 / m)) + log_det


@pytest.mark.parametrize("mixed", [False, True], ids=["", "mixed"])
@pytest.mark.parametrize("method", ["ML", "REML"])
@pytest.mark.parametrize("ratio", [1.0, 30.0, 1e3, 1e4, 1e5])
def test_criterion_is_right_or_refused(ratio, method, mixed, storage):
    """At theta = ratio. One dense block is right; elimination may say that it has no digits left, not be wrong."""
    model, SSE, SST, xx = one_way(ratio, mixed)
    try:
        at = evaluate(model.statistics, np.array([ratio]), method)
    except DataError:
        assert storage != "dense" and ratio > 1e3
        return
    # the last digit of y over the residual: 1e-16 ratio, times n
    assert at.criterion == pytest.approx(criterion(ratio, SSE, SST, xx, method), abs=1e-9 + 1e-13 * ratio)


@pytest.mark.parametrize("mixed", [False, True], ids=["", "mixed"])
@pytest.mark.parametrize("method", ["ML", "REML"])
@pytest.mark.parametrize("ratio", [3.0, 30.0, 300.0, 3e3])
@pytest.mark.parametrize("seed", range(3))
def test_estimates_are_the_closed_form(seed, ratio, method, mixed, storage):
    """sigma^2 = SSE / (n - J - 1), sigma_a^2 = (SST / (J - 1) - sigma^2) / R for REML; for ML J, and n - J."""
    model, SSE, SST, _ = one_way(ratio, mixed, seed)
    within = SSE / (J * R - J - (method == "REML"))
    between = (SST / (J - (method == "REML")) - within) / R
    fit = model.fit(method)
    assert fit.converged
    assert fit.sigma**2 == pytest.approx(within, rel=1e-8)
    assert fit.variances.sd("g").item() ** 2 == pytest.approx(between, rel=1e-6)


@law(kinds=KINDS, strengths=(10.0, 30.0, 100.0))
def test_strong_effects_converge_in_any_coordinates(w):
    """X A: every fit knows that it has converged, and to the same place."""
    p = w.d.X.shape[1]
    A = np.linalg.qr(w.rng.normal(size=(p, p)))[0]
    columns = {f"k{i}": column for i, column in enumerate((w.d.X @ A).T)}
    base, found = w.fit(), w.fit(f"y ~ 0 + {' + '.join(columns)} + {w.bars}", **columns)
    assert base.converged and found.converged
    assert found.sigma == pytest.approx(base.sigma, rel=ESTIMATE)
    for T, other in zip(found.estimate.T, base.estimate.T, strict=True):
        close(T @ T.T, other @ other.T, tolerance=1e-4)  # 1e-8 deviance units are 1e-4 standard errors
