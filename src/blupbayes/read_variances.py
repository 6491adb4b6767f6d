"""What a user calls variances -> Variances: a Fit, a Variances or a dict, checked entry by entry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blupbayes.errors import DataError
from blupbayes.model.covariance import semidefinite_cholesky
from blupbayes.variances import RESIDUAL, GroupLike, Variances, free_pairs, unknown

__all__ = ["read_variances"]

Array = NDArray[np.float64]
HOW = "Pass a Fit, or a dict such as {'Rail': sd or covariance matrix, 'residual': sd}, in the units of y"


def read_variances(given: Any, groups: Sequence[GroupLike], sigma: float | None = None) -> Variances:
    """Read what a user calls variances.

    Parameters
    ----------
    given : Fit, Variances or mapping
        A Fit stands for its own variances. In a mapping every group has an sd (a number, for one
        coefficient) or a covariance matrix (q, q), and "residual" an sd; all in the units of y.
    groups : sequence
        Grouping factors of the model.
    sigma : float or None
        The residual sd if the model fixes it; "residual" may then be left out.

    Raises
    ------
    DataError
        If a group is unknown or missing, or a value is not finite, negative, of the wrong shape, not
        symmetric or not positive semidefinite.
    """
    given = getattr(given, "variances", given)
    if not isinstance(given, Variances | Mapping):
        raise DataError(f"variances: cannot read a {type(given).__name__}. {HOW}.")
    wanted = [g.name for g in groups]
    for name in given:
        if name != RESIDUAL and name not in wanted:
            raise DataError(unknown(str(name), [*wanted, RESIDUAL]))
    missing = [name for name in wanted if name not in given.keys()]  # noqa: SIM118
    if missing:
        raise DataError(f"variances: nothing is given for {', '.join(map(repr, missing))}. {HOW}.")
    covariances = [covariance(g, given[g.name]) for g in groups]
    return Variances.of(groups, covariances, residual_sd(given, sigma))


def residual_sd(given: Any, sigma: float | None) -> float:
    """The residual sd, checked against the one the model fixes."""
    if RESIDUAL not in given.keys():  # noqa: SIM118
        if sigma is None:
            raise DataError(f"variances: 'residual' (the residual sd) is missing. {HOW}.")
        return float(sigma)
    value = numeric(given[RESIDUAL], RESIDUAL)
    if value.shape != () or not value > 0:
        raise DataError(
            f"variances['residual'] must be one number above 0 (the residual sd); it is {given[RESIDUAL]!r}."
        )
    if sigma is not None and not np.isclose(float(value), sigma, rtol=1e-12):
        raise DataError(
            f"variances['residual'] is {float(value):g}, but the model was built with sigma={sigma:g}."
        )
    return float(value)


def numeric(value: Any, name: str) -> Array:
    """The value as finite numbers."""
    try:
        array = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        raise DataError(f"variances[{name!r}] is not a number or a matrix of numbers: {value!r}.") from None
    if not np.isfinite(array).all():
        raise DataError(f"variances[{name!r}] is not finite: {value!r}.")
    return array


def covariance(group: GroupLike, value: Any) -> Array:
    """Sigma (q, q) of one group, from an sd (q = 1) or a matrix; a DataFrame is put in the model's order."""
    q, names = len(group.names), list(group.names)
    label = f"variances[{group.name!r}]"
    if isinstance(value, pd.DataFrame) and set(value.index) == set(value.columns) == set(names):
        value = value.loc[names, names]
    array = numeric(value, group.name)
    if array.shape == () and q == 1:
        if array < 0:
            raise DataError(f"{label} is an sd and must not be negative; it is {float(array):g}.")
        return np.array([[float(array) ** 2]])
    if array.shape != (q, q):
        one = (
            "one number (the sd) or a 1 x 1 covariance matrix" if q == 1 else f"a {q} x {q} covariance matrix"
        )
        raise DataError(
            f"{label} must be {one}, for the coefficients {', '.join(names)}; "
            f"its shape is {array.shape or 'that of a number'}."
        )
    check_matrix(array, group, label)
    return (array + array.T) / 2


def check_matrix(array: Array, group: GroupLike, label: str) -> None:
    """Refuse a matrix that is no covariance matrix, or not of the structure of the formula."""
    scale = float(np.abs(array).max(initial=0.0))
    if not np.allclose(array, array.T, rtol=0, atol=1e-10 * scale):
        raise DataError(f"{label} is not symmetric, so it is no covariance matrix.")
    try:
        semidefinite_cholesky((array + array.T) / 2)
    except ValueError:
        lowest = float(np.linalg.eigvalsh(array).min())
        raise DataError(f"{label} is not positive semidefinite (smallest eigenvalue {lowest:.3g}).") from None
    free = free_pairs(group.template)
    for r, c in zip(*np.nonzero(np.tril(array, -1)), strict=True):
        if (int(r), int(c)) not in free:
            raise DataError(
                f"{label} has a covariance between {group.names[c]} and {group.names[r]}, which the formula "
                "sets to 0 (separate terms or '||')."
            )
