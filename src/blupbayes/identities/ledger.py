"""The parts of every ledger, added up, beside what is reported minus the BLUP by dense formulas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blupbayes.compare.dense import Dense
from blupbayes.compare.identity import Identity, rounding
from blupbayes.compare.ledger import MEAN, VARIANCE, stack
from blupbayes.errors import BlupbayesError
from blupbayes.identities.case import Case
from blupbayes.ledgers import ledger

__all__ = ["ledger_identities"]

Array = NDArray[np.float64]

KINDS = {"mean": (MEAN, "posterior_mean"), "variance": (VARIANCE, "posterior_variance")}
KEYS = ["component", "group", "level", "term"]


def ledger_identities(
    case: Case, answers: Mapping[str, Any], dense: Dense, remarks: list[str]
) -> list[Identity]:
    """Of means and of variances, for every posterior [E-LEDGER].

    Parameters
    ----------
    case : Case
    answers : mapping
        With the REML estimate among them.
    dense : Dense
        At the REML estimates.
    remarks : list of str
        Gets what was left out, and why.
    """
    posteriors = {name: a for name, a in answers.items() if hasattr(type(a), "averages")}
    out: list[Identity] = []
    try:
        for of in KINDS if posteriors else ():
            table = ledger(answers, of)
            for name, mine in table.groupby("estimator", sort=False):
                mark = f"[{name}]" if len(posteriors) > 1 else ""
                own = mine.reset_index(drop=True)
                out.append(one(case, own, posteriors[str(name)], of, dense, mark))
    except BlupbayesError as refusal:
        remarks.append(f"ledger: left out. {refusal}")
    return out


def one(case: Case, table: pd.DataFrame, answer: Any, of: str, dense: Dense, mark: str) -> Identity:
    """Of one posterior; on b alone where columns of X are aliased."""
    parts, reported = KINDS[of]
    own = table[reported].to_numpy()
    left = table[list(parts)].sum(axis=1, skipna=False).to_numpy()
    right = own - plug_in(case, table, of, dense)
    size = np.abs(own) + np.sqrt(answer.averages.reported_variance) * (of == "mean")
    kept = np.flatnonzero(np.full(len(own), case.full_rank) | table["component"].eq("b").to_numpy())
    labels = [" ".join(filter(None, row)) for row in table[KEYS].iloc[kept].to_numpy().tolist()]
    how = "by dense formulas" if case.whole else "by the package's own"
    scale = (size + np.abs(right))[kept]
    return Identity(
        f"ledger_{of}", left[kept], right[kept], scale, rounding(dense.condition), labels, {"how": how}, mark
    )


def plug_in(case: Case, table: pd.DataFrame, of: str, dense: Dense) -> Array:
    """BLUPs or their variances at REML (Q,) by dense formulas; the ledger's own where V is not formed for all rows."""
    if not case.whole:
        return table["blup" if of == "mean" else "plug_in"].to_numpy()
    if case.full_rank:
        return stack(case.names.groups, case.names.fixed, dense)[of == "variance"]
    b = [x.ravel() if of == "mean" else np.diagonal(x, axis1=1, axis2=2).ravel()
         for x in (dense.b if of == "mean" else dense.pev)]  # fmt: skip
    out = np.full(len(table), np.nan)
    out[table["component"].eq("b").to_numpy()] = np.concatenate(b)
    return out
