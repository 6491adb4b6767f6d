"""ExactPosterior: the posterior by integration, as users hold it. Thin and frozen; the work is done below."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

import blupbayes.derived as derived
from blupbayes.bayes import reading as read
from blupbayes.bayes.averages import Averages, of_integral
from blupbayes.bayes.cloud import Cloud
from blupbayes.bayes.exact_tree import exact_tree
from blupbayes.bayes.integrate import Integral
from blupbayes.bayes.leave_out import leave_out
from blupbayes.bayes.power import power_scaling
from blupbayes.bayes.predictive import predict_exactly
from blupbayes.bayes.propriety import moment_messages
from blupbayes.bayes.quantity import combinations, quantity
from blupbayes.bayes.reweight import reweighted
from blupbayes.compare import rows
from blupbayes.errors import DataError
from blupbayes.hooks import PosteriorHooks
from blupbayes.model.design import Design, Group
from blupbayes.model.measures import check_rows
from blupbayes.model.prior import Prior, read_prior
from blupbayes.model.resolved import ResolvedPrior
from blupbayes.posterior import labels, parameter_rows, spread
from blupbayes.show.sheet import compose
from blupbayes.show.summary import paragraph, title
from blupbayes.show.tables import to_html

__all__ = ["ExactPosterior"]

ROUGH = 1e-3  # sds: how far the ends of a plot may be missed
TRUSTED = 0.7  # Pareto k up to which importance sampling can be trusted
NEAR = 3.0  # modes so much lower, in units of the log-density, are told


@dataclass(frozen=True, eq=False, repr=False)
class ExactPosterior(PosteriorHooks):
    """Posterior means, sds and quantiles of everything, without draws.

    Parameters
    ----------
    design : Design
        What was asked.
    prior : ResolvedPrior
        The prior that was used, defaults filled in, in the units of the data.
    integral : Integral
        The lattice and its errors.
    """

    design: Design
    prior: ResolvedPrior
    integral: Integral

    @property
    def estimator(self) -> str:
        """Label in tables."""
        return "integrate"

    @property
    def n_obs(self) -> int:
        """Rows in the model."""
        return self.design.n_obs

    @property
    def data_hash(self) -> str:
        """SHA-256 of y, X, Z, weights and offset."""
        return self.design.hash

    @property
    def log_marginal_likelihood(self) -> float:
        """Log of the integral of likelihood times prior; at kappa = 0 with density 1 for beta, and no Bayes factor."""
        return self.integral.log_marginal_likelihood

    @cached_property
    def diagnostics(self) -> dict[str, Any]:
        """What the integral cost, and how far to trust it.

        error and rel_error (largest stated and asked, in posterior sds), modes, points, factorizations, leaked_mass
        (estimated share beyond the lattice), pareto_k (of importance sampling, else NaN), messages.
        """
        i = self.integral
        return {
            "error": i.error,
            "rel_error": i.rel_error,
            "modes": int(np.sum(i.modes.values > i.modes.values[0] - NEAR)),
            "points": len(i.mixture.points),
            "factorizations": i.n_factorizations,
            "leaked_mass": i.mixture.lattice.leaked,
            "pareto_k": getattr(i.mixture.lattice, "pareto_k", np.nan),
            "messages": list(self.messages),
        }

    @cached_property
    def messages(self) -> tuple[str, ...]:
        """What a reader has to know, as sentences."""
        i, out = self.integral, []
        if not i.error <= i.rel_error:
            out.append(
                f"The integral states an error of {i.error:.1g} posterior sds, more than the {i.rel_error:g} asked "
                "for. If the prior's tail is so heavy that a mean or sd hardly exists, read the medians and "
                "intervals or give a prior with a lighter tail; else draw with sample()."
            )
        lattice = i.mixture.lattice
        if isinstance(lattice, Cloud) and lattice.pareto_k > TRUSTED:
            out.append(
                f"Importance sampling over {lattice.index.shape[1]} variance parameters: the Pareto k of its weights "
                f"is {lattice.pareto_k:.2f}, above {TRUSTED}, so neither numbers nor errors can be trusted. Draw with "
                "sample(), or leave correlations or terms out."
            )
        count = int(np.sum(i.modes.values > i.modes.values[0] - NEAR))
        if count > 1:
            out.append(
                f"The posterior of the variances has {count} modes: a mean between them describes neither. Read the "
                "medians and intervals."
            )
        return (*out, *moment_messages(self.design, self.prior))

    def summary(self, ci_prob: float = 0.95) -> pd.DataFrame:
        """Mean, sd, median, equal-tailed interval, and the stated errors of mean and sd.

        Parameters
        ----------
        ci_prob : float
            Level of the interval, in (0, 1).

        Returns
        -------
        DataFrame
            mean, sd, median, eti95_lb, eti95_ub, err_mean, err_sd; a row per parameter: beta[Days], sigma,
            sd_Subject[Days], corr_Subject[Days,Intercept].
        """
        return read.parameters(self.integral, self.design, ci_prob)

    def ranef(self, ci_prob: float = 0.95) -> pd.DataFrame:
        """Random effects: group, level, term, estimate (posterior mean), posterior_sd, interval, err.

        The mean is the BLUP averaged over what the variances may be [E-TOWER]; the sd holds the averaged
        prediction-error variance and how much the BLUP itself moves with them [E-TOTALVAR].
        """
        return read.ranef(self.integral, self.design, ci_prob)

    def group_means(self, ci_prob: float = 0.95) -> pd.DataFrame:
        """beta_k + b_jk for coefficients with a fixed column of the same name; columns as in ranef."""
        return read.group_means(self.integral, self.design, ci_prob)

    @cached_property
    def averages(self) -> Averages:
        """The BLUP map and its errors averaged over the posterior: what ``Comparison.ledger`` is made of."""
        return of_integral(self.integral, medians=bool(moment_messages(self.design, self.prior)))

    def cdf(self, name: str, values: Any) -> Any:
        """P(quantity <= value): tail probabilities.

        Parameters
        ----------
        name : str
            As in summary(), or b_Subject[308,Days], group_mean_Subject[308,Days].
        values : float or array (n,)
            In the unit of the quantity.

        Returns
        -------
        float or array (n,)

        Raises
        ------
        DataError
            If there is no such quantity.

        Examples
        --------
        >>> import blupbayes as bb
        >>> model = bb.MixedModel("Yield ~ 1 + (1 | Batch)", bb.load_dataset("dyestuff2"))
        >>> round(float(model.integrate().cdf("sd_Batch[Intercept]", 1.0)), 2)
        0.6
        """
        at = np.asarray(values, dtype=float)
        found = quantity(self.integral, self.design, name)
        return found.cdf(np.atleast_1d(at)).reshape(at.shape)[()]

    def density(self, name: str, values: Any = None) -> pd.DataFrame:
        """Posterior density of one quantity, for a plot.

        Parameters
        ----------
        name : str
            As in cdf.
        values : array (n,), optional
            None takes 200 values from the 0.1 % to the 99.9 % quantile.

        Returns
        -------
        DataFrame
            value and density, in one over the unit of the quantity; nan at an end of its range (an sd of 0).
        """
        found = quantity(self.integral, self.design, name)
        if values is None:
            low, high = found.quantiles((0.001, 0.999), ROUGH).ravel()
            values = np.linspace(low, high, 200)
        at = np.atleast_1d(np.asarray(values, dtype=float))
        return pd.DataFrame({"value": at, "density": found.pdf(at)})

    def quantile(self, name: str, probs: Any) -> Any:
        """Values that the quantity stays below with given probabilities: float or array (n,); name as in cdf."""
        given = np.asarray(probs, dtype=float)
        if not np.all((given > 0) & (given < 1)):
            raise DataError(f"probs={probs!r}: probabilities lie between 0 and 1.")
        found = quantity(self.integral, self.design, name)
        tolerance = 1e-3 * self.integral.rel_error
        return found.quantiles(np.atleast_1d(given).tolist(), tolerance).reshape(given.shape)[()]

    def combine(self, weights: Any, ci_prob: float = 0.95) -> pd.DataFrame:
        """Linear combinations of coefficients and random effects: contrasts, predictions of new rows.

        Parameters
        ----------
        weights : dict, or list of dicts
            {name: weight}, names as in cdf: {"beta[Days]": 1, "b_Subject[308,Days]": 1}.
        ci_prob : float
            Level of the interval, in (0, 1).

        Returns
        -------
        DataFrame
            estimate, posterior_sd, eti95_lb, eti95_ub, a row per combination.

        Raises
        ------
        DataError
            If a name is no coefficient or random effect.

        Examples
        --------
        >>> import blupbayes as bb
        >>> post = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail")).integrate()
        >>> post.combine({"b_Rail[4,Intercept]": 1, "b_Rail[2,Intercept]": -1})["estimate"].round(1).tolist()
        [63.6]
        """
        rows = [weights] if isinstance(weights, Mapping) else list(weights)
        return combinations(self.integral, self.design, rows, ci_prob)

    def predict(
        self,
        data: Any = None,
        *,
        random: Any = "all",
        new_levels: str = "error",
        ci_prob: float = 0.95,
        weights: Any = None,
    ) -> pd.DataFrame:
        """Posterior means and posterior predictive intervals of the model's rows or new ones, without draws.

        Parameters
        ----------
        data, random, new_levels, weights
            As in `Fit.predict`. What does not take part in the mean, or belongs to a new level, is 0 there, so that
            the mean is that of the population; in a new observation it is drawn from its population.
        ci_prob : float
            Level of the equal-tailed intervals, in (0, 1).

        Returns
        -------
        DataFrame
            mean, sd_mean, ci_lb, ci_ub (of o + x'beta + z'b); sd_prediction, pi_lb, pi_ub (of a new observation). Unit
            of y; the variances are integrated over.

        Examples
        --------
        >>> import blupbayes as bb
        >>> post = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail")).integrate()
        >>> new = post.predict({"Rail": ["2", "7"]}, new_levels="population")
        >>> new[["mean", "sd_mean", "pi_lb", "pi_ub"]].round(1)
           mean  sd_mean  pi_lb  pi_ub
        0  32.1      2.7   21.6   42.9
        1  66.5     12.0    2.6  130.4
        """
        if data is None:
            check_rows(self.design)
        options = {"random": random, "new_levels": new_levels, "weights": weights}
        return predict_exactly(self.integral, self.design, data, ci_prob, **options)

    def draw(self, draws: int = 1000, chains: int = 4, random_seed: Any = None) -> Any:
        """Independent draws of everything, for what has no closed form.

        Parameters
        ----------
        draws, chains : int
            Chains are a shape only: all draws are independent.
        random_seed : int, Generator or None
            Makes the same draws again.

        Returns
        -------
        xarray.DataTree
            Groups and names as from sample(): ``az.summary``, ``az.plot_forest``, ``az.loo`` read it.
        """
        return exact_tree(self.integral, self.design, draws, chains, random_seed)

    @cached_property
    def data(self) -> Any:
        """4 x 1000 independent draws as a DataTree, always the same ones; see draw for others."""
        return self.draw(random_seed=0)

    def loo(self) -> pd.DataFrame:
        """Exact leave-one-out: log p(y_i | all other rows), without refits and without Pareto-k.

        Returns
        -------
        DataFrame
            elpd and err (stated), a row per row of the data.

        Raises
        ------
        IntegrationError
            If the model is too large.
        """
        check_rows(self.design)
        elpd, error = leave_out(self.integral, self.design, [np.array([i]) for i in range(self.n_obs)])
        return pd.DataFrame({"elpd": elpd, "err": error})

    def logo(self, group: str | None = None) -> pd.DataFrame:
        """Exact leave-one-group-out: log p(y_j | all other levels), all rows of a level at once.

        Parameters
        ----------
        group : str, optional
            The grouping factor; not needed where there is one.

        Returns
        -------
        DataFrame
            group, level, elpd, err (stated), a row per level.

        Raises
        ------
        DataError
            If there is no such grouping factor.
        IntegrationError
            If the model is too large.
        """
        check_rows(self.design)
        g = one_group(self.design, group)
        rows = [np.flatnonzero(g.codes == j) for j in range(len(g.levels))]
        elpd, error = leave_out(self.integral, self.design, rows)
        return pd.DataFrame({"group": g.name, "level": list(g.levels), "elpd": elpd, "err": error})

    def reweight(self, prior: Prior | None = None) -> ExactPosterior:
        """The posterior under another prior of the sds and correlations, from the same points: milliseconds.

        Parameters
        ----------
        prior : Prior, optional
            kappa, mean and precision must be those of this posterior.

        Raises
        ------
        PriorError
            If the prior of beta is another one: integrate again then.
        """
        resolved = read_prior(prior).resolve(self.design)
        return ExactPosterior(self.design, resolved, reweighted(self.integral, self.prior, resolved))

    def power_scaling(self) -> pd.DataFrame:
        """How the posterior moves if the prior of sigma, sds and correlations is raised to a power near 1 [E-POWER].

        Returns
        -------
        DataFrame
            mean, sd (derivatives in log2 of the power), mean_in_sd, distance; a row per parameter. priorsense's rule of
            thumb: a distance above 0.05 deserves a look.

        Examples
        --------
        >>> import blupbayes as bb
        >>> model = bb.MixedModel("Yield ~ 1 + (1 | Batch)", bb.load_dataset("dyestuff"))
        >>> post = model.integrate(bb.Prior(sd="HalfNormal(50)", residual="Flat"))
        >>> post.power_scaling()["distance"].round(3).to_dict()
        {'beta[Intercept]': 0.017, 'sigma': 0.012, 'sd_Batch[Intercept]': 0.096}
        """
        return power_scaling(self.integral, self.design, self.prior)

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines for the foot of a table: how it was found, how well, and from which prior."""
        d = self.diagnostics
        prior = "; ".join(f"{name} ~ {text}" for name, text, _ in self.prior.lines())
        kind = "lattice" if np.isnan(d["pareto_k"]) else "quasi-Monte-Carlo"
        how = f"beta and b in closed form, variances over {d['points']} {kind} points, no draws"
        return (f"{how}; stated error {d['error']:.0e} posterior sds.", f"prior {prior}.", *self.messages)

    def icc(self, ci_prob: float = 0.95) -> pd.DataFrame:
        """Intraclass correlations [E-ICC] as rows of the long table; none with random slopes."""
        return derived.integrated_icc(self.design, self.integral, self.estimator, ci_prob)

    def marginal_means(self, ci_prob: float = 0.95) -> pd.DataFrame:
        """Marginal means of the factors of the fixed side [E-MARGINAL] as rows of the long table."""
        return derived.integrated_means(self.design, self.integral, self.estimator, ci_prob)

    def tidy(self, ci_prob: float = 0.95) -> pd.DataFrame:
        """The long table of this answer: posterior means, sds and equal-tailed intervals."""
        found = self.summary(ci_prob).rename(columns={"err_mean": "mcse_mean"})
        absent = {"mcse_mean": np.nan, "ess_bulk": np.nan, "r_hat": np.nan}
        shares = read.weights(self.integral, self.design)
        effects = (("b", self.ranef(ci_prob)), ("group_mean", self.group_means(ci_prob)))
        blocks = [
            *parameter_rows(self.design, found.assign(**absent), self.estimator, ci_prob),
            *(
                rows.block(
                    component,
                    self.estimator,
                    **labels(table),
                    **spread(table.assign(mcse=np.nan, **absent), "posterior_sd", "mcse", ci_prob),
                )
                for component, table in effects
            ),
            rows.block(
                "weight",
                self.estimator,
                **labels(shares),
                uncertainty=shares["posterior_sd"].to_numpy(),
                uncertainty_kind="posterior_sd",
            ),
        ]
        return rows.gather(blocks)

    def __repr__(self) -> str:
        table = self.summary().drop(columns="err_sd")
        return "\n".join(
            [title(self.design), *map(paragraph, self.notes[:1]), "", str(self.prior), "",
             table.to_string(float_format=lambda x: f"{x:.5g}"), *map(paragraph, self.messages)]
        )  # fmt: skip

    def _repr_html_(self) -> str:
        return to_html(compose(self.tidy(), title(self.design), self.notes, max_rows=40))


def one_group(design: Design, name: str | None) -> Group:
    """The grouping factor of that name, or the only one."""
    known = {g.name: g for g in design.groups}
    if name is None and len(known) == 1:
        return design.groups[0]
    if name not in known:
        raise DataError(f"group={name!r}: name one of the grouping factors, {', '.join(known)}.")
    return known[name]
