"""What the rows come down to when they are not kept: sums that can be saved, and turned into Statistics.

The same numbers as `reduce` finds from rows (statistics.py), in three pieces: the least-squares fit, the
cross-products, and what lies inside and outside the range of the first block (orthonormal.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blupbayes.mme.core import Core
from blupbayes.mme.coupling import Cross
from blupbayes.mme.first_block import FirstBlock, rest_of
from blupbayes.mme.layout import Layout, arrange
from blupbayes.mme.linalg import transpose
from blupbayes.mme.orthonormal import ROUNDING, basis, nearly_dependent, refined, triangular_root
from blupbayes.mme.passes import FactorPass, ProductPass, Regression
from blupbayes.mme.statistics import GroupStatistics, Statistics, gathered

__all__ = ["Range", "Split", "Sums", "range_of", "statistics_of", "sums_of"]

Array = NDArray[np.float64]
Index = NDArray[np.intp]

NEGLIGIBLE = 1e-8  # of a column: a part of this size changes its norm by less than rounding


@dataclass(frozen=True, eq=False)
class Range:
    """A basis of the range of the first block of the chain, or of all of Z where there is no chain.

    ``group``: number of the group, None for all of Z. ``from_U``: Z from_U = U is orthonormal, (J, q, q) or (q, k);
    ``root`` (J, q, q) or (k, q): Z = U root.
    """

    group: int | None
    from_U: Array
    root: Array

    def of_sums(self, sums: Sequence[Array], layout: Layout) -> Array:
        """U'x, (J, q, m) or (k, m), from Z'x per group (J, q, m)."""
        if self.group is not None:
            return np.asarray(transpose(self.from_U) @ sums[self.group])
        return np.asarray(self.from_U.T @ layout.join(sums))

    def coefficients(self, inside: Array, layout: Layout) -> tuple[Array | None, ...]:
        """Per group the coefficients (J, q, m) of Z that give U inside; None where they are 0."""
        found = self.from_U @ inside
        if self.group is None:
            return layout.split(found)
        return tuple(found if k == self.group else None for k in range(len(layout.shapes)))

    def crossed(self, inside: Array, layout: Layout) -> tuple[Array, ...]:
        """Z'U inside per group (J, q, m)."""
        found = [
            np.zeros((J, q, inside.shape[-1])) if part is None else part
            for (J, q), part in zip(layout.shapes, self.coefficients(inside, layout), strict=True)
        ]
        return layout.split(layout.multiply(layout.join(found)))


@dataclass(frozen=True, eq=False)
class Split:
    """[Q e] inside and outside a Range.

    ``inside``: U'[Q e]; ``root`` (r + 1, r + 1): of what is outside; ``outside``: per group Z'W (I - U U')[Q e],
    (J, q, r + 1).
    """

    range: Range
    inside: Array
    root: Array
    outside: tuple[Array, ...]


@dataclass(frozen=True, eq=False)
class Sums:
    """The sums over all rows.

    Parameters
    ----------
    n_obs : int
    log_weights : float
        Sum of the log weights.
    kept : array (r,)
        Columns of X that are not aliased by earlier ones.
    R : array (r, p)
        Q'W^(1/2)X.
    beta : array (p,)
        Least squares, 0 for aliased columns.
    ee : float
        Residual sum of squares.
    D : tuple of array (J, q, q)
        Z'WZ by level, per group.
    crosses : dict
        (i, j), i < j -> Z_i'W Z_j by pairs of levels.
    ZQe : tuple of array (J, q, r + 1)
        Z'W^(1/2)[Q e] by level, per group.
    split : Split
    """

    n_obs: int
    log_weights: float
    kept: Index
    R: Array
    beta: Array
    ee: float
    D: tuple[Array, ...]
    crosses: dict[tuple[int, int], Cross]
    ZQe: tuple[Array, ...]
    split: Split


def range_of(layout: Layout, rows: Callable[[int | None, Array], tuple[Array, Array]]) -> Range:
    """The basis of what the layout eliminates first.

    Parameters
    ----------
    layout : Layout
    rows : callable
        (group, F) -> (Z F)'(Z F) and (Z F)'Z from the rows themselves: asked where columns nearly depend on each other.
    """
    group = layout.chain[0].group if layout.chain else None
    A = layout.chain[0].D if layout.chain else layout.dense()
    from_U, root = basis(A)
    if group is None:
        alive = root.any(axis=1)
        from_U, root = from_U[:, alive], root[alive]
    if nearly_dependent(from_U, np.sqrt(np.diagonal(A, axis1=-2, axis2=-1))):
        from_U, root = refined(from_U, lambda F: rows(group, F))
    return Range(group, from_U, root)


def sums_of(
    factor: FactorPass,
    regression: Regression,
    crosses: dict[tuple[int, int], Cross],
    layout: Layout,
    of: Range,
    approximate: Array,
    product: ProductPass,
) -> Sums:
    """Put the passes together, and put right what rounding has left in them [E-BATCHES].

    Q'Q and Q'e differ from I and 0 by rounding times the condition of X, and the cuts of the last pass were made with
    an approximate U'[Q e]; both were summed from the rows, so one linear correction brings all digits back.
    """
    r = len(regression.kept)
    C = np.linalg.cholesky(product.gram[:r, :r]).T if r else np.zeros((0, 0))
    inverse = np.linalg.solve(C, np.eye(r)) if r else C
    d = inverse.T @ product.gram[:r, r]
    fix = np.eye(r + 1)
    fix[:r, :r], fix[:r, r] = inverse, -inverse @ d
    beta = np.zeros(regression.factor.shape[1])
    beta[regression.kept] = regression.beta + regression.T @ (inverse @ d)
    beta[regression.kept] += regression.shift * regression.ones
    left = tuple(x @ fix for x in product.Zleft)
    return Sums(
        n_obs=factor.n,
        log_weights=factor.log_weights,
        kept=regression.kept,
        R=C @ regression.factor,
        beta=beta,
        ee=float(product.gram[r, r] - d @ d),
        D=tuple(factor.D),
        crosses=crosses,
        ZQe=tuple(x @ fix for x in product.ZQe),
        split=projected_again(of, layout, approximate @ fix, product.root @ fix, left),
    )


def projected_again(of: Range, layout: Layout, first: Array, root: Array, left: tuple[Array, ...]) -> Split:
    """The Split of a first projection that has left ``root`` and Z'left: what of it is still inside is moved."""
    second = of.of_sums(left, layout)
    crossed = of.crossed(second, layout)
    outside = tuple(x - y for x, y in zip(left, crossed, strict=True))
    return Split(
        of, first + second, without(triangular_root(root), second.reshape(-1, second.shape[-1])), outside
    )


def without(root: Array, inside: Array) -> Array:
    """The root (m, m) of root'root - inside'inside, for inside (k, m) that is a part of what root stands for.

    With P = inside root^-1 it is root'(I - P'P)root, in which nothing is squared but shares. Columns are taken apart by
    size first, the small ones last: they may be rounding altogether, and must not touch the others.
    """
    full, _ = turned(root)
    at, taken = root @ full, inside @ full
    size = np.linalg.norm(at, axis=0)
    unit = np.where(size > 0, size, 1.0)
    order = np.argsort(-np.append(size[:-1], np.inf), kind="stable")
    R = np.linalg.qr((at / unit)[:, order], mode="r")
    P = np.linalg.lstsq(R.T, (taken / unit)[:, order].T)[0].T
    if np.abs(P).max(initial=0.0) < NEGLIGIBLE:
        return root
    values, vectors = np.linalg.eigh(np.eye(len(R)) - P.T @ P)
    left = triangular_root(np.sqrt(np.clip(values, 0.0, None))[:, None] * vectors.T) @ R
    back = np.empty_like(left)
    back[:, order] = left
    return triangular_root((back * unit) @ full.T)


def turned(root: Array) -> tuple[Array, Array]:
    """A rotation (m, m) of all columns but the last of root (m, m), by decreasing size, and the sizes."""
    full = np.eye(len(root))
    sizes = np.zeros(0)
    if len(root) > 1:
        _, sizes, Vt = np.linalg.svd(root[:, :-1])
        full[:-1, :-1] = Vt.T
    return full, sizes


def statistics_of(
    sums: Sums,
    fixed_names: tuple[str, ...],
    groups: tuple[GroupStatistics, ...],
    sigma: float | None,
    layout: Layout | None = None,
) -> Statistics:
    """The Statistics of sums [E-MODEL].

    Parameters
    ----------
    sums : Sums
    fixed_names : tuple of str (p,)
    groups : tuple of GroupStatistics
    sigma : float or None
        The residual sd if it is known.
    layout : Layout, optional
        If it has been arranged before.
    """
    layout, split = layout or arrange(sums.D, sums.crosses), sums.split
    full, sizes = turned(split.root)
    within = split.root @ full
    gone = np.append(sizes <= ROUNDING, False)
    within[:, gone] = 0.0
    within, inside = triangular_root(within), split.inside @ full
    core, first = None, None
    if split.range.group is None:
        root = split.range.root
        core = Core(root, np.asfortranarray(np.hstack([root, inside])), within)
    else:
        outside = [x @ full for x in split.outside]
        for k, x in enumerate(outside):
            x[:, :, gone] = 0.0
            if k == split.range.group:
                x[...] = 0.0
        of = split.range
        rest = rest_of(layout, of.from_U)
        first = FirstBlock(of.from_U, of.root, inside, within, layout.join(outside), rest)
    return gathered(
        n_obs=sums.n_obs,
        fixed_names=fixed_names,
        kept=sums.kept,
        R=full[:-1, :-1].T @ sums.R,
        beta_ols=sums.beta,
        ee=sums.ee,
        log_weights=sums.log_weights,
        sigma=sigma,
        groups=groups,
        layout=layout,
        D=sums.D,
        crosses=sums.crosses,
        ZQe=[x @ full for x in sums.ZQe],
        core=core,
        first=first,
    )
