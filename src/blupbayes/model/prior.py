"""Prior: beta ~ N(m, (kappa P)^-1), sds, correlation and residual. kappa = 0 is Henderson's and REML's case."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blupbayes.errors import PriorError
from blupbayes.model.distributions import Distribution, read_distribution
from blupbayes.model.read_prior import check_names, one_number, read_mean, read_precision, read_sds
from blupbayes.model.resolved import (
    DesignLike,
    GroupLike,
    GroupPrior,
    ResolvedPrior,
    default_scales,
    residual_scale,
)

__all__ = ["Prior", "read_prior"]

Array = NDArray[np.float64]

NOTE = "default: scale = sd of y"
NOTE_WEIGHTS = " x root of the median weight"


def read_prior(given: Any) -> Prior:
    """The Prior that a user gave, the default for None.

    Raises
    ------
    PriorError
        If it is something else, such as the text of one distribution.
    """
    if given is None:
        return Prior()
    if isinstance(given, Prior):
        return given
    raise PriorError(
        f"prior={given!r}: give bb.Prior(sd={given!r}), say, which names what has this distribution."
    )


@dataclass(frozen=True)
class Prior:
    """Prior of a linear mixed model [E-MODEL]; what is not given takes its default.

    Parameters
    ----------
    kappa : float
        Prior precision of beta, in [0, inf]; unit 1/beta^2. 0, the default, is flat, so that the posterior stands
        beside REML; inf pins beta at `mean`.
    mean : float, array (p,) or {column: value}
        Prior mean m of beta; columns that a dict leaves out have 0. Without effect at kappa = 0.
    precision : array (p, p), optional
        P, symmetric and positive definite; None is the identity.
    residual : str, dict or Distribution, optional
        Prior of sigma, the residual sd (of a row with weight 1). Default: HalfStudentT(3, s_y), s_y the sample sd
        of y minus offset, times the square root of the median weight where there are weights.
    sd : the same, or {group: the same}, or {group: {coefficient: the same}}, optional
        Prior of the random-effect sds, in units of y per unit of the column, not relative to sigma.
        Default: HalfStudentT(3, s_y / s_k), s_k the sample sd of the coefficient's column of Z; the absolute value
        of a constant column, so 1 for an intercept; 1 for a column of zeros and ones.
    corr : float
        eta of the LKJ prior of each correlation matrix R: density proportional to det(R)^(eta - 1); 1 is uniform.
    covariance : None
        Reserved for joint priors of a covariance matrix.

    Raises
    ------
    PriorError
        If something cannot be read or is out of range.

    Notes
    -----
    The defaults are weakly informative: the scale says of which order of magnitude an sd may be, nothing keeps it
    away from 0, and with 3 degrees of freedom the tail gives way to data that want more. They are equivariant:
    in other units of y or of a column (a coding of 0 and 1 is no unit) the posterior is the same posterior in
    those units.

    Distributions: "HalfNormal(50)", "HalfStudentT(3, 50)" (degrees of freedom, scale), "HalfCauchy(5)",
    "Exponential(0.02)" (a rate, as PyMC's lam), "Gamma(2, 0.1)" (shape, rate), "InverseGamma(0.001, 0.001)",
    "Uniform(0, 100)" and "Flat". They are distributions of the sd; with " on variance" behind, of the variance.

    Examples
    --------
    >>> print(Prior(residual="HalfStudentT(3, 25)", sd={"Rail": "HalfNormal(50)"}))
    Prior(residual='HalfStudentT(3, 25)', sd={'Rail': 'HalfNormal(50)'})
    """

    kappa: float = 0.0
    mean: Any = 0.0
    precision: Any = None
    residual: Any = None
    sd: Any = None
    corr: float = 1.0
    covariance: None = None

    def __post_init__(self) -> None:
        if self.covariance is not None:
            raise PriorError(
                "Joint priors on a covariance matrix are not available in this version: use sd and corr."
            )
        read = {
            "kappa": one_number("kappa", self.kappa, "a prior precision: 0 (flat) to inf", lambda k: k >= 0),
            "corr": one_number(
                "corr", self.corr, "eta of the LKJ prior: above 0", lambda eta: 0 < eta < math.inf
            ),
            "mean": read_mean(self.mean),
            "precision": read_precision(self.precision),
            "residual": None if self.residual is None else read_distribution(self.residual),
            "sd": read_sds(self.sd),
        }
        for name, value in read.items():
            object.__setattr__(self, name, value)

    def resolve(self, design: DesignLike) -> ResolvedPrior:
        """The prior of one design, defaults filled in.

        Parameters
        ----------
        design : Design
            Its y, offset, weights, names and columns of Z set the default scales.

        Returns
        -------
        ResolvedPrior
            ``str()`` of it prints every line of the prior that is used.

        Raises
        ------
        PriorError
            If the prior names a group, coefficient or column that the model does not have, has the wrong
            length, or certainly leads to an improper posterior.
        """
        if design.sigma is not None and self.residual is not None:
            raise PriorError(
                f"The residual sd is known (sigma = {design.sigma:g}): leave residual out of the prior."
            )
        check_names("sd", self.sd, [g.name for g in design.groups])
        scale = residual_scale(design)
        return ResolvedPrior(
            kappa=self.kappa,
            mean=full_mean(self.mean, design.fixed_names),
            precision=full_precision(self.precision, len(design.fixed_names)),
            fixed_names=tuple(design.fixed_names),
            residual=None if design.sigma is not None else self.residual or default(scale),
            residual_scale=scale if design.sigma is None else design.sigma,
            residual_note=""
            if self.residual
            else NOTE + (NOTE_WEIGHTS if design.weights is not None else ""),
            groups=tuple(self._of_group(g, design) for g in design.groups),
            corr=self.corr,
        )

    def _of_group(self, group: GroupLike, design: DesignLike) -> GroupPrior:
        given = self.sd.get(group.name) if isinstance(self.sd, Mapping) else self.sd
        check_names(f"sd[{group.name!r}]", given, group.names)
        stated = [given.get(k) if isinstance(given, Mapping) else given for k in group.names]
        scales = default_scales(group, design)
        sds = tuple(d or default(s) for d, s in zip(stated, scales, strict=True))
        for name, sd in zip(group.names, sds, strict=True):
            check_proper(group, name, sd, flat_mean=self.kappa == 0 and name in design.fixed_names)
        blocks = tuple(
            (t.start, t.stop) for t in group.terms if t.structure == "full" and t.stop - t.start > 1
        )
        return GroupPrior(
            group.name, tuple(group.names), sds, scales, tuple(d is None for d in stated), blocks
        )

    def __str__(self) -> str:
        changed = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}
        return f"Prior({', '.join(f'{name}={in_words(value)!r}' for name, value in changed.items())})"


def default(scale: float) -> Distribution:
    """The weakly informative default: half-Student-t with 3 degrees of freedom."""
    return Distribution("HalfStudentT", (3.0, scale))


def in_words(value: Any) -> Any:
    """Distributions as the strings that make them, at any depth."""
    if isinstance(value, Mapping):
        return {key: in_words(inner) for key, inner in value.items()}
    return str(value) if isinstance(value, Distribution) else value


def full_mean(mean: Any, names: tuple[str, ...]) -> Array:
    """m (p,)."""
    check_names("mean", mean, names)
    if isinstance(mean, Mapping):
        return np.array([mean.get(name, 0.0) for name in names])
    if isinstance(mean, tuple) and len(mean) != len(names):
        raise PriorError(f"mean has {len(mean)} numbers; X has {len(names)} columns: {', '.join(names)}.")
    return np.full(len(names), mean, dtype=float)


def full_precision(precision: tuple[tuple[float, ...], ...] | None, p: int) -> Array:
    """P (p, p)."""
    if precision is not None and len(precision) != p:
        raise PriorError(f"precision is ({len(precision)}, {len(precision)}); X has {p} columns.")
    return np.eye(p) if precision is None else np.array(precision)


def check_proper(group: GroupLike, name: str, sd: Distribution, flat_mean: bool) -> None:
    """PriorError where a flat prior leaves the posterior of an sd improper.

    The likelihood falls off as sd^-(J - 1) if the coefficient's mean has a flat prior too, else as sd^-J.
    """
    needed = 2 + (sd.on == "variance") + flat_mean
    if sd.name == "HalfFlat" and len(group.levels) < needed:
        raise PriorError(
            f"A flat prior on the sd of {name} needs at least {needed} levels of {group.name} for a proper posterior; "
            f"there are {len(group.levels)}. Give a proper one, such as 'HalfStudentT(3, ...)', or leave it out."
        )
