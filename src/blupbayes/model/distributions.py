"""Prior distributions of standard deviations, read from strings and dicts."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from blupbayes.errors import PriorError
from blupbayes.model.families import FAMILIES, Family

__all__ = ["Distribution", "number", "read_distribution"]

Array = NDArray[np.float64]


SPELLING = re.compile(r"\s*(\w+)\s*(?:\((.*)\))?\s*(?:on\s+(?:the\s+)?(sd|variance))?\s*")


def number(value: float, digits: int | None = None) -> str:
    """The shortest text that reads back as value; with digits, rounded to so many significant ones."""
    short = format(value, f".{digits or 15}g")
    return short if digits or float(short) == value else repr(value)


@dataclass(frozen=True)
class Distribution:
    """Prior distribution of one standard deviation.

    Parameters
    ----------
    name : str
        One of ``FAMILIES``, under PyMC's name.
    args : tuple of float
        Its parameters in PyMC's order; scales are in the unit of the sd (of the variance, where `on` says so).
    on : {"sd", "variance"}
        The quantity that has this distribution.

    Raises
    ------
    PriorError
        If the family is unknown, or a parameter is missing, not finite or out of range.

    Examples
    --------
    >>> str(read_distribution("InverseGamma(.001, .001) on variance"))
    'InverseGamma(0.001, 0.001) on variance'
    >>> read_distribution("Exponential(0.02)").logpdf(0.0).round(4)
    np.float64(-3.912)
    """

    name: str
    args: tuple[float, ...] = ()
    on: str = "sd"

    def __post_init__(self) -> None:
        object.__setattr__(self, "args", tuple(float(a) for a in self.args))
        wanted = family(self.name).parameters
        if len(self.args) != len(wanted):
            raise PriorError(
                f"{self.text()} has {len(self.args)} parameters; {spelling(self.name)} is expected."
            )
        if not all(map(math.isfinite, self.args)) or not self._in_range():
            raise PriorError(f"{self.text()}: {range_of(self.name)}.")
        if self.on not in ("sd", "variance"):
            raise PriorError(f"on={self.on!r}: a prior is on 'sd' or on 'variance'.")

    def _in_range(self) -> bool:
        if self.name == "Uniform":
            return 0 <= self.args[0] < self.args[1]
        return all(a > 0 for a in self.args)

    @property
    def parameters(self) -> dict[str, float]:
        """Parameters by PyMC's names, all floats (PyMC 6 lets small integers overflow)."""
        return dict(zip(FAMILIES[self.name].parameters, self.args, strict=True))

    def logpdf(self, x: ArrayLike) -> Array:
        """Log-density at the standard deviation x (any shape), with the Jacobian 2x where `on` is the variance.

        -inf below 0; an improper distribution has density 1.
        """
        sd = np.asarray(x, dtype=float)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            if self.on == "variance":
                value = FAMILIES[self.name].log_density(sd**2, *self.args) + np.log(2 * sd)
            else:
                value = FAMILIES[self.name].log_density(sd, *self.args)
        return np.where((sd >= 0) & ~np.isnan(value), value, -np.inf)[()]

    def inside(self, sd: Array) -> Array:
        """logpdf without its checks, for standard deviations that are above 0."""
        density = FAMILIES[self.name].log_density
        if self.on == "variance":
            return np.asarray(density(sd**2, *self.args) + np.log(2 * sd))
        return density(sd, *self.args)

    def text(self, digits: int | None = None) -> str:
        """As it is written in a prior; digits rounds the numbers for print."""
        inside = ", ".join(number(a, digits) for a in self.args)
        return (
            self.name + (f"({inside})" if inside else "") + (" on variance" if self.on == "variance" else "")
        )

    def __str__(self) -> str:
        return self.text()


def family(name: str) -> Family:
    """The family of that name, or a PriorError that lists what there is."""
    if name in FAMILIES:
        return FAMILIES[name]
    near = get_close_matches(name, FAMILIES, n=1)
    raise PriorError(
        f"There is no prior distribution {name!r}."
        + (f" Did you mean {near[0]}?" if near else "")
        + f" {accepted()}"
    )


def spelling(name: str) -> str:
    """Name(parameter, ...)."""
    inside = ", ".join(FAMILIES[name].parameters)
    return f"{name}({inside})" if inside else name


def range_of(name: str) -> str:
    """What the parameters of a family have to be."""
    return (
        "0 <= lower < upper is needed"
        if name == "Uniform"
        else "every parameter must be a finite number above 0"
    )


def accepted() -> str:
    """What can be given as a prior of an sd."""
    known = ", ".join(map(spelling, FAMILIES))
    return (
        "Give a string such as 'HalfNormal(50)', with ' on variance' behind it if it is meant for the variance, "
        f"or a dict such as {{'dist': 'HalfNormal', 'sigma': 50}}. Known: {known}; lam is a rate, Gamma takes "
        "shape and rate."
    )


def from_parts(name: str, positional: list[Any], named: Mapping[str, Any], on: str) -> Distribution:
    """Distribution from positional and named parameters."""
    name = "HalfFlat" if name == "Flat" else name
    wanted = family(name).parameters
    rest = wanted[len(positional) :]
    if set(named) != set(rest) or len(positional) > len(wanted):
        got = [*map(str, positional), *(f"{k}={v}" for k, v in named.items())]
        raise PriorError(f"{name}({', '.join(got)}): the parameters are {spelling(name)}.")
    try:
        args = [float(a) for a in [*positional, *(named[k] for k in rest)]]
    except (TypeError, ValueError) as error:
        raise PriorError(f"{name}: the parameters must be numbers ({error}). {accepted()}") from error
    return Distribution(name, tuple(args), on)


def from_string(text: str) -> Distribution:
    """Distribution from "Name(a, b=...) on variance"."""
    match = SPELLING.fullmatch(text)
    if match is None:
        raise PriorError(f"The prior {text!r} cannot be read. {accepted()}")
    parts = [part.strip() for part in (match[2] or "").split(",") if part.strip()]
    positional = [part for part in parts if "=" not in part]
    named = {key.strip(): value for key, _, value in (part.partition("=") for part in parts if "=" in part)}
    return from_parts(match[1], positional, named, match[3] or "sd")


def read_distribution(given: Any) -> Distribution:
    """Prior distribution of an sd from a string, a dict or a Distribution.

    Parameters
    ----------
    given : str, dict or Distribution
        "HalfStudentT(3, 50)", "InverseGamma(.001, .001) on variance", {"dist": "HalfNormal", "sigma": 50}.

    Returns
    -------
    Distribution

    Raises
    ------
    PriorError
        If it cannot be read; the text lists what is accepted.

    Examples
    --------
    >>> read_distribution({"dist": "HalfNormal", "sigma": 50})
    Distribution(name='HalfNormal', args=(50.0,), on='sd')
    """
    if isinstance(given, Distribution):
        return given
    if isinstance(given, str):
        return from_string(given)
    if isinstance(given, Mapping) and isinstance(given.get("dist"), str):
        named = {str(key): value for key, value in given.items() if key not in ("dist", "on")}
        return from_parts(given["dist"], [], named, str(given.get("on", "sd")))
    if isinstance(given, Real):
        raise PriorError(
            f"{given} is a number, not a prior distribution: write 'HalfNormal({given})', say. {accepted()}"
        )
    raise PriorError(f"{given!r} cannot be read as a prior distribution. {accepted()}")
