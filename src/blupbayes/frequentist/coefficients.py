"""Tests of fixed effects and of what is linear in them: t, F, degrees of freedom, p."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blupbayes.errors import BlupbayesError
from blupbayes.frequentist.kenward_roger import KenwardRoger, kenward_roger
from blupbayes.frequentist.linear import Linear
from blupbayes.frequentist.satterthwaite import t_df, wald_F
from blupbayes.frequentist.standard_errors import Spread, spread
from blupbayes.mme.criterion import Evaluation, evaluate
from blupbayes.mme.fit import Estimate, estimate

__all__ = ["FixedTests", "f_tail", "t_tail"]

Array = NDArray[np.float64]
logger = logging.getLogger("blupbayes")

KINDS = {
    "none": "none: t is compared with the normal distribution; se treats the variances as known",
    "satterthwaite": "Satterthwaite, from the observed information; se treats the variances as known",
    "kenward-roger": "Kenward-Roger: se corrected for estimated variances, df matched to an F distribution",
}
REFITTED = "Kenward-Roger is defined for REML: the fit by ML was refitted by REML for this table."


def t_tail(t: Array, df: Array) -> Array:
    """P(|T| >= |t|) (k,); df may be inf."""
    from scipy.special import ndtr, stdtr

    size = -np.abs(t)
    with np.errstate(invalid="ignore"):
        return np.asarray(
            2.0 * np.where(np.isinf(df), ndtr(size), stdtr(np.where(np.isinf(df), 1.0, df), size))
        )


def f_tail(F: float, num_df: float, den_df: float) -> float:
    """P(F_{num_df, den_df} >= F); den_df may be inf."""
    from scipy.special import chdtrc, fdtrc

    return float(chdtrc(num_df, num_df * F) if np.isinf(den_df) else fdtrc(num_df, den_df, F))


@dataclass(frozen=True, eq=False)
class FixedTests:
    """Tests of L beta at one fit, with degrees of freedom of one kind.

    Parameters
    ----------
    fit : Estimate
    kind : str
        "none", "satterthwaite" or "kenward-roger".
    message : str
        What had to be done, else empty.
    """

    fit: Estimate
    kind: str
    message: str = ""

    @classmethod
    def of(cls, fit: Estimate, kind: str) -> FixedTests:
        """Kenward-Roger of a fit by ML refits by REML, and says so.

        Raises
        ------
        BlupbayesError
            If there is no such kind.
        """
        if kind not in KINDS:
            raise BlupbayesError(f"df={kind!r} is not one of {', '.join(map(repr, KINDS))}.")
        if kind == "kenward-roger" and fit.method != "REML":
            logger.warning(REFITTED)
            return cls(estimate(fit.statistics, "REML"), kind, REFITTED)
        return cls(fit, kind)

    @cached_property
    def spread(self) -> Spread:
        """Sampling covariance of the variance parameters."""
        return spread(self.fit)

    @cached_property
    def corrected(self) -> KenwardRoger:
        """Kenward and Roger's correction."""
        return kenward_roger(self.at)

    @cached_property
    def at(self) -> Evaluation:
        """The criterion at the estimates."""
        return (
            self.spread.at
            if self.kind == "satterthwaite"
            else evaluate(self.fit.statistics, self.fit.theta, self.fit.method)
        )

    def linear(self, L: Array) -> Linear:
        """L beta (k,) here."""
        return Linear(self.at, L)

    def covariance(self, linear: Linear) -> Array:
        """Var(L beta_hat) (k, k)."""
        return self.corrected.covariance(linear) if self.kind == "kenward-roger" else linear.covariance

    def rows(self, L: Array, rhs: Array) -> dict[str, Array]:
        """estimate, se, df, t, p (k,) of each row of L beta = rhs."""
        linear = self.linear(L)
        se = np.sqrt(self.covariance(linear).diagonal())
        if self.kind == "none":
            df = np.full(len(L), np.inf)
        else:
            df = t_df(linear, self.spread) if self.kind == "satterthwaite" else self.corrected.t_df(linear)
        t = (linear.estimate - rhs) / se
        return {"estimate": linear.estimate, "se": se, "df": df, "t": t, "p": t_tail(t, df)}

    def joint(self, L: Array, rhs: Array) -> dict[str, float]:
        """num_df, den_df, F, p of all rows of L beta = rhs together, and wald: F before any scaling."""
        linear, factor = self.linear(L), 1.0
        if self.kind == "kenward-roger":
            wald, den_df, factor = self.corrected.test(linear, rhs)
            F, num_df = factor * wald, len(L)
        elif self.kind == "satterthwaite":
            F, num_df, den_df = wald_F(linear, self.spread, rhs)
        else:
            miss = linear.estimate - rhs
            F, num_df, den_df = (
                float(miss @ np.linalg.solve(linear.covariance, miss)) / len(L),
                len(L),
                np.inf,
            )
        return {
            "num_df": float(num_df),
            "den_df": den_df,
            "F": F,
            "p": f_tail(F, num_df, den_df),
            "wald": F / factor,
        }

    def coefficients(self) -> pd.DataFrame:
        """estimate, se, df, t, p, a row per column of X; NaN for aliased ones."""
        s = self.fit.statistics
        values = self.rows(np.eye(len(s.fixed_names))[s.kept], np.zeros(s.rank))
        table = pd.DataFrame(values, index=[s.fixed_names[k] for k in s.kept]).reindex(list(s.fixed_names))
        return self.labelled(table)

    def labelled(self, table: pd.DataFrame, *messages: str) -> pd.DataFrame:
        """The table with what its df are, and what else has to be said."""
        table.attrs["df"] = KINDS[self.kind]
        said = [text for text in (self.message, *messages) if text]
        if said:
            table.attrs["messages"] = said
        return table
