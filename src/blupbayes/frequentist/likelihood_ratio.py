"""Likelihood-ratio tests between fits of nested models on the same data."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd

from blupbayes.errors import ComparisonError
from blupbayes.frequentist.nested import check_same_response, nested, same_columns
from blupbayes.frequentist.null_distribution import of_nesting, said
from blupbayes.frequentist.statistic import Bootstrap, Test, likelihood_ratio, reading
from blupbayes.mme.fit import Estimate, estimate
from blupbayes.mme.statistics import Statistics
from blupbayes.model.design import Design

__all__ = ["FitLike", "anova"]

logger = logging.getLogger("blupbayes")

RECODED = (
    "X is coded otherwise than above, which shifts REML log-likelihoods by a constant; chisq is free of it, the "
    "differences of log_likelihood, aic and bic are not"
)


class FitLike(Protocol):
    """What a Fit offers."""

    @property
    def design(self) -> Design: ...
    @property
    def estimate(self) -> Estimate: ...


@dataclass(frozen=True, eq=False)
class _Model:
    """One fit of the table: its label, what was asked, and the estimates that are compared."""

    label: str
    design: Design
    estimate: Estimate

    @property
    def statistics(self) -> Statistics:
        return self.estimate.statistics

    @property
    def npar(self) -> int:
        """Rank of X, entries of theta, and sigma unless it is known."""
        return self.statistics.rank + self.statistics.n_theta + (self.statistics.sigma is None)

    @property
    def comparable(self) -> float:
        """The criterion, for REML without what depends on the coding of X."""
        constant = 2.0 * self.statistics.log_det_R if self.estimate.method == "REML" else 0.0
        return self.estimate.criterion - constant

    def row(self) -> dict[str, float]:
        """The columns that say nothing of the other models."""
        criterion, npar = self.estimate.criterion, self.npar
        return {
            "npar": npar,
            "aic": criterion + 2.0 * npar,
            "bic": criterion + float(np.log(self.statistics.n_obs)) * npar,
            "log_likelihood": -0.5 * criterion,
            "deviance": criterion,
        }


def anova(
    *fits: FitLike, refit: bool = True, p_bootstrap: Bootstrap | None = None, **named: FitLike
) -> pd.DataFrame:
    """Likelihood-ratio tests between two or more fits, each against the next smaller one.

    Parameters
    ----------
    *fits : Fit
        Of nested models on the same rows, in any order.
    refit : bool
        Fits by REML are fitted again by ML first, since REML criteria of different fixed effects cannot be compared.
        False: the fits as they are, all by the same method; by REML only with the same fixed columns.
    p_bootstrap : callable, optional
        `Test` -> p-value by parametric bootstrap; adds a column.
    **named : Fit
        Further fits under your own labels.

    Returns
    -------
    DataFrame
        A row per model, by increasing number of parameters, under its formula or label: npar, aic, bic,
        log_likelihood, deviance (-2 log_likelihood), and against the row above chisq, df, p (plain chi-square, as
        lme4) and p_boundary (chi-bar-square where the null puts variances at zero, else p; NaN where there is no
        closed form). ``attrs["messages"]`` says what was refitted and why a number is missing, ``attrs["method"]``
        which criterion was compared.

    Raises
    ------
    ComparisonError
        If there is only one fit, the data differ, a model is not nested in the next one, or REML criteria of
        different fixed effects would have to be compared.

    Examples
    --------
    >>> import blupbayes as bb
    >>> from blupbayes.frequentist.likelihood_ratio import anova
    >>> sleep = bb.load_dataset("sleepstudy")
    >>> one = bb.MixedModel("Reaction ~ Days + (1 | Subject)", sleep).fit("ML")
    >>> two = bb.MixedModel("Reaction ~ Days + (Days | Subject)", sleep).fit("ML")
    >>> anova(intercept=one, slope=two)[["npar", "deviance", "chisq", "df"]].round(2)
               npar  deviance  chisq   df
    intercept     4   1794.08    NaN  NaN
    slope         6   1751.94  42.14  2.0
    """
    given = [(f.design.formula, f) for f in map(_checked, fits)] + [
        (k, _checked(f)) for k, f in named.items()
    ]
    if len(given) < 2:
        raise ComparisonError(
            f"anova compares two or more fits, and {len(given)} was given. For F tests of the terms of one fit call "
            "fit.anova(), for tests of its random terms fit.ranova()."
        )
    for _, fit in given[1:]:
        check_same_response(given[0][1].design, fit.design)
    models, messages = _comparable(given, refit)
    return _table(sorted(models, key=lambda m: m.npar), messages, p_bootstrap)


def _table(models: Sequence[_Model], messages: list[str], p_bootstrap: Bootstrap | None) -> pd.DataFrame:
    """Each model against the one before."""
    rows = [models[0].row()]
    for null, model in itertools.pairwise(models):
        tested, notes = _tested(null, model, p_bootstrap)
        rows.append({**model.row(), **tested})
        messages = [*messages, *notes]
    table = pd.DataFrame(rows, index=[m.label for m in models])
    table.attrs.update(method=models[0].estimate.method, messages=tuple(messages))
    for message in messages:
        logger.warning(message)
    return table


def _checked(fit: Any) -> FitLike:
    """Refuse what is no fit."""
    if not isinstance(getattr(fit, "estimate", None), Estimate) or not hasattr(fit, "design"):
        raise ComparisonError(
            f"anova cannot compare a {type(fit).__name__}: it tests fits by maximum likelihood. Pass the results "
            "of fit(); answers of other kinds stand side by side with compare()."
        )
    found: FitLike = fit
    return found


def _comparable(given: Sequence[tuple[str, FitLike]], refit: bool) -> tuple[list[_Model], list[str]]:
    """The models with estimates by one criterion, and what was done for it."""
    models = [_Model(name, fit.design, fit.estimate) for name, fit in given]
    if refit:
        again = [m.label for m in models if m.estimate.method == "REML"]
        models = [_by_ml(m) for m in models]
        said = [f"Refitted by ML, since REML criteria depend on the fixed effects: {'; '.join(again)}."]
        failed = [f"The ML fit of {m.label} did not converge." for m in models if not _converged(m)]
        return models, (said if again else []) + failed
    methods = {m.estimate.method for m in models}
    if len(methods) > 1:
        raise ComparisonError(
            "refit=False was asked, but some of the fits are by ML and some by REML, whose criteria cannot be "
            "compared. Fit all of them by one method, or leave refit at True."
        )
    if methods == {"REML"}:
        _check_columns(models)
    return models, []


def _by_ml(model: _Model) -> _Model:
    """The same model fitted by ML."""
    if model.estimate.method == "ML":
        return model
    return _Model(model.label, model.design, estimate(model.statistics, "ML"))


def _converged(model: _Model) -> bool:
    return model.estimate.certificate.converged


def _check_columns(models: Sequence[_Model]) -> None:
    """Refuse REML criteria of different fixed effects."""
    first = models[0]
    for m in models[1:]:
        if not same_columns(first.design, m.design):
            raise ComparisonError(
                f"{first.label!r} and {m.label!r} have different fixed effects, so their REML criteria are of "
                "different data (the residuals from them) and cannot be compared. Leave refit at True: then both "
                "are fitted by ML."
            )


def _tested(null: _Model, model: _Model, p_bootstrap: Bootstrap | None) -> tuple[dict[str, Any], list[str]]:
    """The columns of a test, and what has to be said of it."""
    nesting = nested(null.design, model.design)
    chisq = likelihood_ratio(null.comparable, model.comparable, (null.label, model.label))
    against = of_nesting(nesting, null.estimate.T, model.statistics, model.estimate.method)
    test = Test(null.estimate, model.estimate, null.design, model.design, chisq, model.npar - null.npar)
    notes = said(against, chisq, null.estimate.singular)
    recoded = 2.0 * abs(null.statistics.log_det_R - model.statistics.log_det_R)
    if model.estimate.method == "REML" and recoded > 1e-8:
        notes.append(RECODED)
    return dict(reading(test, against, p_bootstrap)), [f"{model.label}: {note}." for note in notes]
