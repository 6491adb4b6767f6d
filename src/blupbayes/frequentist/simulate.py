"""New responses from a fit, and the fit of another response to the same design."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blupbayes.errors import DataError
from blupbayes.mme.fit import Estimate, estimate
from blupbayes.mme.gaussian import GaussianPosterior
from blupbayes.mme.statistics import reduce
from blupbayes.model.checks import check_response
from blupbayes.model.design import Design
from blupbayes.model.structure import data_hash
from blupbayes.predict import choose, mean_of, read_rows

__all__ = ["count", "refit", "responses", "simulate", "with_response"]

Array = NDArray[np.float64]

NUMBERS = 4_000_000  # held at once


def simulate(
    design: Design,
    beta: Array,
    gaussian: GaussianPosterior,
    n: int = 1,
    random: str = "new",
    random_seed: Any = None,
) -> pd.DataFrame:
    """n responses (n_obs, n) from the model at its estimates, under the data's index.

    Parameters
    ----------
    design : Design
    beta : array (p,)
    gaussian : GaussianPosterior
    n : int
    random : {"new", "conditional"}
        Random effects drawn anew for each response, or held at the BLUPs.
    random_seed : int or Generator, optional

    Raises
    ------
    DataError
        If n is not a whole number above 0, or there is no such way.
    """
    choose("random", random, ("new", "conditional"))
    rng = np.random.default_rng(random_seed)
    parts = list(responses(design, beta, gaussian, count("n", n), random == "new", rng))
    return pd.DataFrame(np.hstack(parts), index=design.rows)


def responses(
    design: Design, beta: Array, gaussian: GaussianPosterior, n: int, new: bool, rng: np.random.Generator
) -> Iterator[Array]:
    """n responses (n_obs, some), some at a time [E-MODEL]; b drawn anew, or at the BLUPs."""
    rows = read_rows(design, None, random="none" if new else "all")
    mean, sd = mean_of(rows, beta, gaussian.b), gaussian.sigma / np.sqrt(rows.weights)
    size = max(1, NUMBERS // design.n_obs)
    for start in range(0, n, size):
        m = min(size, n - start)
        y = mean[:, None] + sd[:, None] * rng.standard_normal((design.n_obs, m))
        for g, T in zip(design.groups if new else (), gaussian.T, strict=False):
            b = gaussian.sigma * np.tensordot(T, rng.standard_normal((len(T), len(g.levels), m)), axes=1)
            for k in range(len(T)):
                y += g.columns[:, k, None] * b[k, g.codes]
        yield y


def refit(design: Design, method: str, y: Any) -> tuple[Design, Estimate]:
    """The same design with another response, and its estimates.

    The search begins where any other does: at the old theta a variance of zero would be stationary for whatever data.
    """
    other = with_response(design, y)
    return other, estimate(reduce(other), method)


def with_response(design: Design, y: Any) -> Design:
    """The same design with another response.

    Parameters
    ----------
    design : Design
    y : array or Series (n_obs,)
        In the order of the design's rows; a Series must have their labels.

    Raises
    ------
    DataError
        If y has another length or other labels, misses a value, or does not vary.
    """
    if isinstance(y, pd.Series) and not y.index.equals(design.rows):
        raise DataError("refit: y is a Series with other row labels than the data of the fit. Reindex it.")
    try:
        values = np.array(y, dtype=float)
    except (TypeError, ValueError) as error:
        raise DataError(f"refit: y is not numbers ({error}).") from error
    if values.shape != (design.n_obs,):
        raise DataError(
            f"refit: y has shape {values.shape}, the fit has {design.n_obs} rows. Give one value for each."
        )
    bad = int((~np.isfinite(values)).sum())
    if bad:
        raise DataError(f"refit: {bad} of {design.n_obs} values of y are missing or infinite. Fill them in.")
    check_response(values, design.response, design.sigma)
    return replace(design, y=values, hash=data_hash(vars(design) | {"y": values}))


def count(name: str, n: Any) -> int:
    """A whole number above 0."""
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
        raise DataError(f"{name}={n!r}: give a whole number above 0.")
    return int(n)
