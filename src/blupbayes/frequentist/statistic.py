"""The likelihood-ratio statistic of two estimates, and the row of a table that it gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from blupbayes.errors import BlupbayesError
from blupbayes.frequentist.chi_bar import ChiBar, chi_square_p
from blupbayes.mme.fit import Estimate
from blupbayes.mme.restricted import Restricted
from blupbayes.model.design import Design

__all__ = ["Bootstrap", "Test", "likelihood_ratio", "reading"]

ROUNDING = 1e-6  # of a criterion, in deviance units: what optimisers leave
NOISE = 1e-12  # the same, relative to the criterion


@dataclass(frozen=True, eq=False)
class Test:
    """Two estimates by one criterion, the first a special case of the second.

    ``null``: an Estimate of ``null_design``, or a Restricted one of ``design`` with its mask over theta;
    ``alternative``: an Estimate of ``design``; ``chisq``, ``df``: the statistic and the new parameters.
    """

    __test__ = False  # no test of pytest's

    null: Estimate | Restricted
    alternative: Estimate
    null_design: Design
    design: Design
    chisq: float
    df: int


Bootstrap = Callable[[Test], float]


def likelihood_ratio(null: float, alternative: float, names: tuple[str, str]) -> float:
    """Difference of two criteria; 0 where it is rounding.

    Raises
    ------
    BlupbayesError
        If the smaller model has the higher likelihood: one of the optima is wrong.
    """
    chisq, tolerance = null - alternative, ROUNDING + NOISE * abs(null)
    if chisq < -tolerance:
        raise BlupbayesError(
            f"{names[0]!r} has a higher likelihood than {names[1]!r}, of which it is a special case (chisq "
            f"{chisq:.3g}): the search for the optimum of the second stopped elsewhere. Look at its certificate, or "
            "rescale columns."
        )
    return chisq if chisq > tolerance else 0.0


def reading(test: Test, against: ChiBar | str, p_bootstrap: Bootstrap | None) -> Mapping[str, Any]:
    """The columns chisq, df, p and p_boundary of a test, and p_bootstrap where somebody computes it.

    Parameters
    ----------
    test : Test
    against : ChiBar or str
        The distribution at the null, or why there is none in closed form.
    p_bootstrap : callable, optional
        Test -> p-value by parametric bootstrap.
    """
    found = {
        "chisq": test.chisq,
        "df": float(test.df),
        "p": chi_square_p(test.chisq, test.df) if test.df else np.nan,
        "p_boundary": against.p(test.chisq) if isinstance(against, ChiBar) else np.nan,
    }
    return found if p_bootstrap is None else {**found, "p_bootstrap": float(p_bootstrap(test))}
