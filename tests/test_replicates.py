"""Statistics of new responses: a given response by its coordinates, and the law of drawn ones, against its rows."""

from dataclasses import replace

import numpy as np
import pytest

from blupbayes.mme.criterion import evaluate
from blupbayes.mme.parts import parts_of
from blupbayes.mme.problems import sweep
from blupbayes.mme.replicates import Responses, law_of, problems_of, responses_of
from blupbayes.mme.statistics import reduce
from blupbayes.model.design import build
from random_models import KINDS
from test_gaussian import case

SIGMA = 1.7


def design_of(d):
    options = {
        name: value for name, value in (("weights", d.weights), ("offset", d.offset)) if value is not None
    }
    return build(d.formula, d.frame, **options)


def truth(d, statistics, seed=11):
    """beta (p,), 0 for aliased columns."""
    beta = np.zeros(d.X.shape[1])
    beta[statistics.kept] = np.random.default_rng(seed).normal(size=statistics.rank)
    return beta


def coordinates(d, statistics, law, y):
    """c, d and f of responses y (n, rows), from dense bases of the rows themselves."""
    root = np.ones(len(d.y)) if d.weights is None else np.sqrt(d.weights)
    offset = 0.0 if d.offset is None else d.offset
    w = (root * (y - offset - d.X @ law.beta)).T
    parts, X = law.parts, (root[:, None] * d.X)[:, statistics.kept]
    Z = root[:, None] * d.Z
    Q = X @ np.linalg.inv(statistics.R[:, statistics.kept])
    c, inside = np.zeros((y.shape[0], *parts.alive.shape)), np.zeros_like(w)
    for k, (columns, own) in enumerate(zip(parts.columns, parts.root, strict=True)):
        U = Z[:, columns[columns >= 0]] @ np.linalg.pinv(own[:, columns >= 0], rcond=1e-8)
        c[:, k] = (U.T @ w).T
        inside += U @ (U.T @ w)
        Q = Q - U @ (U.T @ Q)
    E = Q @ np.linalg.pinv(law.D, rcond=1e-8)
    outside = E.T @ w
    rest = w - inside - E @ outside
    return Responses(c, outside.T, np.linalg.norm(rest, axis=0))


@pytest.mark.parametrize("kind", KINDS)
def test_a_given_response_has_the_statistics_of_its_rows(kind, storage):
    """Criterion, beta and sigma at random theta from old statistics and new coordinates, and from reducing again."""
    d, statistics, theta = case(kind, seed=6)
    parts = parts_of(statistics)
    if parts is None:
        return
    law = law_of(statistics, parts, truth(d, statistics), statistics.factors(theta), SIGMA)
    rng = np.random.default_rng(0)
    y = d.y + rng.normal(size=(3, len(d.y))) * 4.0
    problems = problems_of(law, coordinates(d, statistics, law, y))
    for method in ("ML", "REML"):
        for t in (theta, 0.0 * theta, theta + rng.normal(size=len(theta)), 100.0 * theta):
            at = sweep(problems, t, method)
            for b in range(3):
                again = evaluate(reduce(replace(design_of(d), y=y[b])), t, method)
                assert at.criterion[b] == pytest.approx(again.criterion, rel=1e-10)  # sums in another order
                assert at.sigma[b] == pytest.approx(again.sigma, rel=1e-9)
                assert np.abs(at.beta[b] - again.beta).max() <= 1e-9 * np.abs(again.beta).max()


@pytest.mark.parametrize("kind", ["slope weights", "nested weights offset", "crossed", "slope deficient"])
def test_drawn_responses_have_the_law_of_simulated_rows(kind):
    """Means and covariances of all coordinates of the new residuals, drawn and from simulated rows."""
    d, statistics, theta = case(kind, seed=6)
    theta = 1.0 + 2.0 * theta  # correlations that a transposed factor would turn
    n, rng = 4000, np.random.default_rng(1)
    law = law_of(statistics, parts_of(statistics), truth(d, statistics), statistics.factors(theta), SIGMA)
    b = rng.normal(size=(n, d.Z.shape[1])) @ d.Lam(theta).T
    noise = rng.normal(size=(n, len(d.y))) / np.sqrt(1.0 if d.weights is None else d.weights)
    y = d.X @ law.beta + (0.0 if d.offset is None else d.offset) + SIGMA * (b @ d.Z.T + noise)
    drawn, simulated = law.draw(n, rng), coordinates(d, statistics, law, y)
    flat = [np.column_stack([x.c.reshape(n, -1), x.d, x.f**2]) for x in (drawn, simulated)]
    one, other = flat
    scale = np.maximum(one.std(axis=0), 1e-9)
    # 4.5 and 5.5 standard errors of a difference of means and of products, over hundreds of entries
    assert np.abs((one.mean(axis=0) - other.mean(axis=0)) / scale).max() < 4.5 * np.sqrt(2 / n)
    products = [(x - x.mean(axis=0)) / scale for x in flat]
    gap = (products[0].T @ products[0] - products[1].T @ products[1]) / n
    error = np.sqrt(2.0 * (products[0] ** 2).T @ products[0] ** 2) / n
    assert np.abs(gap / np.maximum(error, 1e-9)).max() < 5.5


@pytest.mark.parametrize("kind", ["intercept", "slope weights", "nested"])
def test_the_rest_is_chi_squared_with_what_dimensions_are_left(kind):
    d, statistics, theta = case(kind, seed=6)
    law = law_of(statistics, parts_of(statistics), truth(d, statistics), statistics.factors(theta), SIGMA)
    rank = np.linalg.matrix_rank(np.hstack([d.X, d.Z]))
    f2 = law.draw(20000, np.random.default_rng(2)).f ** 2 / SIGMA**2
    assert law.rest == len(d.y) - rank
    assert f2.mean() == pytest.approx(law.rest, abs=5 * np.sqrt(2 * law.rest / 20000))
    assert f2.var() == pytest.approx(2 * law.rest, rel=0.06)


def test_a_model_without_any_rest():
    """One row for each level: the residual is known or nothing is left."""
    frame = {"y": [28.0, 8, -3, 7, -1, 1, 18, 12], "g": list("ABCDEFGH")}
    weights = 1.0 / np.array([15.0, 10, 16, 11, 9, 11, 10, 18]) ** 2
    statistics = reduce(build("y ~ 1 + (1 | g)", frame, weights=weights, sigma=1.0))
    law = law_of(statistics, parts_of(statistics), np.array([8.0]), (np.array([[5.0]]),), 1.0)
    drawn = law.draw(5, np.random.default_rng(0))
    assert law.rest == 0 and not drawn.f.any()
    assert np.isfinite(sweep(problems_of(law, drawn), np.array([3.0]), "REML").criterion).all()


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_turned_into_coordinates(kind, storage):
    d, statistics, theta = case(kind, seed=8)
    parts = parts_of(statistics)
    if parts is None:
        return
    law = law_of(statistics, parts, truth(d, statistics), statistics.factors(theta), SIGMA)
    y = np.random.default_rng(3).normal(size=(4, len(d.y))) * 5.0
    found, expected = responses_of(law, design_of(d), y), coordinates(d, statistics, law, y)
    scale = np.linalg.norm(y)
    for name in ("c", "d", "f"):
        # sums of products against bases from the rows; f is a difference of squares, and loses half of the digits
        tolerance = 1e-7 if name == "f" else 1e-10
        assert np.abs(getattr(found, name) - getattr(expected, name)).max() <= tolerance * scale
