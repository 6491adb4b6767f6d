"""What the fit leaves: fitted values, residuals, leverage, and quantile residuals by simulation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blupbayes.frequentist.simulate import count, responses
from blupbayes.mme.gaussian import GaussianPosterior
from blupbayes.model.design import Design
from blupbayes.predict import choose, mean_of, read_rows
from blupbayes.prediction_error import error_variance, noise_variance

__all__ = ["fitted", "leverage", "quantile_residuals", "residuals"]

Array = NDArray[np.float64]

KINDS = ("raw", "pearson", "studentized")
LEVELS = ("conditional", "marginal")
NOTHING = 1e-10  # of the variance of y: residuals of less are rounding, of a row that fits itself


def fitted(design: Design, beta: Array, gaussian: GaussianPosterior, level: str = "conditional") -> pd.Series:
    """o + X beta + Z b of the data's rows, or o + X beta ("marginal")."""
    choose("level", level, LEVELS)
    rows = read_rows(design, None, random="all" if level == "conditional" else "none")
    return pd.Series(mean_of(rows, beta, gaussian.b), index=design.rows, name="fitted")


def residuals(
    design: Design, beta: Array, gaussian: GaussianPosterior, kind: str = "raw", level: str = "conditional"
) -> pd.Series:
    """Residuals of the data's rows.

    Parameters
    ----------
    design : Design
    beta : array (p,)
    gaussian : GaussianPosterior
    kind : {"raw", "pearson", "studentized"}
        y less the fitted value; over the sd of y; or over the sd of the residual itself, which is smaller, as the
        row has pulled the fit towards it. The variances count as known.
    level : {"conditional", "marginal"}
        Around o + X beta + Z b or o + X beta; the sd of y is sigma / sqrt(w), or sqrt(z'Sigma z + sigma^2 / w).

    Returns
    -------
    Series
        Unit of y (raw), else free of units; NaN (studentized) for a row that fits itself.

    Raises
    ------
    DataError
        If there is no such kind or level.
    """
    choose("kind", kind, KINDS)
    raw = design.y - fitted(design, beta, gaussian, level).to_numpy()
    if kind != "raw":
        rows = read_rows(design, None, random="all" if level == "conditional" else "none")
        variance = noise_variance(gaussian, rows)
        if kind == "studentized":
            left = variance - error_variance(gaussian, rows)
            variance = np.where(left > NOTHING * variance, left, np.nan)
        raw = raw / np.sqrt(variance)
    return pd.Series(raw, index=design.rows, name=kind)


def leverage(design: Design, gaussian: GaussianPosterior) -> pd.Series:
    """d fitted_i / d y_i of the conditional fit at known variances: w_i se_mean_i^2 / sigma^2, between 0 and 1."""
    rows = read_rows(design, None)
    h = rows.weights * error_variance(gaussian, rows) / gaussian.sigma**2
    return pd.Series(h, index=design.rows, name="leverage")


def quantile_residuals(
    design: Design,
    beta: Array,
    gaussian: GaussianPosterior,
    n: int = 250,
    random_seed: Any = None,
    level: str = "marginal",
) -> pd.Series:
    """Where each y stands among n simulated ones, as a number between 0 and 1.

    Parameters
    ----------
    design : Design
    beta : array (p,)
    gaussian : GaussianPosterior
    n : int
        Simulations.
    random_seed : int or Generator, optional
    level : {"marginal", "conditional"}
        Random effects drawn anew in each simulation, or held at the BLUPs.

    Returns
    -------
    Series
        (number of simulated values below y + u) / (n + 1), u uniform: uniform on [0, 1] if the model holds. Rows of
        one level share its random effect, so marginal ones are not independent; conditional ones are too narrow, as
        the BLUPs have seen y.

    Raises
    ------
    DataError
        If n is not a whole number above 0, or there is no such level.
    """
    choose("level", level, LEVELS)
    rng = np.random.default_rng(random_seed)
    below = rng.random(design.n_obs)
    for y in responses(design, beta, gaussian, count("n", n), level == "marginal", rng):
        below += np.sum(y < design.y[:, None], axis=1)
    return pd.Series(below / (n + 1), index=design.rows, name="quantile")
