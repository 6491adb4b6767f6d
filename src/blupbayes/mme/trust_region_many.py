"""Newton steps inside trust regions, many at a time: trust_region.py over a stack."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blupbayes.mme.trust_region import FLAT

__all__ = ["Steps", "newton_decrements", "trust_region_steps"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Steps:
    """``p`` (n, m) and ``decrease`` (n,), as in Step; ``newton`` (n,): the full Newton step of a convex model."""

    p: Array
    decrease: Array
    newton: Mask


def trust_region_steps(gradient: Array, hessian: Array, radius: Array) -> Steps:
    """Minimise g'p + p'Hp/2 over |p| <= radius, for gradients (n, m), H (n, m, m) and radii (n,)."""
    values, vectors, g = turned(gradient, hessian)
    floor = FLAT * np.maximum(np.abs(values).max(axis=1, initial=0.0), 1e-300)[:, None]
    low = np.abs(values) <= floor
    flat = low & (np.abs(g) <= 1e-7)
    z = np.where(flat, 0.0, -g / np.where(low, floor, values))
    newton = np.all(values > -floor, axis=1) & (np.linalg.norm(z, axis=1) <= radius)
    if not newton.all():
        far = ~newton
        z[far] = on_boundary(np.where(flat, 0.0, g)[far], values[far], radius[far])
    decrease = -np.sum(g * z + 0.5 * values * z**2, axis=1)
    return Steps((vectors @ z[:, :, None])[:, :, 0], decrease, newton)


def newton_decrements(gradient: Array, hessian: Array) -> Array:
    """g'H^-1 g / 2 (n,) over the directions of curvature."""
    values, _, g = turned(gradient, hessian)
    curved = np.abs(values) > FLAT * np.maximum(np.abs(values).max(axis=1, initial=0.0), 1e-300)[:, None]
    return np.asarray(
        0.5 * np.sum(np.where(curved, g**2 / np.where(curved, np.abs(values), 1.0), 0.0), axis=1)
    )


def turned(gradient: Array, hessian: Array) -> tuple[Array, Array, Array]:
    """Eigenvalues and vectors of H, and the gradient along them."""
    values, vectors = np.linalg.eigh(hessian)
    return values, vectors, np.asarray((gradient[:, None, :] @ vectors)[:, 0])


def on_boundary(g: Array, values: Array, radius: Array) -> Array:
    """Coordinates (n, m) of the steps on the spheres."""
    lifted = values - np.minimum(values[:, :1], 0.0)
    high = np.linalg.norm(g, axis=1) / radius + 1e-300
    z = -g / (lifted + 1e-16 * high[:, None])
    hard = np.linalg.norm(z, axis=1) < radius  # move along the direction of lowest curvature
    missing = np.sqrt(np.maximum(radius**2 - np.sum(z**2, axis=1), 0.0))
    z[:, 0] += np.where(hard, np.copysign(missing, z[:, 0]), 0.0)
    if not hard.all():
        z[~hard] = bisected(g[~hard], lifted[~hard], radius[~hard], high[~hard])
    return z


def bisected(g: Array, lifted: Array, radius: Array, high: Array) -> Array:
    """The same where a shift of the curvatures, all 0 or more but for it, gives the length: by its logarithm."""
    low = 1e-16 * high
    for _ in range(60):
        middle = np.sqrt(low * high)
        outside = np.linalg.norm(g / (lifted + middle[:, None]), axis=1) > radius
        low, high = np.where(outside, middle, low), np.where(outside, high, middle)
        if np.all(high < 1.01 * low):
            break
    return np.asarray(-g / (lifted + high[:, None]))
