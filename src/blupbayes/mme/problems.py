"""Many small problems at once: the ML or REML criterion of each at a theta of its own, in one sweep.

A problem is what Statistics say about one response, or about some of the rows: coordinates in which Z = U root, by
components (parts.py). With H = root Lam and M = I + H H' = L L', everything is read from L^-1 [root, U'[Q e]] as in
dense.py. What all problems share has a first axis of 1 and is computed once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from blupbayes.mme.core import Core
from blupbayes.mme.criterion import LOG_2PI
from blupbayes.mme.layout import Layout, Span
from blupbayes.mme.parts import Parts
from blupbayes.mme.stacks import SMALL, eliminated, scattered, summed, times, turned
from blupbayes.mme.statistics import Statistics

__all__ = ["Problems", "Sweep", "problem_of", "sweep"]

Array = NDArray[np.float64]
Index = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Problems:
    """n problems; arrays with a first axis of n, or of 1 for what is the same in all.

    Parameters
    ----------
    statistics : Statistics
        What is common: groups, names, R, known sigma. Its response and its layout do not matter.
    spans, columns
        As in Parts.
    root : array (n, C, k, q)
    inside : array (n, C, k, r + 1)
        U'[Q e].
    within : array (n, r + 1, r + 1)
        A root of [Q e]'(I - U U')[Q e].
    origin : array (n, p)
        e = y - X origin, so that beta = origin + R^-1 g: least squares, or any other beta.
    n_obs, log_weights : array (n,)
    """

    statistics: Statistics
    spans: tuple[Span, ...]
    columns: Index
    root: Array
    inside: Array
    within: Array
    origin: Array
    n_obs: Array
    log_weights: Array

    def __len__(self) -> int:
        return max(len(self.root), len(self.inside), len(self.within), len(self.n_obs))

    @property
    def size(self) -> int:
        """q, the random effects of one problem."""
        return int(self.columns.max(initial=-1)) + 1

    @property
    def numbers(self) -> int:
        """Numbers in the largest array of one problem."""
        C, k, r = self.inside.shape[1:]
        return int(C * k * (self.root.shape[3] + r))

    def take(self, which: Index) -> Problems:
        """Some of them."""
        return replace(
            self, root=chosen(self.root, which), inside=chosen(self.inside, which), within=chosen(self.within, which),
            origin=chosen(self.origin, which), n_obs=chosen(self.n_obs, which),
            log_weights=chosen(self.log_weights, which),
        )  # fmt: skip

    def packed(self) -> Problems:
        """The same in the order of memory that is fastest."""
        if max(self.root.shape[2:]) > SMALL:
            return self
        return replace(self, root=scattered(self.root), inside=scattered(self.inside))

    def one(self, b: int) -> Statistics:
        """Problem b as Statistics of its own, one dense block."""
        x = self.take(np.array([b]))
        C, k = x.root.shape[1:3]
        size, s = self.size, self.statistics
        root, here = np.zeros((C, k, size)), self.columns >= 0
        for c in range(C):
            root[c][:, self.columns[c, here[c]]] = x.root[0, c][:, here[c]]
        flat = root.reshape(C * k, size)
        core = Core(flat, np.hstack([flat, x.inside[0].reshape(C * k, -1)]), x.within[0])
        starts = np.cumsum([0, *(len(g.levels) * len(g.names) for g in s.groups)])
        shapes = tuple((len(g.levels), len(g.names)) for g in s.groups)
        tail = tuple(Span(g, int(starts[g]), *shape) for g, shape in enumerate(shapes))
        layout = Layout((), tail, flat.T @ flat, tuple(t.start for t in tail), shapes)
        return replace(
            s, n_obs=int(x.n_obs[0]), beta_ols=x.origin[0], log_weights=float(x.log_weights[0]), core=core,
            layout=layout, first=None, start=None,
        )  # fmt: skip


def chosen(x: Array, which: Index) -> Array:
    """Rows of x (n, ...), or x itself where its first axis is 1; the order of memory stays."""
    if len(x) == 1:
        return x
    if x.ndim < 4:
        return x[which]
    return np.moveaxis(np.moveaxis(x, (-2, -1), (0, 1))[:, :, which], (0, 1), (-2, -1))


def problem_of(statistics: Statistics, parts: Parts) -> Problems:
    """The one problem that Statistics are."""
    return Problems(
        statistics, parts.spans, parts.columns, parts.root[None], parts.inside[None], parts.within[None],
        statistics.beta_ols[None], np.array([statistics.n_obs], float), np.array([statistics.log_weights]),
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Sweep:
    """The problems, each at its theta (n, m); criterion (n,) is NaN where double precision has no answer."""

    problems: Problems
    theta: Array
    method: str

    @cached_property
    def T(self) -> tuple[Array, ...]:
        """T (n, q, q) of every group, relative to sigma."""
        out = []
        for t in self.problems.statistics.templates:
            T = np.zeros((len(self.theta), t.size, t.size))
            T[:, t.rows, t.cols] = self.theta[:, t.index]
            out.append(T)
        return tuple(out)

    @cached_property
    def eliminated(self) -> tuple[Array, Array, Array]:
        """Y = L^-1 root (n, C, k, q), y = L^-1 U'[Q e] (n, C, k, r + 1) and log|M| (n,)."""
        p = self.problems
        H = root_times_Lam(p.root, p.spans, self.T)
        M = times(H, turned(H))
        k = np.arange(M.shape[-1])
        M[..., k, k] += 1.0
        if len(p.root) == len(p.inside):
            half, log_det = eliminated(M, np.concatenate([p.root, p.inside], axis=3))
            return half[..., : p.root.shape[3]], half[..., p.root.shape[3] :], log_det.sum(axis=1)
        Y, log_det = eliminated(M, p.root)
        return Y, eliminated(M, p.inside)[0], log_det.sum(axis=1)

    @cached_property
    def border(self) -> tuple[Array, Array]:
        """L_inv (n, r, r) and the root (n, r + 1, r + 1), lower triangular, of [Q e]'V0^-1 [Q e]."""
        within, y = self.problems.within, self.eliminated[1]
        root = lower(turned(within) @ within + summed(y, y))
        r = root.shape[-1] - 1
        return np.linalg.inv(root[:, :r, :r]), root

    @cached_property
    def g(self) -> Array:
        """Generalised least squares in whitened coordinates (n, r) [E-GLS]."""
        L_inv, root = self.border
        return np.asarray((root[:, -1:, :-1] @ L_inv)[:, 0])

    @cached_property
    def r2(self) -> Array:
        """The minimum (n,) of [E-PLS]."""
        return np.asarray(self.border[1][:, -1, -1] ** 2)

    @cached_property
    def dof(self) -> Array:
        """n for ML, n - r for REML, (n,)."""
        return self.problems.n_obs - (self.problems.statistics.rank if self.method == "REML" else 0)

    @cached_property
    def sigma(self) -> Array:
        """Residual sd (n,), profiled or known."""
        known = self.problems.statistics.sigma
        profiled = np.sqrt(self.r2 / self.dof)
        return profiled if known is None else np.full_like(profiled, known)

    @cached_property
    def criterion(self) -> Array:
        """-2 log-likelihood (n,), restricted for REML [E-ML], [E-REML]."""
        p, root = self.problems, self.border[1]
        log_det = self.eliminated[2] - p.log_weights
        if self.method == "REML":
            diagonal = np.diagonal(root, axis1=1, axis2=2)[:, :-1]
            log_det = log_det + 2.0 * (np.log(diagonal).sum(axis=1) + p.statistics.log_det_R)
        sigma2 = self.sigma**2
        with np.errstate(divide="ignore", invalid="ignore"):
            found = self.dof * (LOG_2PI + np.log(sigma2)) + log_det + self.r2 / sigma2
        return np.where(np.isfinite(found), found, np.nan)

    @cached_property
    def beta(self) -> Array:
        """Fixed effects (n, p) [E-GLS]; 0 for aliased columns."""
        s = self.problems.statistics
        origin = self.problems.origin
        beta = np.repeat(origin, len(self.g) // len(origin), axis=0)
        beta[:, s.kept] += np.linalg.solve(s.R[:, s.kept], self.g.T).T
        return beta


def root_times_Lam(root: Array, spans: tuple[Span, ...], T: tuple[Array, ...]) -> Array:
    """H (n, C, k, q) = root Lam."""
    parts = []
    for s in spans:
        mine = root[..., s.slice]
        if s.q == 1:
            parts.append(mine * T[s.group][:, None])
        else:
            flat = mine.reshape(*mine.shape[:2], -1, s.q)
            product = times(flat, T[s.group][:, None])
            parts.append(product.reshape(*product.shape[:2], -1, s.J * s.q))
    return parts[0] if len(parts) == 1 else np.concatenate(parts or [root], axis=3)


def lower(M: Array) -> Array:
    """Cholesky factors (n, r, r) by the stacked routine; NaN where there is none."""
    try:
        return np.linalg.cholesky(M)
    except np.linalg.LinAlgError:
        if len(M) == 1:
            return np.full_like(M, np.nan)
    return np.concatenate([lower(half) for half in np.array_split(M, 2)])


def sweep(problems: Problems, theta: Array, method: str) -> Sweep:
    """Every problem at its theta (n, m), or all at the same one (1, m)."""
    return Sweep(problems, np.atleast_2d(np.asarray(theta, dtype=float)), method)
