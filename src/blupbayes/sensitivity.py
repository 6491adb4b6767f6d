"""Sensitivity: what the prior does to shrinkage, as users hold it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from blupbayes.compare.sensitivity import COLUMNS, Judgement, Measured, Yardstick, sentences
from blupbayes.errors import ComparisonError
from blupbayes.exact_posterior import ExactPosterior
from blupbayes.plot_tables import sd_curves
from blupbayes.prior_analysis.path import prior_path
from blupbayes.show.sensitivity import table
from blupbayes.show.summary import paragraph, title

if TYPE_CHECKING:
    from blupbayes.show.figures.result import FigureResult

__all__ = ["Sensitivity"]

BEYOND = 1.15  # how far an axis of sds goes beyond the median upper limit


@dataclass(frozen=True, eq=False, repr=False)
class Sensitivity:
    """Posteriors under several priors beside the REML plug-in; made by ``model.sensitivity``.

    Parameters
    ----------
    frame : DataFrame
        The long table.
    posteriors : dict
        Label -> ExactPosterior, of the priors that have an answer; "default prior" is the one that they are held
        against.
    failed : dict
        Label -> why there is no answer.
    judged : dict
        (label, group) -> Judgement.
    measured : dict
        Label -> what the rules look at.
    yard : Yardstick
        What it is held against.
    ci_prob : float
        Level of every interval.
    levels : dict
        Group -> levels whose means are shown.
    remarks : tuple of str
        What could not be had, and why.
    """

    frame: pd.DataFrame
    posteriors: Mapping[str, ExactPosterior]
    failed: Mapping[str, str]
    judged: Mapping[tuple[str, str], Judgement]
    measured: Mapping[str, Measured]
    yard: Yardstick
    ci_prob: float
    levels: Mapping[str, tuple[str, ...]]
    remarks: tuple[str, ...] = ()

    def to_dataframe(self) -> pd.DataFrame:
        """The long table, unrounded.

        Returns
        -------
        DataFrame
            prior, component ("sd": median; "weight": mean over the posterior and over the levels; "group_mean":
            posterior mean), group, level, term, estimate, ci_lb, ci_ub, uncertainty (posterior sd; pev_sd in the REML
            row), verdict (of the prior for this group), note. In the row of REML the interval of an sd is its
            profile interval by the REML criterion, and that of a weight has the weights at its ends.
        """
        return self.frame[COLUMNS].copy()

    def table(self) -> pd.DataFrame:
        """A row per prior as text: sds (median, interval), E(weight) with interval, group means (sd), verdict."""
        return table(self.frame)

    def verdict(self) -> str:
        """What is robust to the prior and what is not, by the rules of [E-VERDICT].

        Shrinkage is robust if no group mean moves by more than half a posterior sd from where the default prior has it,
        and no posterior has a spike at 0; a variance component is, if median and interval limits do not either.
        A single prior is "prior-driven" if it moves a group mean by so much, if E(weight) leaves the range of weights
        over the REML profile interval of the sd, or if less than 5 % of its mass lie above that interval.
        """
        mine = {name: m for name, m in self.measured.items() if (name, self.yard.groups[0]) in self.judged}
        return "\n".join([*sentences(mine, self.judged, self.failed, self.yard, self.ci_prob), *self.remarks])

    def power_scaling(self) -> pd.DataFrame:
        """A second check: every prior raised to a power near 1, top-level priors only [E-POWER].

        Returns
        -------
        DataFrame
            Index (prior, parameter); mean, sd, mean_in_sd, distance as in ``ExactPosterior.power_scaling``.
        """
        return pd.concat(
            {name: p.power_scaling() for name, p in self.posteriors.items()}, names=["prior", "parameter"]
        )

    def path(self, family: str = "HalfNormal", scales: Sequence[float] | None = None) -> pd.DataFrame:
        """The scale of the prior as a continuous path; as ``MixedModel.prior_scale_path``, for the same levels."""
        any_one = next(iter(self.posteriors.values()))
        statistics = any_one.integral.marginal.statistics
        return prior_path(
            any_one.design, statistics, family, scales, ci_prob=self.ci_prob, levels=self.levels
        )

    def plot(
        self, group: str | None = None, term: str = "Intercept", *, width: str = "174mm"
    ) -> FigureResult:
        """A row per prior: E(weight), some group means, and the sd.

        Parameters
        ----------
        group : str, optional
            The first one by default.
        term : str
            Which coefficient.
        width : {"174mm", "84mm", "slide"}

        Returns
        -------
        FigureResult
            fig, axes, data, alt, caption.

        Raises
        ------
        ComparisonError
            If there is no such coefficient.

        Examples
        --------
        >>> import blupbayes as bb
        >>> model = bb.MixedModel("Yield ~ 1 + (1 | Batch)", bb.load_dataset("dyestuff"))
        >>> model.sensitivity({"tight": "HalfNormal(10)"}).plot().data["prior"].unique().tolist()
        ['REML plug-in', 'default prior', 'tight']
        """
        from blupbayes.show.figures.sensitivity import prior_sensitivity

        chosen = next(iter(self.yard.groups)) if group is None else group
        return prior_sensitivity(
            self.to_dataframe(),
            chosen,
            term,
            levels=list(self.levels.get(chosen, ()))[:3],
            ci_prob=self.ci_prob,
            width=width,
        )

    def plot_sds(
        self,
        group: str | None = None,
        term: str = "Intercept",
        *,
        priors: Sequence[str] | None = None,
        width: str = "174mm",
    ) -> FigureResult:
        """A panel per prior: the prior density of an sd, and what the data make of it.

        Parameters
        ----------
        group : str, optional
            The first one by default.
        term : str
            Which coefficient.
        priors : sequence of str, optional
            Labels, in this order; all that have a posterior by default.
        width : {"174mm", "84mm", "slide"}

        Returns
        -------
        FigureResult

        Raises
        ------
        ComparisonError
            If there is no such coefficient, or no posterior of that label.

        Examples
        --------
        >>> import blupbayes as bb
        >>> model = bb.MixedModel("Yield ~ 1 + (1 | Batch)", bb.load_dataset("dyestuff"))
        >>> model.sensitivity({"tight": "HalfNormal(10)"}).plot_sds(priors=["tight"]).alt.split(". ")[0]
        'The posterior median of sd(Batch, Intercept) is 12.5 under tight'
        """
        from blupbayes.show.figures.prior_posterior import prior_posterior

        chosen = next(iter(self.yard.groups)) if group is None else group
        names = list(self.posteriors) if priors is None else list(priors)
        own = self.frame[(self.frame["component"] == "sd") & (self.frame["group"] == chosen)]
        own = own[own["term"] == term].set_index("prior")
        lacking = [name for name in names if name not in self.posteriors or name not in own.index]
        if lacking:
            raise ComparisonError(
                f"no posterior of sd({chosen}, {term}) under {lacking[0]!r}. There are {', '.join(self.posteriors)}."
            )
        rows = own.loc[names].reset_index()
        high = BEYOND * float(rows["ci_ub"].median())
        curves = [sd_curves(self.posteriors[name], chosen, term, high).assign(prior=name) for name in names]
        options: dict[str, Any] = {"ci_prob": self.ci_prob, "width": width}
        estimate = float(own["estimate"].loc["REML plug-in"])
        return prior_posterior(pd.concat(curves, ignore_index=True), rows, estimate, chosen, term, **options)

    def __repr__(self) -> str:
        any_one = next(iter(self.posteriors.values()), None)
        head = [title(any_one.design), ""] if any_one else []
        text = self.table().to_string()
        return "\n".join([*head, text, "", *map(paragraph, self.verdict().splitlines())])

    def _repr_html_(self) -> str:
        from html import escape

        return self.table().to_html() + "".join(f"<p>{escape(x)}</p>" for x in self.verdict().splitlines())
