"""Sds, correlations and variances as functions of (theta, log sigma^2): their names, values and slopes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from blupbayes.model.covariance import Template
from blupbayes.variances import free_pairs

__all__ = ["Reading", "readings", "slopes"]

Array = NDArray[np.float64]


class GroupLike(Protocol):
    """A grouping factor's name, coefficients and template."""

    @property
    def name(self) -> str: ...
    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def template(self) -> Template: ...


@dataclass(frozen=True)
class Reading:
    """One variance parameter.

    Parameters
    ----------
    kind : str
        "sigma", "sd" or "corr".
    name : str
        As in every table: sigma, sd_Subject[Days], corr_Subject[Days,Intercept].
    group : int
        Position of the grouping factor; -1 for sigma.
    r, c : int
        Rows of T: the coefficient, and for a correlation the other one.
    """

    kind: str
    name: str
    group: int = -1
    r: int = 0
    c: int = 0

    def value(self, T: Sequence[Array], sigma: float) -> float:
        """Its value at T (q, q) per group and sigma; NaN for a correlation beside an sd of 0."""
        if self.kind == "sigma":
            return sigma
        a, b = T[self.group][self.r], T[self.group][self.c]
        if self.kind == "sd":
            return float(sigma * np.linalg.norm(a))
        length = float(np.linalg.norm(a) * np.linalg.norm(b))
        return float(np.clip(a @ b / length, -1.0, 1.0)) if length > 0 else np.nan


def readings(groups: Sequence[GroupLike], *, sigma: bool = True) -> tuple[Reading, ...]:
    """sigma (unless it is known), the sds, and the correlations that the formula leaves free."""
    out = [Reading("sigma", "sigma")] if sigma else []
    for k, g in enumerate(groups):
        out += [Reading("sd", f"sd_{g.name}[{name}]", k, r, r) for r, name in enumerate(g.names)]
    for k, g in enumerate(groups):
        pairs = free_pairs(g.template)
        out += [Reading("corr", f"corr_{g.name}[{g.names[r]},{g.names[c]}]", k, r, c) for r, c in pairs]
    return tuple(out)


def slopes(which: Sequence[Reading], groups: Sequence[GroupLike], T: Sequence[Array], sigma: float) -> Array:
    """d reading / d(theta, tau) (k, m + 1), tau = log sigma^2; NaN where an sd of 0 leaves none."""
    m = sum(len(g.template.index) for g in groups)
    out = np.zeros((len(which), m + 1))
    for row, reading in zip(out, which, strict=True):
        if reading.kind != "corr":
            row[m] = 0.5 * reading.value(T, sigma)
        if reading.kind == "sigma":
            continue
        t = groups[reading.group].template
        for place, r, c in zip(t.index, t.rows, t.cols, strict=True):
            row[place] = slope_in_T(reading, T[reading.group], sigma, r, c)
    return out


def slope_in_T(reading: Reading, T: Array, sigma: float, r: int, c: int) -> float:
    """d reading / dT[r, c]."""
    a, b = T[reading.r], T[reading.c]
    na, nb = float(np.linalg.norm(a)), float(np.linalg.norm(b))
    if r not in (reading.r, reading.c):
        return 0.0
    if na == 0 or nb == 0:
        return float("nan")
    if reading.kind == "sd":
        return float(sigma * T[r, c] / na)
    corr = float(a @ b / (na * nb))
    if r == reading.r:
        return float((b[c] / nb - corr * a[c] / na) / na)
    return float((a[c] / na - corr * b[c] / nb) / nb)
