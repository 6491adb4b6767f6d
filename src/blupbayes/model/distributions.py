"""Prior distributions of standard deviations, read from strings, dicts and objects of other libraries."""

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
from blupbayes.model.foreign import read_foreign

__all__ = ["Distribution", "number", "read_distribution"]

Array = NDArray[np.float64]


SPELLING = re.compile(r"\s*(\w+)\s*(?:\((.*)\))?\s*(?:on\s+(?:the\s+)?(sd|variance|log sd))?\s*")
FLAT = {"sd": "density 1", "variance": "density 2 sd, flat on the variance", "log sd": "density 1/sd"}


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
    on : {"sd", "variance", "log sd"}
        The quantity that has this distribution; "log sd" goes with HalfFlat only.

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
        if self.on not in FLAT:
            raise PriorError(f"on={self.on!r}: a prior is on 'sd' or on 'variance'; Flat also on 'log sd'.")
        if self.on == "log sd" and self.name != "HalfFlat":
            raise PriorError(f"{self.text()}: on log sd a prior can only be Flat, which has density 1/sd.")

    def _in_range(self) -> bool:
        if self.name == "Uniform":
            return 0 <= self.args[0] < self.args[1]
        return all(a > 0 for a in self.args) and (self.name != "PC" or self.args[1] < 1)

    @property
    def parameters(self) -> dict[str, float]:
        """Parameters by PyMC's names, all floats (PyMC 6 lets small integers overflow)."""
        return dict(zip(FAMILIES[self.name].parameters, self.args, strict=True))

    @property
    def pymc(self) -> tuple[str, dict[str, float]]:
        """PyMC's distribution, by name, and its parameters; for the quantity that `on` names."""
        if self.on == "log sd":
            return "Flat", {}
        renamed = FAMILIES[self.name].pymc
        return renamed(*self.args) if renamed else (self.name, self.parameters)

    @property
    def tail(self) -> float:
        """t, where the density of the sd is of order sd^-t for sd -> inf; inf if it falls off faster."""
        t = FAMILIES[self.name].tail(*self.args)
        return 1.0 if self.on == "log sd" else 2 * t - 1 if self.on == "variance" else t

    @property
    def head(self) -> float:
        """h, where the density of the sd is of order sd^h for sd -> 0; inf if it vanishes faster."""
        h = FAMILIES[self.name].head(*self.args)
        return -1.0 if self.on == "log sd" else 2 * h + 1 if self.on == "variance" else h

    @property
    def words(self) -> str:
        """What the text does not say by itself, for print."""
        if self.name == "HalfFlat":
            return f"{FLAT[self.on]}, improper"
        if self.name == "PC":
            return f"P({self.on} > {number(self.args[0], 6)}) = {number(self.args[1], 6)}"
        return ""

    def logpdf(self, x: ArrayLike) -> Array:
        """Log-density at the standard deviation x (any shape), with the Jacobian 2x where `on` is the variance.

        -inf below 0; an improper distribution has density 1 on its own scale, so 1/x where `on` is the log sd.
        """
        sd = np.asarray(x, dtype=float)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            value = self.inside(sd)
        return np.where((sd >= 0) & ~np.isnan(value), value, -np.inf)[()]

    def inside(self, sd: Array) -> Array:
        """logpdf without its checks, for standard deviations that are above 0."""
        density = FAMILIES[self.name].log_density
        if self.on == "variance":
            return np.asarray(density(sd**2, *self.args) + np.log(2 * sd))
        return -np.log(sd) if self.on == "log sd" else density(sd, *self.args)

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """n independent standard deviations.

        Raises
        ------
        PriorError
            If the distribution is improper.
        """
        family_draw = FAMILIES[self.name].draw
        if family_draw is None:
            raise PriorError(
                f"{self.text()} is no proper distribution, so nothing can be drawn from it. Give another."
            )
        values = family_draw(rng, n, *self.args)
        return np.sqrt(values) if self.on == "variance" else values

    def above(self, sd: float) -> float:
        """P(standard deviation > sd); 1 if the distribution is improper, whose mass is all beyond any sd.

        Examples
        --------
        >>> round(read_distribution("HalfNormal(50)").above(98.0), 4)
        0.05
        """
        if sd <= 0:
            return 1.0
        if math.isinf(sd):
            return 0.0
        return FAMILIES[self.name].above(sd**2 if self.on == "variance" else sd, *self.args)

    def text(self, digits: int | None = None) -> str:
        """As it is written in a prior; digits rounds the numbers for print."""
        inside = ", ".join(number(a, digits) for a in self.args)
        return self.name + (f"({inside})" if inside else "") + (f" on {self.on}" if self.on != "sd" else "")

    def __str__(self) -> str:
        return self.text()


def family(name: str) -> Family:
    """The family of that name, or a PriorError that lists what there is."""
    if name in FAMILIES:
        return FAMILIES[name]
    folded = {known.casefold(): known for known in FAMILIES}
    near = [folded[match] for match in get_close_matches(name.casefold(), folded, n=1)]
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
    special = {
        "Uniform": "0 <= lower < upper is needed",
        "PC": "PC(upper, prob) says P(sd > upper) = prob, so upper is above 0 and prob between 0 and 1",
    }
    return special.get(name, "every parameter must be a finite number above 0")


def accepted() -> str:
    """What can be given as a prior of an sd."""
    known = ", ".join(map(spelling, FAMILIES))
    return (
        "Give a string such as 'HalfNormal(50)', with ' on variance' behind it if it is meant for the variance, "
        f"or a dict such as {{'dist': 'HalfNormal', 'sigma': 50}}, or a frozen distribution of scipy.stats or PreliZ. "
        f"Known: {known}; lam is a rate, Gamma takes shape and rate, PC(3, 0.01) says P(sd > 3) = 0.01."
    )


def from_parts(name: str, positional: list[Any], named: Mapping[str, Any], on: str) -> Distribution:
    """Distribution from positional and named parameters."""
    name = "HalfFlat" if name in ("Flat", "flat") else name
    wanted = family(name).parameters
    rest = wanted[len(positional) :]
    if set(named) != set(rest) or len(positional) > len(wanted):
        got = [*map(str, positional), *(f"{k}={v}" for k, v in named.items())]
        typo = [
            near[0] for key in named if key not in wanted and (near := get_close_matches(key, wanted, n=1))
        ]
        hint = f" Did you mean {typo[0]}?" if typo else ""
        raise PriorError(
            f"{name}({', '.join(got)}): write {spelling(name)}, a number in place of each word.{hint}"
        )
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
    given : str, dict, Distribution, or frozen distribution of scipy.stats or PreliZ
        "HalfStudentT(3, 50)", "InverseGamma(.001, .001) on variance", {"dist": "HalfNormal", "sigma": 50},
        scipy.stats.halfnorm(scale=50), preliz.HalfNormal(50).

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
    foreign = read_foreign(given)
    if foreign is not None:
        return Distribution(*foreign)
    raise PriorError(f"{given!r} cannot be read as a prior distribution. {accepted()}")
