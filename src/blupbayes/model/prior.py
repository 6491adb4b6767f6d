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
from blupbayes.model.existence import check_existence
from blupbayes.model.packages import package_defaults
from blupbayes.model.read_prior import (
    check_names,
    full_mean,
    full_precision,
    in_words,
    one_number,
    read_covariance,
    read_mean,
    read_precision,
    read_sds,
)
from blupbayes.model.resolved import GroupPrior, ResolvedPrior
from blupbayes.model.scales import DesignLike, default_scales, residual_scale, term_ranges

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
        P, symmetric and positive semi-definite; None is the identity. Where P is 0 the prior is flat.
    residual : str, dict or Distribution, optional
        Prior of sigma, the residual sd (of a row with weight 1). Default: HalfStudentT(3, s_y), s_y the sample sd
        of y minus offset, times the square root of the median weight where there are weights.
    sd : the same, or {group: the same}, or {group: {coefficient: the same}}, optional
        Prior of the random-effect sds, in units of y per unit of the column, not relative to sigma.
        Default: HalfStudentT(3, s_y / s_k), s_k the sample sd of the coefficient's column of Z; the absolute value
        of a constant column, so 1 for an intercept; 1 for a column of zeros and ones.
    corr : float
        eta of the LKJ prior of each correlation matrix R: density proportional to det(R)^(eta - 1); 1 is uniform.
    covariance : Decov, Wishart, InverseWishart, or {group: one of these}, optional
        Joint prior of the covariance matrix of each term of a group, in place of `sd` and `corr` [E-JOINT].
    nu : float
        Degrees of freedom of beta's prior [E-STUDENT]: beta ~ multivariate t with location `mean` and scale matrix
        (kappa P)^-1. inf, the default, is the Gaussian.
    label : str
        Where the prior is from, for print; `like` fills it in.

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
    "PC(3, 0.01)" (P(sd > 3) = 0.01, exponential), "Uniform(0, 100)" and "Flat". They are distributions of the sd;
    with " on variance" behind, of the variance. "Flat on log sd", density 1/sd, can only be proper for the residual
    sd. Frozen distributions of scipy.stats and PreliZ are read too.

    Joint priors: Decov() is rstanarm's, Wishart() blme's, InverseWishart() R-INLA's; `like` takes over all defaults
    of a package.

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
    covariance: Any = None
    nu: float = math.inf
    label: str = ""

    def __post_init__(self) -> None:
        read = {
            "kappa": one_number("kappa", self.kappa, "a prior precision: 0 (flat) to inf", lambda k: k >= 0),
            "corr": one_number(
                "corr", self.corr, "eta of the LKJ prior: above 0", lambda eta: 0 < eta < math.inf
            ),
            "mean": read_mean(self.mean),
            "precision": read_precision(self.precision),
            "residual": None if self.residual is None else read_distribution(self.residual),
            "sd": read_sds(self.sd),
            "covariance": read_covariance(self.covariance),
            "nu": one_number(
                "nu", self.nu, "degrees of freedom: above 0; inf is Gaussian", lambda nu: nu > 0
            ),
        }
        for name, value in read.items():
            object.__setattr__(self, name, value)

    @classmethod
    def like(cls, package: str, model: Any) -> Prior:
        """The defaults of another package for a model, to set its answer beside ours.

        Parameters
        ----------
        package : {"rstanarm", "brms", "bambi", "blme", "inla"}
            rstanarm's stan_lmer, brms's brm, Bambi, blme's blmer (whose penalty is read as a prior), R-INLA.
        model : MixedModel or Design
            Its y and columns set the scales, as they do there; weights enter none of the formulas, an offset
            brms's alone, and a known sigma replaces the prior of sigma.

        Returns
        -------
        Prior
            Its `label`, printed with every result, says where it is from.

        Raises
        ------
        PriorError
            If there is no such package, it does not have this model (Bambi has no correlations), or the
            posterior under its defaults is improper (blme's with few levels).
        """
        design = getattr(model, "design", model)
        prior = cls(**package_defaults(package, design))
        try:
            prior.resolve(design)
        except PriorError as error:
            raise PriorError(f"{prior.label.split(';')[0]}: {error}") from error
        return prior

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
        resolved = self.filled(design)
        check_existence(design, resolved)
        return resolved

    def filled(self, design: DesignLike) -> ResolvedPrior:
        """The same for a mode, which needs no proper posterior.

        Raises
        ------
        PriorError
            If the prior names what the model does not have, or has the wrong length.
        """
        if design.sigma is not None and self.residual is not None:
            raise PriorError(
                f"The residual sd is known (sigma = {design.sigma:g}): leave residual out of the prior."
            )
        names = [g.name for g in design.groups]
        check_names("sd", self.sd, names)
        check_names("covariance", self.covariance, names)
        known = design.sigma is not None or self.residual is not None
        scale = residual_scale(design, stated=known)
        return ResolvedPrior(
            kappa=self.kappa,
            mean=full_mean(self.mean, design.fixed_names),
            precision=full_precision(self.precision, len(design.fixed_names)),
            fixed_names=tuple(design.fixed_names),
            residual=None if design.sigma is not None else self.residual or default(scale),
            residual_scale=scale if design.sigma is None else design.sigma,
            residual_note="" if self.residual else NOTE + NOTE_WEIGHTS * design.has_weights,
            groups=tuple(self._of_group(design, i) for i in range(len(design.groups))),
            corr=self.corr,
            nu=self.nu,
            label=self.label,
            given=self,
        )

    def _of_group(self, design: DesignLike, i: int) -> GroupPrior:
        group = design.groups[i]
        joint = self.covariance.get(group.name) if isinstance(self.covariance, Mapping) else self.covariance
        given = self.sd.get(group.name) if isinstance(self.sd, Mapping) else self.sd
        if (
            joint is not None
            and given is not None
            and (isinstance(self.sd, Mapping) or self.covariance is joint)
        ):
            raise PriorError(
                f"{group.name} has a prior in sd and a joint one in covariance: leave one of them out."
            )
        check_names(f"sd[{group.name!r}]", given, group.names)
        stated = [given.get(k) if isinstance(given, Mapping) else given for k in group.names]
        scales = default_scales(design, i)
        return GroupPrior(
            name=group.name,
            names=tuple(group.names),
            sds=() if joint else tuple(d or default(s) for d, s in zip(stated, scales, strict=True)),
            scales=scales,
            defaults=() if joint else tuple(d is None for d in stated),
            blocks=tuple((a, b) for a, b in term_ranges(group) if b - a > 1),
            eta=1.0 if joint else self.corr,
            joint=joint,
            terms=term_ranges(group),
        )

    def __str__(self) -> str:
        changed = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}
        return f"Prior({', '.join(f'{name}={in_words(value)!r}' for name, value in changed.items())})"


def default(scale: float) -> Distribution:
    """The weakly informative default: half-Student-t with 3 degrees of freedom."""
    return Distribution("HalfStudentT", (3.0, scale))
