"""Draws -> a DataTree with the groups of ArviZ, all of it from the draws of the parameters and the design."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from blupbayes.bayes import pointwise
from blupbayes.bayes.names import coordinates, level_dim
from blupbayes.errors import BlupbayesError
from blupbayes.model.design import Design
from blupbayes.model.resolved import ResolvedPrior

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["add_groups", "dataset", "drawn_arrays", "log_likelihood"]

Array = NDArray[np.float64]

MOST_VALUES = 20_000_000  # draws times rows, 160 MB: above, groups with a value for each are left out
KINDS = {
    "conditional": (
        "Given b: leaving out a row predicts a new row of the same level. With few rows per level its Pareto k is "
        "often large."
    ),
    "marginal": (
        "By level, b integrated out: leaving out a level predicts the rows of a new level; post.log_likelihood"
        "('marginal') has it."
    ),
}


def dataset(design: Design, arrays: dict[str, Any], coords: dict[str, Any], attrs: Any = None) -> xr.Dataset:
    """Arrays (chain, draw, ...) with their dimensions."""
    import xarray as xr

    labels = coordinates(design) | coords
    dims = {name: ("chain", "draw", *dimensions(design, name))[: x.ndim] for name, x in arrays.items()}
    used = {dim for names in dims.values() for dim in names}
    return xr.Dataset(
        {name: (dims[name], x) for name, x in arrays.items()},
        coords={dim: labels[dim] for dim in labels if dim in used},
        attrs=attrs,
    )


def dimensions(design: Design, name: str) -> tuple[str, ...]:
    """Of one variable, without chain and draw."""
    known: dict[str, tuple[str, ...]] = {"beta": ("fixef",), "y": ("obs",)}
    for g in design.groups:
        term, level = f"{g.name}_term", level_dim(g.name)
        known |= {f"sd_{g.name}": (term,), f"corr_{g.name}": (term, f"{term}_bis")}
        known |= {f"b_{g.name}": (level, term), f"levels_of_{g.name}": (level,)}
    return known.get(name, ())


def drawn_arrays(data: xr.DataTree) -> dict[str, Array]:
    """The posterior group as arrays (chain, draw, ...)."""
    return {str(name): np.asarray(x.values, dtype=float) for name, x in data["posterior"].data_vars.items()}


def positions(data: xr.DataTree) -> dict[str, Any]:
    """Labels of the chains and draws."""
    return {dim: data["posterior"][dim].values for dim in ("chain", "draw")}


def add_groups(data: xr.DataTree, design: Design, prior: ResolvedPrior, rng: np.random.Generator) -> None:
    """Add observed_data, constant_data, log_prior, log_likelihood and posterior_predictive.

    The last two hold a value for each draw and row; they are left out where that is more than `MOST_VALUES`.
    A model that keeps no rows has log_prior alone.
    """
    import xarray as xr

    draws, coords = drawn_arrays(data), positions(data)
    data["log_prior"] = dataset(design, pointwise.log_prior(prior, draws), coords)
    if not design.measures.has_rows:
        return
    obs = {"obs": np.arange(design.n_obs)}
    data["observed_data"] = xr.Dataset({"y": ("obs", design.y)}, coords=obs)
    data["constant_data"] = constants(design)
    if coords["chain"].size * coords["draw"].size * design.n_obs > MOST_VALUES:
        return
    rows = {"log_likelihood": pointwise.by_row(design, draws)}
    rows["posterior_predictive"] = pointwise.replicates(design, draws, rng)
    notes = {f"kind_{kind}": text for kind, text in KINDS.items()}
    for name, values in rows.items():
        attrs = notes if name == "log_likelihood" else None
        data[name] = dataset(design, {"y": values}, coords, attrs)


def constants(design: Design) -> xr.Dataset:
    """X, weights, offset and the position of each row's level, under the names that the PyMC model gives them."""
    import xarray as xr

    values: dict[str, Any] = {f"codes_{g.name}": ("obs", g.codes.astype(np.int32)) for g in design.groups}
    for name in ("weights", "offset"):
        if (given := getattr(design, name)) is not None:
            values[name] = ("obs", given)
    if design.fixed_names:
        values["X"] = (("obs", "fixef"), design.X)
    labels = coordinates(design)
    return xr.Dataset(
        values, coords={dim: labels[dim] for dim in ("obs", *(["fixef"] if "X" in values else []))}
    )


def log_likelihood(data: xr.DataTree, design: Design, prior: ResolvedPrior, kind: str) -> xr.DataTree:
    """Posterior and log_likelihood, for ``az.loo`` and ``az.compare``.

    Parameters
    ----------
    data : xarray.DataTree
        From `sample`.
    design : Design
    prior : ResolvedPrior
    kind : {"conditional", "marginal"}
        Given b, a value for each row; or b integrated out, one for each level of the only grouping factor.

    Raises
    ------
    BlupbayesError
        If there is no such kind, several grouping factors, or effects that are not normal (for "marginal").
    """
    import xarray as xr

    if kind not in KINDS:
        raise BlupbayesError(f"kind={kind!r}: choose one of {', '.join(KINDS)}.")
    draws = drawn_arrays(data)
    if kind == "conditional":
        values = {"y": pointwise.by_row(design, draws)}
    elif any(name.startswith("nu_") for name in draws):
        raise BlupbayesError(
            "kind='marginal' needs normal random effects: Student t ones have no closed form."
        )
    else:
        values = {f"levels_of_{design.groups[0].name}": pointwise.by_level(design, prior, draws)}
    found = dataset(design, values, positions(data), {"kind": KINDS[kind]})
    return xr.DataTree.from_dict({"posterior": data["posterior"].dataset, "log_likelihood": found})
