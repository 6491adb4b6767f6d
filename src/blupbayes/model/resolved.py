"""The prior that is used for one design: every default filled in, in the units of y and X, and printed in full."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from blupbayes.model.distributions import Distribution, number

__all__ = ["DesignLike", "GroupLike", "GroupPrior", "ResolvedPrior", "default_scales", "residual_scale"]

Array = NDArray[np.float64]

DIGITS = 6  # of printed numbers; the numbers that are used are not rounded


class TermLike(Protocol):
    """One term of a grouping factor: its range of coefficients."""

    @property
    def start(self) -> int: ...
    @property
    def stop(self) -> int: ...
    @property
    def structure(self) -> str: ...


class GroupLike(Protocol):
    """What a grouping factor of a Design offers."""

    @property
    def name(self) -> str: ...
    @property
    def levels(self) -> tuple[str, ...]: ...
    @property
    def columns(self) -> Array: ...
    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def terms(self) -> Sequence[TermLike]: ...


class DesignLike(Protocol):
    """What a Design offers."""

    @property
    def y(self) -> Array: ...
    @property
    def fixed_names(self) -> tuple[str, ...]: ...
    @property
    def groups(self) -> Sequence[GroupLike]: ...
    @property
    def weights(self) -> Array | None: ...
    @property
    def offset(self) -> Array | None: ...
    @property
    def sigma(self) -> float | None: ...


def response_sd(design: DesignLike) -> float:
    """s_y: sample sd of y minus offset; unit of y."""
    y = design.y if design.offset is None else design.y - design.offset
    return float(np.std(y, ddof=1))


def residual_scale(design: DesignLike) -> float:
    """Scale of the default prior of sigma: s_y, times the root of the median weight (sigma is the sd at weight 1)."""
    median = 1.0 if design.weights is None else float(np.median(design.weights))
    return response_sd(design) * math.sqrt(median)


def spread(column: Array) -> float:
    """s_k: sample sd of a column of Z; the absolute value of a constant one; 1 for zeros and ones."""
    values = np.unique(column)
    if np.isin(values, (0.0, 1.0)).all():
        return 1.0
    return float(abs(values[0]) if values.size == 1 else np.std(column, ddof=1))


def default_scales(group: GroupLike, design: DesignLike) -> tuple[float, ...]:
    """Scales (q,) of the default priors of the sds of one group: s_y / s_k."""
    return tuple(response_sd(design) / spread(column) for column in group.columns.T)


@dataclass(frozen=True, eq=False)
class GroupPrior:
    """Prior of the covariance matrix of one grouping factor with q coefficients.

    Parameters
    ----------
    name : str
        The grouping factor.
    names : tuple of str
        Its coefficients (q,).
    sds : tuple of Distribution
        Priors (q,) of their sds.
    scales : tuple of float
        Default scales (q,), whatever the prior is: of the order of y's own spread, a start for a sampler.
    defaults : tuple of bool
        Which of the priors are defaults.
    blocks : tuple of (int, int)
        Ranges of coefficients that are correlated; each has an LKJ prior of its own.
    """

    name: str
    names: tuple[str, ...]
    sds: tuple[Distribution, ...]
    scales: tuple[float, ...]
    defaults: tuple[bool, ...]
    blocks: tuple[tuple[int, int], ...]

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """(later, earlier) positions of every correlation that is not fixed at 0."""
        return tuple(
            (i, j) for start, stop in self.blocks for i in range(start, stop) for j in range(start, i)
        )


@dataclass(frozen=True, eq=False)
class ResolvedPrior:
    """The prior that is used for one design.

    Parameters
    ----------
    kappa : float
        Prior precision scale of beta.
    mean, precision : array (p,), array (p, p)
        m and P of beta ~ N(m, (kappa P)^-1).
    fixed_names : tuple of str
        Columns of X (p,).
    residual : Distribution or None
        Prior of sigma; None where sigma is known.
    residual_scale : float
        Its default scale, or the known sigma.
    residual_note : str
        Where `residual` is the default, how its scale was found; else "".
    groups : tuple of GroupPrior
        One per grouping factor.
    corr : float
        eta of every LKJ prior.
    """

    kappa: float
    mean: Array
    precision: Array
    fixed_names: tuple[str, ...]
    residual: Distribution | None
    residual_scale: float
    residual_note: str
    groups: tuple[GroupPrior, ...]
    corr: float

    def lines(self) -> list[tuple[str, str, str]]:
        """(parameter, prior, remark) of every line."""
        return [*self._beta(), *self._sigma(), *self._sds(), *self._correlations()]

    def _beta(self) -> Iterator[tuple[str, str, str]]:
        if self.kappa == 0:
            yield "beta", "flat", "kappa = 0, as in REML and Henderson's equations"
            return
        sd = np.sqrt(np.diag(np.linalg.inv(self.precision)) / self.kappa)
        tied = not np.array_equal(self.precision, np.diag(np.diag(self.precision)))
        remark = f"kappa = {number(self.kappa, DIGITS)}" + (", correlated through P" if tied else "")
        for name, m, s in zip(self.fixed_names, self.mean, sd, strict=True):
            text = (
                f"fixed at {number(m, DIGITS)}"
                if s == 0
                else f"Normal({number(m, DIGITS)}, {number(s, DIGITS)})"
            )
            yield f"beta[{name}]", text, remark

    def _sigma(self) -> Iterator[tuple[str, str, str]]:
        if self.residual is None:
            yield "sigma", f"known, {number(self.residual_scale, DIGITS)}", ""
        else:
            yield "sigma", self.residual.text(DIGITS), self.residual_note

    def _sds(self) -> Iterator[tuple[str, str, str]]:
        for group in self.groups:
            for name, sd, default in zip(group.names, group.sds, group.defaults, strict=True):
                remark = "default: scale = sd of y / spread of the column" if default else ""
                yield f"sd_{group.name}[{name}]", sd.text(DIGITS), remark

    def _correlations(self) -> Iterator[tuple[str, str, str]]:
        for group in self.groups:
            for start, stop in group.blocks:
                names = ",".join(group.names[start:stop])
                yield f"corr_{group.name}[{names}]", f"LKJ({number(self.corr, DIGITS)})", "1 is uniform"

    def __str__(self) -> str:
        rows = self.lines()
        left, middle = (max(len(row[k]) for row in rows) for k in (0, 1))
        body = [f"  {a:<{left}}  {b:<{middle}}  {c}".rstrip() for a, b, c in rows]
        return "\n".join(["Prior, in the units of the data", *body])
