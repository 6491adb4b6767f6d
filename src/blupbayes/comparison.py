"""Comparison: answers to one question, side by side, as users hold them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from blupbayes.compare.table import PEV, REQUESTS, Answer, absent, check_same_data, label, long, only, wide
from blupbayes.compare.verdict import verdict
from blupbayes.derived import NONE
from blupbayes.errors import ComparisonError
from blupbayes.explorers import Explorers
from blupbayes.ledgers import ledger
from blupbayes.plots import Plots
from blupbayes.reports import Reports
from blupbayes.show import methods, tables
from blupbayes.show.gt import to_gt
from blupbayes.show.save import save, write
from blupbayes.show.sheet import Sheet, compose
from blupbayes.show.summary import title

__all__ = ["Comparison", "compare"]


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Plots, Reports, Explorers):
    """Answers side by side; made by :func:`compare`.

    Parameters
    ----------
    answers : dict
        Label -> answer, in the order of the columns.
    ci_prob : float
        Level of every interval.
    remarks : tuple of str
        Notes that belong to no answer: what was left out, and why.
    """

    answers: Mapping[str, Answer]
    ci_prob: float = 0.95
    remarks: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    spread: str = PEV

    @cached_property
    def table(self) -> pd.DataFrame:
        """The long table, full precision."""
        return long(self.answers, self.ci_prob, self.rows, self.spread)

    def to_dataframe(self, form: str = "long", component: str | Sequence[str] | None = None) -> pd.DataFrame:
        """All numbers, unrounded.

        Parameters
        ----------
        form : {"long", "wide"}
            A row per quantity and estimator, with the columns component, group, level, term, estimator,
            estimate, uncertainty, uncertainty_kind, ci_lb, ci_ub, ci_kind, ci_prob, mcse, ess_bulk, r_hat,
            note; or a row per quantity, with columns (estimator, field) beside each other.
        component : str or sequence of str, optional
            Only these: fixed, sd, corr, icc, weight, b, group_mean, marginal_mean, as far as there are.
        """
        table = self.table.copy() if component is None else only(self.table, component)
        if form == "long":
            return table
        if form == "wide":
            return wide(table, list(self.answers))
        raise ComparisonError(f"to_dataframe({form!r}): the form is 'long' or 'wide'.")

    def ledger(self, of: str = "mean") -> pd.DataFrame:
        """Why each posterior differs from the REML BLUP: named parts that add up to the difference.

        Parameters
        ----------
        of : {"mean", "variance"}
            Posterior mean minus BLUP, or posterior variance minus the plug-in prediction-error variance.

        Returns
        -------
        DataFrame
            component (fixed, b, group_mean), group, level, term, estimator, then blup, posterior_mean, difference and
            its parts theta, curvature, kappa, monte_carlo; or plug_in, posterior_variance, difference, average_pev,
            movement, kappa, monte_carlo. ``attrs["parts"]`` has a sentence for each part.

        Raises
        ------
        ComparisonError
            If there is no posterior to explain.

        Examples
        --------
        >>> import blupbayes as bb
        >>> model = bb.MixedModel("Yield ~ 1 + (1 | Batch)", bb.load_dataset("dyestuff"))
        >>> cmp = bb.compare(model.fit(), model.integrate(bb.Prior(sd="HalfNormal(10)")))
        >>> cmp.ledger()[["level", "difference", "theta", "curvature"]].round(1)[1:3]
          level  difference  theta  curvature
        1     A        12.3   12.5       -0.2
        2     B        -0.3   -0.3        0.0
        """
        return ledger(self.answers, of)

    def identities(
        self, variances: Any = None, kappa: float | None = None, *, pymc: bool | None = None
    ) -> pd.DataFrame:
        """The equalities of the theory on these data: both sides, their difference, and whether they hold.

        Left sides are the package's, from its factor and its lattices; right sides are textbook formulas with the
        covariance matrix V of the response written out, for up to 3000 rows, else on a subsample of whole groups.

        Parameters
        ----------
        variances : Fit, Variances or dict, optional
            Where they are evaluated, as in ``MixedModel.solve``; None is REML.
        kappa : float, optional
            Prior precision of beta for the rate and the evidence; None is that of an answer, or one that is as strong
            as the data.
        pymc : bool, optional
            Whether the collapsed PyMC model is evaluated, too; None is where PyMC has been imported already.

        Returns
        -------
        DataFrame
            left, right, difference, holds, a row per identity; of all entries of a vector or matrix the one that
            misses most, named by ``where``. It holds if |difference| <= tolerance x scale. ``tag`` and
            ``statement`` say what it is. ``attrs["subsample"]`` says which rows were used, where not all;
            ``attrs["remarks"]`` what was left out, and why.

        Raises
        ------
        ComparisonError
            If no answer has its data with it, or V has no digits at these variances.

        Examples
        --------
        >>> import blupbayes as bb
        >>> model = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail"))
        >>> found = bb.compare(model.fit()).identities()
        >>> bool(found["holds"].all())
        True
        >>> found.loc[["gls", "reml"], ["left", "right", "tag"]].round(2).values.tolist()
        [[66.5, 66.5, '[E-GLS]'], [-61.09, -61.09, '[E-REML]']]
        """
        from blupbayes.identities.collect import identities

        return identities(self.answers, variances, kappa, pymc)

    def verdict(self) -> str:
        """One line: do the answers agree, where do their uncertainties differ, and why.

        The rules stand at the head of ``blupbayes.compare.verdict``: point estimates agree within a tenth of a
        posterior sd; spreads and sds differ if one is 10 % larger; levels are few if the ends of the posterior interval
        of the sd are more than threefold apart.

        Examples
        --------
        >>> import blupbayes as bb
        >>> model = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail"))
        >>> print(bb.compare(model.fit("ML"), model.fit("REML")).verdict().split(";")[0])
        Point estimates agree (largest difference 2.6 % of a standard error, of the mean of Rail 2)
        """
        cautions = {name: trouble(a) for name, a in self.answers.items()}
        return verdict(self.table, {name: why for name, why in cautions.items() if why})

    def methods_text(self, style: str = "plain", df: str = "none") -> str:
        """The methods section: model, estimation, priors, how well it went, versions; in the past tense.

        Parameters
        ----------
        style : {"plain", "apa"}
            "apa" cites in the style of the APA and adds the list of references.
        df : {"none", "satterthwaite", "kenward-roger"}
            The degrees of freedom of the t tests that you report from ``Fit.summary``; they are then said and cited.

        Examples
        --------
        >>> import blupbayes as bb
        >>> model = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail"))
        >>> print(bb.compare(model.fit()).methods_text().split(", from")[0])
        A linear mixed model was fitted to 18 observations of travel
        """
        return methods.methods_text(self.answers, self.ci_prob, style, df)

    def cite(self, format: str = "bibtex", df: str = "none") -> str:
        """What the methods text cites: BibTeX entries, or a list ("text").

        Parameters
        ----------
        format : {"bibtex", "text"}
        df : {"none", "satterthwaite", "kenward-roger"}
            As in methods_text.
        """
        return methods.cite(self.answers, format, df)

    def sheet(self, max_rows: int | None = None) -> Sheet:
        """The rounded table as text cells with its notes, for renderers."""
        named = [f"{name}: {note}" for name, a in self.answers.items() for note in getattr(a, "notes", ())]
        named += [*absent(self.table), *self.remarks, *self.without_rows()]
        designs = [a.design for a in self.answers.values() if hasattr(a, "design")]
        head = title(designs[0]) if designs else "Comparison"
        return compose(self.table, head, named, max_rows, list(self.answers))

    def without_rows(self) -> list[str]:
        """Sentences on rows that were asked for and do not exist."""
        present = set(self.table["component"])
        return [NONE[row] for row in self.rows if row not in present]

    def to_csv(self, path: str | Path | None = None) -> str:
        """The long table as CSV, full precision; written to a file, too, if there is a path."""
        text = tables.to_csv(self.table)
        if path is not None:
            write(path, text)
        return text

    def save(self, path: str | Path, max_rows: int | None = None) -> Path:
        """Write the table to a file; its suffix says how: .html, .md, .tex, .txt, or .csv with every digit.

        Raises
        ------
        ComparisonError
            If the suffix is another one, or the path cannot be written.
        """
        faces = {
            ".html": lambda: self.to_html(max_rows, standalone=True),
            ".md": lambda: self.to_markdown(max_rows),
            ".tex": lambda: self.to_latex(max_rows),
            ".txt": lambda: self.to_text(max_rows),
            ".csv": self.to_csv,
        }
        return save(path, faces)

    def to_gt(self, max_rows: int | None = None) -> Any:
        """A ``great_tables.GT`` of the same cells and notes; needs the extra ``tables``."""
        return to_gt(self.sheet(max_rows))

    def to_html(self, max_rows: int | None = None, *, standalone: bool = False) -> str:
        """HTML with the definitions of all spreads; a whole page if ``standalone``, else one piece."""
        return tables.to_html(self.sheet(max_rows), standalone=standalone)

    def to_markdown(self, max_rows: int | None = None) -> str:
        """Markdown, one table per component."""
        return tables.to_markdown(self.sheet(max_rows))

    def to_latex(self, max_rows: int | None = None) -> str:
        """LaTeX ``table`` environment; needs the package booktabs."""
        return tables.to_latex(self.sheet(max_rows))

    def to_text(self, max_rows: int | None = None, width: int | None = None) -> str:
        """Plain text; intervals are left out where the table would be wider than ``width``."""
        return tables.to_text(self.sheet(max_rows), width)

    def __repr__(self) -> str:
        return self.to_text(20, shutil.get_terminal_size((160, 24)).columns)

    def _repr_html_(self) -> str:
        return self.to_html(40)


def compare(
    *answers: Any, ci_prob: float = 0.95, rows: Sequence[str] = (), spread: str = PEV, **named: Any
) -> Comparison:
    """Put answers to one question side by side.

    Parameters
    ----------
    *answers : Fit, Gaussian, Posterior, anything with ``tidy()``, or dict {label: answer}
        Labelled by their estimator (ML, REML, MME, NUTS), numbered where it repeats.
    ci_prob : float
        Level of every interval, in (0, 1).
    rows : sequence of {"icc", "marginal_mean"}
        Further rows: intraclass correlations of models with random intercepts, marginal means of the factors of the
        fixed side.
    spread : {"pev_sd", "cond_sd"}
        Of the random effects b at known or estimated variances: the sd of b_hat - b, or lme4's conditional sd.
    **named
        Further answers under your own labels.

    Returns
    -------
    Comparison

    Raises
    ------
    ComparisonError
        If the answers belong to different data, something is no answer, or there are no such rows or spread.

    Examples
    --------
    >>> import blupbayes as bb
    >>> model = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail"))
    >>> both = bb.compare(model.fit("ML"), model.fit("REML"))
    >>> estimates = both.to_dataframe("wide").xs("estimate", axis=1, level=1)
    >>> estimates.loc[("sd", "Rail", "", "Intercept")].round(3).to_dict()
    {'ML': 22.624, 'REML': 24.805}
    """
    if not 0 < ci_prob < 1:
        raise ComparisonError(f"ci_prob={ci_prob!r} must lie between 0 and 1, for example 0.95.")
    labelled = label(answers, named)
    check_same_data(labelled)
    asked = (rows,) if isinstance(rows, str) else tuple(rows)
    for row in asked:
        if row not in REQUESTS:
            raise ComparisonError(f"rows={row!r}: it is one of {', '.join(map(repr, REQUESTS))}.")
    if spread not in (PEV, "cond_sd"):
        raise ComparisonError(f"spread={spread!r}: it is 'pev_sd' or 'cond_sd'.")
    return Comparison(labelled, float(ci_prob), rows=asked, spread=spread)


def trouble(answer: Any) -> list[str]:
    """Why an answer cannot be relied on as it is."""
    found = getattr(answer, "diagnostics", {})
    out = [f"{found['divergences']} divergences"] if found.get("divergences", 0) else []
    if getattr(answer, "converged", True) is False:
        out.append("not converged")
    return out
