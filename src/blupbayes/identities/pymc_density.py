"""The log-density of the collapsed PyMC model beside the dense one, where PyMC is wanted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from blupbayes.bayes.recover import relative_factors
from blupbayes.compare.dense import Dense
from blupbayes.compare.dense_readings import log_density
from blupbayes.compare.identity import Identity, rounding
from blupbayes.errors import BlupbayesError
from blupbayes.identities.case import Case
from blupbayes.model.prior import Prior
from blupbayes.model.resolved import ResolvedPrior

__all__ = ["pymc_identity"]


def pymc_identity(
    case: Case, prior: ResolvedPrior | None, wanted: bool, remarks: list[str]
) -> list[Identity]:
    """log p(y | variances), beta and b integrated out, where a sampler would start [E-REML], [E-EVIDENCE].

    Parameters
    ----------
    case : Case
    prior : ResolvedPrior or None
        Its beta is used; None is flat.
    wanted : bool
        Whether PyMC may be imported.
    remarks : list of str
        Gets why this was left out.
    """
    if not wanted:
        return []
    try:
        from blupbayes.bayes.sampling import to_pymc

        model = to_pymc(case.design, prior_of_beta(prior), "collapsed")
    except BlupbayesError as refusal:
        remarks.append(f"pymc: left out. {refusal}")
        return []
    at, left = evaluated(model)
    resolved = prior_of_beta(prior).resolve(case.design)
    sigma, factors = relative_factors(resolved, at)
    dense, density = Dense(case.data, tuple(T[0] for T in factors), float(sigma[0])), case.density(resolved)
    assert density is not None  # the model refuses such priors
    right = np.array([log_density(dense, float(sigma[0]), density)])
    scale, at_start = np.maximum(np.abs(right), case.design.n_obs), ["where a sampler would start"]
    return [Identity("pymc", np.array([left]), right, scale, rounding(dense.condition), at_start)]


def prior_of_beta(prior: ResolvedPrior | None) -> Prior:
    """The same prior of beta with default priors of all variances, which are no part of the density of y."""
    if prior is None or prior.kappa == 0:
        return Prior()
    return Prior(kappa=prior.kappa, mean=prior.mean, precision=prior.precision, nu=prior.nu)


def evaluated(model: Any) -> tuple[Mapping[str, Any], float]:
    """Variance parameters, each as one draw of one chain, and the log-density of y at the model's starting point."""
    names = [v.name for v in [*model.free_RVs, *model.deterministics]]
    values = model.replace_rvs_by_values([*(model[name] for name in names), model["marginal"]])
    f = model.compile_fn(values, inputs=model.value_vars, mode="FAST_COMPILE", on_unused_input="ignore")
    *found, density = f(model.initial_point())
    return {name: np.asarray(x)[None, None] for name, x in zip(names, found, strict=True)}, float(density)
