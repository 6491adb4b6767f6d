"""Draws from the posterior: what PyMC's samplers are asked for, and what is made of their answer."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from blupbayes.bayes.centering import Ways, settle
from blupbayes.bayes.collapsed import build as build_collapsed
from blupbayes.bayes.diagnostics import diagnostics
from blupbayes.bayes.hierarchical import COLLAPSED, build
from blupbayes.bayes.interrupted import completed
from blupbayes.bayes.names import reported
from blupbayes.bayes.provenance import provenance, settled_seed
from blupbayes.bayes.recover import recover
from blupbayes.bayes.starts import starting_point
from blupbayes.bayes.tree import add_groups, dataset, drawn_arrays, positions
from blupbayes.errors import BlupbayesError, PriorError
from blupbayes.mme.reduced import reduced
from blupbayes.model.design import Design
from blupbayes.model.measures import check_rows
from blupbayes.model.prior import Prior, read_prior
from blupbayes.model.resolved import ResolvedPrior

if TYPE_CHECKING:
    import pymc as pm
    import xarray as xr

__all__ = ["prior_predictive", "sample", "to_pymc"]

TARGET_ACCEPT = 0.95  # 0.8, PyMC's own, leaves a few divergences where an sd may be 0 or the data are strong
INTEGRATED = "beta and b are integrated out, and drawn exactly afterwards"


def to_pymc(
    design: Design, prior: Prior | None, parameterization: str | Mapping[str, str], random: str = "normal"
) -> pm.Model:
    """The model in one of its parametrisations; see `hierarchical.build` and `collapsed.build`.

    Raises
    ------
    BlupbayesError
        If Student t effects are to be integrated out.
    """
    if parameterization != "collapsed":
        return build(design, prior, parameterization, random)
    if random != "normal":
        raise BlupbayesError(
            f"parameterization='collapsed' needs normal random effects, and random={random!r} has no closed form to "
            "integrate them out. Use parameterization='auto'."
        )
    return build_collapsed(design, prior)


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
    parameterization : {"auto", "noncentered", "centered", "collapsed"} or {group: one of the middle two}
        How the random effects are written, see `hierarchical.build`; "collapsed" draws the variance parameters
        with beta and b integrated out, and then these exactly.
    random : {"normal", "student_t"}
        Distribution of the random effects; see `hierarchical.build`.
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
        Groups posterior, sample_stats, observed_data, constant_data, log_prior, log_likelihood (of y given b) and
        posterior_predictive; in posterior `beta`, `sigma`, `sd_g`, `corr_g`, `b_g` and `nu_g`, whatever the
        parametrisation. attrs: formula, data_hash, prior, parameterization and its reason, random_seed, versions,
        sample_arguments (as they were given), and interrupted, where sampling was stopped and these are the draws until
        then.
    diagnostics : dict
        See :func:`blupbayes.bayes.diagnostics.diagnostics`.

    Raises
    ------
    BlupbayesError
        If there is not a single draw; else as `hierarchical.build` and `collapsed.build`.
    """
    if draws < 1 or chains < 1:
        raise BlupbayesError(f"draws={draws}, chains={chains}: at least one of each is needed.")
    if parameterization != "collapsed":
        check_rows(design, COLLAPSED)
    settled = Ways({}, INTEGRATED) if parameterization == "collapsed" else settle(design, parameterization)
    resolved, seed = read_prior(prior).resolve(design), settled_seed(random_seed)
    model = to_pymc(design, prior, settled.of or parameterization, random)
    size = {"draws": draws, "tune": tune, "chains": chains, "random_seed": seed}
    data = completed(run(model, design, resolved, progressbar, size | pm_sample_kwargs), draws)
    arrays, rng = drawn_arrays(data), np.random.default_rng(np.random.SeedSequence(seed).spawn(1)[0])
    if parameterization == "collapsed":
        arrays |= recover(reduced(design), resolved, arrays, rng)
    kept = {name: arrays[name] for name in reported(design, arrays)}
    data["posterior"] = dataset(design, kept, positions(data), data["posterior"].attrs)
    data.attrs.update(provenance(design, read_prior(prior), resolved, str(settled), settled.reason, seed))
    asked = {"parameterization": parameterization, "random": random} | size | pm_sample_kwargs
    data.attrs["sample_arguments"] = json.dumps(asked, default=repr)
    add_groups(data, design, resolved, rng)
    return data, diagnostics(data)


def run(
    model: pm.Model, design: Design, prior: ResolvedPrior, progressbar: Any, options: dict[str, Any]
) -> xr.DataTree:
    """``pm.sample`` with our defaults under the user's options; stopped by KeyboardInterrupt, what was drawn."""
    import pymc as pm
    from pymc.model.transform.optimization import freeze_dims_and_data
    from pytensor.configdefaults import config

    show = progressbar if sys.stdout.isatty() else False
    start = starting_point(design, prior, model.named_vars)
    own = {
        "progressbar": show,
        "quiet": not show,
        "initvals": {name: value for name, value in start.items()},
        "model": freeze_dims_and_data(model),
        "var_names": reported(design, model.named_vars),
    }
    # With fast-math the first compilation and a cached one round differently: other draws from the same seed.
    with warnings.catch_warnings(), config.change_flags(numba__fastmath=False):
        warnings.simplefilter("ignore")  # what they say of the draws is in the diagnostics
        return pm.sample(**(own | careful(options)))


def careful(given: dict[str, Any]) -> dict[str, Any]:
    """Options for ``pm.sample``: smaller steps than its own, unless the user says otherwise."""
    stated = "step" in given or "target_accept" in given.get("nuts", {})
    ours = {"compute_convergence_checks": False} | ({} if stated else {"target_accept": TARGET_ACCEPT})
    return ours | given


def prior_predictive(
    design: Design, prior: Prior | None, *, draws: int = 1000, random_seed: Any = None, random: str = "normal"
) -> xr.DataTree:
    """Parameters from the prior, and data y that they would make.

    Parameters
    ----------
    design, prior, random
        As in `sample`.
    draws : int
    random_seed : int or Generator, optional

    Returns
    -------
    xarray.DataTree
        Groups prior (the variables of a posterior), prior_predictive (y) and observed_data.

    Raises
    ------
    PriorError
        If the prior is improper: kappa = 0, or a flat prior of an sd.
    """
    import pymc as pm

    check_rows(design)
    resolved = read_prior(prior).resolve(design)
    sds = [d for d in (resolved.residual, *(d for g in resolved.groups for d in g.sds)) if d is not None]
    if (resolved.kappa == 0 and design.fixed_names) or any(d.name == "HalfFlat" for d in sds):
        raise PriorError(
            "A flat prior has nothing to draw from: prior predictive data need kappa > 0 (beta ~ N(mean, 1/kappa)), "
            "such as Prior(kappa=0.01, mean=...), and proper priors of the sds."
        )
    model, seed = build(design, prior, "noncentered", random), settled_seed(random_seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        names = [*reported(design, model.named_vars), "y"]
        return pm.sample_prior_predictive(draws, model=model, var_names=names, random_seed=seed)
