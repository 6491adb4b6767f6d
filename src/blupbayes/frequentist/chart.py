"""Coordinates in which one variance parameter stands alone, so that the others can be optimised while it is held.

Omega = K K' with K lower triangular after the coefficients of one block change places: with coefficient i first,
K[0, 0] is its sd; with i and j first, the second row is u (rho, sqrt(1 - rho^2)), and log K[0, 0] and log u are
coordinates, so that rho keeps its sign; so is log K[c, c] beside an entry of theta in column c below the diagonal. K is
measured in units of y (``absolute``) where an sd is held, else relative
to sigma. Zero and -1, 1 are ordinary values of what is held.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from blupbayes.frequentist.readings import Reading
from blupbayes.mme.boundary import components
from blupbayes.mme.criterion import Evaluation, evaluate
from blupbayes.mme.information import Deviance, second_order
from blupbayes.mme.statistics import Statistics
from blupbayes.model.covariance import Template, semidefinite_cholesky

__all__ = ["Chart", "Local"]

Array = NDArray[np.float64]
TINY = 1e-8  # of its natural size: where the logarithm of a zero begins


@dataclass(frozen=True, eq=False)
class Local:
    """The deviance at one point: value, slope in what is held, gradient (d,) and curvature (d, d) in the rest."""

    at: Evaluation
    sigma: float
    value: float
    slope: float
    gradient: Array
    hessian: Array


@dataclass(frozen=True, eq=False)
class Chart:
    """Coordinates phi (d,) beside one held parameter psi.

    ``orders``: the coefficient at each position of K, per group; ``entry``: the place in theta that psi decides alone
    (an sd, an entry of theta; then that of the diagonal entry whose sign gives it its own), or, for a correlation,
    those of its two rows: outer, diagonal, first.
    """

    statistics: Statistics
    method: str
    held: Reading
    orders: tuple[NDArray[np.intp], ...]
    entry: tuple[int, ...]

    @classmethod
    def of(cls, statistics: Statistics, method: str, held: Reading) -> Chart:
        """The chart of a variance parameter."""
        orders: list[NDArray[np.intp]] = []
        entry: tuple[int, ...] = ()
        for k, g in enumerate(statistics.groups):
            order = np.arange(g.template.size)
            if k == held.group and held.kind in ("sd", "corr"):
                entry = place_first(order, g.template, held)
            orders.append(order)
        if held.kind == "theta":
            entry = place_and_sign(statistics, held.r)
        return cls(statistics, method, held, tuple(orders), entry)

    @property
    def absolute(self) -> bool:
        """Whether K is in units of y."""
        return self.held.kind == "sd"

    @property
    def sigma_free(self) -> bool:
        """Whether log sigma^2 is a coordinate."""
        return self.statistics.sigma is None and self.held.kind != "sigma"

    @cached_property
    def others(self) -> NDArray[np.intp]:
        """Places in theta that phi begins with."""
        return np.delete(np.arange(self.statistics.n_theta), self.entry[:1])

    @cached_property
    def logs(self) -> NDArray[np.intp]:
        """Places in phi of logarithms: for a correlation, the lengths of its two rows."""
        return np.flatnonzero(np.isin(self.others, self.entry[1:]))

    @cached_property
    def units(self) -> Array:
        """Natural sizes of K relative to sigma, in theta's places (m,)."""
        out = np.ones(self.statistics.n_theta)
        for g, order in zip(self.statistics.groups, self.orders, strict=True):
            rms = np.where(g.scale > 0, g.scale, 1.0)[order]
            out[list(g.template.index)] = 1.0 / rms[list(g.template.rows)]
        return out

    def size(self, sigma: float) -> Array:
        """Natural sizes of phi (d,) at a residual sd: one over the root mean square of each row's own column."""
        own = self.units[self.others] * (sigma if self.absolute else 1.0)
        own[self.logs] = 1.0
        return np.append(own, 1.0) if self.sigma_free else own

    def coordinates(self, theta: Array, sigma: float) -> tuple[Array, float]:
        """phi (d,) and psi at a point."""
        k = np.zeros(self.statistics.n_theta)
        for g, order, T in zip(
            self.statistics.groups, self.orders, self.statistics.factors(theta), strict=True
        ):
            rows = T[order]
            g.template.read(semidefinite_cholesky(rows @ rows.T), k)
        k *= sigma if self.absolute else 1.0
        psi = sigma
        if self.held.kind == "corr":
            outer, diagonal, first = self.entry
            length = float(np.hypot(k[outer], k[diagonal]))
            psi = k[outer] / length
            k[diagonal], k[first] = np.log(length), np.log(k[first])
        elif self.entry:
            psi, signs = float(k[self.entry[0]]), list(self.entry[1:])
            k[signs] = np.log(np.maximum(k[signs], TINY * self.units[signs]))
        phi = k[self.others]
        return (np.append(phi, 2.0 * np.log(sigma)) if self.sigma_free else phi), float(psi)

    def spread_out(self, phi: Array, psi: float) -> tuple[Array, Array, Array, float]:
        """Entries of K (m,), their slopes in phi (m, d) and in psi (m,), and sigma."""
        m = self.statistics.n_theta
        value, slope = phi.copy(), np.ones(len(phi))
        value[self.logs] = slope[self.logs] = np.exp(phi[self.logs])
        B, by_psi = np.zeros((m, len(phi))), np.zeros(m)
        B[self.others, np.arange(len(self.others))] = slope[: len(self.others)]
        k = np.zeros(m)
        k[self.others] = value[: len(self.others)]
        if self.held.kind == "corr":
            outer, diagonal, _ = self.entry
            place, length = int(np.flatnonzero(self.others == diagonal)[0]), k[diagonal]
            rest = np.sqrt(max(1.0 - psi**2, 0.0))
            B[outer, place], B[diagonal, place] = psi * length, rest * length
            k[outer], k[diagonal] = psi * length, rest * length
            by_psi[outer], by_psi[diagonal] = length, (-psi * length / rest if rest else 0.0)
        elif self.entry:
            k[self.entry[0]], by_psi[self.entry[0]] = psi, 1.0
        if self.sigma_free:
            return k, B, by_psi, float(np.exp(0.5 * phi[-1]))
        return k, B, by_psi, psi if self.held.kind == "sigma" else float(self.statistics.sigma or np.nan)

    def theta(self, phi: Array, psi: float) -> tuple[Array, float]:
        """theta (m,) and sigma there."""
        k, _, _, sigma = self.spread_out(phi, psi)
        return self._theta(k, sigma), sigma

    def _theta(self, k: Array, sigma: float) -> Array:
        theta = np.zeros(self.statistics.n_theta)
        for g, order, K in zip(self.statistics.groups, self.orders, self.statistics.factors(k), strict=True):
            Omega = np.empty_like(K)
            Omega[np.ix_(order, order)] = K @ K.T / (sigma**2 if self.absolute else 1.0)
            g.template.read(semidefinite_cholesky(Omega), theta)
        return theta

    def local(self, phi: Array, psi: float) -> Local:
        """The deviance and its derivatives at one point [E-INFO]."""
        k, B, by_psi, sigma = self.spread_out(phi, psi)
        at = evaluate(self.statistics, self._theta(k, sigma), self.method)
        D = second_order(at, sigma)
        J, curved = self.carried(k, sigma, D)
        tau = np.zeros((1, len(phi)))
        if self.sigma_free:
            tau[0, -1] = 1.0
        full = np.vstack([B, tau])
        psi_row = np.append(by_psi, 2.0 / sigma if self.held.kind == "sigma" else 0.0)
        H = full.T @ (J.T @ D.hessian @ J + curved) @ full
        slope = J.T @ D.gradient
        gradient = full.T @ slope
        H[self.logs, self.logs] += gradient[self.logs]
        return Local(at, sigma, D.value, float(slope @ psi_row), gradient, 0.5 * (H + H.T))

    def carried(self, k: Array, sigma: float, D: Deviance) -> tuple[Array, Array]:
        """d(Omega, tau)/d(K, tau) and <dD/dOmega, Omega''> (m + 1, m + 1)."""
        m, scale = len(k), 1.0 / sigma**2 if self.absolute else 1.0
        J, curved = np.eye(m + 1), np.zeros((m + 1, m + 1))
        J[:m, :m] = 0.0
        groups = zip(
            self.statistics.templates, self.orders, self.statistics.factors(k), D.by_Omega, strict=True
        )
        for t, order, K, by_Omega in groups:
            E = np.zeros((len(t.index), t.size, t.size))
            E[np.arange(len(t.index)), t.rows] = K[:, t.cols].T
            turned = scale * (E + E.transpose(0, 2, 1))[:, np.argsort(order)][:, :, np.argsort(order)]
            J[t.index[:, None], t.index] = turned[:, t.rows, t.cols].T
            own = by_Omega[np.ix_(order, order)]
            same = t.cols[:, None] == t.cols
            curved[t.index[:, None], t.index] = 2.0 * scale * own[t.rows[:, None], t.rows] * same
            if self.absolute:
                Omega = scale * (K @ K.T)[np.ix_(np.argsort(order), np.argsort(order))]
                J[t.index, m] = -Omega[t.rows, t.cols]
                slope = np.tensordot(turned, by_Omega)
                curved[t.index, m], curved[m, t.index] = -slope, -slope
                curved[m, m] += float(np.sum(by_Omega * Omega))
        return J, curved


def place_first(order: NDArray[np.intp], template: Template, held: Reading) -> tuple[int, ...]:
    """Put the held coefficients first in their block (``order`` is changed); the places in theta that they get."""
    rows, cols = template.rows, template.cols
    (block,) = (b for b in components(rows, cols, template.size) if held.r in b)
    first = [held.r] if held.kind == "sd" else [held.c, held.r]
    order[block] = first + [k for k in block if k not in first]
    place = {(r, c): i for r, c, i in zip(rows, cols, template.index, strict=True)}
    if held.kind == "sd":
        return (place[block[0], block[0]],)
    return place[block[1], block[0]], place[block[1], block[1]], place[block[0], block[0]]


def place_and_sign(statistics: Statistics, place: int) -> tuple[int, ...]:
    """A place in theta and, off the diagonal, that of the diagonal entry of its column."""
    (g,) = (g for g in statistics.groups if place in g.template.index)
    k = g.template.index.index(place)
    r, c = g.template.rows[k], g.template.cols[k]
    return (place,) if r == c else (place, g.template.diagonal[c])
