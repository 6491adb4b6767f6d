"""Laws at the ends: variances to 0 and to infinity, prior precision to 0 and to infinity, zero estimates."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume
from hypothesis import strategies as st
from worlds import CRITERION, ESTIMATE, ROUNDING, SOLUTION, fitted, law, powers, same_effects

import blupbayes as bb
from blupbayes.mme.criterion import evaluate
from contract import close

SEVERAL = ("crossed", "crossed_slopes", "three", "nested", "nested weights offset", "crossed offset")


def scaled(w, factor, groups=None):
    """The true variances, those of some groups times a factor squared."""
    return {
        name: value * factor**2 if name != "residual" and (groups is None or name in groups) else value
        for name, value in w.variances.items()
    }


def white(w):
    """Rows times the square roots of their weights: X, y less the offset, Z."""
    root = np.ones(len(w.d.y)) if w.d.weights is None else np.sqrt(w.d.weights)
    return w.d.X * root[:, None], root * w.d.oracle().e, w.d.Z * root[:, None]


def without_last_group(w):
    """The formula without its last grouping factor."""
    bars = w.bars.replace("(1 | a/b)", "(1 | a) + (1 | a:b)").split(" + (")
    return f"y ~ {w.fixed} + {' + ('.join(bars[:-1])}"


def mean_of_rows(w, point):
    """X beta + Z b (n,) of one point of the pooling path."""
    beta, b = (point.query("component == @c")["estimate"].to_numpy() for c in ("fixed", "b"))
    return w.d.X @ beta + w.d.Z @ b


@law()
def test_no_variance_is_least_squares(w):
    """sd = 0: beta is least squares, of smallest norm if it must choose, b exactly 0; sd = 1e-9 is the same."""
    X, e, _ = white(w)
    expected = np.linalg.lstsq(X, e)[0]
    assert np.linalg.norm(expected) > 0.01
    zero, near = w.model().solve(scaled(w, 0.0)), w.model().solve(scaled(w, 1e-9))
    close(zero.beta, expected, tolerance=SOLUTION)
    close(near.beta, expected, tolerance=SOLUTION)
    assert (zero.b[["estimate", "cond_sd", "pev_sd"]] == 0).all(axis=None)
    assert near.b["estimate"].abs().max() < 1e-12  # of the order of the variance, 1e-18 times 1e2 rows
    finite = np.isfinite(zero.beta_cov.to_numpy())
    close(near.beta_cov.to_numpy()[finite], zero.beta_cov.to_numpy()[finite], tolerance=SOLUTION)


@law(kinds=SEVERAL)
def test_a_group_without_variance_is_not_there(w):
    """One group at sd 0, or 1e-9, among others: the model without it, in beta, b and the likelihood."""
    last = w.d.blocks[-1].name
    small = w.model(without_last_group(w))
    base = small.solve({name: value for name, value in w.variances.items() if name != last})
    for sd in (0.0, 1e-9):
        found = w.model().solve(scaled(w, sd, [last]))
        close(found.beta, base.beta, tolerance=SOLUTION)
        close(found.beta_cov, base.beta_cov, tolerance=SOLUTION)
        same_effects(found.b.query("group != @last"), base.b)
        likelihoods = [g.posterior.restricted_log_likelihood for g in (found, base)]
        assert likelihoods[0] == pytest.approx(likelihoods[1], rel=SOLUTION)


@law(kinds=("crossed", "crossed weights", "crossed offset", "nested"), strengths=(1.0, 3.0))
def test_a_zero_estimate_is_the_model_without_the_term(w):
    """y without the last group's effects, so that half of the estimates of its sd are exactly 0."""
    J = w.d.blocks[-1].J
    effects = w.d.Z[:, -J:] @ np.linalg.lstsq(w.d.Z[:, -J:], w.d.y)[0]
    y = w.d.y - effects + w.d.Z[:, -J:] @ (0.1 * w.rng.normal(size=J))
    w = replace(w, d=replace(w.d, y=y, frame=w.d.frame.assign(y=y)))
    found = w.fit()
    assume(found.variances.sd(w.d.blocks[-1].name).item() == 0.0)
    base = w.fit(without_last_group(w))
    assert found.is_boundary and found.criterion == pytest.approx(base.criterion, rel=ROUNDING, abs=CRITERION)
    close(found.beta, base.beta, tolerance=ESTIMATE)
    b = found.ranef()
    last = b["group"] == w.d.blocks[-1].name
    same_effects(b[~last], base.ranef(), tolerance=ESTIMATE)
    assert (b.loc[last, "estimate"] == 0).all()


@law()
def test_large_variances_tend_to_no_pooling(w):
    """tau = inf: X beta + Z b is the least squares fit of X and Z together; the error is second order in 1/tau."""
    X, e, Z = white(w)
    both = np.hstack([X, Z])
    limit = np.hstack([w.d.X, w.d.Z]) @ np.linalg.lstsq(both, e, rcond=1e-10)[0]
    path = w.model().pooling_path(w.variances, [300.0, 3000.0, np.inf])
    errors = [np.linalg.norm(mean_of_rows(w, point) - limit) for _, point in path.groupby("tau")]
    size = np.linalg.norm(limit)
    assert errors[2] <= 1e-8 * size  # the limit's eigenvalues square the condition of [X Z]
    assert errors[1] <= 1.1e-2 * errors[0] + 1e-8 * size


@law()
def test_more_pooling_fits_the_rows_less(w):
    """The weighted residual sum of squares falls with tau, from least squares without b to least squares with it."""
    X, e, Z = white(w)
    root = np.ones(len(e)) if w.d.weights is None else np.sqrt(w.d.weights)
    path = w.model().pooling_path(w.variances, [0.0, 0.01, 0.1, 1.0, 10.0, 100.0, np.inf])
    rss = [np.sum((e - root * mean_of_rows(w, point)) ** 2) for _, point in path.groupby("tau")]
    assert np.all(np.diff(rss) <= SOLUTION * rss[0])
    for value, columns in ((rss[0], X), (rss[-1], np.hstack([X, Z]))):
        expected = np.sum((e - columns @ np.linalg.lstsq(columns, e, rcond=1e-10)[0]) ** 2)
        assert value == pytest.approx(expected, rel=1e-8)


@law(mean=st.floats(-3.0, 3.0))
def test_infinite_precision_gives_the_prior_mean(w, mean):
    """kappa = inf: beta = m with no variance; b is the BLUP of y - X m where nothing else is to be estimated."""
    m = mean * np.arange(w.d.X.shape[1])
    g = w.model().solve(w.variances, np.inf, m)
    assert np.array_equal(g.beta, m) and not g.beta_cov.to_numpy().any()
    known = replace(w.d.oracle(1.7), offset=w.d.X @ m + (0.0 if w.d.offset is None else w.d.offset))
    b = known.Sigma @ known.Z.T @ np.linalg.solve(known.V, known.e)
    close(g.b["estimate"], b, tolerance=SOLUTION)
    close(g.b["pev_sd"], np.sqrt(np.diag(known.cond_cov)), tolerance=SOLUTION)
    close(g.b["cond_sd"], g.b["pev_sd"], tolerance=SOLUTION)


@law(mean=st.floats(-3.0, 3.0), low=powers(-6, 3), step=powers(0.1, 3))
def test_more_precision_pulls_more(w, mean, low, step):
    """|beta - m| and every variance fall with kappa, |beta - beta(0)| rises: no turns on the way to Henderson."""
    m = np.full(w.d.X.shape[1], mean)
    model = w.model()
    henderson, loose, tight = (model.solve(w.variances, kappa, m) for kappa in (0.0, low, low * step))
    to_mean = [np.linalg.norm(g.beta - m) for g in (henderson, loose, tight)]
    away = [np.linalg.norm(g.beta - henderson.beta) for g in (loose, tight)]
    slack = SOLUTION * (1 + np.linalg.norm(m) + np.linalg.norm(henderson.beta))
    assert np.all(np.diff(to_mean) <= slack) and away[0] <= away[1] + slack
    sds = [np.r_[np.sqrt(np.diag(g.beta_cov)), g.b["pev_sd"]] for g in (henderson, loose, tight)]
    assert np.all(sds[0] >= sds[1] * (1 - SOLUTION)) and np.all(sds[1] >= sds[2] * (1 - SOLUTION))


@law()
def test_the_way_to_henderson_is_first_order(w):
    """X beta(kappa) - X beta(0) over kappa tends to a constant, for X of any rank."""
    model = w.model()
    limit = fitted(w, model.solve(w.variances))
    kappas = 1e-4 / np.linalg.norm(w.d.X) ** 2 * np.array([1.0, 1e-1])
    errors = [np.linalg.norm(fitted(w, model.solve(w.variances, kappa)) - limit) for kappa in kappas]
    assert errors[0] == pytest.approx(10 * errors[1], rel=1e-2, abs=1e-12 * np.linalg.norm(limit))


@law(columns=st.integers(0, 7))
def test_sign_of_a_column_of_T(w, columns):
    """T and T with the sign of any column changed are the same covariance: same criterion, sigma, beta."""
    statistics = w.model().statistics
    theta = w.d.theta.copy()
    for block in w.d.blocks:
        for _, column, place in block.places:
            theta[place] *= -1 if columns >> (column % 3) & 1 else 1
    assume(columns & 3)
    at, other = evaluate(statistics, w.d.theta, w.method), evaluate(statistics, theta, w.method)
    assert other.criterion == pytest.approx(at.criterion, rel=ROUNDING)
    assert other.sigma == pytest.approx(at.sigma, rel=ROUNDING)
    close(other.beta, at.beta, tolerance=ROUNDING)


def test_no_variance_in_rail(storage):
    """One number by hand: the mean of all rows, never 0."""
    rail = bb.load_dataset("rail")
    model = bb.MixedModel("travel ~ 1 + (1 | Rail)", rail)
    for sd in (0.0, 1e-9, 1e-12, 1e-100):
        assert model.solve({"Rail": sd, "residual": 4.0}).beta.item() == pytest.approx(66.5, rel=1e-14)
