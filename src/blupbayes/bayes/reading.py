"""Tables of an Integral: parameters, random effects and group coefficients, with the stated error of every mean."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blupbayes.bayes.integrate import Integral
from blupbayes.bayes.summary import correlated, interval_names
from blupbayes.model.design import Design

__all__ = ["group_means", "parameters", "places", "ranef", "weights"]

Array = NDArray[np.float64]


def probabilities(ci_prob: float) -> tuple[float, float, float]:
    """Lower end, median, upper end."""
    return (1 - ci_prob) / 2, 0.5, (1 + ci_prob) / 2


def described(integral: Integral, where: Sequence[int], quantiles: Array, ci_prob: float) -> pd.DataFrame:
    """Rows of the moments at positions ``where`` (k,), with quantiles (3, k)."""
    low, high = interval_names(ci_prob)
    (mean, sd), (err_mean, err_sd) = integral.moments[:, where], integral.errors[:, where]
    return pd.DataFrame(
        {
            "mean": mean,
            "sd": sd,
            "median": quantiles[1],
            low: quantiles[0],
            high: quantiles[2],
            "err_mean": err_mean,
            "err_sd": err_sd,
        }
    )


def parameters(integral: Integral, design: Design, ci_prob: float = 0.95) -> pd.DataFrame:
    """A row per parameter: beta[Days], sigma, sd_Subject[Days], corr_Subject[Days,Intercept].

    Parameters
    ----------
    integral : Integral
    design : Design
        The one that was integrated.
    ci_prob : float
        Probability of the equal-tailed intervals.

    Returns
    -------
    DataFrame
        mean, sd, median, eti95_lb, eti95_ub (named after ci_prob), err_mean and err_sd, the stated errors.
    """
    mixture, probs, p = integral.mixture, probabilities(ci_prob), len(design.fixed_names)
    names, where = places(integral, design)
    kept = slice(0 if design.sigma is None else 1, None)
    blocks = [mixture.linear_quantiles(probs, slice(0, p)), mixture.deviation_quantiles(probs)[:, kept]]
    for g, R in zip(design.groups, mixture.correlation_quantiles(probs), strict=True):
        blocks += [R[:, i, j][:, None] for i, j in correlated(g)]
    return described(integral, where, np.hstack(blocks), ci_prob).set_axis(names, axis=0)


def places(integral: Integral, design: Design) -> tuple[list[str], list[int]]:
    """Names of the parameters, and where they stand in the moments."""
    first = integral.moments.shape[1] - integral.mixture.points.base.shape[1]
    names = [f"beta[{name}]" for name in design.fixed_names]
    where = list(range(first, first + len(names)))
    sds = [f"sd_{g.name}[{name}]" for g in design.groups for name in g.names]
    kept = slice(0 if design.sigma is None else 1, 1 + len(sds))
    names += ["sigma", *sds][kept]
    where += list(range(1 + len(sds)))[kept]
    start = 1 + len(sds)
    for g in design.groups:
        for i, j in correlated(g):
            names.append(f"corr_{g.name}[{g.names[i]},{g.names[j]}]")
            where.append(start + i * (i - 1) // 2 + j)
        start += len(g.names) * (len(g.names) - 1) // 2
    return names, where


def effects(integral: Integral, labels: dict[str, list[str]], columns: slice, ci_prob: float) -> pd.DataFrame:
    """Rows with labels, for some of the linear quantities."""
    mixture = integral.mixture
    first = integral.moments.shape[1] - mixture.points.base.shape[1]
    quantiles = mixture.linear_quantiles(probabilities(ci_prob), columns)
    where = list(range(first + columns.start, first + columns.stop))
    table = described(integral, where, quantiles, ci_prob)
    table = table.rename(columns={"mean": "estimate", "sd": "posterior_sd", "err_mean": "err"})
    kept = ["estimate", "posterior_sd", *interval_names(ci_prob), "err"]
    return pd.concat([pd.DataFrame(labels), table[kept]], axis=1)


def ranef(integral: Integral, design: Design, ci_prob: float = 0.95) -> pd.DataFrame:
    """Posterior of the random effects: group, level, term, estimate, posterior_sd, eti95_lb, eti95_ub, err."""
    rows = [(g.name, level, name) for g in design.groups for level in g.levels for name in g.names]
    p = len(design.fixed_names)
    return effects(integral, named(rows), slice(p, p + len(rows)), ci_prob)


def group_means(integral: Integral, design: Design, ci_prob: float = 0.95) -> pd.DataFrame:
    """beta_k + b_jk for coefficients with a fixed column of the same name; columns as in ranef."""
    rows = [
        (g.name, level, name)
        for g in design.groups
        for level in g.levels
        for name in g.names
        if name in design.fixed_names
    ]
    Q = integral.mixture.points.base.shape[1]
    return effects(integral, named(rows), slice(Q - len(rows), Q), ci_prob)


def weights(integral: Integral, design: Design) -> pd.DataFrame:
    """Share of a level's own information that is kept [E-WEIGHT], its posterior mean and sd over the variances.

    Returns
    -------
    DataFrame
        group, level, term, estimate, posterior_sd; a row per random effect.
    """
    mixture = integral.mixture
    p, k, blocks = len(design.fixed_names), 0, []
    for g in design.groups:
        J, q = len(g.levels), len(g.names)
        own = mixture.points.own[:, p : p + J * q].reshape(-1, J, q)
        prior = mixture.points.sds[:, None, k : k + q] ** 2
        blocks.append(
            np.where(prior > 0, 1.0 - own / np.where(prior > 0, prior, 1.0), 0.0).reshape(len(own), -1)
        )
        p, k = p + J * q, k + q
    share, w = np.hstack(blocks), mixture.weights
    mean = w @ share
    rows = [(g.name, level, name) for g in design.groups for level in g.levels for name in g.names]
    table = pd.DataFrame({"estimate": mean, "posterior_sd": np.sqrt(w @ (share - mean) ** 2)})
    return pd.concat([pd.DataFrame(named(rows)), table], axis=1)


def named(rows: Sequence[tuple[str, str, str]]) -> dict[str, list[str]]:
    """Labels by column."""
    return {key: [row[k] for row in rows] for k, key in enumerate(("group", "level", "term"))}
