"""Distributions of single quantities: smooth marginals read off weighted nodes, and mixtures of Gaussians."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from blupbayes.bayes.coordinates import inverse

__all__ = ["Artanh", "Bells", "Curve", "Link", "Log", "Stretched"]

Array = NDArray[np.float64]

WINDOW = 3.0  # bands: how far a node's window reaches
FINE = 20_000  # steps of half of the tabulated kernel
STEPS = 100
REACH = 9.0  # sds beyond a Gaussian's mean, or bands beyond the outermost node: no probability is left there


class Link(Protocol):
    """A quantity as a point on the line where its density is a bell."""

    ends: ClassVar[tuple[float, float]]  # between which the quantity lies

    def line(self, value: Array) -> tuple[Array, Array]:
        """The point, and how fast it moves with the value."""

    def value(self, line: Array) -> Array:
        """And back."""


@dataclass(frozen=True)
class Log:
    """Of a positive quantity."""

    ends: ClassVar[tuple[float, float]] = (0.0, np.inf)

    def line(self, value: Array) -> tuple[Array, Array]:
        """log x."""
        return np.log(value), 1.0 / value

    def value(self, line: Array) -> Array:
        """exp."""
        return np.exp(line)


@dataclass(frozen=True)
class Stretched:
    """Of an sd that may be next to 0: log x = centre + y - exp(-y), as in coordinates.py."""

    centre: float
    ends: ClassVar[tuple[float, float]] = (0.0, np.inf)

    def line(self, value: Array) -> tuple[Array, Array]:
        """y."""
        y = inverse(np.log(value) - self.centre)
        return y, 1.0 / (value * (1.0 + np.exp(-y)))

    def value(self, line: Array) -> Array:
        """x."""
        return np.exp(line - np.exp(-line) + self.centre)


@dataclass(frozen=True)
class Artanh:
    """Of a correlation."""

    ends: ClassVar[tuple[float, float]] = (-1.0, 1.0)

    def line(self, value: Array) -> tuple[Array, Array]:
        """artanh x."""
        return np.arctanh(value), 1.0 / (1.0 - value**2)

    def value(self, line: Array) -> Array:
        """tanh."""
        return np.tanh(line)


@dataclass(frozen=True, eq=False)
class Curve:
    """A density that is band-limited to what its nodes can carry.

    It is read as a sum of sin(pi u) / (pi u) exp(-(u / WINDOW)^2 / 2), u = (x - node) / band: the cardinal series with
    a window, which makes it local.

    Parameters
    ----------
    nodes, weights, band : array (k,)
        On the line of the link; the weights add up to 1.
    link : Link
    bounds : tuple of float
        Where a uniform prior cuts the quantity off: the smooth curve reaches a little beyond.
    """

    nodes: Array
    weights: Array
    band: Array
    link: Link
    bounds: tuple[float, float] = (-np.inf, np.inf)

    def on_line(self, at: Array) -> tuple[Array, Array]:
        """Distribution function and density (n,) at points (n,) of the line."""
        total, height = kernel((at - self.nodes[:, None]) / self.band[:, None])
        return self.weights @ total, self.weights @ (height / self.band[:, None])

    def cdf(self, values: Array) -> Array:
        """P(x <= value) (n,)."""
        inside = self.inside(values)
        found = (values >= self.link.ends[1]).astype(float)
        found[inside] = np.clip(self.on_line(self.link.line(values[inside])[0])[0], 0.0, 1.0)
        return np.where(values < self.bounds[0], 0.0, np.where(values >= self.bounds[1], 1.0, found))

    def pdf(self, values: Array) -> Array:
        """Density (n,): 0 outside the ends, and nan at an end, where the line does not reach."""
        inside = self.inside(values)
        found = np.where(np.isin(values, self.link.ends), np.nan, 0.0)
        line, slope = self.link.line(values[inside])
        found[inside] = np.maximum(self.on_line(line)[1] * slope, 0.0)
        return np.where((values < self.bounds[0]) | (values > self.bounds[1]), 0.0, found)

    def inside(self, values: Array) -> NDArray[np.bool_]:
        """Which values (n,) have a point on the line."""
        low, high = self.link.ends
        return np.asarray((values > low) & (values < high))

    def quantiles(self, probs: Sequence[float], tolerance: float) -> Array:
        """Values (len(probs),), missed by at most tolerance sds on the line."""
        from scipy.special import ndtri

        mean = float(self.weights @ self.nodes)
        sd = float(np.sqrt(self.weights @ (self.nodes - mean) ** 2))
        if sd == 0.0:
            return self.link.value(np.full(len(probs), mean))
        size = np.full(len(probs), sd)
        reach = REACH * self.band.max()
        low, high = self.nodes.min() - reach + 0 * size, self.nodes.max() + reach + 0 * size
        found = solve(self.on_line, np.array(probs), mean + ndtri(probs) * sd, low, high, tolerance * size)
        return np.clip(self.link.value(found), *self.bounds)


@dataclass(frozen=True, eq=False)
class Bells:
    """Mixtures of Gaussians: ``means`` and ``sds`` (k, n) of n quantities, ``weights`` (k,) that add up to 1."""

    means: Array
    sds: Array
    weights: Array

    def distribution(self, x: Array) -> tuple[Array, Array]:
        """Distribution functions and densities at x (n,), one value for each quantity."""
        from scipy.special import ndtr

        with np.errstate(divide="ignore", invalid="ignore"):
            z = np.where(
                self.sds > 0, (x - self.means) / self.sds, np.where(x >= self.means, np.inf, -np.inf)
            )
            density = np.where(self.sds > 0, np.exp(-0.5 * z**2) / (np.sqrt(2 * np.pi) * self.sds), 0.0)
        return self.weights @ ndtr(z), self.weights @ density

    def cdf(self, values: Array) -> Array:
        """P(x <= value) (k,) of the only quantity."""
        return np.array([self.distribution(np.array([x]))[0][0] for x in values])

    def pdf(self, values: Array) -> Array:
        """Density (k,) of the only quantity."""
        return np.array([self.distribution(np.array([x]))[1][0] for x in values])

    def quantiles(self, probs: Sequence[float], tolerance: float) -> Array:
        """Values (len(probs), n), missed by at most tolerance sds."""
        from scipy.special import ndtri

        mean = self.weights @ self.means
        sd = np.sqrt(self.weights @ (self.sds**2 + (self.means - mean) ** 2))
        low, high = (self.means - REACH * self.sds).min(axis=0), (self.means + REACH * self.sds).max(axis=0)
        starts = [mean + float(ndtri(p)) * sd for p in probs]
        found = [
            solve(self.distribution, p, x, low, high, tolerance * sd)
            for p, x in zip(probs, starts, strict=True)
        ]
        return np.array(found).reshape(len(probs), -1)


def kernel(u: Array) -> tuple[Array, Array]:
    """The windowed series' integral up to u, and its height there, from a table."""
    total, height = table()
    place = np.clip((u / (8.0 * WINDOW) + 1.0) * FINE, 0.0, 2.0 * FINE - 1.0)
    left = place.astype(np.intp)
    share = place - left
    return tuple(y[left] + share * (y[left + 1] - y[left]) for y in (total, height))  # type: ignore[return-value]


@cache
def table() -> tuple[Array, Array]:
    """Both at 2 FINE + 1 equal steps of u over -+8 windows; by Simpson's rule, normalised."""
    u, step = np.linspace(-8.0 * WINDOW, 8.0 * WINDOW, 4 * FINE + 1, retstep=True)
    height = np.sinc(u) * np.exp(-0.5 * (u / WINDOW) ** 2)
    pieces = (height[:-2:2] + 4.0 * height[1:-1:2] + height[2::2]) * step / 3.0
    total = np.concatenate([[0.0], np.cumsum(pieces)])
    return total / total[-1], height[::2] / total[-1]


def solve(
    distribution: Callable[[Array], tuple[Array, Array]],
    prob: float | Array,
    start: Array,
    low: Array,
    high: Array,
    tolerance: Array,
) -> Array:
    """x (n,) in (low, high) where the distribution functions are prob: Newton's steps, or the middle if they leave.

    One step more than the tolerance asks for: it squares what is missing, so that rounding of what came before does
    not show in the digits that are printed.
    """
    x, done = np.clip(start, low, high), False
    for _ in range(STEPS):
        value, density = distribution(x)
        below = value < prob
        low, high = np.where(below, x, low), np.where(below, high, x)
        with np.errstate(divide="ignore", invalid="ignore"):
            there = x + (prob - value) / density
        inside = (there >= low) & (there <= high) & (density > 0)
        there = np.where(inside, there, x if done else 0.5 * (low + high))
        moved, x = np.abs(there - x), there
        if done:
            break
        done = bool(np.all((moved <= tolerance) | (high - low <= tolerance) | np.isnan(x)))
    return x
