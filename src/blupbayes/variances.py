"""Variances: the sds and correlations of a model in the units of y, however they were given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blupbayes.errors import DataError
from blupbayes.model.covariance import Template, sd_and_correlation, semidefinite_cholesky

__all__ = ["RESIDUAL", "Variances", "read_variances", "significant"]

Array = NDArray[np.float64]
RESIDUAL = "residual"
HOW = "Pass a Fit, or a dict such as {'Rail': sd or covariance matrix, 'residual': sd}, in the units of y"


class GroupLike(Protocol):
    """What is known of a grouping factor: its name, its coefficients and their covariance template."""

    @property
    def name(self) -> str: ...
    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def template(self) -> Template: ...


@dataclass(frozen=True, eq=False, repr=False)
class Variances:
    """Covariance matrices of the random effects and the residual sd; unit of y.

    Parameters
    ----------
    groups : tuple of str
        Grouping factors, in the order of the model.
    coefficients : tuple of tuple of str
        The q coefficient names of each.
    covariances : tuple of array
        Sigma (q, q) of each [E-MODEL].
    free : tuple of tuple
        For each the (row, column) pairs whose correlation the formula leaves free.
    residual : float
        sigma, the residual sd.

    Examples
    --------
    >>> import blupbayes as bb
    >>> fit = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail")).fit("ML")
    >>> fit.variances
     Groups   Name      Variance Std.Dev. Corr
     Rail     Intercept 511.86   22.624
     residual           16.167   4.0208
    >>> fit.variances.sd("Rail").round(3).to_dict()
    {'Intercept': 22.624}
    """

    groups: tuple[str, ...]
    coefficients: tuple[tuple[str, ...], ...]
    covariances: tuple[Array, ...]
    free: tuple[tuple[tuple[int, int], ...], ...]
    residual: float

    @classmethod
    def from_factors(cls, groups: Sequence[GroupLike], T: Sequence[Array], sigma: float) -> Variances:
        """From the relative factors T (q, q) of each group and sigma: Sigma = sigma^2 T T' [E-MODEL]."""
        return cls(*structure(groups, [sigma**2 * t @ t.T for t in T]), float(sigma))

    def factors(self) -> tuple[Array, ...]:
        """T (q, q) of each group, lower triangular, relative to sigma."""
        return tuple(semidefinite_cholesky(Sigma) / self.residual for Sigma in self.covariances)

    def __getitem__(self, group: str) -> pd.DataFrame | float:
        """Covariance matrix of one group (DataFrame), or the residual sd for "residual"."""
        if group == RESIDUAL:
            return self.residual
        k = self._position(group)
        return pd.DataFrame(self.covariances[k], index=self.coefficients[k], columns=self.coefficients[k])

    def __iter__(self) -> Iterator[str]:
        return iter((*self.groups, RESIDUAL))

    def __len__(self) -> int:
        return len(self.groups) + 1

    def keys(self) -> tuple[str, ...]:
        """The groups, then "residual"."""
        return tuple(self)

    def sd(self, group: str) -> pd.Series:
        """Sds of one group's coefficients; unit of y per unit of the column."""
        k = self._position(group)
        return pd.Series(sd_and_correlation(self.covariances[k])[0], index=self.coefficients[k], name="sd")

    def corr(self, group: str) -> pd.DataFrame:
        """Correlations of one group's coefficients; NaN beside an sd of 0."""
        k = self._position(group)
        names = self.coefficients[k]
        return pd.DataFrame(sd_and_correlation(self.covariances[k])[1], index=names, columns=names)

    def _position(self, group: str) -> int:
        if group not in self.groups:
            raise DataError(unknown(str(group), self.groups))
        return self.groups.index(group)

    def __repr__(self) -> str:
        lines = [["Groups", "Name", "Variance", "Std.Dev.", "Corr"]]
        for k, group in enumerate(self.groups):
            sd, corr = sd_and_correlation(self.covariances[k])
            for i, name in enumerate(self.coefficients[k]):
                row = [f"{corr[i, j]:.2f}" for j in range(i) if (i, j) in self.free[k]]
                lines.append(
                    [
                        group if i == 0 else "",
                        name,
                        significant(sd[i] ** 2),
                        significant(sd[i]),
                        " ".join(row),
                    ]
                )
        lines.append([RESIDUAL, "", significant(self.residual**2), significant(self.residual), ""])
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            (" " + " ".join(c.ljust(w) for c, w in zip(line, widths, strict=True))).rstrip() for line in lines
        )


def significant(x: float) -> str:
    """Five significant digits, trailing zeros kept; 0 and whole parts beyond five digits as they are.

    Examples
    --------
    >>> significant(66.5), significant(0.0), significant(123456.7)
    ('66.500', '0', '123457')
    """
    if x == 0 or not np.isfinite(x):
        return f"{x:g}"
    return f"{x:.0f}" if 1e5 <= abs(x) < 1e10 else f"{x:#.5g}".rstrip(".")


def structure(groups: Sequence[GroupLike], covariances: Sequence[Array]) -> tuple[Any, ...]:
    """The first four fields of Variances."""
    return (
        tuple(g.name for g in groups),
        tuple(tuple(g.names) for g in groups),
        tuple(covariances),
        tuple(free_pairs(g.template) for g in groups),
    )


def free_pairs(template: Template) -> tuple[tuple[int, int], ...]:
    """(row, column), row > column, of the correlations that the structure leaves free."""
    return tuple(sorted((r, c) for r, c in zip(template.rows, template.cols, strict=True) if r > c))


def unknown(name: str, known: Sequence[str]) -> str:
    """Say that there is no such grouping factor, and what it may have been."""
    folded = {k.casefold(): k for k in known}
    close = get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
    hint = f" Did you mean {folded[close[0]]!r}?" if close else ""
    return (
        f"variances: no grouping factor {name!r} in the model (it has {', '.join(map(repr, known))}).{hint}"
    )


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
    return Variances(*structure(groups, covariances), residual_sd(given, sigma))


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
