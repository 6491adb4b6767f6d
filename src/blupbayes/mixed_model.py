"""MixedModel: the front door. It composes verbs and holds no mathematics."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from blupbayes.calibration import Calibration
from blupbayes.compare.paths import kappa_table, pooling_table
from blupbayes.comparison import Comparison, compare
from blupbayes.errors import ComparisonError, DataError, IdentifiabilityError, IntegrationError, PriorError
from blupbayes.mme.fit import estimate
from blupbayes.mme.gaussian import kappa_path
from blupbayes.mme.gaussian import posterior as solve
from blupbayes.mme.pooling import pooling_path
from blupbayes.mme.reduced import reduced
from blupbayes.mme.statistics import Statistics
from blupbayes.model.design import Design, from_arrays
from blupbayes.model.measures import check_rows
from blupbayes.model.prior import Prior, read_prior
from blupbayes.model.update import update_formula
from blupbayes.pooled import CompletePooling, NoPooling, pool
from blupbayes.prior_analysis.analyse import analyse
from blupbayes.prior_analysis.path import prior_path
from blupbayes.read_variances import read_variances
from blupbayes.results import ExactPosterior, Fit, Gaussian, Posterior
from blupbayes.sensitivity import Sensitivity
from blupbayes.show.summary import model_text
from blupbayes.source import Source, arrays_without
from blupbayes.variances import RESIDUAL, Variances

if TYPE_CHECKING:
    from blupbayes.mode import Mode
    from blupbayes.stream.reduction import Reduced

__all__ = ["MixedModel"]

logger = logging.getLogger("blupbayes")

METHODS = ("REML", "ML")
COLUMNS = ("complete pooling", "no pooling", "mode")


def read_method(method: Any) -> str:
    """The method in capitals.

    Raises
    ------
    DataError
        If there is no such method.
    """
    name = str(method).upper()
    if name not in METHODS:
        close = get_close_matches(name, METHODS, n=1, cutoff=0.5)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise DataError(f"method={method!r} is not one of 'REML', 'ML'.{hint}")
    return name


def sampled_ranks(
    prior: Prior | None, options: Mapping[str, Any], design: Design, truth: dict[str, float]
) -> dict[str, float]:
    """Ranks of a truth among draws of its posterior."""
    from blupbayes.bayes.calibration import drawn_ranks

    drawn = MixedModel._from(design).sample(prior, progressbar=False, **options)
    return drawn_ranks(drawn.data, truth)


@dataclass(frozen=True, init=False, eq=False, repr=False)
class MixedModel:
    """One linear mixed model of one table [E-MODEL].

    Parameters
    ----------
    formula : str
        As in lme4: ``"Reaction ~ Days + (Days | Subject)"``, ``(x || g)``, ``(1 | a/b)``.
    data : frame
        pandas, or anything that narwhals reads.
    weights : str or array, optional
        Precision weights (not counts): a column or (n,).
    offset : str or array, optional
        Known part of the mean, unit of y.
    sigma : float, optional
        The residual sd if it is known; known standard errors are ``weights=1/se**2, sigma=1``.
    missing : {"raise", "drop"}
        What to do with rows that have missing values.

    Raises
    ------
    FormulaError
        If the formula cannot be read or names an unknown column.
    DataError
        If the data cannot be used as they are.

    Examples
    --------
    >>> import blupbayes as bb
    >>> model = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail"))
    >>> model
    MixedModel travel ~ 1 + (1 | Rail)
      rows    18
      X       18 x 1  Intercept
      Z Rail  18 x 6  6 levels, 3 rows per level (balanced)
    >>> round(model.fit("ML").sigma ** 2, 3)
    16.167
    """

    design: Design
    source: Source | None
    reduced: Reduced | None

    def __init__(
        self,
        formula: str,
        data: Any,
        *,
        weights: Any = None,
        offset: Any = None,
        sigma: float | None = None,
        missing: str = "raise",
    ) -> None:
        options = {"weights": weights, "offset": offset, "sigma": sigma, "missing": missing}
        own = data.copy(deep=False) if isinstance(data, pd.DataFrame) else data
        self._set(Source(formula, own, options))

    @classmethod
    def from_arrays(
        cls,
        y: Any,
        X: Any,
        Z: Any,
        *,
        fixed_names: Sequence[str] | None = None,
        group_name: str = "g",
        weights: Any = None,
        offset: Any = None,
        sigma: float | None = None,
    ) -> MixedModel:
        """Build a model from matrices.

        Parameters
        ----------
        y : array (n,)
        X : array (n, p)
        Z : array or sparse (n, q), or dict
            Indicator columns of one group, or {name: (codes (n,), columns (n, q_k))}.
        fixed_names : sequence of str, optional
            Names of the columns of X.
        group_name : str
            Name of the group of an indicator matrix.
        weights, offset, sigma
            As in the class.

        Examples
        --------
        >>> import numpy as np
        >>> import blupbayes as bb
        >>> rail = bb.load_dataset("rail")
        >>> Z = rail["Rail"].to_numpy()[:, None] == np.unique(rail["Rail"])
        >>> model = bb.MixedModel.from_arrays(rail["travel"], np.ones((18, 1)), Z.astype(float))
        >>> round(model.fit("ML").sigma ** 2, 3)
        16.167
        """
        options: dict[str, Any] = {"fixed_names": fixed_names, "group_name": group_name}
        options |= {"weights": weights, "offset": offset, "sigma": sigma}
        return cls._from(from_arrays(y, X, Z, **options))

    @classmethod
    def from_batches(
        cls,
        formula: str,
        batches: Any,
        *,
        weights: str | None = None,
        offset: str | None = None,
        sigma: float | None = None,
        missing: str = "raise",
        batch_rows: int = 500_000,
        progressbar: bool = True,
    ) -> MixedModel:
        """Build a model from data that are read batch by batch, three times, and never kept.

        Parameters
        ----------
        formula : str
            As in the class. Transforms that need all rows at once (poly, bs, ...) are refused by name.
        batches : iterable, callable, path or dataset
            A list, or any object that gives a fresh iterator each time, of frames, Arrow tables or record batches; a
            function that returns such an iterator; the path of a Parquet file or of a folder of them, or a list of
            paths; a pyarrow dataset.
        weights, offset : str, optional
            A column or an expression.
        sigma, missing
            As in the class.
        batch_rows : int
            Rows of a Parquet file that are read at a time, at most.
        progressbar : bool
            Shown in a terminal only.

        Returns
        -------
        MixedModel
            With every answer that does not need the rows; the same numbers as with all data in one table.

        Raises
        ------
        FormulaError, DataError
            As the class; naming the batch, and if batches differ between themselves or between passes.
        TooLargeError
            If what has to be kept does not fit into memory.

        Examples
        --------
        >>> import blupbayes as bb
        >>> rail = bb.load_dataset("rail")
        >>> model = bb.MixedModel.from_batches("travel ~ 1 + (1 | Rail)", [rail[:10], rail[10:]])
        >>> round(model.fit("ML").sigma ** 2, 3)
        16.167
        """
        from blupbayes.stream.models import of_batches

        options: dict[str, Any] = {"weights": weights, "offset": offset, "missing": missing, "sigma": sigma}
        return cls._kept(
            *of_batches(formula, batches, batch_rows=batch_rows, progressbar=progressbar, **options)
        )

    @classmethod
    def from_dask(
        cls,
        formula: str,
        ddf: Any,
        *,
        weights: str | None = None,
        offset: str | None = None,
        sigma: float | None = None,
        missing: str = "raise",
    ) -> MixedModel:
        """Build a model from a Dask frame, on whatever scheduler or cluster is active.

        Parameters
        ----------
        formula : str
            As in the class.
        ddf : dask.dataframe.DataFrame
            Its partitions are read three times and never kept; a task that fails with its worker runs again elsewhere.
        weights, offset, sigma, missing
            As in from_batches.

        Returns
        -------
        MixedModel
            The same numbers as with all data in one table, whichever worker did what.
        """
        from blupbayes.stream.models import of_dask

        options: dict[str, Any] = {"weights": weights, "offset": offset, "missing": missing, "sigma": sigma}
        return cls._kept(*of_dask(formula, ddf, **options))

    @classmethod
    def from_statistics(cls, *sites: Any) -> MixedModel:
        """Build a model from saved statistics; of several sites, the model of all their rows together.

        Parameters
        ----------
        *sites : str, Path or MixedModel
            Files that ``save`` wrote, or models from batches. Sites may share levels of groups or not.

        Returns
        -------
        MixedModel
            As if all rows were in one table: no site shows a row.

        Raises
        ------
        DataError
            If a file is missing or damaged, or the sites ask different models.

        Examples
        --------
        >>> import blupbayes as bb
        >>> sleep, formula = bb.load_dataset("sleepstudy"), "Reaction ~ Days + (Days | Subject)"
        >>> one = bb.MixedModel.from_batches(formula, [sleep[:90]])
        >>> other = bb.MixedModel.from_batches(formula, [sleep[90:]])
        >>> both = bb.MixedModel.from_statistics(one, other)
        >>> round(both.fit().criterion, 4) == round(bb.MixedModel(formula, sleep).fit().criterion, 4)
        True
        """
        from blupbayes.stream.models import of_statistics

        given = [(site.design, site._sums()) if isinstance(site, MixedModel) else site for site in sites]
        return cls._kept(*of_statistics(given))

    def save(self, path: Any) -> None:
        """Write the statistics of a model from batches to a file, without a row; ``from_statistics`` reads it.

        Parameters
        ----------
        path : str or Path
            Replaced if it is there. It holds numbers and the names of levels, in numpy's format, and no code.

        Raises
        ------
        DataError
            If the model keeps its rows, or the file cannot be written.
        """
        from blupbayes.stream.saved import save

        save(path, self.design, self._sums())  # type: ignore[arg-type]

    def _sums(self) -> Reduced:
        """The sums of a model from batches."""
        if self.reduced is None:
            raise DataError(
                "this model keeps its rows, and statistics are kept by models from batches only; build it with "
                "MixedModel.from_batches(formula, [data])"
            )
        return self.reduced

    @classmethod
    def _kept(cls, design: Any, reduced: Reduced) -> MixedModel:
        """A model of sums."""
        model = cls._from(reduced.design(design))
        object.__setattr__(model, "reduced", reduced)
        return model

    @classmethod
    def _from(cls, given: Any) -> MixedModel:
        model = cls.__new__(cls)
        model._set(given)
        return model

    def _set(self, given: Source | Design) -> None:
        object.__setattr__(self, "reduced", None)
        design = given.build() if isinstance(given, Source) else given
        if any(g.name == RESIDUAL for g in design.groups):
            raise DataError(
                f"a grouping factor cannot be called {RESIDUAL!r}, the name of the residual sd. Rename it."
            )
        object.__setattr__(self, "source", given if isinstance(given, Source) else None)
        object.__setattr__(self, "design", design)

    @property
    def formula(self) -> str:
        """The formula as it was given."""
        return self.design.formula

    @cached_property
    def statistics(self) -> Statistics:
        """What the data say, free of n; the rows are visited once, when this is first needed."""
        return reduced(self.design)

    def fit(self, method: str = "REML") -> Fit:
        """Estimate the variances by REML or ML [E-REML], [E-ML].

        Parameters
        ----------
        method : {"REML", "ML"}
            In any case of letters.

        Returns
        -------
        Fit
            What a reader has to know (a variance of 0, aliased columns) is in ``messages`` and logged.
        """
        fit = Fit(self.design, estimate(self.statistics, read_method(method)))
        for message in fit.messages:
            logger.warning(message)
        return fit

    def _variances(self, given: Any) -> Variances:
        """Read what a user calls variances, for this model."""
        return read_variances(given, self.statistics.groups, self.design.sigma)

    def solve(self, variances: Any, kappa: float = 0.0, prior_mean: Any = 0.0) -> Gaussian:
        """Henderson's equations at known variances, beta ~ N(prior_mean, 1/kappa) [E-MME].

        Parameters
        ----------
        variances : Fit, Variances or dict
            {"Rail": sd or covariance matrix, "residual": sd}, in the units of y.
        kappa : float
            Prior precision of every fixed effect, in [0, inf]; 0 gives BLUE and BLUP.
        prior_mean : float or array (p,)
            Prior mean of beta.

        Returns
        -------
        Gaussian
            For a rank-deficient X at kappa = 0, the smallest-norm limit.
        """
        known = self._variances(variances)
        if np.ndim(kappa):
            raise DataError(f"kappa={kappa!r} is more than one number: use kappa_path(variances, kappas).")
        (precision,) = read_each("kappa", kappa)
        mean = self._mean(prior_mean)
        solved = solve(self.statistics, known.factors(), known.residual, precision, mean)
        return Gaussian(self.design, self.statistics, known, solved, prior_mean=mean)

    def _mean(self, mean: Any) -> Any:
        given = np.asarray(mean, dtype=float)
        p = len(self.design.fixed_names)
        if given.shape not in ((), (p,)) or not np.isfinite(given).all():
            raise DataError(f"prior_mean must be one finite number or {p} of them; it is {mean!r}.")
        return float(given) if given.shape == () else given

    def kappa_path(self, variances: Any, kappas: Sequence[float], prior_mean: Any = 0.0) -> pd.DataFrame:
        """How beta and b go to Henderson's solution as the prior precision goes to 0 [E-RATE].

        Parameters
        ----------
        variances : Fit, Variances or dict
            As in solve.
        kappas : sequence of float
            Each in [0, inf].
        prior_mean : float or array (p,)
            Prior mean of beta.

        Returns
        -------
        DataFrame
            kappa, component (fixed, b, group_mean), group, level, term, estimate, uncertainty and its kind.

        Examples
        --------
        >>> import blupbayes as bb
        >>> model = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail"))
        >>> path = model.kappa_path(model.fit(), [1e-2, 1e-4, 0])
        >>> path.query("component == 'fixed'")["estimate"].round(2).tolist()
        [32.69, 65.82, 66.5]
        """
        known = self._variances(variances)
        values, mean, s = read_each("kappa", kappas), self._mean(prior_mean), self.statistics
        points = kappa_path(s, known.factors(), known.residual, values, mean)
        return kappa_table(s.groups, s.fixed_names, points)

    def pooling_path(self, variances: Any, taus: Sequence[float]) -> pd.DataFrame:
        """How beta and b move from complete pooling (tau = 0) to none (tau = inf).

        Parameters
        ----------
        variances : Fit, Variances or dict
            As in solve; tau multiplies every sd of the random effects, not the residual one.
        taus : sequence of float
            Each in [0, inf].

        Returns
        -------
        DataFrame
            tau, component (fixed, b, group_mean), group, level, term, estimate, uncertainty (inf where no pooling
            leaves it open) and its kind.
        """
        known = self._variances(variances)
        s = self.statistics
        points = pooling_path(s, known.factors(), known.residual, read_each("tau", taus))
        return pooling_table(s.groups, s.fixed_names, points)

    def integrate(self, prior: Prior | None = None, *, rel_error: float = 0.01) -> ExactPosterior:
        """The full posterior by deterministic integration: no draws, no compiler [E-TOWER], [E-TOTALVAR].

        Parameters
        ----------
        prior : Prior, optional
            None is the documented default, rescaled with the units of the data.
        rel_error : float
            Largest error of any mean or sd, as a share of the posterior sd; work grows until it is met.

        Returns
        -------
        ExactPosterior
            What it could not keep is in ``messages`` and logged.

        Examples
        --------
        >>> import blupbayes as bb
        >>> model = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail"))
        >>> model.integrate().summary()["median"].round(1).to_dict()
        {'beta[Intercept]': 66.5, 'sigma': 4.3, 'sd_Rail[Intercept]': 25.7}
        """
        from blupbayes.bayes.integrate import integrate

        resolved = read_prior(prior).resolve(self.design)
        answer = ExactPosterior(
            self.design, resolved, integrate(self.design, self.statistics, resolved, rel_error)
        )
        for message in answer.messages:
            logger.warning(message)
        return answer

    def sensitivity(
        self,
        priors: Mapping[str, Any] | None = None,
        *,
        rel_error: float = 0.01,
        ci_prob: float = 0.95,
        levels: Any = None,
        also: Mapping[str, Any] | None = None,
        n_jobs: int | None = 1,
    ) -> Sensitivity:
        """Is the shrinkage prior-driven? The posterior under several priors of the sds, beside REML [E-VERDICT].

        Parameters
        ----------
        priors : dict, optional
            {label: distribution of every sd, such as "HalfNormal(10)" or "flat", or a Prior}. A distribution leaves
            beta and the residual sd with flat priors; a Prior is taken as it is. None offers a set in the units of the
            data: flat, half-Cauchy, wide and tight half-normal, and IG(.001, .001), which is not neutral.
        rel_error : float
            As in integrate. Posteriors are reweighted from one another where their stated error allows it.
        ci_prob : float
            Level of every interval, in (0, 1).
        levels : sequence of str, "all", or {group: one of these}, optional
            Whose means are shown; by default the first group's levels with the lowest and the highest BLUP.
        also : dict, optional
            Further priors, beside those that are offered: {"mine": prior}.
        n_jobs : int or None
            Other than 1: each prior that needs an integration of its own is a job for joblib, as in calibrate.

        Returns
        -------
        Sensitivity
            A prior without an answer (an improper posterior, say) has a row that says why.

        Raises
        ------
        PriorError
            If a member cannot be read.
        DataError
            If there is no such group or level.

        Examples
        --------
        >>> import blupbayes as bb
        >>> model = bb.MixedModel("Yield ~ 1 + (1 | Batch)", bb.load_dataset("dyestuff"))
        >>> found = model.sensitivity({"flat": "flat", "tight": "HalfNormal(10)"})
        >>> found.table()["verdict"].to_dict()
        {'REML plug-in': 'reference', 'default prior': 'reference', 'flat': 'same', 'tight': 'prior-driven'}
        """
        return analyse(self.design, self.statistics, priors, rel_error, ci_prob, levels, also, n_jobs)

    def prior_scale_path(
        self,
        family: str = "HalfNormal",
        scales: Sequence[float] | None = None,
        *,
        ci_prob: float = 0.95,
        levels: Any = None,
        rel_error: float = 0.01,
    ) -> pd.DataFrame:
        """The scale of the prior of the sds as a continuous path: from pooling by decree to no opinion.

        Parameters
        ----------
        family : {"HalfNormal", "HalfCauchy", "HalfStudentT"}
            The last has 3 degrees of freedom.
        scales : sequence of float, optional
            In units of y; divided by the spread of its column for every sd, as in the default prior. None takes 60
            values from 0.02 to 20 times the sd of y.
        ci_prob, levels, rel_error
            As in sensitivity.

        Returns
        -------
        DataFrame
            prior_scale, component (sd: median; weight: mean over posterior and levels; group_mean), group, level, term,
            estimate, ci_lb, ci_ub, uncertainty (posterior sd), err (largest stated error, in posterior sds).

        Examples
        --------
        >>> import blupbayes as bb
        >>> model = bb.MixedModel("Yield ~ 1 + (1 | Batch)", bb.load_dataset("dyestuff"))
        >>> path = model.prior_scale_path(scales=[10, 50, 250])
        >>> path.query("component == 'weight'")["estimate"].round(2).tolist()
        [0.22, 0.71, 0.77]
        """
        options: dict[str, Any] = {"ci_prob": ci_prob, "levels": levels, "rel_error": rel_error}
        return prior_path(self.design, self.statistics, family, scales, **options)

    def calibrate(
        self,
        prior: Prior,
        simulations: int = 100,
        *,
        random_seed: Any = None,
        rel_error: float = 0.05,
        n_jobs: int | None = 1,
        progressbar: bool = True,
        **sample_options: Any,
    ) -> Calibration:
        """Simulation-based calibration: parameters from the prior, data from them, and where the posterior puts them.

        Parameters
        ----------
        prior : Prior
            Proper, kappa > 0 included: it is drawn from.
        simulations : int
            Data sets of this design.
        random_seed : int, optional
            Makes the same simulations again.
        rel_error : float
            Of each integration.
        n_jobs : int or None
            Other than 1: through joblib, with the backend that ``joblib.parallel_config`` has set (Dask's, say). The
            ranks do not depend on it.
        progressbar : bool
            Silent where stdout is no terminal.
        **sample_options
            If there are any (draws=200), draw with PyMC instead of integrating.

        Returns
        -------
        Calibration
            Interrupted, it holds what was done.

        Examples
        --------
        >>> import blupbayes as bb
        >>> model = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail"))
        >>> prior = bb.Prior(kappa=1e-4, mean=60, residual="HalfNormal(5)", sd="HalfNormal(30)")
        >>> model.calibrate(prior, 20, random_seed=1).ranks.shape
        (20, 4)
        """
        from blupbayes.bayes.calibration import calibrate, exact_ranks

        check_rows(self.design)
        resolved = read_prior(prior).resolve(self.design)
        if sample_options:
            ranks: Any = partial(sampled_ranks, prior, sample_options)
        else:
            ranks = partial(exact_ranks, prior=resolved, rel_error=rel_error)
        options: dict[str, Any] = {"n_jobs": n_jobs, "progressbar": progressbar}
        return Calibration(calibrate(self.design, resolved, simulations, random_seed, ranks, **options))

    def to_pymc(
        self,
        prior: Prior | None = None,
        parameterization: str | Mapping[str, str] = "noncentered",
        random: str = "normal",
    ) -> Any:
        """The model as a plain ``pm.Model``, to read, extend and draw.

        Parameters
        ----------
        prior : Prior, optional
            None is the documented default, rescaled with the units of the data.
        parameterization : {"noncentered", "centered", "auto", "collapsed"} or {group: one of the first two}
            How the random effects are written; "collapsed" has the variance parameters only.
        random : {"normal", "student_t"}
            Distribution of the random effects; the degrees of freedom nu_g have a Gamma(2, 0.1) prior, and sd_g is
            the scale.

        Returns
        -------
        pm.Model

        Notes
        -----
        For predictions or log-likelihoods from a Posterior's draws pass ``freeze_vars=["b_<group>"]`` to
        ``pm.sample_posterior_predictive``: the draws hold b, not what stands behind it, and PyMC would otherwise draw
        new levels. New rows, of levels that the data have::

            from blupbayes.bayes.hierarchical import rows

            with model.to_pymc():
                pm.set_data(rows(model.design.encode(new)), coords={"obs": range(len(new))})
                pm.sample_posterior_predictive(
                    post.data, var_names=["y"], freeze_vars=["b_Rail"], predictions=True
                )
        """
        from blupbayes.bayes.sampling import to_pymc

        return to_pymc(self.design, prior, parameterization, random)

    def prior_predictive(
        self, prior: Prior, draws: int = 1000, random_seed: Any = None, *, random: str = "normal"
    ) -> Any:
        """Parameters from the prior, and the data that they would make: does the prior mean what you mean?

        Parameters
        ----------
        prior : Prior
            With kappa > 0: a flat beta has nothing to draw from.
        draws : int
        random_seed : int or Generator, optional
        random : {"normal", "student_t"}
            Distribution of the random effects.

        Returns
        -------
        xarray.DataTree
            Groups prior, prior_predictive (y) and observed_data.
        """
        from blupbayes.bayes.sampling import prior_predictive

        return prior_predictive(self.design, prior, draws=draws, random_seed=random_seed, random=random)

    def sample(
        self,
        prior: Prior | None = None,
        *,
        parameterization: str | Mapping[str, str] = "auto",
        draws: int = 1000,
        tune: int = 1000,
        chains: int = 4,
        random_seed: Any = None,
        progressbar: bool = True,
        random: str = "normal",
        **pm_sample_kwargs: Any,
    ) -> Posterior:
        """Draw from the full posterior with PyMC.

        Parameters
        ----------
        prior : Prior, optional
            None is the documented default, rescaled with the units of the data.
        parameterization : {"auto", "noncentered", "centered", "collapsed"} or {group: one of the middle two}
            How the random effects are written. "auto" chooses for each grouping factor by its REML weight; "collapsed"
            integrates beta and b out, samples the variances, and draws beta and b exactly afterwards.
        random : {"normal", "student_t"}
            Distribution of the random effects; see to_pymc.
        draws, tune, chains, random_seed, progressbar, **pm_sample_kwargs
            As in ``pm.sample``. Stopped by Ctrl-C, the draws until then are returned, and marked.

        Returns
        -------
        Posterior
            ``data`` holds beta, sigma, sd_g, corr_g and b_g, and ArviZ's other groups.
        """
        from blupbayes.bayes.sampling import sample

        data, diagnostics = sample(
            self.design,
            prior,
            parameterization=parameterization,
            random=random,
            draws=draws,
            tune=tune,
            chains=chains,
            random_seed=random_seed,
            progressbar=progressbar,
            **pm_sample_kwargs,
        )
        posterior = Posterior(self.design, read_prior(prior).resolve(self.design), data, diagnostics)
        for message in posterior.messages:
            logger.warning(message)
        return posterior

    def pool(self, kind: str) -> CompletePooling | NoPooling:
        """Least squares at the two ends of pooling, as an answer to compare.

        Parameters
        ----------
        kind : {"complete", "none"}
            Without random effects; or with the coefficients of every level free, one grouping factor at a time.

        Examples
        --------
        >>> import blupbayes as bb
        >>> model = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail"))
        >>> both = bb.compare(model.pool("none"), model.fit()).to_dataframe("wide", component="group_mean")
        >>> both.xs("estimate", axis=1, level=1).iloc[0].round(2).to_dict()
        {'no pooling': 31.67, 'REML': 31.97}
        """
        return pool(self.design, self.statistics, kind)

    def mode(self, prior: Prior | None = None) -> Mode:
        """Penalised REML, as blme: the mode of the variances, and Henderson's solution there [E-MODE].

        Parameters
        ----------
        prior : Prior, optional
            Each counts with the density of what it is stated for (an sd, a variance, a matrix); the posterior need not
            be proper. None is blme's default, density ``|Sigma / sigma^2|^0.75`` of the matrix: a variance of 0
            does not occur.

        Examples
        --------
        >>> import blupbayes as bb
        >>> model = bb.MixedModel("Yield ~ 1 + (1 | Batch)", bb.load_dataset("dyestuff2"))
        >>> [float(a.variances.sd("Batch").round(3).iloc[0]) for a in (model.fit(), model.mode())]
        [0.0, 1.489]
        """
        from blupbayes.mode import penalised_mode

        return penalised_mode(self.design, self.statistics, prior)

    def _columns(self, names: Sequence[str], prior: Prior | None) -> tuple[list[Any], list[str]]:
        """Further answers by name, and why some are left out."""
        known = {
            "complete pooling": lambda: self.pool("complete"),
            "no pooling": lambda: self.pool("none"),
            "mode": lambda: self.mode(prior),
        }
        answers, remarks = [], []
        for name in names:
            try:
                answers.append(known[name]())
            except (IdentifiabilityError, IntegrationError, PriorError) as refusal:
                remarks.append(f"{name}: left out. {refusal}")
        return answers, remarks

    def compare(
        self,
        prior: Prior | None = None,
        sample: bool = False,
        ci_prob: float = 0.95,
        random_seed: Any = None,
        *,
        kappa: float = 0.0,
        methods: Sequence[str] = ("ML", "REML"),
        exact: bool = True,
        rel_error: float = 0.01,
        columns: Sequence[str] = (),
        rows: Sequence[str] = (),
        spread: str = "pev_sd",
        **sample_options: Any,
    ) -> Comparison:
        """ML, REML, Henderson's equations and the posterior side by side.

        Parameters
        ----------
        prior : Prior, optional
            For the posterior.
        sample : bool
            Draw the posterior with PyMC, too.
        ci_prob : float
            Level of every interval.
        random_seed : int, optional
            For the draws.
        kappa : float
            Prior precision of beta in Henderson's equations, solved at the last method's variances.
        methods : sequence of str
            Which fits.
        exact : bool
            The posterior by integration. Where it cannot be had, a note of the table says why.
        rel_error : float
            Of the integration.
        columns : sequence of {"complete pooling", "no pooling", "mode"}
            Further answers: see pool and mode (under the same prior, if there is one).
        rows, spread
            As in ``compare``.
        **sample_options
            Passed to sample.

        Returns
        -------
        Comparison
        """
        more = read_columns(columns)
        if "no pooling" in more:
            check_rows(self.design)
        fits = [self.fit(method) for method in methods]
        answers: list[Any] = [*fits, self.solve(fits[-1], kappa)]
        remarks = []
        if exact:
            try:
                answers.append(self.integrate(prior, rel_error=rel_error))
            except (IdentifiabilityError, IntegrationError) as refusal:
                remarks.append(f"integrate: left out. {refusal}")
        if sample:
            answers.append(self.sample(prior, random_seed=random_seed, **sample_options))
        further, left_out = self._columns(more, prior)
        found = compare(*answers, *further, ci_prob=ci_prob, rows=rows, spread=spread)
        return replace(found, remarks=(*remarks, *left_out))

    def identities(
        self,
        variances: Any = None,
        kappa: float | None = None,
        prior: Prior | None = None,
        *,
        pymc: bool | None = None,
    ) -> pd.DataFrame:
        """The equalities of the theory on this model and its data: both sides, and whether they hold.

        Parameters
        ----------
        variances, kappa, pymc
            As in `Comparison.identities`.
        prior : Prior, optional
            Of the posterior whose tower, total variance and ledger are checked.

        Returns
        -------
        DataFrame
            As from `Comparison.identities`.

        Examples
        --------
        >>> import blupbayes as bb
        >>> model = bb.MixedModel("Yield ~ 1 + (1 | Batch)", bb.load_dataset("dyestuff"))
        >>> found = model.identities()
        >>> found.index[~found["holds"]].tolist()
        []
        """
        compared = self.compare(prior, methods=("REML",))
        found = compared.identities(variances, kappa, pymc=pymc)
        found.attrs["remarks"] = [*compared.remarks, *found.attrs["remarks"]]
        return found

    def drop(self, rows: Any) -> MixedModel:
        """The same model without some rows.

        Parameters
        ----------
        rows : label, sequence of labels, or boolean mask (n,)
            Labels of the index of the data as they were given (positions, for the usual index and for
            arrays); in a mask, True is dropped.
        """
        check_rows(self.design)
        return self._from(
            arrays_without(self.design, rows) if self.source is None else self.source.without(rows)
        )

    def update(self, formula: str) -> MixedModel:
        """Another formula for the same data, weights, offset and sigma.

        Parameters
        ----------
        formula : str
            ``.`` stands for what was on that side: ``". ~ . + x"``, ``". ~ . - (x | g) + (1 | g)"``.
        """
        check_rows(self.design)
        if self.source is None:
            raise DataError(
                "update: this model was built from arrays and has no formula. Use MixedModel.from_arrays."
            )
        return self._from(replace(self.source, formula=update_formula(self.source.formula, formula)))

    def __repr__(self) -> str:
        return model_text(self.design, self.statistics.aliased)


def read_columns(names: Any) -> list[str]:
    """Further columns of a comparison, checked before any work is done."""
    given = [names] if isinstance(names, str) else list(names)
    for name in given:
        if name not in COLUMNS:
            close = get_close_matches(str(name), COLUMNS, n=1, cutoff=0.4)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise ComparisonError(
                f"columns: there is no {name!r}.{hint} There are {', '.join(map(repr, COLUMNS))}."
            )
    return given


def read_each(name: str, values: Any) -> list[float]:
    """Numbers in [0, inf], checked before any work is done."""
    try:
        given = np.atleast_1d(np.asarray(values, dtype=float))
    except (TypeError, ValueError):
        raise DataError(f"{name}={values!r}: give numbers in [0, inf].") from None
    bad = [v for v in given.tolist() if not v >= 0]
    if bad:
        raise DataError(f"{name}={bad[0]!r} must lie in [0, inf].")
    return [float(v) for v in given]
