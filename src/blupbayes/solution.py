"""Gaussian: Henderson's solution at given variances, as users hold it. Thin and frozen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import blupbayes.derived as derived
from blupbayes.compare import effects, rows
from blupbayes.mme.gaussian import GaussianPosterior
from blupbayes.mme.statistics import Statistics
from blupbayes.model.design import Design
from blupbayes.show.sheet import compose
from blupbayes.show.summary import coefficients, paragraph, title
from blupbayes.show.tables import to_html
from blupbayes.variances import Variances

__all__ = ["Gaussian"]

Array = NDArray[np.float64]
GIVEN = "given, not estimated"


@dataclass(frozen=True, eq=False, repr=False)
class Gaussian:
    """Henderson's equations at given variances: the Gaussian posterior of (beta, b) [E-MME].

    Parameters
    ----------
    design : Design
        What was asked.
    statistics : Statistics
        What the data say.
    variances : Variances
        The variances that were given.
    posterior : GaussianPosterior
        Mean and covariance blocks.
    prior_mean : float or array (p,)
        Prior mean of beta; without effect at kappa = 0.

    Examples
    --------
    >>> import blupbayes as bb
    >>> model = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail"))
    >>> g = model.solve({"Rail": 24.8, "residual": 4.02}, kappa=1e-3)
    >>> g.beta.round(2)
    Intercept    60.27
    Name: beta, dtype: float64
    """

    design: Design
    statistics: Statistics
    variances: Variances
    posterior: GaussianPosterior
    prior_mean: Any = field(default=0.0, kw_only=True)

    held: ClassVar[str] = GIVEN
    spreads: ClassVar[tuple[str, ...]] = ("pev_sd", "cond_sd")

    @property
    def estimator(self) -> str:
        """Label in tables."""
        return "MME"

    @property
    def kappa(self) -> float:
        """Prior precision of beta; unit 1/beta^2. 0 is Henderson's case."""
        return self.posterior.kappa

    @property
    def n_obs(self) -> int:
        """Rows in the model."""
        return self.design.n_obs

    @property
    def data_hash(self) -> str:
        """SHA-256 of y, X, Z, weights and offset."""
        return self.design.hash

    @property
    def beta(self) -> pd.Series:
        """Posterior mean of the fixed effects (p,); the smallest-norm limit where X is rank-deficient."""
        return pd.Series(self.posterior.beta, index=list(self.design.fixed_names), name="beta")

    @property
    def beta_cov(self) -> pd.DataFrame:
        """Covariance (p, p) of beta."""
        names = list(self.design.fixed_names)
        return pd.DataFrame(self.posterior.beta_cov, index=names, columns=names)

    @property
    def b(self) -> pd.DataFrame:
        """Random effects: group, level, term, estimate, cond_sd, pev_sd."""
        return effects.effects(self.statistics.groups, self.posterior)

    @property
    def log_evidence(self) -> float:
        """The log evidence log p(y | variances, kappa) [E-EVIDENCE]; -inf for kappa = 0."""
        return self.posterior.log_evidence

    def group_means(self) -> pd.DataFrame:
        """beta_k + b_jk: group, level, term, estimate, pev_sd."""
        return effects.group_means(self.statistics.groups, self.design.fixed_names, self.posterior)

    def draw(self, n: int, random_seed: Any = None) -> dict[str, Array]:
        """Independent draws from the Gaussian, under the names that the posterior uses.

        Parameters
        ----------
        n : int
            How many.
        random_seed : int or Generator, optional
            Passed to ``numpy.random.default_rng``.

        Returns
        -------
        dict
            "beta": (n, p); "b_<group>": (n, J, q) for every grouping factor.
        """
        beta, b = self.posterior.draw(n, np.random.default_rng(random_seed))
        return {"beta": beta} | {f"b_{g.name}": x for g, x in zip(self.statistics.groups, b, strict=True)}

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines for the foot of a table."""
        prior = (
            "kappa = 0 (flat prior on beta)"
            if self.kappa == 0
            else f"kappa = {self.kappa:g} (prior precision of beta)"
        )
        return (f"Henderson's equations at the variances shown, {prior}.",)

    def icc(self, ci_prob: float = 0.95) -> pd.DataFrame:
        """Intraclass correlations [E-ICC] at these variances as rows of the long table; none with random slopes."""
        return derived.given_icc(self.design, self.posterior.T, self.estimator, self.held)

    def marginal_means(self, ci_prob: float = 0.95) -> pd.DataFrame:
        """Marginal means of the factors of the fixed side [E-MARGINAL] as rows of the long table."""
        flat = self.kappa == 0
        at = effects.pivoted(self.posterior) if flat else self.posterior
        return derived.gaussian_means(
            self.design, self.statistics, at.beta, at.beta_cov, self.estimator, ci_prob, flat
        )

    def tidy(self, ci_prob: float = 0.95, *, spread: str = "pev_sd") -> pd.DataFrame:
        """The long table of this answer; the sds and correlations are the given ones; spread as in ``Fit.tidy``."""
        label, flat = self.estimator, self.kappa == 0
        sd = np.sqrt(np.diag(self.posterior.beta_cov))
        blocks = [
            rows.block(
                "fixed",
                label,
                term=list(self.design.fixed_names),
                estimate=self.posterior.beta,
                uncertainty=sd,
                uncertainty_kind="se" if flat else "posterior_sd",
                note="" if flat else f"kappa = {self.kappa:g}, variances held",
                **rows.normal_interval(self.posterior.beta, sd, ci_prob, "wald" if flat else "eti"),
            ),
            *rows.variance_rows(self.variances, label, self.held),
            *effects.random_rows(
                self.b,
                self.group_means(),
                effects.weights(self.statistics.groups, self.posterior),
                label,
                ci_prob,
                spread,
            ),
        ]
        return rows.gather(blocks)

    def __repr__(self) -> str:
        table = pd.DataFrame({"estimate": self.beta, "sd": np.sqrt(np.diag(self.posterior.beta_cov))})
        return "\n".join(
            [
                title(self.design),
                *map(paragraph, self.notes),
                "",
                repr(self.variances),
                "",
                coefficients(table, ["estimate", "sd"]),
            ]
        )

    def _repr_html_(self) -> str:
        return to_html(compose(self.tidy(), title(self.design), self.notes, max_rows=40))
