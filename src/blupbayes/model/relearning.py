"""From a vocabulary to the parts of a design: the coding is learned on made-up rows that hold every level."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from blupbayes.model.assembly import Plan, grouped, plan
from blupbayes.model.coding import coded
from blupbayes.model.columns import Columns, learn_coding
from blupbayes.model.encoding import Encoding, Value, is_column, learn_value_coding
from blupbayes.model.formula import parse
from blupbayes.model.rows import has_levels
from blupbayes.model.side import as_side
from blupbayes.model.streamable import Call, calls
from blupbayes.model.structure import Group
from blupbayes.model.vocabulary import Column, Vocabulary

__all__ = ["Learned", "calls_of", "relearned"]

LEAST_ROWS = 3


@dataclass(frozen=True, eq=False)
class Learned:
    """How rows are turned into arrays.

    Parameters
    ----------
    plan : Plan
        Which columns enter where.
    fixed : Columns
        The fixed side.
    groups : tuple of Group
        Grouping factors, with no rows.
    values : mapping
        Single columns of numbers by their role: response, weights, offset.
    encoding : Encoding
        For new rows.
    """

    plan: Plan
    fixed: Columns
    groups: tuple[Group, ...]
    values: Mapping[str, tuple[Value, ...]]
    encoding: Encoding


def calls_of(planned: Plan) -> tuple[Call, ...]:
    """All calls of center, scale and standardize, each once; what cannot be made batch by batch is refused."""
    texts = list(planned.sides)
    for values in planned.singles.values():
        texts += [as_side(text) for text in values if not is_column(text, planned.coded)]
    return tuple(dict.fromkeys(call for text in texts for call in calls(text, planned.terms.text)))


def relearned(words: Vocabulary) -> Learned:
    """The parts of the design that a vocabulary describes."""
    planned = plan(parse(words.formula), words.names, words.extra, words.weights, words.offset)
    frame = coded(made_up({name: words.columns[name] for name in planned.coded}), planned.coded)
    states = {call.text: call.state(words.moments[call.text]) for call in calls_of(planned)}
    rest = (frame, words.extra, planned.terms.text, words.n_obs, states)
    sides = {text: learn_coding(text, *rest) for text in planned.sides}
    values = {
        role: tuple(learn_value_coding(role, text, *rest) for text in texts)
        for role, texts in planned.singles.items()
    }
    no_rows = np.empty(0, dtype=np.intp)
    levels = {
        key: (words.grouping(names, planned.groups), no_rows) for key, names in planned.groupings.items()
    }
    empty = {text: (np.empty((0, len(side.names))), side) for text, side in sides.items()}
    groups, encodings = grouped(planned, empty, levels)
    dtypes = {name: frame[name].dtype for name in planned.coded}
    fixed = sides[planned.fixed]
    return Learned(
        planned, fixed, groups, values, Encoding(fixed, encodings, values["offset"], dtypes, False)
    )


def made_up(columns: Mapping[str, Column]) -> pd.DataFrame:
    """Rows that hold every level of columns that have levels, and ones elsewhere."""
    listed = [len(c.values) for c in columns.values() if c.values is not None and not has_levels(c.kind)]
    n = max([LEAST_ROWS, *listed])
    return pd.DataFrame({name: _made_up(column, n) for name, column in columns.items()}, index=range(n))


def _made_up(column: Column, n: int) -> Any:
    if column.values is not None:
        places = np.arange(n) % len(column.values)
        if not has_levels(column.kind):
            return column.values.to_numpy()[places]
        values = pd.Index(column.values.tolist()) if column.kind == "text" else column.values
        return pd.Categorical.from_codes(places, dtype=pd.CategoricalDtype(values, column.ordered))
    return np.ones(n, dtype={"int": np.int64, "bool": np.bool_}.get(column.kind, np.float64))
