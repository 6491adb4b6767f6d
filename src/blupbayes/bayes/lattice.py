"""Sums over a lattice, in coordinates scaled by the curvature at the modes and filled outward from them.

The trapezoidal rule on a smooth bell converges exponentially in 1/spacing, in any dimension, so the sum over half
of the lattice (the points whose indices add up to an even number) says how wrong the whole is, and more than that.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blupbayes.errors import BlupbayesError

__all__ = ["Lattice", "Modes", "fill", "find_modes"]

Array = NDArray[np.float64]
LogDensity = Callable[[Array], float]

STEP = 1e-2  # of the finite differences at a mode; the bells are about 1 wide
FLATTEST = 0.05  # curvature below this is taken as this
SAME = 0.5  # modes nearer than this are one, in sds of the bell
ENOUGH = 1e-3  # twice the height that a climb may leave below the top
MAX_POINTS = 400_000


@dataclass(frozen=True, eq=False)
class Modes:
    """Where the bells are: ``at`` (k, d), best first; ``values`` (k,); ``scale`` (d, d): columns of one sd each."""

    at: Array
    values: Array
    scale: Array


@dataclass(frozen=True, eq=False)
class Lattice:
    """Points of a lattice with the log-density ``drop`` or less below the highest.

    ``index`` (m, d) integers; ``v`` (m, d); ``log_density`` (m,); ``log_cell``: log volume of a cell;
    ``axes`` (d, d): columns are the lattice vectors; ``drop``.
    """

    index: NDArray[np.intp]
    v: Array
    log_density: Array
    log_cell: float
    axes: Array
    drop: float

    @property
    def even(self) -> NDArray[np.bool_]:
        """Which points make up the coarser lattice."""
        return np.asarray(self.index.sum(axis=1) % 2 == 0)

    @property
    def near(self) -> NDArray[np.bool_]:
        """Which points lie at most drop - 2 below the highest."""
        return np.asarray(self.log_density > self.log_density.max() - self.drop + 2.0)

    @property
    def log_total(self) -> float:
        """Log of the integral."""
        top = float(self.log_density.max())
        return top + float(np.log(np.sum(np.exp(self.log_density - top)))) + self.log_cell


def hessian(f: LogDensity, v: Array) -> Array:
    """-d2f at v (d, d) by central differences."""
    d, f0 = len(v), f(v)
    E = STEP * np.eye(d)
    H = np.zeros((d, d))
    for i in range(d):
        H[i, i] = -(f(v + E[i]) - 2 * f0 + f(v - E[i])) / STEP**2
        for j in range(i):
            mixed = f(v + E[i] + E[j]) - f(v + E[i] - E[j]) - f(v - E[i] + E[j]) + f(v - E[i] - E[j])
            H[i, j] = H[j, i] = -mixed / (4 * STEP**2)
    return H


def gradient(f: LogDensity, v: Array) -> Array:
    """df at v (d,) by central differences."""
    return np.array([(f(v + e) - f(v - e)) / (2 * STEP) for e in STEP * np.eye(len(v))])


def climb(f: LogDensity, v: Array, H: Array | None = None) -> tuple[Array, float]:
    """A maximum of f near v, and its height, by quasi-Newton steps no longer than 1; H: -d2f to begin with."""
    here, f0, g = v, f(v), gradient(f, v)
    values, vectors = np.linalg.eigh(hessian(f, v) if H is None else H)
    C = (vectors / np.maximum(np.abs(values), FLATTEST)) @ vectors.T
    for _ in range(60):
        step = C @ g
        step /= max(1.0, float(np.linalg.norm(step)))
        for _ in range(12):
            there = f(here + step)
            if there > f0:
                break
            step = step / 2
        if not there > f0 or float(g @ C @ g) < ENOUGH:
            break
        here, f0, before = here + step, there, g
        g = gradient(f, here)
        C = learned(C, step, before - g)
    return here, f0


def learned(C: Array, p: Array, y: Array) -> Array:
    """The inverse curvature C (d, d) after a step p that changed the slope by -y (BFGS)."""
    along = float(p @ y)
    if along <= 1e-12 * float(np.linalg.norm(p) * np.linalg.norm(y)):
        return C
    left = np.eye(len(p)) - np.outer(p, y) / along
    return np.asarray(left @ C @ left.T + np.outer(p, p) / along)


def find_modes(f: LogDensity, starts: Iterable[Array]) -> Modes:
    """The different maxima of f that are reached from the starts.

    Raises
    ------
    BlupbayesError
        If the density has no value at any start.
    """
    found: list[tuple[float, Array, Array]] = []
    for start in starts:
        if not np.isfinite(f(start)):
            continue
        v, height = climb(f, start, found[0][2] if found else None)
        near = [math.sqrt(max(float((v - w) @ K @ (v - w)), 0.0)) for _, w, K in found]
        if min(near, default=np.inf) > SAME:
            values, vectors = np.linalg.eigh(hessian(f, v))
            found.append((height, v, (vectors * np.maximum(values, FLATTEST)) @ vectors.T))
    if not found:
        raise BlupbayesError("The posterior density has no value at any start: check the prior and the data.")
    found.sort(key=lambda mode: -mode[0])
    close = [H for value, _, H in found if value > found[0][0] - 12.0]
    H = np.sum(close, axis=0)  # spacing that suits the narrowest in every direction
    scale = np.linalg.cholesky(np.linalg.inv(H)) @ turned(len(H))
    return Modes(np.array([v for _, v, _ in found]), np.array([value for value, _, _ in found]), scale)


def turned(d: int) -> Array:
    """An orthogonal matrix (d, d), so that no parameter lies along a lattice vector: cosines of many angles."""
    k = np.arange(d)
    C = np.cos(np.pi * (k + 0.5) * k[:, None] / d)
    return np.asarray(C / np.linalg.norm(C, axis=1, keepdims=True))


def fill(f: LogDensity, modes: Modes, spacing: float, drop: float) -> Lattice:
    """Evaluate f from the modes outward, as far as it is at most ``drop`` below its maximum.

    Parameters
    ----------
    f : callable
        v (d,) -> log-density.
    modes : Modes
    spacing : float
        In sds of the bell.
    drop : float
        In units of the log-density.

    Raises
    ------
    BlupbayesError
        If more than MAX_POINTS points would be needed.
    """
    axes = spacing * modes.scale
    origin, d = modes.at[0], len(modes.scale)
    neighbours = np.vstack([np.eye(d, dtype=int), -np.eye(d, dtype=int)])
    todo = {tuple(np.round(np.linalg.solve(axes, v - origin)).astype(int).tolist()) for v in modes.at}
    seen: dict[tuple[int, ...], tuple[Array, float]] = {}
    top = float(modes.values[0])
    while todo:
        k = todo.pop()
        v = origin + axes @ np.array(k)
        value = f(v)
        seen[k] = v, value
        top = max(top, value)
        if value > top - drop:
            near = map(tuple, (np.array(k) + neighbours).tolist())
            todo.update(n for n in near if n not in seen)
        if len(seen) > MAX_POINTS:
            raise BlupbayesError(
                f"The posterior of {d} variance parameters needs more than {MAX_POINTS} lattice points at this "
                "accuracy. Ask for a larger rel_error, or draw with sample()."
            )
    index, (v_all, values) = (
        np.array(list(seen), dtype=np.intp),
        map(np.array, zip(*seen.values(), strict=True)),
    )
    kept = values > values.max() - drop
    log_cell = float(np.linalg.slogdet(axes)[1])
    return Lattice(index[kept], v_all[kept], values[kept], log_cell, axes, drop)
