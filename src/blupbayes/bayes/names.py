"""Names in the PyMC model and in its draws: dimensions, their labels, and what is reported."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

import numpy as np

from blupbayes.model.design import Design
from blupbayes.model.distributions import Distribution

__all__ = ["coordinates", "drawn", "level_dim", "parts", "reported"]

TAKEN = {"beta", "sigma", "y", "fixef", "obs", "chain", "draw", "sample"}


def level_dim(name: str) -> str:
    """Dimension of the levels of a grouping factor: its name, or name_level where that name is taken."""
    return f"{name}_level" if name in TAKEN else name


def coordinates(design: Design) -> dict[str, Any]:
    """Labels of every dimension: fixef, obs where rows are kept, and g, g_term and g_term_bis of each factor g."""
    coords: dict[str, Any] = {"fixef": list(design.fixed_names)}
    if design.measures.has_rows:
        coords["obs"] = np.arange(design.n_obs)
    for g in design.groups:
        coords[level_dim(g.name)] = list(g.levels)
        coords[f"{g.name}_term"] = coords[f"{g.name}_term_bis"] = list(g.names)
    return coords


def reported(design: Design, present: Container[str]) -> list[str]:
    """Variables of the posterior group that are present, in the order of tables."""
    per_group = [f"{kind}_{g.name}" for kind in ("sd", "corr", "nu", "b") for g in design.groups]
    return [name for name in ("beta", "sigma", *per_group) if name in present]


def parts(name: str, priors: Sequence[Distribution]) -> list[tuple[str, list[int]]]:
    """Variables that make up the sds `name`, and whose sds: one for all if their priors are of one kind."""
    if len({(d.pymc[0], d.on) for d in priors}) == 1:
        return [(name, list(range(len(priors))))]
    return [(f"{name}_{k}", [k]) for k in range(len(priors))]


def drawn(name: str, prior: Distribution) -> str:
    """The variable that has the prior: the sd itself, its square or its logarithm."""
    return {"sd": name, "variance": f"{name}_squared", "log sd": f"log_{name}"}[prior.on]
