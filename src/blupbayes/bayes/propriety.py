"""Posteriors that do not exist, refused before sampling, and moments that do not, told beside the numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from blupbayes.errors import IdentifiabilityError, PriorError
from blupbayes.mme.least_squares import independent_columns
from blupbayes.model.design import Design, Group
from blupbayes.model.existence import missing_moments
from blupbayes.model.resolved import GroupPrior, ResolvedPrior

__all__ = ["check_beta", "check_sampled", "moment_messages"]

Exponent = Callable[[int, int], int]  # of a general combination of the coefficients start..stop-1 of a group


def check_beta(design: Design, prior: ResolvedPrior) -> None:
    """Refuse a beta without a posterior density.

    Raises
    ------
    PriorError
        If kappa = inf: beta is a point.
    IdentifiabilityError
        If columns of X are linearly dependent where the prior is flat: the posterior of beta is improper.
    """
    if np.isinf(prior.kappa):
        raise PriorError(
            "kappa = inf pins beta at its prior mean, which leaves nothing to draw. Use a large finite kappa, or "
            "move X times that mean into the offset and leave the columns out of the formula."
        )
    kept = independent_columns(design.measures.tails.root)
    aliased = [name for k, name in enumerate(design.fixed_names) if k not in kept]
    if aliased and (prior.kappa == 0 or design.measures.tails.beside(prior.flat).rank < prior.flat.shape[1]):
        raise IdentifiabilityError(
            f"{', '.join(aliased)}: a combination of earlier columns of X, so where the prior of beta is flat (kappa = "
            "0, or a singular precision) the posterior of beta is improper. Leave it out of the formula, or give "
            "a prior with kappa > 0."
        )


def check_sampled(prior: ResolvedPrior) -> None:
    """Refuse what the PyMC model does not hold, rather than draw from another posterior.

    Raises
    ------
    PriorError
        For a joint prior of a covariance matrix, a Student t prior of beta, and a singular P.
    """
    joint = [g.name for g in prior.groups if g.joint is not None]
    if joint:
        what = f"the joint prior of the covariance matrix of {joint[0]}"
    elif prior.kappa > 0 and np.isfinite(prior.nu):
        what = "a Student t prior of beta (nu)"
    elif prior.kappa > 0 and len(prior.root) < len(prior.fixed_names):
        what = "a prior of beta that is flat in some directions (a singular precision)"
    else:
        return
    raise PriorError(f"The PyMC model does not hold {what}. Use integrate(), which does, or another prior.")


def moment_messages(design: Design, prior: ResolvedPrior) -> tuple[str, ...]:
    """A sentence for every sd of a random effect whose posterior has no mean or no variance [E-TAIL]."""
    tail, measures = design.measures.tails.beside(prior.flat), design.measures
    lines = []
    for i, (group, of_group) in enumerate(zip(design.groups, prior.groups, strict=True)):

        def exponent(start: int, stop: int, i: int = i) -> int:
            return tail.exponent(i, measures.combination(i, start, stop))

        lines += list((of_joint if of_group.joint else of_sds)(group, of_group, exponent))
    return tuple(lines)


def of_sds(group: Group, prior: GroupPrior, exponent: Exponent) -> Iterator[str]:
    """The sentences of a group whose sds have priors of their own."""
    correlated = {k for a, b in prior.blocks for k in range(a, b)}
    for k, sd in enumerate(prior.sds):
        E = exponent(k, k + 1)
        name = f"sd_{group.name}[{group.names[k]}]"
        yield from sentence(name, sd.text(6), group, E, sd.tail, k in correlated)


def of_joint(group: Group, prior: GroupPrior, exponent: Exponent) -> Iterator[str]:
    """The sentences of a group with a joint prior."""
    assert prior.joint is not None
    for a, b in prior.terms:
        E = exponent(a, b)
        name = f"sd_{group.name}[{','.join(group.names[a:b])}]"
        yield from sentence(name, prior.joint.words(b - a), group, E, prior.joint.tail(b - a), b - a > 1)


def sentence(name: str, text: str, group: Group, E: int, tail: float, correlated: bool) -> Iterator[str]:
    """What does not exist of one sd, and what to read instead; nothing where all is well."""
    missing = missing_moments(E + tail)
    if not missing:
        return
    verb = "may not exist" if correlated else "does not exist" if len(missing) == 1 else "do not exist"
    shared = len(group.levels) > E  # beta and the effects move with the sd, in opposite directions
    also = f" That holds of the effects of {group.name} and of their part of beta too." if shared else ""
    yield (
        f"{name} ~ {text}: with {len(group.levels)} levels of {group.name} its posterior falls off as "
        f"sd^-{E + tail:g} only, so its {' and '.join(missing)} {verb}.{also} Read medians and intervals, or give a "
        "prior with a lighter tail."
    )
