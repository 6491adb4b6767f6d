"""REML as the mode of the flat-prior posterior: its slope there, and where a covariance is singular, its KKT sign.

Works on arrays and names; knows no estimator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blupbayes.compare.dense import Dense
from blupbayes.compare.dense_readings import by_variance, sigma_score
from blupbayes.compare.identity import ESTIMATE, Identity
from blupbayes.model.structure import Group

__all__ = ["Slopes", "blocks_of", "dense_slopes", "mode_identities"]

Array = NDArray[np.float64]

NULL = 1e-8  # eigenvalues of a relative covariance, per mean square of its columns, that count as 0
KKT = 1e-6  # of the slope's own terms, whose difference it is


@dataclass(frozen=True, eq=False)
class Slopes:
    """Slopes of the log posterior under a flat prior at the REML estimates.

    ``by_T``: in T (q, q) per grouping factor; ``by_log_sigma``; ``inward``: for every factor of singular covariance the
    steepest slope in a direction without variance, and the size of the terms whose difference it is.
    """

    by_T: tuple[Array, ...]
    by_log_sigma: float
    inward: Mapping[str, tuple[float, float]]


def dense_slopes(at: Dense, groups: Sequence[Group]) -> Slopes:
    """From V itself: dl/d(T T') = -(1/2) sum (Z'PZ - Z'Pe e'PZ/sigma^2) [E-SCORE]."""
    by_T: list[Array] = []
    inward: dict[str, tuple[float, float]] = {}
    for g, T, (N, S) in zip(groups, at.T, by_variance(at), strict=True):
        by_T.append(-(N - S) @ T)
        scale = np.sqrt(np.mean(at.data.w[:, None] * g.columns**2, axis=0))
        scale = np.where(scale > 0, scale, 1.0)
        for block in blocks_of(g):
            null = null_space(T[block] * scale[block, None])
            if null.size:
                v = null / scale[block, None]
                ours, terms = (0.5 * v.T @ x[np.ix_(block, block)] @ v for x in (S - N, N))
                found = float(np.linalg.eigvalsh(ours).max()), max(1.0, float(np.trace(terms)))
                inward[g.name] = max(inward.get(g.name, found), found)
    return Slopes(tuple(by_T), sigma_score(at), inward)


def blocks_of(group: Group) -> list[list[int]]:
    """Coefficients whose covariance is one free block."""
    out = []
    for t in group.terms:
        places = list(range(t.start, t.stop))
        out += [places] if t.structure == "full" else [[k] for k in places]
    return out


def null_space(T: Array) -> Array:
    """Directions (q, k) in which T T' is zero."""
    values, vectors = np.linalg.eigh(T @ T.T)
    return np.asarray(vectors[:, values <= NULL * max(1.0, float(values[-1]))])


def mode_identities(
    slopes: Slopes, T: Sequence[Array], groups: Sequence[Group], n: int, known: bool
) -> list[Identity]:
    """Slopes that are zero at the REML estimates, and those that must not be positive [E-SCORE], [E-HARVILLE].

    The slope in the log of an sd is zero to 1e-4 of a standard error times the root of the information, of the order
    of the number of levels, or of rows for sigma.

    Parameters
    ----------
    slopes : Slopes
    T : sequence of array (q, q)
        The REML estimates.
    groups : sequence of Group
    n : int
        Rows.
    known : bool
        Whether sigma is known.
    """
    left, scale, labels = [], [], []
    for g, t, slope in zip(groups, T, slopes.by_T, strict=True):
        rows, columns = list(g.template.rows), list(g.template.cols)
        left += (slope[rows, columns] * np.linalg.norm(t, axis=1)[rows]).tolist()
        scale += [np.sqrt(len(g.levels))] * len(rows)
        labels += [f"T_{g.name}[{g.names[i]},{g.names[j]}]" for i, j in zip(rows, columns, strict=True)]
    if not known:
        left, scale, labels = [*left, slopes.by_log_sigma], [*scale, np.sqrt(2 * n)], [*labels, "log sigma"]
    inward = np.array(list(slopes.inward.values())).reshape(-1, 2).T
    return [
        Identity("reml_mode", np.array(left), np.zeros(len(left)), np.array(scale), ESTIMATE, labels),
        Identity(
            "kkt", inward[0], np.zeros(inward.shape[1]), inward[1], KKT, list(slopes.inward), at_most=True
        ),
    ]
