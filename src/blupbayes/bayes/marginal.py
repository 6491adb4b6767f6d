"""The posterior of (theta, sigma) with beta and b integrated out, and of (beta, b) given them, at many points.

At one theta a factor is computed once; sigma then costs arithmetic on an array. In coordinates t of the fixed
effects in which both Q'V0^-1 Q and the prior precision are diagonal, with eigenvalues lambda of the second,

    t | theta, sigma ~ N(t_gls / (1 + sigma^2 lambda), sigma^2 / (1 + sigma^2 lambda)),

and lambda = 0 throughout is the flat prior, kappa = 0: REML times the prior [E-REML], else [E-EVIDENCE].
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from blupbayes.bayes.along_sigma import AlongSigma, Slices
from blupbayes.bayes.conditional import Fixed, Means, conditional
from blupbayes.bayes.coordinates import Coordinates, Places, some
from blupbayes.bayes.points import Points
from blupbayes.errors import DataError, IdentifiabilityError
from blupbayes.mme.criterion import EXACT
from blupbayes.mme.gaussian import null_split
from blupbayes.mme.many import Many, eliminate_many
from blupbayes.mme.statistics import Statistics
from blupbayes.model.resolved import ResolvedPrior

__all__ = ["Marginal"]

Array = NDArray[np.float64]

FARTHEST = 200.0  # coordinates beyond this are not looked at: sds of exp(+-200)


@dataclass(frozen=True, eq=False)
class Marginal:
    """p(v, log sigma | y) up to a constant, for one model and prior; ``step``: of the sigma nodes, in sds.

    ``laid``: the prior whose bounds the coordinates have, where it is another one; points keep theirs.
    """

    statistics: Statistics
    prior: ResolvedPrior
    means: Means
    step: float = 0.8
    laid: ResolvedPrior | None = None

    @cached_property
    def coordinates(self) -> Coordinates:
        """The unconstrained coordinates."""
        return Coordinates(self.statistics.groups, self.prior, self.laid)

    def log_density(self, v: Array) -> Array:
        """log p(v, y) at points v (m, d): log-likelihood times prior, (beta, b, sigma) integrated out; (m,)."""
        return np.concatenate([values for values, _ in self.read(v, np.inf)])

    def points(self, v: Array, floor: float) -> tuple[Array, list[Points]]:
        """The same, and all that is known of the points above a floor."""
        values, found = zip(*self.read(v, floor), strict=True)
        return np.concatenate(values), [p for p in found if p is not None]

    def read(self, v: Array, floor: float) -> list[tuple[Array, Points | None]]:
        """Factor at every v (m, d), some at a time, and integrate over sigma."""
        places = self.coordinates.places(np.clip(v, -FARTHEST, FARTHEST))
        parts = eliminate_many(self.statistics, places.T)
        return [self.part(v[which], some(places, which), many, floor) for which, many in parts]

    def part(self, v: Array, places: Places, many: Many, floor: float) -> tuple[Array, Points | None]:
        """One portion of `read`."""
        at = self.slices(many)
        log_sigma, tau, spacing, values = self.along_sigma.nodes(places, at)
        top = values.max(axis=1)
        height = np.where(np.isfinite(top), top, 0.0)
        inner = np.exp(values - height[:, None])
        total = inner.sum(axis=1)
        with np.errstate(divide="ignore"):
            log_density = np.log(total) + height
        log_density = log_density + self.constant(many, at) + places.log_jacobian
        log_density[~np.isfinite(log_density) | (np.abs(v).max(axis=1) > FARTHEST)] = -np.inf
        kept = np.flatnonzero(log_density > floor)
        if not kept.size:
            return log_density, None
        b, own = many.effects(kept)
        linear = conditional(self.statistics, self.fixed, self.means, at.basis[kept], at.g[kept], b, own)
        corrs = tuple(R[kept] for R in places.corrs)
        return log_density, Points(
            v[kept], log_density[kept], log_sigma[kept], inner[kept] / total[kept, None], tau[kept], spacing[kept],
            places.sds[kept], corrs, at.shrink[kept], at.t[kept], *linear,
        )  # fmt: skip

    def log_prior(self, points: Points) -> Array:
        """Log prior density (m, S) of sigma, sds and correlations at all nodes, in the lattice's coordinates."""
        places = self.coordinates.places(points.v)
        return self.along_sigma.log_prior(points.log_sigma, places) + places.log_jacobian[:, None]

    def slices(self, many: Many) -> Slices:
        """Read the borders [E-GLS], [E-PLS]."""
        r, root = self.statistics.rank, many.root
        ok = np.isfinite(root).all(axis=(1, 2)) & (
            np.abs(np.diagonal(root, axis1=1, axis2=2)[:, :r]) > 0
        ).all(1)
        U = np.where(ok[:, None, None], root[:, :r, :r], np.eye(r))
        basis = np.linalg.inv(U)
        g = np.einsum("mrs,ms->mr", basis, np.where(ok[:, None], root[:, :r, r], 0.0))
        r2 = np.where(ok, root[:, r, r] ** 2, np.nan)
        if self.statistics.sigma is None and np.any(r2 == 0.0):
            raise DataError(EXACT)
        log_det = 2.0 * np.log(np.abs(np.diagonal(U, axis1=1, axis2=2))).sum(axis=1)
        shrink, whole = np.zeros(g.shape), self.h + g
        if self.informed:
            inside = basis.transpose(0, 2, 1) @ self.precision @ basis
            shrink, V = np.linalg.eigh(inside)
            shrink, basis = np.maximum(shrink, 0.0), basis @ V
        t = np.linalg.solve(basis, whole[:, :, None])[:, :, 0]
        return Slices(g, r2, basis, shrink, t, log_det)

    @cached_property
    def along_sigma(self) -> AlongSigma:
        """What sigma adds."""
        stiff = self.stiffness[0] if self.informed else 0
        return AlongSigma(self.statistics, self.prior, stiff, self.step)

    @property
    def informed(self) -> bool:
        """Whether beta has a prior that is not flat."""
        return self.prior.kappa > 0 and self.statistics.rank > 0

    @cached_property
    def split(self) -> tuple[Array, Array]:
        """G (p, r) and a basis (p, p - r) of what the data do not see of beta."""
        return null_split(self.statistics.R)

    @cached_property
    def h(self) -> Array:
        """R (beta_ols - m) (r,)."""
        return np.asarray(self.statistics.R @ (self.statistics.beta_ols - self.prior.mean))

    @cached_property
    def precision(self) -> Array:
        """Prior precision (r, r) of h = R (beta - m), what the data do not see integrated out."""
        G, free = self.split
        inside = self.root @ G
        if free.size:
            seen = self.root @ free
            inside = inside - seen @ np.linalg.solve(self.hidden, seen.T @ inside)
            return 0.5 * ((self.root @ G).T @ inside + inside.T @ (self.root @ G))
        return inside.T @ inside

    @property
    def root(self) -> Array:
        """Root (k, p) of kappa P, k the rank of P."""
        return np.sqrt(self.prior.kappa) * self.prior.root

    @cached_property
    def hidden(self) -> Array:
        """Prior precision (p - r, p - r) of what the data do not see of beta."""
        seen = self.root @ self.split[1]
        values = np.linalg.svd(seen, compute_uv=False)
        if len(values) < seen.shape[1] or values[-1] <= 1e-9 * np.linalg.norm(self.root):
            raise IdentifiabilityError(
                "Columns of X are linearly dependent and the prior of beta leaves a combination of them flat, so its "
                "posterior is improper. Leave a column out of the formula, or give P full rank."
            )
        return np.asarray(seen.T @ seen)

    @cached_property
    def hidden_root(self) -> Array:
        """Root (p, p - r) of the prior covariance of what the data do not see of beta; no columns at kappa = 0."""
        free = self.split[1]
        if not (free.size and self.informed):
            return np.zeros((len(free), 0))
        return np.asarray(free @ np.linalg.inv(np.linalg.cholesky(self.hidden)).T)

    @cached_property
    def fixed(self) -> Fixed:
        """beta before any theta; at kappa = 0 NaN where a column is aliased."""
        s, m = self.statistics, self.prior.mean
        G, free = self.split
        nothing = np.zeros(len(s.fixed_names))
        if not free.size:
            return Fixed(G, s.beta_ols, np.zeros(s.rank), nothing)
        if self.informed:
            return Fixed(G, m, self.h, np.sum(self.hidden_root**2, axis=1))
        G = np.zeros_like(G)
        G[s.kept] = np.linalg.inv(s.R[:, s.kept])
        start = np.where(np.isin(np.arange(len(nothing)), s.kept), s.beta_ols, np.nan)
        return Fixed(G, start, np.zeros(s.rank), nothing)

    @cached_property
    def stiffness(self) -> tuple[int, float]:
        """Rank of the prior precision, and log of its determinant there less that of dbeta/dh."""
        s, k = self.statistics, len(self.root)
        if s.rank == len(s.fixed_names):
            return k, float(np.linalg.slogdet(self.root @ self.root.T)[1]) - 2.0 * s.log_det_R
        values = np.linalg.eigvalsh(self.precision)
        alive = values > 1e-12 * values.max(initial=0.0)
        return int(alive.sum()), float(np.log(values[alive]).sum())

    def constant(self, many: Many, at: Slices) -> Array:
        """What does not depend on sigma (m,)."""
        value = many.log_det - self.statistics.log_weights + at.log_det
        if self.informed:
            return -0.5 * (value - self.stiffness[1])
        return -0.5 * (value + 2.0 * self.statistics.log_det_R)
