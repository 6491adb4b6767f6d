"""Where draws come from: the seed that makes them again, the prior, and the versions of what drew them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from blupbayes.model.design import Design
from blupbayes.model.prior import Prior, in_words
from blupbayes.model.resolved import ResolvedPrior
from blupbayes.versions import versions

__all__ = ["prior_from", "provenance", "settled_seed"]


def settled_seed(random_seed: Any) -> Any:
    """An int that makes the draws again: the one given, one from the Generator, or a new one for None.

    Anything else that ``pm.sample`` knows (a seed per chain) is passed on as it is.
    """
    if random_seed is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    if isinstance(random_seed, np.random.Generator):
        return int(random_seed.integers(2**32))
    return random_seed


def provenance(
    design: Design, prior: Prior, resolved: ResolvedPrior, way: str, reason: str, seed: Any
) -> dict[str, str]:
    """Attributes of the DataTree, all text."""
    given = {f.name: in_words(getattr(prior, f.name)) for f in fields(prior)}
    return {
        "formula": design.formula,
        "data_hash": design.hash,
        "prior": str(resolved),
        "prior_arguments": json.dumps({name: x for name, x in given.items() if x is not None}),
        "parameterization": way,
        "parameterization_reason": reason,
        "random_seed": str(seed),
        "versions": json.dumps(versions()),
    }


def prior_from(attrs: Mapping[Any, Any]) -> Prior:
    """The Prior that `provenance` has noted."""
    return Prior(**json.loads(attrs["prior_arguments"]))
