"""Bootstrap of a likelihood ratio: responses drawn under the null, both models estimated from each."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blupbayes.errors import DataError
from blupbayes.frequentist.blocks import run_blocks, seed_sequence, whole_number
from blupbayes.frequentist.replication import Replicator, null_estimates, replicator
from blupbayes.mme.fit import estimate
from blupbayes.mme.restrict import Restriction, restrict
from blupbayes.mme.statistics import DesignLike, Statistics

__all__ = ["LikelihoodRatios", "lrt_replicates"]

Array = NDArray[np.float64]
ROUNDING = 1e-6  # relative: ratios as close as this are equal


@dataclass(frozen=True, eq=False, repr=False)
class LikelihoodRatios:
    """Likelihood-ratio statistics under the null, and the observed one.

    Parameters
    ----------
    observed : float
        Criterion of the null minus that of the whole model, on the data.
    replicates : array (n,)
        The same of responses drawn at the null's estimates; NaN where there is no answer in double precision.
    converged : array of bool (n,)
        Whether both estimates are certified.
    theta, sigma, beta
        The null's estimates, theta in the places of the whole model.
    method : str
    n_asked : int
        Replicates that were asked for.
    random_seed : object
        Entropy from which the same replicates come again.
    """

    observed: float
    replicates: Array
    converged: NDArray[np.bool_]
    theta: Array
    sigma: float
    beta: Array
    method: str
    n_asked: int
    random_seed: Any = field(repr=False)

    def __len__(self) -> int:
        return len(self.replicates)

    @property
    def p_value(self) -> float:
        """(1 + replicates at least as large as observed) / (1 + replicates) (Davison and Hinkley 1997, section 4.2)."""
        x = self.replicates[np.isfinite(self.replicates)]
        slack = ROUNDING * max(1.0, self.observed)
        return float((1 + np.sum(x >= self.observed - slack)) / (1 + len(x)))

    @property
    def zero_share(self) -> float:
        """Share of the replicates in which the null is as good as the whole model: the mass of chi-bar at zero."""
        return float(np.mean(self.replicates <= ROUNDING))

    @property
    def n_not_converged(self) -> int:
        """Replicates of which one of the two estimates is not certified."""
        return int((~self.converged).sum())

    @property
    def interrupted(self) -> bool:
        """Whether fewer replicates were made than asked for."""
        return len(self) < self.n_asked

    def __repr__(self) -> str:
        text = f"{self.method} likelihood ratio {self.observed:.4g}, p = {self.p_value:.4g} by {len(self)} replicates"
        stopped = f" of {self.n_asked} (stopped by the user)" if self.interrupted else ""
        lost = f"; {self.n_not_converged} did not converge" if self.n_not_converged else ""
        return f"{text}{stopped}, {self.zero_share:.1%} of them zero{lost}."


def lrt_replicates(
    design: DesignLike,
    statistics: Statistics,
    held: NDArray[np.bool_],
    n: int = 1000,
    random_seed: Any = None,
    *,
    method: str = "REML",
    n_jobs: int | None = 1,
    progressbar: bool = True,
) -> LikelihoodRatios:
    """Bootstrap the likelihood ratio of two random structures on the same y and X.

    Parameters
    ----------
    design : Design
    statistics : Statistics
        Of the whole model.
    held : array of bool (m,)
        Which entries of theta the null holds at zero: coefficients or grouping factors left out, sets of coefficients
        without correlation.
    n : int
    random_seed : int, SeedSequence, Generator or None
    method : {"REML", "ML"}
        X is the same in both models, so that restricted likelihoods may be compared.
    n_jobs, progressbar
        As in bootstrap.

    Returns
    -------
    LikelihoodRatios

    Raises
    ------
    DataError
        If n is not a whole number above 0, the mask is no structure, or the null has no estimates.

    Examples
    --------
    >>> import numpy as np
    >>> import blupbayes as bb
    >>> from blupbayes.frequentist.lrt_replicates import lrt_replicates
    >>> model = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail"))
    >>> found = lrt_replicates(model.design, model.statistics, np.array([True]), n=200, random_seed=1)
    >>> round(found.observed, 3), round(found.p_value, 3)
    (36.505, 0.005)
    """
    n, seeds = whole_number("n", n), seed_sequence(random_seed)
    restriction = restrict(statistics.groups, held)
    null = null_estimates(design, statistics, restriction, method)
    if not null.converged[0]:
        raise DataError(
            "the model under the null could not be estimated from the data, so nothing can be drawn from it."
        )
    theta, sigma, beta = restriction.expanded(null.theta)[0], float(null.sigma[0]), null.beta[0]
    source = replicator(design, statistics, beta, theta, sigma, method)
    parts = run_blocks(partial(one_block, source, restriction), n, source.block, seeds, n_jobs, progressbar)
    whole = estimate(statistics, method)
    ratios, converged = (np.concatenate(x) for x in zip(*parts, strict=True))
    observed = max(0.0, float(null.criterion[0]) - whole.criterion)
    return LikelihoodRatios(
        observed, ratios, converged, theta, sigma, beta, method, n, seeds.entropy,
    )  # fmt: skip


def one_block(
    source: Replicator, restriction: Restriction, size: int, seed: np.random.SeedSequence
) -> tuple[Array, NDArray[np.bool_]]:
    """Statistics of one block of replicates, and whether both estimates converged.

    A search of the whole model that ends above the null has missed a point that it holds: the null itself.
    """
    responses = source.draw(size, np.random.default_rng(seed))
    null, whole = source.estimates(responses, restriction), source.estimates(responses)
    ratio = np.maximum(null.criterion - whole.criterion, 0.0)
    return ratio, null.converged & whole.converged
