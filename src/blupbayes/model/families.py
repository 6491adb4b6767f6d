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
    """Log-density on x >= 0 with its parameters, under the names that PyMC gives them.

    ``tail`` and ``head`` are functions of the parameters: the density is of order x^-tail for x -> inf (inf: it falls
    off faster than every power) and x^head for x -> 0. ``pymc`` is for a family that PyMC has under another name.
    ``draw`` takes a Generator, a size and the parameters; None where there is no distribution to draw from.
    ``above`` is P(X > x) at a number x > 0; all of an infinite mass lies above any x.
    """

    parameters: tuple[str, ...]
    log_density: Callable[..., Array]
    tail: Callable[..., float] = lambda *_: math.inf
    head: Callable[..., float] = lambda *_: 0.0
    pymc: Callable[..., tuple[str, dict[str, float]]] | None = None
    draw: Callable[..., Array] | None = None
    above: Callable[..., float] = lambda *_: 1.0


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


def pc_rate(upper: float, prob: float) -> float:
    """Rate of the exponential distribution that exceeds upper with probability prob."""
    return -math.log(prob) / upper


def penalised_complexity(x: Array, upper: float, prob: float) -> Array:
    """Log-density of the exponential distribution with P(x > upper) = prob (Simpson et al. 2017)."""
    return exponential(x, pc_rate(upper, prob))


def student_above(x: float, nu: float, sigma: float) -> float:
    """P(sigma |t_nu| > x)."""
    from scipy.special import stdtr  # late: with it the import of the package would take longer

    return 2.0 * float(stdtr(nu, -x / sigma))


def gamma_above(x: float, alpha: float, beta: float) -> float:
    """P(Gamma(shape alpha, rate beta) > x)."""
    from scipy.special import gammaincc

    return float(gammaincc(alpha, beta * x))


def inverse_gamma_above(x: float, alpha: float, beta: float) -> float:
    """P(1/Gamma(shape alpha, rate beta) > x)."""
    from scipy.special import gammainc

    return float(gammainc(alpha, beta / x))


def uniform_above(x: float, lower: float, upper: float) -> float:
    """P(Uniform(lower, upper) > x)."""
    return min(max((upper - x) / (upper - lower), 0.0), 1.0)


FAMILIES: dict[str, Family] = {
    "HalfNormal": Family(
        ("sigma",),
        half_normal,
        draw=lambda rng, n, sigma: sigma * np.abs(rng.standard_normal(n)),
        above=lambda x, sigma: math.erfc(x / (sigma * math.sqrt(2.0))),
    ),
    "HalfStudentT": Family(
        ("nu", "sigma"),
        half_student_t,
        tail=lambda nu, _: nu + 1,
        draw=lambda rng, n, nu, sigma: sigma * np.abs(rng.standard_t(nu, n)),
        above=student_above,
    ),
    "HalfCauchy": Family(
        ("beta",),
        half_cauchy,
        tail=lambda _: 2.0,
        draw=lambda rng, n, beta: beta * np.abs(rng.standard_cauchy(n)),
        above=lambda x, beta: 2.0 / math.pi * math.atan2(beta, x),
    ),
    "Exponential": Family(
        ("lam",),
        exponential,
        draw=lambda rng, n, lam: rng.exponential(1.0 / lam, n),
        above=lambda x, lam: math.exp(-lam * x),
    ),
    "PC": Family(
        ("upper", "prob"),
        penalised_complexity,
        pymc=lambda upper, prob: ("Exponential", {"lam": pc_rate(upper, prob)}),
        draw=lambda rng, n, upper, prob: rng.exponential(1.0 / pc_rate(upper, prob), n),
        above=lambda x, upper, prob: prob ** (x / upper),
    ),
    "Gamma": Family(
        ("alpha", "beta"),
        gamma,
        head=lambda alpha, _: alpha - 1,
        draw=lambda rng, n, alpha, beta: rng.gamma(alpha, 1.0 / beta, n),
        above=gamma_above,
    ),
    "InverseGamma": Family(
        ("alpha", "beta"),
        inverse_gamma,
        tail=lambda alpha, _: alpha + 1,
        head=lambda *_: math.inf,
        draw=lambda rng, n, alpha, beta: beta / rng.gamma(alpha, 1.0, n),
        above=inverse_gamma_above,
    ),
    "Uniform": Family(
        ("lower", "upper"),
        uniform,
        draw=lambda rng, n, lower, upper: rng.uniform(lower, upper, n),
        above=uniform_above,
    ),
    "HalfFlat": Family((), half_flat, tail=lambda: 0.0),
}
