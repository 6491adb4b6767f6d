"""The ledger of a Comparison: each posterior against the REML BLUP of the same data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from blupbayes.compare.effects import pivoted
from blupbayes.compare.ledger import MEAN, SENTENCES, VARIANCE, keys, mean_parts, stack, variance_parts
from blupbayes.errors import ComparisonError
from blupbayes.mme.fit import Estimate, estimate
from blupbayes.mme.gaussian import posterior
from blupbayes.mme.reduced import reduced
from blupbayes.mme.statistics import Statistics

__all__ = ["ledger"]

KINDS = {"mean": MEAN, "variance": VARIANCE}


def ledger(answers: Mapping[str, Any], of: str = "mean") -> pd.DataFrame:
    """A row per quantity and posterior; its parts add up to the difference [E-LEDGER], [E-TOTALVAR].

    Parameters
    ----------
    answers : mapping
        Label -> answer, of one model.
    of : {"mean", "variance"}
        Posterior mean minus BLUP, or posterior variance minus the plug-in prediction-error variance.

    Raises
    ------
    ComparisonError
        If there is no posterior among the answers, or ``of`` is something else.
    """
    if of not in KINDS:
        raise ComparisonError(f"ledger(of={of!r}): it is 'mean' or 'variance'.")
    posteriors = {name: a for name, a in answers.items() if hasattr(a, "averages")}
    if not posteriors:
        raise ComparisonError(
            "the ledger explains how a posterior differs from the BLUP, and there is no posterior here. "
            "Add model.integrate() or model.sample()."
        )
    reml = reml_of(list(answers.values()))
    blocks = [block(name, a, reml, of) for name, a in posteriors.items()]
    table = pd.concat(blocks, ignore_index=True)
    table.attrs["parts"] = [SENTENCES[part] for part in KINDS[of]]
    return table


def reml_of(answers: Sequence[Any]) -> Estimate:
    """The REML estimate among the answers, or of their data."""
    for a in answers:
        found = getattr(a, "estimate", None)
        if isinstance(found, Estimate) and found.method == "REML":
            return found
    return estimate(statistics_of(answers), "REML")


def statistics_of(answers: Sequence[Any]) -> Statistics:
    """The statistics that an answer holds, or of its design."""
    for a in answers:
        found = getattr(a, "statistics", None)
        if isinstance(found, Statistics):
            return found
    return reduced(next(a.design for a in answers if hasattr(a, "design")))


def block(name: str, answer: Any, reml: Estimate, of: str) -> pd.DataFrame:
    """The rows of one posterior."""
    s, found = reml.statistics, answer.averages
    kept = bool(s.aliased) and answer.prior.kappa == 0  # as a Fit reports it, else the smallest-norm limit

    def at(T: Any, sigma: float) -> Any:
        solved = posterior(s, T, sigma)
        return stack(s.groups, s.fixed_names, pivoted(solved) if kept else solved)

    blup, plug_in = at(reml.T, reml.sigma)
    parts = (
        mean_parts(blup, at(found.T, reml.sigma)[0], found)
        if of == "mean"
        else variance_parts(plug_in, found)
    )
    rows = keys(s.groups, s.fixed_names)
    rows.insert(4, "estimator", name)
    return pd.concat([rows, parts], axis=1)
