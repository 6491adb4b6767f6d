"""The passes over batches in their order, by any engine: a design without rows -> its Sums."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blupbayes.errors import DataError
from blupbayes.mme.layout import Layout, arrange
from blupbayes.mme.order_statistics import LowerHalves
from blupbayes.mme.passes import BasisPass, FactorPass, ProductPass, Regression
from blupbayes.mme.row_sums import RowSums
from blupbayes.mme.statistics import GroupStatistics
from blupbayes.mme.sums import Sums, range_of, statistics_of, sums_of
from blupbayes.mme.tails import StatisticsTails
from blupbayes.model.measures import ColumnMoments
from blupbayes.model.stored_measures import StoredGroup, StoredMeasures
from blupbayes.model.streamed import Chunk, StreamedDesign
from blupbayes.stream.passes import Engine

__all__ = ["Reduced", "Together", "reduce_batches"]

Array = NDArray[np.float64]


class Together:
    """Several sums in one pass, each batch coded once. A copy has the sums only: it can be merged, but not added to."""

    def __init__(self, design: StreamedDesign, makers: Sequence[Callable[[], Any]]) -> None:
        self.design, self.parts, self.n = design, [make() for make in makers], 0

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"design": None}

    def add(self, number: int, frame: Any) -> None:
        """Add the rows of one batch."""
        chunk = self.design.chunk(number, frame)
        self.n += len(chunk)
        for part in self.parts:
            part.add(chunk)

    def merge(self, other: Together) -> None:
        """Add the sums of other batches."""
        self.n += other.n
        for mine, theirs in zip(self.parts, other.parts, strict=True):
            mine.merge(theirs)


@dataclass(frozen=True, eq=False)
class Reduced:
    """What is left of the rows.

    Parameters
    ----------
    sums : Sums
        Sufficient for every answer.
    moments : mapping of ColumnMoments
        Of y, response (y - offset), X, and offset and weights if there are any.
    groups : tuple of StoredGroup
    middle_weight : float or None
        The median weight, if there are weights and it is known.
    layout : Layout, optional
        That of the sums, if it has been arranged already.
    """

    sums: Sums
    moments: Mapping[str, ColumnMoments]
    groups: tuple[StoredGroup, ...]
    middle_weight: float | None
    layout: Layout | None = None

    def design(self, design: StreamedDesign) -> StreamedDesign:
        """The design, which then knows its statistics and measures."""
        labels = tuple(
            GroupStatistics(
                g.name, g.levels, g.names, g.template, np.sqrt(np.einsum("jaa->a", D) / self.sums.n_obs)
            )
            for g, D in zip(design.groups, self.sums.D, strict=True)
        )
        statistics = statistics_of(self.sums, design.fixed_names, labels, design.sigma, self.layout)
        m = self.moments
        columns = (m["y"], m["response"], m["X"], self.groups, m.get("weights"), m.get("offset"))
        return replace(
            design, measures=StoredMeasures(*columns, StatisticsTails(statistics), self.middle_weight)
        )


class MedianPass:
    """The second half of the median of the weights."""

    def __init__(self, middle: tuple[tuple[int, int], tuple[int, int]]) -> None:
        self.halves = LowerHalves(middle)

    def add(self, chunk: Chunk) -> None:
        """Add the weights of one batch."""
        if chunk.weights is not None and len(chunk):
            self.halves.add(chunk.weights)

    def merge(self, other: MedianPass) -> None:
        """Add the counts of other batches."""
        self.halves.merge(other.halves)


def reduce_batches(design: StreamedDesign, engine: Engine) -> Reduced:
    """Visit the batches twice, four times where columns of Z nearly depend on each other [E-BATCHES]."""
    shapes = [(len(g.levels), len(g.names)) for g in design.groups]
    p, J = len(design.fixed_names), [J for J, _ in shapes]
    factor, rows = visit(design, engine, "factor", [partial(FactorPass, p, shapes), partial(RowSums, J)])
    regression, crosses = Regression.of(factor.R, factor.shift), factor.crosses()
    layout = arrange(factor.D, crosses, [g.name for g in design.groups], p + 1)

    def refine(group: int | None, F: Array) -> tuple[Array, Array]:
        (found,) = visit(design, engine, "basis", [partial(BasisPass, F, group, layout.offsets, shapes)])
        return found.gram, found.product

    of = range_of(layout, refine)
    approximate = of.of_sums([x @ regression.M for x in factor.taken(regression.shift)], layout)
    factor.ZX = []
    makers: list[Callable[[], Any]] = [
        partial(ProductPass, regression, of.coefficients(approximate, layout), shapes)
    ]
    if design.has_weights:
        makers.append(partial(MedianPass, rows.halves.middle()))
    product, *median = visit(design, engine, "cross-products", makers)
    sums = sums_of(factor, regression, crosses, layout, of, approximate, product)
    groups = tuple(
        StoredGroup(Z, counts.astype(np.intp), total)
        for Z, counts, total in zip(rows.Z, rows.counts, rows.sums, strict=True)
    )
    return Reduced(sums, rows.moments, groups, median[0].halves.median() if median else None, layout)


def visit(
    design: StreamedDesign, engine: Engine, label: str, makers: Sequence[Callable[[], Any]]
) -> list[Any]:
    """One pass.

    Raises
    ------
    DataError
        If the batches had another number of rows than before.
    """
    found = engine.run(partial(Together, design, tuple(makers)), label)
    if found.n != design.n_obs:
        raise DataError(
            f"the batches had {design.n_obs} rows when they were first read and {found.n} in the pass of the {label}; "
            "they must give the same rows each time they are read"
        )
    return found.parts
