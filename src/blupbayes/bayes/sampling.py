"""Draws from the posterior: what PyMC's samplers are asked for, and what is made of their answer."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from blupbayes.bayes.centering import settle
from blupbayes.bayes.diagnostics import diagnostics
from blupbayes.bayes.hierarchical import build
from blupbayes.bayes.names import reported
from blupbayes.bayes.provenance import provenance, settled_seed
from blupbayes.bayes.starts import starting_point
from blupbayes.model.design import Design
from blupbayes.model.prior import Prior, read_prior

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["sample"]

TARGET_ACCEPT = 0.95  # 0.8, PyMC's own, leaves a few divergences where an sd may be 0 or the data are strong


def sample(
    design: Design,
    prior: Prior | None = None,
    *,
    parameterization: str | Mapping[str, str] = "auto",
    random: str = "normal",
    draws: int = 1000,
    tune: int = 1000,
    chains: int = 4,
    random_seed: Any = None,
    progressbar: Any = True,
    **pm_sample_kwargs: Any,
) -> tuple[xr.DataTree, dict[str, Any]]:
    """Draw from the posterior with PyMC (its NUTS, or nutpie's where ``pm.sample`` chooses that).

    Parameters
    ----------
    design : Design
        Data, weights, offset and, where it is known, sigma.
    prior : Prior, optional
        None is the documented default.
    parameterization : {"auto", "noncentered", "centered"} or {group: one of the last two}
        How the random effects are written; see `build`.
    random : {"normal", "student_t"}
        Distribution of the random effects; see `build`.
    draws, tune, chains : int
        Kept draws and warm-up per chain, and number of chains.
    random_seed : int, Generator or sequence, optional
        None takes a new seed; ``attrs["random_seed"]`` has the one that makes the same draws again.
    progressbar : bool or str
        As in ``pm.sample``; silent where stdout is no terminal.
    **pm_sample_kwargs
        Passed to ``pm.sample``, such as cores, nuts_sampler or target_accept (0.95 unless given).

    Returns
    -------
    data : xarray.DataTree
        Groups posterior, sample_stats, observed_data; in posterior `beta`, `sigma`, `sd_g`, `corr_g` and `b_g`,
        without the standardised effects behind b_g. For ``pm.sample_posterior_predictive`` with `build`'s model
        pass ``freeze_vars=["b_g"]``: PyMC would draw new levels otherwise. attrs: formula, data_hash, prior,
        parameterization and its reason, random_seed, versions.
    diagnostics : dict
        See :func:`blupbayes.bayes.diagnostics.diagnostics`. Errors are those of `build`.
    """
    import pymc as pm
    from pymc.model.transform.optimization import freeze_dims_and_data
    from pytensor.configdefaults import config

    ways, resolved = settle(design, parameterization), read_prior(prior).resolve(design)
    model = build(design, prior, ways.of, random)
    seed, names = settled_seed(random_seed), reported(design, model.named_vars)
    show = progressbar if sys.stdout.isatty() else False
    own = {"progressbar": show, "quiet": not show, "initvals": starting_point(design, resolved)}
    options = own | careful(pm_sample_kwargs) | {"model": freeze_dims_and_data(model), "var_names": names}
    # With fast-math the first compilation and a cached one round differently: other draws from the same seed.
    with warnings.catch_warnings(), config.change_flags(numba__fastmath=False):
        warnings.simplefilter("ignore")  # what they say of the draws is in the diagnostics
        data = pm.sample(draws, tune=tune, chains=chains, random_seed=seed, **options)
    data["posterior"] = data["posterior"].dataset[names]  # samplers keep more than var_names asks for
    data.attrs.update(provenance(design, resolved, str(ways), ways.reason, seed))
    return data, diagnostics(data)


def careful(given: dict[str, Any]) -> dict[str, Any]:
    """Options for ``pm.sample``: smaller steps than its own, unless the user says otherwise."""
    stated = "step" in given or "target_accept" in given.get("nuts", {})
    ours = {"compute_convergence_checks": False} | ({} if stated else {"target_accept": TARGET_ACCEPT})
    return ours | given
