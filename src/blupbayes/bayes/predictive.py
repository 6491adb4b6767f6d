"""Predictions from an Integral: linear combinations of beta and b at every point, and new observations around them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blupbayes.bayes.integrate import Integral
from blupbayes.bayes.mixture import Mixture
from blupbayes.mme.many import eliminate_many
from blupbayes.model.design import Design
from blupbayes.predict import Rows, probability, read_rows

__all__ = ["predict_exactly", "predictors", "relative_noise", "tabulated"]

Array = NDArray[np.float64]

KIND = "posterior: equal-tailed intervals, the variances integrated over"
COLUMNS = ("mean", "sd_mean", "ci_lb", "ci_ub", "sd_prediction", "pi_lb", "pi_ub")
STORED = 20_000_000  # numbers held for all points and some rows
NUMBERS = 4_000_000  # the same of the response to beta


def predict_exactly(
    integral: Integral, design: Design, data: Any, ci_prob: float, **options: Any
) -> pd.DataFrame:
    """Posterior of the mean and of a new observation of every row [E-BLP], [E-TOWER], [E-TOTALVAR].

    Parameters
    ----------
    integral : Integral
    design : Design
        The one that was integrated.
    data : frame or None
    ci_prob : float
        Level of equal-tailed intervals.
    **options
        random, new_levels, weights: see predict.read_rows.

    Returns
    -------
    DataFrame
        Columns COLUMNS, a row per row.
    """
    level, rows = probability(ci_prob), read_rows(design, data, **options)
    found = [
        described(mean, new, part, level)
        for some in portions(rows, STORED // len(integral.mixture.points))
        for part, mean, new in mixtures(integral, some)
    ]
    return tabulated(found, rows, level)


def tabulated(found: Sequence[Array], rows: Rows, level: float) -> pd.DataFrame:
    """All rows under their own index, with what the numbers are."""
    values = np.vstack(found) if found else np.empty((0, len(COLUMNS)))
    table = pd.DataFrame(values, index=rows.index, columns=list(COLUMNS))
    table.attrs = {"kind": KIND, "ci_prob": level}
    return table


def described(mean: Mixture, new: Mixture, rows: Rows, level: float) -> Array:
    """Columns COLUMNS of some rows."""
    probs = ((1 - level) / 2, (1 + level) / 2)
    inner, outer = mean.linear(mean.weights), new.linear(new.weights)
    ends, limits = mean.linear_quantiles(probs), new.linear_quantiles(probs)
    o = rows.offset
    return np.column_stack(
        [o + inner.mean, inner.sd, o + ends[0], o + ends[1], outer.sd, o + limits[0], o + limits[1]]
    )


def mixtures(integral: Integral, rows: Rows) -> Iterator[tuple[Rows, Mixture, Mixture]]:
    """Some rows at a time: the mixture of their means without offset, and that of new observations."""
    mixture, marginal = integral.mixture, integral.marginal
    points, T = mixture.points, marginal.coordinates.places(mixture.points.v).T
    shapes = marginal.statistics.layout.shapes
    own = np.concatenate(
        [many.forms(rows.codes, rows.inside) for _, many in eliminate_many(marginal.statistics, T)]
    )
    start = 0
    for part in portions(rows, NUMBERS // max(1, len(points) * points.B.shape[2])):
        own_part = own[:, start : start + len(part)]
        start += len(part)
        extra = np.sum((part.X @ marginal.hidden_root) ** 2, axis=1)
        mean = replace(
            points,
            base=predictors(part, points.base, shapes),
            B=predictors(part, points.B, shapes),
            own=own_part,
            extra=np.broadcast_to(extra, own_part.shape),
        )
        new = replace(mean, own=own_part + relative_noise(part, T))
        yield part, replace(mixture, points=mean), replace(mixture, points=new)


def predictors(rows: Rows, values: Array, shapes: Sequence[tuple[int, int]]) -> Array:
    """x'beta + z'b (m, n, ...) of values (m, Q, ...) of [beta, b level by level, ...] at m points.

    ``shapes``: (J, q) of every grouping factor.
    """
    p = rows.X.shape[1]
    out, start = np.moveaxis(np.tensordot(rows.X, values[:, :p], axes=(1, 1)), 0, 1), p
    for (J, q), codes, columns in zip(shapes, rows.codes, rows.inside, strict=True):
        for a in range(q):
            z = columns[:, a].reshape(-1, *(1,) * (values.ndim - 2))
            out = out + z * values[:, start + codes * q + a]
        start += J * q
    return out


def relative_noise(rows: Rows, T: Sequence[Array]) -> Array:
    """1 / w* + z'T T'z (m, n), z what does not take part: variances of a new observation, over sigma^2."""
    out = np.broadcast_to(1.0 / rows.weights, (len(T[0]), len(rows)))
    for root, columns in zip(T, rows.outside, strict=True):
        if columns.any():
            out = out + np.sum((columns @ root) ** 2, axis=2)
    return out


def portions(rows: Rows, size: int) -> Iterator[Rows]:
    """Some rows at a time."""
    size = max(1, size)
    return (rows.some(slice(k, k + size)) for k in range(0, len(rows), size))
