"""p values of likelihood ratios by parametric bootstrap: responses from the null, both models fitted to each."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blupbayes.frequentist.blocks import run_blocks, seed_sequence, whole_number
from blupbayes.frequentist.lrt_replicates import LikelihoodRatios, lrt_replicates
from blupbayes.frequentist.replication import ByRows
from blupbayes.frequentist.statistic import Test
from blupbayes.mme.estimate_many import ManyEstimates, estimate_many
from blupbayes.mme.fit import Estimate
from blupbayes.mme.parts import parts_of
from blupbayes.mme.replicates import law_of, problems_of, responses_of
from blupbayes.mme.restricted import Restricted
from blupbayes.mme.statistics import reduce
from blupbayes.model.design import Design

__all__ = ["bootstrap_p", "ratios"]

Array = NDArray[np.float64]
BLOCK = 500  # replicates from one seed
NUMBERS = 5_000_000  # held at once


def bootstrap_p(
    n: int, random_seed: Any = None, *, n_jobs: int | None = 1, progressbar: bool = True
) -> Callable[[Test], float] | None:
    """What turns a Test into a p value; None for n = 0, no bootstrap.

    Raises
    ------
    DataError
        If n is not a whole number.
    """
    if isinstance(n, int) and not isinstance(n, bool) and n == 0:
        return None
    size, seeds = whole_number("bootstrap", n), seed_sequence(random_seed)
    return lambda test: ratios(test, size, seeds, n_jobs=n_jobs, progressbar=progressbar).p_value


def ratios(
    test: Test, n: int, random_seed: Any, *, n_jobs: int | None = 1, progressbar: bool = True
) -> LikelihoodRatios:
    """The replicates: from the same statistics where the null is a restriction of the model, else from rows."""
    whole, null = test.alternative, test.null
    if isinstance(null, Restricted):
        return lrt_replicates(
            test.design, whole.statistics, ~null.free, n, random_seed,
            method=whole.method, n_jobs=n_jobs, progressbar=progressbar,
        )  # fmt: skip
    seeds, shifted = seed_sequence(random_seed), shift(whole) - shift(null)
    work = partial(one_block, by_rows(test.null_design, null), by_rows(test.design, whole), shifted)
    block = max(1, min(BLOCK, NUMBERS // test.design.n_obs))
    parts = run_blocks(work, n, block, seeds, n_jobs, progressbar)
    found, converged = (np.concatenate(x) for x in zip(*parts, strict=True))
    return LikelihoodRatios(
        test.chisq, found, converged, null.theta, null.sigma, null.beta, whole.method, n, seeds.entropy
    )


def by_rows(design: Design, e: Estimate) -> ByRows:
    """Responses of a design, row by row."""
    return ByRows(design, np.nan_to_num(e.beta), e.T, e.sigma, e.method, e.theta)


def shift(e: Estimate) -> float:
    """What of a criterion depends on the coding of X."""
    return 2.0 * e.statistics.log_det_R if e.method == "REML" else 0.0


def one_block(
    null: ByRows, whole: ByRows, shifted: float, size: int, seed: np.random.SeedSequence
) -> tuple[Array, NDArray[np.bool_]]:
    """Statistics of one block of replicates, and whether both estimates converged."""
    y = null.draw(size, np.random.default_rng(seed))
    small, large = estimates(null, y), estimates(whole, y)
    return np.maximum(small.criterion - large.criterion + shifted, 0.0), small.converged & large.converged


def estimates(model: ByRows, y: Array) -> ManyEstimates:
    """Of responses y (n, rows): together, where the model is small."""
    statistics = reduce(model.design)
    parts = parts_of(statistics)
    if parts is None:
        return model.estimates(y)
    law = law_of(statistics, parts, model.beta, model.T, model.sigma)
    return estimate_many(problems_of(law, responses_of(law, model.design, y)), model.theta, model.method)
