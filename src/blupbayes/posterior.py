"""Posterior: draws from the full posterior as users hold them. Thin and frozen; the work is done below."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

import blupbayes.derived as derived
from blupbayes.bayes import summary as read
from blupbayes.bayes.averages import Averages, of_draws
from blupbayes.bayes.diagnostics import diagnostics
from blupbayes.bayes.predict_draws import predict_draws
from blupbayes.bayes.propriety import moment_messages
from blupbayes.bayes.provenance import prior_from
from blupbayes.bayes.tree import drawn_arrays, log_likelihood
from blupbayes.compare import rows
from blupbayes.errors import BlupbayesError
from blupbayes.hooks import PosteriorHooks
from blupbayes.mme.reduced import reduced
from blupbayes.model.design import Design
from blupbayes.model.measures import check_rows
from blupbayes.model.resolved import ResolvedPrior
from blupbayes.show.sheet import compose
from blupbayes.show.summary import paragraph, title
from blupbayes.show.tables import to_html

__all__ = ["Posterior", "read_posterior"]


@dataclass(frozen=True, eq=False, repr=False)
class Posterior(PosteriorHooks):
    """Draws of all parameters, with the prior that made them.

    Parameters
    ----------
    design : Design
        What was asked.
    prior : ResolvedPrior
        The prior that was used, defaults filled in, in the units of the data.
    data : xarray.DataTree
        ArviZ groups; in posterior beta, sigma, sd_<group>, corr_<group> and b_<group>.
    diagnostics : dict
        Divergences, largest r_hat, smallest effective sample sizes, and what they mean.
    """

    design: Design
    prior: ResolvedPrior
    data: Any
    diagnostics: dict[str, Any]

    @property
    def estimator(self) -> str:
        """Label in tables."""
        return "NUTS"

    @property
    def n_obs(self) -> int:
        """Rows in the model."""
        return self.design.n_obs

    @property
    def data_hash(self) -> str:
        """SHA-256 of y, X, Z, weights and offset."""
        return self.design.hash

    def summary(self, ci_prob: float = 0.95) -> pd.DataFrame:
        """Mean, sd, median, equal-tailed interval and Monte Carlo diagnostics.

        Parameters
        ----------
        ci_prob : float
            Level of the interval, in (0, 1).

        Returns
        -------
        DataFrame
            mean, sd, median, eti95_lb, eti95_ub, mcse_mean, mcse_sd, ess_bulk, ess_tail, r_hat; a row per
            parameter: beta[Days], sigma, sd_Subject[Days], corr_Subject[Days,Intercept].
        """
        return read.summary(self.data, self.design, ci_prob)

    def ranef(self, ci_prob: float = 0.95) -> pd.DataFrame:
        """Random effects: group, level, term, estimate (posterior mean), posterior_sd, interval, mcse, ...

        The mean is the BLUP averaged over what the variances may be [E-TOWER]; the sd holds the averaged
        prediction-error variance and how much the BLUP itself moves with them [E-TOTALVAR].
        """
        return read.ranef(self.data, self.design, ci_prob)

    def group_means(self, ci_prob: float = 0.95) -> pd.DataFrame:
        """beta_k + b_jk for coefficients with a fixed column of the same name; columns as in ranef."""
        return read.group_means(self.data, self.design, ci_prob)

    @cached_property
    def averages(self) -> Averages:
        """The BLUP map and its errors averaged over the draws: what ``Comparison.ledger`` is made of.

        Raises
        ------
        BlupbayesError
            If the random effects have a Student t distribution.
        """
        draws, medians = drawn_arrays(self.data), bool(moment_messages(self.design, self.prior))
        return of_draws(self.design, reduced(self.design), self.prior, draws, medians=medians)

    @cached_property
    def messages(self) -> tuple[str, ...]:
        """What a reader of the draws has to know, as sentences."""
        return tuple(self.diagnostics["messages"])

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines for the foot of a table: how it was drawn, how well, and from which prior."""
        d, attrs = self.diagnostics, self.data.attrs
        how = f"{d['chains']} chains x {d['draws']} draws, {attrs['parameterization']}"
        well = f"{d['divergences']} divergences, max r_hat {d['r_hat']:.3f}, min ess_bulk {d['ess_bulk']:.0f}"
        prior = "; ".join(f"{name} ~ {text}" for name, text, _ in self.prior.lines())
        reason = attrs.get("parameterization_reason")
        why = (f"{attrs['parameterization']}: {reason}.",) if reason else ()
        return (f"{how}, seed {attrs['random_seed']}; {well}.", f"prior {prior}.", *why, *self.messages)

    def log_likelihood(self, kind: str = "conditional") -> Any:
        """Log-likelihood of every draw, ready for ``az.loo`` and ``az.compare``.

        Parameters
        ----------
        kind : {"conditional", "marginal"}
            "conditional": of each row, given b. Leaving out a row then predicts a new row of a level that is known;
            with few rows per level its Pareto k is often too large. "marginal": of each level of the only grouping
            factor, b integrated out: leaving out a level predicts the rows of a new one.

        Returns
        -------
        xarray.DataTree
            Groups posterior and log_likelihood. ``data["log_likelihood"]`` is the conditional one.
        """
        check_rows(self.design)
        return log_likelihood(self.data, self.design, self.prior, kind)

    def predict(
        self,
        data: Any = None,
        *,
        random: Any = "all",
        new_levels: str = "error",
        ci_prob: float = 0.95,
        weights: Any = None,
    ) -> pd.DataFrame:
        """Posterior means and posterior predictive intervals of the model's rows or new ones, from the draws.

        Parameters
        ----------
        data, random, new_levels, weights, ci_prob
            As in `ExactPosterior.predict`.

        Returns
        -------
        DataFrame
            mean, sd_mean, ci_lb, ci_ub (of o + x'beta + z'b); sd_prediction, pi_lb, pi_ub (of a new observation). Given
            a draw a new observation is normal, so the last three have no Monte Carlo error beyond that of the draws
            (Student t effects of new levels: one scale per draw; their sd_prediction is infinite).
        """
        if data is None:
            check_rows(self.design)
        options = {"random": random, "new_levels": new_levels, "weights": weights}
        return predict_draws(self.data, self.design, self.prior, data, ci_prob, **options)

    def to_zarr(self, path: Any) -> None:
        """Write the draws to a directory that `read_posterior` reads, and ``xarray.open_datatree`` too.

        Parameters
        ----------
        path : str or Path
            A file or directory that is there already is not overwritten.
        """
        if Path(path).exists():
            raise BlupbayesError(f"{path} exists already. Choose another name, or remove it first.")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # zarr's, on how it stores text
            self.data.to_zarr(path)

    def icc(self, ci_prob: float = 0.95) -> pd.DataFrame:
        """Intraclass correlations [E-ICC] as rows of the long table; none with random slopes."""
        return derived.drawn_icc(self.design, self.data, self.estimator, ci_prob)

    def marginal_means(self, ci_prob: float = 0.95) -> pd.DataFrame:
        """Marginal means of the factors of the fixed side [E-MARGINAL] as rows of the long table."""
        return derived.drawn_means(self.design, self.data, self.estimator, ci_prob, self.prior.kappa == 0)

    def tidy(self, ci_prob: float = 0.95) -> pd.DataFrame:
        """The long table of this answer: posterior means, sds, equal-tailed intervals, Monte Carlo errors."""
        blocks = [
            *parameter_rows(self.design, self.summary(ci_prob), self.estimator, ci_prob),
            *(
                rows.block(
                    component,
                    self.estimator,
                    **labels(table),
                    **spread(table, "posterior_sd", "mcse", ci_prob),
                )
                for component, table in (
                    ("b", self.ranef(ci_prob)),
                    ("group_mean", self.group_means(ci_prob)),
                )
            ),
        ]
        return rows.gather(blocks)

    def __repr__(self) -> str:
        table = self.summary()[["mean", "sd", "eti95_lb", "eti95_ub", "mcse_mean", "ess_bulk", "r_hat"]]
        return "\n".join(
            [title(self.design), *map(paragraph, self.notes[:1]), "", str(self.prior), "",
             table.to_string(float_format=lambda x: f"{x:.5g}"), *map(paragraph, self.messages)]
        )  # fmt: skip

    def _repr_html_(self) -> str:
        return to_html(compose(self.tidy(), title(self.design), self.notes, max_rows=40))


def read_posterior(path: Any, model: Any) -> Posterior:
    """The Posterior that `Posterior.to_zarr` has written.

    Parameters
    ----------
    path : str or Path
    model : MixedModel
        The model that was sampled: the file holds draws, not data frames.

    Raises
    ------
    BlupbayesError
        If there is no posterior in the file, or it is of other data.
    """
    import xarray as xr

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data = xr.open_datatree(path, engine="zarr").load()
        prior, written = prior_from(data.attrs), data.attrs["data_hash"]
    except Exception as error:
        raise BlupbayesError(
            f"{path} holds no posterior: {type(error).__name__}: {error}. Write one with Posterior.to_zarr(path)."
        ) from error
    if written != model.design.hash:
        raise BlupbayesError(
            f"{path} holds the posterior of other data ({data.attrs['formula']}, data hash {written[:8]}) than this "
            f"model ({model.design.formula}, {model.design.hash[:8]}). Give the model that was sampled."
        )
    return Posterior(model.design, prior.resolve(model.design), data, diagnostics(data))


def parameter_rows(design: Design, table: pd.DataFrame, label: str, ci_prob: float) -> list[pd.DataFrame]:
    """Rows fixed, sd and corr, from the summary of the parameters."""

    def take(component: str, names: list[str], **keys: Any) -> pd.DataFrame:
        part = table.loc[names]
        return rows.block(
            component, label, estimate=part["mean"], **keys, **spread(part, "sd", "mcse_mean", ci_prob)
        )

    fixed = take("fixed", [f"beta[{name}]" for name in design.fixed_names], term=list(design.fixed_names))
    sds = [
        take("sd", [f"sd_{g.name}[{k}]" for k in g.names], group=g.name, term=list(g.names))
        for g in design.groups
    ]
    if design.sigma is None:
        residual = take("sd", ["sigma"], group="residual")
    else:
        residual = rows.block("sd", label, group="residual", estimate=[design.sigma], note=rows.KNOWN)
    corrs = []
    for g in design.groups:
        pairs = [(g.names[i], g.names[j]) for i, j in read.correlated(g)]
        names = [f"corr_{g.name}[{later},{earlier}]" for later, earlier in pairs]
        corrs.append(
            take("corr", names, group=g.name, term=[f"{earlier}, {later}" for later, earlier in pairs])
        )
    return [fixed, *sds, residual, *corrs]


def labels(table: pd.DataFrame) -> dict[str, Any]:
    """Its keys and estimates as columns of the long table."""
    return {name: table[name].to_numpy() for name in ("group", "level", "term", "estimate")}


def spread(table: pd.DataFrame, sd: str, mcse: str, ci_prob: float) -> dict[str, Any]:
    """Its spreads and diagnostics as columns of the long table."""
    lower, upper = (
        next(c for c in table if str(c).startswith("eti") and str(c).endswith(end)) for end in ("_lb", "_ub")
    )
    return {
        "uncertainty": table[sd].to_numpy(),
        "uncertainty_kind": "posterior_sd",
        "ci_lb": table[lower].to_numpy(),
        "ci_ub": table[upper].to_numpy(),
        "ci_kind": "eti",
        "ci_prob": ci_prob,
        "mcse": table[mcse].to_numpy(),
        "ess_bulk": table["ess_bulk"].to_numpy(),
        "r_hat": table["r_hat"].to_numpy(),
    }
