"""What a likelihood-ratio statistic is compared with: where the null lies in the larger model's parameter space.

The covariance of a piece, positive semidefinite (k, k), has rank k - d at the null. d = 0: inside. d = 1: one
variance at zero, in the null direction z, so that near the null z'Dz >= 0 for a change D of the covariance, a half
space. Several pieces with d = 1: an orthant. d >= 2: a round cone, whose weights have no simple form.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from blupbayes.frequentist.chi_bar import ChiBar, boundary_covariance, chi_bar
from blupbayes.frequentist.directions import Piece, entries
from blupbayes.frequentist.nested import Nesting
from blupbayes.frequentist.null_information import LARGEST, expected_information
from blupbayes.mme.criterion import Evaluation, evaluate
from blupbayes.mme.statistics import Statistics

__all__ = ["of_nesting", "of_restriction", "said"]

Array = NDArray[np.float64]

SINGULAR = 1e-9  # smallest eigenvalue of an information matrix scaled to a unit diagonal
BOOTSTRAP = "use the bootstrap"
SAME = "the two models are one, written in two ways, so there is nothing to test"
UNCLEAR = (
    f"the covariances of the larger model are not identified, so p_boundary has no closed form: {BOOTSTRAP}"
)
ROUND = (
    "the null puts two or more coefficients with free covariances at zero, so p_boundary has no closed form: "
    f"{BOOTSTRAP}; p is too large"
)
TOO_LARGE = (
    f"p_boundary needs a dense matrix of more than {LARGEST} random effects: {BOOTSTRAP}; p is too large"
)


def of_nesting(nesting: Nesting, T: Sequence[Array], statistics: Statistics, method: str) -> ChiBar | str:
    """The distribution under a smaller model, or why there is none in closed form.

    Parameters
    ----------
    nesting : Nesting
    T : sequence of array (q_k, q_k)
        The smaller model's estimates, one per group.
    statistics : Statistics
        Of the larger model.
    method : {"ML", "REML"}
    """
    if nesting.df == 0:
        return SAME
    if not nesting.unique:
        return UNCLEAR
    at_zero = [N.shape[1] for N in nesting.null_spaces]
    if max(at_zero) > 1:
        return ROUND
    n = sum(at_zero)
    if n < 2:
        return one_or_none(n, nesting.df)
    covariances = nesting.null([_in_basis(piece, T[piece.group]) for piece in nesting.small])
    at = evaluate(statistics, _theta(statistics, nesting.large, covariances), method)
    directions, rows = _directions(nesting, statistics)
    return orthant(at, directions, rows, nesting.df)


def of_restriction(
    statistics: Statistics, theta: Array, method: str, group: int, dropped: Sequence[int], df: int
) -> ChiBar | str:
    """The same where coefficients of one group are dropped.

    Parameters
    ----------
    statistics : Statistics
        Of the larger model.
    theta : array (m,)
        The null's estimates, zeros included.
    group : int
    dropped : sequence of int
        Coefficients of the group.
    df : int
        Entries of theta that the null holds at zero.
    """
    if len(dropped) == 1:
        return one_or_none(1, df)
    t = statistics.templates[group]
    if any(r != c and r in dropped and c in dropped for r, c in zip(t.rows, t.cols, strict=True)):
        return ROUND
    at, places = evaluate(statistics, theta, method), list(dropped)
    directions = [
        (k, _unit(t.size, r, c))
        for k, t in enumerate(statistics.templates)
        for r, c in zip(t.rows, t.cols, strict=True)
    ]
    rows = np.array([[float(k == group and E[i, i] > 0) for k, E in directions] for i in places])
    return orthant(at, directions, rows, df)


def one_or_none(n: int, df: int) -> ChiBar:
    """At most one variance at zero: plain, or half and half (Stram and Lee 1994)."""
    return chi_bar(np.eye(1), df - 1) if n else ChiBar(np.ones(1), df)


def orthant(at: Evaluation, directions: list[tuple[int, Array]], rows: Array, df: int) -> ChiBar | str:
    """Several variances at zero, each in a covariance of its own."""
    information = expected_information(at, directions)
    if information is None:
        return TOO_LARGE
    size = np.sqrt(np.maximum(np.diag(information), 1e-300))
    if not np.linalg.eigvalsh(information / np.outer(size, size)).min() > SINGULAR:
        return UNCLEAR
    return chi_bar(boundary_covariance(information, rows), df - len(rows))


def said(against: ChiBar | str, chisq: float, singular: Sequence[str]) -> list[str]:
    """What a reader of the p-values has to know.

    Parameters
    ----------
    against : ChiBar or str
    chisq : float
    singular : sequence of str
        Groups whose covariance the null itself estimates as singular.
    """
    out = [against] if isinstance(against, str) else []
    if isinstance(against, ChiBar) and against.n_draws:
        error = against.monte_carlo_error(chisq)
        out.append(f"p_boundary is from {against.n_draws} draws, Monte Carlo standard error {error:.1g}")
    if singular:
        out.append(
            f"the null's own estimate of the covariance of {', '.join(singular)} is singular, and the p-values take "
            "it as inside, which is approximate"
        )
    return out


def _unit(q: int, r: int, c: int) -> Array:
    """The symmetric (q, q) unit of one free entry."""
    E = np.zeros((q, q))
    E[r, c] = E[c, r] = 1.0
    return E


def _in_basis(piece: Piece, T: Array) -> Array:
    """S (k, k) of a piece from its group's T."""
    own = np.linalg.pinv(piece.B) @ T[list(piece.coefficients)]
    return np.asarray(own @ own.T)


def _theta(statistics: Statistics, pieces: Sequence[Piece], covariances: Sequence[Array]) -> Array:
    """theta (m,) from S (k, k) of every piece, eigenvalues below zero by rounding cut off."""
    T = [np.zeros((t.size, t.size)) for t in statistics.templates]
    for piece, S in zip(pieces, covariances, strict=True):
        values, vectors = np.linalg.eigh(S)
        root = piece.B @ (vectors * np.sqrt(np.maximum(values, 0.0)))
        own = list(piece.coefficients)
        T[piece.group][np.ix_(own, own)] = np.linalg.qr(root.T, mode="r").T
    theta = np.zeros(statistics.n_theta)
    for g, one in zip(statistics.groups, T, strict=True):
        g.template.read(one, theta)
    return theta


def _directions(nesting: Nesting, statistics: Statistics) -> tuple[list[tuple[int, Array]], Array]:
    """The larger model's directions in its own coordinates, and z'Dz of each null direction z as rows (c, m)."""
    directions, owner = [], []
    for k, piece in enumerate(nesting.large):
        own, q = list(piece.coefficients), statistics.templates[piece.group].size
        for r, c in entries(piece.size):
            E = np.zeros((q, q))
            E[np.ix_(own, own)] = piece.B @ _unit(piece.size, r, c) @ piece.B.T
            directions.append((piece.group, E))
            owner.append((k, r, c))
    null = [(k, N[:, 0]) for k, N in enumerate(nesting.null_spaces) if N.shape[1]]
    rows = [[z[r] * z[c] * (1 + (r != c)) if k == mine else 0.0 for k, r, c in owner] for mine, z in null]
    return directions, np.array(rows)
