"""Comparison: answers to one question, side by side, as users hold them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from blupbayes.compare.table import Answer, check_same_data, label, long, wide
from blupbayes.errors import ComparisonError
from blupbayes.ledgers import ledger
from blupbayes.plots import Plots
from blupbayes.show import tables
from blupbayes.show.sheet import Sheet, compose
from blupbayes.show.summary import title

__all__ = ["Comparison", "compare"]


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Plots):
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

    @cached_property
    def table(self) -> pd.DataFrame:
        """The long table, full precision."""
        return long(self.answers, self.ci_prob)

    def to_dataframe(self, form: str = "long") -> pd.DataFrame:
        """All numbers, unrounded.

        Parameters
        ----------
        form : {"long", "wide"}
            A row per quantity and estimator, with the columns component, group, level, term, estimator,
            estimate, uncertainty, uncertainty_kind, ci_lb, ci_ub, ci_kind, ci_prob, mcse, ess_bulk, r_hat,
            note; or a row per quantity, with columns (estimator, field) beside each other.
        """
        if form == "long":
            return self.table.copy()
        if form == "wide":
            return wide(self.table)
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

    def sheet(self, max_rows: int | None = None) -> Sheet:
        """The rounded table as text cells with its notes, for renderers."""
        named = [f"{name}: {note}" for name, a in self.answers.items() for note in getattr(a, "notes", ())]
        named += self.remarks
        designs = [a.design for a in self.answers.values() if hasattr(a, "design")]
        return compose(self.table, title(designs[0]) if designs else "Comparison", named, max_rows)

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


def compare(*answers: Any, ci_prob: float = 0.95, **named: Any) -> Comparison:
    """Put answers to one question side by side.

    Parameters
    ----------
    *answers : Fit, Gaussian, Posterior, anything with ``tidy()``, or dict {label: answer}
        Labelled by their estimator (ML, REML, MME, NUTS), numbered where it repeats.
    ci_prob : float
        Level of every interval, in (0, 1).
    **named
        Further answers under your own labels.

    Returns
    -------
    Comparison

    Raises
    ------
    ComparisonError
        If the answers belong to different data, or something is no answer.

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
    return Comparison(labelled, float(ci_prob))
