"""Rounding: the one place where numbers lose digits.

A quantity shows two significant digits of its smallest uncertainty and about four of its largest estimate,
with the same number of decimals for every level and estimator, so that digits compare down and across.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

__all__ = ["decimals", "interval", "number", "short"]


def magnitude(x: float) -> int:
    """Power of ten of the leading digit of x != 0, after rounding to four digits (9.99996 counts as 10)."""
    return int(f"{abs(x):.3e}".split("e")[1])


def decimals(estimates: Iterable[float], spreads: Iterable[float]) -> int:
    """Decimals of one quantity: see the head of this file.

    Examples
    --------
    >>> decimals([66.5], [10.17]), decimals([24.805], []), decimals([1e-12], [10.0])
    (2, 2, 2)
    """
    sizes = [magnitude(x) for x in estimates if math.isfinite(x) and x != 0]
    wanted = 3 - max(sizes, default=3)
    fine = [1 - magnitude(s) for s in spreads if math.isfinite(s) and s > 0]
    if fine:
        wanted = min(max(wanted, max(fine)), max(fine) + 2)
    return min(max(wanted, 0), 12)


def number(x: float, places: int) -> str:
    """Write x with the given decimals; "" for NaN, no minus sign before a zero, powers of ten for extremes.

    Examples
    --------
    >>> number(-0.0001, 2), number(66.5, 2), number(float("nan"), 2), number(1.234e9, 0)
    ('0.00', '66.50', '', '1.234e+09')
    """
    if math.isnan(x):
        return ""
    if math.isinf(x):
        return "inf" if x > 0 else "-inf"
    if x != 0 and (abs(x) >= 1e7 or places > 8):
        return f"{x:.3e}"
    text = f"{x:.{places}f}"
    return text[1:] if text.startswith("-") and not text.strip("-0.") else text


def interval(lower: float, upper: float, places: int) -> str:
    """Write "[lower, upper]"; "" without bounds."""
    if math.isnan(lower) or math.isnan(upper):
        return ""
    return f"[{number(lower, places)}, {number(upper, places)}]"


def short(x: float) -> str:
    """Three significant digits, for a number that stands alone.

    Examples
    --------
    >>> short(365.866), short(22.5535), short(0.9432), short(0.0)
    ('366', '22.6', '0.943', '0')
    """
    return "0" if x == 0 else number(x, max(0, 2 - magnitude(x)))
