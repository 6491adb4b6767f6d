"""(beta, b) given one theta, for every sigma at once: what a Point says about coefficients, effects and group means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blupbayes.bayes.marginal import Marginal, Point

__all__ = ["Conditional", "Means", "conditional", "means_of"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Conditional:
    """Q linear quantities given theta: mean = base - B (t sigma^2 lambda / (1 + sigma^2 lambda)),

    variance = extra + sigma^2 own + B^2 (sigma^2 / (1 + sigma^2 lambda)).

    Parameters
    ----------
    base, own, extra : array (Q,)
        Generalised least squares and BLUPs; variance over sigma^2 given beta; variance that the data do not see.
    B : array (Q, r)
        How the quantity answers to the fixed effects.
    """

    base: Array
    own: Array
    extra: Array
    B: Array


@dataclass(frozen=True)
class Means:
    """Which quantities are added up to group means: positions of beta and of b (each (k,)) in [beta, b]."""

    beta: NDArray[np.intp]
    b: NDArray[np.intp]


def means_of(fixed_names: Sequence[str], groups: Sequence[tuple[Sequence[str], Sequence[str]]]) -> Means:
    """beta_k + b_jk of every coefficient with a fixed column of the same name.

    Parameters
    ----------
    fixed_names : sequence of str
    groups : sequence of (levels, coefficients)
        In the model's order; b is level by level, coefficient by coefficient.
    """
    left, right, start = [], [], len(fixed_names)
    for levels, names in groups:
        for j in range(len(levels)):
            for k, name in enumerate(names):
                if name in fixed_names:
                    left.append(list(fixed_names).index(name))
                    right.append(start + j * len(names) + k)
        start += len(levels) * len(names)
    return Means(np.array(left, dtype=np.intp), np.array(right, dtype=np.intp))


def conditional(marginal: Marginal, point: Point, means: Means) -> Conditional:
    """[beta (p), b (level by level, group by group), group means] at one point."""
    assert point.factor is not None and point.border is not None
    s, border = marginal.statistics, point.border
    G, free, h = marginal.whitening
    r = s.rank
    m = marginal.prior.mean
    effects = s.layout.split(border.b[:, r][:, None] - border.b[:, :r] @ border.g[:, None])
    answers = s.layout.split(border.b[:, :r])
    b = [x.reshape(-1) for x in effects]
    own = [np.diagonal(W, axis1=1, axis2=2).reshape(-1) for W in point.factor.W_levels]
    from_t = [-(Y.reshape(-1, r) @ point.basis) for Y in answers]
    beta = s.beta_ols + G @ border.g if not free.size else m + G @ (h + border.g)
    base = np.concatenate([beta, *b])
    B = np.vstack([G @ point.basis, *from_t])
    variance = np.concatenate([np.zeros(len(beta)), *own])
    extra = np.zeros(len(base))
    if free.size:
        hidden = free.T @ marginal.prior.precision @ free
        extra[: len(beta)] = np.diagonal(free @ np.linalg.solve(marginal.prior.kappa * hidden, free.T))
    return Conditional(
        np.concatenate([base, base[means.beta] + base[means.b]]),
        np.concatenate([variance, variance[means.beta] + variance[means.b]]),
        np.concatenate([extra, extra[means.beta] + extra[means.b]]),
        np.vstack([B, B[means.beta] + B[means.b]]),
    )
