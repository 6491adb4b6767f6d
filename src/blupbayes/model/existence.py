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

from blupbayes.errors import PriorError
from blupbayes.model.distributions import Distribution
from blupbayes.model.joint import Joint
from blupbayes.model.resolved import ResolvedPrior
from blupbayes.model.scales import DesignLike, GroupLike

__all__ = ["check_existence", "missing_moments"]


def missing_moments(order: float) -> list[str]:
    """Which of mean and variance an sd lacks whose posterior density is of order sd^-order."""
    return [name for name, power in (("mean", 1), ("variance", 2)) if order - power <= 1]


def check_existence(design: DesignLike, prior: ResolvedPrior) -> None:
    """PriorError where the posterior of an sd certainly does not exist [E-TAIL]."""
    tail = design.measures.tails.beside(prior.flat)
    for i, (group, of_group) in enumerate(zip(design.groups, prior.groups, strict=True)):
        for k, sd in enumerate(of_group.sds):
            E = tail.exponent(i, design.measures.combination(i, k, k + 1))
            check_sd(group, k, sd, E, of_group.scales[k])
        if of_group.joint is not None:
            for a, b in of_group.terms:
                of_group.joint.check(b - a)
                E = tail.exponent(i, design.measures.combination(i, a, b))
                check_joint(group, a, b, of_group.joint, E, of_group.scales[a])
    if prior.residual is not None:
        check_residual(design, prior.residual, tail.rank)


def check_sd(group: GroupLike, k: int, prior: Distribution, E: int, scale: float) -> None:
    """PriorError where the prior of the sd of coefficient k certainly makes the posterior improper."""
    name = f"sd_{group.name}[{group.names[k]}]"
    if prior.head <= -1:
        raise PriorError(
            f"{name} ~ {prior.text(6)}: as the sd goes to 0 the likelihood stays above 0, and this density has "
            "infinite mass there, so the posterior is improper whatever the data. The nearest that can be proper "
            f"is 'Flat'; a proper prior is 'HalfCauchy({scale:.3g})'."
        )
    refuse_few_levels(group, name, prior.text(6), E, prior.tail, scale)


def check_joint(group: GroupLike, start: int, stop: int, prior: Joint, E: int, scale: float) -> None:
    """PriorError where the joint prior of a term makes the posterior improper."""
    q = stop - start
    name = f"cov_{group.name}[{','.join(group.names[start:stop])}]"
    refuse_few_levels(group, name, prior.words(q), E, prior.tail(q), scale)


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


def check_residual(design: DesignLike, prior: Distribution, rank: int) -> None:
    """PriorError where the prior of the residual sd certainly makes the posterior improper."""
    left = design.measures.n_obs - rank
    if prior.head <= -1 and design.measures.tails.saturated:
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
