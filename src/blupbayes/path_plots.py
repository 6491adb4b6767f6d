"""The figures of a Comparison along paths: what answers become as one quantity runs through all its values."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from blupbayes.plot_tables import Tables, sd_curves

if TYPE_CHECKING:
    from blupbayes.show.figures.result import FigureResult

__all__ = ["PathPlots"]


class PathPlots:
    """Methods of a Comparison; it has answers and a long table."""

    answers: Mapping[str, Any]
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

    def plot_sd_path(
        self,
        *,
        width: str = "174mm",
        group: str | None = None,
        term: str | None = None,
        max_levels: int | None = None,
    ) -> FigureResult:
        """Every level as one sd goes from 0 upwards, and below it how credible each value of that sd is [E-TOWER].

        A BLUP is read off at the estimate of the sd; a posterior mean averages over the density. Variances other than
        this one are held at their REML estimates.

        Parameters
        ----------
        width, group, term, max_levels
            As in plot_kappa_path.

        Returns
        -------
        FigureResult

        Raises
        ------
        ComparisonError
            If there is no posterior by integration among the answers.

        Examples
        --------
        >>> import blupbayes as bb
        >>> schools = bb.load_dataset("eight_schools")
        >>> model = bb.MixedModel("y ~ 1 + (1 | school)", schools, weights=1 / schools["se"] ** 2, sigma=1)
        >>> bb.compare(model.fit(), model.integrate()).plot_sd_path().alt.split(", ")[0]
        'Intercept of eight levels of school runs from 7.69 to 7.69 at sd 0'
        """
        from blupbayes.show.figures.sd_path import sd_path as draw

        name, which = self._one(group, term)
        curves = sd_curves(self._tables.exact("plot_sd_path"), name, which)
        sds = np.linspace(0.0, curves["value"].max(), 101)
        path = self._tables.sd_path(name, which, sds)
        estimate = self._tables.reml_sd(name, which)
        return draw(path, curves, estimate, name, which, width=width, max_levels=max_levels)
