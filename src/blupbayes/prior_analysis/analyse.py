"""A sensitivity analysis step by step: REML, the default prior, every prior of the set, and the rows of the table."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blupbayes.bayes.integrate import Integral, integrate
from blupbayes.bayes.shares import shares
from blupbayes.compare.sensitivity import (
    COLUMNS,
    FAILED,
    NEAR,
    REFERENCE,
    Judgement,
    Measured,
    Yardstick,
    judge,
)
from blupbayes.errors import DataError, IdentifiabilityError, IntegrationError, PriorError
from blupbayes.exact_posterior import ExactPosterior
from blupbayes.frequentist.blocks import results
from blupbayes.mme.fit import estimate
from blupbayes.mme.statistics import Statistics
from blupbayes.model.design import Design
from blupbayes.model.prior import Prior
from blupbayes.model.resolved import ResolvedPrior
from blupbayes.prior_analysis.measure import Means, chosen_levels, posterior_rows, sd_quantiles
from blupbayes.prior_analysis.path import FINER, reread
from blupbayes.prior_analysis.plug_in import PlugIn
from blupbayes.prior_analysis.sets import RESERVED, neutral, read_set
from blupbayes.sensitivity import Sensitivity

__all__ = ["analyse"]

Array = NDArray[np.float64]
PLUG_IN, DEFAULT = RESERVED
REFUSALS = (IdentifiabilityError, PriorError, IntegrationError)
HARDLY = 2.5  # a posterior of order sd^-2 has no mean


def analyse(
    design: Design,
    statistics: Statistics,
    priors: Mapping[Any, Any] | None,
    rel_error: float,
    ci_prob: float,
    levels: Any,
    also: Mapping[Any, Any] | None = None,
    n_jobs: int | None = 1,
) -> Sensitivity:
    """See ``MixedModel.sensitivity``."""
    if not 0 < ci_prob < 1:
        raise DataError(f"ci_prob={ci_prob!r} must lie between 0 and 1, as 0.95.")
    asked = read_set(priors, design) | (read_set(also, design) if also else {})
    offered = {DEFAULT, *asked} - set(also or ()) if priors is None else set()
    plug_in = PlugIn(estimate(statistics, "REML"), ci_prob)
    shown = chosen_levels(design, levels, plug_in.solved.b[0][:, 0])
    found, failed = answers(design, statistics, asked, rel_error, offered, n_jobs)
    yard = yardstick(found.get(DEFAULT), plug_in, ci_prob)
    measured = {name: measure(post, yard, Means(statistics), ci_prob) for name, post in found.items()}
    judged = {
        (name, group): judge(m, yard, group)
        for name, m in measured.items()
        if name != DEFAULT
        for group in yard.groups
    }
    frame = rows(plug_in, found, failed, judged, shown, ci_prob)
    own = {name: why for name, why in failed.items() if name != DEFAULT}
    notes = remarks(plug_in, found, failed)
    return Sensitivity(frame, found, own, judged, measured, yard, ci_prob, shown, notes)


def answers(
    design: Design,
    statistics: Statistics,
    asked: Mapping[str, Prior],
    rel_error: float,
    offered: Collection[str],
    n_jobs: int | None,
) -> tuple[dict[str, ExactPosterior], dict[str, str]]:
    """Posteriors by label, the default prior's first, and why others have none; nobody asked for those ``offered``."""
    first = settled(design, statistics, {DEFAULT: neutral(design)}, FINER * rel_error, None, offered, 1)
    base = next((x for x in first.values() if isinstance(x, ExactPosterior)), None)
    every = first | settled(design, statistics, asked, rel_error, base, offered, n_jobs)
    found = {name: answer for name, answer in every.items() if isinstance(answer, ExactPosterior)}
    return found, {name: answer for name, answer in every.items() if isinstance(answer, str)}


def settled(
    design: Design,
    statistics: Statistics,
    priors: Mapping[str, Prior],
    rel_error: float,
    base: ExactPosterior | None,
    offered: Collection[str],
    n_jobs: int | None,
) -> dict[str, ExactPosterior | str]:
    """Posteriors by label, or why there is none; those that need an integration of their own are jobs."""
    known = {name: at_once(design, x, rel_error, base, name in offered) for name, x in priors.items()}
    waiting = [(name, x) for name, x in known.items() if isinstance(x, ResolvedPrior)]
    work = partial(integrated, design, statistics, rel_error)
    for (name, resolved), found in zip(
        waiting, results(work, [(x,) for _, x in waiting], n_jobs), strict=True
    ):
        known[name] = found if isinstance(found, str) else ExactPosterior(design, resolved, found)
    return known  # type: ignore[return-value]


def at_once(
    design: Design, prior: Prior, rel_error: float, base: ExactPosterior | None, offered: bool
) -> ExactPosterior | ResolvedPrior | str:
    """The posterior from the points of another one, or why there is none; else the prior, to integrate with."""
    try:
        if offered:
            check_worthwhile(design, prior)
        return reread(design, prior, rel_error, base) or prior.resolve(design)
    except REFUSALS as refusal:
        return str(refusal)


def integrated(
    design: Design, statistics: Statistics, rel_error: float, prior: ResolvedPrior
) -> Integral | str:
    """The posterior by an integration of its own, or why there is none."""
    try:
        return integrate(design, statistics, prior, rel_error)
    except REFUSALS as refusal:
        return str(refusal)


def check_worthwhile(design: Design, prior: Prior) -> None:
    """IntegrationError where an sd has hardly a mean: its integral takes long and says little [E-TAIL]."""
    resolved = prior.resolve(design)
    tail, measures = design.measures.tails.beside(resolved.flat), design.measures
    for i, (group, of_group) in enumerate(zip(design.groups, resolved.groups, strict=True)):
        for k, sd in enumerate(of_group.sds):
            order = tail.exponent(i, measures.combination(i, k, k + 1)) + sd.tail
            if order < HARDLY:
                raise IntegrationError(
                    f"with {len(group.levels)} levels of {group.name} the posterior of an sd falls off as "
                    f"sd^-{order:.3g} only and has hardly a mean, so this prior of the default set is left out. "
                    "Name it in priors to have it integrated."
                )


def yardstick(default: ExactPosterior | None, plug_in: PlugIn, ci_prob: float) -> Yardstick:
    """What posteriors are held against: the default prior's, or REML where that has none."""
    means, e = Means(plug_in.fit.statistics), plug_in.ends
    if default is None:
        at, unit = (x[means.where] for x in plug_in.linear)
        sds, sd_unit = np.column_stack([plug_in.sds, e.low, e.high]), 0.25 * (e.high - e.low)
    else:
        i = default.integral
        at, unit = (x[i.moments.shape[1] - i.mixture.points.base.shape[1] :][means.where] for x in i.moments)
        sds, sd_unit = sd_quantiles(default, medians_first(ci_prob)).T, i.moments[1, 1 : 1 + len(plug_in.sds)]
    owner = tuple(means.labels["group"].iloc[means.where])
    return Yardstick(
        plug_in.coefficients, owner, at, unit, sds, sd_unit, e.weight_low, e.weight_high, e.high, NEAR * sds[:, 0]
    )  # fmt: skip


def medians_first(ci_prob: float) -> tuple[float, float, float]:
    """Probabilities of median, lower and upper end."""
    return 0.5, (1 - ci_prob) / 2, (1 + ci_prob) / 2


def measure(post: ExactPosterior, yard: Yardstick, means: Means, ci_prob: float) -> Measured:
    """What the rules look at."""
    i = post.integral
    first = i.moments.shape[1] - i.mixture.points.base.shape[1]
    near = np.array([next_to_zero(post, k, x) for k, x in enumerate(yard.near)])
    return Measured(
        i.moments[0, first + means.where],
        sd_quantiles(post, medians_first(ci_prob)).T,
        i.mixture.weights @ shares(i),
        prior_above(post, yard.upper),
        near[:, 0],
        near[:, 1] - near[:, 0],
    )


def next_to_zero(post: ExactPosterior, k: int, x: float) -> Array:
    """P(sd k < x) and P(sd k < 2 x); NaN where x is 0."""
    if not x > 0:
        return np.full(2, np.nan)
    return post.integral.mixture.sd_curve(k).cdf(np.array([x, 2.0 * x]))


def prior_above(post: ExactPosterior, upper: Array) -> Array:
    """Prior mass (K,) of every sd above a bound; NaN for joint priors and where there is no bound."""
    sds = [sd for g in post.prior.groups for sd in (g.sds or (None,) * len(g.names))]
    pairs = zip(sds, upper.tolist(), strict=True)
    return np.array([np.nan if sd is None or np.isnan(x) else sd.above(x) for sd, x in pairs])


def rows(
    plug_in: PlugIn,
    found: Mapping[str, ExactPosterior],
    failed: Mapping[str, str],
    judged: Mapping[tuple[str, str], Judgement],
    shown: Mapping[str, tuple[str, ...]],
    ci_prob: float,
) -> pd.DataFrame:
    """The long table: REML, the default prior, then the set in its order."""
    means = Means(plug_in.fit.statistics)
    which = means.chosen(shown)
    reference = plug_in.rows(which).assign(prior=PLUG_IN, verdict=REFERENCE)
    blocks = [reference]
    for name, post in found.items():
        block = posterior_rows(post, means, which, ci_prob).assign(prior=name)
        own = [judged.get((name, group), Judgement(REFERENCE, "", 0.0)) for group in block["group"]]
        blocks.append(block.assign(verdict=[j.verdict for j in own], note=[j.note for j in own]))
    for name, why in failed.items():
        keys = reference[["component", "group", "level", "term"]]
        blank = dict.fromkeys(("estimate", "ci_lb", "ci_ub", "uncertainty"), np.nan)
        blocks.append(keys.assign(prior=name, verdict=FAILED, note=why, **blank))
    return pd.concat(blocks, ignore_index=True)[COLUMNS]


def remarks(
    plug_in: PlugIn, found: Mapping[str, ExactPosterior], failed: Mapping[str, str]
) -> tuple[str, ...]:
    """What could not be had, and what the integrals could not keep."""
    out = (
        [f"No default posterior to hold others against, so REML is taken: {failed[DEFAULT]}"]
        if DEFAULT in failed
        else []
    )
    out += [f"No profile interval: {why}" for why in plug_in.ends.notes if why]
    out += [f"{name}: {message}" for name, post in found.items() for message in post.messages]
    return tuple(out)
