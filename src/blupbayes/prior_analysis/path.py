"""The scale of the prior of the sds as a continuous path: posteriors from few lattices, if their errors allow it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from blupbayes.bayes.integrate import integrate
from blupbayes.bayes.reweight import reaches, reweighted
from blupbayes.errors import PriorError
from blupbayes.exact_posterior import ExactPosterior
from blupbayes.mme.statistics import Statistics
from blupbayes.model.design import Design
from blupbayes.model.prior import Prior
from blupbayes.prior_analysis.measure import Means, chosen_levels, posterior_rows
from blupbayes.prior_analysis.sets import scaled

__all__ = ["FAMILIES", "FINER", "fresh", "prior_path", "reread", "walk"]

FAMILIES = {
    "HalfNormal": "HalfNormal({})",
    "HalfCauchy": "HalfCauchy({})",
    "HalfStudentT": "HalfStudentT(3, {})",
}
SHARE = 1.0 / 3.0  # of rel_error, that reweighted points may state: quantiles suffer more than means
FINER = 0.1  # of rel_error, of posteriors that others are reweighted from
NARROWEST, WIDEST, COUNT = 0.02, 20.0, 60  # of the default scales, in s_y


def reread(
    design: Design, prior: Prior, rel_error: float, base: ExactPosterior | None
) -> ExactPosterior | None:
    """The posterior under a prior from the points of another one; None if they do not serve."""
    resolved = prior.resolve(design)
    if base is None or not reaches(base.prior, resolved):
        return None
    found = reweighted(base.integral, base.prior, resolved)
    if found.error > SHARE * rel_error:
        return None
    mixture = replace(found.mixture, rel_error=rel_error)
    return ExactPosterior(design, resolved, replace(found, mixture=mixture, rel_error=rel_error))


def fresh(design: Design, statistics: Statistics, prior: Prior, rel_error: float) -> ExactPosterior:
    """The posterior under a prior by an integration of its own."""
    resolved = prior.resolve(design)
    return ExactPosterior(design, resolved, integrate(design, statistics, resolved, rel_error))


def prior_path(
    design: Design,
    statistics: Statistics,
    family: str = "HalfNormal",
    scales: Sequence[float] | None = None,
    *,
    ci_prob: float = 0.95,
    levels: Any = None,
    rel_error: float = 0.01,
) -> pd.DataFrame:
    """sds, weights and group means as functions of the prior's scale; see ``MixedModel.prior_scale_path``."""
    if family not in FAMILIES:
        raise PriorError(f"family={family!r} is not one of {', '.join(FAMILIES)}.")
    means, s_y = Means(statistics), design.measures.response_sd
    own = read_scales(scales, s_y)
    first: Any = None
    frames: dict[float, pd.DataFrame] = {}
    for scale, post in walk(design, statistics, FAMILIES[family], own, s_y, rel_error):
        if first is None:
            start = len(design.fixed_names)
            J, q = len(design.groups[0].levels), len(design.groups[0].names)
            at = post.integral.moments.shape[1] - post.integral.mixture.points.base.shape[1] + start
            first = chosen_levels(design, levels, post.integral.moments[0, at : at + J * q : q])
        rows = posterior_rows(post, means, means.chosen(first), ci_prob)
        rows.insert(0, "prior_scale", scale)
        frames[scale] = rows.assign(err=post.integral.error)
    return pd.concat([frames[scale] for scale in own], ignore_index=True)


def walk(
    design: Design,
    statistics: Statistics,
    template: str,
    scales: Sequence[float],
    s_y: float,
    rel_error: float,
) -> Iterator[tuple[float, ExactPosterior]]:
    """Posteriors from the widest prior to the narrowest, each from the points of the last one that was integrated."""
    base: ExactPosterior | None = None
    for scale in sorted(set(scales), reverse=True):
        prior = scaled(design, template, scale / s_y)
        post = reread(design, prior, rel_error, base)
        if post is None:
            post = base = fresh(design, statistics, prior, FINER * rel_error)
        yield scale, post


def read_scales(scales: Sequence[float] | None, s_y: float) -> list[float]:
    """Scales in units of y."""
    if scales is None:
        return [float(x) for x in s_y * np.geomspace(NARROWEST, WIDEST, COUNT)]
    own = np.atleast_1d(np.asarray(scales, dtype=float))
    if not own.size or not np.all(np.isfinite(own) & (own > 0)):
        raise PriorError(f"scales={scales!r}: give finite numbers above 0, in units of y.")
    return [float(x) for x in own]
