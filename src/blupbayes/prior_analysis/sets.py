"""Sets of priors for a sensitivity analysis: what a user writes, and the set that is offered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from blupbayes.errors import PriorError
from blupbayes.model.design import Design
from blupbayes.model.distributions import read_distribution
from blupbayes.model.prior import Prior
from blupbayes.model.scales import default_scales

__all__ = ["RESERVED", "default_set", "neutral", "read_set", "scaled"]

RESERVED = ("REML plug-in", "default prior")  # rows of the table that are not the user's
NOT_NEUTRAL = "InverseGamma(.001, .001) on variance"


def neutral(design: Design, sd: Any = None) -> Prior:
    """A prior of the sds alone: beta and the residual sd have flat priors, which say nothing."""
    return Prior(sd=sd, residual="Flat" if design.sigma is None else None)


def scaled(design: Design, template: str, factor: float = 1.0) -> Prior:
    """The prior ``template`` of every sd; {} becomes factor times s_y / s_k, the scale of the default prior."""
    sds = {
        g.name: {
            name: template.format(repr(factor * scale))
            for name, scale in zip(g.names, default_scales(design, i), strict=True)
        }
        for i, g in enumerate(design.groups)
    }
    return neutral(design, sds)


def default_set(design: Design) -> dict[str, Prior]:
    """From no opinion to a strong one, in the units of the data; s_y / s_k is the scale of the default prior.

    flat: no opinion. half-Cauchy: heavy tail. half-normal(2.5 s_y / s_k): wide, as Bambi's. half-normal(s_y / (6 s_k)):
    tight, groups hardly differ. The last was once called noninformative; it is not neutral, since its density piles up
    at 0 and depends on the units of y (Gelman 2006).
    """
    return {
        "flat": neutral(design, "Flat"),
        "HalfCauchy(s_y)": scaled(design, "HalfCauchy({})"),
        "HalfNormal(2.5 s_y)": scaled(design, "HalfNormal({})", 2.5),
        "HalfNormal(s_y / 6)": scaled(design, "HalfNormal({})", 1.0 / 6.0),
        "IG(.001, .001), not neutral": neutral(design, NOT_NEUTRAL),
    }


def read_set(priors: Mapping[Any, Any] | None, design: Design) -> dict[str, Prior]:
    """{label: Prior} from {label: Prior or distribution of the sds}; None is the default set.

    Raises
    ------
    PriorError
        If there is none, a label is taken, or a member cannot be read.
    """
    if priors is None:
        return default_set(design)
    if not isinstance(priors, Mapping) or not priors:
        raise PriorError(f"priors={priors!r}: give {{label: prior}}, such as {{'tight': 'HalfNormal(10)'}}.")
    taken = [name for name in map(str, priors) if name in RESERVED]
    if taken:
        raise PriorError(f"priors: {taken[0]!r} is a row of the table already. Give another label.")
    return {str(name): read_member(given, design) for name, given in priors.items()}


def read_member(given: Any, design: Design) -> Prior:
    """One member; a distribution is one of every sd."""
    if isinstance(given, Prior):
        return given
    if isinstance(given, str) and given.strip().casefold() == "flat":
        return neutral(design, "Flat")
    return neutral(
        design, given if isinstance(given, Mapping) and "dist" not in given else read_distribution(given)
    )
