"""What a lattice gets wrong, and what the next one must be: spacing against aliasing, width against lost tails.

Both errors are read off the lattice itself. Half of its points (every second one) say how wrong the spacing is, and
overstate it, since sums over smooth bells converge exponentially. The points without the outermost shell say how much
lies further out. A quantity may by chance agree in both, so none is thought better than the usual one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blupbayes.bayes.cloud import Cloud
from blupbayes.bayes.lattice import Lattice
from blupbayes.bayes.mixture import Mixture

__all__ = ["Accuracy", "Plan", "accuracy", "error_of", "first_plan", "moments", "next_plan"]

Array = NDArray[np.float64]

COARSEST = 1.5  # spacing in sds of the bell
MARGIN = 6.0  # bells are not Gaussian: frequencies are kept to rel_error / MARGIN of a Gaussian's
ON_A_LINE = 0.35  # in one dimension points cost nothing, and the window of mixture.smoothed takes its share
DROP = {1: 9.0, 2: 10.0, 3: 10.0, 4: 10.0}
MANY = 1.9, 13.5  # both in more dimensions: lattices grow fast there, and their bells are wide
# of the difference to half of the points; that half has a worse share in few
HALF = {1: 0.5, 2: 0.25, 3: 0.35}
HALF_MANY = 0.8
SCATTER = 2.5  # standard errors of replicates that are stated of a cloud
SHELL = 0.6  # of the difference to the points without the outermost shell, at least
THICK = 2.0  # of a shell, in units of the log-density
SURE = 1.5  # times what a geometric series leaves
SLOWEST = 0.9  # ratio of its terms beyond which nothing can be said
LEAST = 0.01  # of rel_error
USUAL = 1.0  # of the root mean square over all quantities is the least that is stated of any
RESOLVED = 1e-13  # an sd below this share of the mean is rounding


@dataclass(frozen=True)
class Plan:
    """``spacing`` in sds of the bell, ``drop`` of the log-density to where the lattice is filled."""

    spacing: float
    drop: float


@dataclass(frozen=True, eq=False)
class Accuracy:
    """``aliasing`` and ``tails`` (2, Q): errors of means and sds in posterior sds; 0 for what does not vary."""

    aliasing: Array
    tails: Array

    @property
    def error(self) -> Array:
        """Both (2, Q)."""
        return self.aliasing + self.tails

    @property
    def worst(self) -> float:
        """The largest."""
        return float(self.error.max(initial=0.0))


def moments(mixture: Mixture, w: Array) -> Array:
    """Means and sds (2, Q) of [sigma, sds, correlations, beta, b, group means] for weights w (m,)."""
    parts = [mixture.deviations(w), mixture.linear(w)]
    corrs = [
        (m.mean[np.tril_indices(len(m.mean), -1)], m.sd[np.tril_indices(len(m.sd), -1)])
        for m in mixture.correlations(w)
    ]
    pairs = [(parts[0].mean, parts[0].sd), *corrs, (parts[1].mean, parts[1].sd)]
    return np.stack([np.concatenate(x) for x in zip(*pairs, strict=True)])


def scatter(mixture: Mixture, read: Callable[[Array], Array]) -> Array:
    """Standard error of read(weights), any sum over a cloud, from its replicates."""
    assert isinstance(mixture.lattice, Cloud)
    parts = [read(mixture.weights_of(part)) for part in mixture.lattice.replicates]
    return np.asarray(np.std(parts, axis=0, ddof=1) / np.sqrt(len(parts)))


def error_of(mixture: Mixture, read: Callable[[Array], Array]) -> Array:
    """Stated error of read(weights), any sum over the points, in its own unit."""
    lattice = mixture.lattice
    if isinstance(lattice, Cloud):
        return SCATTER * scatter(mixture, read)
    whole, half, inner = (
        read(w)
        for w in (
            mixture.weights,
            mixture.weights_of(lattice.even),
            mixture.weights_of(lattice.within(THICK)),
        )
    )
    return half_share(lattice) * np.abs(half - whole) + SHELL * np.abs(inner - whole)


def half_share(lattice: Lattice) -> float:
    """Of the difference to half of the points, what is left as error."""
    return HALF.get(lattice.index.shape[1], HALF_MANY)


def accuracy(mixture: Mixture) -> Accuracy:
    """How wrong means and sds may be; nothing is thought better than a small share of rel_error."""
    lattice = mixture.lattice
    whole = moments(mixture, mixture.weights)
    if isinstance(lattice, Cloud):
        off = whole + scatter(mixture, lambda w: moments(mixture, w))
        return Accuracy(stated(off, whole, SCATTER), np.zeros_like(whole))
    half = moments(mixture, mixture.weights_of(lattice.even))
    inner, core = (moments(mixture, mixture.weights_of(lattice.within(k * THICK))) for k in (1, 2))
    tails = stated(inner, whole, beyond(whole, inner, core))
    return Accuracy(
        stated(half, whole, half_share(lattice)), np.where(tails > 0, tails + LEAST * mixture.rel_error, 0.0)
    )


def beyond(whole: Array, inner: Array, core: Array) -> Array:
    """Share (2, Q) of the outermost shell's part that is left as error: what lies further out falls off as it did."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.abs(whole - inner) / np.abs(inner - core)
    ratio = np.clip(np.nan_to_num(ratio, nan=0.0, posinf=SLOWEST), 0.0, SLOWEST)
    return np.maximum(SHELL, SURE * ratio / (1.0 - ratio))


def stated(other: Array, whole: Array, share: Array | float) -> Array:
    """Errors (2, Q) in posterior sds from another sum (2, Q)."""
    sd = whole[1]
    alive = sd > RESOLVED * np.abs(whole[0])
    out = np.zeros_like(whole)
    out[:, alive] = np.abs(other - whole)[:, alive] / sd[alive]
    lowest = USUAL * float(np.min(share))
    usual = np.sqrt(np.mean(out[:, alive] ** 2, axis=1, keepdims=True)) if alive.any() else 0.0
    return np.where(alive, np.maximum(share * out, lowest * usual), 0.0)


def first_plan(scale: Array, rel_error: float) -> Plan:
    """Where to begin, for lattice vectors of one sd each as columns of scale (d, d).

    The spacing lets marginal densities keep the frequencies that a quantile of a bell needs (lattice.turned says which
    they are); the drop of the log-density leaves out about as much as may be wrong.
    """
    d = len(scale)
    row = np.abs(scale / np.linalg.norm(scale, axis=1, keepdims=True)).max()
    spacing = np.pi / (row * np.sqrt(2.0 * np.log(MARGIN / rel_error)))
    if d == 1:
        spacing *= ON_A_LINE
    spacing, drop = (min(spacing, COARSEST), DROP[d]) if d in DROP else MANY
    return Plan(spacing, drop + max(0.0, np.log(0.01 / rel_error)))


def next_plan(plan: Plan, found: Accuracy, rel_error: float) -> Plan:
    """Finer where the spacing is the trouble, wider where the tails are; both where both are."""
    aliasing, tails = float(found.aliasing.max(initial=0.0)), float(found.tails.max(initial=0.0))
    spacing, drop = plan.spacing, plan.drop
    if aliasing > 0.5 * rel_error:
        # Errors fall as exp(-c / spacing^2).
        size = np.log(max(min(aliasing, 0.3), 1e-14)) / np.log(0.3 * rel_error)
        spacing *= float(np.clip(np.sqrt(size), 0.6, 0.93))
    if tails > 0.5 * rel_error:
        drop += float(np.clip(1.4 * np.log(tails / (0.3 * rel_error)), 1.0, 6.0))
    if (spacing, drop) == (plan.spacing, plan.drop):
        spacing, drop = 0.93 * spacing, drop + 1.0
    return Plan(spacing, drop)
