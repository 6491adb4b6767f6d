"""Pieces of a random side: directions against dense matrices, whatever the coding of the columns."""

import numpy as np
import pytest

from blupbayes.frequentist.directions import entries, images, matrices, pieces
from blupbayes.model.design import build
from random_models import KINDS, random_design


def parts(kind, seed=3):
    d = random_design(np.random.default_rng(seed), kind)
    return d, build(d.formula, d.frame)


@pytest.mark.parametrize("kind", KINDS)
def test_sums_of_directions_are_the_covariance_of_y(kind):
    """At theta the pieces' own covariances give Z Lam Lam'Z' times a vector."""
    d, design = parts(kind)
    found = pieces(design.groups)
    v = np.random.default_rng(0).normal(size=len(d.y))
    T = [g.template.matrix(d.theta) for g in design.groups]
    S = []
    for piece in found:
        own = np.linalg.solve(piece.B, T[piece.group][list(piece.coefficients)])
        S.append(own @ own.T)
    values = np.concatenate([[s[r, c] for r, c in entries(len(s))] for s in S])
    dense = d.Z @ d.Lam() @ d.Lam().T @ d.Z.T @ v
    assert np.allclose(images(found, v[:, None]) @ values, dense, rtol=0, atol=1e-11 * np.linalg.norm(dense))
    assert all(np.array_equal(a, b) for a, b in zip(matrices(found, values), map(symmetric, S), strict=True))


def symmetric(S):
    return np.tril(S) + np.tril(S, -1).T


@pytest.mark.parametrize("kind", ["diagonal", "split", "crossed_slopes"])
def test_a_diagonal_term_has_a_piece_per_coefficient(kind):
    _, design = parts(kind)
    free = sum(len(entries(piece.size)) for piece in pieces(design.groups))
    assert free == design.n_theta


def test_bases_are_orthonormal_and_columns_that_repeat_are_one():
    rng = np.random.default_rng(1)
    x = rng.normal(size=60) + 1e4
    data = {"y": rng.normal(size=60), "x": x, "x2": 3 * x - 2, "g": np.arange(60) % 6}
    one, two = (pieces(build(f"y ~ x + ({t} | g)", data).groups)[0] for t in ("x", "x + x2"))
    assert one.size == two.size == 2
    for piece in (one, two):
        # the origin is 1e4 sds away: eight of the sixteen digits
        assert np.allclose(piece.U.T @ piece.U, 60 * np.eye(2), atol=60 * 1e-7)
