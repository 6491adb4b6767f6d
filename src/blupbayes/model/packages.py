"""The default priors of other packages for one design, as arguments of Prior.

Each formula is the package's own for a Gaussian response with identity link. Where a package centres the columns of
X, its prior is one on theta_c = A beta, with A the identity but for the row of the intercept, which holds the column
means c: the intercept at the means. Independent normals on theta_c with precisions d are beta ~ N(A^-1 m_c, P^-1),
P = A' diag(d) A. Without an intercept nothing is centred.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blupbayes.errors import PriorError
from blupbayes.model.distributions import Distribution, number
from blupbayes.model.joint import Decov, InverseWishart, Wishart
from blupbayes.model.scales import DesignLike

__all__ = ["PACKAGES", "package_defaults"]

Array = NDArray[np.float64]
Options = dict[str, Any]

INTERCEPT = "Intercept"


def package_defaults(name: str, design: DesignLike) -> Options:
    """Arguments of Prior that give the defaults of a package.

    Parameters
    ----------
    name : {"rstanarm", "brms", "bambi", "blme", "inla"}
        In any case.
    design : Design
        Its y, X and columns of Z set the scales.

    Returns
    -------
    dict

    Raises
    ------
    PriorError
        If there is no such package, or its defaults cannot be said of this design.
    """
    known = PACKAGES.get(str(name).casefold())
    if known is None:
        near = get_close_matches(str(name).casefold(), PACKAGES, n=1)
        raise PriorError(
            f"No defaults of {name!r} are known here; there are those of {', '.join(PACKAGES)}."
            + (f" Did you mean {near[0]!r}?" if near else "")
        )
    options = known(design)
    if design.sigma is not None:
        options["residual"] = None
    return options


def rstanarm(design: DesignLike) -> Options:
    """stan_lmer of rstanarm 2.21 or later: autoscaled normals, Exponential(1/s_y), decov().

    Intercept at the column means ~ N(mean y, 2.5 s_y), slopes ~ N(0, 2.5 s_y / s_x), 0/1 columns included, s_x = 1
    for a constant column; sigma ~ Exponential(1 / s_y). y is used as it is: no offset or weight enters.
    """
    s_y = spread(design, ddof=1)
    sds = 2.5 * s_y / column_sds(design, ddof=1)
    mean = np.zeros(len(sds))
    at = intercept(design)
    if at is not None:
        sds[at], mean[at] = 2.5 * s_y, design.measures.y.mean[0]
    return {
        **centred(design, mean, sds),
        "residual": Distribution("Exponential", (1.0 / s_y,)),
        "covariance": Decov(),
        "label": "defaults of rstanarm (stan_lmer)" + at_means(at, mean, sds),
    }


def brms(design: DesignLike) -> Options:
    """brm of brms 2: flat slopes, t3 on the intercept at the column means, half-t3(0, S) on every sd, LKJ(1).

    S = max(2.5, mad y), location = median y, both rounded to one decimal as brms does, less the mean offset. Every
    sd has the same S, whatever the units of its column. Without an intercept all of beta is flat.
    """
    middle, deviation = design.measures.robust()
    S = max(2.5, round(1.4826 * deviation, 1))
    location = round(middle, 1) - design.measures.mean_offset
    half_t = Distribution("HalfStudentT", (3.0, S))
    options: Options = {"residual": half_t, "sd": half_t, "corr": 1.0, "label": "defaults of brms"}
    at = intercept(design)
    if at is None:
        return options | {"kappa": 0.0}
    c, mean = column_means(design), np.zeros(len(design.fixed_names))
    mean[at] = location
    beta: Options = {"kappa": 1.0, "mean": mean, "precision": np.outer(c, c) / S**2, "nu": 3.0}
    return options | beta


def bambi(design: DesignLike) -> Options:
    """Bambi 0.21: slopes ~ N(0, 2.5 s_y / s_x), sds with ddof = 0, HalfNormal sds, HalfStudentT(4, s_y) for sigma.

    The intercept has sd sqrt((2.5 s_y)^2 + sum_k (sd_k c_k)^2), at the column means although that adds what centring
    takes away; sds of random intercepts are HalfNormal with this scale, others HalfNormal(2.5 s_y / s_z). Bambi has
    no correlations. y is used as it is: no offset or weight enters.
    """
    tied = correlated(design)
    if tied:
        raise PriorError(
            f"Bambi has no correlations between random effects, and {tied[0]} has correlated ones here: for "
            f"Bambi's model write them uncorrelated, as in (Days || {tied[0]})."
        )
    s_y = spread(design, ddof=0)
    at, c = intercept(design), column_means(design)
    slopes = [k for k in range(len(c)) if k != at]
    sds, mean = 2.5 * s_y / column_sds(design, ddof=0, refuse="Bambi"), np.zeros(len(c))
    wide = math.sqrt((2.5 * s_y) ** 2 + sum((sds[k] * c[k]) ** 2 for k in slopes))
    if at is not None:
        sds[at], mean[at] = wide, design.measures.y.mean[0]
    return {
        **centred(design, mean, sds),
        "residual": Distribution("HalfStudentT", (4.0, s_y)),
        "sd": bambi_sds(design, wide, s_y),
        "label": "defaults of Bambi" + at_means(at, mean, sds),
    }


def bambi_sds(design: DesignLike, wide: float, s_y: float) -> dict[str, dict[str, Distribution]]:
    """HalfNormal for each coefficient of each group."""
    out = {}
    for group, of in zip(design.groups, design.measures.groups, strict=True):
        ones, sds = (of.columns.constant & (of.columns.low == 1)).tolist(), of.columns.sd(0).tolist()
        scales = [
            wide if one else 2.5 * s_y / positive(sd, name, "Bambi")
            for name, one, sd in zip(group.names, ones, sds, strict=True)
        ]
        priors = [Distribution("HalfNormal", (s,)) for s in scales]
        out[group.name] = dict(zip(group.names, priors, strict=True))
    return out


def blme(design: DesignLike) -> Options:
    """blmer of blme 1.0: Wishart(df = q + 2.5, scale = inf) on Sigma / sigma^2 with respect to the matrix, beta flat.

    blme penalises the likelihood and reports the mode. Read as a prior it is improper, and so is the posterior
    unless E > df + q - 1 [E-TAIL]: with a flat mean, more than 4.5 levels for q = 1 and 6.5 for q = 2. blme has no
    prior of sigma either; flat on log sigma is taken, which makes the posterior the same in all units of y.
    """
    return {
        "kappa": 0.0,
        "covariance": Wishart(),
        "residual": Distribution("HalfFlat", (), "log sd"),
        "label": "defaults of blme (blmer), read as a prior; sigma flat on the log scale",
    }


def inla(design: DesignLike) -> Options:
    """R-INLA: logGamma(1, 5e-5) on log precisions, in the units of y; intercept flat, other columns precision 0.001.

    So every variance is InverseGamma(1, 5e-5), whatever the units. Correlated terms are taken as `iidkd`, whose
    precision matrix is Wishart(100, I).
    """
    precisions = np.full(len(design.fixed_names), 0.001)
    at = intercept(design)
    if at is not None:
        precisions[at] = 0.0
    variance = Distribution("InverseGamma", (1.0, 5e-5), "variance")
    tied = correlated(design)
    mixed = [g.name for g in design.groups if g.name in tied and len(g.terms) > 1]
    if mixed:
        raise PriorError(
            f"R-INLA has no default for correlated and other terms of one group; {mixed[0]} has both here."
        )
    return {
        "kappa": 1.0 if precisions.any() else 0.0,
        "precision": np.diag(precisions) if precisions.any() else None,
        "residual": variance,
        "sd": {g.name: dict.fromkeys(g.names, variance) for g in design.groups if g.name not in tied},
        "covariance": dict.fromkeys(tied, InverseWishart(100.0, 1.0)) or None,
        "label": "defaults of R-INLA, in the units of y",
    }


PACKAGES: dict[str, Callable[[DesignLike], Options]] = {
    "rstanarm": rstanarm,
    "brms": brms,
    "bambi": bambi,
    "blme": blme,
    "inla": inla,
}


def correlated(design: DesignLike) -> list[str]:
    """Groups with correlated coefficients."""
    pairs = [(g.name, t) for g in design.groups for t in g.terms]
    return [name for name, t in pairs if t.structure == "full" and t.stop - t.start > 1]


def intercept(design: DesignLike) -> int | None:
    """Place of the intercept among the columns of X."""
    names = tuple(design.fixed_names)
    return names.index(INTERCEPT) if INTERCEPT in names else None


def column_means(design: DesignLike) -> Array:
    """c (p,)."""
    return design.measures.X.mean


def spread(design: DesignLike, ddof: int) -> float:
    """Sample sd of y, offset included."""
    return float(design.measures.y.sd(ddof)[0])


def column_sds(design: DesignLike, ddof: int, refuse: str = "") -> Array:
    """Sample sds (p,) of the columns of X; 1 for a constant column, or a PriorError where a package has no answer."""
    sds = design.measures.X.sd(ddof)
    for name, sd in zip(design.fixed_names, sds, strict=True):
        if refuse and name != INTERCEPT:
            positive(float(sd), name, refuse)
    return np.where(sds > 0, sds, 1.0)


def positive(sd: float, name: str, package: str) -> float:
    """The sd of a column, or a PriorError if it is constant."""
    if sd > 0:
        return sd
    raise PriorError(
        f"{package} divides by the sd of each column, and {name} is constant: it has no default there."
    )


def centred(design: DesignLike, mean: Array, sds: Array) -> Options:
    """kappa, mean and precision of beta from independent normals on A beta."""
    if not len(sds):
        return {"kappa": 0.0}
    A, at = np.eye(len(sds)), intercept(design)
    if at is not None:
        A[at] = column_means(design)
    return {"kappa": 1.0, "mean": np.linalg.solve(A, mean), "precision": A.T @ np.diag(sds**-2.0) @ A}


def at_means(at: int | None, mean: Array, sds: Array) -> str:
    """What is said of the intercept at the column means."""
    if at is None:
        return ""
    return (
        f"; intercept at the column means ~ Normal({number(float(mean[at]), 6)}, {number(float(sds[at]), 6)})"
    )
