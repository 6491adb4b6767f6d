"""What a user writes into a Prior, read and checked: numbers, means, P and distributions of sds."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blupbayes.errors import PriorError
from blupbayes.model.distributions import Distribution, read_distribution
from blupbayes.model.joint import Decov, InverseWishart, Wishart

__all__ = [
    "check_names",
    "full_mean",
    "full_precision",
    "in_words",
    "one_number",
    "read_covariance",
    "read_mean",
    "read_precision",
    "read_sds",
]

Array = NDArray[np.float64]

ROUNDING = 1e-10  # of entries and eigenvalues of P, scaled to a unit diagonal


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
    """P as a tuple of rows, checked to be symmetric and positive semi-definite."""
    if precision is None:
        return None
    P = np.asarray(precision, dtype=float)
    if P.ndim != 2 or P.shape[0] != P.shape[1] or not np.isfinite(P).all():
        raise PriorError(
            f"precision, of shape {P.shape}: P is a symmetric (p, p) matrix of finite numbers, p the columns of X."
        )
    size = np.sqrt(np.abs(np.diag(P)))
    scaled = P / np.where(np.outer(size, size) > 0, np.outer(size, size), 1.0)
    if np.abs(scaled - scaled.T).max(initial=0.0) > ROUNDING:
        raise PriorError("precision: P must be symmetric.")
    least = np.linalg.eigvalsh(scaled).min(initial=0.0)
    if least < -ROUNDING * len(P) or not P.any():
        raise PriorError(
            f"precision: P must be positive semi-definite and not 0; scaled to a unit diagonal it has the eigenvalue "
            f"{least:.2g}. Where it is 0 beta is flat; for a flat prior on all of beta use kappa = 0."
        )
    return tuple(tuple(map(float, row)) for row in (P + P.T) / 2)


def read_covariance(covariance: Any) -> Any:
    """One joint prior, or {group: joint prior}; None where nothing is said."""
    if isinstance(covariance, Mapping):
        return {str(name): read_covariance(inner) for name, inner in covariance.items()}
    if covariance is None or isinstance(covariance, (Decov, InverseWishart, Wishart)):
        return covariance
    raise PriorError(
        f"covariance = {covariance!r}: give Decov(), Wishart() or InverseWishart(), or {{group: one of these}}; "
        "priors of single sds go into sd."
    )


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
        near = get_close_matches(str(unknown[0]), known, n=1)
        raise PriorError(
            f"The prior's {where} names {unknown[0]!r}, which the model does not have; it has {', '.join(known)}."
            + (f" Did you mean {near[0]!r}?" if near else "")
        )


def in_words(value: Any) -> Any:
    """Distributions as the strings that make them, at any depth."""
    if isinstance(value, Mapping):
        return {key: in_words(inner) for key, inner in value.items()}
    return str(value) if isinstance(value, Distribution) else value


def full_mean(mean: Any, names: tuple[str, ...]) -> Array:
    """m (p,)."""
    check_names("mean", mean, names)
    if isinstance(mean, Mapping):
        return np.array([mean.get(name, 0.0) for name in names])
    if isinstance(mean, tuple) and len(mean) != len(names):
        raise PriorError(f"mean has {len(mean)} numbers; X has {len(names)} columns: {', '.join(names)}.")
    return np.full(len(names), mean, dtype=float)


def full_precision(precision: tuple[tuple[float, ...], ...] | None, p: int) -> Array:
    """P (p, p)."""
    if precision is not None and len(precision) != p:
        raise PriorError(f"precision is ({len(precision)}, {len(precision)}); X has {p} columns.")
    return np.eye(p) if precision is None else np.array(precision)
