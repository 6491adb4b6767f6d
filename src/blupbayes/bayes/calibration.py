"""Simulation-based calibration: a truth from the prior, data from it, and where the posterior puts the truth.

If prior, simulator and posterior belong to one model, the posterior probability of lying below the truth is uniform
over repetitions, for every quantity. Source: Talts et al. (2018).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blupbayes.bayes.draws import Draws
from blupbayes.bayes.integrate import integrate
from blupbayes.bayes.prior_draws import draw_prior, responses
from blupbayes.bayes.quantity import quantity
from blupbayes.bayes.summary import correlated
from blupbayes.errors import DataError
from blupbayes.frequentist.blocks import run_jobs
from blupbayes.mme.statistics import reduce
from blupbayes.model.design import Design
from blupbayes.model.resolved import ResolvedPrior

__all__ = ["Truth", "calibrate", "drawn_ranks", "exact_ranks", "uniformity"]

Array = NDArray[np.float64]
Truth = dict[str, float]
Ranks = Callable[[Design, Truth], dict[str, float]]

BINS = 20
ENVELOPE = 0.999  # simultaneous probability with which uniform ranks stay inside (Kolmogorov's distribution)


def truths(design: Design, draws: Draws) -> list[Truth]:
    """{name: value} of every draw: all parameters, and the effects of the first level of each grouping factor."""
    columns: dict[str, Array] = {
        f"beta[{k}]": x for k, x in zip(design.fixed_names, draws.beta.T, strict=True)
    }
    if design.sigma is None:
        columns["sigma"] = draws.sigma
    sds = iter(draws.sds.T)
    for g, R, b in zip(design.groups, draws.corrs, draws.b, strict=True):
        columns |= {f"sd_{g.name}[{name}]": next(sds) for name in g.names}
        columns |= {f"corr_{g.name}[{g.names[i]},{g.names[j]}]": R[:, i, j] for i, j in correlated(g)}
        columns |= {f"b_{g.name}[{g.levels[0]},{name}]": b[:, 0, k] for k, name in enumerate(g.names)}
    return pd.DataFrame(columns).to_dict("records")  # type: ignore[return-value]


def exact_ranks(design: Design, truth: Truth, prior: ResolvedPrior, rel_error: float) -> dict[str, float]:
    """P(quantity <= truth | y) of every quantity, by integration."""
    integral = integrate(design, reduce(design), prior, rel_error)
    return {name: float(quantity(integral, design, name).cdf(np.array([x]))[0]) for name, x in truth.items()}


def drawn_ranks(data: Any, truth: Truth) -> dict[str, float]:
    """The same from draws: the share that lies below the truth, the truth counted as half a draw."""
    draws = {name: values(data, name) for name in truth}
    return {
        name: float((np.sum(draws[name] < x) + 0.5) / (draws[name].size + 1.0)) for name, x in truth.items()
    }


def values(data: Any, name: str) -> Array:
    """All draws of one quantity, by its name."""
    variable, _, rest = name.partition("[")
    found = data["posterior"][variable]
    labels = rest.rstrip("]").split(",") if rest else []
    for dim, label in zip([d for d in found.dims if d not in ("chain", "draw")], labels, strict=True):
        found = found.sel({dim: label})
    return np.asarray(found, dtype=float).ravel()


def calibrate(
    design: Design,
    prior: ResolvedPrior,
    simulations: int,
    random_seed: Any,
    ranks: Ranks,
    *,
    n_jobs: int | None = 1,
    progressbar: bool = True,
) -> pd.DataFrame:
    """Ranks of the truth, a row per simulation and a column per quantity; interrupted, those that were done.

    Parameters
    ----------
    design : Design
        X, Z, weights and offset; its response is replaced.
    prior : ResolvedPrior
        Proper.
    simulations : int
    random_seed : int, Generator or None
    ranks : callable
        Design with a simulated response, truth -> rank of every quantity; for n_jobs other than 1 picklable.
    n_jobs, progressbar
        As in frequentist/blocks.py; everything that is drawn is drawn here, so that n_jobs changes nothing.

    Raises
    ------
    DataError
        If simulations is not a whole number above 0.
    PriorError
        If the prior is improper.
    """
    if not (isinstance(simulations, int) and simulations > 0):
        raise DataError(f"simulations={simulations!r}: give a whole number above 0.")
    rng = np.random.default_rng(random_seed)
    draws = draw_prior(design, prior, simulations, rng)
    y = responses(design, draws, rng)
    jobs = list(zip(y, truths(design, draws), strict=True))
    work = partial(one_simulation, design, ranks)
    return pd.DataFrame(run_jobs(work, jobs, [1] * simulations, n_jobs, progressbar, "simulations"))


def one_simulation(design: Design, ranks: Ranks, y: Array, truth: Truth) -> dict[str, float]:
    """The ranks of one truth in the posterior of the response (n,) that came of it."""
    return ranks(replace(design, y=y), truth)


def uniformity(ranks: pd.DataFrame) -> pd.DataFrame:
    """Whether every column of ranks (n, quantities) is uniform.

    Returns
    -------
    DataFrame
        chi2 and p of a chi-square test with 20 bins (fewer for few ranks), distance: the largest between the empirical
        distribution and the uniform one, limit: what uniform ranks stay below with probability 0.999, inside.
    """
    from scipy import stats

    n = len(ranks)
    bins = int(np.clip(n // 5, 2, BINS))
    limit = float(stats.kstwo.ppf(ENVELOPE, n))
    rows = {}
    for name, column in ranks.items():
        counts = np.histogram(column, bins=bins, range=(0.0, 1.0))[0]
        chi2, p = stats.chisquare(counts)
        distance = float(stats.kstest(column, "uniform").statistic)
        rows[name] = {"chi2": chi2, "p": p, "distance": distance, "limit": limit, "inside": distance <= limit}
    return pd.DataFrame.from_dict(rows, orient="index")
