"""Whether a posterior exists: how fast likelihood and prior fall off as an sd goes to infinity, and to 0.

For the sd s of coefficient k of a group with columns z (n,) write Z_k (n, J) for z spread over the levels. As
s -> inf the density of b_k becomes s^-J times a constant, and what the data do not tell apart from columns of X with
a flat prior integrates to a power of s of its own: the likelihood, beta and b integrated out, is of order s^-E,

    E = rank of Z_k - dim(span Z_k, intersected with the span of the columns of X that have a flat prior) [E-TAIL].

With a flat intercept, (1 | g) and nothing else on the level of groups, E = J - 1; every covariate that is constant
within groups takes one more. A prior density of order s^-t gives a posterior of order s^-(E + t): proper if E + t > 1,
with a mean of the sd if E + t > 2, and a variance if E + t > 3. Examples of t: flat on the sd 0, on the variance -1,
on the log sd 1; half-Cauchy 2; half-t nu + 1; inverse gamma (a, b) on the variance 2a + 1. At s = 0 the likelihood is
finite and above 0, so a prior density of order s^h needs h > -1; for the residual sd it vanishes instead, unless
X and Z together reach every observation.

For a joint prior of a (q, q) matrix the same holds of its largest eigenvalue, with Z of a general combination of the
columns. Source: Hobert and Casella (1996); Gelman (2006), section 3.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from blupbayes.errors import PriorError
from blupbayes.model.distributions import Distribution
from blupbayes.model.joint import Joint
from blupbayes.model.resolved import ResolvedPrior
from blupbayes.model.scales import DesignLike, GroupLike

__all__ = [
    "check_existence",
    "combination",
    "exponent",
    "flat_columns",
    "missing_moments",
]

Array = NDArray[np.float64]

SMALLEST_ANGLE = 1e-7  # below it two spans meet
LARGEST_RANK = 2000  # rows above which a saturated model is not looked for


def flat_columns(design: DesignLike, flat: Array) -> Array:
    """Orthonormal basis (n, f) of X times the directions `flat` (p, f) in which beta has a flat prior."""
    X = design.X @ flat
    size = np.linalg.norm(X, axis=0)
    U, values, _ = np.linalg.svd(X / np.where(size > 0, size, 1.0), full_matrices=False)
    return np.asarray(U[:, values > 1e-10 * values.max(initial=0.0)])


def exponent(group: GroupLike, column: Array, basis: Array) -> int:
    """E of [E-TAIL] for a column (n,) of the group, with an orthonormal basis (n, f) of the flat part of X."""
    J = len(group.levels)
    size = np.bincount(group.codes, column**2, J)
    seen = size > 0
    inverse = np.where(seen, 1.0 / np.where(seen, size, 1.0), 0.0)
    means = [np.bincount(group.codes, column * b, J) * inverse for b in basis.T]
    outside = basis - np.array([m[group.codes] * column for m in means]).reshape(basis.T.shape).T
    sines = np.linalg.svd(outside, compute_uv=False) if basis.size else np.zeros(0)
    return int(seen.sum() - np.sum(sines < SMALLEST_ANGLE))


def combination(group: GroupLike, start: int, stop: int) -> Array:
    """A general combination (n,) of the columns start..stop-1."""
    columns = group.columns[:, start:stop]
    size = np.linalg.norm(columns, axis=0)
    return np.asarray(columns / np.where(size > 0, size, 1.0) @ np.sqrt(np.arange(1.0, stop - start + 1)))


def missing_moments(order: float) -> list[str]:
    """Which of mean and variance an sd lacks whose posterior density is of order sd^-order."""
    return [name for name, power in (("mean", 1), ("variance", 2)) if order - power <= 1]


def check_existence(design: DesignLike, prior: ResolvedPrior) -> None:
    """PriorError where the posterior of an sd certainly does not exist [E-TAIL]."""
    basis = flat_columns(design, prior.flat)
    for group, of_group in zip(design.groups, prior.groups, strict=True):
        for k, sd in enumerate(of_group.sds):
            check_sd(group, k, sd, basis, of_group.scales[k])
        if of_group.joint is not None:
            for a, b in of_group.terms:
                check_joint(group, a, b, of_group.joint, basis, of_group.scales[a])
    if prior.residual is not None:
        check_residual(design, prior.residual, basis)


def check_sd(group: GroupLike, k: int, prior: Distribution, basis: Array, scale: float) -> None:
    """PriorError where the prior of the sd of coefficient k certainly makes the posterior improper."""
    name = f"sd_{group.name}[{group.names[k]}]"
    if prior.head <= -1:
        raise PriorError(
            f"{name} ~ {prior.text(6)}: as the sd goes to 0 the likelihood stays above 0, and this density has "
            "infinite mass there, so the posterior is improper whatever the data. The nearest that can be proper "
            f"is 'Flat'; a proper prior is 'HalfCauchy({scale:.3g})'."
        )
    refuse_few_levels(
        group, name, prior.text(6), exponent(group, group.columns[:, k], basis), prior.tail, scale
    )


def check_joint(group: GroupLike, start: int, stop: int, prior: Joint, basis: Array, scale: float) -> None:
    """PriorError where the joint prior of a term does not fit it, or makes the posterior improper."""
    q = stop - start
    prior.check(q)
    E = exponent(group, combination(group, start, stop), basis)
    name = f"cov_{group.name}[{','.join(group.names[start:stop])}]"
    refuse_few_levels(
        group,
        name,
        prior.words(q),
        E,
        prior.tail(q),
        scale,
    )


def refuse_few_levels(group: GroupLike, name: str, text: str, E: int, tail: float, scale: float) -> None:
    """PriorError if E + tail <= 1."""
    if E + tail > 1:
        return
    J = len(group.levels)
    needed = J + math.floor(1 - tail - E) + 1
    raise PriorError(
        f"{name} ~ {text}: with {J} levels of {group.name} the posterior is improper. For large sds the likelihood "
        f"is of order sd^-{E} and the prior of order sd^{-tail:g}; their product must fall off faster than 1/sd, which "
        f"takes at least {needed} levels. A proper prior is 'HalfStudentT(3, {scale:.3g})'; so is the default."
    )


def check_residual(design: DesignLike, prior: Distribution, basis: Array) -> None:
    """PriorError where the prior of the residual sd certainly makes the posterior improper."""
    left = len(design.y) - basis.shape[1]
    if prior.head <= -1 and saturated(design):
        raise PriorError(
            f"sigma ~ {prior.text(6)}: fixed and random effects reach every observation, so the likelihood "
            "stays above 0 as sigma goes to 0, where this density has infinite mass: the posterior is improper. "
            "Give a proper prior, such as 'HalfNormal(...)', or known standard errors (weights=1/se**2, sigma=1)."
        )
    if left + prior.tail <= 1:
        raise PriorError(
            f"sigma ~ {prior.text(6)}: {left} observations more than flat fixed effects are too few for this "
            "improper prior; give a proper one, such as 'HalfStudentT(3, ...)'."
        )


def saturated(design: DesignLike) -> bool:
    """Whether X and Z together have the rank of all observations; not looked for in large models."""
    n = len(design.y)
    if n > LARGEST_RANK or n > design.X.shape[1] + sum(len(g.levels) * len(g.names) for g in design.groups):
        return False
    parts = [design.X]
    for g in design.groups:
        indicator = np.eye(len(g.levels))[g.codes]
        parts += [indicator * column[:, None] for column in g.columns.T]
    return bool(np.linalg.matrix_rank(np.hstack(parts)) == n)
