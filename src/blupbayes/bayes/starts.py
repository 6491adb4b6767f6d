"""Where chains start: beta at least squares, sds at the spread of y. They scale with the units of y and X."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from blupbayes.bayes.names import drawn, parts
from blupbayes.bayes.whitening import whitening
from blupbayes.model.design import Design
from blupbayes.model.distributions import Distribution
from blupbayes.model.resolved import ResolvedPrior

__all__ = ["starting_point"]

Array = NDArray[np.float64]

SCALE: dict[str, Callable[[Array], Array]] = {"sd": np.abs, "variance": np.square, "log sd": np.log}


def starting_point(design: Design, prior: ResolvedPrior, wanted: Collection[str]) -> dict[str, Array]:
    """Values for ``pm.sample(initvals=...)``; the sampler scatters its chains around them.

    ``wanted``: the variables of the model; beta alone needs the rows of the design. A variable whose prior excludes the
    default scale is left out: the sampler starts it where the prior says.
    """
    start: dict[str, Array] = {}
    if "beta" in wanted:
        start["beta"] = whitening(design, prior).center
    if prior.residual is not None:
        start |= sds("sigma", [prior.residual], [prior.residual_scale], vector=False)
    for g in prior.groups:
        start |= sds(f"sd_{g.name}", g.sds, g.scales, vector=True)
    return {name: value for name, value in start.items() if name in wanted}


def sds(
    name: str, priors: Sequence[Distribution], scales: Sequence[float], vector: bool
) -> Iterator[tuple[str, Array]]:
    """(variable, start) of the variables behind some sds."""
    for variable, which in parts(name, priors):
        first = priors[which[0]]
        if all(np.isfinite(priors[k].logpdf(scales[k])) for k in which):
            values = SCALE[first.on](np.array([scales[k] for k in which]))
            yield drawn(variable, first), values if vector and variable == name else values[0]
