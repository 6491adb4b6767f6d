"""The figures of a Comparison: each method gathers plain tables and hands them to one drawing function."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from blupbayes.compare.effects import effects, group_means, pivoted
from blupbayes.compare.paths import kappa_table, pooling_table
from blupbayes.compare.raw import raw_levels
from blupbayes.compare.table import long
from blupbayes.errors import ComparisonError
from blupbayes.ledgers import ledger, reml_of
from blupbayes.frequentist.profiles import traces
from blupbayes.mme.fit import Estimate, estimate
from blupbayes.mme.gaussian import kappa_path, posterior
from blupbayes.mme.pooling import pooling_path
from blupbayes.mme.statistics import Statistics

if TYPE_CHECKING:
    from blupbayes.show.figures.result import FigureResult

__all__ = ["Plots"]

DECADES = np.arange(-13.0, 3.01, 0.5)  # kappa beside 1/Var(beta_hat)
SHARES = np.linspace(0.0, 1.0, 41)  # tau/(1 + tau)
ZETAS = tuple(k * 0.25 for k in range(-12, 13) if k)  # rises of the deviance to profile


class Plots:
    """Methods of a Comparison; it has answers, a long table and a level."""

    answers: Mapping[str, Any]
    ci_prob: float
    table: Any  # DataFrame

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
        'Batch F moves most, from 1470.0 to 1482.5; its posterior mean is 1484.6.'
        """
        from blupbayes.show.figures.plane import plane
        from blupbayes.show.figures.shrinkage import shrinkage
        from blupbayes.show.figures.tidy import group_of, terms_of

        name = group_of(self.table, group)
        terms = terms_of(self.table, name, term)
        if len(terms) > 1:
            return plane(self.table, self._raw(), name, (terms[0], terms[1]), width=width)
        options = {"width": width, "sort": sort, "max_levels": max_levels}
        return shrinkage(self.table, self._raw(), name, terms[0], **options)

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
        s, at = self._reml.statistics, self._reml
        limit = posterior(s, at.T, at.sigma)
        k = s.fixed_names.index(which) if which in s.fixed_names else 0
        if not s.fixed_names or not limit.beta_cov[k, k] > 0:
            raise ComparisonError("the kappa path is about the prior of fixed effects, and this model has none.")
        kappas = [*(10.0**DECADES / limit.beta_cov[k, k]), 0.0]
        path = kappa_table(s.groups, s.fixed_names, kappa_path(s, at.T, at.sigma, kappas))
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
        s, at = self._reml.statistics, self._reml
        taus = [float(x / (1 - x)) if x < 1 else np.inf for x in SHARES]
        path = pooling_table(s.groups, s.fixed_names, pooling_path(s, at.T, at.sigma, taus))
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
        exact = self._exact("plot_densities")
        levels = self._levels(name, which, exact)
        part = "group_mean" if which in self._reml.statistics.fixed_names else "b"
        keys = levels.assign(shift=levels["estimate"] - levels["raw"])
        curves = [
            exact.density(f"{part}_{name}[{level},{which}]").assign(level=level)
            for level in chosen(ordered(keys, sort), max_levels, len(keys))
        ]
        options = {"width": width, "sort": sort, "max_levels": max_levels}
        return densities(levels, pd.concat(curves, ignore_index=True), name, which, **options)

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

        curves = variance_curves(self._exact("plot_variances"), self._reml.statistics)
        return variances(self.table, curves, width=width)

    def plot_forest(
        self,
        component: str = "group_mean",
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
        component : {"group_mean", "b", "fixed", "sd", "corr", "weight"}
            One at a time.
        width, group, term, sort, max_levels
            As in plot_shrinkage; without a term there is a facet for each.

        Returns
        -------
        FigureResult
        """
        from blupbayes.show.figures.forest import forest

        raw = self._raw() if any(hasattr(a, "design") for a in self.answers.values()) else None
        options = {"width": width, "group": group, "term": term, "sort": sort, "max_levels": max_levels}
        return forest(self.table, long(self.answers, 0.5), component, raw=raw, **options)

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
        options = {"width": width, "sort": sort, "max_levels": max_levels, "estimator": estimator}
        return ledger_bars(parts, name, which, raw=self._raw(), **options)

    @cached_property
    def _reml(self) -> Estimate:
        """The REML estimate of the data that the answers are about."""
        answers = list(self.answers.values())
        if not any(hasattr(a, "design") for a in answers):
            raise ComparisonError(
                "no answer here knows the data, which this figure needs. Add model.fit() to the comparison."
            )
        return reml_of(answers)

    @cached_property
    def _design(self) -> Any:
        """The design that the answers are about."""
        self._reml  # says what is missing
        return next(a.design for a in self.answers.values() if hasattr(a, "design"))

    @cached_property
    def _solved(self) -> Any:
        """BLUPs and their errors at the REML estimate."""
        return pivoted(posterior(self._reml.statistics, self._reml.T, self._reml.sigma))

    def _raw(self) -> pd.DataFrame:
        """Each level alone."""
        names = self._reml.statistics.fixed_names
        return raw_levels(self._design, dict(zip(names, self._solved.beta, strict=True)), self._reml.sigma)

    def _one(self, group: str | None, term: Any) -> tuple[str, str]:
        """One group and one of its coefficients."""
        from blupbayes.show.figures.tidy import group_of, terms_of

        name = group_of(self.table, group)
        return name, terms_of(self.table, name, term)[0]

    def _exact(self, asked: str) -> Any:
        """The posterior by integration."""
        for answer in self.answers.values():
            if hasattr(answer, "density") and hasattr(answer, "integral"):
                return answer
        raise ComparisonError(
            f"{asked} draws posterior densities, and there is no posterior by integration here. "
            "Add model.integrate() to the comparison."
        )

    def _levels(self, group: str, term: str, exact: Any) -> pd.DataFrame:
        """BLUP, its two spreads, posterior mean and sd, and raw value of every level."""
        s, at = self._reml.statistics, self._solved
        whole = term in s.fixed_names

        def own(frame: pd.DataFrame) -> pd.DataFrame:
            return frame[(frame["group"] == group) & (frame["term"] == term)].set_index("level")

        b, raw = own(effects(s.groups, at)), own(self._raw())
        plug_in = own(group_means(s.groups, s.fixed_names, at)) if whole else b
        full = own(exact.group_means() if whole else exact.ranef())
        columns = {
            "estimate": plug_in["estimate"],
            "cond_sd": b["cond_sd"],
            "pev_sd": plug_in["pev_sd"],
            "posterior_mean": full["estimate"],
            "posterior_sd": full["posterior_sd"],
            "raw": raw["estimate"],
            "n": raw["n"],
        }
        return pd.DataFrame(columns).loc[list(b.index)].rename_axis("level").reset_index()


def variance_curves(exact: Any, statistics: Statistics) -> pd.DataFrame:
    """Posterior, prior and profile likelihood of each sd: group, term, kind, value, density."""
    priors = {("residual", ""): exact.prior.residual} if exact.prior.residual is not None else {}
    for g in exact.prior.groups:
        own = g.sds or (None,) * len(g.names)
        priors = priors | {(g.name, name): sd for name, sd in zip(g.names, own, strict=True)}
    names = {key: "sigma" if key[0] == "residual" else f"sd_{key[0]}[{key[1]}]" for key in priors}
    order = sorted(priors, key=lambda key: key[0] == "residual")
    profile = traces(estimate(statistics, "ML"), ZETAS, list(names.values())).set_index("parameter")
    blocks = []
    for key in order:
        own = profile.loc[[names[key]]].sort_values("value")
        rise = np.exp(-0.5 * own["zeta"] ** 2)
        blocks += [
            block.assign(group=key[0], term=key[1])
            for block in (
                posterior_curve(exact, names[key], priors[key]),
                pd.DataFrame({"kind": "profile", "value": own["value"].to_numpy(), "density": rise.to_numpy()}),
            )
        ]
    return pd.concat(blocks, ignore_index=True)[["group", "term", "kind", "value", "density"]]


def posterior_curve(exact: Any, name: str, prior: Any) -> pd.DataFrame:
    """The posterior density of one sd, and its prior where it has one of its own."""
    low, high = (float(q) for q in exact.quantile(name, [0.0005, 0.99]))
    grid = np.linspace(0.0 if low < 0.2 * high else low, high, 301)
    grid = grid[grid > 0]
    blocks = [exact.density(name, grid).assign(kind="posterior")]
    if prior is not None:
        blocks.append(pd.DataFrame({"value": grid, "density": np.exp(prior.logpdf(grid)), "kind": "prior"}))
    return pd.concat(blocks, ignore_index=True)
