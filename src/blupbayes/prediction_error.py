"""How far a prediction may be off: of the mean, beta and b jointly, and of a new observation [E-BLP]."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blupbayes.errors import DataError
from blupbayes.mme.forms import forms
from blupbayes.mme.gaussian import GaussianPosterior
from blupbayes.mme.least_squares import estimable
from blupbayes.model.design import Design
from blupbayes.predict import Rows, mean_of, predict, probability, read_rows

__all__ = ["error_variance", "noise_variance", "predict_with_error"]

Array = NDArray[np.float64]

KIND = "plug-in: variances held at their estimates"
NUMBERS = 4_000_000  # held at once

logger = logging.getLogger("blupbayes")


def predict_with_error(
    design: Design,
    beta: Array,
    gaussian: GaussianPosterior,
    data: Any = None,
    *,
    random: Any = "all",
    new_levels: str = "error",
    ci_prob: float | None = None,
    weights: Any = None,
    se: bool = True,
) -> pd.DataFrame:
    """Predictions with standard errors, for a fit; see `Fit.predict` for the arguments.

    Parameters
    ----------
    design : Design
    beta : array (p,)
        An aliased one counts as 0.
    gaussian : GaussianPosterior
        Henderson's equations at the estimates.
    """
    level = None if ci_prob is None else probability(ci_prob)
    if not se:
        if level is not None:
            raise DataError(f"ci_prob={ci_prob!r} with se=False: an interval needs the standard error.")
        return predict(design, beta, gaussian.b, data, random=random, new_levels=new_levels)
    rows = read_rows(design, data, random=random, new_levels=new_levels, weights=weights)
    variance, messages = unbounded(gaussian, rows, error_variance(gaussian, rows))
    spread = {"se_mean": variance, "sd_prediction": variance + noise_variance(gaussian, rows)}
    table = pd.DataFrame(
        {"mean": mean_of(rows, beta, gaussian.b)} | {k: np.sqrt(v) for k, v in spread.items()},
        index=rows.index,
    )
    if level is not None:
        z = NormalDist().inv_cdf(0.5 + level / 2)
        for name, sd in (("ci", table["se_mean"]), ("pi", table["sd_prediction"])):
            table[f"{name}_lb"], table[f"{name}_ub"] = table["mean"] - z * sd, table["mean"] + z * sd
    table.attrs = {"kind": KIND, "ci_prob": level, "messages": messages}
    return table


def error_variance(gaussian: GaussianPosterior, rows: Rows) -> Array:
    """Var(x'(beta_hat - beta) + z'(b_hat - b)) (m,) for the random coefficients that take part.

    With a = G'x - Y'z, G a right inverse of R and Y the response of b to R beta: a'Cov(R beta_hat) a + sigma^2 z'Wz.
    """
    s = gaussian.statistics
    variance = gaussian.sigma**2 * forms(gaussian.factor, s.layout, rows.codes, rows.inside)
    for which in portions(len(rows), s.rank):
        part = rows.some(which)
        a = gaussian.whitened(part.X)
        for codes, columns, Y in zip(part.codes, part.inside, gaussian.response, strict=True):
            for k in range(columns.shape[1]):
                a -= columns[:, k, None] * Y[codes, k]
        variance[which] += np.sum((a @ gaussian.g_cov) * a, axis=1)
    return np.maximum(variance, 0.0)


def noise_variance(gaussian: GaussianPosterior, rows: Rows) -> Array:
    """sigma^2 / w* + z'Sigma z (m,), z the random coefficients that do not take part, or whose level is new."""
    relative = 1.0 / rows.weights
    for T, columns in zip(gaussian.T, rows.outside, strict=True):
        relative = relative + np.sum((columns @ T) ** 2, axis=1)
    return np.asarray(gaussian.sigma**2 * relative)


def portions(m: int, width: int) -> Iterator[slice]:
    """Some of m rows at a time."""
    size = max(1, NUMBERS // max(width, 1))
    return (slice(k, min(k + size, m)) for k in range(0, m, size))


def unbounded(gaussian: GaussianPosterior, rows: Rows, variance: Array) -> tuple[Array, tuple[str, ...]]:
    """Infinite variances where the data do not say what the mean is, and a message that names these rows."""
    s = gaussian.statistics
    known = estimable(s.R, rows.X)
    if known.all():
        return variance, ()
    labels = pd.RangeIndex(len(rows)) if rows.index is None else pd.Index(rows.index)
    bad = [str(label) for label in labels[~known]]
    shown = ", ".join(bad[:5]) + (f" and {len(bad) - 5} more" if len(bad) > 5 else "")
    message = (
        f"{'Row' if len(bad) == 1 else 'Rows'} {shown}: the mean is not estimable, because it depends on what the "
        f"data do not tell apart ({', '.join(s.aliased)} is a combination of earlier columns). The mean shown takes "
        "aliased coefficients as 0; its standard error is infinite."
    )
    logger.warning(message)
    return np.where(known, variance, np.inf), (message,)
