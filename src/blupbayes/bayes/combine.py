"""Linear combinations of beta and b, from the same lattice: their variances need every point's factor again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from blupbayes.bayes.conditional import positions
from blupbayes.bayes.integrate import Integral
from blupbayes.bayes.mixture import Mixture
from blupbayes.errors import IntegrationError
from blupbayes.mme.many import eliminate_many

__all__ = ["Blocks", "blocks", "combine"]

Array = NDArray[np.float64]

LARGEST = 50_000_000  # numbers in a matrix of combinations


@dataclass(frozen=True, eq=False)
class Blocks:
    """Combinations at some points: ``base`` (m, n), ``B`` (m, n, r), ``covered`` (m, q, n) = W A_b', A_b (n, q)."""

    which: slice
    base: Array
    B: Array
    covered: Array
    A_b: Array

    @property
    def own(self) -> Array:
        """Variances over sigma^2 given beta (m, n)."""
        return np.einsum("mqn,nq->mn", self.covered, self.A_b)

    def own_of(self, rows: NDArray[np.intp]) -> Array:
        """Covariances over sigma^2 given beta (m, k, k) of k of the combinations."""
        return np.asarray(self.A_b[rows] @ self.covered[:, :, rows])


def blocks(integral: Integral, A: Array) -> Iterator[Blocks]:
    """What every point says about A [beta, b], some points at a time.

    Parameters
    ----------
    integral : Integral
    A : array (n, p + q)
        Columns: beta, then b level by level, group by group.

    Raises
    ------
    IntegrationError
        If A is too large to be worked on at every point.
    """
    s, points = integral.marginal.statistics, integral.mixture.points
    p = len(s.fixed_names)
    if A.size > LARGEST:
        raise IntegrationError(
            f"{A.shape[0]} combinations of {A.shape[1]} coefficients are too many to integrate at once: ask for some "
            "of them, or draw with sample()."
        )
    A_b = np.empty((len(A), A.shape[1] - p))
    A_b[:, positions(s)] = A[:, p:]
    T = integral.marginal.coordinates.places(points.v).T
    for which, many in eliminate_many(s, T):
        linear = slice(0, A.shape[1])
        yield Blocks(
            which,
            points.base[which, linear] @ A.T,
            np.einsum("nq,mqr->mnr", A, points.B[which, linear]),
            many.covered(A_b.T),
            A_b,
        )


def combine(integral: Integral, A: Array) -> Mixture:
    """The mixture of n linear combinations A (n, p + q) of [beta, b], in place of the usual quantities."""
    found = list(blocks(integral, A))
    points = integral.mixture.points
    hidden = integral.marginal.hidden_root
    extra = np.sum((A[:, : len(hidden)] @ hidden) ** 2, axis=1)
    return replace(
        integral.mixture,
        points=replace(
            points,
            base=np.concatenate([x.base for x in found]),
            B=np.concatenate([x.B for x in found]),
            own=np.concatenate([x.own for x in found]),
            extra=np.broadcast_to(extra, (len(points), len(A))),
        ),
    )
