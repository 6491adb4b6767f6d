"""Fitted values and predictions: the one place besides the design that looks at rows again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blupbayes.errors import DataError, NewLevelError
from blupbayes.model.design import Design

__all__ = ["predict"]

Array = NDArray[np.float64]
Index = NDArray[np.intp]


def predict(
    design: Design,
    beta: Array,
    b: Sequence[Array],
    data: Any = None,
    *,
    random: str = "all",
    new_levels: str = "error",
) -> pd.DataFrame:
    """Point predictions o + X beta + Z b [E-BLP].

    Parameters
    ----------
    design : Design
        The model's design.
    beta : array (p,)
        Fixed effects; an aliased one (NaN) counts as 0.
    b : sequence of array
        Random effects (J, q) of every grouping factor.
    data : frame, optional
        New rows; None gives the fitted values of the model's own rows.
    random : {"all", "none"}
        Whether the random effects take part.
    new_levels : {"error", "population"}
        What a level that the fit has not seen gets: a refusal, or b = 0, the mean of its population.

    Returns
    -------
    DataFrame
        Column mean, in the units of y; a row per row of the data, under its own index.

    Raises
    ------
    NewLevelError
        If new rows have unseen levels and new_levels is "error".
    DataError
        If an option is not one of those above.

    Examples
    --------
    >>> import blupbayes as bb
    >>> fit = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail")).fit()
    >>> fit.predict({"Rail": ["2", "7"]}, new_levels="population").round(2)
        mean
    0  31.97
    1  66.50
    """
    choose("random", random, ("all", "none"))
    choose("new_levels", new_levels, ("error", "population"))
    if data is None:
        mean = design.X @ np.nan_to_num(beta) + (0.0 if design.offset is None else design.offset)
        parts = {g.name: (g.codes, g.columns) for g in design.groups}
        index: Any = design.rows
    else:
        rows = design.encode(data, None if random == "all" else ())
        mean = rows.X @ np.nan_to_num(beta) + (0.0 if rows.offset is None else rows.offset)
        parts = {name: (codes, rows.columns[name]) for name, codes in rows.codes.items()}
        index = getattr(data, "index", None)
        if random == "all" and new_levels == "error":
            refuse_new(rows.unseen)
    if random == "all":
        mean = mean + sum(random_part(*parts[g.name], b[k]) for k, g in enumerate(design.groups))
    return pd.DataFrame({"mean": mean}, index=index)


def random_part(codes: Index, columns: Array, b: Array) -> Array:
    """Z b (n,) of one grouping factor; a code of -1 (an unseen level) has b = 0."""
    own = np.where(codes[:, None] >= 0, b[codes], 0.0)
    return np.asarray(np.sum(columns * own, axis=1))


def refuse_new(unseen: Mapping[str, Sequence[str]]) -> None:
    """Say which levels of which groups the fit has not seen."""
    for group, levels in unseen.items():
        if levels:
            which = ", ".join(map(repr, levels[:5])) + (
                f" and {len(levels) - 5} more" if len(levels) > 5 else ""
            )
            raise NewLevelError(
                f"{group} {which} {'was' if len(levels) == 1 else 'were'} not in the fit, so there is no b. "
                "Pass new_levels='population' to predict with b = 0, or random='none'."
            )


def choose(option: str, value: Any, allowed: Sequence[str]) -> None:
    """Refuse a value that is not one of the allowed ones."""
    if value not in allowed:
        raise DataError(f"{option}={value!r} is not one of {', '.join(map(repr, allowed))}.")
