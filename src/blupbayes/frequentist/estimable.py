"""Whether the data can answer a linear hypothesis: its rows are combinations of the rows of X.

If columns of X are aliased, X_a = X_k B, the data see beta_k + B beta_a only. So l'beta has an estimate if and only if
l_a = B'l_k, and then it is l_k'beta_k with the coefficients of the kept columns [E-ESTIMABLE].
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from blupbayes.errors import IdentifiabilityError
from blupbayes.frequentist.contrasts import Contrasts
from blupbayes.model.hypotheses import Hypothesis
from blupbayes.model.scanner import listing

__all__ = ["answerable", "check_estimable", "estimable"]

Array = NDArray[np.float64]

ROUNDING = 1e-8  # of the size of what cancels; B has the errors of R, times the condition of its kept columns
LONGEST = 4  # columns that are written out


class StatisticsLike(Protocol):
    """What is asked of Statistics."""

    @property
    def R(self) -> Array: ...
    @property
    def kept(self) -> NDArray[np.intp]: ...
    @property
    def fixed_names(self) -> tuple[str, ...]: ...


def estimable(L: Array, statistics: StatisticsLike) -> NDArray[np.bool_]:
    """Whether each row of L (k, p) is in the row space of X, that of R (r, p) [E-ESTIMABLE].

    If so, ``L[:, kept] @ beta[kept]`` is its estimate, whatever is put in place of the aliased coefficients.
    """
    return ~_cause(L, statistics).any(axis=1)


def check_estimable(contrasts: Contrasts, statistics: StatisticsLike) -> None:
    """Refuse contrasts that the data cannot answer.

    Raises
    ------
    IdentifiabilityError
        Naming the contrasts, and the aliased columns that cause it.
    """
    cause = _cause(contrasts.L, statistics)
    rows = np.flatnonzero(cause.any(axis=1))
    if len(rows):
        labels = listing([f"'{contrasts.labels[i]}'" for i in rows], LONGEST)
        raise IdentifiabilityError(
            f"the data cannot answer {labels}: {_aliases(cause[rows].any(axis=0), statistics)}; leave the column "
            "out of the formula, or ask for contrasts of what the columns say together"
        )


def answerable(hypotheses: Iterable[Hypothesis], statistics: StatisticsLike) -> tuple[Hypothesis, ...]:
    """The hypotheses, those that the data cannot answer without rows and with the reason."""
    return tuple(_answerable(hypothesis, statistics) for hypothesis in hypotheses)


def _answerable(hypothesis: Hypothesis, statistics: StatisticsLike) -> Hypothesis:
    cause = _cause(hypothesis.L, statistics).any(axis=0)
    if not cause.any():
        return hypothesis
    return replace(hypothesis, L=hypothesis.L[:0], reason=f"not estimable: {_aliases(cause, statistics)}")


def _cause(L: Array, statistics: StatisticsLike) -> NDArray[np.bool_]:
    """Which aliased columns (k, p - r) make a row impossible to estimate."""
    aliased, B = _combinations(statistics)
    kept = statistics.kept
    size = np.abs(L[:, aliased]) + np.abs(L[:, kept]) @ np.abs(B)
    return np.asarray(np.abs(L[:, aliased] - L[:, kept] @ B) > ROUNDING * size)


def _combinations(statistics: StatisticsLike) -> tuple[NDArray[np.intp], Array]:
    """The aliased columns, and B (r, p - r): they are the kept columns times B."""
    R, kept = statistics.R, statistics.kept
    aliased = np.setdiff1d(np.arange(R.shape[1]), kept)
    norms = np.linalg.norm(R, axis=0)
    B = np.linalg.solve(R[:, kept] / norms[kept], R[:, aliased])
    B[np.abs(B) <= ROUNDING * norms[aliased]] = 0.0
    return aliased, B / norms[kept][:, None]


def _aliases(cause: NDArray[np.bool_], statistics: StatisticsLike) -> str:
    """What the aliased columns are in these data, in words."""
    aliased, B = _combinations(statistics)
    kept = [statistics.fixed_names[k] for k in statistics.kept]
    found = [f"'{statistics.fixed_names[aliased[j]]}' {_is(B[:, j], kept)}" for j in np.flatnonzero(cause)]
    return listing(found, LONGEST)


def _is(weights: Array, names: Sequence[str]) -> str:
    used = np.flatnonzero(weights).tolist()
    if not used:
        return "is 0 in every row"
    if len(used) > LONGEST:
        return f"is a combination of {len(used)} other columns"
    return "is " + " + ".join(f"{weights[k]:.6g}*{names[k]}" for k in used)
