"""Reduce once: a Design -> Statistics, the sufficient statistics of the model. The only file that knows the QR.

X = Q R by Householder reflections, e = y - X beta_ols; what is kept is R, beta_ols, e'e and the
cross-products of Z with itself, with Q and with e. Z'X, X'X and y'y are never formed: squaring them loses
half of the digits (theory.md, section 8).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from blupbayes.mme.layout import Cross, Layout, arrange
from blupbayes.model.covariance import Template

__all__ = ["Core", "GroupStatistics", "Statistics", "reduce"]

Array = NDArray[np.float64]
Index = NDArray[np.intp]

DEPENDENT = 1e-15  # eigenvalues of Z'Z with unit columns below q times this are rounding
ROUNDING = 1e-12  # of a unit vector: what is left of it after projection is rounding
RANK_TOLERANCE = 1e-11  # a column is aliased if what the earlier ones leave of it is below this share of its norm


class GroupLike(Protocol):
    """What a grouping factor of a Design offers."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def levels(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def names(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def codes(self) -> Index: ...  # noqa: D102
    @property
    def columns(self) -> Array: ...  # noqa: D102
    @property
    def template(self) -> Template: ...  # noqa: D102


class DesignLike(Protocol):
    """What a Design offers."""

    @property
    def y(self) -> Array: ...  # noqa: D102
    @property
    def X(self) -> Array: ...  # noqa: D102
    @property
    def fixed_names(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def groups(self) -> Sequence[GroupLike]: ...  # noqa: D102
    @property
    def weights(self) -> Array | None: ...  # noqa: D102
    @property
    def offset(self) -> Array | None: ...  # noqa: D102
    @property
    def sigma(self) -> float | None: ...  # noqa: D102


@dataclass(frozen=True)
class GroupStatistics:
    """One grouping factor: its labels, its covariance template and the root mean squares of its columns (q,)."""

    name: str
    levels: tuple[str, ...]
    names: tuple[str, ...]
    template: Template
    scale: Array


@dataclass(frozen=True)
class Places:
    """A Template (model/covariance.py) with its positions as index arrays (m_k,)."""

    size: int
    rows: Index
    cols: Index
    index: Index


@dataclass(frozen=True)
class Core:
    """A small model in orthonormal coordinates of the range of Z = U root (dense.py).

    ``root`` (k, q), root'root = Z'WZ; ``root_a`` (k, q + r + 1): [root U'[Q e]]; ``within`` (r + 1, r + 1):
    [Q e]'(I - U U')[Q e], summed from the rows themselves, so that nothing cancels.
    """

    root: Array
    root_a: Array
    within: Array


@dataclass(frozen=True)
class Statistics:
    """All that the data say about the model, free of n.

    Parameters
    ----------
    n_obs : int
        Rows.
    fixed_names : tuple of str
        Columns of X, p of them.
    kept : array (r,)
        The columns that are not aliased by earlier ones.
    R : array (r, p)
        Q'W^(1/2)X; its kept columns are upper triangular.
    beta_ols : array (p,)
        Weighted least squares on the kept columns, 0 for the aliased ones; unit of y per unit of X.
    ee : float
        e'We, the residual sum of squares of that fit.
    log_weights : float
        log|W|, the sum of the log weights (0 without weights).
    sigma : float or None
        The residual sd if it is known.
    layout : Layout
        Z'WZ in the order of elimination.
    ZQe : array (q, r + 1)
        Z'W^(1/2)[Q e], rows in the layout's order.
    core : Core or None
        Orthonormal coordinates, for models small enough to be one dense block.
    """

    n_obs: int
    fixed_names: tuple[str, ...]
    kept: Index
    R: Array
    beta_ols: Array
    ee: float
    log_weights: float
    sigma: float | None
    groups: tuple[GroupStatistics, ...]
    layout: Layout
    ZQe: Array
    core: Core | None

    @property
    def rank(self) -> int:
        """r, the rank of X."""
        return len(self.kept)

    @property
    def aliased(self) -> tuple[str, ...]:
        """Columns of X that are linear combinations of earlier ones."""
        return tuple(name for k, name in enumerate(self.fixed_names) if k not in set(self.kept.tolist()))

    @property
    def n_theta(self) -> int:
        """Free entries of all T_k."""
        return sum(len(g.template.index) for g in self.groups)

    @cached_property
    def templates(self) -> tuple[Places, ...]:
        """The groups' templates with their positions as arrays."""
        return tuple(
            Places(g.template.size, *(np.array(x, dtype=np.intp) for x in (g.template.rows, g.template.cols, g.template.index)))
            for g in self.groups
        )

    @cached_property
    def log_det_R(self) -> float:
        """log|det| of the kept columns of R."""
        return float(np.sum(np.log(np.abs(np.diag(self.R[:, self.kept])))))

    def factors(self, theta: Array) -> tuple[Array, ...]:
        """T_k (q_k, q_k) of every grouping factor, relative to sigma."""
        out = []
        for t in self.templates:
            T = np.zeros((t.size, t.size))
            T[t.rows, t.cols] = theta[t.index]
            out.append(T)
        return tuple(out)


def independent_columns(X: Array) -> Index:
    """Columns of X (n, p) that are not linear combinations of earlier ones (to RANK_TOLERANCE of their norm)."""
    norms = np.linalg.norm(X, axis=0)
    R = np.linalg.qr(X / np.where(norms > 0, norms, 1.0), mode="r")
    basis: list[Array] = []
    kept = []
    for k in range(X.shape[1]):
        column = R[:, k].copy()
        for _ in range(2):
            for direction in basis:
                column -= direction * (direction @ column)
        left = float(np.linalg.norm(column))
        if norms[k] > 0 and left > RANK_TOLERANCE:
            basis.append(column / left)
            kept.append(k)
    return np.array(kept, dtype=np.intp)


def least_squares(X: Array, y: Array, root_weights: Array | None) -> tuple[Index, Array, Array, Array]:
    """kept (r,), Q (n, r), beta (p,) and residuals e (n,) of the weighted least squares fit, weights applied.

    A constant that X can express is taken off y first, which is exact in floating point, and the fit is
    repeated on its own residuals: so y + 1e8 costs no digits beyond those that y + 1e8 itself has lost.
    """
    n, p = X.shape
    w = np.ones(n) if root_weights is None else root_weights
    Xw = X if root_weights is None else X * w[:, None]
    kept = independent_columns(Xw)
    Xk = Xw[:, kept]
    Q, R = np.linalg.qr(Xk)

    def regress(target: Array) -> Array:
        return np.asarray(solve_triangular(R, Q.T @ target)) if len(kept) else np.zeros(0)

    beta, shift = np.zeros(len(kept)), 0.0
    ones = regress(w)
    if n and np.allclose(Xk @ ones, w, rtol=0, atol=1e-13 * w.max()):
        shift = float(y[0])
        beta = shift * np.where(np.abs(ones - np.round(ones)) < 1e-9, np.round(ones), ones)
    e = w * (y - shift)
    for _ in range(3):
        step = regress(e)
        e = e - Xk @ step
        beta = beta + step
    full = np.zeros(p)
    full[kept] = beta
    return kept, Q, full, e


def level_sums(codes: Index, J: int, left: Array, right: Array) -> Array:
    """Sum over the rows of each level of the outer products of left (n, a) and right (n, b): (J, a, b)."""
    n, a = left.shape
    b = right.shape[1]
    if n * J <= 20_000 and a == 1:
        indicator = np.zeros((J, n))
        indicator[codes, np.arange(n)] = left[:, 0]
        return (indicator @ right).reshape(J, 1, b)
    Z = sp.csr_array(
        (left.ravel(), (codes[:, None] * a + np.arange(a)).ravel(), np.arange(n + 1) * a), shape=(n, J * a)
    )
    return np.asarray(Z.T @ right).reshape(J, a, b)


def cross_product(codes_i: Index, codes_j: Index, J_j: int, left: Array, right: Array) -> Cross:
    """Z_i'Z_j by the pairs of levels that occur together."""
    pairs, place = np.unique(codes_i * J_j + codes_j, return_inverse=True)
    values = level_sums(place.astype(np.intp), len(pairs), left, right)
    return Cross((pairs // J_j).astype(np.intp), (pairs % J_j).astype(np.intp), values)


def dense_core(layout: Layout, columns: Sequence[Array], codes: Sequence[Index], Qe: Array) -> Core | None:
    """Orthonormal coordinates of the range of Z, where the layout is one dense block; None elsewhere.

    Z is scaled to unit columns first, so that a direction is dropped for being dependent, never for its units.
    """
    if layout.chain:
        return None
    n, q = len(Qe), layout.size
    column = np.concatenate(
        [o + c[:, None] * Z.shape[1] + np.arange(Z.shape[1]) for o, c, Z in zip(layout.offsets, codes, columns, strict=True)],
        axis=1,
    )
    Z = sp.csr_array((np.concatenate(columns, axis=1).ravel(), column.ravel(), np.arange(n + 1) * column.shape[1]), (n, q))
    length = np.sqrt(layout.A.diagonal())
    length[length == 0] = 1.0
    values, vectors = np.linalg.eigh(layout.A / np.outer(length, length))
    kept = values > DEPENDENT * q
    vectors, roots = vectors[:, kept], np.sqrt(values[kept])
    from_U = vectors / roots / length[:, None]  # U = Z from_U
    a, left = np.zeros((len(roots), Qe.shape[1])), Qe
    for _ in range(2):
        step = from_U.T @ (Z.T @ left)
        a, left = a + step, left - Z @ (from_U @ step)
    left = without_rounding(left)
    root = (vectors * roots).T * length
    return Core(root, np.asfortranarray(np.hstack([root, a])), left.T @ left)


def without_rounding(left: Array) -> Array:
    """[Q e] outside the range of Z, (n, r + 1), with combinations of Q that lie inside set to exactly nothing."""
    r = left.shape[1] - 1
    if not r:
        return left
    _, s, Vt = np.linalg.svd(np.linalg.qr(left[:, :r], mode="r"))
    inside = Vt[np.sum(s > ROUNDING) :]
    out = left.copy()
    out[:, :r] -= (left[:, :r] @ inside.T) @ inside
    return out


def reduce(design: DesignLike) -> Statistics:
    """Visit the rows once: Design -> Statistics [E-MODEL].

    Parameters
    ----------
    design : Design
        y (n,), X (n, p), grouping factors, weights and offset.

    Returns
    -------
    Statistics
        Sufficient for every answer at any theta, sigma and kappa.

    Examples
    --------
    >>> import blupbayes as bb
    >>> model = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail"))
    >>> model.statistics.rank
    1
    """
    n = len(design.y)
    root = None if design.weights is None else np.sqrt(design.weights)
    y = design.y if design.offset is None else design.y - design.offset
    kept, Q, beta, e = least_squares(design.X, y, root)
    Qe = np.column_stack([Q, e])
    columns = [g.columns if root is None else g.columns * root[:, None] for g in design.groups]
    diagonals = [
        level_sums(g.codes, len(g.levels), Z, Z) for g, Z in zip(design.groups, columns, strict=True)
    ]
    crosses = {
        (i, j): cross_product(
            design.groups[i].codes, design.groups[j].codes, len(design.groups[j].levels), columns[i], columns[j]
        )
        for i, j in itertools.combinations(range(len(columns)), 2)
    }
    layout = arrange(diagonals, crosses)
    ZQe = [level_sums(g.codes, len(g.levels), Z, Qe) for g, Z in zip(design.groups, columns, strict=True)]
    Xw = design.X if root is None else design.X * root[:, None]
    R = Q.T @ Xw
    R[:, kept] = np.triu(R[:, kept])
    return Statistics(
        n_obs=n,
        fixed_names=design.fixed_names,
        kept=kept,
        R=R,
        beta_ols=beta,
        ee=float(e @ e),
        log_weights=0.0 if design.weights is None else float(np.sum(np.log(design.weights))),
        sigma=design.sigma,
        groups=tuple(
            GroupStatistics(g.name, g.levels, g.names, g.template, np.sqrt(np.mean(Z**2, axis=0)))
            for g, Z in zip(design.groups, columns, strict=True)
        ),
        layout=layout,
        ZQe=layout.join(ZQe),
        core=dense_core(layout, columns, [g.codes for g in design.groups], Qe),
    )
