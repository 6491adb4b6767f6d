"""The paths of kappa, of pooling and of one sd as long tables. Knows no estimator."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blupbayes.compare.effects import GroupNames, diagonals, group_means, labels
from blupbayes.errors import DataError

__all__ = ["kappa_table", "pooling_table", "sd_table"]

Array = NDArray[np.float64]
KEYS = ["component", "group", "level", "term", "estimate", "uncertainty", "uncertainty_kind"]


def kappa_table(
    groups: Sequence[GroupNames], fixed_names: Sequence[str], points: Iterable[Any]
) -> pd.DataFrame:
    """Gaussian posteriors, one per kappa -> the long table of the kappa path."""
    kinds = {True: "se", False: "posterior_sd"}
    frames = [gaussian_rows("kappa", g.kappa, groups, fixed_names, g, kinds[g.kappa == 0]) for g in points]
    return joined(frames, "kappa")


def sd_table(
    groups: Sequence[GroupNames], fixed_names: Sequence[str], sds: Iterable[float], points: Iterable[Any]
) -> pd.DataFrame:
    """Gaussian posteriors at kappa = 0, one per value of an sd -> the long table of the path of that sd."""
    pairs = zip(sds, points, strict=True)
    return joined([gaussian_rows("sd", sd, groups, fixed_names, g, "se") for sd, g in pairs], "sd")


def gaussian_rows(
    name: str, value: float, groups: Sequence[GroupNames], fixed_names: Sequence[str], g: Any, kind: str
) -> pd.DataFrame:
    """One Gaussian posterior as a point of a path."""
    sd = [diagonals(block) for block in g.pev]
    means = group_means(groups, fixed_names, g).rename(columns={"pev_sd": "uncertainty"})
    spread = np.sqrt(np.diag(g.beta_cov))
    return stack(name, value, groups, fixed_names, g.beta, spread, kind, g.b, sd, means)


def pooling_table(
    groups: Sequence[GroupNames], fixed_names: Sequence[str], points: Iterable[Any]
) -> pd.DataFrame:
    """Points of the pooling path -> its long table."""
    frames = []
    for point in points:
        means = summed(groups, fixed_names, point)
        sd = [x.ravel() for x in point.b_sd]
        frames.append(
            stack("tau", point.tau, groups, fixed_names, point.beta, point.beta_sd, "se", point.b, sd, means)
        )
    return joined(frames, "tau")


def stack(
    name: str,
    value: float,
    groups: Sequence[GroupNames],
    fixed_names: Sequence[str],
    beta: Array,
    beta_sd: Array,
    kind: str,
    b: Sequence[Array],
    b_sd: Sequence[Array],
    means: pd.DataFrame,
) -> pd.DataFrame:
    """One point of a path: fixed effects, random effects, group means."""
    fixed = pd.DataFrame(
        {
            "component": "fixed",
            "term": list(fixed_names),
            "estimate": beta,
            "uncertainty": beta_sd,
            "uncertainty_kind": kind,
        }
    )
    random = [
        pd.DataFrame(labels(g) | {"estimate": b[k].ravel(), "uncertainty": b_sd[k]}).assign(
            component="b", uncertainty_kind="pev_sd"
        )
        for k, g in enumerate(groups)
    ]
    means = means.assign(component="group_mean", uncertainty_kind="pev_sd")
    table = pd.concat([fixed, *random, means], ignore_index=True)[KEYS]
    table[["group", "level"]] = table[["group", "level"]].fillna("")
    table.insert(0, name, float(value))
    return table


def summed(groups: Sequence[GroupNames], fixed_names: Sequence[str], point: Any) -> pd.DataFrame:
    """beta_k + b_jk for the coefficients that have a fixed column of the same name, and their sds."""
    frames = []
    for i, g in enumerate(groups):
        shared = [k for k, term in enumerate(g.names) if term in fixed_names]
        place = [list(fixed_names).index(g.names[k]) for k in shared]
        sums = {
            "estimate": (point.beta[place] + point.b[i][:, shared]).ravel(),
            "uncertainty": point.sum_sd[i][:, shared].ravel(),
        }
        frames.append(pd.DataFrame(labels(g, shared) | sums))
    return pd.concat(frames, ignore_index=True)


def joined(frames: Sequence[pd.DataFrame], name: str) -> pd.DataFrame:
    """All points one under the other."""
    if not frames:
        raise DataError(f"the path needs at least one {name}.")
    return pd.concat(frames, ignore_index=True)
