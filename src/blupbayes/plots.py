"""The figures of a Comparison: each method gathers plain tables and hands them to one drawing function."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from blupbayes.compare.table import long
from blupbayes.ledgers import ledger
from blupbayes.plot_tables import Tables

if TYPE_CHECKING:
    from blupbayes.show.figures.result import FigureResult

__all__ = ["Plots"]


class Plots:
    """Methods of a Comparison; it has answers, a long table and a level."""

    answers: Mapping[str, Any]
    ci_prob: float
    table: Any  # DataFrame

    @cached_property
    def _tables(self) -> Tables:
        """What the figures are drawn from."""
        return Tables(self.answers)

    def _one(self, group: str | None, term: Any) -> tuple[str, str]:
        """One group and one of its coefficients."""
        from blupbayes.show.figures.tidy import group_of, terms_of

        name = group_of(self.table, group)
        return name, terms_of(self.table, name, term)[0]

    def plot_shrinkage(
        self,
        *,
        width: str = "174mm",
        group: str | None = None,
        term: Any = None,
        sort: str = "raw",
        max_levels: int | None = None,
    ) -> FigureResult:
        """From what each level says alone to its BLUP and its posterior mean.

        Parameters
        ----------
        width : {"174mm", "84mm", "slide"}
            Two columns or one of a journal, or a screen.
        group : str, optional
            The grouping factor; the first by default.
        term : str or (str, str), optional
            A coefficient, drawn in rows, or two, drawn in their plane. The default is the plane of the first two where
            there are two, else rows.
        sort : {"raw", "shift", "n", "level"}
            Order of the rows: raw value, how far a level moves, number of rows, or as in the data.
        max_levels : int, optional
            Draw at most so many rows, at even ranks.

        Returns
        -------
        FigureResult
            With ``fig``, ``axes``, ``data``, ``alt``, ``caption`` and ``savefig(path)``.

        Raises
        ------
        ComparisonError
            If there is no such group, term, order or width, or no answer knows the data.

        Examples
        --------
        >>> import blupbayes as bb
        >>> model = bb.MixedModel("Yield ~ 1 + (1 | Batch)", bb.load_dataset("dyestuff"))
        >>> bb.compare(model.fit(), model.integrate()).plot_shrinkage().alt.split(". ")[1]
        'Batch E moves most, from 1600 to 1584; its posterior mean is 1581.'
        """
        from blupbayes.show.figures.plane import plane
        from blupbayes.show.figures.shrinkage import shrinkage
        from blupbayes.show.figures.tidy import group_of, terms_of

        name = group_of(self.table, group)
        terms = terms_of(self.table, name, term)
        if len(terms) > 1:
            return plane(self.table, self._tables.raw, name, (terms[0], terms[1]), width=width)
        options: dict[str, Any] = {"width": width, "sort": sort, "max_levels": max_levels}
        return shrinkage(self.table, self._tables.raw, name, terms[0], **options)

    def plot_kappa_path(
        self,
        *,
        width: str = "174mm",
        group: str | None = None,
        term: str | None = None,
        max_levels: int | None = None,
    ) -> FigureResult:
        """How beta and b go to Henderson's solution as the prior precision of beta goes to 0 [E-RATE].

        Parameters
        ----------
        width : {"174mm", "84mm", "slide"}
        group, term : str, optional
            Which random effects; the first by default.
        max_levels : int, optional
            Name at most so many lines; all are drawn.

        Returns
        -------
        FigureResult
        """
        from blupbayes.show.figures.kappa import kappa_path as draw

        name, which = self._one(group, term)
        path = self._tables.kappa_path(which)
        return draw(path, name, which, width=width, max_levels=max_levels)

    def plot_pooling_path(
        self,
        *,
        width: str = "174mm",
        group: str | None = None,
        term: str | None = None,
        max_levels: int | None = None,
    ) -> FigureResult:
        """Every level between complete pooling and none: all random-effect sds times tau.

        Parameters
        ----------
        width, group, term, max_levels
            As in plot_kappa_path.

        Returns
        -------
        FigureResult
        """
        from blupbayes.show.figures.pooling import pooling_path as draw

        name, which = self._one(group, term)
        path = self._tables.pooling_path()
        return draw(path, name, which, width=width, max_levels=max_levels)

    def plot_densities(
        self,
        *,
        width: str = "174mm",
        group: str | None = None,
        term: str | None = None,
        sort: str = "raw",
        max_levels: int = 12,
    ) -> FigureResult:
        """Plug-in normal densities of each level beside its full posterior.

        Parameters
        ----------
        width, group, term, sort
            As in plot_shrinkage.
        max_levels : int
            Small multiples, at even ranks.

        Returns
        -------
        FigureResult
        """
        from blupbayes.show.figures.densities import densities
        from blupbayes.show.figures.rows import chosen, ordered

        name, which = self._one(group, term)
        exact = self._tables.exact("plot_densities")
        levels = self._tables.levels(name, which, exact)
        some = chosen(ordered(levels, sort), max_levels, len(levels))
        curves = self._tables.curves(name, which, some, exact)
        options: dict[str, Any] = {"width": width, "sort": sort, "max_levels": max_levels}
        return densities(levels, curves, name, which, **options)

    def plot_variances(self, *, width: str = "174mm") -> FigureResult:
        """The posterior of each sd with its prior, the profile likelihood, and the ML and REML estimates.

        Parameters
        ----------
        width : {"174mm", "84mm", "slide"}

        Returns
        -------
        FigureResult

        Raises
        ------
        ComparisonError
            If there is no posterior by integration among the answers.
        """
        from blupbayes.show.figures.variances import variances

        return variances(self.table, self._tables.variances, width=width)

    def plot_forest(
        self,
        component: str | None = None,
        *,
        width: str = "174mm",
        group: str | None = None,
        term: str | None = None,
        sort: str = "raw",
        max_levels: int | None = None,
    ) -> FigureResult:
        """Every answer with its interval, a row per level; 50 % thick, the level of the comparison thin.

        Parameters
        ----------
        component : {"group_mean", "b", "fixed", "sd", "corr", "weight"}, optional
            One at a time; the default is "group_mean", or "b" where no coefficient has a fixed effect.
        width, group, term, sort, max_levels
            As in plot_shrinkage; without a term there is a facet for each.

        Returns
        -------
        FigureResult
        """
        from blupbayes.show.figures.forest import forest

        usual = "group_mean" if (self.table["component"] == "group_mean").any() else "b"
        raw = self._tables.raw if any(hasattr(a, "design") for a in self.answers.values()) else None
        options: dict[str, Any] = {
            "width": width,
            "group": group,
            "term": term,
            "sort": sort,
            "max_levels": max_levels,
        }
        return forest(self.table, long(self.answers, 0.5), component or usual, raw=raw, **options)

    def plot_ledger(
        self,
        of: str = "mean",
        *,
        width: str = "174mm",
        group: str | None = None,
        term: str | None = None,
        sort: str = "shift",
        max_levels: int | None = None,
        estimator: str | None = None,
    ) -> FigureResult:
        """The parts of posterior minus BLUP as bars, level by level [E-LEDGER].

        Parameters
        ----------
        of : {"mean", "variance"}
            As in ledger.
        width, group, term, sort, max_levels
            As in plot_shrinkage; "shift" is the size of the difference.
        estimator : str, optional
            Which posterior; the first by default.

        Returns
        -------
        FigureResult
        """
        from blupbayes.show.figures.ledger import ledger_bars

        parts = ledger(self.answers, of)
        name, which = self._one(group, term)
        options: dict[str, Any] = {
            "width": width,
            "sort": sort,
            "max_levels": max_levels,
            "estimator": estimator,
        }
        return ledger_bars(parts, name, which, raw=self._tables.raw, **options)
