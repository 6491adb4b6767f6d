"""Points of a lattice as arrays: where they are, how likely, and what (beta, b) is like given each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Points", "join"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Points:
    """m points of theta with S nodes of sigma each, and Q linear quantities [beta, b, group means].

    Parameters
    ----------
    v : array (m, d)
        Coordinates (coordinates.py).
    log_density : array (m,)
        log p(v, y), sigma integrated out.
    log_sigma, within : array (m, S)
        Nodes of log sigma, and their posterior probabilities given theta; what is padded has probability 0.
    tau : array (m, S)
        What kappa is multiplied by at the node: 1 for a Gaussian prior of beta, gamma distributed for Student's t.
    spacing : array (m,)
        Between the nodes of log sigma; 0 where sigma is known.
    sds : array (m, K)
        Relative sds.
    corrs : tuple of array (m, q, q)
        Correlation matrices by group.
    shrink, t : array (m, r)
        Prior precisions and least-squares values of the fixed effects in their own coordinates (marginal.py).
    base, own : array (m, Q); extra : array (m, Q); B : array (m, Q, r)
        As in conditional.py.
    """

    v: Array
    log_density: Array
    log_sigma: Array
    within: Array
    tau: Array
    spacing: Array
    sds: Array
    corrs: tuple[Array, ...]
    shrink: Array
    t: Array
    base: Array
    own: Array
    extra: Array
    B: Array

    def __len__(self) -> int:
        return len(self.v)

    @property
    def n_taus(self) -> int:
        """L: the nodes of tau stand side by side at every node of sigma."""
        return len(np.unique(self.tau[0]))

    def take(self, which: NDArray[np.bool_] | NDArray[np.intp]) -> Points:
        """Some of the points."""
        columns: dict[str, Any] = {
            f.name: getattr(self, f.name)[which] for f in fields(self) if f.name != "corrs"
        }
        return Points(**columns, corrs=tuple(R[which] for R in self.corrs))


def join(parts: Sequence[Points], which: NDArray[np.intp] | None = None) -> Points:
    """All points of several, or some of them; array by array, as those of many levels are large."""
    chosen = slice(None) if which is None else which
    S = max(p.within.shape[1] for p in parts)
    columns: dict[str, Any] = {}
    for f in fields(Points):
        values = [getattr(p, f.name) for p in parts]
        if f.name == "corrs":
            columns[f.name] = tuple(np.concatenate(R)[chosen] for R in zip(*values, strict=True))
        else:
            if f.name in ("log_sigma", "within", "tau"):
                values = [padded(x, S, 0.0 if f.name == "within" else None) for x in values]
            columns[f.name] = np.concatenate(values)[chosen]
    return Points(**columns)


def padded(x: Array, S: int, value: float | None) -> Array:
    """x (m, S) with columns of value, or of its last one, added on the right."""
    more = S - x.shape[1]
    last = x[:, -1:] if value is None else np.full((len(x), 1), value)
    return np.hstack([x, np.repeat(last, more, axis=1)]) if more else x
