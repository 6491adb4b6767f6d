"""Sums of two sites as the sums of both together: no row is needed, and no digit of either fit is lost.

Each site brings its own least-squares fit, so nothing is ever subtracted that is large: with Q_s the basis of site s,
the rows of the joint basis are Q_s P_s, where the P_s are the halves of an orthonormal basis of the stacked factors,
and a residual of the joint fit is the site's own plus Q_s times the residual of the stacked system [E-SITES].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blupbayes.mme.coupling import Cross
from blupbayes.mme.layout import Layout, arrange
from blupbayes.mme.least_squares import independent_columns
from blupbayes.mme.orthonormal import triangular_root
from blupbayes.mme.pairs import joined
from blupbayes.mme.sums import Range, Split, Sums, range_of

__all__ = ["merged"]

Array = NDArray[np.float64]
Index = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Site:
    """One site's sums among the levels of both: ``places``, per group the place (J_s,) of each of its levels;
    ``V`` (r_s + 1, r + 1): its own [Q_s e_s] V are its rows of the joint [Q e]."""

    sums: Sums
    places: Sequence[Index]
    V: Array

    def spread(self, sums: Sequence[Array], shapes: Sequence[tuple[int, int]]) -> list[Array]:
        """Sums by level (J_s, q, m), per group, in the places of the joint levels (J, q, m)."""
        out = []
        for x, place, (J, _) in zip(sums, self.places, shapes, strict=True):
            full = np.zeros((J, *x.shape[1:]))
            full[place] = x
            out.append(full)
        return out


def merged(one: Sums, other: Sums, places: tuple[Sequence[Index], Sequence[Index]], J: Sequence[int]) -> Sums:
    """The sums of the rows of both.

    Parameters
    ----------
    one, other : Sums
        Of the same model: the same columns of X, the same coefficients in every group.
    places : pair of sequence of array (J_s,)
        For each site and group the place of its levels among the joint ones.
    J : sequence of int
        Numbers of joint levels.
    """
    both = [one, other]
    shapes = [(n, D.shape[1]) for n, D in zip(J, one.D, strict=True)]
    kept, R, beta, V, extra = joint_fit(one, other)
    sites = [Site(s, p, v) for s, p, v in zip(both, places, V, strict=True)]
    D = added([site.spread(site.sums.D, shapes) for site in sites])
    ZQe = added([site.spread([x @ site.V for x in site.sums.ZQe], shapes) for site in sites])
    crosses = {key: joint_cross(key, sites, J) for key in one.crosses}
    layout = arrange(D, crosses)
    ee = one.ee + other.ee + extra
    return Sums(
        n_obs=one.n_obs + other.n_obs,
        log_weights=one.log_weights + other.log_weights,
        kept=kept,
        R=R,
        beta=beta,
        ee=ee,
        D=tuple(D),
        crosses=crosses,
        ZQe=tuple(ZQe),
        split=joint_split(sites, layout, D, ZQe, ee),
    )


def added(parts: Sequence[Sequence[Array]]) -> list[Array]:
    """Sums over sites, per group."""
    return [np.sum(x, axis=0) for x in zip(*parts, strict=True)]


def joint_fit(one: Sums, other: Sums) -> tuple[Index, Array, Array, tuple[Array, Array], float]:
    """kept, R, beta, V of both sites, and what the joint fit adds to the residual sum of squares."""
    stack = np.vstack([one.R, other.R])
    target = np.concatenate([np.zeros(len(one.R)), other.R @ (other.beta - one.beta)])
    kept = independent_columns(stack)
    Q, upper = np.linalg.qr(stack[:, kept])
    step = np.linalg.solve(upper, Q.T @ target) if len(kept) else np.zeros(0)
    rest = target - stack[:, kept] @ step
    rest -= Q @ (Q.T @ rest)
    beta = one.beta.copy()
    beta[kept] += step
    cut = len(one.R)
    return kept, Q.T @ stack, beta, (turn(Q[:cut], rest[:cut]), turn(Q[cut:], rest[cut:])), float(rest @ rest)


def turn(P: Array, rest: Array) -> Array:
    """V (r_s + 1, r + 1) = [[P, rest], [0, 1]]."""
    V = np.zeros((P.shape[0] + 1, P.shape[1] + 1))
    V[:-1, :-1], V[:-1, -1], V[-1, -1] = P, rest, 1.0
    return V


def joint_cross(key: tuple[int, int], sites: Sequence[Site], J: Sequence[int]) -> Cross:
    """Z_i'W Z_j of both sites."""
    i, j = key
    keys, values = np.zeros(0, dtype=np.intp), np.zeros((0, 0, 0))
    for site in sites:
        c = site.sums.crosses[key]
        own = site.places[i][c.rows] * J[j] + site.places[j][c.cols]
        order = np.argsort(own, kind="stable")
        mine = own[order], c.values[order]
        keys, values = joined(*mine, keys, values) if len(keys) else mine
    return Cross(keys // J[j], keys % J[j], values)


def joint_split(
    sites: Sequence[Site], layout: Layout, D: Sequence[Array], ZQe: Sequence[Array], ee: float
) -> Split:
    """[Q e] inside and outside the range of what the joint layout eliminates first."""
    group = layout.chain[0].group if layout.chain else None
    if any(site.sums.split.range.group != group for site in sites):
        A = layout.dense() if group is None else D[group]
        of = range_of(layout, lambda _, F: (transposed(F) @ A @ F, transposed(F) @ A))
        return from_products(of, layout, ZQe, ee)
    views = [View.of(site, layout, group) for site in sites]

    def rows(_: int | None, F: Array) -> tuple[Array, Array]:
        """(Z F)'(Z F) and (Z F)'Z, from the sites' own bases."""
        gram, product = np.zeros((*F.shape[:-2], F.shape[-1], F.shape[-1])), np.zeros_like(transposed(F))
        for view in views:
            W = view.links(F)
            view.add(gram, transposed(W) @ W)
            view.add(product, transposed(W) @ view.root)
        return gram, product

    return from_sites(views, layout, range_of(layout, rows))


def transposed(x: Array) -> Array:
    """The last two axes exchanged."""
    return np.swapaxes(x, -1, -2)


@dataclass(frozen=True, eq=False)
class View:
    """A site in the columns of the joint range.

    ``root``: its own, (J_s, q, q) or (k, q); ``levels`` (J_s,): which joint levels it has, None where all of Z is one
    block.
    """

    site: Site
    root: Array
    levels: Index | None

    @classmethod
    def of(cls, site: Site, layout: Layout, group: int | None) -> View:
        """The site's root, its columns in joint places."""
        root = site.sums.split.range.root
        if group is not None:
            return cls(site, root, site.places[group])
        own = arrange(site.sums.D, site.sums.crosses)
        full = np.zeros((len(root), layout.size))
        for mine, there, place, (J, q) in zip(
            own.offsets, layout.offsets, site.places, own.shapes, strict=True
        ):
            full[:, there + (place[:, None] * q + np.arange(q)).ravel()] = root[:, mine : mine + J * q]
        return cls(site, full, None)

    def links(self, F: Array) -> Array:
        """The site's own basis times this is Z F."""
        return np.asarray(self.root @ (F if self.levels is None else F[self.levels]))

    def add(self, total: Array, part: Array) -> None:
        """Add what belongs to the site's levels."""
        total[... if self.levels is None else self.levels] += part

    @property
    def inside(self) -> Array:
        """Its own U'[Q e], of the joint [Q e]."""
        return np.asarray(self.site.sums.split.inside @ self.site.V)


def from_sites(views: Sequence[View], layout: Layout, of: Range) -> Split:
    """From the sites' own splits, whose ranges are of the same kind: what a site has inside its own range and the
    joint range does not hold is added to what is outside."""
    m = views[0].site.V.shape[1]
    inside, root = np.zeros((*of.root.shape[:-1], m)), np.zeros((m, m))
    links = [view.links(of.from_U) for view in views]
    for view, W in zip(views, links, strict=True):
        view.add(inside, transposed(W) @ view.inside)
    outside = [np.zeros((J, q, m)) for J, q in layout.shapes]
    for view, W in zip(views, links, strict=True):
        rest = view.inside - W @ (inside if view.levels is None else inside[view.levels])
        root = triangular_root(
            np.vstack([root, view.site.sums.split.root @ view.site.V, rest.reshape(-1, m)])
        )
        if of.group is not None:
            outside = added([outside, left_of(view.site, layout, of.group, rest)])
    return Split(of, inside, root, tuple(outside))


def left_of(site: Site, layout: Layout, group: int, rest: Array) -> list[Array]:
    """Z_k'W of the site's rows outside the joint range, per group, in joint places; ``rest`` (J_s, q, m) of what is
    inside the site's own range of the group is outside the joint one."""
    split = site.sums.split
    left = [x @ site.V for x in split.outside]
    inside = split.range.from_U @ rest
    for (i, j), cross in site.sums.crosses.items():
        if i == group:
            np.add.at(left[j], cross.cols, transposed(cross.values) @ inside[cross.rows])
        elif j == group:
            np.add.at(left[i], cross.rows, cross.values @ inside[cross.cols])
    return site.spread(left, layout.shapes)


def from_products(of: Range, layout: Layout, ZQe: Sequence[Array], ee: float) -> Split:
    """From the joint cross-products, where the sites' ranges are of different kinds: what is outside is a difference
    here, right to half of the digits of a double where little is left, and to all where much is."""
    inside = of.of_sums(ZQe, layout)
    m = inside.shape[-1]
    scale = np.append(np.ones(m - 1), np.sqrt(ee))
    unit = inside.reshape(-1, m) / scale
    values, vectors = np.linalg.eigh(np.eye(m) - unit.T @ unit)
    root = triangular_root(np.sqrt(np.clip(values, 0.0, None))[:, None] * vectors.T * scale)
    crossed = of.crossed(inside, layout)
    return Split(of, inside, root, tuple(x - y for x, y in zip(ZQe, crossed, strict=True)))
