"""A design, or some whole groups of it, as dense formulas want it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from blupbayes.compare.dense import Data
from blupbayes.compare.dense_readings import BetaDensity, flat
from blupbayes.compare.identities import Names
from blupbayes.mme.statistics import Statistics, reduce
from blupbayes.model.design import Design
from blupbayes.model.resolved import ResolvedPrior
from blupbayes.model.subset import rows_of_design, whole_groups

__all__ = ["Case", "case_of"]

Array = NDArray[np.float64]

MOST = 3000  # rows for which V (n, n) is formed
SAMPLE = 1500  # rows of the groups that stand for more


@dataclass(frozen=True, eq=False)
class Case:
    """A design, its statistics, and its rows on the columns of X that are kept; ``whole``: whether it has all rows."""

    design: Design
    statistics: Statistics
    whole: bool

    @cached_property
    def data(self) -> Data:
        """The rows as dense formulas want them."""
        d, n = self.design, self.design.n_obs
        return Data(
            d.y if d.offset is None else d.y - d.offset,
            d.X[:, self.statistics.kept],
            np.ones(n) if d.weights is None else d.weights,
            tuple(g.codes for g in d.groups),
            tuple(g.columns for g in d.groups),
            tuple(len(g.levels) for g in d.groups),
        )

    @property
    def rank(self) -> int:
        """r."""
        return self.data.X.shape[1]

    @property
    def full_rank(self) -> bool:
        """Whether no column of X is aliased."""
        return self.rank == self.design.X.shape[1]

    @cached_property
    def alias(self) -> Array:
        """A (r, p): X = X_kept A."""
        if self.full_rank:
            return np.eye(self.rank)
        size = np.linalg.norm(self.data.X, axis=0)
        return np.asarray(np.linalg.lstsq(self.data.X / size, self.design.X)[0] / size[:, None])

    @cached_property
    def unit_precision(self) -> Array:
        """Prior precision (r, r) of A beta where that of beta is the identity."""
        return np.asarray(np.linalg.inv(self.alias @ self.alias.T))

    @cached_property
    def names(self) -> Names:
        """Names of what is compared."""
        kept = tuple(self.design.fixed_names[k] for k in self.statistics.kept)
        return Names(kept, self.statistics.groups)

    def density(self, prior: ResolvedPrior) -> BetaDensity | None:
        """The prior of A beta; None where it is flat in a direction that X does not see."""
        if prior.kappa == 0:
            return flat(self.rank)
        if self.full_rank:
            K = np.sqrt(prior.kappa) * prior.root
            log_det = float(np.linalg.slogdet(K @ K.T)[1])
            return BetaDensity(prior.mean, prior.kappa * prior.precision, len(K), log_det)
        if len(prior.root) < len(prior.mean):
            return None
        P = np.linalg.inv(self.alias @ np.linalg.solve(prior.kappa * prior.precision, self.alias.T))
        return BetaDensity(self.alias @ prior.mean, P, self.rank, float(np.linalg.slogdet(P)[1]))


def case_of(design: Design, s: Statistics) -> tuple[Case, str]:
    """All rows, or those of some whole groups and which they are."""
    if design.n_obs <= MOST:
        return Case(design, s, True), ""
    rows, chosen = whole_groups(design, SAMPLE)
    some = rows_of_design(design, rows)
    return Case(some, reduce(some), False), chosen
