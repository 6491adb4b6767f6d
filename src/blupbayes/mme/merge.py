"""Sums of two sites as the sums of both together: no row is needed, and no digit of either fit is lost.

Each site brings its own least-squares fit, so nothing is ever subtracted that is large: with Q_s the basis of site s,
the rows of the joint basis are Q_s P_s, where the P_s are the halves of an orthonormal basis of the stacked factors,
and a residual of the joint fit is the site's own plus Q_s times the residual of the stacked system [E-MODEL].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blupbayes.mme.coupling import Cross
from blupbayes.mme.layout import Layout, arrange
from blupbayes.mme.least_squares import independent_columns
from blupbayes.mme.linalg import transpose
from blupbayes.mme.orthonormal import basis, nearly_dependent, triangular_root
from blupbayes.mme.pairs import joined
from blupbayes.mme.sums import Range, Split, Sums

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
    A = layout.chain[0].D if layout.chain else layout.dense()
    from_U, root = basis(A)
    if group is None:
        alive = root.any(axis=1)
        from_U, root = from_U[:, alive], root[alive]
    if all(site.sums.split.range.group == group for site in sites):
        return from_sites(sites, layout, from_U, root, group)
    return from_products(Range(group, from_U, root), layout, ZQe, ee)


def in_joint(site: Site, layout: Layout, group: int | None) -> tuple[Array, Array]:
    """The site's root in the columns of the joint range, and which of its levels are meant."""
    root = site.sums.split.range.root
    if group is not None:
        return root, np.asarray(site.places[group])
    columns = [
        o + (place[:, None] * q + np.arange(q)).ravel()
        for o, place, (_, q) in zip(layout.offsets, site.places, layout.shapes, strict=True)
    ]
    own = arrange(site.sums.D, site.sums.crosses)
    order = np.empty(own.size, dtype=np.intp)
    for o, (J, q), where in zip(own.offsets, own.shapes, columns, strict=True):
        order[o : o + J * q] = where
    full = np.zeros((len(root), layout.size))
    full[:, order] = root
    return full, np.zeros(0, dtype=np.intp)


def from_sites(sites: Sequence[Site], layout: Layout, from_U: Array, root: Array, group: int | None) -> Split:
    """From the sites' own splits, whose ranges are of the same kind: what a site has inside its own range and the
    joint range does not hold is added to what is outside."""
    owns, lefts, links = [], [], []
    for site in sites:
        own, levels = in_joint(site, layout, group)
        owns.append((own, levels))
        links.append(own @ (from_U[levels] if group is not None else from_U))
    joint_U, joint_root, links = refined_links(from_U, root, owns, links, group)
    m = sites[0].V.shape[1]
    inside = np.zeros((*joint_root.shape[:-1], m))
    mine = [site.sums.split.inside @ site.V for site in sites]
    for (_, levels), W, x in zip(owns, links, mine, strict=True):
        if group is None:
            inside += W.T @ x
        else:
            inside[levels] += transpose(W) @ x
    stack, outside = np.zeros((m, m)), [np.zeros((J, q, m)) for J, q in layout.shapes]
    for site, (_, levels), W, x in zip(sites, owns, links, mine, strict=True):
        rest = x - W @ (inside[levels] if group is not None else inside)
        stack = triangular_root(np.vstack([stack, site.sums.split.root @ site.V, rest.reshape(-1, m)]))
        if group is not None:
            lefts.append(left_of(site, layout, group, rest))
    outside = added(lefts) if lefts else outside
    return Split(Range(group, joint_U, joint_root), inside, stack, tuple(outside))


def refined_links(
    from_U: Array, root: Array, owns: Sequence[tuple[Array, Array]], links: list[Array], group: int | None
) -> tuple[Array, Array, list[Array]]:
    """The joint basis, made orthonormal by the sites' own ones where columns nearly depend on each other."""
    length = np.linalg.norm(root, axis=-2)
    if not nearly_dependent(from_U, length):
        return from_U, root, links
    for _ in range(2):
        gram = np.zeros((*from_U.shape[:-2], from_U.shape[-1], from_U.shape[-1]))
        product = np.zeros((*from_U.shape[:-2], from_U.shape[-1], from_U.shape[-2]))
        for (own, levels), W in zip(owns, links, strict=True):
            if group is None:
                gram += W.T @ W
                product += W.T @ own
            else:
                gram[levels] += transpose(W) @ W
                product[levels] += transpose(W) @ own
        values, vectors = np.linalg.eigh(gram)
        alive = values > 0.1
        scale = np.where(alive, 1.0 / np.sqrt(np.where(alive, values, 1.0)), 0.0)
        inverse = (vectors * scale[..., None, :]) @ np.swapaxes(vectors, -1, -2)
        from_U, root = from_U @ inverse, inverse @ product
        links = [own @ (from_U[levels] if group is not None else from_U) for own, levels in owns]
    return from_U, root, links


def left_of(site: Site, layout: Layout, group: int, rest: Array) -> list[Array]:
    """Z_k'W of the site's rows outside the joint range, per group, in joint places; ``rest`` (J_s, q, m) of what is
    inside the site's own range of the group is outside the joint one."""
    split = site.sums.split
    left = [x @ site.V for x in split.outside]
    inside = split.range.from_U @ rest
    for (i, j), cross in site.sums.crosses.items():
        if i == group:
            np.add.at(left[j], cross.cols, transpose(cross.values) @ inside[cross.rows])
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
