"""What is left of sampling that was stopped: chains of different lengths, made equal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from blupbayes.errors import BlupbayesError

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["completed"]


def completed(data: xr.DataTree, draws: int) -> xr.DataTree:
    """The draws that are there, for those chains and that length that keep most of them.

    nutpie fills what a stopped chain has not drawn with NaN. ``attrs["interrupted"]`` says what is kept.

    Raises
    ------
    BlupbayesError
        If there are none.
    """
    posterior = data["posterior"].dataset
    each = [x.values.reshape(*x.shape[:2], math.prod(x.shape[2:])) for x in posterior.data_vars.values()]
    flat = np.concatenate(each, axis=2, dtype=float)
    lengths = np.logical_and.accumulate(~np.isnan(flat).any(axis=2), axis=1).sum(axis=1)
    if not lengths.any():
        raise BlupbayesError(
            "Sampling was stopped during its warm-up: there are no draws. Let it run longer, or ask for less (tune, "
            "draws)."
        )
    kept = [int(n * (lengths >= n).sum()) for n in lengths]
    length = int(lengths[int(np.argmax(kept))])
    if length == draws and (lengths >= length).all():
        return data
    chains = np.flatnonzero(lengths >= length)
    for name in ("posterior", "sample_stats"):
        data[name] = data[name].dataset.isel(chain=chains, draw=slice(length))
    data.attrs["interrupted"] = f"{len(chains)} of {len(lengths)} chains, {length} of {draws} draws each"
    return data
