"""Expected information at a null against dense derivatives of V."""

import numpy as np
import pytest

from blupbayes.frequentist import null_information
from blupbayes.frequentist.null_information import expected_information
from blupbayes.mme.criterion import evaluate
from blupbayes.mme.statistics import reduce
from blupbayes.model.design import build
from random_models import random_design


def dense_information(V, in_V, X, method):
    """tr(P V_i P V_j) / 2, with V^-1 for P by ML; V and its derivatives (n, n) over sigma^2."""
    P = np.linalg.inv(V)
    if method == "REML":
        P = P - P @ X @ np.linalg.solve(X.T @ P @ X, X.T @ P)
    moved = [P @ D for D in in_V]
    return np.array([[0.5 * np.trace(a @ b) for a in moved] for b in moved])


def dense_directions(d, design):
    """Every free entry of every covariance as (n, n)."""
    out = []
    for g in design.groups:
        same = g.codes[:, None] == g.codes
        for r, c in zip(g.template.rows, g.template.cols, strict=True):
            one = same * np.outer(g.columns[:, r], g.columns[:, c])
            out.append(one if r == c else one + one.T)
    return out


def directions_of(statistics):
    out = []
    for k, t in enumerate(statistics.templates):
        for r, c in zip(t.rows, t.cols, strict=True):
            E = np.zeros((t.size, t.size))
            E[r, c] = E[c, r] = 1.0
            out.append((k, E))
    return out


@pytest.mark.parametrize("sigma", [None, 1.7])
@pytest.mark.parametrize("method", ["ML", "REML"])
@pytest.mark.parametrize("kind", ["slope", "diagonal", "crossed_slopes", "nested weights", "three"])
def test_information_at_a_singular_null(kind, method, sigma, storage):
    """With the residual variance a parameter like the others, and its Schur complement taken."""
    d = random_design(np.random.default_rng(5), kind)
    design = build(d.formula, d.frame, weights=d.weights, sigma=sigma)
    theta = d.theta.copy()
    theta[-1] = 0.0  # a variance of zero
    at = evaluate(reduce(design), theta, method)
    actual = expected_information(at, directions_of(at.statistics))
    W = np.diag(1.0 / (np.ones(len(d.y)) if d.weights is None else d.weights))
    V = d.Z @ d.Lam(theta) @ d.Lam(theta).T @ d.Z.T + W
    in_V = [V, *dense_directions(d, design)]  # V itself: the scale sigma^2, which moves everything
    H = dense_information(V, in_V, d.X, method)
    expected = H[1:, 1:] if sigma else H[1:, 1:] - np.outer(H[1:, 0], H[0, 1:]) / H[0, 0]
    size = np.sqrt(np.diag(expected))
    assert np.allclose(actual / np.outer(size, size), expected / np.outer(size, size), atol=1e-10)  # cond V^2


def test_too_many_random_effects_have_no_dense_matrix(storage, monkeypatch):
    d = random_design(np.random.default_rng(5), "crossed")
    at = evaluate(reduce(build(d.formula, d.frame)), d.theta, "ML")
    monkeypatch.setattr(null_information, "LARGEST", 3)
    assert (expected_information(at, directions_of(at.statistics)) is None) == (storage != "dense")
