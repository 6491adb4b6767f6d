"""The statistics of a design, from its rows or as they were stored."""

from __future__ import annotations

from typing import Any

from blupbayes.mme.statistics import Statistics, reduce

__all__ = ["reduced"]


def reduced(design: Any) -> Statistics:
    """What a model without rows has stored; else the rows are visited.

    Parameters
    ----------
    design : Design or StreamedDesign
    """
    stored = design.measures.statistics
    return reduce(design) if stored is None else stored
