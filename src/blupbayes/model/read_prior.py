"""What a user writes into a Prior, read and checked: numbers, means, P and distributions of sds."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from blupbayes.errors import PriorError
from blupbayes.model.distributions import read_distribution

__all__ = ["check_names", "one_number", "read_mean", "read_precision", "read_sds"]


def one_number(name: str, value: Any, meaning: str, allowed: Any) -> float:
    """A float that is allowed, or a PriorError."""
    try:
        if allowed(float(value)):
            return float(value)
    except (TypeError, ValueError):
        pass
    raise PriorError(f"{name} = {value!r}: it is {meaning}.")


def read_mean(mean: Any) -> Any:
    """Prior mean of beta: a float, a tuple of floats or {column: float}."""
    if hasattr(mean, "to_dict"):
        mean = mean.to_dict()
    try:
        if isinstance(mean, Mapping):
            read: Any = {str(name): float(value) for name, value in mean.items()}
            finite = all(map(math.isfinite, read.values()))
        else:
            read = float(mean) if np.ndim(mean) == 0 else tuple(float(value) for value in mean)
            finite = bool(np.all(np.isfinite(read)))
    except (TypeError, ValueError) as error:
        raise PriorError(
            f"mean = {mean!r}: give a number, one number per column of X, or {{column: number}}."
        ) from error
    if not finite:
        raise PriorError(f"mean = {mean!r}: every number must be finite.")
    return read


def read_precision(precision: Any) -> tuple[tuple[float, ...], ...] | None:
    """P as a tuple of rows, checked to be symmetric and positive definite."""
    if precision is None:
        return None
    P = np.asarray(precision, dtype=float)
    if P.ndim != 2 or P.shape[0] != P.shape[1] or not np.allclose(P, P.T, rtol=1e-10, atol=0):
        raise PriorError(
            f"precision, of shape {P.shape}: P is a symmetric (p, p) matrix, p the columns of X."
        )
    if not np.isfinite(P).all() or np.linalg.eigvalsh(P).min(initial=math.inf) <= 0:
        raise PriorError(
            "precision: P must be positive definite. For a flat prior on all of beta use kappa = 0."
        )
    return tuple(tuple(map(float, row)) for row in P)


def read_sds(sd: Any) -> Any:
    """One Distribution, or {group: Distribution or {coefficient: Distribution}}; None where nothing is said."""
    if (
        sd is None
        or (isinstance(sd, Mapping) and isinstance(sd.get("dist"), str))
        or not isinstance(sd, Mapping)
    ):
        return None if sd is None else read_distribution(sd)
    return {str(name): read_sds(inner) for name, inner in sd.items()}


def check_names(where: str, given: Any, known: Collection[str]) -> None:
    """PriorError if a dict names something that is not there."""
    unknown = [name for name in given if name not in known] if isinstance(given, Mapping) else []
    if unknown:
        raise PriorError(
            f"The prior's {where} names {unknown[0]!r}, which the model does not have; it has {', '.join(known)}."
        )
