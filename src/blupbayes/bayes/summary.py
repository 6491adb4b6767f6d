"""What is read from draws: summaries with Monte Carlo errors, random effects, group means and diagnostics.

Every interval is equal-tailed and computed here from the draws, at one ``ci_prob``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blupbayes.errors import BlupbayesError
from blupbayes.model.design import Design, Group

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["correlated", "describe", "group_mean_draws", "group_means", "ranef", "summary"]

Array = NDArray[np.float64]

TAIL = (0.05, 0.95)  # quantiles that ess_tail is about


def variable(data: xr.DataTree, name: str) -> Array:
    """Draws (chain, draw, ...) of one variable of the posterior group."""
    return np.asarray(data["posterior"][name].values, dtype=float)


def interval_names(ci_prob: float) -> tuple[str, str]:
    """eti95_lb and eti95_ub at 0.95."""
    if not 0 < ci_prob < 1:
        raise BlupbayesError(f"ci_prob = {ci_prob!r}: it is a probability between 0 and 1, such as 0.95.")
    return f"eti{100 * ci_prob:g}_lb", f"eti{100 * ci_prob:g}_ub"


def convergence(draws: Array, statistic: str, **options: Any) -> Array:
    """One of ArviZ's statistics (k,) of draws (chain, draw, k); NaN for a constant, and for fewer than 4 draws."""
    from arviz_stats.base.array import array_stats

    if draws.shape[2] == 0 or draws.shape[1] < 4:
        return np.full(draws.shape[2], np.nan)
    with np.errstate(all="ignore"):
        values = getattr(array_stats, statistic)(draws, chain_axis=0, draw_axis=1, **options)
    return np.where(np.ptp(draws, axis=(0, 1)) > 0, values, np.nan)


def describe(draws: Array, ci_prob: float = 0.95) -> pd.DataFrame:
    """Summary of k quantities.

    Parameters
    ----------
    draws : array (chain, draw, k)
        In any units.
    ci_prob : float
        Probability of the equal-tailed interval.

    Returns
    -------
    DataFrame
        k rows: mean, sd, median, eti95_lb, eti95_ub (named after ci_prob), mcse_mean, mcse_sd, ess_bulk, ess_tail
        (the smaller one of the 5 % and 95 % quantiles), r_hat (rank-normalised, split). The last five are NaN for a
        constant.

    Raises
    ------
    BlupbayesError
        If ci_prob is not between 0 and 1.

    Examples
    --------
    >>> draws = np.random.default_rng(0).normal(5.0, 2.0, size=(4, 1000, 1))
    >>> describe(draws, ci_prob=0.9)[["mean", "sd", "eti90_lb", "eti90_ub"]].round(1)
       mean   sd  eti90_lb  eti90_ub
    0   5.0  2.0       1.7       8.3
    """
    lower, upper = interval_names(ci_prob)
    pooled = draws.reshape(draws.shape[0] * draws.shape[1], draws.shape[2])
    median, low, high = np.quantile(pooled, [0.5, (1 - ci_prob) / 2, (1 + ci_prob) / 2], axis=0)
    columns = {
        "mean": pooled.mean(axis=0),
        "sd": pooled.std(axis=0, ddof=1),
        "median": median,
        lower: low,
        upper: high,
        "mcse_mean": convergence(draws, "mcse", method="mean"),
        "mcse_sd": convergence(draws, "mcse", method="sd"),
        "ess_bulk": convergence(draws, "ess", method="bulk"),
        "ess_tail": convergence(draws, "ess", method="tail", prob=TAIL),
        "r_hat": convergence(draws, "rhat", method="rank"),
    }
    return pd.DataFrame(columns)


def parameters(data: xr.DataTree, design: Design) -> Iterator[tuple[str, Array]]:
    """(name, draws (chain, draw)) of every row of the summary, in its order."""
    posterior = data["posterior"]
    if "beta" in posterior:
        yield from zip(
            (f"beta[{name}]" for name in design.fixed_names), split(variable(data, "beta")), strict=True
        )
    if "sigma" in posterior:
        yield "sigma", variable(data, "sigma")
    for g in design.groups:
        yield from zip(
            (f"sd_{g.name}[{name}]" for name in g.names), split(variable(data, f"sd_{g.name}")), strict=True
        )
    for g in design.groups:
        for i, j in correlated(g):
            yield f"corr_{g.name}[{g.names[i]},{g.names[j]}]", variable(data, f"corr_{g.name}")[:, :, i, j]
    for g in design.groups:
        if f"nu_{g.name}" in posterior:
            yield f"nu_{g.name}", variable(data, f"nu_{g.name}")


def split(draws: Array) -> Iterator[Array]:
    """The k quantities of draws (chain, draw, k), one by one."""
    return iter(np.moveaxis(draws, 2, 0))


def correlated(group: Group) -> list[tuple[int, int]]:
    """(later, earlier) coefficients whose correlation is free."""
    full = [(t.start, t.stop) for t in group.terms if t.structure == "full"]
    return [(i, j) for start, stop in full for i in range(start, stop) for j in range(start, i)]


def summary(data: xr.DataTree, design: Design, ci_prob: float = 0.95) -> pd.DataFrame:
    """A row per parameter: beta[Days], sigma, sd_Subject[Days], corr_Subject[Days,Intercept].

    Parameters
    ----------
    data : xarray.DataTree
        From `sample`.
    design : Design
        The one that was sampled.
    ci_prob : float
        Probability of the equal-tailed intervals.

    Returns
    -------
    DataFrame
        Columns as in `describe`; sds and sigma in the units of y (per unit of the column).
    """
    names, draws = zip(*parameters(data, design), strict=True)
    return describe(np.stack(draws, axis=2), ci_prob).set_axis(list(names), axis=0)


def effects_table(group: Group, names: Sequence[str], draws: Array, ci_prob: float) -> pd.DataFrame:
    """Rows level by level, coefficient by coefficient, of draws (chain, draw, J, k)."""
    n_chains, n_draws, J, k = draws.shape
    table = describe(draws.reshape(n_chains, n_draws, J * k), ci_prob)
    table = table.rename(columns={"mean": "estimate", "sd": "posterior_sd", "mcse_mean": "mcse"})
    labels = pd.DataFrame({"group": group.name, "level": np.repeat(group.levels, k), "term": list(names) * J})
    kept = ["estimate", "posterior_sd", *interval_names(ci_prob), "mcse", "ess_bulk", "r_hat"]
    return pd.concat([labels, table[kept]], axis=1)


def ranef(data: xr.DataTree, design: Design, ci_prob: float = 0.95) -> pd.DataFrame:
    """Posterior of the random effects.

    Parameters
    ----------
    data, design, ci_prob
        As in `summary`.

    Returns
    -------
    DataFrame
        group, level, term, estimate (posterior mean), posterior_sd, eti95_lb, eti95_ub, mcse (of the estimate),
        ess_bulk, r_hat; groups in the order of the formula, then levels, then coefficients.
    """
    tables = [effects_table(g, g.names, variable(data, f"b_{g.name}"), ci_prob) for g in design.groups]
    return pd.concat(tables, ignore_index=True)


def group_mean_draws(data: xr.DataTree, design: Design, group: Group) -> tuple[list[str], Array]:
    """Coefficients k with a fixed column of the same name, and draws (chain, draw, J, k) of beta_k + b_jk."""
    shared = [k for k, name in enumerate(group.names) if name in design.fixed_names]
    names = [group.names[k] for k in shared]
    b = variable(data, f"b_{group.name}")[:, :, :, shared]
    if not shared:
        return names, b
    beta = variable(data, "beta")[:, :, [design.fixed_names.index(name) for name in names]]
    return names, beta[:, :, None, :] + b


def group_means(data: xr.DataTree, design: Design, ci_prob: float = 0.95) -> pd.DataFrame:
    """beta_k + b_jk for each coefficient with a fixed column of the same name, one grouping factor at a time.

    Parameters
    ----------
    data, design, ci_prob
        As in `summary`.

    Returns
    -------
    DataFrame
        Rows and columns as in `ranef`.
    """
    tables = [effects_table(g, *group_mean_draws(data, design, g), ci_prob) for g in design.groups]
    return pd.concat(tables, ignore_index=True)
