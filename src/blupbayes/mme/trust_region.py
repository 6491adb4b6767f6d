"""Newton steps inside a trust region: the minimiser of a quadratic model over a ball."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Step", "newton_decrement", "trust_region_step"]

Array = NDArray[np.float64]
FLAT = 1e-13  # curvature below this share of the largest is rounding


@dataclass(frozen=True, eq=False)
class Step:
    """``p`` (m,) and ``decrease`` > 0, the model's decrease; ``newton``: the full Newton step of a convex model."""

    p: Array
    decrease: float
    newton: bool


def trust_region_step(gradient: Array, hessian: Array, radius: float) -> Step:
    """Minimise g'p + p'Hp/2 over |p| <= radius, H of any signature.

    Parameters
    ----------
    gradient : array (m,)
    hessian : array (m, m)
    radius : float

    Returns
    -------
    Step
    """
    values, vectors = np.linalg.eigh(hessian)
    g = vectors.T @ gradient
    floor = FLAT * max(float(np.abs(values).max(initial=0.0)), 1e-300)
    flat = (np.abs(values) <= floor) & (np.abs(g) <= 1e-7)
    safe = np.where(np.abs(values) <= floor, floor, values)
    z = np.where(flat, 0.0, -g / safe)
    newton = bool(np.all(values > -floor))
    if not newton or np.linalg.norm(z) > radius:
        newton = False
        z = _on_boundary(np.where(flat, 0.0, g), values, radius)
    decrease = -float(g @ z + 0.5 * values @ z**2)
    return Step(vectors @ z, decrease, newton)


def newton_decrement(gradient: Array, hessian: Array) -> float:
    """How much lower the quadratic model's stationary point is, g'H^-1 g / 2, over the directions of curvature."""
    values, vectors = np.linalg.eigh(hessian)
    curved = np.abs(values) > FLAT * max(float(np.abs(values).max(initial=0.0)), 1e-300)
    g = (vectors.T @ gradient)[curved]
    return float(0.5 * np.sum(g**2 / np.abs(values[curved])))


def _on_boundary(g: Array, values: Array, radius: float) -> Array:
    """Coordinates of the step on the sphere, by bisection on log(lambda + lowest eigenvalue)."""
    lowest = min(float(values[0]), 0.0)

    def at(shift: float) -> Array:
        return -g / (values - lowest + shift)

    high = float(np.linalg.norm(g)) / radius + 1e-300
    low = high * 1e-16
    if np.linalg.norm(at(low)) < radius:  # hard case: move along the direction of lowest curvature
        z = at(low)
        z[0] += np.copysign(np.sqrt(max(radius**2 - float(z @ z), 0.0)), z[0] or 1.0)
        return z
    for _ in range(60):
        middle = np.sqrt(low * high)
        if np.linalg.norm(at(middle)) > radius:
            low = middle
        else:
            high = middle
        if high < 1.01 * low:
            break
    return at(high)
