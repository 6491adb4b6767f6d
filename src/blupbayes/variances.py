"""Variances: the sds and correlations of a model in the units of y."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blupbayes.errors import DataError
from blupbayes.model.covariance import Template, sd_and_correlation, semidefinite_cholesky

__all__ = ["RESIDUAL", "Variances", "free_pairs", "significant", "unknown"]

Array = NDArray[np.float64]
RESIDUAL = "residual"


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
    def of(cls, groups: Sequence[GroupLike], covariances: Sequence[Array], residual: float) -> Variances:
        """Covariance matrices (q, q) with the names and the structure of their grouping factors."""
        return cls(
            tuple(g.name for g in groups),
            tuple(tuple(g.names) for g in groups),
            tuple(covariances),
            tuple(free_pairs(g.template) for g in groups),
            float(residual),
        )

    @classmethod
    def from_factors(cls, groups: Sequence[GroupLike], T: Sequence[Array], sigma: float) -> Variances:
        """From the relative factors T (q, q) of each group and sigma: Sigma = sigma^2 T T' [E-MODEL]."""
        return cls.of(groups, [sigma**2 * t @ t.T for t in T], sigma)

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
