"""Likelihood-ratio tests of the random terms of one fit: each coefficient dropped in turn."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from blupbayes.frequentist.null_distribution import of_restriction, said
from blupbayes.frequentist.statistic import Bootstrap, Test, likelihood_ratio, reading
from blupbayes.mme.fit import Estimate
from blupbayes.mme.restricted import free_without, restricted
from blupbayes.mme.statistics import Statistics
from blupbayes.model.design import Design
from blupbayes.model.structure import Group, GroupTerm

__all__ = ["Drop", "drops", "ranova"]

logger = logging.getLogger("blupbayes")

LEVEL = re.compile(r"\[[^\[\]]*\](?=:|$)")  # of a categorical column, as in f[T.b] or f[T.b]:x
INTERCEPT = "Intercept"
NONE = "<none>"


@dataclass(frozen=True)
class Drop:
    """Coefficients to drop: the row's label, the group's place in the design, theirs in the group."""

    label: str
    group: int
    coefficients: tuple[int, ...]


def ranova(
    design: Design, statistics: Statistics, estimate: Estimate, p_bootstrap: Bootstrap | None = None
) -> pd.DataFrame:
    """Likelihood-ratio tests of the random terms, by the fit's own criterion: X is the same.

    Of ``(x | g)`` x is dropped, which leaves ``(1 | g)``; of ``(1 | g)``, and of each coefficient of ``(x || g)``,
    the whole term, the last one included. The columns of a categorical variable are dropped together, and a variable
    stays while an interaction with it is in the term.

    Parameters
    ----------
    design : Design
    statistics : Statistics
    estimate : Estimate
        Of this design, by ML or REML.
    p_bootstrap : callable, optional
        `Test` -> p-value by parametric bootstrap; adds a column.

    Returns
    -------
    DataFrame
        A row for the fit, ``<none>``, and one for each term without which it was fitted again: npar,
        log_likelihood, chisq, df, p (plain chi-square, as lmerTest) and p_boundary (chi-bar-square, since a variance
        is zero at the null; NaN where there is no closed form). ``attrs["messages"]`` says why a number is missing,
        ``attrs["method"]`` which criterion was compared.

    Raises
    ------
    BlupbayesError
        If a model without a term has a higher likelihood than the fit.

    Examples
    --------
    >>> import blupbayes as bb
    >>> from blupbayes.frequentist.random_terms import ranova
    >>> fit = bb.MixedModel("Reaction ~ Days + (Days | Subject)", bb.load_dataset("sleepstudy")).fit("REML")
    >>> ranova(fit.design, fit.statistics, fit.estimate)[["npar", "chisq", "df"]].round(2)
                              npar  chisq   df
    <none>                       6    NaN  NaN
    Days in (Days | Subject)     4  42.84  2.0
    """
    npar = statistics.rank + statistics.n_theta + (statistics.sigma is None)
    rows: list[dict[str, float]] = [{"npar": npar, "log_likelihood": estimate.log_likelihood}]
    labels, messages = [NONE], []
    for drop in drops(design.groups):
        test, notes, row = _without(design, statistics, estimate, drop, p_bootstrap)
        rows.append({"npar": npar - test.df, **row})
        labels.append(drop.label)
        messages += [f"{drop.label}: {note}." for note in notes]
    table = pd.DataFrame(rows, index=labels)
    table.attrs.update(method=estimate.method, messages=tuple(messages))
    for message in messages:
        logger.warning(message)
    return table


def _without(
    design: Design, statistics: Statistics, estimate: Estimate, drop: Drop, p_bootstrap: Bootstrap | None
) -> tuple[Test, list[str], dict[str, float]]:
    """The test of one drop, what has to be said of it, and its columns."""
    free = free_without(statistics, drop.group, drop.coefficients)
    null, df = restricted(statistics, estimate.method, free), int(np.count_nonzero(~free))
    chisq = likelihood_ratio(null.criterion, estimate.criterion, (f"without {drop.label}", design.formula))
    against = of_restriction(statistics, null.theta, estimate.method, drop.group, drop.coefficients, df)
    test = Test(null, estimate, design, design, chisq, df)
    row = {"log_likelihood": -0.5 * null.criterion, **reading(test, against, p_bootstrap)}
    notes = said(against, chisq, null.estimate.singular)
    if not null.estimate.certificate.converged:
        notes.append("the fit without it did not converge")
    return test, notes, row


def drops(groups: Sequence[Group]) -> list[Drop]:
    """What is dropped in turn, in the order of the formula's terms."""
    terms = [(term.position, k, term) for k, g in enumerate(groups) for term in g.terms]
    return [drop for _, k, term in sorted(terms, key=lambda t: t[0]) for drop in _of_term(k, groups[k], term)]


def _of_term(k: int, g: Group, term: GroupTerm) -> Iterator[Drop]:
    """The drops of one term."""
    by_variable: dict[str, list[int]] = {}
    for i in range(term.start, term.stop):
        by_variable.setdefault(LEVEL.sub("", g.names[i]), []).append(i)
    variables = list(by_variable)
    if term.structure == "diagonal":
        for v in variables:
            bar = "||" if len(by_variable[v]) > 1 else "|"
            yield Drop(_written([v], g.name, bar), k, tuple(by_variable[v]))
    elif len(variables) == 1:
        yield Drop(_written(variables, g.name), k, tuple(range(term.start, term.stop)))
    else:
        for v in variables:
            if v != INTERCEPT and not any(_contains(other, v) for other in variables):
                yield Drop(f"{v} in {_written(variables, g.name)}", k, tuple(by_variable[v]))


def _contains(interaction: str, variable: str) -> bool:
    """Whether a variable is part of an interaction."""
    return set(variable.split(":")) < set(interaction.split(":"))


def _written(variables: Sequence[str], group: str, bar: str = "|") -> str:
    """A term as a formula has it."""
    others = [v for v in variables if v != INTERCEPT]
    columns = (others or ["1"]) if len(others) < len(variables) else ["0", *others]
    return f"({' + '.join(columns)} {bar} {group})"
