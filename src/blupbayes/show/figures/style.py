"""Colours, markers, line styles and page sizes: every estimator is told by all three, and on grey paper too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from blupbayes.errors import ComparisonError

try:
    import matplotlib.style
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError("figures need matplotlib: install blupbayes[figures].") from missing
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from blupbayes.show.figures.wording import FONT

__all__ = ["BAND", "INKS", "PAGES", "PARTS", "RAW", "Ink", "Page", "inked", "inks", "page", "sheet"]


@dataclass(frozen=True)
class Ink:
    """How one estimator is drawn."""

    colour: str
    marker: str
    line: Any
    filled: bool = True

    @property
    def point(self) -> dict[str, Any]:
        """Keywords of ``plot`` for points."""
        face = self.colour if self.filled else "white"
        return {"color": self.colour, "marker": self.marker, "markerfacecolor": face, "linestyle": "none"}

    @property
    def stroke(self) -> dict[str, Any]:
        """Keywords of ``plot`` for a line."""
        return {"color": self.colour, "linestyle": self.line}

    @property
    def both(self) -> dict[str, Any]:
        """Keywords of ``plot`` for a legend: line and point."""
        return self.point | self.stroke


RAW = Ink("#595959", "o", "-", filled=False)
INKS = {
    "ML": Ink("#D55E00", "^", ":"),
    "BLUP": Ink("#0072B2", "s", "--"),
    "Bayes": Ink("#000000", "o", "-"),
}
FURTHER = (
    Ink("#7B3294", "D", "-."),
    Ink("#00724D", "v", (0, (5, 1))),
    Ink("#8C510A", "P", (0, (3, 1, 1, 1))),
    Ink("#A6123F", "X", (0, (1, 1))),
    Ink("#3F3F9F", "<", (0, (3, 5, 1, 5))),
    Ink("#4D4D4D", ">", (0, (5, 5))),
)
PARTS = (("#0072B2", ""), ("#D55E00", "////"), ("#7B3294", "...."), ("#595959", "xxxx"))  # colour and hatch
FAMILY = {"ML": "ML", "REML": "BLUP", "BLUP": "BLUP", "integrate": "Bayes", "NUTS": "Bayes"}
BAND = "#F0F0F0"  # behind alternate rows; carries no meaning


def inks(names: Sequence[str]) -> dict[str, Ink]:
    """An ink for each estimator: the usual ones for ML, REML and the first posterior, others for the rest.

    Examples
    --------
    >>> {name: ink.marker for name, ink in inks(["ML", "REML", "MME", "integrate"]).items()}
    {'ML': '^', 'REML': 's', 'MME': 'D', 'integrate': 'o'}
    """
    found: dict[str, Ink] = {}
    rest = list(FURTHER)
    for name in names:
        usual = INKS.get(FAMILY.get(name, ""))
        found[name] = usual if usual and usual not in found.values() else rest[0]
        rest = [ink for ink in rest if ink != found[name]] or [FURTHER[-1]]
    return found


@dataclass(frozen=True)
class Page:
    """A size of figure: inches, points, and how long a name and how many the rows may be."""

    width: float
    tallest: float
    font: float
    dpi: int
    letters: int
    rows: int
    fixed: bool = False

    def height(self, wanted: float) -> float:
        """Inches: as wanted, at most a page; a slide is always full."""
        return self.tallest if self.fixed else min(wanted, self.tallest)

    @property
    def narrow(self) -> bool:
        """Whether panels go below each other."""
        return self.width < 5


PAGES = {
    "84mm": Page(84 / 25.4, 230 / 25.4, 9, 300, 14, 45),
    "174mm": Page(174 / 25.4, 230 / 25.4, 9, 300, 24, 100),
    "slide": Page(10, 5.625, 14, 192, 20, 25, fixed=True),
}


def page(width: str) -> Page:
    """The page of a name.

    Raises
    ------
    ComparisonError
        If there is no such width.
    """
    if width not in PAGES:
        raise ComparisonError(f"width={width!r} is not one of {', '.join(map(repr, PAGES))}.")
    return PAGES[width]


@contextmanager
def inked(p: Page) -> Iterator[None]:
    """matplotlib's own defaults and ours, whatever the session has set; afterwards all is as before."""
    ours = {
        "font.family": [FONT],
        "font.size": p.font,
        "axes.titlesize": p.font,
        "axes.labelsize": p.font,
        "xtick.labelsize": p.font,
        "ytick.labelsize": p.font,
        "legend.fontsize": p.font,
        "figure.titlesize": p.font,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.linewidth": 0.8,
        "axes.formatter.useoffset": False,
        "axes.titlelocation": "left",
        "legend.frameon": False,
        "legend.handlelength": 1.8,
        "legend.columnspacing": 1.2,
        "legend.handletextpad": 0.5,
        "lines.linewidth": 1.2 * p.font / 9,
        "lines.markersize": 4.5 * p.font / 9,
        "hatch.linewidth": 0.6,
        "svg.fonttype": "none",
        "pdf.fonttype": 42,
    }
    with matplotlib.style.context(["default", ours]):
        yield


@contextmanager
def sheet(width: str, height: float, **grid: Any) -> Iterator[tuple[Figure, Any]]:
    """A figure with a grid of axes, laid out when the block ends; known to no window and no pyplot.

    Parameters
    ----------
    width : {"84mm", "174mm", "slide"}
    height : float
        Wanted, in inches.
    **grid
        As for ``Figure.subplots``; the axes come as an array of two dimensions.
    """
    p = page(width)
    with inked(p):
        fig = Figure(figsize=(p.width, p.height(height)), layout="constrained", dpi=p.dpi)
        FigureCanvasAgg(fig)
        yield fig, fig.subplots(squeeze=False, **grid)
        fig.draw_without_rendering()
