"""A start for large models that costs no factorisation: one Fisher-scoring step from zero variances (MINQUE(0)).

At T = 0, V0 is the identity and everything is a sum over levels, or over pairs of levels that meet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from blupbayes.mme.coupling import Cross

__all__ = ["moment_start"]

Array = NDArray[np.float64]


def products(X: Array) -> Array:
    """Sum over m of N_m (x) N_m for X (m, q_a, q_b), as (q_a^2, q_b^2)."""
    m, q_a, q_b = X.shape
    flat = X.reshape(m, q_a * q_b)
    return (flat.T @ flat).reshape(q_a, q_b, q_a, q_b).transpose(0, 2, 1, 3).reshape(q_a**2, q_b**2)


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
        H[ends[a] : ends[a + 1], ends[a] : ends[a + 1]] = products(D)
    for (a, b), cross in crosses.items():
        part = products(cross.values)
        H[ends[a] : ends[a + 1], ends[b] : ends[b + 1]] = part
        H[ends[b] : ends[b + 1], ends[a] : ends[a + 1]] = part.T
    slope = np.concatenate(slopes)
    if sigma is None:
        H -= np.outer(slope, slope) / dof
    step = -np.linalg.lstsq(H, np.concatenate(gradients), rcond=1e-10)[0]
    parts = (step[ends[k] : ends[k + 1]].reshape(D.shape[1:]) for k, D in enumerate(diagonals))
    return tuple(0.5 * (p + p.T) for p in parts)
