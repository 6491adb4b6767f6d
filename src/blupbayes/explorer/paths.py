"""The two sliders at known variances: the precision of the prior of beta, and how far the levels are pooled."""

from __future__ import annotations

import numpy as np

from blupbayes.compare.paths import kappa_table, pooling_table
from blupbayes.errors import ComparisonError
from blupbayes.explorer import stops
from blupbayes.explorer.reading import Reading, of_path
from blupbayes.mme.gaussian import kappa_path
from blupbayes.mme.pooling import pooling_path
from blupbayes.plot_tables import Tables

__all__ = ["kappa_reading", "pooling_reading"]


def kappa_reading(tables: Tables) -> Reading:
    """Henderson's equations at the REML variances with beta ~ N(0, 1/kappa); at rest kappa is 0.

    Raises
    ------
    ComparisonError
        If there is no fixed effect that a prior could be about.
    """
    s, at = tables.statistics, tables.reml
    found = np.diag(tables.solved.beta_cov)
    known = found[np.isfinite(found) & (found > 0)]
    if not known.size:
        raise ComparisonError("The model has no fixed effect that the data determine.")
    values = stops.kappas(known.tolist())
    path = kappa_table(s.groups, s.fixed_names, kappa_path(s, at.T, at.sigma, values))
    return of_path(path, values, len(values) - 1)


def pooling_reading(tables: Tables) -> Reading:
    """The sds of the random effects times tau; at rest tau is 1."""
    s, at = tables.statistics, tables.reml
    values = stops.taus()
    path = pooling_table(s.groups, s.fixed_names, pooling_path(s, at.T, at.sigma, values))
    return of_path(path, values, values.index(1.0))
