"""Parametric bootstrap: responses drawn at the estimates, the model estimated from each, warm-started."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blupbayes.frequentist.blocks import run_blocks, seed_sequence, whole_number
from blupbayes.frequentist.bootstrap_intervals import acceleration, checked, limits
from blupbayes.frequentist.parameters import parameter_names, parameter_values, variance_values
from blupbayes.frequentist.replication import Replicator, replicator
from blupbayes.mme.boundary import unit
from blupbayes.mme.estimate_many import ManyEstimates
from blupbayes.mme.fit import Estimate
from blupbayes.mme.statistics import DesignLike, Statistics

__all__ = ["Bootstrap", "bootstrap"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class Bootstrap:
    """Replicates of all parameters.

    Parameters
    ----------
    estimate : Series
        The parameters that the responses were drawn at.
    replicates : DataFrame
        A row per replicate, a column per parameter (names as in the summary of a posterior) and the criterion.
        A correlation is NaN where one of its sds is 0, an aliased coefficient everywhere.
    singular : DataFrame
        Whether the covariance of each grouping factor was singular in each replicate.
    converged : array of bool (n,)
    acceleration : Series
        Of the BCa intervals.
    n_asked : int
        Replicates that were asked for; more than there are where Ctrl-C came.
    random_seed : object
        Entropy from which the same replicates come again.
    estimate_singular : tuple of str
        Groups whose covariance is singular at the estimate.

    Examples
    --------
    >>> import blupbayes as bb
    >>> from blupbayes.frequentist.bootstrap import bootstrap
    >>> fit = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail")).fit("REML")
    >>> found = bootstrap(fit.design, fit.estimate, n=200, random_seed=1)
    >>> found.interval(0.9, kind="bca").columns.tolist()
    ['estimate', 'bias', 'se', 'ci_lb', 'ci_ub', 'ci_kind', 'ci_prob']
    """

    estimate: pd.Series
    replicates: pd.DataFrame
    singular: pd.DataFrame
    converged: NDArray[np.bool_]
    acceleration: pd.Series
    n_asked: int
    random_seed: Any = field(repr=False)
    estimate_singular: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.replicates)

    @property
    def boundary_share(self) -> pd.Series:
        """Share of the replicates in which a covariance was singular: any, and by grouping factor."""
        return pd.Series({"any": self.singular.any(axis=1).mean(), **self.singular.mean()}, dtype=float)

    @property
    def n_not_converged(self) -> int:
        """Replicates whose estimates are not certified."""
        return int((~self.converged).sum())

    @property
    def interrupted(self) -> bool:
        """Whether fewer replicates were made than asked for."""
        return len(self) < self.n_asked

    def interval(self, ci_prob: float = 0.95, kind: str = "percentile") -> pd.DataFrame:
        """Bias, standard error and interval of every parameter.

        Parameters
        ----------
        ci_prob : float
        kind : {"percentile", "bca", "basic"}
            "basic" is 2 estimate - quantile, cut where the parameter ends; "bca" corrects for bias and skewness.

        Returns
        -------
        DataFrame
            estimate, bias (mean of the replicates minus estimate), se (their sd), ci_lb, ci_ub, ci_kind, ci_prob;
            ``attrs["notes"]`` says what a reader has to know.

        Raises
        ------
        BlupbayesError
            If ci_prob is no probability, or there is no such kind.
        """
        checked(ci_prob, kind)
        rows = {}
        for name, value in self.estimate.items():
            x = self.replicates[name].to_numpy()
            finite = x[np.isfinite(x)]
            low, high = limits(value, x, self.acceleration.get(name, 0.0), ci_prob, kind)
            rows[name] = {
                "estimate": value,
                "bias": finite.mean() - value if len(finite) else np.nan,
                "se": finite.std(ddof=1) if len(finite) > 1 else np.nan,
                "ci_lb": np.clip(low, *support(str(name))),
                "ci_ub": np.clip(high, *support(str(name))),
                "ci_kind": f"bootstrap {kind}",
                "ci_prob": ci_prob,
            }
        table = pd.DataFrame.from_dict(rows, orient="index")
        table.attrs["notes"] = self.notes
        return table

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader has to know, as sentences."""
        share = self.boundary_share
        out = [
            f"{len(self)} parametric bootstrap replicates; {share['any']:.1%} of them have a singular covariance."
        ]
        if self.interrupted:
            out.append(f"Stopped by the user after {len(self)} of {self.n_asked} replicates.")
        if self.n_not_converged:
            out.append(f"{self.n_not_converged} replicates did not converge; they are kept.")
        if self.estimate_singular:
            out.append(
                f"The estimated covariance of {', '.join(self.estimate_singular)} is singular, so that the "
                "replicates are drawn at the boundary: intervals of its sds and correlations are one-sided, and no "
                "bootstrap is exact there."
            )
        for name in self.replicates.columns[self.replicates.columns.str.startswith("corr_")]:
            missing = int(self.replicates[name].isna().sum())
            if missing:
                out.append(
                    f"{name} is not defined in {missing} replicates, where an sd is 0; they are left out."
                )
        return tuple(out)

    def __repr__(self) -> str:
        text = self.interval().to_string(float_format=lambda x: f"{x:.4g}")
        return "\n".join([text, *self.notes])


def support(name: str) -> tuple[float, float]:
    """Where a parameter may lie, by its name."""
    if name.startswith("corr_"):
        return -1.0, 1.0
    return (0.0, np.inf) if name == "sigma" or name.startswith("sd_") else (-np.inf, np.inf)


def bootstrap(
    design: DesignLike,
    estimate: Estimate,
    n: int = 1000,
    random_seed: Any = None,
    *,
    n_jobs: int | None = 1,
    progressbar: bool = True,
) -> Bootstrap:
    """Draw n responses at the estimates and estimate the model from each.

    Only y changes, so that a model of one dense block (up to 128 random effects) or of one grouping factor is never
    reduced again, and its replicates are estimated together. Others are simulated by rows and fitted one by one.

    Parameters
    ----------
    design : Design
        The design of the fit.
    estimate : Estimate
        Where to draw, by which method to estimate, and where to begin.
    n : int
    random_seed : int, SeedSequence, Generator or None
    n_jobs : int or None
        Other than 1: through joblib.Parallel, by whatever backend joblib.parallel_config sets. The replicates do not
        depend on it.
    progressbar : bool
        Shown in a terminal only.

    Returns
    -------
    Bootstrap
        After Ctrl-C with the blocks of replicates that were done, marked.

    Raises
    ------
    DataError
        If n is not a whole number above 0.
    """
    n, seeds, s = whole_number("n", n), seed_sequence(random_seed), estimate.statistics
    source = replicator(design, s, estimate.beta, estimate.theta, estimate.sigma, estimate.method)
    found = run_blocks(partial(one_block, source), n, source.block, seeds, n_jobs, progressbar)
    many = ManyEstimates.joined([x for x, _ in found])
    names = parameter_names(s)
    frame = pd.DataFrame(parameter_values(s, many.beta, many.theta, many.sigma), columns=names)
    value = parameter_values(s, estimate.beta[None], estimate.theta[None], np.array([estimate.sigma]))[0]
    return Bootstrap(
        pd.Series(value, index=names, name="estimate"),
        frame.assign(criterion=many.criterion),
        pd.DataFrame(many.singular, columns=[g.name for g in s.groups]),
        many.converged,
        accelerations(s, estimate, np.concatenate([x for _, x in found])),
        n,
        seeds.entropy,
        estimate.singular,
    )


def one_block(source: Replicator, size: int, seed: np.random.SeedSequence) -> tuple[ManyEstimates, Array]:
    """Estimates and scores of one block of replicates."""
    responses = source.draw(size, np.random.default_rng(seed))
    return source.estimates(responses), source.scores(responses)


def accelerations(s: Statistics, estimate: Estimate, scores: Array) -> pd.Series:
    """Acceleration of every variance parameter, by name."""
    names = parameter_names(s)[len(s.fixed_names) :]
    at, size = np.append(estimate.theta, estimate.sigma), np.append(unit(s), estimate.sigma)
    if s.sigma is not None:
        at, size, scores = at[:-1], size[:-1], scores[:, :-1]

    def values(eta: Array) -> Array:
        sigma = np.full(len(eta), estimate.sigma) if s.sigma is not None else eta[:, -1]
        return variance_values(s, eta[:, : s.n_theta], sigma)

    return pd.Series(acceleration(scores, at, size, values), index=names, name="acceleration")
