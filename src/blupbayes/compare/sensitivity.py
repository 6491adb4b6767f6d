"""What a prior of the sds does to shrinkage and to the sds themselves: the rules of the verdict [E-VERDICT].

A prior is judged for one grouping factor at a time:

    spike at 0     more than SPIKE of the posterior mass of an sd lies below NEAR of its median under the default
                   prior, and at least TWICE as much as between that point and its double; a density that is bounded
                   at 0 has about as much on both sides of it
    prior-driven   a group mean moves by more than MOVED posterior sds from where the default prior has it; or E(weight)
                   lies outside the weights over the REML profile interval of the sd; or less than LEAST of the
                   prior's mass lies above the end of that interval
    same           else

Works on plain arrays and frames; knows no estimator.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "COLUMNS",
    "REFERENCE",
    "Judgement",
    "Measured",
    "Yardstick",
    "judge",
    "sentences",
    "variance_moves",
]

Array = NDArray[np.float64]

COLUMNS = [
    "prior", "component", "group", "level", "term", "estimate", "ci_lb", "ci_ub", "uncertainty", "verdict", "note",
]  # fmt: skip
REFERENCE, SAME, DRIVEN, SPIKED, FAILED = "reference", "same", "prior-driven", "spike at 0", "no answer"
MOVED = 0.5  # posterior sds: a change that a reader of the estimate and its spread would notice
LEAST = 0.05  # of the prior's mass beyond what the data allow: a prior with less has shut the upper end
SPIKE = 0.05  # of the posterior's mass
NEAR = 0.05  # of the median under the default prior; groups are as good as pooled there
TWICE = 2.0


@dataclass(frozen=True, eq=False)
class Yardstick:
    """What every posterior is held against; K random coefficients, N means.

    Parameters
    ----------
    coefficients : tuple of (str, str)
        Group and term (K,).
    owner : tuple of str
        Group (N,) of each mean.
    means, unit : array (N,)
        Posterior means and sds under the default prior.
    sds, sd_unit : array (K, 3), array (K,)
        Median and interval of each sd under the default prior, and its posterior sd (without it, a quarter of the
        profile interval).
    low, high : array (K,)
        Weights at the ends of the REML profile interval of the sd; NaN without one.
    upper : array (K,)
        The end of that interval.
    near : array (K,)
        Below it an sd is next to 0.
    """

    coefficients: tuple[tuple[str, str], ...]
    owner: tuple[str, ...]
    means: Array
    unit: Array
    sds: Array
    sd_unit: Array
    low: Array
    high: Array
    upper: Array
    near: Array

    @property
    def groups(self) -> tuple[str, ...]:
        """Grouping factors, each once."""
        return tuple(dict.fromkeys(group for group, _ in self.coefficients))

    def coefficients_of(self, group: str) -> list[int]:
        """Where the coefficients of a group stand."""
        return [k for k, (name, _) in enumerate(self.coefficients) if name == group]


@dataclass(frozen=True, eq=False)
class Measured:
    """One posterior: means (N,); sds (K, 3), median and interval; average weights (K,).

    ``above`` (K,): prior mass above the yardstick's upper end; ``below``, ``beside`` (K,): posterior mass below
    ``near``, and from there to its double.
    """

    means: Array
    sds: Array
    weights: Array
    above: Array
    below: Array
    beside: Array


@dataclass(frozen=True)
class Judgement:
    """A verdict, its reasons, and the largest move of a group mean in posterior sds."""

    verdict: str
    note: str
    moved: float


def judge(found: Measured, yard: Yardstick, group: str) -> Judgement:
    """Hold one posterior of one grouping factor against the yardstick [E-VERDICT]."""
    own = yard.coefficients_of(group)
    spikes = [reason for k in own for reason in spike(found, yard, k)]
    moved = largest_move(found, yard, group)
    driven = [f"a group mean moves by {moved:.2f} posterior sds"] if moved > MOVED else []
    driven += [reason for k in own for reason in (*outside(found, yard, k), *shut(found, yard, k))]
    verdict = SPIKED if spikes else DRIVEN if driven else SAME
    return Judgement(verdict, "; ".join([*spikes, *driven]), moved)


def largest_move(found: Measured, yard: Yardstick, group: str) -> float:
    """Largest change of a mean of the group, in posterior sds under the default prior."""
    own = np.array([name == group for name in yard.owner], dtype=bool) & (yard.unit > 0)
    change = np.abs(found.means - yard.means)[own] / yard.unit[own]
    return float(np.max(change[np.isfinite(change)], initial=0.0))


def spike(found: Measured, yard: Yardstick, k: int) -> Iterator[str]:
    """Why the posterior of sd k has a spike at 0, if it has."""
    if found.below[k] > SPIKE and found.below[k] > TWICE * found.beside[k]:
        yield f"{100 * found.below[k]:.0f} % of the posterior lie at {sd_name(yard, k)} < {yard.near[k]:.3g}"


def outside(found: Measured, yard: Yardstick, k: int) -> Iterator[str]:
    """Why the expected weight k is not one that REML allows."""
    low, high, weight = yard.low[k], yard.high[k], found.weights[k]
    if weight < low or weight > high:
        yield f"E(weight) {weight:.3f} is outside [{low:.3f}, {high:.3f}], the weights over REML's profile interval"


def shut(found: Measured, yard: Yardstick, k: int) -> Iterator[str]:
    """Why the prior of sd k leaves no room."""
    if found.above[k] < LEAST:
        yield (
            f"{100 * found.above[k]:.1f} % of the prior of {sd_name(yard, k)} lie above {yard.upper[k]:.3g}, the end "
            "of REML's profile interval"
        )


def sd_name(yard: Yardstick, k: int) -> str:
    """sd(Rail), sd(Subject: Days)."""
    group, term = yard.coefficients[k]
    return f"sd({group})" if term == "Intercept" else f"sd({group}: {term})"


def variance_moves(found: Sequence[Measured], yard: Yardstick, k: int) -> float:
    """Largest change of the median or an interval end of sd k, in its posterior sds under the default prior."""
    with np.errstate(divide="ignore", invalid="ignore"):
        moves = np.array([np.abs(m.sds[k] - yard.sds[k]) / yard.sd_unit[k] for m in found])
    return float(np.max(moves[np.isfinite(moves)], initial=0.0))


def sentences(
    found: Mapping[str, Measured],
    judged: Mapping[tuple[str, str], Judgement],
    failed: Mapping[str, str],
    yard: Yardstick,
    ci_prob: float,
) -> list[str]:
    """The verdict in words: a sentence or two per group, then the priors that stand out."""
    out: list[str] = []
    for group in yard.groups:
        if found:
            out += of_group(group, found, {name: judged[name, group] for name in found}, yard, ci_prob)
    out += [f"No answer under {name}: {reason}" for name, reason in failed.items()]
    return out


def of_group(
    group: str,
    found: Mapping[str, Measured],
    judged: Mapping[str, Judgement],
    yard: Yardstick,
    ci_prob: float,
) -> Iterator[str]:
    """The sentences of one grouping factor."""
    own = yard.coefficients_of(group)
    moved = max(j.moved for j in judged.values())
    spiked = any(j.verdict == SPIKED for j in judged.values())
    shrinkage = moved <= MOVED and not spiked
    component = max(variance_moves(list(found.values()), yard, k) for k in own) <= MOVED and not spiked
    weights = np.array([m.weights[own] for m in found.values()])
    sds = np.array([m.sds[own] for m in found.values()])
    apart = "; ".join(spread_of(sds[:, i], sd_name(yard, k), ci_prob) for i, k in enumerate(own))
    yield (
        f"{group}: {headline(shrinkage, component, len(own))}. Over {len(found)} {plural('prior', len(found))} group "
        f"means move by at most {moved:.2f} posterior sds and E(weight) {range_of(weights, '.3f', 'lies ', 'is ')}; "
        f"{apart}."
    )
    for verdict in (DRIVEN, SPIKED):
        named = [f"{name} ({j.note})" for name, j in judged.items() if j.verdict == verdict]
        if named:
            yield f"{verdict[0].upper()}{verdict[1:]}: {'; '.join(named)}."


def spread_of(sds: Array, name: str, ci_prob: float) -> str:
    """How far the posteriors of one sd lie apart, from medians and intervals (m, 3)."""
    median, upper = range_of(sds[:, 0], ".3g", "lies ", "is "), range_of(sds[:, 2], ".3g")
    return f"the median of {name} {median}, its upper {100 * ci_prob:g} % limit {upper}"


def range_of(values: Array, form: str, several: str = "", one: str = "") -> str:
    """From the lowest to the highest: "lies between 1 and 2"; "is 1" where print does not tell them apart."""
    low, high = format(values.min(), form), format(values.max(), form)
    return f"{one}{low}" if low == high else f"{several}between {low} and {high}"


def headline(shrinkage: bool, component: bool, n: int) -> str:
    """What is robust to the prior."""
    name = plural("variance component", n)
    if shrinkage and component:
        return f"shrinkage and {name} robust"
    if shrinkage:
        return f"shrinkage robust, {name} not"
    return f"{name} robust, shrinkage not" if component else f"neither shrinkage nor {name} robust"


def plural(word: str, n: int) -> str:
    """word, or words."""
    return word if n == 1 else f"{word}s"
