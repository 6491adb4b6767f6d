"""Fit: ML or REML estimates as users hold them. Thin and frozen; the work is on the floors below."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import blupbayes.derived as derived
from blupbayes.compare import effects, rows
from blupbayes.frequentist import residuals as left
from blupbayes.frequentist.simulate import refit, simulate
from blupbayes.hooks import FitHooks
from blupbayes.inference import Inference
from blupbayes.mme.fit import Certificate, Estimate
from blupbayes.mme.gaussian import GaussianPosterior, posterior
from blupbayes.mme.statistics import Statistics
from blupbayes.model.design import Design
from blupbayes.model.measures import check_rows
from blupbayes.prediction_error import predict_with_error
from blupbayes.show.sheet import compose
from blupbayes.show.summary import fit_text, title
from blupbayes.show.tables import to_html
from blupbayes.variances import Variances

__all__ = ["Fit"]

Array = NDArray[np.float64]
ALIASED = "aliased: a combination of earlier columns"


@dataclass(frozen=True, eq=False, repr=False)
class Fit(FitHooks, Inference):
    """ML or REML estimates, and the BLUPs at them.

    Parameters
    ----------
    design : Design
        What was asked.
    estimate : Estimate
        theta, sigma and the certificate of the optimum.

    Examples
    --------
    >>> import blupbayes as bb
    >>> fit = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail")).fit("REML")
    >>> fit.summary().round(2)[["estimate", "se", "t"]]
               estimate     se     t
    Intercept      66.5  10.17  6.54
    >>> fit.ranef().round(2).head(2)
      group level       term  estimate  cond_sd  pev_sd
    0  Rail     2  Intercept    -34.53     2.31   10.34
    1  Rail     5  Intercept    -16.36     2.31   10.34
    """

    design: Design
    estimate: Estimate

    spreads: ClassVar[tuple[str, ...]] = ("pev_sd", "cond_sd")

    @property
    def method(self) -> str:
        """Which criterion was minimised: "ML" or "REML"."""
        return self.estimate.method

    @property
    def estimator(self) -> str:
        """Label in tables: the method."""
        return self.estimate.method

    @property
    def statistics(self) -> Statistics:
        """What the data say, free of n."""
        return self.estimate.statistics

    @property
    def formula(self) -> str:
        """The formula as it was given."""
        return self.design.formula

    @property
    def n_obs(self) -> int:
        """Rows in the fit."""
        return self.design.n_obs

    @property
    def data_hash(self) -> str:
        """SHA-256 of y, X, Z, weights and offset."""
        return self.design.hash

    @property
    def beta(self) -> pd.Series:
        """Fixed effects (p,), generalised least squares [E-GLS]; NaN for aliased columns."""
        values = np.full(len(self.design.fixed_names), np.nan)
        values[self.statistics.kept] = self.estimate.beta[self.statistics.kept]
        return pd.Series(values, index=list(self.design.fixed_names), name="beta")

    @cached_property
    def beta_cov(self) -> pd.DataFrame:
        """Covariance (p, p) of beta_hat with the variances held; NaN for aliased columns."""
        names = list(self.design.fixed_names)
        return pd.DataFrame(self.gaussian.beta_cov, index=names, columns=names)

    @property
    def sigma(self) -> float:
        """Residual sd; unit of y."""
        return self.estimate.sigma

    @property
    def theta(self) -> Array:
        """Relative covariance parameters (m,): terms in formula order, each T column-major."""
        return self.estimate.theta.copy()

    @cached_property
    def variances(self) -> Variances:
        """Sds and correlations in the units of y."""
        return Variances.from_factors(self.statistics.groups, self.estimate.T, self.sigma)

    @property
    def log_likelihood(self) -> float:
        """Log-likelihood, restricted for REML [E-ML], [E-REML]."""
        return self.estimate.log_likelihood

    @property
    def criterion(self) -> float:
        """-2 log-likelihood, restricted for REML."""
        return self.estimate.criterion

    @property
    def n_parameters(self) -> int:
        """Rank of X, plus the entries of theta, plus one for sigma unless it is known."""
        return self.statistics.rank + self.statistics.n_theta + (self.design.sigma is None)

    @property
    def aic(self) -> float:
        """AIC: criterion + 2 n_parameters, for REML too (as lme4)."""
        return self.criterion + 2.0 * self.n_parameters

    @property
    def bic(self) -> float:
        """BIC: criterion + log(n_obs) n_parameters, for REML too (as lme4)."""
        return self.criterion + float(np.log(self.n_obs)) * self.n_parameters

    @property
    def converged(self) -> bool:
        """Whether the certificate holds."""
        return self.estimate.certificate.converged

    @property
    def is_boundary(self) -> bool:
        """Whether a covariance matrix is singular: a variance of 0 or a correlation of -1 or 1."""
        return self.estimate.is_boundary

    @property
    def certificate(self) -> Certificate:
        """Why the estimate may be trusted: slope, Newton decrement, multipliers at the boundary."""
        return self.estimate.certificate

    @property
    def messages(self) -> tuple[str, ...]:
        """What a reader of the estimates has to know, as sentences."""
        return self.estimate.messages

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines for the foot of a table."""
        state = (
            f"converged, largest slope {self.certificate.gradient:.0e}"
            if self.converged
            else self.certificate
        )
        return (f"criterion {self.criterion:.4f}; {state}.", *self.messages)

    @cached_property
    def solved(self) -> GaussianPosterior:
        """Henderson's equations solved at the estimates [E-MME]; computed when first needed."""
        return posterior(self.statistics, self.estimate.T, self.sigma)

    @cached_property
    def gaussian(self) -> effects.GaussianLike:
        """The same, read on the columns of X that are kept."""
        read: effects.GaussianLike = effects.pivoted(self.solved)
        return read

    def ranef(self) -> pd.DataFrame:
        """BLUPs [E-BLUP] with both spreads [E-PEV].

        Returns
        -------
        DataFrame
            group, level, term, estimate, cond_sd (sd of b given y, beta and the variances: lme4's condVar),
            pev_sd (sqrt Var(b_hat - b)); units of y per unit of the column.
        """
        return effects.effects(self.statistics.groups, self.gaussian)

    def group_means(self) -> pd.DataFrame:
        """beta_k + b_jk for coefficients with a fixed column of the same name.

        Returns
        -------
        DataFrame
            group, level, term, estimate, pev_sd (of the sum, errors of beta and b together).
        """
        return effects.group_means(self.statistics.groups, self.design.fixed_names, self.gaussian)

    def weights(self) -> pd.DataFrame:
        """Share of a level's own information that is kept [E-WEIGHT]: group, level, term, estimate."""
        return effects.weights(self.statistics.groups, self.gaussian)

    def predict(
        self,
        data: Any = None,
        *,
        random: Any = "all",
        new_levels: str = "error",
        ci_prob: float | None = None,
        weights: Any = None,
        se: bool = True,
    ) -> pd.DataFrame:
        """Fitted values, or predictions for new rows, with standard errors [E-BLP].

        Parameters
        ----------
        data : frame, optional
            New rows, without the response; None takes the model's own.
        random : "all", "none", a name or a list of names
            Which random effects take part: of a grouping factor ("Subject"), one coefficient ("Subject[Days]"), or a
            term as the formula writes it ("(1 | Subject)"). The others are 0 in the mean, and drawn anew in a
            prediction.
        new_levels : {"error", "population"}
            What a level that the fit has not seen gets: a refusal, or b = 0 in the mean and a new draw in a prediction.
        ci_prob : float, optional
            Level of normal intervals of the mean (ci_lb, ci_ub) and of a new observation (pi_lb, pi_ub).
        weights : str or array (m,), optional
            Precision weights of the rows; None is 1 for new rows, and the model's own for its own.
        se : bool
            False gives the mean alone, at next to no cost.

        Returns
        -------
        DataFrame
            mean; se_mean, of beta and b jointly; sd_prediction, with sigma^2 / weight and the variance of random
            effects that are drawn anew; intervals. Unit of y. The variances are held at their estimates
            (``attrs["kind"]``), so with few levels intervals are too short: see ExactPosterior.predict. Rows whose
            mean is not estimable have an infinite se_mean and are named in ``attrs["messages"]``.

        Examples
        --------
        >>> import blupbayes as bb
        >>> fit = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail")).fit()
        >>> fit.predict({"Rail": ["2", "7"]}, new_levels="population").round(2)
            mean  se_mean  sd_prediction
        0  31.97     2.31           4.64
        1  66.50    10.17          27.11
        """
        if data is None:
            check_rows(self.design)
        options = {
            "random": random,
            "new_levels": new_levels,
            "ci_prob": ci_prob,
            "weights": weights,
            "se": se,
        }
        return predict_with_error(self.design, self.estimate.beta, self.solved, data, **options)

    def fitted(self, level: str = "conditional") -> pd.Series:
        """Fitted values o + X beta + Z b, or o + X beta (level="marginal"), under the data's index."""
        check_rows(self.design)
        return left.fitted(self.design, self.estimate.beta, self.solved, level)

    def residuals(self, kind: str = "raw", level: str = "conditional") -> pd.Series:
        """Residuals: kind "raw", "pearson" or "studentized", level "conditional" on b or "marginal".

        Pearson's are over the sd of y, sigma / sqrt(w) or the marginal one; studentized ones over their own sd. lme4's
        ``resid(type = "pearson", scaled = TRUE)`` are the conditional Pearson residuals.
        """
        check_rows(self.design)
        return left.residuals(self.design, self.estimate.beta, self.solved, kind, level)

    def leverage(self) -> pd.Series:
        """d fitted_i / d y_i of the conditional fit at fixed variances, between 0 and 1."""
        check_rows(self.design)
        return left.leverage(self.design, self.solved)

    def quantile_residuals(self, n: int = 250, random_seed: Any = None, level: str = "marginal") -> pd.Series:
        """Where each y stands among n simulated ones, in [0, 1]: uniform if the model holds.

        See `blupbayes.frequentist.residuals.quantile_residuals`.
        """
        check_rows(self.design)
        return left.quantile_residuals(self.design, self.estimate.beta, self.solved, n, random_seed, level)

    def simulate(self, n: int = 1, *, random: str = "new", random_seed: Any = None) -> pd.DataFrame:
        """n responses (n_obs, n) from the model at its estimates; b drawn anew, or at the BLUPs ("conditional")."""
        check_rows(self.design)
        return simulate(self.design, self.estimate.beta, self.solved, n, random, random_seed)

    def refit(self, y: Any) -> Fit:
        """The same design fitted to another response, array or Series (n_obs,), by the same method."""
        check_rows(self.design)
        return Fit(*refit(self.design, self.method, y))

    def icc(self, ci_prob: float = 0.95) -> pd.DataFrame:
        """Intraclass correlations [E-ICC] as rows of the long table; delta-method errors; none with random slopes."""
        return derived.estimated_icc(self.design, self.estimate, self.method, ci_prob)

    def marginal_means(self, ci_prob: float = 0.95) -> pd.DataFrame:
        """Marginal means of the factors of the fixed side [E-MARGINAL] as rows of the long table."""
        return derived.gaussian_means(
            self.design,
            self.statistics,
            self.beta.to_numpy(),
            self.gaussian.beta_cov,
            self.method,
            ci_prob,
            True,
        )

    def tidy(self, ci_prob: float = 0.95, *, spread: str = "pev_sd") -> pd.DataFrame:
        """The long table of this answer; intervals are normal, of kind wald (se), pev (pev_sd) or cond (cond_sd).

        Parameters
        ----------
        ci_prob : float
            Level of the intervals, in (0, 1).
        spread : {"pev_sd", "cond_sd"}
            Of the rows b.
        """
        fixed = self.summary(df="none")
        known = "" if self.design.sigma is None else rows.KNOWN
        shared = {"uncertainty": fixed["se"], "uncertainty_kind": "se"}
        bounds = rows.normal_interval(fixed["estimate"], fixed["se"], ci_prob, "wald")
        note = [ALIASED if np.isnan(v) else "" for v in fixed["estimate"]]
        blocks = [
            rows.block(
                "fixed",
                self.method,
                term=list(fixed.index),
                estimate=fixed["estimate"],
                note=note,
                **shared,
                **bounds,
            ),
            *rows.variance_rows(self.variances, self.method, residual=known),
            *effects.random_rows(
                self.ranef(), self.group_means(), self.weights(), self.method, ci_prob, spread
            ),
        ]
        return rows.gather(blocks)

    def __repr__(self) -> str:
        return fit_text(self)

    def _repr_html_(self) -> str:
        return to_html(compose(self.tidy(), title(self.design), self.notes, max_rows=40))
