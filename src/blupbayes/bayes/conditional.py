"""(beta, b) given theta, for every sigma at once: coefficients, random effects and group means as linear quantities.

With t the fixed effects in the coordinates of marginal.py and tau kappa's multiplier, a quantity has

    mean     = base - B (t s lambda / (1 + s lambda)),
    variance = extra / tau + sigma^2 own + B^2 (sigma^2 / (1 + s lambda)),

s = sigma^2 tau: least squares and BLUPs, drawn to the prior.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blupbayes.mme.statistics import Statistics

__all__ = ["Fixed", "Means", "conditional", "means_of"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Means:
    """Which quantities are added up to group means: positions of beta and of b (each (k,)) in [beta, b]."""

    beta: NDArray[np.intp]
    b: NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Fixed:
    """What the prior and the data make of beta before any theta.

    ``G`` (p, r): right inverse of R; ``start`` (p,): beta where h = R (beta - m) is 0 or, for X of full rank, where g
    is; ``h`` (r,): what is to be added to g; ``extra`` (p,): prior variance of what the data do not see.
    """

    G: Array
    start: Array
    h: Array
    extra: Array


def means_of(fixed_names: Sequence[str], groups: Sequence[tuple[Sequence[str], Sequence[str]]]) -> Means:
    """beta_k + b_jk of every coefficient with a fixed column of the same name.

    Parameters
    ----------
    fixed_names : sequence of str
    groups : sequence of (levels, coefficients)
        In the model's order; b is level by level, coefficient by coefficient.
    """
    place = {name: k for k, name in reversed(list(enumerate(fixed_names)))}
    left, right, start = [np.zeros(0, dtype=np.intp)], [np.zeros(0, dtype=np.intp)], len(fixed_names)
    for levels, names in groups:
        J, q = len(levels), len(names)
        shared = [k for k, name in enumerate(names) if name in place]
        left.append(np.tile([place[names[k]] for k in shared], J).astype(np.intp))
        right.append((start + q * np.arange(J)[:, None] + np.array(shared, dtype=np.intp)).ravel())
        start += J * q
    return Means(np.concatenate(left), np.concatenate(right))


def conditional(
    statistics: Statistics, fixed: Fixed, means: Means, basis: Array, g: Array, b: Array, diagonal: Array
) -> tuple[Array, Array, Array, Array]:
    """base (m, Q), own (m, Q), extra (m, Q) and B (m, Q, r) of [beta, b level by level, group means].

    Parameters
    ----------
    statistics : Statistics
    fixed : Fixed
    means : Means
    basis : array (m, r, r)
        Whitened fixed effects = basis t.
    g : array (m, r)
        Generalised least squares in whitened coordinates.
    b : array (m, q, r + 1)
        BLUP map of [Q e], in the layout's order.
    diagonal : array (m, q)
        Of W.
    """
    r, m = statistics.rank, len(g)
    order = positions(statistics)
    effects = (b[:, :, r] - np.einsum("mqr,mr->mq", b[:, :, :r], g))[:, order]
    beta = fixed.start + (fixed.h + g) @ fixed.G.T
    base = np.hstack([beta, effects])
    B = np.concatenate([fixed.G @ basis, -(b[:, order, :r] @ basis)], axis=1)
    own = np.hstack([np.zeros_like(beta), diagonal[:, order]])
    extra = np.hstack([np.broadcast_to(fixed.extra, beta.shape), np.zeros((m, len(order)))])
    left, right = means.beta, means.b
    return (
        np.hstack([base, base[:, left] + base[:, right]]),
        np.hstack([own, own[:, left] + own[:, right]]),
        np.hstack([extra, extra[:, left] + extra[:, right]]),
        np.concatenate([B, B[:, left] + B[:, right]], axis=1),
    )


def positions(statistics: Statistics) -> NDArray[np.intp]:
    """Where b, level by level and group by group, stands in the layout's order (q,)."""
    where = np.arange(statistics.layout.size)[:, None]
    return np.concatenate([x.reshape(-1) for x in statistics.layout.split(where)])  # type: ignore[arg-type]
