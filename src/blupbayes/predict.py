"""Rows to predict, fitted or new, and their means: the one place besides the design that looks at rows again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blupbayes.errors import DataError, NewLevelError
from blupbayes.model.checks import check_weights, vector
from blupbayes.model.design import Design
from blupbayes.model.names import missing_column
from blupbayes.model.selection import Taken, taken
from blupbayes.model.table import numbers, open_table, settled

__all__ = ["Rows", "choose", "mean_of", "predict", "probability", "read_rows"]

Array = NDArray[np.float64]
Index = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Rows:
    """m rows y* = o* + x*'beta + z*'b + e* [E-BLP], split by which random coefficients take part.

    Parameters
    ----------
    X : array (m, p)
    offset, weights : array (m,)
        0 and 1 where there are none.
    codes : tuple of array (m,)
        Level of each row by grouping factor; -1 where it has none that takes part.
    inside : tuple of array (m, q)
        What multiplies the coefficients that take part, 0 for all others.
    outside : tuple of array (m, q)
        What multiplies those that do not, or whose level is new: they are 0 in the mean.
    index : pandas.Index or None
    """

    X: Array
    offset: Array
    weights: Array
    codes: tuple[Index, ...]
    inside: tuple[Array, ...]
    outside: tuple[Array, ...]
    index: Any

    def __len__(self) -> int:
        return len(self.X)

    def some(self, which: slice) -> Rows:
        """Some of them."""
        parts = {
            name: tuple(x[which] for x in getattr(self, name)) for name in ("codes", "inside", "outside")
        }
        return replace(
            self, X=self.X[which], offset=self.offset[which], weights=self.weights[which], **parts, index=None
        )


def predict(
    design: Design,
    beta: Array,
    b: Sequence[Array],
    data: Any = None,
    *,
    random: Any = "all",
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
    random : "all", "none", a name or a list of names
        Which random effects take part: of a grouping factor ("Subject"), one coefficient ("Subject[Days]"), or a term
        as the formula writes it ("(1 | Subject)").
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
        If an option is not one of those above, or the new rows lack a column or a value.

    Examples
    --------
    >>> import blupbayes as bb
    >>> fit = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail")).fit()
    >>> fit.predict({"Rail": ["2", "7"]}, new_levels="population", se=False).round(2)
        mean
    0  31.97
    1  66.50
    """
    rows = read_rows(design, data, random=random, new_levels=new_levels, spread=False)
    return pd.DataFrame({"mean": mean_of(rows, beta, b)}, index=rows.index)


def mean_of(rows: Rows, beta: Array, b: Sequence[Array]) -> Array:
    """o + X beta + Z b (m,) with the random coefficients that take part."""
    mean = rows.X @ np.nan_to_num(beta) + rows.offset
    for codes, columns, effects in zip(rows.codes, rows.inside, b, strict=True):
        mean = mean + np.sum(columns * effects[codes], axis=1)
    return mean


def read_rows(
    design: Design,
    data: Any,
    *,
    random: Any = "all",
    new_levels: str = "error",
    weights: Any = None,
    spread: bool = True,
) -> Rows:
    """The rows of a design, or new ones in its coding.

    Parameters
    ----------
    design : Design
    data, random, new_levels
        As in `predict`.
    weights : str or array (m,), optional
        Precision weights of the rows. None is 1 for new rows, and the model's own for its own.
    spread : bool
        Whether what does not take part is needed; without, its columns need not be in new rows.
    """
    choose("new_levels", new_levels, ("error", "population"))
    chosen = taken(random, design.groups)
    if data is None:
        offset, n = design.offset, design.n_obs
        X, codes, columns = design.X, [g.codes for g in design.groups], [g.columns for g in design.groups]
    else:
        names = [g.name for g, mine in zip(design.groups, chosen, strict=True) if mine.any()]
        found = design.encode(data, names, [g.name for g in design.groups] if spread else names)
        if new_levels == "error":
            refuse_new(found.unseen)
        X, offset, n = found.X, found.offset, len(found.X)
        nobody, nothing = np.full(n, -1), [np.zeros((n, len(g.names))) for g in design.groups]
        codes = [found.codes.get(g.name, nobody) for g in design.groups]
        columns = [found.columns.get(g.name, x) for g, x in zip(design.groups, nothing, strict=True)]
    index = design.rows if data is None else getattr(data, "index", None)
    w = row_weights(weights, design, data, n, index)
    return split(
        Rows(X, np.zeros(n) if offset is None else offset, w, tuple(codes), tuple(columns), (), index), chosen
    )


def split(rows: Rows, chosen: Taken) -> Rows:
    """Columns inside and outside: inside are the chosen coefficients of levels that are known."""
    both = [
        (columns * (seen := mine & (codes >= 0)[:, None]), columns * ~seen)
        for codes, columns, mine in zip(rows.codes, rows.inside, chosen, strict=True)
    ]
    return replace(rows, inside=tuple(x for x, _ in both), outside=tuple(x for _, x in both))


def row_weights(given: Any, design: Design, data: Any, n: int, index: Any) -> Array:
    """Precision weights (n,) of the rows."""
    if given is None:
        return np.ones(n) if data is not None or design.weights is None else design.weights
    if isinstance(given, str):
        if data is None:
            raise DataError(
                f"weights={given!r} names a column, but no rows are given, and a fit keeps no columns. Pass the rows "
                "as data, or the weights as an array; without either the model's own weights are used."
            )
        table = open_table(data)
        if given not in table.names:
            raise DataError(missing_column(given, table.names, "in the new rows"))
        frame, _ = table.take([given])
        lacking = int(frame[given].isna().sum())
        w = np.ones(n) if lacking else numbers(settled(frame)[given], "weights")
    else:
        w = vector(given, "weights", n, index)
        lacking = int(np.isnan(w).sum())
    if lacking:
        raise DataError(f"{lacking} of {n} weights of the new rows are missing. Fill them in.")
    check_weights(w)
    return w


def refuse_new(unseen: Mapping[str, Sequence[str]]) -> None:
    """Say which levels of which groups the fit has not seen."""
    for group, levels in unseen.items():
        if levels:
            which = ", ".join(map(repr, levels[:5])) + (
                f" and {len(levels) - 5} more" if len(levels) > 5 else ""
            )
            raise NewLevelError(
                f"{group} {which} {'was' if len(levels) == 1 else 'were'} not in the fit, so there is no b. "
                "Pass new_levels='population' to predict with b = 0, or leave its effects out (random='none')."
            )


def choose(option: str, value: Any, allowed: Sequence[str]) -> None:
    """Refuse a value that is not one of the allowed ones."""
    if value not in allowed:
        raise DataError(f"{option}={value!r} is not one of {', '.join(map(repr, allowed))}.")


def probability(ci_prob: float) -> float:
    """The level of an interval, checked."""
    if not (isinstance(ci_prob, (int, float, np.floating)) and 0 < ci_prob < 1):
        raise DataError(f"ci_prob={ci_prob!r} is not a probability between 0 and 1, such as 0.95.")
    return float(ci_prob)
