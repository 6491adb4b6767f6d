"""Where a model came from, so that it can be built again without some rows or with another formula."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blupbayes.errors import DataError
from blupbayes.model.design import Design, build, from_arrays
from blupbayes.model.table import open_table

__all__ = ["Source", "arrays_without"]


def keep_mask(rows: Any, labels: pd.Index) -> NDArray[np.bool_]:
    """Which rows stay (n,) when ``rows`` (labels, or a boolean mask of n) are dropped."""
    given = np.atleast_1d(np.asarray(rows))
    if given.dtype == bool:
        if given.shape != (len(labels),):
            raise DataError(f"drop: the mask has {given.size} entries, the data have {len(labels)} rows.")
        return ~given
    unknown = [label for label in given.tolist() if label not in labels]
    if unknown:
        raise DataError(
            f"drop: no row labelled {', '.join(map(repr, unknown[:5]))} in the data. "
            "Pass labels of the data's index, or a boolean mask."
        )
    return ~labels.isin(given.tolist())


@dataclass(frozen=True, eq=False)
class Source:
    """What a model with a formula was built from, so that it can be built again."""

    formula: str
    data: Any
    options: Mapping[str, Any]

    def build(self) -> Design:
        """Build the design, which then knows its source."""
        design = build(self.formula, self.data, **self.options)
        object.__setattr__(design, "source", self)
        return design

    def without(self, rows: Any) -> Source:
        """The same, some rows dropped; arrays of weights and offsets follow."""
        table = open_table(self.data)
        frame, index = table.take(table.names)
        keep = keep_mask(rows, index)
        own = {
            name: value if value is None or isinstance(value, str) else np.asarray(value)[keep]
            for name, value in self.options.items()
            if name in ("weights", "offset")
        }
        return replace(self, data=frame.set_axis(index).loc[keep], options={**self.options, **own})


def arrays_without(design: Design, rows: Any) -> Design:
    """A design from arrays with some rows dropped; the labels of the levels that stay are kept."""
    keep = keep_mask(rows, design.rows)
    Z = {}
    for g in design.groups:
        labels = pd.Categorical.from_codes(g.codes[keep], categories=pd.Index(g.levels))
        columns = pd.DataFrame(g.columns[keep], columns=list(g.names))
        Z[g.name] = (pd.Series(labels), columns)
    return from_arrays(
        pd.Series(design.y[keep], name=design.response),
        design.X[keep],
        Z,
        fixed_names=design.fixed_names,
        weights=None if design.weights is None else design.weights[keep],
        offset=None if design.offset is None else design.offset[keep],
        sigma=design.sigma,
    )
