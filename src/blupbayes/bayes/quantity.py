"""One quantity of an Integral by its name: sd_Rail[Intercept], b_Subject[308,Days]."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blupbayes.bayes.combine import combine
from blupbayes.bayes.curves import Bells, Curve
from blupbayes.bayes.integrate import Integral
from blupbayes.bayes.summary import correlated, interval_names
from blupbayes.errors import DataError
from blupbayes.model.design import Design

__all__ = ["combinations", "linear_names", "quantity"]

Array = NDArray[np.float64]


def linear_names(design: Design) -> Iterator[str]:
    """Names of [beta, b, group means], in the order of the mixture."""
    yield from (f"beta[{name}]" for name in design.fixed_names)
    for kind, shared in (("b", False), ("group_mean", True)):
        for g in design.groups:
            names = [name for name in g.names if not shared or name in design.fixed_names]
            yield from (f"{kind}_{g.name}[{level},{name}]" for level in g.levels for name in names)


def quantity(integral: Integral, design: Design, name: str) -> Curve | Bells:
    """Distribution of one quantity.

    Parameters
    ----------
    integral : Integral
    design : Design
        The one that was integrated.
    name : str
        As in the rows of summary(), or b_Subject[308,Days], group_mean_Subject[308,Days].

    Raises
    ------
    DataError
        If there is no such quantity, or it is known.
    """
    mixture, linear = integral.mixture, list(linear_names(design))
    if name in linear:
        k = linear.index(name)
        return mixture.bells(slice(k, k + 1))
    sds = [f"sd_{g.name}[{term}]" for g in design.groups for term in g.names]
    if name in sds:
        return mixture.sd_curve(sds.index(name))
    if name == "sigma" and design.sigma is None:
        return mixture.sigma_curve
    corrs = {
        f"corr_{g.name}[{g.names[i]},{g.names[j]}]": (k, i, j)
        for k, g in enumerate(design.groups)
        for i, j in correlated(g)
    }
    if name in corrs:
        return mixture.corr_curve(*corrs[name])
    raise unknown(name, [*linear, *sds, *corrs, *(["sigma"] if design.sigma is None else [])])


def unknown(name: str, known: Sequence[str]) -> DataError:
    """The error for a name that is not there, with the nearest one."""
    close = get_close_matches(str(name), known, n=1, cutoff=0.4)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return DataError(f"there is no unknown quantity {name!r}.{hint} summary() and ranef() list them.")


def combinations(
    integral: Integral, design: Design, rows: Sequence[Mapping[str, float]], ci_prob: float
) -> pd.DataFrame:
    """estimate, posterior_sd and interval of linear combinations {name: weight} of beta and b."""
    names = [name for name in linear_names(design) if not name.startswith("group_mean_")]
    place = {name: k for k, name in enumerate(names)}
    A = np.zeros((len(rows), len(names)))
    for i, row in enumerate(rows):
        for name, weight in row.items():
            if name not in place:
                raise unknown(name, names)
            A[i, place[name]] = weight
    low, high = interval_names(ci_prob)
    mixture = combine(integral, A)
    found, ends = (
        mixture.linear(mixture.weights),
        mixture.linear_quantiles([(1 - ci_prob) / 2, (1 + ci_prob) / 2]),
    )
    return pd.DataFrame({"estimate": found.mean, "posterior_sd": found.sd, low: ends[0], high: ends[1]})
