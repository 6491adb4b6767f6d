"""Laws of weights: precisions, not counts; equal to repeated rows only where the variances are known."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from worlds import CRITERION, ESTIMATE, ROUNDING, SIGMA, SOLUTION, law, powers, same_effects, same_estimates

from blupbayes.mme.criterion import evaluate
from contract import close
from oracle import gradient
from random_models import KINDS

WEIGHTED = ("slope weights", "nested weights offset", "crossed weights", "slope deficient weights")


def counted_and_repeated(w):
    """The model with weights times 1, 2 or 3, and the one with rows repeated as often; the counts (n,)."""
    counts = w.rng.integers(1, 4, size=len(w.d.y))
    own = w.d.frame["weight"].to_numpy() if w.d.weights is not None else np.ones(len(counts))
    counted = w.model(weights=counts * own)
    frame = w.d.frame.loc[np.repeat(w.d.frame.index, counts)].reset_index(drop=True)
    return counted, w.model(frame=frame, weights=np.repeat(own, counts)), counts, own


@law(kinds=(*KINDS, *WEIGHTED))
def test_a_weight_of_two_is_a_repeated_row_at_known_variances(w):
    """r2, beta, b and all their variances are equal."""
    counted, repeated, _, _ = counted_and_repeated(w)
    one, two = counted.solve(w.variances), repeated.solve(w.variances)
    close(one.beta, two.beta, tolerance=SOLUTION)
    finite = np.isfinite(two.beta_cov.to_numpy())
    assert np.array_equal(finite, np.isfinite(one.beta_cov))
    close(np.where(finite, one.beta_cov, 0.0), np.where(finite, two.beta_cov, 0.0), tolerance=SOLUTION)
    same_effects(one.b, two.b)
    r2 = [evaluate(model.statistics, w.d.theta, w.method).border.r2 for model in (counted, repeated)]
    assert r2[0] == pytest.approx(r2[1], rel=SOLUTION)


@law(kinds=(*KINDS, *WEIGHTED))
def test_the_criteria_differ_by_the_number_of_rows_and_the_weights(w):
    """-2 log-likelihoods at known variances: (n' - n) log(2 pi sigma^2) - log|W'| + log|W|, ML, REML and evidence."""
    counted, repeated, counts, own = counted_and_repeated(w)
    rows = (counts.sum() - len(counts)) * np.log(2 * np.pi * SIGMA**2)
    expected = rows - np.sum(counts * np.log(own)) + np.sum(np.log(counts * own))
    for kappa, name in ((0.0, "restricted_log_likelihood"), (0.7, "log_evidence"), (np.inf, "log_evidence")):
        one, two = (getattr(model.solve(w.variances, kappa).posterior, name) for model in (counted, repeated))
        assert -2 * (two - one) == pytest.approx(expected, abs=SOLUTION * abs(two))


@law(kinds=(*KINDS, *WEIGHTED))
def test_the_estimates_of_sigma_differ(w):
    """At the same theta sigma_hat^2 is r2 over n (n - r): repeated rows claim more of them than weights do."""
    counted, repeated, counts, _ = counted_and_repeated(w)
    at, of_rows = (evaluate(model.statistics, w.d.theta, w.method) for model in (counted, repeated))
    rows = counts.sum() - (len(counts) - w.n_criterion)
    assert of_rows.sigma**2 * rows == pytest.approx(at.sigma**2 * w.n_criterion, rel=SOLUTION)


@law(c=powers(-6, 6))
def test_unit_of_weights(w, c):
    """All weights times c: the variances of b and the criterion stay; sigma times sqrt(c), so theta over sqrt(c)."""
    own = w.d.frame["weight"] if w.d.weights is not None else pd.Series(np.ones(len(w.d.y)))
    base, found = w.fit(weights=own), w.fit(weights=c * own)
    assert found.converged
    assert found.criterion == pytest.approx(base.criterion, rel=ROUNDING, abs=CRITERION)
    assert found.sigma == pytest.approx(np.sqrt(c) * base.sigma, rel=ESTIMATE)
    close(found.theta, base.theta / np.sqrt(c), (1 + np.linalg.norm(base.theta)) / np.sqrt(c), ESTIMATE)
    same_effects(found.ranef(), base.ranef(), tolerance=ESTIMATE)
    at = w.variances | {"residual": np.sqrt(c) * SIGMA}
    exact, solved = w.model(weights=c * own).solve(at), w.model(weights=own).solve(w.variances)
    close(exact.beta, solved.beta, tolerance=SOLUTION)
    same_effects(exact.b, solved.b)


@law()
def test_weights_of_one_are_none(w):
    """Weights of 1 say nothing."""
    w = replace(w, d=replace(w.d, weights=None))
    base, found = w.fit(), w.fit(weights=np.ones(len(w.d.y)))
    same_estimates(found, base)
    same_effects(found.ranef(), base.ranef(), tolerance=ESTIMATE)


@law(kinds=WEIGHTED, strengths=(0.3, 1.0, 3.0), count=10)
def test_weighted_estimates_are_those_of_the_oracle(w):
    """A minimiser that knows nothing but dense V gets no lower, and agrees where it gets as low."""
    fit = w.fit()
    assert fit.criterion == pytest.approx(w.d.criterion(fit.theta, w.method), rel=SOLUTION)

    def slope(theta):
        return gradient(lambda t: w.d.criterion(t, w.method), theta)

    assert np.abs(slope(fit.theta)).max() < 1e-4  # a decrement of 1e-10 at curvatures up to 1e2
    other = minimize(lambda t: w.d.criterion(t, w.method), np.ones(len(fit.theta)), jac=slope, method="BFGS")
    assert fit.criterion <= other.fun + 1e-8  # 1e-10 relative, the oracle's own error
    if other.fun < fit.criterion + 1e-8:
        theirs = [fit.statistics.factors(np.asarray(t)) for t in (other.x, fit.theta)]
        for T, mine in zip(*theirs, strict=True):
            close(T @ T.T, mine @ mine.T, 1 + np.linalg.norm(mine @ mine.T), 1e-3)  # sqrt(1e-8 / curvature)
