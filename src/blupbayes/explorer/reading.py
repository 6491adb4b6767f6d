"""What one slider has found: all fixed effects, random effects and group means at each of its stops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["Reading", "of_path"]

Array = NDArray[np.float64]
KEYS = ["component", "group", "level", "term"]


@dataclass(frozen=True, eq=False)
class Reading:
    """Estimates and their sds (S, Q) at S stops.

    Parameters
    ----------
    stops : list of float
        Where the slider can stand, in its order.
    rest : int
        Where it stands at first.
    labels : DataFrame
        component, group, level, term of the Q quantities.
    estimates, sds : array (S, Q)
    """

    stops: list[float]
    rest: int
    labels: pd.DataFrame
    estimates: Array
    sds: Array

    def where(self, component: str, group: str = "", term: str | None = None) -> NDArray[np.intp]:
        """The places of a component of one group."""
        t = self.labels
        found = (t["component"] == component) & (t["group"] == group)
        return np.flatnonzero(found if term is None else found & (t["term"] == term))


def of_path(path: pd.DataFrame, stops: Sequence[float], rest: int) -> Reading:
    """A long table of a path, one block of rows for each stop."""
    S = len(stops)
    labels = path[KEYS].iloc[: len(path) // S].reset_index(drop=True)
    columns = (path[name].to_numpy(dtype=float).reshape(S, -1) for name in ("estimate", "uncertainty"))
    return Reading(list(stops), rest, labels, *columns)
