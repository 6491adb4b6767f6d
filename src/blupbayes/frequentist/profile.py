"""Profile likelihood: the deviance along one parameter, all others at their best, and where it has risen enough.

zeta = sign(psi - psi_hat) sqrt(D(psi) - D(psi_hat)) is nearly straight [E-PROFILE], and its slope is known: D'(psi) at
the constrained optimum is the partial slope. So a limit is a root of zeta = +-z, found by Newton's method inside a
bracket, without splines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from blupbayes.errors import BlupbayesError

__all__ = ["Curve", "Limit", "Point", "climb"]

Array = NDArray[np.float64]
CLOSE = 1e-9  # of zeta: the limit is then known to some 1e-10 of the interval's width
SAME = 1e-7  # of the deviance: minima that differ by less are one
NO_BRACKET = 1e-7  # standard errors: a bracket so narrow holds no root, or one that is good enough
STEEP = 0.05  # standard errors, for a rise of zeta by twice that: steeper is a jump, most likely
NEAR_END = 0.05  # standard errors: from there the next look is at the end itself
MAX_STEPS = 60


@dataclass(frozen=True, eq=False)
class Point:
    """One point of a profile.

    ``psi``: the parameter; ``deviance``: lowest there; ``slope``: dD/dpsi; ``state``: where the search for the others
    goes on; ``others``: every parameter's value there.
    """

    psi: float
    deviance: float
    slope: float
    state: object
    others: dict[str, float]


class Curve(Protocol):
    """A profile that can be evaluated.

    ``name``; ``low``, ``high``: ends of the parameter space, -inf and inf where there are none; ``best``: the optimum;
    ``guess``: a step of about one unit of zeta; ``at``: the lowest deviance near a point's others; ``elsewhere``: the
    lowest at the same place from far starts, for a deviance may have several minima.
    """

    @property
    def name(self) -> str: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...
    @property
    def best(self) -> Point: ...
    @property
    def guess(self) -> float: ...
    def at(self, psi: float, near: Point) -> Point: ...
    def elsewhere(self, here: Point) -> Point: ...


@dataclass(frozen=True)
class Limit:
    """Where a profile has risen to zeta: ``open`` if it never does, and the parameter space ends there."""

    value: float
    open: bool
    point: Point


def climb(curve: Curve, target: float, start: Point | None = None) -> Limit:
    """Follow a profile to zeta = target (positive upwards, negative downwards).

    Parameters
    ----------
    curve : Curve
    target : float
        +-z, z^2 being the rise of the deviance.
    start : Point, optional
        A point on the way.

    Raises
    ------
    BlupbayesError
        If no bracket or no root can be found.
    """
    best, side = curve.best, float(np.sign(target))
    end = curve.high if side > 0 else curve.low
    inner, outer, far = start or best, None, 0.0
    psi, miss = first_step(curve, target, inner, end), np.inf
    for _ in range(MAX_STEPS):
        here, before, reach = curve.at(psi, inner), miss, abs(psi - inner.psi)
        miss = rise(here, best) - abs(target)
        if abs(miss) < CLOSE or (miss > 0 and narrow(curve, reach, psi)):
            lower = curve.elsewhere(here)
            if lower.deviance > here.deviance - SAME:
                return Limit(here.psi, False, here)
            here, outer = lower, None  # the profile is lower than what was followed: the limit is farther out
            miss = rise(here, best) - abs(target)
        if miss < 0 and here.psi == end:
            return Limit(end, True, here)
        inner, outer, far = (here, outer, far) if miss < 0 else (inner, here, reach)
        if outer is not None and doubtful(curve, inner, outer, far):
            psi, outer = outer.psi, None
        else:
            stalled = abs(miss) > 0.5 * abs(before)
            psi = following(curve, here, miss, side, (inner, outer), end, stalled)
    raise BlupbayesError(
        f"the profile of {curve.name} did not reach its limit: |zeta| = {abs(target):.4g} was asked for, "
        f"{rise(inner, best):.4g} found at {inner.psi:.6g}."
    )


def narrow(curve: Curve, width: float, psi: float) -> bool:
    """Whether a bracket holds no root but at its end."""
    return width <= NO_BRACKET * curve.guess + 1e-14 * abs(psi)


def doubtful(curve: Curve, inner: Point, outer: Point, far: float) -> bool:
    """Whether the outer point, reached from afar, may be another minimum of the rest: to be looked at from near."""
    width = abs(outer.psi - inner.psi)
    steep = rise(outer, curve.best) - rise(inner, curve.best) > 2.0 * STEEP
    return narrow(curve, width, outer.psi) or (steep and width < min(STEEP * curve.guess, 0.25 * far))


def rise(point: Point, best: Point) -> float:
    """|zeta|."""
    return float(np.sqrt(max(point.deviance - best.deviance, 0.0)))


def first_step(curve: Curve, target: float, start: Point, end: float) -> float:
    """Where to look first: as if zeta were straight."""
    missing = max(abs(target) - rise(start, curve.best), 0.1 * abs(target))
    return towards(curve, start.psi, start.psi + float(np.sign(target)) * curve.guess * missing, end)


def towards(curve: Curve, inside: float, psi: float, end: float) -> float:
    """psi, if it is not beyond the end of the parameter space; else nine tenths of the way, at last the end itself."""
    if (psi - end) * (end - inside) < 0 or not np.isfinite(end):
        return psi
    return end if abs(end - inside) < NEAR_END * curve.guess else inside + 0.9 * (end - inside)


def following(
    curve: Curve,
    here: Point,
    miss: float,
    side: float,
    bracket: tuple[Point, Point | None],
    end: float,
    stalled: bool,
) -> float:
    """The next psi: Newton's step in zeta, inside the bracket; doubled where there is none yet.

    ``stalled``: the last step did not halve what is missing, so slopes do not help here.
    """
    inner, outer = bracket
    zeta = rise(here, curve.best)
    slope = side * here.slope / (2.0 * zeta) if zeta > 0 else 0.0
    psi = here.psi - side * miss / slope if slope > 0 and not stalled else np.nan
    if outer is None:
        reach = max(abs(here.psi - curve.best.psi), curve.guess)
        far = here.psi + 2.0 * side * reach
        return towards(curve, inner.psi, psi if side * (far - psi) > 0 else far, end)
    inside = (psi - inner.psi) * (outer.psi - psi) > 0
    return float(psi) if inside else 0.5 * (inner.psi + outer.psi)


def trace(curve: Curve, targets: Sequence[float]) -> list[tuple[float, Point]]:
    """Points at the given values of zeta, outwards from the optimum on both sides; an open end closes its side."""
    out = [(0.0, curve.best)]
    for side in (-1.0, 1.0):
        start: Point | None = None
        for z in sorted(abs(t) for t in targets if t * side > 0):
            found = climb(curve, side * z, start)
            start = found.point
            out.append((side * rise(start, curve.best), start))
            if found.open:
                break
    return sorted(out, key=lambda pair: pair[0])
