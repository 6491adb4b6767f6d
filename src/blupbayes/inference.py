"""What a Fit says beyond its estimates: standard errors, tests, intervals. Thin; the work is done in frequentist/."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd

from blupbayes.errors import DataError
from blupbayes.frequentist.bootstrap import Bootstrap, bootstrap
from blupbayes.frequentist.bootstrap_p import bootstrap_p
from blupbayes.frequentist.coefficients import FixedTests
from blupbayes.frequentist.contrasts import independent, read_contrasts
from blupbayes.frequentist.estimable import answerable, check_estimable
from blupbayes.frequentist.influence import influence
from blupbayes.frequentist.likelihood_ratio import anova as likelihood_ratios
from blupbayes.frequentist.profiles import intervals, listed, traces
from blupbayes.frequentist.random_terms import ranova
from blupbayes.frequentist.standard_errors import AT_BOUNDARY, spread, varcorr, wald
from blupbayes.mme.fit import Estimate, estimate
from blupbayes.mme.statistics import Statistics
from blupbayes.model.design import Design
from blupbayes.model.hypotheses import hypotheses
from blupbayes.model.measures import check_rows

__all__ = ["Inference", "anova"]

F_COLUMNS = ["num_df", "den_df", "F", "p"]
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

    def contrast(self, L: Any, *, df: str = "satterthwaite", joint: bool = False) -> pd.DataFrame:
        """Test what is linear in the fixed effects.

        Parameters
        ----------
        L : str, dict, list of them, array (p,) or (k, p), or DataFrame
            "Days = 10", "x1 - x2"; {"x1": 1, "x2": -1}; rows of weights of all columns of X; columns by name.
        df : {"satterthwaite", "kenward-roger", "none"}
            As in summary.
        joint : bool
            One F test of all rows together, in place of a t test for each.

        Returns
        -------
        DataFrame
            estimate, se, df, t, p, a row per contrast (t and p are of its difference from the right side); or
            num_df, den_df, F, p.

        Raises
        ------
        DataError, FormulaError
            If L cannot be read.
        IdentifiabilityError
            If the data cannot answer: aliased columns are named.

        Examples
        --------
        >>> import blupbayes as bb
        >>> fit = bb.MixedModel("Reaction ~ Days + (Days | Subject)", bb.load_dataset("sleepstudy")).fit()
        >>> fit.contrast("Intercept + 9 * Days")[["estimate", "se", "df"]].round(2)
                              estimate     se    df
        Intercept + 9 * Days    345.61  14.63  17.0
        """
        asked, message = read_contrasts(L, self.design.fixed_names), ""
        check_estimable(asked, self.statistics)
        tests = FixedTests.of(self.estimate, df)
        if joint:
            asked, message = independent(asked)
            found = pd.DataFrame([tests.joint(asked.L, asked.rhs)], index=[", ".join(asked.labels)])[
                F_COLUMNS
            ]
        else:
            found = pd.DataFrame(tests.rows(asked.L, asked.rhs), index=list(asked.labels))
        return tests.labelled(found, message)

    def anova(self, *, df: str = "satterthwaite") -> pd.DataFrame:
        """F tests of the terms of the formula, type III: each given all others, whatever the coding of factors.

        Parameters
        ----------
        df : {"satterthwaite", "kenward-roger", "none"}
            As in summary.

        Returns
        -------
        DataFrame
            sum_sq, mean_sq (sigma^2 times Wald's F, before Kenward and Roger's scaling), num_df, den_df, F, p; a row
            per term but the intercept. A term that the data cannot test has NaN, and its reason in
            ``attrs["messages"]``.

        Examples
        --------
        >>> import blupbayes as bb
        >>> fit = bb.MixedModel("score ~ Machine + (1 | Worker/Machine)", bb.load_dataset("machines")).fit()
        >>> fit.anova()[["num_df", "den_df", "F"]].round(2)
                 num_df  den_df      F
        Machine     2.0    10.0  20.58
        """
        tests = FixedTests.of(self.estimate, df)
        terms = answerable(hypotheses(self.design), self.statistics)
        rows = {h.name: tests.joint(h.L, np.zeros(len(h.L))) if len(h.L) else {} for h in terms}
        table = pd.DataFrame.from_dict(rows, orient="index", columns=[*F_COLUMNS, "wald"], dtype=float)
        mean_sq = table.pop("wald") * tests.fit.sigma**2
        table.insert(0, "sum_sq", mean_sq * table["num_df"])
        table.insert(1, "mean_sq", mean_sq)
        return tests.labelled(table, *(f"{h.name}: {h.reason}" for h in terms if h.reason))

    def ranova(
        self, bootstrap: int = 0, random_seed: Any = None, *, n_jobs: int | None = 1, progressbar: bool = True
    ) -> pd.DataFrame:
        """Likelihood-ratio tests of the random effects: each coefficient left out in turn, by the fit's own criterion.

        Parameters
        ----------
        bootstrap : int
            Replicates for p_bootstrap; 0 for none.
        random_seed, n_jobs, progressbar
            As in bootstrap.

        Returns
        -------
        DataFrame
            npar, log_likelihood, chisq, df, p (chi-square, as lme4), p_boundary (the mixture that holds where the
            null is a variance of 0), p_bootstrap if asked for; the first row is the fit.

        Examples
        --------
        >>> import blupbayes as bb
        >>> fit = bb.MixedModel("Yield ~ 1 + (1 | Batch)", bb.load_dataset("dyestuff")).fit()
        >>> fit.ranova()[["chisq", "df", "p", "p_boundary"]].round(4).iloc[1].tolist()
        [6.369, 1.0, 0.0116, 0.0058]
        """
        if bootstrap:
            check_rows(self.design)
        p = bootstrap_p(bootstrap, random_seed, n_jobs=n_jobs, progressbar=progressbar)
        return ranova(self.design, self.statistics, self.estimate, p)

    def bootstrap(
        self, n: int = 1000, random_seed: Any = None, *, n_jobs: int | None = 1, progressbar: bool = True
    ) -> Bootstrap:
        """Parametric bootstrap: responses drawn from the fit, the fit repeated on each.

        Parameters
        ----------
        n : int
            Replicates.
        random_seed : int, SeedSequence, Generator or None
            Makes the same replicates again, whatever n_jobs is.
        n_jobs : int or None
            Other than 1: through joblib, with the backend that ``joblib.parallel_config`` has set (Dask's, say).
        progressbar : bool
            Silent where stdout is no terminal.

        Returns
        -------
        Bootstrap
            ``replicates``, ``interval(ci_prob, kind)``, ``boundary_share``; interrupted, it holds what was done.

        Examples
        --------
        >>> import blupbayes as bb
        >>> fit = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail")).fit()
        >>> fit.bootstrap(200, random_seed=1).replicates.shape
        (200, 4)
        """
        check_rows(self.design)
        return bootstrap(
            self.design, self.estimate, n=n, random_seed=random_seed, n_jobs=n_jobs, progressbar=progressbar
        )

    def influence(self, group: str | None = None, *, variances: str = "refit") -> pd.DataFrame:
        """What the estimates would be without each level of a grouping factor.

        Parameters
        ----------
        group : str, optional
            Needed where the model has several.
        variances : {"refit", "fixed"}
            Estimate the variances again without each level, or hold them relative to sigma.

        Returns
        -------
        DataFrame
            n_rows, cooks_distance, dfbeta[...], dfbetas[...], the variance parameters without the level and their
            change[...], note; a row per level.

        Examples
        --------
        >>> import blupbayes as bb
        >>> fit = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail")).fit()
        >>> fit.influence()["cooks_distance"].round(2).head(2).to_dict()
        {'2': 0.47, '5': 0.11}
        """
        check_rows(self.design)
        return influence(self.design, self.estimate, group, variances=variances)

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
        **bootstrap_options: Any,
    ) -> pd.DataFrame:
        """Confidence intervals of fixed effects and variance parameters.

        Parameters
        ----------
        method : {"profile", "wald", "bootstrap"}
            "profile": where the deviance has risen by the chi-square quantile, all others at their best; "wald":
            estimate +- z se, sds on the log scale and correlations on Fisher's z; "bootstrap": see bootstrap.
        ci_prob : float
            Level, in (0, 1).
        parameters : str or sequence of str, optional
            Names as in the index of the table (and theta[0], ... for profiles); None for all.
        criterion : {"ML", "REML"}
            What is profiled: the ML deviance (as lme4, for a fit by REML too), or the REML criterion, which has
            no fixed effects.
        **bootstrap_options
            For method="bootstrap": kind ("percentile", "bca" or "basic"), n, random_seed, n_jobs, progressbar.

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
        if method == "bootstrap":
            kind = bootstrap_options.pop("kind", "percentile")
            found = self.bootstrap(**bootstrap_options).interval(ci_prob, kind)
            return chosen(
                found[["estimate", "ci_lb", "ci_ub", "ci_kind", "ci_prob"]].assign(note=""), parameters
            )
        if bootstrap_options:
            raise DataError(
                f"{next(iter(bootstrap_options))} is an option of method='bootstrap', not of {method!r}."
            )
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
        0  -1.0   3.32               22.66
        1   0.0   4.02               22.62
        2   1.0   5.01               22.56
        """
        return traces(self._optimum(criterion), zetas, parameters)


def anova(
    *fits: Any,
    refit: bool = True,
    bootstrap: int = 0,
    random_seed: Any = None,
    n_jobs: int | None = 1,
    progressbar: bool = True,
    **named: Any,
) -> pd.DataFrame:
    """Likelihood-ratio tests between fits of nested models; of one fit alone, F tests of its terms.

    Parameters
    ----------
    *fits : Fit
        Of the same rows, in any order.
    refit : bool
        Fits by REML are fitted again by ML first, and this is said; False compares REML criteria, if X is the same.
    bootstrap : int
        Replicates for p_bootstrap; 0 for none.
    random_seed, n_jobs, progressbar
        As in Fit.bootstrap.
    **named : Fit
        Further fits under your own labels.

    Returns
    -------
    DataFrame
        npar, aic, bic, log_likelihood, deviance, chisq, df, p (chi-square, as lme4), p_boundary (the chi-bar-square
        mixture where the null is a variance of 0); a row per model. One fit alone: see Fit.anova.

    Raises
    ------
    ComparisonError
        If the data differ, or a model is not nested in the next one.

    Examples
    --------
    >>> import blupbayes as bb
    >>> sleep = bb.load_dataset("sleepstudy")
    >>> one = bb.MixedModel("Reaction ~ Days + (1 | Subject)", sleep).fit("ML")
    >>> two = bb.MixedModel("Reaction ~ Days + (Days | Subject)", sleep).fit("ML")
    >>> bb.anova(one, two)[["npar", "chisq", "df", "p"]].iloc[1].round(2).tolist()
    [6.0, 42.14, 2.0, 0.0]
    """
    if len(fits) == 1 and not named and isinstance(fits[0], Inference):
        return fits[0].anova()
    p = bootstrap_p(bootstrap, random_seed, n_jobs=n_jobs, progressbar=progressbar)
    return likelihood_ratios(*fits, refit=refit, p_bootstrap=p, **named)


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
