"""FigureResult: a figure with its axes, its numbers, what it says in words, and its caption."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from blupbayes.errors import BlupbayesError
from blupbayes.show.figures.style import inked, page

__all__ = ["FigureResult"]

DESCRIBED = {
    ".png": {"Description": "alt"},
    ".svg": {"Description": "alt", "Title": "caption"},
    ".pdf": {"Subject": "alt", "Title": "caption"},
}


@dataclass(frozen=True, eq=False, repr=False)
class FigureResult:
    """A finished figure.

    Parameters
    ----------
    fig : matplotlib.figure.Figure
        Known to no window: nothing has to be closed.
    axes : tuple of matplotlib.axes.Axes
        From left to right and down.
    data : DataFrame
        Every number that is drawn, in full precision.
    alt : str
        Two sentences for those who do not see the figure, with its numbers.
    caption : str
        What is drawn; names kind and level of every interval.
    width : {"84mm", "174mm", "slide"}
        The page that it was made for.
    """

    fig: Figure
    axes: tuple[Axes, ...]
    data: pd.DataFrame
    alt: str
    caption: str
    width: str = "174mm"

    def savefig(self, path: Any, **options: Any) -> Path:
        """Write the figure; png, svg and pdf files carry the alt text.

        Parameters
        ----------
        path : str or Path
            Its ending says the format.
        **options
            For ``Figure.savefig``.

        Returns
        -------
        Path

        Raises
        ------
        BlupbayesError
            If the file cannot be written; the figure is kept.
        """
        target = Path(path)
        fields = DESCRIBED.get(target.suffix.lower(), {})
        told = {key: getattr(self, what) for key, what in fields.items()}
        try:
            with inked(page(self.width)):
                self.fig.savefig(target, **({"metadata": told} if told else {}) | options)
        except OSError as refusal:
            raise BlupbayesError(
                f"cannot write the figure to {target}: {refusal.strerror or refusal}. "
                "The figure is kept; savefig() takes another path."
            ) from refusal
        return target

    def _repr_png_(self) -> bytes:
        stream = BytesIO()
        with inked(page(self.width)):
            self.fig.savefig(stream, format="png", dpi=150, metadata={"Description": self.alt})
        return stream.getvalue()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        png = b64encode(self._repr_png_()).decode("ascii")
        shown = (
            f'<figure style="margin: 1em 0"><img alt="{escape(self.alt)}" src="data:image/png;base64,{png}" '
            f'style="max-width: 100%"/><figcaption>{escape(self.caption)}</figcaption></figure>'
        )
        return {"text/html": shown, "image/png": png, "text/plain": repr(self)}

    def __repr__(self) -> str:
        return f"{self.alt}\n{self.caption}"
