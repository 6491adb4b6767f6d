"""The pooling path: every random-effect sd times tau, from 0 (complete pooling) to inf (no pooling).

At tau = inf the random effects are fixed effects. Their least-squares solutions form a plane (a level's
effect and the intercept cannot be told apart); the limit of the posterior mean is the point of that plane
with the smallest b'Sigma^-1 b, and whatever is not constant on the plane has infinite variance.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blupbayes.errors import DataError
from blupbayes.mme.gaussian import GaussianPosterior, null_split, posterior
from blupbayes.mme.statistics import Statistics

__all__ = ["PathPoint", "no_pooling", "pooling_path"]

Array = NDArray[np.float64]
LARGEST = 2000  # random effects up to which the limit's eigen-decomposition is attempted
STRONG = 1e7  # Lam'Z'Z Lam above this: elimination would cancel half of the digits, so decompose
NULL = 1e-10  # share of the largest eigenvalue below which a direction is not seen by the data


@dataclass(frozen=True, eq=False)
class PathPoint:
    """One point of the path: estimates and their sds (inf where the limit has none).

    ``beta``, ``beta_sd`` (p,); ``b``, ``b_sd``: (J, q) per grouping factor; ``sum_sd`` (J, q): of beta_k + b_jk, NaN
    for a coefficient without a fixed column of the same name.
    """

    tau: float
    beta: Array
    beta_sd: Array
    b: tuple[Array, ...]
    b_sd: tuple[Array, ...]
    sum_sd: tuple[Array, ...]


def pooling_path(
    statistics: Statistics, T: tuple[Array, ...], sigma: float, taus: Iterable[float]
) -> Iterator[PathPoint]:
    """Henderson's solution with every relative sd times tau, tau in [0, inf].

    Raises
    ------
    DataError
        If a tau is negative or not a number, or is inf with more random effects than LARGEST.
    """
    for tau in taus:
        if not tau >= 0:
            raise DataError(f"tau multiplies standard deviations and must be in [0, inf], got {tau!r}")
        yield _at(statistics, T, sigma, tau) if np.isfinite(tau) else no_pooling(statistics, T, sigma)


def _at(statistics: Statistics, T: tuple[Array, ...], sigma: float, tau: float) -> PathPoint:
    if statistics.core is None and tau**2 * largest_strength(statistics, T) > STRONG:
        return no_pooling(statistics, T, sigma, tau)
    g = posterior(statistics, tuple(tau * t for t in T), sigma)
    b_sd = tuple(np.sqrt(np.maximum(np.diagonal(c, axis1=1, axis2=2), 0.0)) for c in g.pev)
    return PathPoint(tau, g.beta, np.sqrt(np.diag(g.beta_cov)), g.b, b_sd, sum_sds(statistics, g))


def shared(statistics: Statistics) -> list[list[int]]:
    """For each coefficient of each group the column of X of the same name, -1 without one."""
    names = list(statistics.fixed_names)
    return [[names.index(name) if name in names else -1 for name in g.names] for g in statistics.groups]


def columns_of_b(statistics: Statistics) -> NDArray[np.intp]:
    """The same for every b (q,) in the layout's order."""
    layout = statistics.layout
    out = np.full(layout.size, -1)
    for place, offset, (J, q) in zip(shared(statistics), layout.offsets, layout.shapes, strict=True):
        out[offset : offset + J * q] = np.tile(place, J)
    return out


def sum_sds(statistics: Statistics, g: GaussianPosterior) -> tuple[Array, ...]:
    """Sds of beta_k + b_jk [E-PEV], NaN where there is no beta_k."""
    out = []
    for place, pev, cross in zip(shared(statistics), g.pev, g.cross_cov, strict=True):
        sd = np.full(pev.shape[:2], np.nan)
        for k, c in enumerate(place):
            if c >= 0:
                sd[:, k] = np.sqrt(np.maximum(g.beta_cov[c, c] + pev[:, k, k] + 2 * cross[:, k, c], 0.0))
        out.append(sd)
    return tuple(out)


def largest_strength(statistics: Statistics, T: tuple[Array, ...]) -> float:
    """Largest diagonal entry of Lam'Z'Z Lam: elimination cancels about log10 of this many digits."""
    layout, largest = statistics.layout, 0.0
    for block in layout.chain:
        t = T[block.group]
        largest = max(largest, float(np.diagonal(t.T @ block.D @ t, axis1=1, axis2=2).max()))
    for s in layout.tail:
        D = layout.levels(s)
        largest = max(largest, float(np.diagonal(T[s.group].T @ D @ T[s.group], axis1=1, axis2=2).max()))
    return largest


def no_pooling(statistics: Statistics, T: tuple[Array, ...], sigma: float, tau: float = np.inf) -> PathPoint:
    """The limit tau -> inf: random effects as fixed effects, smallest u'u among the solutions, b = Lam u.

    At a finite tau the same decomposition gives the exact solution, and what the data cannot see has a finite
    variance, tau^2 times the prior's part of it.
    """
    layout, r = statistics.layout, statistics.rank
    q = layout.size
    if q > LARGEST:
        raise DataError(
            f"tau = {tau:g} needs a dense decomposition of {q} random effects, more than the limit of {LARGEST}. "
            "Use a smaller tau instead, 1e3 say."
        )
    Lam = lam(statistics, T)
    B = Lam.T @ statistics.ZQe
    H = np.block([[np.eye(r), B[:, :r].T], [B[:, :r], Lam.T @ layout.multiply(Lam)]])
    values, vectors = np.linalg.eigh(H)
    seen = values > NULL * values[-1]
    V, null = vectors[:, seen], vectors[:, ~seen]
    to_null = null @ np.linalg.pinv(null[r:])
    V = V - to_null @ V[r:]  # orthogonal to what the data cannot see, in the metric of the penalty u'u
    K = np.linalg.inv(np.diag(values[seen]) + V[r:].T @ V[r:] / tau**2)
    z = V @ (K @ (V.T @ np.concatenate([np.zeros(r), B[:, r]])))
    G, free = null_split(statistics.R)
    maps = np.block([[G, np.zeros((len(G), q))], [np.zeros((q, r)), Lam]])
    place = columns_of_b(statistics)
    lost = np.sum(free**2, axis=1) > 1e-12  # coefficients that X itself leaves open
    with_beta = maps[len(G) :] + np.where(place >= 0, maps[place].T, 0.0).T
    maps = np.vstack([maps, with_beta])
    variance = np.sum((maps @ V @ K) * (maps @ V), axis=1)
    hidden = np.sum((maps @ to_null) ** 2, axis=1)
    hidden[hidden < 1e-12 * np.maximum(np.sum(maps**2, axis=1), 1e-300)] = 0.0
    hidden[np.concatenate([lost, np.zeros(q, dtype=bool), np.append(lost, False)[place]])] = np.inf
    with np.errstate(invalid="ignore"):
        sd = sigma * np.sqrt(variance + np.where(hidden > 0, tau**2 * hidden, 0.0))
    beta = G @ (statistics.R @ statistics.beta_ols + z[:r])
    sums = np.where(place >= 0, sd[len(G) + q :], np.nan)
    parts = layout.split(np.column_stack([Lam @ z[r:], sd[len(G) : len(G) + q], sums]))
    b, b_sd, sum_sd = (tuple(x[:, :, i] for x in parts) for i in range(3))
    return PathPoint(tau, beta, sd[: len(G)], b, b_sd, sum_sd)


def lam(statistics: Statistics, T: tuple[Array, ...]) -> Array:
    """Lam (q, q), block diagonal in the layout's order."""
    layout = statistics.layout
    out = np.zeros((layout.size, layout.size))
    for (J, q), offset, t in zip(layout.shapes, layout.offsets, T, strict=True):
        out[offset : offset + J * q, offset : offset + J * q] = np.kron(np.eye(J), t)
    return out
