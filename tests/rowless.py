"""A model made of the names and the statistics of another one: it has no rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from blupbayes import MixedModel
from blupbayes.errors import RowsNotKeptError
from blupbayes.mme.statistics import Statistics, reduce
from blupbayes.mme.tails import StatisticsTails
from blupbayes.model.measures import ColumnMoments
from blupbayes.model.stored_measures import StoredGroup, StoredMeasures


def refused(self: Any) -> NoReturn:
    raise RowsNotKeptError


@dataclass(frozen=True, eq=False)
class RowlessGroup:
    """A grouping factor without codes and columns."""

    name: str
    factors: tuple[str, ...]
    levels: tuple[str, ...]
    names: tuple[str, ...]
    terms: tuple[Any, ...]
    template: Any

    codes = property(refused)
    columns = property(refused)


@dataclass(frozen=True, eq=False)
class RowlessDesign:
    """A design without y, X, weights, offset and row labels."""

    formula: str
    response: str
    fixed_names: tuple[str, ...]
    groups: tuple[RowlessGroup, ...]
    sigma: float | None
    n_obs: int
    n_dropped: int
    hash: str
    encoding: Any
    has_weights: bool
    has_offset: bool
    measures: Any
    source: None = None

    y = property(refused)
    X = property(refused)
    weights = property(refused)
    offset = property(refused)
    rows = property(refused)

    @property
    def n_theta(self) -> int:
        return sum(term.n_theta for g in self.groups for term in g.terms)

    def encode(self, data: Any, groups: Any = None, columns: Any = None) -> Any:
        return self.encoding.encode(data, groups, columns)


def measures(design: Any, statistics: Statistics, pieces: int, middle: bool = True) -> StoredMeasures:
    """What passes over some pieces of the rows would store; ``middle``: whether the median weight is known."""
    parts = np.array_split(np.random.default_rng(3).permutation(design.n_obs), pieces)
    response = design.y if design.offset is None else design.y - design.offset

    def moments(x: Any) -> ColumnMoments:
        found = ColumnMoments.of(x[parts[0]])
        for rows in parts[1:]:
            found = found.merged(ColumnMoments.of(x[rows]))
        return found

    def group(g: Any) -> StoredGroup:
        counts = [int((g.codes == j).sum()) for j in range(len(g.levels))]
        sums = [response[g.codes == j].sum() for j in range(len(g.levels))]
        return StoredGroup(moments(g.columns), np.array(counts), np.array(sums))

    known = None if design.weights is None or not middle else float(np.median(design.weights))
    return StoredMeasures(
        moments(design.y),
        moments(response),
        moments(design.X),
        tuple(group(g) for g in design.groups),
        None if design.weights is None else moments(design.weights),
        None if design.offset is None else moments(design.offset),
        StatisticsTails(statistics),
        known,
    )


def rowless(model: MixedModel, pieces: int = 5, middle: bool = True) -> MixedModel:
    """The twin of a model that keeps no rows."""
    d, s = model.design, reduce(model.design)
    design: Any = RowlessDesign(
        d.formula,
        d.response,
        d.fixed_names,
        tuple(RowlessGroup(g.name, g.factors, g.levels, g.names, g.terms, g.template) for g in d.groups),
        d.sigma,
        d.n_obs,
        d.n_dropped,
        d.hash,
        d.encoding,
        d.weights is not None,
        d.offset is not None,
        measures(d, s, pieces, middle),
    )
    twin = MixedModel._from(design)
    twin.__dict__["statistics"] = s
    return twin
