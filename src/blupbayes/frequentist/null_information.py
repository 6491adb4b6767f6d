"""Expected information of covariance parameters at a null, singular covariances included."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from blupbayes.mme.criterion import Evaluation

__all__ = ["LARGEST", "expected_information"]

Array = NDArray[np.float64]

LARGEST = 3000  # random effects up to which Z'PZ is written out


def expected_information(at: Evaluation, directions: Sequence[tuple[int, Array]]) -> Array | None:
    """Information (m, m) of the random covariances, relative to sigma^2, the residual variance estimated too.

    With M = Z'PZ (REML; Z'V0^-1 Z for ML, where the fixed effects count as known) and D_i the direction at every
    level of its group, H_ij = tr(M D_i M D_j) / 2; a residual variance that is not known takes away
    tr(M D_i) tr(M D_j) / (2 dof).

    Parameters
    ----------
    at : Evaluation
        The larger model at the null.
    directions : sequence of (group, array (q, q))
        Symmetric directions in the covariance of one group each.

    Returns
    -------
    array (m, m), or None
        None with more random effects than LARGEST.
    """
    M = _projected(at)
    if M is None:
        return None
    layout = at.statistics.layout
    rows, moved = [], []
    for group, E in directions:
        (J, q), first = layout.shapes[group], layout.offsets[group]
        rows.append(slice(first, first + J * q))
        moved.append((M[:, rows[-1]].reshape(len(M), J, q) @ E).reshape(len(M), J * q))
    H = np.array(
        [
            [np.sum(a[s] * b[r].T) for b, s in zip(moved, rows, strict=True)]
            for a, r in zip(moved, rows, strict=True)
        ]
    )
    if at.statistics.sigma is None:
        slope = np.array([np.trace(a[r]) for a, r in zip(moved, rows, strict=True)])
        H -= np.outer(slope, slope) / at.dof
    return 0.5 * H


def _projected(at: Evaluation) -> Array | None:
    """M (q, q), in the layout's order."""
    full, r = at.factor.full, at.statistics.rank
    if full is None:
        q = at.statistics.layout.size
        if q > LARGEST:
            return None
        full = at.factor.information(np.eye(q))
    if at.method == "ML":
        return full
    F = at.border.v[:, :r] @ at.border.L_inv.T
    return np.asarray(full - F @ F.T)
