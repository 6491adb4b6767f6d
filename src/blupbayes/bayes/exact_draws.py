"""Independent draws from an Integral: theta by rejection from the lattice, the rest from exact conditionals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from blupbayes.bayes.conditional import positions
from blupbayes.bayes.draws import Draws
from blupbayes.bayes.integrate import Integral
from blupbayes.bayes.lattice import Lattice
from blupbayes.bayes.marginal import Marginal
from blupbayes.bayes.points import Points
from blupbayes.mme.many import eliminate_many

__all__ = ["draw"]

Array = NDArray[np.float64]

CAP = 4.0  # of the density over its interpolation: larger only where next to no mass is
STEP = 0.25  # of the sigma nodes, in sds
FINER = 8  # steps of log sigma between two nodes
PORTION = 500  # draws at a time


def draw(integral: Integral, n: int, rng: np.random.Generator) -> Draws:
    """n independent draws of all parameters and random effects."""
    marginal = replace(integral.marginal, step=STEP)
    parts = [portion(marginal, v, rng) for v in split(thetas(integral, n, rng))]
    sigma, sds, corrs, beta, b = zip(*parts, strict=True)
    return Draws(
        np.concatenate(sigma),
        np.concatenate(sds),
        tuple(np.concatenate(R) for R in zip(*corrs, strict=True)),
        np.concatenate(beta),
        tuple(np.concatenate(x) for x in zip(*b, strict=True)),
    )


def split(v: Array) -> Iterator[Array]:
    """Some draws at a time."""
    return (v[k : k + PORTION] for k in range(0, len(v), PORTION))


def thetas(integral: Integral, n: int, rng: np.random.Generator) -> Array:
    """v (n, d): proposals from the lattice's multilinear interpolation, accepted by the density itself."""
    lattice, w = integral.mixture.lattice, integral.mixture.weights
    origin = integral.mixture.points.v[0] - lattice.axes @ lattice.index[0]
    proposed, ratios, u = [], [], []
    size = 2 * n
    while True:
        index = lattice.index[rng.choice(len(w), size=size, p=w)]
        place = index + rng.random(index.shape) + rng.random(index.shape) - 1.0
        v = origin + place @ lattice.axes.T
        density = integral.marginal.log_density(v) - lattice.log_total + lattice.log_cell
        proposed.append(v)
        ratios.append(np.minimum(np.exp(density) / interpolated(lattice, w, place), CAP))
        u.append(rng.random(size))
        ratio = np.concatenate(ratios)
        taken = np.flatnonzero(np.concatenate(u) * ratio.max() < ratio)
        if len(taken) >= n:
            return np.concatenate(proposed)[taken[:n]]
        size = n


def interpolated(lattice: Lattice, w: Array, place: Array) -> Array:
    """Weights w (m,) at places (n, d) between the points, multilinear in the 2^d corners of a cell."""
    lowest, shape = lattice.index.min(axis=0) - 1, np.ptp(lattice.index, axis=0) + 3
    table = np.zeros(shape)
    table[tuple((lattice.index - lowest).T)] = w
    cell = np.floor(place).astype(np.intp)
    share = place - cell
    out = np.zeros(len(place))
    for corner in np.ndindex(*(2,) * place.shape[1]):
        at = np.clip(cell - lowest + corner, 0, shape - 1)
        out += table[tuple(at.T)] * np.prod(np.where(corner, share, 1.0 - share), axis=1)
    return out


def portion(
    marginal: Marginal, v: Array, rng: np.random.Generator
) -> tuple[Array, Array, tuple[Array, ...], Array, tuple[Array, ...]]:
    """sigma, sds, correlations, beta and b given theta."""
    found = [p for _, p in marginal.read(v, -np.inf) if p is not None]
    sigma, tau = (np.concatenate(x) for x in zip(*(sigmas(p, rng) for p in found), strict=True))
    s, p = marginal.statistics, len(marginal.statistics.fixed_names)
    parts = [many.noise(rng) for _, many in eliminate_many(s, marginal.coordinates.places(v).T)]
    noise = np.concatenate(parts)[:, positions(s)]
    linear = np.concatenate(
        [linear_part(x, rng, sigma[k], tau[k], p + noise.shape[1]) for k, x in places(found)]
    )
    hidden = rng.standard_normal((len(v), marginal.hidden_root.shape[1])) / np.sqrt(tau)[:, None]
    beta = linear[:, :p] + hidden @ marginal.hidden_root.T
    flat = linear[:, p:] + sigma[:, None] * noise
    b, start = [], 0
    for g in s.groups:
        size = len(g.levels) * len(g.names)
        b.append(flat[:, start : start + size].reshape(len(v), len(g.levels), len(g.names)))
        start += size
    sds = sigma[:, None] * np.concatenate([x.sds for x in found])
    corrs = tuple(np.concatenate(R) for R in zip(*(x.corrs for x in found), strict=True))
    return sigma, sds, corrs, beta, tuple(b)


def places(found: list[Points]) -> Iterator[tuple[slice, Points]]:
    """Every part with its rows."""
    start = 0
    for p in found:
        yield slice(start, start + len(p)), p
        start += len(p)


def linear_part(p: Points, rng: np.random.Generator, sigma: Array, tau: Array, size: int) -> Array:
    """[beta, b] (m, size) without b's own noise."""
    s2 = sigma[:, None] ** 2
    shrunk = s2 * tau[:, None] * p.shrink
    t = -shrunk / (1.0 + shrunk) * p.t + np.sqrt(s2 / (1.0 + shrunk)) * rng.standard_normal(p.shrink.shape)
    return np.asarray(p.base[:, :size] + np.einsum("mqr,mr->mq", p.B[:, :size], t))


def sigmas(p: Points, rng: np.random.Generator) -> tuple[Array, Array]:
    """sigma and tau (m,) given theta: nodes of tau, then log sigma from a spline of its log-density."""
    from scipy.interpolate import CubicSpline

    taus = np.unique(p.tau[0])
    shape = (len(p), -1, len(taus))
    x, within = p.log_sigma.reshape(shape)[:, :, 0], p.within.reshape(shape)
    which = choose(within.sum(axis=1), rng)
    if x.shape[1] == 1:
        return np.exp(x[:, 0]), taus[which]
    with np.errstate(divide="ignore"):
        log = np.log(np.take_along_axis(within, which[:, None, None], axis=2)[:, :, 0])
    log = np.maximum(log - log.max(axis=1, keepdims=True), -60.0)
    nodes = np.arange(x.shape[1])
    fine = np.linspace(0, len(nodes) - 1, FINER * (len(nodes) - 1) + 1)
    density = np.exp(CubicSpline(nodes, log, axis=1)(fine))
    steps = 0.5 * (density[:, 1:] + density[:, :-1])
    total = np.cumsum(steps, axis=1)
    u = rng.random(len(p)) * total[:, -1]
    cell = np.minimum((total < u[:, None]).sum(axis=1), steps.shape[1] - 1)
    rows = np.arange(len(p))
    place = (cell + 1.0 - (total[rows, cell] - u) / steps[rows, cell]) / FINER
    left = np.minimum(place.astype(np.intp), x.shape[1] - 2)
    step = x[rows, left + 1] - x[rows, left]
    return np.exp(x[rows, left] + (place - left) * step), taus[which]


def choose(w: Array, rng: np.random.Generator) -> NDArray[np.intp]:
    """One column of w (m, k) in every row, with these probabilities."""
    total = np.cumsum(w, axis=1)
    return np.minimum((total < rng.random((len(w), 1)) * total[:, -1:]).sum(axis=1), w.shape[1] - 1)
