"""The equalities of the theory at given variances: the package's answer on the left, dense formulas on the right.

Works on arrays and names; knows no estimator. What is compared stands in [beta, b level by level] or in level blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blupbayes.compare.dense import Dense
from blupbayes.compare.dense_readings import BetaDensity, score, sigma_score, with_prior
from blupbayes.compare.effects import GaussianLike, GroupNames, weights
from blupbayes.compare.identity import Identity

__all__ = ["Names", "at_variances", "densities", "kappa_rate", "predictions", "scores", "weight_matrix"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Names:
    """Names of the columns of X that are compared, and the grouping factors."""

    fixed: tuple[str, ...]
    groups: tuple[GroupNames, ...]

    @property
    def beta(self) -> list[str]:
        """beta[Days], ..."""
        return [f"beta[{name}]" for name in self.fixed]

    @property
    def b(self) -> list[str]:
        """b_Subject[308,Days], ..., level by level."""
        return [f"b_{g.name}[{level},{name}]" for g in self.groups for level in g.levels for name in g.names]

    def pairs(self, others: Sequence[str] | None = None) -> list[str]:
        """Entries of blocks (J, q, q), or (J, q, len(others)), of all factors."""
        return [
            f"b_{g.name}[{level},{name}] x {other}"
            for g in self.groups
            for level in g.levels
            for name in g.names
            for other in (g.names if others is None else others)
        ]


def flat(blocks: Sequence[Array]) -> Array:
    """All entries, one after the other."""
    return np.concatenate([np.asarray(x).ravel() for x in blocks])


def sds(blocks: Sequence[Array]) -> Array:
    """Roots of the diagonals of blocks (J, q, q)."""
    return np.sqrt(np.maximum(flat([np.diagonal(x, axis1=1, axis2=2) for x in blocks]), 0.0))


def products(rows: Sequence[Array], columns: Sequence[Array] | None = None) -> Array:
    """sqrt(v_ii v_jj) of blocks (J, q, q), or sqrt(v_ii) times columns (J, r): the scale of a covariance."""
    out = []
    for k, x in enumerate(rows):
        sd = np.sqrt(np.maximum(np.diagonal(x, axis1=1, axis2=2), 0.0))
        out.append(sd[:, :, None] * (sd if columns is None else columns[k])[:, None, :])
    return flat(out)


def at_variances(ours: GaussianLike, dense: Dense, names: Names, tolerance: float) -> list[Identity]:
    """Henderson's solution and its variances [E-MME].

    Parameters
    ----------
    ours : GaussianLike
        At kappa = 0, beta on the columns of X that are compared.
    dense : Dense
    names : Names
    tolerance : float
        Relative to the sd of each number, or to its size.
    """
    se = np.sqrt(np.diag(dense.beta_cov))
    beta, b = dense.beta, flat(dense.b)
    size, b_size = np.hypot(se, beta), np.hypot(sds(dense.pev), b)
    pls_beta, pls_b = dense.pseudo_data
    both = names.beta + names.b
    crosses = [np.broadcast_to(se, (len(x), len(se))) for x in ours.b]
    cross = products(dense.pev, crosses)
    solution = np.concatenate([ours.beta, flat(ours.b)])
    covariances = [f"{x} x {y}" for x in names.beta for y in names.beta]
    given = (
        ("gls", ours.beta, beta, size, names.beta),
        ("blup", flat(ours.b), b, b_size, names.b),
        ("pls", solution, np.concatenate([pls_beta, flat(pls_b)]), np.concatenate([size, b_size]), both),
        ("var_beta", np.ravel(ours.beta_cov), np.ravel(dense.beta_cov), np.ravel(np.outer(se, se)), covariances),
        ("pev", flat(ours.pev), flat(dense.pev), products(dense.pev), names.pairs()),
        ("cross_cov", flat(ours.cross_cov), flat(dense.cross_cov), cross, names.pairs(names.beta)),
        ("cond_var", flat(ours.cond_cov), flat(dense.cond_cov), products(dense.cond_cov), names.pairs()),
        ("weight", *weight(ours, dense, names), names.b),
    )  # fmt: skip
    return [
        Identity(name, left, right, scale, tolerance, labels) for name, left, right, scale, labels in given
    ]


def weight(ours: GaussianLike, dense: Dense, names: Names) -> tuple[Array, Array, Array]:
    """Weights, what the data remove of Sigma over Sigma, and 1, the scale of a share [E-WEIGHT]."""
    shares = []
    for removed, T in zip(dense.removed, dense.T, strict=True):
        prior = dense.sigma**2 * np.sum(T**2, axis=1)
        shares.append(np.diagonal(removed, axis1=1, axis2=2) / np.where(prior > 0, prior, 1.0))
    left = weights(names.groups, ours)["estimate"].to_numpy()
    return left, flat(shares), np.ones(len(left))


def weight_matrix(ours: GaussianLike, dense: Dense, names: Names, tolerance: float) -> list[Identity]:
    """(I - Var(b_j | y, beta) Sigma^-1) times a level's own least squares is its BLUP [E-WEIGHT].

    For one grouping factor of regular Sigma, and where the rows of every level determine its coefficients.
    """
    T = dense.T[0]
    sd = np.linalg.norm(T, axis=1)
    unit = T / np.where(sd > 0, sd, 1.0)[:, None]
    if len(dense.T) > 1 or np.linalg.cond(unit) > 1e4:
        return []
    data, (J, q) = dense.data, dense.b[0].shape
    left = np.sqrt(data.w) * (data.y - data.X @ dense.beta)
    rows = data.spread(data.columns).reshape(-1, J, q)
    cross = np.einsum("njq,njr->jqr", rows, rows)
    size = np.sqrt(np.maximum(np.diagonal(cross, axis1=1, axis2=2), 1e-300))
    if np.linalg.cond(cross / (size[:, :, None] * size[:, None, :])).max() > 1e6:
        return []
    own = np.linalg.solve(cross, np.einsum("njq,n->jq", rows, left)[:, :, None])
    inverse = np.linalg.inv(unit @ unit.T) / np.outer(sd, sd) / dense.sigma**2
    kept = np.eye(q) - ours.cond_cov[0] @ inverse
    scale = np.hypot(sds(dense.pev), (np.abs(kept) @ np.abs(own)).ravel())
    return [Identity("weight_matrix", (kept @ own).ravel(), flat(dense.b), scale, tolerance, names.b)]


def kappa_rate(
    moved: Sequence[Array], kappa: float, dense: Dense, prior: BetaDensity, names: Names, tolerance: float
) -> Identity:
    """The first-order rate, exactly [E-RATE].

    Parameters
    ----------
    moved : sequence of array
        a(kappa) - a(0): of beta (r,), then of b by grouping factor.
    prior : BetaDensity
        With precision kappa P.
    """
    lift, _ = with_prior(dense, np.array([dense.sigma]), prior, np.ones(1))
    pull = prior.precision @ (dense.data.back @ lift[0])
    right = np.concatenate([-dense.beta_cov @ pull, -flat([x @ pull for x in dense.cross_cov])])
    size = np.concatenate([dense.beta, flat(dense.b)])
    sd = np.concatenate([np.sqrt(np.diag(dense.beta_cov)), sds(dense.pev)])
    scale, labels = np.abs(size) + np.abs(right) + sd, names.beta + names.b
    return Identity("kappa_rate", flat(moved), right, scale, tolerance, labels, {"kappa": kappa})


def densities(
    left: Sequence[float], right: Sequence[float], kappa: float, n: int, tolerance: float
) -> list[Identity]:
    """The REML log-likelihood, the evidence at kappa, and Harville's limit; sums of n terms, so their scale is n.

    The first alone where there is no beta.
    """
    out = []
    for name, x, y in zip(("reml", "evidence", "harville"), left, right, strict=False):
        scale = np.array([max(float(n), abs(y))])
        out.append(Identity(name, np.array([x]), np.array([y]), scale, tolerance, [""], {"kappa": kappa}))
    return out


def scores(by_T: Sequence[Array], by_sigma: float, dense: Dense, names: Names, tolerance: float) -> Identity:
    """The gradient of the flat-prior log posterior in T and log sigma, from prediction-error variances [E-SCORE].

    Parameters
    ----------
    by_T : sequence of array (q, q)
    by_sigma : float
        In sigma, at given T.
    """
    left, right, scale, labels = [], [], [], []
    for g, T, slope, found in zip(names.groups, dense.T, by_T, score(dense), strict=True):
        left.append(T.T @ slope)
        right.append(found)
        size = len(g.levels) + float(np.abs(found).max())
        scale.append(np.full(found.shape, size))
        labels += [f"T_{g.name}[{x},{y}]" for x in g.names for y in g.names]
    left.append(np.array(dense.sigma * by_sigma))
    right.append(np.array(own := sigma_score(dense)))
    scale.append(np.array(len(dense.data.y) + abs(own)))
    return Identity("score", flat(left), flat(right), flat(scale), tolerance, [*labels, "log sigma"])


def predictions(
    mean: Array, variance: Array, right: tuple[Array, Array], labels: Sequence[str], tolerance: float
) -> list[Identity]:
    """x*'beta + z*'b, and its error, as the best linear predictor [E-BLP]."""
    size = np.hypot(right[0], np.sqrt(right[1]))
    return [
        Identity("blp", mean, right[0], size, tolerance, labels),
        Identity("blp_variance", variance, right[1], right[1], tolerance, labels),
    ]
