"""Standard errors of sds, variances and correlations: an information matrix and the delta method.

The information is taken in (theta, log sigma^2) and carried over by first derivatives. Columns of T that are
zero stand at the boundary, where a likelihood has no standard error: they are held there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blupbayes.errors import DataError
from blupbayes.frequentist.readings import Reading, readings, slopes
from blupbayes.mme.criterion import Evaluation, evaluate
from blupbayes.mme.fit import Estimate
from blupbayes.mme.information import second_order, theta_curvature
from blupbayes.mme.statistics import Statistics

__all__ = ["AT_BOUNDARY", "KINDS", "Spread", "spread", "varcorr", "wald"]

Array = NDArray[np.float64]
KINDS = ("observed", "average", "expected")
AT_BOUNDARY = "at the boundary of the parameter space: no standard error"
FLAT = 1e-8  # eigenvalues of the scaled information below this share of the largest say nothing
LARGEST = 6000  # random effects: a matrix of their squares is formed for exact traces up to here


@dataclass(frozen=True, eq=False)
class Spread:
    """Sampling covariance of (theta, log sigma^2) and what follows from it.

    ``cov`` (m + 1, m + 1): rows of what is at the boundary or known are zero; ``which``: the variance parameters;
    ``values``, ``se`` (k,): NaN at the boundary; ``kind``: which information.
    """

    at: Evaluation
    kind: str
    cov: Array
    which: tuple[Reading, ...]
    values: Array
    se: Array


def spread(estimate: Estimate, kind: str = "observed") -> Spread:
    """Standard errors of all variance parameters [E-INFO].

    Parameters
    ----------
    estimate : Estimate
        ML or REML; the information is that of its criterion.
    kind : {"observed", "average", "expected"}
        The curvature of the criterion, the average information of AI-REML, or Fisher's.

    Raises
    ------
    DataError
        If kind is another one, or Fisher's information needs a matrix that is too large.
    """
    if kind not in KINDS:
        raise DataError(f"information={kind!r} is not one of {', '.join(map(repr, KINDS))}.")
    s, T, sigma = estimate.statistics, estimate.T, estimate.sigma
    at = evaluate(s, estimate.theta, estimate.method)
    cov = inverse_on(curvature(at, kind) / 2.0, inner(s, T))
    which = readings(s.groups, sigma=s.sigma is None)
    values = np.array([x.value(T, sigma) for x in which])
    J = slopes(which, s.groups, T, sigma)
    edge = np.array([at_edge(x, v) for x, v in zip(which, values, strict=True)], dtype=bool)
    J[edge] = 0.0
    se = np.where(edge, np.nan, np.sqrt(np.maximum(np.einsum("ki,ij,kj->k", J, cov, J), 0.0)))
    return Spread(at, kind, cov, which, values, se)


def curvature(at: Evaluation, kind: str) -> Array:
    """Curvature (m + 1, m + 1) of the deviance in (theta, log sigma^2)."""
    if kind == "observed":
        return theta_curvature(at)
    found = second_order(at, form=kind == "expected" and formable(at.statistics))
    inner = found.average if kind == "average" else found.expected
    return np.asarray(found.to_Omega.T @ inner @ found.to_Omega)


def formable(statistics: Statistics) -> bool:
    """Whether Z'PZ has to be formed for exact traces; refused where it is too large."""
    needed = statistics.core is None and len(statistics.groups) > 1
    if needed and statistics.layout.size > LARGEST:
        raise DataError(
            f"expected information and Kenward-Roger need a dense matrix of all {statistics.layout.size} random "
            f"effects, and {LARGEST} is the limit. Use the observed information and df='satterthwaite'."
        )
    return needed


def inner(statistics: Statistics, T: tuple[Array, ...]) -> NDArray[np.bool_]:
    """Which of (theta, log sigma^2) are free (m + 1,): not in a zero column of T, and sigma not known."""
    free = np.ones(statistics.n_theta + 1, dtype=bool)
    free[-1] = statistics.sigma is None
    for t, own in zip(statistics.templates, T, strict=True):
        free[t.index] = np.any(own != 0.0, axis=0)[t.cols]
    return free


def at_edge(reading: Reading, value: float) -> bool:
    """Whether a variance parameter stands at the boundary: an sd of 0, a correlation of -1, 1 or none."""
    if reading.kind == "corr":
        return not abs(value) < 1.0 - 1e-9
    return value == 0.0


def inverse_on(M: Array, free: NDArray[np.bool_]) -> Array:
    """Inverse of M (k, k) on the free entries, zero elsewhere; directions without curvature count as known."""
    out = np.zeros_like(M)
    part = M[np.ix_(free, free)]
    if part.size:
        size = np.sqrt(np.abs(part.diagonal()))
        size[size == 0] = 1.0
        values, vectors = np.linalg.eigh(part / np.outer(size, size))
        seen = values > FLAT * max(float(values[-1]), 0.0)
        half = vectors[:, seen] / np.sqrt(values[seen]) / size[:, None]
        out[np.ix_(free, free)] = half @ half.T
    return out


def varcorr(statistics: Statistics, found: Spread) -> pd.DataFrame:
    """Variances and covariances, sds and correlations, each with its standard error: lme4's VarCorr as a table.

    Returns
    -------
    DataFrame
        group, term, with_term, vcov, vcov_se, sdcor, sdcor_se; for a pair of coefficients vcov is their covariance
        and sdcor their correlation, as in lme4. ``attrs`` say which information and how it was carried over.
    """
    T, sigma = found.at.factor.T, found.at.sigma
    J = slopes(found.which, statistics.groups, T, sigma)
    order = sorted(range(len(found.which)), key=lambda k: found.which[k].group < 0)  # sigma last
    rows = [row_of(statistics, found, J, k) for k in order]
    table = pd.DataFrame(rows, columns=["group", "term", "with_term", "vcov", "vcov_se", "sdcor", "sdcor_se"])
    table.attrs["se"] = f"{found.kind} information, delta method; NaN at the boundary"
    return table


def row_of(statistics: Statistics, found: Spread, J: Array, k: int) -> tuple[Any, ...]:
    """One row of varcorr."""
    x, value, se = found.which[k], float(found.values[k]), float(found.se[k])
    vcov, slope = covariance(found, J, k) if x.kind == "corr" else (value**2, 2.0 * value * J[k])
    vcov_se = np.nan if np.isnan(se) else float(np.sqrt(np.maximum(slope @ found.cov @ slope, 0.0)))
    if x.kind == "sigma":
        return "residual", "", "", vcov, vcov_se, value, se
    g = statistics.groups[x.group]
    return g.name, g.names[x.r], g.names[x.c] if x.kind == "corr" else "", vcov, vcov_se, value, se


def covariance(found: Spread, J: Array, k: int) -> tuple[float, Array]:
    """The k-th pair's covariance and its slope in (theta, log sigma^2), from the correlation and the two sds."""
    x, corr = found.which[k], found.values[k]
    place = {(y.group, y.r): i for i, y in enumerate(found.which) if y.kind == "sd"}
    i, j = place[x.group, x.r], place[x.group, x.c]
    a, b = found.values[i], found.values[j]
    if np.isnan(corr):
        return 0.0, np.zeros(J.shape[1])
    return float(a * b * corr), a * b * J[k] + corr * (a * J[j] + b * J[i])


def wald(found: Spread, z: float) -> tuple[Array, Array, list[str]]:
    """Wald limits (k,) of every variance parameter on the scale where it is most nearly normal, and that scale.

    Sds on the log scale, correlations on Fisher's z; NaN at the boundary.
    """
    low, high, scale = np.full(len(found.se), np.nan), np.full(len(found.se), np.nan), []
    for k, (x, v, se) in enumerate(zip(found.which, found.values, found.se, strict=True)):
        scale.append("Fisher z" if x.kind == "corr" else "log")
        if np.isnan(se):
            continue
        if x.kind == "corr":
            middle, width = np.arctanh(v), z * se / (1.0 - v**2)
            low[k], high[k] = np.tanh(middle - width), np.tanh(middle + width)
        else:
            with np.errstate(
                over="ignore"
            ):  # an sd next to 0 says hardly more than that it has an upper limit
                low[k], high[k] = v * np.exp(-z * se / v), v * np.exp(z * se / v)
    return low, high, scale
