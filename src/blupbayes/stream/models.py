"""The doors for data that are read batch by batch: batches, Dask frames, and statistics of sites."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial, reduce
from typing import Any

from blupbayes.errors import DataError
from blupbayes.model.batches import open_batches
from blupbayes.model.discovery import Discovery
from blupbayes.model.question import question
from blupbayes.model.streamed import StreamedDesign
from blupbayes.stream.local import LocalEngine
from blupbayes.stream.on_dask import DaskEngine, columns_of
from blupbayes.stream.passes import Engine
from blupbayes.stream.reduction import Reduced, reduce_batches
from blupbayes.stream.saved import load
from blupbayes.stream.sites import together

__all__ = ["of_batches", "of_dask", "of_statistics"]

Site = tuple[StreamedDesign, Reduced]


def of_batches(
    formula: str, batches: Any, *, batch_rows: int, progressbar: bool, sigma: float | None, **options: Any
) -> Site:
    """The model of batches that are read here, one after the other."""
    opened = open_batches(batches, batch_rows=batch_rows)
    asked = question(formula, opened.names, **options)
    engine = LocalEngine(opened, asked.names, progressbar)
    return visited(engine, partial(Discovery, asked), sigma)


def of_dask(formula: str, ddf: Any, *, sigma: float | None, **options: Any) -> Site:
    """The model of a Dask frame, whose partitions are the batches."""
    asked = question(formula, columns_of(ddf), **options)
    return visited(DaskEngine(ddf, asked.names), partial(Discovery, asked), sigma)


def visited(engine: Engine, discovery: partial[Discovery], sigma: float | None) -> Site:
    """One pass finds out what there is, two sum it up."""
    design = engine.run(discovery, "levels").finish(sigma)
    return design, reduce_batches(design, engine)


def of_statistics(sites: Sequence[Any]) -> Site:
    """The model of saved statistics, or of several sites' together."""
    if not sites:
        raise DataError("there are no statistics; give at least one file that model.save(path) wrote")
    return reduce(together, (site if isinstance(site, tuple) else load(site) for site in sites))
