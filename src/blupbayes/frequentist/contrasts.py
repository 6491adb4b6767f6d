"""Linear hypotheses L beta = rhs as users write them: arrays, tables, weights by name, equations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blupbayes.errors import DataError
from blupbayes.frequentist.equations import read_equation
from blupbayes.mme.least_squares import independent_columns
from blupbayes.model.scanner import listing, suggestion

__all__ = ["Contrasts", "independent", "read_contrasts"]

Array = NDArray[np.float64]
Row = tuple[Array, float, str]  # weights (p,), right-hand side, label

ROUNDING = 1e-8  # of the size of what cancels: weights such as 1/3 come with rounding errors
LONGEST = 4  # coefficients in a label


@dataclass(frozen=True, eq=False)
class Contrasts:
    """L beta = rhs, row by row.

    Parameters
    ----------
    L : ndarray of float
        Weights (k, p), a column for each coefficient.
    rhs : ndarray of float
        (k,), in the units of L beta.
    labels : tuple of str
        (k,)
    """

    L: Array
    rhs: Array
    labels: tuple[str, ...]


def read_contrasts(given: Any, fixed_names: Sequence[str]) -> Contrasts:
    """Contrasts as users write them.

    Parameters
    ----------
    given : array (p,) or (k, p), str, dict, data frame, or a list of strings and dicts
        Weights; or an equation such as ``"Days - 2*x = 0"`` or the name of a coefficient; or {coefficient: weight}; or
        a data frame with coefficients as columns, a contrast in each row, and their labels as its index.
    fixed_names : sequence of str
        The coefficients (p,).

    Returns
    -------
    Contrasts
        No row is zero; rows may depend on each other, see `independent`.

    Raises
    ------
    FormulaError
        If an equation cannot be read.
    DataError
        If weights have the wrong number, belong to no coefficient, are not finite, or are all zero.

    Examples
    --------
    >>> read_contrasts(["Days", "Intercept = 250"], ["Intercept", "Days"])
    Contrasts(L=array([[0., 1.],
           [1., 0.]]), rhs=array([  0., 250.]), labels=('Days', 'Intercept = 250'))
    """
    names = tuple(fixed_names)
    rows = _rows(given, names)
    if not rows:
        raise DataError(f"there is no contrast; give weights of the coefficients {listing(names)}")
    _check(rows, names)
    labels = tuple(label or f"contrast {i + 1}" for i, (_, _, label) in enumerate(rows))
    return Contrasts(np.array([row for row, _, _ in rows]), np.array([r for _, r, _ in rows]), labels)


def _rows(given: Any, names: tuple[str, ...]) -> list[Row]:
    """One row after the other, whatever they are written as."""
    if isinstance(given, pd.DataFrame):
        return _of_frame(given, names)
    if isinstance(given, str):
        return [_of_text(given, names)]
    if isinstance(given, Mapping):
        return [_of_weights(given, names)]
    if isinstance(given, pd.Series) and not isinstance(given.index, pd.RangeIndex):
        return _of_frame(pd.DataFrame([given.to_numpy()], columns=given.index), names)
    if isinstance(given, (list, tuple)) and any(
        isinstance(part, (str, Mapping, pd.Series)) for part in given
    ):
        return [row for part in given for row in _rows(part, names)]
    other = nw.from_native(given, eager_only=True, pass_through=True)
    if isinstance(other, nw.DataFrame):
        return _of_frame(other.to_pandas(), names)
    return _of_array(given, names)


def _of_text(text: str, names: tuple[str, ...]) -> Row:
    """The name of a coefficient, or an equation."""
    if text in names:
        return np.eye(len(names))[names.index(text)], 0.0, text
    return *read_equation(text, names), text.strip()


def _of_weights(weights: Mapping[Any, Any], names: tuple[str, ...], label: str = "") -> Row:
    row = np.zeros(len(names))
    for name, weight in weights.items():
        if name not in names:
            known = f"(coefficients: {listing(names)}).{suggestion(str(name), names)}"
            raise DataError(f"a contrast has a weight for '{name}', and there is no such coefficient {known}")
        row[names.index(name)] = _number(weight, name)
    return row, 0.0, label or _text(row, names)


def _of_frame(frame: pd.DataFrame, names: tuple[str, ...]) -> list[Row]:
    if not frame.columns.is_unique:
        raise DataError("the data frame of contrasts has two columns of the same name; leave one out")
    own = not isinstance(frame.index, pd.RangeIndex)
    rows = frame.to_dict("split")["data"]
    return [
        _of_weights(dict(zip(frame.columns, row, strict=True)), names, str(label) if own else "")
        for label, row in zip(frame.index, rows, strict=True)
    ]


def _of_array(given: Any, names: tuple[str, ...]) -> list[Row]:
    L = _numbers(given, "a contrast")
    if L.ndim not in {1, 2}:
        raise DataError(f"contrasts are an array (p,) or (k, p) of weights, not of shape {L.shape}")
    L = L.reshape(-1, L.shape[-1]) if L.size else np.zeros((0, len(names)))
    if L.shape[1] != len(names):
        expected = f"the {len(names)} coefficients {listing(names)}"
        raise DataError(f"a contrast has {L.shape[1]} weights; give one for each of {expected}")
    return [(row, 0.0, _text(row, names)) for row in L]


def _number(given: Any, name: str) -> float:
    value = _numbers(given, f"the weight of '{name}' in a contrast")
    if value.ndim:
        raise DataError(f"the weight of '{name}' in a contrast has the shape {value.shape}; give one number")
    return float(value)


def _numbers(given: Any, what: str) -> Array:
    try:
        if np.iscomplexobj(given):
            raise TypeError("complex")
        return np.array(given, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"{what} is not made of real numbers: {str(given)[:80]}") from error


def _text(row: Array, names: Sequence[str]) -> str:
    """A label such as "Days - 2*x"; empty for long contrasts."""
    text = ""
    for k in np.flatnonzero(row).tolist():
        size = "" if abs(row[k]) == 1 else f"{abs(row[k]):.6g}*"
        sign = (" - " if row[k] < 0 else " + ") if text else ("-" if row[k] < 0 else "")
        text += f"{sign}{size}{names[k]}"
    return text if np.count_nonzero(row) <= LONGEST else ""


def _check(rows: Sequence[Row], names: Sequence[str]) -> None:
    """Refuse weights that are not finite, and rows without weights."""
    for i, (row, r, label) in enumerate(rows):
        which = f"contrast {i + 1}" + (f" ('{label}')" if label else "")
        if not np.isfinite(row).all():
            column = names[int(np.flatnonzero(~np.isfinite(row))[0])]
            raise DataError(f"{which} has a weight for '{column}' that is infinite or not a number")
        if not np.isfinite(r):
            raise DataError(f"the right-hand side of {which} is infinite or not a number")
        if not row.any():
            raise DataError(f"{which} has no weights but zeros and compares nothing; leave it out")


def independent(contrasts: Contrasts) -> tuple[Contrasts, str]:
    """The contrasts that do not follow from earlier ones, for a joint test; and a message if some do.

    Raises
    ------
    DataError
        If the right-hand sides contradict each other.
    """
    L, rhs, labels = contrasts.L, contrasts.rhs, contrasts.labels
    kept = independent_columns(L.T)
    if len(kept) == len(L):
        return contrasts, ""
    weights = np.linalg.lstsq(L[kept].T, L.T, rcond=None)[0]  # (r, k): every row from those that are kept
    size = np.abs(rhs) + np.abs(weights).T @ np.abs(rhs[kept])
    wrong = np.flatnonzero(np.abs(rhs - weights.T @ rhs[kept]) > ROUNDING * size)
    if len(wrong):
        raise DataError(
            f"the contrasts contradict each other: '{labels[wrong[0]]}' asks for {rhs[wrong[0]]:.6g}, and the "
            f"earlier ones say {weights[:, wrong[0]] @ rhs[kept]:.6g}; change one of the right-hand sides"
        )
    left = [f"'{label}'" for i, label in enumerate(labels) if i not in set(kept.tolist())]
    message = f"{len(left)} of {len(L)} contrasts follow from the others and add nothing to the joint test: "
    chosen = Contrasts(L[kept], rhs[kept], tuple(labels[i] for i in kept))
    return chosen, message + listing(left) + "."
