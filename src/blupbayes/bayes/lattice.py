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

from blupbayes.errors import IntegrationError

__all__ = ["Lattice", "Modes", "fill", "find_modes"]

Array = NDArray[np.float64]
Index = NDArray[np.intp]
LogDensity = Callable[[Array], Array]

STEP = 1e-2  # of the finite differences at a mode; the bells are about 1 wide
FLATTEST = 0.05  # curvature below this is taken as this
SAME = 0.5  # modes nearer than this are one, in sds of the bell
ENOUGH = 1e-3  # twice the height that a climb may leave below the top
LOW = 12.0  # modes so much lower do not narrow the spacing
HALVINGS = 0.5 ** np.array([0, 1, 2, 4, 7])  # of a step, all tried at once
TURNS = 1000  # orthogonal matrices that are tried
MAX_POINTS = 400_000
ON_A_LINE = 14  # points to either side that are evaluated at once in one dimension


@dataclass(frozen=True, eq=False)
class Modes:
    """Where the bells are: ``at`` (k, d), best first; ``values`` (k,); ``scale`` (d, d): columns of one sd each."""

    at: Array
    values: Array
    scale: Array


@dataclass(frozen=True, eq=False)
class Lattice:
    """Points of a lattice with the log-density ``drop`` or less below the highest.

    ``index`` (m, d) integers; ``log_density`` (m,); ``log_cell``: log volume of a cell; ``axes`` (d, d): columns are
    the lattice vectors; ``drop``.
    """

    index: Index
    log_density: Array
    log_cell: float
    axes: Array
    drop: float

    @property
    def even(self) -> NDArray[np.bool_]:
        """Which points make up the coarser lattice."""
        return np.asarray(self.index.sum(axis=1) % 2 == 0)

    def within(self, shell: float) -> NDArray[np.bool_]:
        """Which points are left without a shell of so many units of the log-density."""
        return np.asarray(self.log_density > self.log_density.max() - self.drop + shell)

    @property
    def leaked(self) -> float:
        """Share of the mass beyond the outermost shell, if it goes on falling off as it did; NaN where none is left."""
        w = np.exp(self.log_density - self.log_density.max())
        whole, inner, core = (float(w[self.within(k)].sum()) for k in (0.0, 2.0, 4.0))
        ratio = (whole - inner) / (inner - core) if inner > core else np.nan
        return (whole - inner) / whole * ratio / (1.0 - ratio) if ratio < 1 else np.nan

    @property
    def log_total(self) -> float:
        """Log of the integral."""
        top = float(self.log_density.max())
        return top + float(np.log(np.sum(np.exp(self.log_density - top)))) + self.log_cell


def curvature(f: LogDensity, v: Array) -> tuple[float, Array, Array]:
    """f, df (d,) and -d2f (d, d) at v (d,), by central differences, all in one call."""
    d = len(v)
    E = STEP * np.eye(d)
    i, j = np.tril_indices(d, -1)
    crossed = [E[i] + E[j], E[i] - E[j], E[j] - E[i], -E[i] - E[j]]
    values = f(v + np.vstack([np.zeros((1, d)), E, -E, *crossed]))
    f0, up, down = values[0], values[1 : d + 1], values[d + 1 : 2 * d + 1]
    H = np.diag(-(up - 2.0 * f0 + down) / STEP**2)
    pp, pm, mp, mm = values[2 * d + 1 :].reshape(4, -1)
    H[i, j] = H[j, i] = -(pp - pm - mp + mm) / (4.0 * STEP**2)
    return float(f0), (up - down) / (2.0 * STEP), H


def stride(f: LogDensity, v: Array, step: Array) -> tuple[Array, Array]:
    """f after shares HALVINGS of a step (d,) from v (d,), and df after the whole, all in one call."""
    d, E = len(v), STEP * np.eye(len(v))
    values = f(v + np.vstack([np.outer(HALVINGS, step), step + E, step - E]))
    there, up, down = np.split(values, [len(HALVINGS), len(HALVINGS) + d])
    return there, (up - down) / (2.0 * STEP)


def climb(f: LogDensity, v: Array) -> tuple[Array, float] | None:
    """A maximum of f near v (d,), and its height, by quasi-Newton steps no longer than 1; None where f has no value."""
    f0, g, H = curvature(f, v)
    if not np.isfinite(f0):
        return None
    values, vectors = np.linalg.eigh(H)
    C = (vectors / np.maximum(np.abs(values), FLATTEST)) @ vectors.T
    here = v
    for _ in range(60):
        step = C @ g
        step /= max(1.0, float(np.linalg.norm(step)))
        there, slope = stride(f, here, step)
        better = np.flatnonzero(there > f0)
        if not better.size or float(g @ C @ g) < ENOUGH:
            break
        step = HALVINGS[better[0]] * step
        here, f0, before = here + step, float(there[better[0]]), g
        g = slope if better[0] == 0 else stride(f, here, np.zeros_like(here))[1]
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
    IntegrationError
        If the density has no value at any start.
    """
    found: list[tuple[float, Array, Array]] = []
    for start in starts:
        reached = climb(f, start)
        if reached is None:
            continue
        v, height = reached
        near = [math.sqrt(max(float((v - w) @ K @ (v - w)), 0.0)) for _, w, K in found]
        if min(near, default=np.inf) > SAME:
            values, vectors = np.linalg.eigh(curvature(f, v)[2])
            found.append((height, v, (vectors * np.maximum(values, FLATTEST)) @ vectors.T))
    if not found:
        raise IntegrationError(
            "The posterior density has no value at any start: check the prior and the data."
        )
    found.sort(key=lambda mode: -mode[0])
    close = [H for value, _, H in found if value > found[0][0] - LOW]
    H = np.sum(close, axis=0)  # spacing that suits the narrowest in every direction
    scale = turned(np.linalg.cholesky(np.linalg.inv(H)))
    return Modes(np.array([v for _, v, _ in found]), np.array([value for value, _, _ in found]), scale)


def turned(root: Array) -> Array:
    """root (d, d) turned so that its rows, the parameters, lie as far from the lattice vectors as can be found.

    Marginal densities are read off the points' projections on a parameter. Their bandwidth is pi over the largest
    entry of its row (the width of the dual lattice's Voronoi cell in that direction), so large entries are made small.
    """
    rng = np.random.default_rng(0)
    d = len(root)
    Q = np.linalg.qr(rng.standard_normal((TURNS, d, d)))[0]
    unit = root / np.linalg.norm(root, axis=1, keepdims=True)
    best = np.abs(unit @ Q).max(axis=(1, 2)).argmin()
    return np.asarray(root @ Q[best])


def around_zero(d: int) -> Index:
    """Neighbours (k, d) of the origin; on a line, where points cost less than waves, a row of them."""
    steps = np.arange(1, ON_A_LINE + 1)[:, None] if d == 1 else np.eye(d, dtype=np.intp)
    return np.vstack([steps, -steps])


def beside(index: Index, neighbours: Index) -> set[tuple[int, ...]]:
    """Some points (m, d) of a lattice and those beside them."""
    around = np.concatenate([index[:, None], index[:, None] + neighbours], axis=1)
    return {tuple(k) for k in around.reshape(-1, index.shape[1]).tolist()}


def fill(
    evaluate: Callable[[Index, float], None],
    known: dict[tuple[int, ...], float],
    modes: Modes,
    axes: Array,
    drop: float,
) -> Lattice:
    """Evaluate from the modes outward, wave by wave, as far as the density is at most ``drop`` below its maximum.

    Parameters
    ----------
    evaluate : callable
        (index (k, d), floor) -> None: enters the log-density of new points into `known`; points above the floor
        will be wanted.
    known : dict
        index -> log-density.
    modes : Modes
        Their first is the origin.
    axes : array (d, d)
        Columns are the lattice vectors.
    drop : float
        In units of the log-density.

    Raises
    ------
    IntegrationError
        If more than MAX_POINTS points would be needed.
    """
    d = len(axes)
    neighbours = around_zero(d)
    first = np.round(np.linalg.solve(axes, (modes.at - modes.at[0]).T)).astype(np.intp).T
    todo = beside(first, neighbours)
    seen: set[tuple[int, ...]] = set()
    top = float(modes.values[0])
    while todo:
        evaluate(np.array(sorted(todo), dtype=np.intp), top - drop)
        seen |= todo
        top = max(top, *(known[k] for k in todo))
        inside = [k for k in todo if known[k] > top - drop]
        if len(seen) > MAX_POINTS:
            raise IntegrationError(
                f"The posterior of {d} variance parameters needs more than {MAX_POINTS} lattice points at this "
                "accuracy. Ask for a larger rel_error, or draw with sample()."
            )
        todo = beside(np.array(inside, dtype=np.intp).reshape(-1, d), neighbours) - seen
    kept = sorted(k for k in seen if known[k] > top - drop)
    values = np.array([known[k] for k in kept])
    return Lattice(np.array(kept, dtype=np.intp), values, float(np.linalg.slogdet(axes)[1]), axes, drop)
