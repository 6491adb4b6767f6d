"""A figure of the user's own, shown with alt text and caption as the figures of the package are."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pandas as pd

from blupbayes.errors import DataError

if TYPE_CHECKING:
    from blupbayes.show.figures.result import FigureResult

__all__ = ["figure"]


def figure(fig: Any, alt: str, caption: str = "", data: Any = None) -> FigureResult:
    """Give a matplotlib figure of your own its alt text and caption; in a notebook it then shows itself once.

    Parameters
    ----------
    fig : matplotlib.figure.Figure
        From ``plt.subplots()`` or made alone. What a notebook would show a second time is closed; the figure stays.
    alt : str
        What it says, with its numbers, for those who do not see it.
    caption : str
        What is drawn; names kind and level of every interval.
    data : DataFrame, optional
        What is drawn.

    Returns
    -------
    FigureResult
        With ``fig``, ``axes``, ``data``, ``alt``, ``caption`` and ``savefig(path)``.

    Raises
    ------
    DataError
        If there is no alt text.

    Examples
    --------
    >>> import blupbayes as bb
    >>> from matplotlib.figure import Figure
    >>> fig = Figure(figsize=(6, 3), layout="constrained")
    >>> _ = fig.subplots().plot([1, 2], [3, 4])
    >>> bb.figure(fig, alt="A line that rises from 3 to 4.", caption="An example.")
    A line that rises from 3 to 4.
    An example.
    """
    from blupbayes.show.figures.result import FigureResult

    if not str(alt).strip():
        raise DataError("figure: alt is empty. Say in a sentence or two what the figure shows.")
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close(fig)
    table = pd.DataFrame() if data is None else pd.DataFrame(data)
    return FigureResult(fig, tuple(fig.axes), table, str(alt), str(caption))
