"""Independent draws from an Integral as a DataTree with the groups of ArviZ, as sampling gives it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from blupbayes.bayes.exact_draws import draw
from blupbayes.bayes.integrate import Integral
from blupbayes.bayes.names import reported
from blupbayes.bayes.provenance import settled_seed
from blupbayes.bayes.tree import add_groups, dataset
from blupbayes.errors import BlupbayesError
from blupbayes.model.design import Design
from blupbayes.versions import versions

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["exact_tree"]

Array = NDArray[np.float64]


def exact_tree(
    integral: Integral, design: Design, draws: int = 1000, chains: int = 4, random_seed: Any = None
) -> xr.DataTree:
    """Draws under the names of a posterior from PyMC, in `chains` of them, so that ArviZ reads both alike.

    Parameters
    ----------
    integral : Integral
    design : Design
        The one that was integrated.
    draws, chains : int
        Independent of each other, whatever the chain.
    random_seed : int, Generator or None

    Returns
    -------
    xarray.DataTree
        Groups posterior, observed_data, constant_data, log_prior, log_likelihood (of y given b) and
        posterior_predictive.

    Raises
    ------
    BlupbayesError
        If draws or chains is below 1.
    """
    import xarray as xr

    if draws < 1 or chains < 1:
        raise BlupbayesError(f"draws={draws}, chains={chains}: at least one of each is needed.")
    seed = settled_seed(random_seed)
    rng = np.random.default_rng(seed)
    d, prior = draw(integral, draws * chains, rng), integral.marginal.prior
    arrays: dict[str, Array] = {"beta": d.beta} if design.fixed_names else {}
    arrays["sigma"] = d.sigma
    k = 0
    for g, of_group, R, b in zip(design.groups, prior.groups, d.corrs, d.b, strict=True):
        arrays |= {f"sd_{g.name}": d.sds[:, k : k + len(g.names)], f"b_{g.name}": b}
        if of_group.blocks:
            arrays[f"corr_{g.name}"] = R
        k += len(g.names)
    if design.sigma is not None:
        del arrays["sigma"]
    shaped = {
        name: arrays[name].reshape(chains, draws, *arrays[name].shape[1:])
        for name in reported(design, arrays)
    }
    labels = {"chain": np.arange(chains), "draw": np.arange(draws)}
    data = xr.DataTree.from_dict({"posterior": dataset(design, shaped, labels)})
    data.attrs.update(
        formula=design.formula,
        data_hash=design.hash,
        prior=str(prior),
        parameterization="integrate: independent draws",
        random_seed=str(seed),
        versions=json.dumps(versions()),
    )
    add_groups(data, design, prior, rng)
    return data
