"""Reduce once: a Design -> Statistics, the sufficient statistics of the model, from rows in memory.

X = Q R by Householder reflections, e = y - X beta_ols; what is kept is R, beta_ols, e'e and the
cross-products of Z with itself, with Q and with e. Z'X, X'X and y'y are never formed: squaring them loses
half of the digits (theory.md, section 9).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from blupbayes.mme.core import Core, dense_core
from blupbayes.mme.coupling import Cross
from blupbayes.mme.first_block import FirstBlock, first_block, level_sums
from blupbayes.mme.layout import Layout, arrange
from blupbayes.mme.least_squares import least_squares
from blupbayes.mme.memory import require_rows
from blupbayes.mme.moments import moment_start
from blupbayes.model.covariance import Template

__all__ = ["GroupStatistics", "Statistics", "gathered", "reduce"]

Array = NDArray[np.float64]
Index = NDArray[np.intp]


class GroupLike(Protocol):
    """What a grouping factor of a Design offers."""

    @property
    def name(self) -> str: ...
    @property
    def levels(self) -> tuple[str, ...]: ...
    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def codes(self) -> Index: ...
    @property
    def columns(self) -> Array: ...
    @property
    def template(self) -> Template: ...


class DesignLike(Protocol):
    """What a Design offers."""

    @property
    def y(self) -> Array: ...
    @property
    def X(self) -> Array: ...
    @property
    def fixed_names(self) -> tuple[str, ...]: ...
    @property
    def groups(self) -> Sequence[GroupLike]: ...
    @property
    def weights(self) -> Array | None: ...
    @property
    def offset(self) -> Array | None: ...
    @property
    def sigma(self) -> float | None: ...


@dataclass(frozen=True, eq=False)
class GroupStatistics:
    """One grouping factor: its labels, its covariance template and the root mean squares of its columns (q,)."""

    name: str
    levels: tuple[str, ...]
    names: tuple[str, ...]
    template: Template
    scale: Array


@dataclass(frozen=True, eq=False)
class Places:
    """A Template (model/covariance.py) with its positions as index arrays (m_k,)."""

    size: int
    rows: Index
    cols: Index
    index: Index


@dataclass(frozen=True, eq=False)
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
        Q'W^(1/2)X, Q being an orthonormal basis of the columns of W^(1/2)X. It is turned so that what lies in
        the range of Z stands in columns of its own, which are then as exact as the others (orthonormal.py).
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
    first : FirstBlock or None
        The same of the first block of the chain, for the others.
    start : tuple of array (q, q), or None
        Relative covariances by moments, for the others: where to begin an estimation.
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
    first: FirstBlock | None
    start: tuple[Array, ...] | None

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
            Places(
                g.template.size,
                *(np.array(x, dtype=np.intp) for x in (g.template.rows, g.template.cols, g.template.index)),
            )
            for g in self.groups
        )

    @cached_property
    def log_det_R(self) -> float:
        """log|det| of the kept columns of R."""
        return float(np.linalg.slogdet(self.R[:, self.kept])[1])

    def factors(self, theta: Array) -> tuple[Array, ...]:
        """T_k (q_k, q_k) of every grouping factor, relative to sigma."""
        out = []
        for t in self.templates:
            T = np.zeros((t.size, t.size))
            T[t.rows, t.cols] = theta[t.index]
            out.append(T)
        return tuple(out)


def cross_product(codes_i: Index, codes_j: Index, J_j: int, left: Array, right: Array) -> Cross:
    """Z_i'Z_j by the pairs of levels that occur together."""
    pairs, place = np.unique(codes_i * J_j + codes_j, return_inverse=True)
    values = level_sums(place.astype(np.intp), len(pairs), left, right)
    return Cross((pairs // J_j).astype(np.intp), (pairs % J_j).astype(np.intp), values)


def cross_products(
    groups: Sequence[GroupLike], columns: Sequence[Array]
) -> tuple[list[Array], dict[tuple[int, int], Cross]]:
    """Z_k'W Z_k by level (J, q, q) per group, and Z_i'W Z_j for every pair i < j; columns carry the weights."""
    diagonals = [level_sums(g.codes, len(g.levels), Z, Z) for g, Z in zip(groups, columns, strict=True)]
    crosses = {}
    for i, j in itertools.combinations(range(len(groups)), 2):
        to = groups[j]
        crosses[i, j] = cross_product(groups[i].codes, to.codes, len(to.levels), columns[i], columns[j])
    return diagonals, crosses


def weighted(columns: Array, root_weights: Array | None) -> Array:
    """Rows of columns (n, m) times the square root of their weight."""
    return columns if root_weights is None else columns * root_weights[:, None]


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
    root = None if design.weights is None else np.sqrt(design.weights)
    y = design.y if design.offset is None else design.y - design.offset
    shapes = [(len(g.levels), len(g.names)) for g in design.groups]
    require_rows(len(y), design.X.shape[1], shapes)
    kept, Q, beta, e = least_squares(design.X, y, root)
    codes = [g.codes for g in design.groups]
    columns = [weighted(g.columns, root) for g in design.groups]
    diagonals, crosses = cross_products(design.groups, columns)
    layout = arrange(diagonals, crosses, [g.name for g in design.groups], len(kept) + 1)
    core, first = None, None
    if layout.chain:
        first, parts = first_block(layout, columns, codes, np.column_stack([Q, e]))
    else:
        core, parts = dense_core(layout, columns, codes, np.column_stack([Q, e]))
    Q = Q @ parts.turn
    Qe = np.column_stack([Q, e])
    ZQe = [level_sums(c, len(D), Z, Qe) for c, D, Z in zip(codes, diagonals, columns, strict=True)]
    return gathered(
        n_obs=len(e),
        fixed_names=design.fixed_names,
        kept=kept,
        R=Q.T @ weighted(design.X, root),
        beta_ols=beta,
        ee=float(e @ e),
        log_weights=0.0 if design.weights is None else float(np.sum(np.log(design.weights))),
        sigma=design.sigma,
        groups=tuple(
            GroupStatistics(g.name, g.levels, g.names, g.template, np.sqrt(np.mean(Z**2, axis=0)))
            for g, Z in zip(design.groups, columns, strict=True)
        ),
        layout=layout,
        D=diagonals,
        crosses=crosses,
        ZQe=ZQe,
        core=core,
        first=first,
    )


def gathered(
    *, D: Sequence[Array], crosses: Mapping[tuple[int, int], Cross], ZQe: Sequence[Array], **parts: Any
) -> Statistics:
    """Statistics from the sums per group, which are brought into the layout's order; with a start by moments."""
    layout, sigma = parts["layout"], parts["sigma"]
    start = None
    if layout.chain:
        start = moment_start(D, crosses, ZQe, parts["ee"], parts["n_obs"] - len(parts["kept"]), sigma)
    return Statistics(ZQe=layout.join(ZQe), start=start, **parts)
