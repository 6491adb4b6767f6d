"""Distributions of other libraries, told by their looks: scipy.stats and PreliZ are read here and never imported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from blupbayes.errors import PriorError
from blupbayes.model.families import FAMILIES

__all__ = ["read_foreign"]

Parts = tuple[str, tuple[float, ...]]

SCIPY: dict[str, Callable[..., Parts]] = {
    "halfnorm": lambda loc, scale: ("HalfNormal", (scale,)),
    "halfcauchy": lambda loc, scale: ("HalfCauchy", (scale,)),
    "expon": lambda loc, scale: ("Exponential", (1.0 / scale,)),
    "gamma": lambda a, loc, scale: ("Gamma", (a, 1.0 / scale)),
    "invgamma": lambda a, loc, scale: ("InverseGamma", (a, scale)),
    "uniform": lambda loc, scale: ("Uniform", (loc, loc + scale)),
}
FOLDED = {"norm": "halfnorm", "cauchy": "halfcauchy", "t": "the text 'HalfStudentT(nu, sigma)'"}


def read_foreign(given: Any) -> Parts | None:
    """Name and parameters of a frozen distribution of scipy.stats or PreliZ; None for anything else.

    Raises
    ------
    PriorError
        If it is such a distribution, but none that an sd can have here.
    """
    if hasattr(given, "dist") and hasattr(given, "kwds") and hasattr(given.dist, "shapes"):
        return from_scipy(given)
    if hasattr(given, "param_names") and hasattr(given, "support"):
        return from_preliz(given)
    return None


def from_scipy(given: Any) -> Parts:
    """A frozen distribution of scipy.stats, such as ``halfnorm(scale=50)``."""
    name = str(given.dist.name)
    if name not in SCIPY:
        instead = f" Use {FOLDED[name]}." if name in FOLDED else ""
        raise PriorError(
            f"scipy.stats.{name} is not a prior of an sd here.{instead} Accepted: {', '.join(SCIPY)}, with loc = 0."
        )
    shapes = (given.dist.shapes or "").replace(" ", "").split(",") if given.dist.shapes else []
    named = {"loc": 0.0, "scale": 1.0} | dict(zip([*shapes, "loc", "scale"], given.args, strict=False))
    named |= given.kwds
    if named["loc"] != 0 and name != "uniform":
        raise PriorError(
            f"scipy.stats.{name} has loc = {named['loc']}: the prior of an sd starts at 0, so loc = 0."
        )
    return SCIPY[name](**{key: float(value) for key, value in named.items()})


def from_preliz(given: Any) -> Parts:
    """A distribution of PreliZ, such as ``preliz.HalfNormal(50)``; its attributes have PyMC's names."""
    name = type(given).__name__
    if name not in FAMILIES:
        known = ", ".join(family for family in FAMILIES if family not in ("PC", "HalfFlat"))
        raise PriorError(f"PreliZ's {name} is not a prior of an sd here. Accepted: {known}.")
    values = [getattr(given, key, None) for key in FAMILIES[name].parameters]
    if any(value is None for value in values):
        wanted = ", ".join(FAMILIES[name].parameters)
        raise PriorError(
            f"PreliZ's {name} has no values yet: give it {wanted}, or fit it with maxent() first."
        )
    return name, tuple(float(value) for value in values if value is not None)
