"""A comparison -> everything that the page shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blupbayes.errors import BlupbayesError, ComparisonError
from blupbayes.explorer.blocks import Block, blocks, chosen_groups
from blupbayes.explorer.numbers import (
    MORE,
    Digits,
    block_data,
    fixed_data,
    prior_data,
    reading_data,
    sd_data,
)
from blupbayes.explorer.paths import kappa_reading, pooling_reading
from blupbayes.explorer.posteriors import PriorReading, mean_curves, prior_reading, sd_summary
from blupbayes.explorer.reading import Reading
from blupbayes.plot_tables import Tables
from blupbayes.show.model_words import model_sentences

__all__ = ["build"]

NO_POSTERIOR = (
    "There is no posterior by integration in this comparison, so that the page has no marks of one: add "
    "model.integrate() to it."
)
BOUNDARY = (
    "REML estimates an sd of 0 for {}: any multiple of 0 is 0, so tau moves nothing there, and the BLUPs stay "
    "at the mean. The prior scale moves them: the posterior has no mass at 0 itself."
)
ALIASED = (
    "Columns that are combinations of earlier ones: {}. The sliders show the solution of smallest norm, the marks "
    "leave these columns out."
)


def build(tables: Tables, ci_prob: float, groups: Any, levels: Any, rel_error: float) -> dict[str, Any]:
    """What JSON can hold; the arguments are those of ``Comparison.explorer``."""
    design, exact = tables.design, posterior_of(tables)
    some = blocks(tables, chosen_groups(design, groups, levels), exact)
    pooling, digits = pooling_reading(tables), Digits(tables, some, exact)
    places = [level_places(pooling, b) for b in some]
    flat = np.concatenate(places).tolist()
    bells, sds = (None, None) if exact is None else (mean_curves(exact, flat), sd_summary(exact, ci_prob))
    found = {
        "kappa": tried(lambda: kappa_reading(tables)),
        "tau": pooling,
        "scale": tried(lambda: prior_reading(tables, flat, ci_prob, rel_error)),
    }
    return {
        "formula": design.formula,
        "sentences": model_sentences(design),
        "ciProb": ci_prob,
        "more": MORE,
        "blocks": block_data(tables, some, digits, bells),
        "fixed": fixed_data(tables, digits, exact),
        "sds": sd_data(tables, digits, sds),
        "readings": {name: shown(what, places, digits) for name, what in found.items() if not refused(what)},
        "refused": {name: str(what) for name, what in found.items() if refused(what)},
        "notes": notes(tables, exact),
    }


def tried(make: Callable[[], Any]) -> Any:
    """What is made, or the error that says why it cannot be."""
    try:
        return make()
    except BlupbayesError as refusal:
        return refusal


def refused(what: Any) -> bool:
    """Whether it is such an error."""
    return isinstance(what, BlupbayesError)


def shown(what: Reading | PriorReading, places: list[Any], digits: Digits) -> dict[str, Any]:
    """One slider's numbers."""
    if isinstance(what, PriorReading):
        return reading_data(what.reading, places, digits) | prior_data(what, places, digits)
    return reading_data(what, places, digits)


def posterior_of(tables: Tables) -> Any:
    """The posterior by integration among the answers; None without one."""
    try:
        return tables.exact("explorer")
    except ComparisonError:
        return None


def level_places(reading: Reading, block: Block) -> NDArray[np.intp]:
    """Where the levels of a block stand among [beta, b, group means], in the order of the block."""
    found = reading.where(block.component, block.group, block.term)
    by_level = dict(zip(reading.labels["level"].iloc[found], found, strict=True))
    return np.array([by_level[level] for level in block.levels])


def notes(tables: Tables, exact: Any) -> list[str]:
    """What a reader has to know."""
    s = tables.statistics
    zero = [
        g.name if len(g.names) == 1 else f"{g.name}: {term}"
        for g, T in zip(s.groups, tables.reml.T, strict=True)
        for term, row in zip(g.names, T, strict=True)
        if not np.any(row)
    ]
    out = [BOUNDARY.format(", ".join(zero))] if zero else []
    out += [ALIASED.format(", ".join(s.aliased))] if s.aliased else []
    if exact is None:
        return [*out, NO_POSTERIOR]
    return [*out, f"Marks of the posterior: {exact.notes[1]}", *exact.messages]
