"""What a Fit says beyond its estimates: standard errors, tests, intervals. Thin; the work is done in frequentist/."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
import pandas as pd

from blupbayes.errors import DataError
from blupbayes.frequentist.coefficients import FixedTests
from blupbayes.frequentist.profiles import intervals, listed, traces
from blupbayes.frequentist.standard_errors import AT_BOUNDARY, spread, varcorr, wald
from blupbayes.mme.fit import Estimate, estimate
from blupbayes.mme.statistics import Statistics
from blupbayes.model.design import Design

__all__ = ["Inference"]

ZETAS = tuple(k * 0.5 for k in range(-6, 7) if k)


class Inference:
    """Methods of a Fit; it has a design and an estimate."""

    design: Design
    estimate: Estimate

    @property
    def statistics(self) -> Statistics:
        """What the data say, free of n."""
        return self.estimate.statistics

    def summary(self, df: str = "satterthwaite") -> pd.DataFrame:
        """Fixed effects with standard errors, t tests and their degrees of freedom.

        Parameters
        ----------
        df : {"satterthwaite", "kenward-roger", "none"}
            Degrees of freedom. "kenward-roger" also corrects the standard errors, and refits a fit by ML by REML (and
            says so); "none" compares t with the normal distribution, which is too narrow where groups are few: the
            column df is inf then.

        Returns
        -------
        DataFrame
            estimate, se, df, t, p; a row per column of X; ``attrs["df"]`` says what df is.

        Examples
        --------
        >>> import blupbayes as bb
        >>> model = bb.MixedModel("Reaction ~ Days + (Days | Subject)", bb.load_dataset("sleepstudy"))
        >>> model.fit().summary()[["estimate", "se", "df", "t"]].round(2)
                   estimate    se    df      t
        Intercept    251.41  6.82  17.0  36.84
        Days          10.47  1.55  17.0   6.77
        """
        return FixedTests.of(self.estimate, df).coefficients()

    def varcorr(self, information: str = "observed") -> pd.DataFrame:
        """Variances, covariances, sds and correlations with standard errors: lme4's VarCorr as a table.

        Parameters
        ----------
        information : {"observed", "average", "expected"}
            Curvature of the criterion, average information (AI-REML) or Fisher's; carried over by the delta method.

        Returns
        -------
        DataFrame
            group, term, with_term (of a pair of coefficients), vcov, vcov_se, sdcor, sdcor_se: variance and sd, or
            covariance and correlation; NaN at the boundary, where no standard error exists.

        Examples
        --------
        >>> import blupbayes as bb
        >>> fit = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail")).fit()
        >>> fit.varcorr()[["group", "vcov", "vcov_se"]].round(2)
              group    vcov  vcov_se
        0      Rail  615.31   392.57
        1  residual   16.17     6.60
        """
        return varcorr(self.statistics, spread(self.estimate, information))

    def confint(
        self,
        method: str = "profile",
        ci_prob: float = 0.95,
        parameters: str | Sequence[str] | None = None,
        *,
        criterion: str = "ML",
    ) -> pd.DataFrame:
        """Confidence intervals of fixed effects and variance parameters.

        Parameters
        ----------
        method : {"profile", "wald"}
            "profile": where the deviance has risen by the chi-square quantile, all others at their best; "wald":
            estimate +- z se, sds on the log scale and correlations on Fisher's z.
        ci_prob : float
            Level, in (0, 1).
        parameters : str or sequence of str, optional
            Names as in the index of the table (and theta[0], ... for profiles); None for all.
        criterion : {"ML", "REML"}
            What is profiled: the ML deviance (as lme4, for a fit by REML too), or the REML criterion, which has
            no fixed effects.

        Returns
        -------
        DataFrame
            estimate, ci_lb, ci_ub, ci_kind, ci_prob, note; a row per parameter. A note says where an interval is
            one-sided.

        Examples
        --------
        >>> import blupbayes as bb
        >>> fit = bb.MixedModel("Yield ~ 1 + (1 | Batch)", bb.load_dataset("dyestuff")).fit()
        >>> fit.confint()[["ci_lb", "ci_ub"]].round(2)
                               ci_lb    ci_ub
        beta[Intercept]      1486.45  1568.55
        sigma                  38.23    67.66
        sd_Batch[Intercept]    12.20    84.06
        """
        level(ci_prob)
        if method == "profile":
            table = intervals(self._optimum(criterion), ci_prob, parameters)
            table.attrs["criterion"] = f"profile of the {criterion} deviance"
        elif method == "wald":
            table = self._wald(ci_prob, parameters)
        else:
            raise DataError(f"method={method!r} is not one of 'profile', 'wald', 'bootstrap'.")
        table.insert(3, "ci_kind", method)
        table.insert(4, "ci_prob", ci_prob)
        return table

    def _optimum(self, criterion: str) -> Estimate:
        """The optimum of the criterion that is profiled."""
        if criterion not in ("ML", "REML"):
            raise DataError(f"criterion={criterion!r} is not one of 'ML', 'REML'.")
        return self.estimate if self.estimate.method == criterion else estimate(self.statistics, criterion)

    def _wald(self, ci_prob: float, parameters: str | Sequence[str] | None) -> pd.DataFrame:
        z, found, fixed = (
            NormalDist().inv_cdf(0.5 + 0.5 * ci_prob),
            spread(self.estimate),
            self.summary(df="none"),
        )
        low, high, scale = wald(found, z)
        beta = pd.DataFrame(
            {
                "estimate": fixed["estimate"], "ci_lb": fixed["estimate"] - z * fixed["se"],
                "ci_ub": fixed["estimate"] + z * fixed["se"], "note": "scale: identity",
            }
        )  # fmt: skip
        beta.index = pd.Index([f"beta[{name}]" for name in fixed.index])
        notes = [
            AT_BOUNDARY if np.isnan(se) else f"scale: {s}" for s, se in zip(scale, found.se, strict=True)
        ]
        names = [x.name for x in found.which]
        own = pd.DataFrame(
            {"estimate": found.values, "ci_lb": low, "ci_ub": high, "note": notes}, index=names
        )
        return chosen(pd.concat([beta, own]), parameters)

    def profile(
        self,
        parameters: str | Sequence[str] | None = None,
        *,
        criterion: str = "ML",
        zetas: Sequence[float] = ZETAS,
    ) -> pd.DataFrame:
        """Profile traces: how the deviance rises along each parameter, and where the others go meanwhile.

        Parameters
        ----------
        parameters : str or sequence of str, optional
            As in confint.
        criterion : {"ML", "REML"}
            As in confint.
        zetas : sequence of float
            Signed square roots of the rise at which the profile is taken; 1.96 is a 95 % limit.

        Returns
        -------
        DataFrame
            parameter, zeta, value, deviance, then one column per parameter with its value there.

        Examples
        --------
        >>> import blupbayes as bb
        >>> fit = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail")).fit()
        >>> fit.profile(["sigma"], zetas=[-1, 1])[["zeta", "value", "sd_Rail[Intercept]"]].round(2)
           zeta  value  sd_Rail[Intercept]
        0  -1.0   3.34               22.66
        1   0.0   4.02               22.62
        2   1.0   4.97               22.56
        """
        return traces(self._optimum(criterion), zetas, parameters)


def level(ci_prob: float) -> None:
    """Refuse a level that is none."""
    if not 0.0 < ci_prob < 1.0:
        raise DataError(f"ci_prob={ci_prob!r} must lie between 0 and 1, as 0.95.")


def chosen(table: pd.DataFrame, parameters: str | Sequence[str] | None) -> pd.DataFrame:
    """The rows asked for."""
    if parameters is None:
        return table
    asked = listed(parameters)
    missing = [name for name in asked if name not in table.index]
    if missing:
        raise DataError(f"no parameter {missing[0]!r} in this fit (it has {', '.join(table.index)}).")
    return table.loc[asked]
