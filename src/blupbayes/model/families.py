"""Log-densities on x >= 0 of the distributions that a standard deviation or a variance may have a priori."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["FAMILIES", "Family"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Family:
    """Log-density on x >= 0 with its parameters, under the names that PyMC gives them."""

    parameters: tuple[str, ...]
    log_density: Callable[..., Array]


def log_power(x: Array, power: float) -> Array:
    """power * log(x), 0 at power = 0 even where x is 0."""
    with np.errstate(divide="ignore"):
        return power * np.log(x) if power else np.zeros_like(x)


def half_normal(x: Array, sigma: float) -> Array:
    """Log-density of |N(0, sigma^2)|."""
    return 0.5 * math.log(2.0 / math.pi) - math.log(sigma) - 0.5 * (x / sigma) ** 2


def half_student_t(x: Array, nu: float, sigma: float) -> Array:
    """Log-density of sigma |t_nu|."""
    constant = math.log(2.0) + math.lgamma((nu + 1) / 2) - math.lgamma(nu / 2) - 0.5 * math.log(nu * math.pi)
    return constant - math.log(sigma) - (nu + 1) / 2 * np.log1p((x / sigma) ** 2 / nu)


def half_cauchy(x: Array, beta: float) -> Array:
    """Log-density of |Cauchy(0, beta)|."""
    return math.log(2.0 / (math.pi * beta)) - np.log1p((x / beta) ** 2)


def exponential(x: Array, lam: float) -> Array:
    """Log-density with rate lam, mean 1/lam."""
    return math.log(lam) - lam * x


def gamma(x: Array, alpha: float, beta: float) -> Array:
    """Log-density with shape alpha and rate beta, mean alpha/beta."""
    return alpha * math.log(beta) - math.lgamma(alpha) + log_power(x, alpha - 1) - beta * x


def inverse_gamma(x: Array, alpha: float, beta: float) -> Array:
    """Log-density of 1/Gamma(shape alpha, rate beta)."""
    return alpha * math.log(beta) - math.lgamma(alpha) - (alpha + 1) * np.log(x) - beta / x


def uniform(x: Array, lower: float, upper: float) -> Array:
    """Log-density between lower and upper."""
    return np.where((x >= lower) & (x <= upper), -math.log(upper - lower), -np.inf)


def half_flat(x: Array) -> Array:
    """0: density 1, improper."""
    return np.zeros_like(x)


FAMILIES: dict[str, Family] = {
    "HalfNormal": Family(("sigma",), half_normal),
    "HalfStudentT": Family(("nu", "sigma"), half_student_t),
    "HalfCauchy": Family(("beta",), half_cauchy),
    "Exponential": Family(("lam",), exponential),
    "Gamma": Family(("alpha", "beta"), gamma),
    "InverseGamma": Family(("alpha", "beta"), inverse_gamma),
    "Uniform": Family(("lower", "upper"), uniform),
    "HalfFlat": Family((), half_flat),
}
