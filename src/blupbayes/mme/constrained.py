"""The same data with one fixed effect held: X without its column, and what it explains taken from y.

With h = R beta the constraint beta_j = c is a'h = c for a = R^-T e_j, so that

    [Q e] -> [Q A, e + Q a (beta_ols_j - c)/|a|^2],   A (r, r - 1) an orthonormal basis of what is orthogonal to a,

a linear map of the last axis of everything that Statistics hold: no rows are needed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blupbayes.mme.orthonormal import triangular_root
from blupbayes.mme.statistics import Statistics

__all__ = ["hold_beta"]

Array = NDArray[np.float64]


def hold_beta(statistics: Statistics, j: int, value: float) -> Statistics:
    """The statistics of the model in which beta_j is known.

    Parameters
    ----------
    statistics : Statistics
    j : int
        Position of a column of X that is not aliased.
    value : float
        beta_j, unit of y per unit of the column.
    """
    s, r = statistics, statistics.rank
    R_kept = s.R[:, s.kept]
    a = np.linalg.solve(R_kept.T, np.eye(r)[:, s.kept.tolist().index(j)])
    length = float(np.linalg.norm(a))
    A = np.linalg.qr(a[:, None], mode="complete")[0][:, 1:]
    M = np.zeros((r + 1, r))
    M[:r, : r - 1], M[r, r - 1] = A, 1.0
    M[:r, r - 1] = a / length**2 * (s.beta_ols[j] - value)
    others = np.delete(np.arange(len(s.fixed_names)), j)
    kept = np.array([k if k < j else k - 1 for k in s.kept if k != j], dtype=np.intp)
    R = A.T @ s.R[:, others]
    beta = np.zeros(len(others))
    target = A.T @ (R_kept @ s.beta_ols[s.kept] - s.R[:, j] * value)
    beta[kept] = np.linalg.solve(R[:, kept], target)
    return replace(
        s, fixed_names=tuple(s.fixed_names[k] for k in others), kept=kept, R=R, beta_ols=beta,
        ee=s.ee + ((s.beta_ols[j] - value) / length) ** 2, ZQe=s.ZQe @ M, **parts(s, M),
    )  # fmt: skip


def parts(statistics: Statistics, M: Array) -> dict[str, Any]:
    """The core or the first block with [Q e] turned to [Q e] M."""
    core, first, q = statistics.core, statistics.first, statistics.layout.size
    if core is not None:
        turned = np.asfortranarray(np.hstack([core.root_a[:, :q], core.root_a[:, q:] @ M]))
        return {"core": replace(core, root_a=turned, within=triangular_root(core.within @ M))}
    assert first is not None
    within = triangular_root(first.within @ M)
    return {"first": replace(first, inside=first.inside @ M, within=within, ZQe=first.ZQe @ M)}
