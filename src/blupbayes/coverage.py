"""coverage: do the intervals of a design work? As users call it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from blupbayes.compare.coverage import METHODS, Truth
from blupbayes.compare.coverage import coverage as simulate
from blupbayes.errors import DataError
from blupbayes.model.measures import check_rows
from blupbayes.model.prior import Prior, read_prior
from blupbayes.read_variances import read_variances

__all__ = ["coverage"]


def coverage(
    model: Any,
    variances: Any,
    *,
    beta: Mapping[str, float] | float | None = None,
    prior: Prior | None = None,
    methods: Sequence[str] = METHODS,
    n: int = 1000,
    ci_prob: float = 0.95,
    rel_error: float = 0.02,
    n_bootstrap: int = 200,
    random_seed: Any = None,
    n_jobs: int | None = 1,
    progressbar: bool = True,
) -> pd.DataFrame:
    """Do the intervals work? Data sets of a design from known variances, and how often each interval holds the truth.

    Parameters
    ----------
    model : MixedModel
        Its design; its response does not matter.
    variances : Fit, Variances or dict
        The truth: {"Rail": sd or covariance matrix, "residual": sd}.
    beta : dict or float, optional
        The true fixed effects, by name, or one number for all; None for 0.
    prior : Prior, optional
        Of the posterior; None is the documented default, rescaled with each data set.
    methods : sequence of str
        Of "raw" (each level by itself), "blup cond_sd", "blup pev_sd", "wald", "profile" (of the ML deviance, as in
        lme4), "posterior"; on request "profile REML" and "bootstrap".
    n : int
        Data sets.
    ci_prob : float
        Level of every interval.
    rel_error : float
        Of each integration.
    n_bootstrap : int
        Replicates of each bootstrap.
    random_seed, n_jobs, progressbar
        As in Fit.bootstrap.

    Returns
    -------
    DataFrame
        method, component (group_mean, fixed, sd), group, term, coverage, mc_se, width, bias, rmse, defined, n.
        Levels of a group are counted together, and mc_se knows that they are not independent. plot_coverage draws it.

    Raises
    ------
    DataError
        If a name or number is not one.

    Examples
    --------
    >>> import blupbayes as bb
    >>> model = bb.MixedModel("Yield ~ 1 + (1 | Batch)", bb.load_dataset("dyestuff"))
    >>> truth = {"Batch": 0.5, "residual": 1.0}
    >>> table = bb.coverage(model, truth, methods=["blup cond_sd"], n=40, random_seed=1)
    >>> table[["method", "component", "group", "term"]].iloc[0].tolist()
    ['blup cond_sd', 'group_mean', 'Batch', 'Intercept']
    """
    design = model.design
    check_rows(design)
    known = read_variances(variances, model.statistics.groups, design.sigma)
    if not 0.0 < ci_prob < 1.0:
        raise DataError(f"ci_prob={ci_prob!r} must lie between 0 and 1, as 0.95.")
    truth = Truth(
        design, read_beta(beta, design.fixed_names), known.factors(), known.residual, read_prior(prior), tuple(methods),
        ci_prob, rel_error, n_bootstrap,
    )  # fmt: skip
    table = simulate(truth, n, random_seed, n_jobs=n_jobs, progressbar=progressbar)
    table.attrs["truth"] = {"variances": repr(known), "ci_prob": ci_prob}
    return table


def read_beta(given: Any, names: Sequence[str]) -> np.ndarray:
    """The true fixed effects (p,)."""
    if given is None:
        return np.zeros(len(names))
    if not isinstance(given, Mapping):
        return np.broadcast_to(np.asarray(given, dtype=float), (len(names),)).copy()
    unknown = [name for name in given if name not in names]
    if unknown:
        raise DataError(f"beta: no column {unknown[0]!r} in X (it has {', '.join(names)}).")
    return np.array([float(given.get(name, 0.0)) for name in names])
