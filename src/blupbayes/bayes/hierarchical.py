"""Design and Prior -> a plain ``pm.Model``, and its draws.

The model is written with its compiler in mind: a product with a small matrix is an elementwise product and a sum,
and no graph holds a matrix product or a Cholesky factorisation. With numba this compiles several times faster than
the same model written with ``@`` and ``pm.LKJCholeskyCov``, and runs faster.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from blupbayes.bayes.correlation import correlation_matrix, correlation_root, partials
from blupbayes.bayes.diagnostics import diagnostics
from blupbayes.bayes.names import coordinates, drawn, level_dim, parts, reported
from blupbayes.bayes.propriety import check_beta, check_sampled
from blupbayes.bayes.provenance import provenance, settled_seed
from blupbayes.bayes.starts import starting_point
from blupbayes.bayes.whitening import Whitening, whitening
from blupbayes.errors import BlupbayesError
from blupbayes.model.design import Design, Group
from blupbayes.model.distributions import Distribution
from blupbayes.model.prior import Prior, read_prior
from blupbayes.model.resolved import GroupPrior, ResolvedPrior

if TYPE_CHECKING:
    import pymc as pm
    import xarray as xr

__all__ = ["build", "sample"]

Array = NDArray[np.float64]

TARGET_ACCEPT = 0.95  # 0.8, PyMC's own, leaves a few divergences where an sd may be 0 or the data are strong


def build(design: Design, prior: Prior | None = None, parameterization: str = "noncentered") -> pm.Model:
    """The hierarchical model [E-MODEL] in PyMC, to read, extend and draw.

    Parameters
    ----------
    design : Design
        Data, weights, offset and, where it is known, sigma.
    prior : Prior, optional
        None is the documented default.
    parameterization : {"noncentered", "auto"}
        Non-centred: z ~ N(0, 1), b = sd * (L z) with L L' the correlation matrix.

    Returns
    -------
    pm.Model
        Variables `beta` (fixef), `sigma` (unless known), and for each grouping factor g `sd_g` (g_term), `corr_g`
        (g_term, g_term_bis) where coefficients are correlated, `b_g` (g, g_term) and `z_g` behind it; `y` (obs) is
        observed. All that follows from a variable is computed from it, so ``pm.do`` on sigma, sd_g, corr_g or b_g
        does what it says.

    Raises
    ------
    IdentifiabilityError
        If columns of X are linearly dependent and kappa = 0: the posterior of beta is improper.
    PriorError
        If the prior does not fit the model, or kappa = inf.

    Examples
    --------
    >>> import blupbayes as bb
    >>> model = build(bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail")).design)
    >>> sorted(variable.name for variable in model.free_RVs)
    ['beta', 'sd_Rail', 'sigma', 'z_Rail']
    """
    import pymc as pm

    check_parameterization(parameterization)
    resolved = read_prior(prior).resolve(design)
    check_beta(design, resolved)
    check_sampled(resolved)
    with pm.Model(coords=coordinates(design)) as model:
        mu = fixed_part(design, resolved)
        for group, of_group in zip(design.groups, resolved.groups, strict=True):
            b = random_effects(group, of_group, resolved.corr)
            mu = mu + (group.columns * b[group.codes]).sum(axis=-1)
        sigma = residual_sd(resolved)
        sd = sigma if design.weights is None else sigma / np.sqrt(design.weights)
        pm.Normal("y", mu=mu, sigma=sd, observed=design.y, dims="obs")
    return model


def check_parameterization(name: str) -> None:
    """BlupbayesError if there is no such way to write the model."""
    if name not in ("noncentered", "auto"):
        raise BlupbayesError(
            f"parameterization={name!r} is not available: choose 'noncentered', or 'auto', which is the same."
        )


def fixed_part(design: Design, prior: ResolvedPrior) -> Any:
    """offset + X beta (n,)."""
    import pymc as pm
    from pymc.logprob.transforms import Transform

    offset = np.zeros(design.n_obs) if design.offset is None else design.offset
    if not design.fixed_names:
        return offset
    Transform.register(Whitening)
    options: dict[str, Any] = {"dims": "fixef", "transform": whitening(design, prior)}
    precision = prior.kappa * prior.precision
    if prior.kappa == 0:
        beta = pm.Flat("beta", **options)
    elif np.array_equal(precision, np.diag(np.diag(precision))):
        beta = pm.Normal("beta", mu=prior.mean, sigma=1.0 / np.sqrt(np.diag(precision)), **options)
    else:
        beta = pm.MvNormal("beta", mu=prior.mean, tau=precision, **options)
    return offset + (design.X * beta).sum(axis=-1)


def random_effects(group: Group, prior: GroupPrior, eta: float) -> Any:
    """b (J, q) of one grouping factor."""
    import pymc as pm

    level, term = level_dim(group.name), f"{group.name}_term"
    sd = deviations(f"sd_{group.name}", prior.sds, term)
    z = pm.Normal(f"z_{group.name}", mu=0.0, sigma=1.0, dims=(level, term))
    if prior.blocks:
        R = correlation(prior, eta)
        z = (z[:, None, :] * correlation_root(R, prior.blocks, len(prior.names))).sum(axis=-1)
    return pm.Deterministic(f"b_{group.name}", sd * z, dims=(level, term))


def residual_sd(prior: ResolvedPrior) -> Any:
    """sigma: a variable, or the known number."""
    if prior.residual is None:
        return prior.residual_scale
    return deviation("sigma", [prior.residual], None)


def deviations(name: str, priors: Sequence[Distribution], dim: str) -> Any:
    """Standard deviations (q,): one variable, or a stack of scalars where their priors differ in kind."""
    import pymc as pm
    import pytensor.tensor as pt

    pieces = parts(name, priors)
    if len(pieces) == 1:
        return deviation(name, priors, dim)
    stack = [deviation(piece, [priors[k] for k in which], None) for piece, which in pieces]
    return pm.Deterministic(name, pt.stack(stack), dims=dim)


def deviation(name: str, priors: Sequence[Distribution], dim: str | None) -> Any:
    """Sds (q,) whose priors are of one kind; one scalar without a dimension."""
    import pymc as pm

    first = priors[0]
    kind, parameters = first.pymc
    values = {key: np.array([d.pymc[1][key] for d in priors]) for key in parameters}
    variable = getattr(pm, kind)(drawn(name, first), **(values if dim else parameters), dims=dim)
    if first.on == "sd":
        return variable
    return pm.Deterministic(
        name, variable**0.5 if first.on == "variance" else pm.math.exp(variable), dims=dim
    )


def correlation(prior: GroupPrior, eta: float) -> Any:
    """R (q, q) with an LKJ(eta) prior in each block of correlated coefficients."""
    import pymc as pm

    name = f"corr_{prior.name}"
    c = {
        (i, j): 2.0 * pm.Beta(f"{name}_partial_{i}_{j}", alpha=a, beta=a) - 1.0
        for i, j, a in partials(prior.blocks, eta)
    }
    R = correlation_matrix(c, prior.blocks, len(prior.names))
    return pm.Deterministic(name, R, dims=(f"{prior.name}_term", f"{prior.name}_term_bis"))


def sample(
    design: Design,
    prior: Prior | None = None,
    *,
    parameterization: str = "auto",
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
    parameterization : {"auto", "noncentered"}
        How the random effects are written; see `build`.
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
        parameterization, random_seed, versions.
    diagnostics : dict
        See :func:`blupbayes.bayes.diagnostics.diagnostics`. Errors are those of `build`.
    """
    import pymc as pm
    from pytensor.configdefaults import config

    model, resolved = build(design, prior, parameterization), read_prior(prior).resolve(design)
    seed, names = settled_seed(random_seed), reported(design, model.named_vars)
    show = progressbar if sys.stdout.isatty() else False
    own = {"progressbar": show, "quiet": not show, "initvals": starting_point(design, resolved)}
    options = own | careful(pm_sample_kwargs)
    # With fast-math the first compilation and a cached one round differently: other draws from the same seed.
    with warnings.catch_warnings(), config.change_flags(numba__fastmath=False):
        warnings.simplefilter("ignore")  # what they say of the draws is in the diagnostics
        data = pm.sample(
            draws, tune=tune, chains=chains, random_seed=seed, model=model, var_names=names, **options
        )
    data["posterior"] = data["posterior"].dataset[names]  # samplers keep more than var_names asks for
    data.attrs.update(provenance(design, resolved, "noncentered", seed))
    return data, diagnostics(data)


def careful(given: dict[str, Any]) -> dict[str, Any]:
    """Options for ``pm.sample``: smaller steps than its own, unless the user says otherwise."""
    stated = "step" in given or "target_accept" in given.get("nuts", {})
    ours = {"compute_convergence_checks": False} | ({} if stated else {"target_accept": TARGET_ACCEPT})
    return ours | given
