"""Where the sliders can stand: round numbers, from "the prior decides" on the left to "the data decide"."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

__all__ = ["kappas", "nearest", "scales", "taus"]

EIGHT = (1.0, 1.3, 1.8, 2.4, 3.2, 4.2, 5.6, 7.5)  # to the decade
FOUR = (1.0, 1.8, 3.2, 5.6)
TWELVE = (1.0, 1.2, 1.5, 1.8, 2.2, 2.7, 3.3, 3.9, 4.7, 5.6, 6.8, 8.2)
TWENTY = (1.0, 1.1, 1.25, 1.4, 1.6, 1.8, 2.0, 2.2, 2.5, 2.8, 3.2, 3.6, 4.0, 4.5, 5.0, 5.6, 6.3, 7.1, 8.0, 9.0)
WEAK, STRONG = 4, 2  # decades of kappa below and above 1 / Var of the fixed effects
WIDE = 8  # more decades have fewer stops each
NARROWEST, COUNT = 0.02, 60  # of the prior's scale, in s_y; three decades


def decades(first: int, last: int, mantissas: Sequence[float]) -> list[float]:
    """Round numbers from 10^first to 10^last.

    Examples
    --------
    >>> decades(-1, 1, (1.0, 2.2, 4.7))
    [0.1, 0.22, 0.47, 1.0, 2.2, 4.7, 10.0]
    """
    inside = [float(f"{m:g}e{d}") for d in range(first, last) for m in mantissas]
    return [*inside, float(f"1e{last}")]


def kappas(variances: Sequence[float]) -> list[float]:
    """From inf to 0, four or eight to the decade, around 1 / Var of each fixed effect.

    Parameters
    ----------
    variances : sequence of float
        Of the fixed effects, all finite and above 0.
    """
    first = math.floor(-math.log10(max(variances))) - WEAK
    last = math.ceil(-math.log10(min(variances))) + STRONG
    found = decades(first, last, EIGHT if last - first <= WIDE else FOUR)
    return [math.inf, *found[::-1], 0.0]


def taus() -> list[float]:
    """From 0 (complete pooling) to inf (none), twelve to the decade; 1 is among them."""
    return [0.0, *decades(-2, 2, TWELVE), math.inf]


def scales(s_y: float) -> list[float]:
    """Sixty scales of a prior of sds, from 0.02 to about 20 times the sd of y."""
    start = math.log10(NARROWEST * s_y)
    many = decades(math.floor(start) - 1, math.floor(start) + 5, TWENTY)
    first = int(np.searchsorted(many, NARROWEST * s_y * (1 - 1e-9)))
    return many[first : first + COUNT]


def nearest(values: Sequence[float], to: float) -> int:
    """The place of the value nearest in ratio; all finite and above 0."""
    return int(np.argmin(np.abs(np.log(np.asarray(values)) - math.log(to))))
