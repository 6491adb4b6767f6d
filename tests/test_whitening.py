"""The whitened beta: an exact affine map that units of y and X cannot touch."""

import numpy as np
import pandas as pd
import pytest

from blupbayes.bayes.starts import starting_point
from blupbayes.bayes.whitening import whitening
from blupbayes.model.design import build
from blupbayes.model.prior import Prior


def frame(n=50):
    rng = np.random.default_rng(5)
    x = rng.normal(size=n)
    return pd.DataFrame(
        {"y": 3 + 2 * x + rng.normal(size=n), "x": x, "g": np.arange(n) % 5, "w": 1 + np.arange(n) % 3}
    )


def of(data, prior=None, formula="y ~ x + (x | g)", **options):
    design = build(formula, data, **options)
    resolved = (prior or Prior()).resolve(design)
    return design, resolved, whitening(design, resolved)


def test_forward_undoes_backward_and_the_jacobian_is_that_of_the_root():
    _, _, affine = of(frame())
    w = np.array([0.3, -1.2])
    np.testing.assert_allclose(affine.forward(affine.backward(w)), w, rtol=0, atol=1e-13)
    columns = [affine.backward(e) - affine.backward(np.zeros(2)) for e in np.eye(2)]
    expected = np.linalg.slogdet(np.column_stack(columns))[1]
    assert abs(float(affine.log_jac_det(w).eval()) - expected) < 1e-12


def test_center_and_root_are_weighted_least_squares():
    data = frame()
    design, resolved, affine = of(data, weights="w")
    W = np.diag(design.weights)
    precision = design.X.T @ W @ design.X / resolved.residual_scale**2
    np.testing.assert_allclose(affine.root @ affine.root.T, np.linalg.inv(precision), rtol=1e-11)
    assert (np.diag(affine.root) > 0).all()  # one root of all that there are, whatever LAPACK returns
    ols = np.linalg.solve(design.X.T @ W @ design.X, design.X.T @ W @ design.y)
    np.testing.assert_allclose(affine.center, ols, rtol=1e-11)


def test_with_a_prior_center_is_the_posterior_mean_even_for_dependent_columns():
    prior = Prior(kappa=0.3, mean=[1, 2, 3], precision=np.diag([1.0, 2.0, 3.0]))
    design, resolved, affine = of(frame(), prior, "y ~ x + I(2 * x) + (1 | g)")
    X, s2, P = design.X, resolved.residual_scale**2, 0.3 * resolved.precision
    expected = np.linalg.solve(X.T @ X / s2 + P, X.T @ design.y / s2 + P @ resolved.mean)
    np.testing.assert_allclose(affine.center, expected, rtol=1e-10)


@pytest.mark.parametrize(("cy", "cx", "shift"), [(1e6, 1.0, 0.0), (1e-6, 1e6, 0.0), (1.0, 1.0, 2000.0)])
def test_units_and_origins_change_nothing_that_the_sampler_sees(cy, cx, shift):
    data = frame()
    other = data.assign(y=cy * data["y"], x=cx * (data["x"] + shift))
    (one, _, a), (two, _, b) = of(data), of(other)
    w = np.array([[0.4, -0.7], [1.5, 0.2]])
    before = np.array([one.X @ a.backward(v) for v in w])
    after = np.array([two.X @ b.backward(v) for v in w]) / cy
    # years and an intercept make a condition of 1e4: 1e-12 of the fit, and 1e3 to spare
    np.testing.assert_allclose(after, before, rtol=0, atol=1e-9 * np.abs(before).max())


def test_starts_scale_with_the_units():
    data = frame()
    points = []
    for c in (1.0, 1e6):
        design = build("y ~ x + (x | g)", data.assign(y=c * data["y"]))
        points.append(starting_point(design, Prior().resolve(design), ["beta", "sigma", "sd_g"]))
    assert set(points[0]) == {"beta", "sigma", "sd_g"}
    for name, value in points[0].items():
        np.testing.assert_allclose(points[1][name], 1e6 * np.asarray(value), rtol=1e-10)


def test_a_start_outside_the_prior_is_left_to_the_prior():
    design = build("y ~ x + (x | g)", frame())
    prior = Prior(residual="Uniform(0, 0.001)", sd={"g": {"x": "HalfFlat on variance"}}).resolve(design)
    start = starting_point(design, prior, ["beta", "sigma", "sd_g_0", "sd_g_1_squared"])
    assert set(start) == {"beta", "sd_g_0", "sd_g_1_squared"}
    np.testing.assert_allclose(start["sd_g_1_squared"], prior.groups[0].scales[1] ** 2, rtol=1e-12)
