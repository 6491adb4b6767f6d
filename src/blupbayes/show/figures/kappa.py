"""The kappa path: beta and b as the prior precision of beta goes to 0, and how fast they get there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from blupbayes.errors import ComparisonError
from blupbayes.show.figures.ends import name_ends
from blupbayes.show.figures.result import FigureResult
from blupbayes.show.figures.rows import uncrowd
from blupbayes.show.figures.style import INKS, RAW, page, sheet
from blupbayes.show.figures.tidy import says
from blupbayes.show.figures.wording import brief, count, drawn

__all__ = ["kappa_path"]

SUPER = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
LINE, LIMIT = INKS["Bayes"], INKS["BLUP"]


@dataclass(frozen=True, eq=False)
class Path:
    """What is drawn: one fixed effect and the b of one coefficient along kappa, and their limits at kappa = 0."""

    fixed: pd.DataFrame
    b: pd.DataFrame
    limit: pd.Series
    b_limit: pd.Series
    term: str
    group: str

    @property
    def equal(self) -> float:
        """1/Var(beta_hat): there prior and data are equally strong."""
        return float(1.0 / self.limit["uncertainty"] ** 2)

    @property
    def edge(self) -> float:
        """Where on the axis the limit stands."""
        return float(-np.log10(self.fixed["kappa"].min()) + 0.6)

    @property
    def error(self) -> pd.Series:
        """|beta(kappa) - beta(0)|."""
        return (self.fixed["estimate"] - self.limit["estimate"]).abs()

    @property
    def rate(self) -> float:
        """Slope of the error in kappa near 0, where it is above rounding; NaN where there is no error."""
        clear = (self.error > 1e-8 * max(abs(float(self.limit["estimate"])), 1e-300)).to_numpy()
        if not clear.any():
            return float("nan")
        first: Any = self.fixed["kappa"].where(clear).idxmin()
        return float(self.error[first] / self.fixed["kappa"][first])


def kappa_path(
    path: pd.DataFrame, group: str, term: str, *, width: str = "174mm", max_levels: int | None = None
) -> FigureResult:
    """A fixed effect, the random effects of one coefficient, and the distance to Henderson's solution.

    Parameters
    ----------
    path : DataFrame
        As from ``model.kappa_path``; with kappa = 0, and at least two positive kappas.
    group, term : str
        Which random effects; the fixed effect is the one of the same name, else the first.
    width : {"174mm", "84mm", "slide"}
    max_levels : int, optional
        Name at most so many lines; all are drawn.

    Returns
    -------
    FigureResult
        data: the rows of the path that are drawn.
    """
    d, p = prepare(path, group, term), page(width)
    grid = {"nrows": 3} if p.narrow else {"ncols": 3}
    with sheet(width, 6.6 if p.narrow else 2.9, **grid) as (fig, array):
        axes = list(array.ravel())
        draw_fixed(axes[0], d)
        draw_random(axes[1], d)
        draw_error(axes[2], d)
        for ax in axes[:2]:
            decades(ax, d)
        uncrowd(fig, axes[2:], decade_locator)
        order = d.b_limit.sort_values().index
        few = order[np.unique(np.linspace(0, len(order) - 1, max_levels or len(order)).round().astype(int))]
        name_ends(fig, axes[1], d.b_limit[few].to_numpy(), [drawn(str(x), p.letters // 2) for x in few])
        thin_decades(axes[:2], d)
    return FigureResult(
        fig, tuple(axes), pd.concat([d.fixed, d.b], ignore_index=True), alt(d), caption(d), width
    )


def prepare(path: pd.DataFrame, group: str, term: str) -> Path:
    """The rows that are drawn."""
    fixed = path[path["component"] == "fixed"]
    names = [str(t) for t in fixed["term"].unique()]
    chosen = term if term in names else names[0] if names else ""
    fixed = fixed[fixed["term"] == chosen]
    b = path[(path["component"] == "b") & (path["group"] == group) & (path["term"] == term)]
    inner = (fixed["kappa"] > 0) & np.isfinite(fixed["kappa"])
    if not (fixed["kappa"] == 0).any() or inner.sum() < 2 or not len(b):
        raise ComparisonError(
            "the figure of the kappa path needs rows at kappa = 0, its limit, and at two or more positive "
            "kappas."
        )
    limit = fixed[fixed["kappa"] == 0].iloc[0]
    b_limit = b[b["kappa"] == 0].set_index("level")["estimate"]
    along = b[(b["kappa"] > 0) & np.isfinite(b["kappa"])]
    return Path(fixed[inner].sort_values("kappa"), along.sort_values("kappa"), limit, b_limit, chosen, group)


def draw_fixed(ax: Any, d: Path) -> None:
    """The fixed effect with a band of its sd, and its limit."""
    x, y, sd = -np.log10(d.fixed["kappa"]), d.fixed["estimate"], d.fixed["uncertainty"]
    ax.fill_between(x, y - sd, y + sd, color="#DDDDDD", linewidth=0, zorder=1)
    ax.plot(x, y, **LINE.stroke, zorder=3)
    ax.axhline(d.limit["estimate"], **LIMIT.stroke, zorder=2)
    ax.plot([d.edge], [d.limit["estimate"]], **LIMIT.point, zorder=4)
    ax.axvline(-np.log10(d.equal), color=RAW.colour, linestyle=":", zorder=1)
    ax.set_title(f"fixed effect: {drawn(d.term, 18)}")


def draw_random(ax: Any, d: Path) -> None:
    """b of every level, and its limit."""
    for level, rows in d.b.groupby("level", sort=False):
        ax.plot(-np.log10(rows["kappa"]), rows["estimate"], **LINE.stroke, linewidth=0.9)
        ax.plot([d.edge], [d.b_limit[level]], **LIMIT.point, markersize=3)
    ax.axvline(-np.log10(d.equal), color=RAW.colour, linestyle=":", zorder=1)
    ax.set_title(f"b of {drawn(d.group, 18)}")


def draw_error(ax: Any, d: Path) -> None:
    """The distance to the limit on two logarithmic axes, with a line of slope 1."""
    x, error = -np.log10(d.fixed["kappa"]), d.error
    ax.plot(x[error > 0], np.log10(error[error > 0]), **LINE.both, markersize=3, label="distance")
    if np.isfinite(d.rate):
        ax.plot(x, np.log10(d.rate) - x, **LIMIT.stroke, label="slope 1")
    ax.yaxis.set_major_formatter(lambda value, _: f"10{str(round(value)).translate(SUPER)}")
    ax.yaxis.set_major_locator(decade_locator(6))
    ax.xaxis.set_major_formatter(lambda value, _: f"10{str(round(-value)).translate(SUPER)}")
    ax.set_xlabel("κ")
    ax.set_title("distance to κ = 0")
    ax.legend(loc="upper right")


def decade_locator(n: int) -> Any:
    """Whole powers of ten."""
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(nbins=n, integer=True, min_n_ticks=2)


def decades(ax: Any, d: Path, step: int = 2) -> None:
    """Powers of ten, and the limit at the right edge."""
    low, high = np.ceil(-np.log10(d.fixed["kappa"].max())), np.floor(-np.log10(d.fixed["kappa"].min()))
    places = np.arange(low, high + 0.5, step)
    places = places[places < d.edge - 0.55 * step]
    names = [f"10{str(round(-x)).translate(SUPER)}" for x in places]
    ax.set_xticks([*places, d.edge], [*names, "→ 0"])
    ax.set_xlabel("κ")


def thin_decades(axes: Any, d: Path) -> None:
    """As many of them as keep apart; the figure has been laid out."""
    for ax in axes:
        boxes = [t.get_window_extent() for t in ax.get_xticklabels()]
        each = ax.get_window_extent().width / np.ptp(ax.get_xlim())
        needed = max(box.width + 0.6 * box.height for box in boxes) / each
        decades(ax, d, int(np.ceil(needed)))


def alt(d: Path) -> str:
    """Two sentences: where it goes, and how fast."""
    first, last = d.fixed.iloc[-1], d.fixed.iloc[0]
    say = says([float(d.limit["estimate"])], [float(d.limit["uncertainty"])])
    rate = f"{d.rate:.4g} kappa" if np.isfinite(d.rate) else "0"
    widest: Any = d.b_limit.abs().idxmax()
    return (
        f"As the prior precision kappa falls from {first['kappa']:.2g} to {last['kappa']:.2g}, {d.term} goes "
        f"from {say(first['estimate'])} to {say(last['estimate'])}; its limit at kappa = 0 is "
        f"{say(d.limit['estimate'])}, and near it the distance is {rate}. The random effects of "
        f"{count(len(d.b_limit), 'level')} of {d.group} go to their BLUPs, the largest that of "
        f"{brief(str(widest), 40)}, {say(d.b_limit[widest])}."
    )


def caption(d: Path) -> str:
    """What everything is."""
    return (
        f"Posterior of {d.term} and of b of {d.group} at REML variances as the prior precision kappa of the "
        "fixed effects goes to 0. Squares and dashed lines: Henderson's solution (BLUE and BLUP), the limit. "
        "Band: 68 % interval, estimate ± one posterior sd at that kappa. Dotted: kappa = "
        f"1/Var({d.term}) = {d.equal:.3g}, where prior and data are equally strong. Right: the distance to "
        "the limit falls with slope 1 until rounding."
    )
