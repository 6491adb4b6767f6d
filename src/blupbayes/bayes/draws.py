"""Independent draws of everything, from a prior or a posterior."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Draws"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Draws:
    """n independent draws.

    ``sigma`` (n,); ``sds`` (n, K), absolute, group by group; ``corrs``: (n, q, q) per group; ``beta`` (n, p), NaN where
    a column is aliased; ``b``: (n, J, q) per group.
    """

    sigma: Array
    sds: Array
    corrs: tuple[Array, ...]
    beta: Array
    b: tuple[Array, ...]
