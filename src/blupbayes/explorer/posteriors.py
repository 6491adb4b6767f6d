"""The slider of the prior's scale: the full posterior at each stop, and its densities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blupbayes.compare.ledger import keys
from blupbayes.explorer import stops
from blupbayes.explorer.reading import Reading
from blupbayes.model.scales import default_scales
from blupbayes.plot_tables import Tables
from blupbayes.prior_analysis.path import FAMILIES, walk

__all__ = ["PriorReading", "mean_curves", "prior_reading", "sd_summary"]

Array = NDArray[np.float64]
SPAN = 4.0  # posterior sds on either side of a mean, of its density
COARSE = np.linspace(-SPAN, SPAN, 33)
FINE = np.linspace(-2.5, 2.5, 31) * (COARSE[1] - COARSE[0])  # around the highest of the coarse points
SD_POINTS = 65
CLOSE = 1e-2  # of rel_error: how far quantiles of sds may be missed, in posterior sds


@dataclass(frozen=True, eq=False)
class PriorReading:
    """Posteriors under half-normal priors of the sds, flat ones of beta and the residual sd.

    Parameters
    ----------
    reading : Reading
    spread : list of float
        s_k of every random coefficient: its sd has the prior HalfNormal(scale / s_k).
    sds : list of dict
        For each stop what ``sd_summary`` gives.
    curves : list of list of dict
        For each stop the n densities of ``mean_curves``.
    error : float
        Largest stated error, in posterior sds.
    """

    reading: Reading
    spread: list[float]
    sds: list[dict[str, Any]]
    curves: list[list[dict[str, Any]]]
    error: float


def prior_reading(tables: Tables, which: Sequence[int], ci_prob: float, rel_error: float) -> PriorReading:
    """Integrate at every stop, reweighting where the stated error allows it.

    Parameters
    ----------
    tables : Tables
    which : sequence of int
        Places among [beta, b, group means] whose densities are wanted.
    ci_prob, rel_error : float
    """
    design, s = tables.design, tables.statistics
    s_y = design.measures.response_sd
    values = stops.scales(s_y)
    walked = dict(walk(design, s, FAMILIES["HalfNormal"], values, s_y, rel_error))
    posts = [walked[value] for value in values]
    moments = np.array([linear_moments(post) for post in posts])
    rest = stops.nearest(values, s_y)
    reading = Reading(values, rest, keys(s.groups, s.fixed_names), moments[:, 0], moments[:, 1])
    return PriorReading(
        reading,
        [s_y / scale for i in range(len(design.groups)) for scale in default_scales(design, i)],
        [sd_summary(post, ci_prob) for post in posts],
        [mean_curves(post, which) for post in posts],
        max(post.integral.error for post in posts),
    )


def linear_moments(post: Any) -> Array:
    """Means and sds (2, Q) of [beta, b, group means]."""
    moments = post.integral.moments
    return np.asarray(moments[:, moments.shape[1] - post.integral.mixture.points.base.shape[1] :])


def mean_curves(post: Any, which: Sequence[int]) -> list[dict[str, Any]]:
    """Densities of some of [beta, b, group means]: exact mixtures of normal densities.

    Returns
    -------
    list of dict
        peak: the highest of the COARSE points, in posterior sds from the mean; at: these and the FINE ones around
        the peak, sorted; density there, in one over the posterior sd.
    """
    return [mean_curve(post, k) for k in which]


def mean_curve(post: Any, k: int) -> dict[str, Any]:
    """One of them."""
    bells, (mean, sd) = post.integral.mixture.bells(slice(k, k + 1)), linear_moments(post)[:, k]
    centres, widths = (bells.means - mean) / sd, bells.sds / sd
    weights = bells.weights / (np.sqrt(2 * np.pi) * widths[:, 0])

    def heights(at: Array) -> Array:
        return np.asarray(weights @ np.exp(-0.5 * ((at - centres) / widths) ** 2))

    coarse = heights(COARSE)
    peak = COARSE[int(coarse.argmax())]
    at = np.append(COARSE, peak + FINE)
    order = at.argsort(kind="stable")
    density = np.append(coarse, heights(peak + FINE))[order]
    return {"peak": float(peak), "at": at[order], "density": density}


def sd_summary(post: Any, ci_prob: float) -> dict[str, Any]:
    """Of every random coefficient's sd, then of sigma unless it is known: quantiles and densities.

    Returns
    -------
    dict
        quantiles (n, 3): lower bound, median, upper bound; ends (n, 2) of the densities; curves (n, SD_POINTS).
    """
    mixture, design = post.integral.mixture, post.design
    parts = [mixture.sd_curve(k) for k in range(mixture.points.sds.shape[1])]
    parts += [] if design.sigma is not None else [mixture.sigma_curve]
    probs = ((1 - ci_prob) / 2, 0.5, (1 + ci_prob) / 2)
    quantiles = np.array([c.quantiles(probs, CLOSE * mixture.rel_error) for c in parts])
    ends = np.array([drawn_ends(*q) for q in quantiles])
    curves = [c.pdf(np.linspace(low, high, SD_POINTS)) for c, (low, high) in zip(parts, ends, strict=True)]
    return {"quantiles": quantiles, "ends": ends, "curves": np.array(curves)}


def drawn_ends(low: float, median: float, high: float) -> tuple[float, float]:
    """From where to where the density of an sd is drawn: beyond its interval, to next to 0 if that is near."""
    top = high + 0.5 * (high - median)
    bottom = low - 0.5 * (median - low)
    return (bottom if bottom > 0.1 * top else 1e-3 * top), top
