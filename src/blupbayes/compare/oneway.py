"""The balanced one-way layout in closed form, beside what the package finds for it [E-ONEWAY]."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blupbayes.compare.identity import ESTIMATE, Identity

__all__ = ["OneWay", "oneway", "oneway_identities"]

Array = NDArray[np.float64]
LABELS = ("variance between groups", "residual variance")


@dataclass(frozen=True)
class OneWay:
    """J groups of r rows; sums of squares within and between groups, in the units of y squared."""

    J: int
    r: int
    SSE: float
    SST: float

    @property
    def n(self) -> int:
        """Rows."""
        return self.J * self.r

    def estimates(self, method: str) -> Array:
        """sigma_a^2 and sigma^2 (2,) by "REML" or "ML" [E-ONEWAY]."""
        lost = int(method == "REML")
        within = self.SSE / (self.n - self.J)
        between = (self.SST / (self.J - lost) - within) / self.r
        return np.array([between, within] if between > 0 else [0.0, (self.SSE + self.SST) / (self.n - lost)])

    def se(self, at: Array) -> Array:
        """Standard errors (2,) of unrestricted estimates where the variances are ``at``."""
        within = at[1] * np.sqrt(2.0 / (self.n - self.J))
        return np.array([np.sqrt(2.0 / max(self.J - 1, 1)) * (at[0] + at[1] / self.r), within])

    def log_det(self, at: Array) -> float:
        """log|V|."""
        return float((self.n - self.J) * np.log(at[1]) + self.J * np.log(at[1] + self.r * at[0]))

    def weight(self, at: Array) -> float:
        """What a group's own mean keeps."""
        return float(self.r * at[0] / (self.r * at[0] + at[1]))


def oneway(
    y: Array, X: Array, codes: Sequence[NDArray[np.intp]], columns: Sequence[Array], w: Array
) -> OneWay | None:
    """The sums of squares of a balanced one-way layout with the mean alone, or None if the model is another one.

    Parameters
    ----------
    y : array (n,)
        Response, the offset subtracted.
    X : array (n, r)
        Of full column rank.
    codes, columns : sequence of array (n,), (n, q)
        By grouping factor.
    w : array (n,)
        Precision weights.
    """
    if len(codes) > 1 or X.shape[1] != 1 or np.ptp(X) != 0 or np.any(columns[0] != 1) or np.any(w != 1):
        return None
    count = np.bincount(codes[0])
    J, r = len(count), int(count[0])
    if columns[0].shape[1] > 1 or np.ptp(count) != 0 or J < 2 or r < 2:
        return None
    e = y - y.mean()
    means = np.bincount(codes[0], e) / r
    return OneWay(J, r, float(np.sum((e - means[codes[0]]) ** 2)), float(r * means @ means))


def oneway_identities(
    layout: OneWay, found: dict[str, Array], at: Array, log_det: float, weights: Array, tolerance: float
) -> list[Identity]:
    """Closed forms beside REML and ML estimates (2,), and log|V| and weights (J,) at given variances (2,)."""
    out = []
    for method, estimates in found.items():
        right, name = layout.estimates(method), f"oneway_{method.lower()}"
        out.append(Identity(name, estimates, right, layout.se(right), ESTIMATE, LABELS))
    one, share = np.array([layout.log_det(at)]), np.full(len(weights), layout.weight(at))
    labels = [f"group {j + 1}" for j in range(len(weights))]
    size = np.maximum(np.abs(one), layout.n)
    out.append(Identity("oneway_det", np.array([log_det]), one, size, tolerance, [""]))
    out.append(Identity("oneway_weight", weights, share, np.ones(len(weights)), tolerance, labels))
    return out
