"""The functions that formulas know: formulaic's transforms and numpy's functions, element by element."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from formulaic.transforms import TRANSFORMS, ContrastsRegistry

__all__ = ["BASES", "CODINGS", "CODING_NAMES", "CONSTANTS", "EXTRAS", "FUNCTIONS", "UFUNCS"]

UFUNCS: dict[str, np.ufunc] = {
    name: ufunc
    for name, ufunc in vars(np).items()
    if isinstance(ufunc, np.ufunc) and ufunc.nout == 1 and ufunc.signature is None
}
# the most arguments that may be given: one more would be the array to write to
EXTRAS: dict[str, tuple[Callable[..., Any], int]] = {
    "clip": (np.clip, 3),
    "where": (np.where, 3),
    "round": (np.round, 2),
    "around": (np.around, 2),
}
CONSTANTS = {"pi", "e"}
BASES = {"bs", "cc", "cr", "cs", "hashed", "poly"}  # transforms that make several columns
CODINGS = {"Treatment", "Sum", "Poly", "Helmert", "Diff"}
STATEFUL = BASES | CODINGS | {"C", "I", "Q", "center", "scale", "standardize"}
CODING_NAMES = {name for name in vars(ContrastsRegistry) if not name.startswith("_")}


def _exp10(x: Any) -> Any:
    """10 to the power x (formulaic's own exp10 is x to the power 10)."""
    return np.power(10.0, x)


FUNCTIONS: Mapping[str, Any] = {
    **UFUNCS,
    **{name: function for name, (function, _) in EXTRAS.items()},
    **{name: TRANSFORMS[name] for name in STATEFUL},
    "exp10": _exp10,
}
