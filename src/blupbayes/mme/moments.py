"""A start for large models that costs no factorisation: one Fisher-scoring step from zero variances (MINQUE(0)).

At T = 0, V0 is the identity and everything is a sum over levels, or over pairs of levels that meet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from blupbayes.mme.coupling import Cross
from blupbayes.mme.linalg import scaled_least_squares, squares

__all__ = ["moment_start"]

Array = NDArray[np.float64]


def moment_start(
    diagonals: Sequence[Array],
    crosses: Mapping[tuple[int, int], Cross],
    ZQe: Sequence[Array],
    ee: float,
    dof: int,
    sigma: float | None,
) -> tuple[Array, ...]:
    """Omega_k = T_k T_k' (q, q) per group after one scoring step from zero.

    Parameters
    ----------
    diagonals : sequence of array (J, q, q)
        Z_k'W Z_k by level.
    crosses : mapping
        (i, j), i < j -> Z_i'W Z_j by pairs of levels.
    ZQe : sequence of array (J, q, r + 1)
        Z_k'W^(1/2)[Q e] by level.
    ee, dof : float, int
        Residual sum of squares and degrees of freedom without random effects.
    sigma : float or None
        The residual sd if it is known.
    """
    rho = dof / ee if sigma is None else 1.0 / sigma**2
    F = [c[:, :, :-1].reshape(len(c) * c.shape[1], -1) for c in ZQe]
    slopes, gradients = [], []
    for D, f, c in zip(diagonals, F, ZQe, strict=True):
        q = D.shape[1]
        taken = f.reshape(len(D), q, -1)
        slope = D.sum(axis=0) - np.tensordot(taken, taken, axes=((0, 2), (0, 2)))
        slopes.append(slope.ravel())
        gradients.append((slope - rho * (c[:, :, -1].T @ c[:, :, -1])).ravel())
    ends = np.cumsum([0, *(s.size for s in slopes)])
    H = np.zeros((ends[-1], ends[-1]))
    for a, D in enumerate(diagonals):
        H[ends[a] : ends[a + 1], ends[a] : ends[a + 1]] = squares(D)
    for (a, b), cross in crosses.items():
        part = squares(cross.values)
        H[ends[a] : ends[a + 1], ends[b] : ends[b + 1]] = part
        H[ends[b] : ends[b + 1], ends[a] : ends[a + 1]] = part.T
    slope = np.concatenate(slopes)
    if sigma is None:
        H -= np.outer(slope, slope) / dof
    step, sigma2 = -scaled_least_squares(H, np.concatenate(gradients)), 1.0
    if sigma is None and slope @ step < dof:
        sigma2 -= float(slope @ step) / dof
    parts = (step[ends[k] : ends[k + 1]].reshape(D.shape[1:]) for k, D in enumerate(diagonals))
    return tuple(0.5 * (p + p.T) / sigma2 for p in parts)
