"""A model without some of its rows, from what is known with them: by downdating, without reducing anything again.

The rows of [Z Q e] are P C with P = [U E], the orthonormal coordinates of parts.py and of what is outside, and

    C = [root a; 0 within],     C'C = [Z Q e]'[Z Q e].

Without the rows I that is C'(I - P_I'P_I)C = (G C)'(G C), G the symmetric root of I - P_I'P_I: with P_I = A s V' it is
I - V (1 - sqrt(1 - s^2)) V'. Rows of one component change its own rows of C and `within`, nothing else. A reflection
puts G C into the form of C again. Q is no longer orthonormal, which no formula asks for: S is Q'V0^-1 Q as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blupbayes.mme.parts import Parts
from blupbayes.mme.problems import Problems, problem_of
from blupbayes.mme.statistics import DesignLike, Statistics

__all__ = ["Rows", "rows_of"]

Array = NDArray[np.float64]
Index = NDArray[np.intp]

GONE = 1e-12  # of a direction's sum of squares: what is left of it below this share is rounding
NO_RANK = 1e-10  # the same of a direction of X: without these rows X has lower rank


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of a model in orthonormal coordinates.

    ``component`` (n,); ``P`` (n, k + r + 1): [U E] of the row's own component; ``Q`` (n, r); ``log_weights`` (n,).
    """

    statistics: Statistics
    parts: Parts
    component: Index
    P: Array
    Q: Array
    log_weights: Array

    def keeps_rank(self, gone: Index) -> bool:
        """Whether X has the same rank without these rows."""
        s = np.linalg.svd(self.Q[gone], compute_uv=False)
        return not np.any((1.0 - s) * (1.0 + s) < NO_RANK)

    def without(self, sets: Sequence[Index]) -> Problems:
        """The problems that are left when each of these sets of rows, of one component each, is taken out."""
        whole, n = problem_of(self.statistics, self.parts), len(sets)
        root, inside = (np.repeat(x, n, axis=0) for x in (whole.root, whole.inside))
        within = np.repeat(whole.within, n, axis=0)
        for b, gone in enumerate(sets):
            c = self.component[gone[0]]
            root[b, c], inside[b, c], within[b] = downdated(
                self.P[gone], whole.root[0, c], whole.inside[0, c], whole.within[0]
            )
        return Problems(
            self.statistics, self.parts.spans, self.parts.columns, root, inside, within, whole.origin,
            whole.n_obs - np.array([len(gone) for gone in sets], dtype=float),
            whole.log_weights - np.array([self.log_weights[gone].sum() for gone in sets]),
        )  # fmt: skip


def downdated(P: Array, root: Array, inside: Array, within: Array) -> tuple[Array, Array, Array]:
    """root (k, q), inside (k, r + 1) and within (r + 1, r + 1) of one component without the rows P (n, k + r + 1)."""
    k = len(root)
    C = np.block([[np.eye(k), inside], [np.zeros((len(within), k)), within]])
    _, s, Vt = np.linalg.svd(P, full_matrices=False)
    left = np.maximum((1.0 - s) * (1.0 + s), 0.0)
    left[left < GONE] = 0.0
    R = np.linalg.qr(C - Vt.T @ ((1.0 - np.sqrt(left))[:, None] * (Vt @ C)), mode="r")
    return R[:k, :k] @ root, R[:k, k:], R[k:, k:]


def rows_of(design: DesignLike, statistics: Statistics, parts: Parts) -> Rows:
    """The rows of a design, in the coordinates of its statistics."""
    root = None if design.weights is None else np.sqrt(design.weights)
    component, Z = in_components(design, statistics, parts, root)
    y = design.y if design.offset is None else design.y - design.offset
    X = design.X if root is None else design.X * root[:, None]
    e = (y if root is None else y * root) - X @ statistics.beta_ols
    kept = statistics.kept
    Q = np.linalg.solve(statistics.R[:, kept].T, X[:, kept].T).T
    U = np.empty((len(y), parts.root.shape[1]))
    outside = np.column_stack([Q, e])
    for c, (own, a) in enumerate(zip(parts.root, parts.inside, strict=True)):
        mine = component == c
        size = np.linalg.norm(own, axis=0)
        size = np.where(size > 0, size, 1.0)
        U[mine] = (Z[mine] / size) @ np.linalg.pinv(own / size, rcond=1e-8)
        outside[mine] -= U[mine] @ a
    size = np.linalg.norm(parts.within, axis=0)
    size = np.where(size > 0, size, 1.0)
    E = (outside / size) @ np.linalg.pinv(parts.within / size, rcond=1e-8)
    log_weights = np.zeros(len(y)) if design.weights is None else np.log(design.weights)
    return Rows(statistics, parts, component, np.hstack([U, E]), Q, log_weights)


def in_components(
    design: DesignLike, statistics: Statistics, parts: Parts, root: Array | None
) -> tuple[Index, Array]:
    """The component (n,) of every row, and its row of Z in the columns of that component (n, q)."""
    n, (C, q) = len(design.y), parts.columns.shape
    owner, place = np.zeros((2, int(parts.columns.max(initial=-1)) + 1), dtype=np.intp)
    here = parts.columns >= 0
    owner[parts.columns[here]] = np.broadcast_to(np.arange(C)[:, None], (C, q))[here]
    place[parts.columns[here]] = np.broadcast_to(np.arange(q), (C, q))[here]
    Z, component = np.zeros((n, q)), np.zeros(n, dtype=np.intp)
    for g, offset in zip(design.groups, statistics.layout.offsets, strict=True):
        first = offset + g.codes * len(g.names)
        component = owner[first]
        Z[np.arange(n)[:, None], place[first[:, None] + np.arange(len(g.names))]] = g.columns
    return component, Z if root is None else Z * root[:, None]
