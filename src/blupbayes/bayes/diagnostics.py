"""Whether draws can be trusted: divergences, r_hat and effective sample sizes, and what to do about them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from blupbayes.bayes.summary import TAIL, convergence, variable

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["diagnostics"]

Array = NDArray[np.float64]

R_HAT_LIMIT = 1.01
ESS_PER_CHAIN = 100


def diagnostics(data: xr.DataTree) -> dict[str, Any]:
    """Worst cases over every quantity of the posterior group.

    Parameters
    ----------
    data : xarray.DataTree
        From `sample`.

    Returns
    -------
    dict
        divergences (int), r_hat, ess_bulk, ess_tail (the worst of each), worst (name of the variable with the
        largest r_hat), chains, draws, and messages: a tuple of sentences, empty where nothing is wrong.
    """
    names = [str(name) for name in data["posterior"].data_vars]
    flat = [variable(data, name) for name in names]
    flat = [draws.reshape(*draws.shape[:2], -1) for draws in flat]
    stacked = np.concatenate(flat, axis=2)
    owner = np.repeat(names, [draws.shape[2] for draws in flat])
    r_hat = convergence(stacked, "rhat", method="rank")
    found: dict[str, Any] = {
        "divergences": divergences(data),
        "r_hat": worst(r_hat, np.nanmax),
        "ess_bulk": worst(convergence(stacked, "ess", method="bulk"), np.nanmin),
        "ess_tail": worst(convergence(stacked, "ess", method="tail", prob=TAIL), np.nanmin),
        "worst": str(owner[int(np.argmax(np.nan_to_num(r_hat)))]),
        "chains": stacked.shape[0],
        "draws": stacked.shape[1],
    }
    stopped = data.attrs.get("interrupted")
    first = (f"Sampling was stopped: these are {stopped}.",) if stopped else ()
    return found | {"messages": (*first, *messages(found))}


def divergences(data: xr.DataTree) -> int:
    """How many transitions diverged."""
    if "sample_stats" not in data.children or "diverging" not in data["sample_stats"]:
        return 0
    return int(np.sum(np.asarray(data["sample_stats"]["diverging"])))


def worst(values: Array, extreme: Any) -> float:
    """Extreme over what is not NaN."""
    return float(extreme(values)) if np.isfinite(values).any() else float("nan")


def messages(found: dict[str, Any]) -> Iterator[str]:
    """What a reader has to know, and what to do."""
    if found["divergences"]:
        yield (
            f"{found['divergences']} of {found['chains'] * found['draws']} transitions diverged: parts of the "
            "posterior may be missing. Sample again with target_accept=0.99."
        )
    if found["chains"] < 2:
        yield "One chain cannot show that chains agree. Sample at least 4."
    if found["r_hat"] > R_HAT_LIMIT:
        yield (
            f"The chains do not agree well enough: r_hat is {found['r_hat']:.3f} for {found['worst']}, above "
            f"{R_HAT_LIMIT}. Sample again with more draws and a longer warm-up (tune) before relying on them."
        )
    enough = ESS_PER_CHAIN * found["chains"]
    if min(found["ess_bulk"], found["ess_tail"]) < enough:
        yield (
            f"The smallest effective sample size is {found['ess_bulk']:.0f} for means and {found['ess_tail']:.0f} for "
            f"tails, below {enough}: the Monte Carlo error is large. Sample more draws."
        )
