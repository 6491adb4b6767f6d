"""The law of the sufficient statistics of a simulated response, from which they are drawn without any rows.

Let y* = o + X beta + Z b* + e*, b* ~ N(0, sigma^2 Lam Lam'), e* ~ N(0, sigma^2 W^-1), and w = W^(1/2)(y* - o - X beta)
= Z b* + eps in weighted rows, eps ~ N(0, sigma^2 I_n). Three orthogonal spaces hold all that matters:

    the range of Z = U root:                 c = U'w = root b* + U'eps,           U'eps ~ N(0, sigma^2 I_k);
    what of Q lies outside, Q - U U'Q = E D: d = E'w = E'eps                      ~ N(0, sigma^2 I_s);
    the rest:                                f^2 = |(I - U U' - E E')eps|^2       ~ sigma^2 chi^2_(n - k - s).

The three are independent, as eps is spherical. No least squares are needed: in [Q e] the residual e may be taken
from any beta, as e + Q t has the same criterion, and g less t. Taken from the true beta it is w, so that

    U'[Q e*] = [U'Q c],     within* = [[D, d], [0, f]].

root, U'Q, D, n, k and s are those of the data: Q is turned so that the columns of Q - U U'Q are orthogonal, those
inside the range of Z being exactly zero (orthonormal.py), and s counts the others. Weights are in the rows, the offset
has gone, X of deficient rank has fewer columns of Q, and where sigma is known it is the sigma here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blupbayes.errors import DataError
from blupbayes.mme.first_block import level_sums
from blupbayes.mme.parts import Parts
from blupbayes.mme.problems import Problems
from blupbayes.mme.statistics import DesignLike, Statistics

__all__ = ["Law", "Responses", "law_of", "problems_of", "responses_of"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Responses:
    """n responses by their coordinates: ``c`` (n, C, k), ``d`` (n, r) and ``f`` (n,), as above."""

    c: Array
    d: Array
    f: Array

    def __len__(self) -> int:
        return len(self.f)


@dataclass(frozen=True, eq=False)
class Law:
    """What responses are drawn from: the parts of a model and the truth.

    ``D`` (r, r): triangular root of Q'(I - U U')Q; ``rest``: n - k - s; ``beta`` (p,), 0 for aliased columns;
    ``T``: relative factors (q, q) per group; ``sigma``.
    """

    statistics: Statistics
    parts: Parts
    D: Array
    rest: int
    beta: Array
    T: tuple[Array, ...]
    sigma: float

    def draw(self, n: int, rng: np.random.Generator) -> Responses:
        """n independent responses."""
        p = self.parts
        C, k = p.alive.shape
        c = rng.standard_normal((n, C, k)) * p.alive
        for s in p.spans:
            u = rng.standard_normal((n, C, s.J, s.q)) @ self.T[s.group].T
            c += (p.root[None, :, :, s.slice] @ u.reshape(n, C, s.J * s.q, 1))[..., 0]
        d = rng.standard_normal((n, len(self.D))) * self.D.any(axis=0)
        f = np.sqrt(rng.chisquare(self.rest, n)) if self.rest else np.zeros(n)
        return Responses(self.sigma * c, self.sigma * d, self.sigma * f)


def law_of(statistics: Statistics, parts: Parts, beta: Array, T: tuple[Array, ...], sigma: float) -> Law:
    """What the statistics of new responses are drawn from.

    Raises
    ------
    DataError
        If the model has more coordinates than rows, which no data set has.
    """
    r = statistics.rank
    D = parts.within[:r, :r] * np.any(parts.within[:r, :r] != 0.0, axis=0)
    rest = statistics.n_obs - int(parts.alive.sum()) - int(D.any(axis=0).sum())
    if rest < 0:
        raise DataError(f"the ranges of X and Z have {-rest} more dimensions than the data have rows.")
    return Law(statistics, parts, D, rest, np.where(np.isnan(beta), 0.0, beta), T, sigma)


def responses_of(law: Law, design: DesignLike, y: Array) -> Responses:
    """The coordinates of responses that are given row by row, y (n, rows)."""
    s, p = law.statistics, law.parts
    weight = np.ones(s.n_obs) if design.weights is None else np.sqrt(design.weights)
    mean = design.X @ law.beta + (0.0 if design.offset is None else design.offset)
    w = (weight * (y - mean)).T
    sums = [level_sums(g.codes, len(g.levels), g.columns * weight[:, None], w) for g in design.groups]
    Zw = np.vstack([s.layout.join(sums), np.zeros((1, len(y)))])[
        p.columns
    ]  # -1, what fills up, is the row of zeros
    c = np.einsum("ckq,cqn->nck", np.linalg.pinv(p.root).transpose(0, 2, 1), Zw)
    Qw = np.linalg.solve(s.R[:, s.kept].T, (design.X[:, s.kept] * weight[:, None]).T @ w)
    seen = np.tensordot(c, p.inside[..., : s.rank], axes=((1, 2), (0, 1)))
    d = (Qw.T - seen) @ np.linalg.pinv(law.D)
    rest = np.sum(w**2, axis=0) - np.sum(c**2, axis=(1, 2)) - np.sum(d**2, axis=1)
    return Responses(c, d, np.sqrt(np.maximum(rest, 0.0)))


def problems_of(law: Law, responses: Responses) -> Problems:
    """The problems that these responses are."""
    s, parts, n, r = law.statistics, law.parts, len(responses), law.statistics.rank
    inside, within = np.empty((*responses.c.shape, r + 1)), np.zeros((n, r + 1, r + 1))
    inside[..., :r], inside[..., r] = parts.inside[..., :r], responses.c
    within[:, :r, :r], within[:, :r, r], within[:, r, r] = law.D, responses.d, responses.f
    return Problems(
        s, parts.spans, parts.columns, parts.root[None], inside, within, law.beta[None],
        np.array([s.n_obs], float), np.array([s.log_weights]),
    )  # fmt: skip
