"""Joint priors of the covariance matrix of one term: what other packages use as their defaults.

Every density is with respect to the measure of `measure.py` [E-JOINT].
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from blupbayes.errors import PriorError
from blupbayes.model.measure import log_det, log_jacobian, log_multigamma, log_volume, spread_over

__all__ = ["Decov", "InverseWishart", "Joint", "Wishart"]

Array = NDArray[np.float64]

TINY = 1e-150  # relative sds below it count as this: their squares are still above 0


class Joint(Protocol):
    """A joint prior of the covariance matrix of a term with q coefficients; ``str()`` of it is how it is made."""

    def check(self, q: int) -> None:
        """PriorError if there is no such prior of a (q, q) matrix."""

    def log_density(self, relative_sds: Array, sigma: Array, corr: Array) -> Array:
        """(m, S) at relative sds (m, q), residual sds (m, S) or (S,) and correlation matrices (m, q, q)."""

    def tail(self, q: int) -> float:
        """t, where the density of the largest sd is of order sd^-t for sd -> inf; inf if it falls off faster."""

    def words(self, q: int) -> str:
        """What the prior says of a (q, q) matrix, for print."""


def check_numbers(prior: Any, infinite: str = "") -> None:
    """Every field a float above 0, and finite but for the one named `infinite`; PriorError otherwise."""
    for field in fields(prior):
        value = getattr(prior, field.name)
        if value is None and field.default is None:
            continue
        allowed = isinstance(value, (int, float, np.number)) and value > 0
        if not allowed or (math.isinf(value) and field.name != infinite):
            raise PriorError(
                f"{type(prior).__name__}: {field.name} = {value!r} must be a finite number above 0."
            )
        object.__setattr__(prior, field.name, float(value))


@dataclass(frozen=True, repr=False)
class Short:
    """Prints what is not the default."""

    def __repr__(self) -> str:
        changed = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}
        return f"{type(self).__name__}({', '.join(f'{name}={value:g}' for name, value in changed.items())})"


@dataclass(frozen=True, repr=False)
class Decov(Short):
    """rstanarm's default: sd_j = sigma tau scale sqrt(q pi_j), with a correlation matrix R.

    tau ~ Gamma(shape, rate 1), pi ~ Dirichlet(concentration, ...), R ~ LKJ(regularization): relative to sigma.

    Parameters
    ----------
    regularization, concentration, shape, scale : float
        Above 0; free of units.

    Notes
    -----
    With k = scale sqrt(q) and h the length of r, tau = h / k and pi_j = r_j^2 / h^2, whose Jacobian is
    2^(q-1) prod_j r_j / (k h^(2q - 1)). Source: rstanarm, "Prior Distributions for rstanarm Models".

    Examples
    --------
    >>> Decov().log_density(np.array([[0.5]]), np.array([1.0]), np.ones((1, 1, 1)))  # Exponential(1) at 0.5
    array([[-0.5]])
    """

    regularization: float = 1.0
    concentration: float = 1.0
    shape: float = 1.0
    scale: float = 1.0

    def __post_init__(self) -> None:
        check_numbers(self)

    def check(self, q: int) -> None:
        """Every q will do."""

    def log_density(self, relative_sds: Array, sigma: Array, corr: Array) -> Array:
        """(m, S), see `Joint`; a proper density."""
        r = np.maximum(relative_sds, TINY)
        q, c, eta = r.shape[1], self.concentration, self.regularization
        k, h = self.scale * math.sqrt(q), np.linalg.norm(r, axis=1)
        log_share = 2.0 * (np.log(r) - np.log(h)[:, None]).sum(axis=1)  # sum of log pi_j
        tau = h / k
        value = (self.shape - 1) * np.log(tau) - tau - math.lgamma(self.shape)
        value += math.lgamma(q * c) - q * math.lgamma(c) + (c - 0.5) * log_share
        value += (q - 1) * (math.log(2) - np.log(h)) - math.log(k)
        log_det_R, inside = log_det(corr)
        value += (eta - 1) * log_det_R - log_volume(q, eta) + log_volume(q)
        return spread_over(value, inside, sigma)

    def tail(self, q: int) -> float:
        """inf: tau has an exponential tail."""
        return math.inf

    def words(self, q: int) -> str:
        """In the letters of the class."""
        shares = "" if q == 1 else f" sqrt({q} pi), pi ~ Dirichlet({self.concentration:g})"
        lkj = "" if q == 1 else f", corr ~ LKJ({self.regularization:g})"
        return f"sd = sigma tau {self.scale:g}{shares}, tau ~ Gamma({self.shape:g}, 1){lkj}"


@dataclass(frozen=True, repr=False)
class Wishart(Short):
    """blme's default: S = Sigma / sigma^2 ~ Wishart(df, scale I), improper at scale = inf.

    At scale = inf the density of S, with respect to S, is ``|S|^((df - q - 1) / 2)`` without a constant.

    Parameters
    ----------
    df : float, optional
        Above q - 1; None is q + 2.5.
    scale : float
        Above 0, inf allowed; relative to sigma^2.

    Notes
    -----
    blme's estimate is the mode of likelihood times this density, not its mean. Source: Chung et al. (2015).

    Examples
    --------
    >>> import blupbayes as bb
    >>> bb.Prior(covariance={"Subject": bb.Wishart()}).covariance
    {'Subject': Wishart()}
    """

    df: float | None = None
    scale: float = math.inf

    def __post_init__(self) -> None:
        check_numbers(self, infinite="scale")

    def freedom(self, q: int) -> float:
        """df, its default filled in."""
        return q + 2.5 if self.df is None else self.df

    def check(self, q: int) -> None:
        """df must be above q - 1."""
        check_freedom("Wishart", self.freedom(q), q)

    def log_density(self, relative_sds: Array, sigma: Array, corr: Array) -> Array:
        """(m, S), see `Joint`; proper for a finite scale."""
        log_r = np.log(np.maximum(relative_sds, TINY))
        q = log_r.shape[1]
        df, (log_det_R, inside) = self.freedom(q), log_det(corr)
        value = (df - q - 1) / 2 * (2.0 * log_r.sum(axis=1) + log_det_R) + log_jacobian(log_r)
        if math.isfinite(self.scale):
            value -= np.sum(relative_sds**2, axis=1) / (2 * self.scale)
            value -= df * q / 2 * math.log(2 * self.scale) + log_multigamma(q, df / 2)
        return spread_over(value, inside, sigma)

    def tail(self, q: int) -> float:
        """-(df + q - 2) at scale = inf, from the largest eigenvalue of S; else inf."""
        return -(self.freedom(q) + q - 2) if math.isinf(self.scale) else math.inf

    def words(self, q: int) -> str:
        """In the letters of the class."""
        if math.isfinite(self.scale):
            return f"Sigma/sigma^2 ~ Wishart({self.freedom(q):g}, {self.scale:g} I)"
        return f"density |Sigma/sigma^2|^{(self.freedom(q) - q - 1) / 2:g} of the matrix, improper"


@dataclass(frozen=True, repr=False)
class InverseWishart(Short):
    """INLA's `iidkd`: the precision Sigma^-1 ~ Wishart(df, (scale I)^-1), so Sigma ~ inverse-Wishart(df, scale I).

    log-density: ``-(df + q + 1)/2 log|Sigma| - scale tr(Sigma^-1)/2`` and constants; in the units of the data.

    Parameters
    ----------
    df : float
        Above q - 1; r of INLA, whose default is 100.
    scale : float
        Above 0; R = scale I of INLA, whose default is 1. Unit: that of the variances.

    Examples
    --------
    >>> import blupbayes as bb
    >>> bb.Prior(covariance={"Subject": bb.InverseWishart(df=4, scale=100)}).covariance
    {'Subject': InverseWishart(df=4, scale=100)}
    """

    df: float = 100.0
    scale: float = 1.0

    def __post_init__(self) -> None:
        check_numbers(self)

    def check(self, q: int) -> None:
        """df must be above q - 1."""
        check_freedom("InverseWishart", self.df, q)

    def log_density(self, relative_sds: Array, sigma: Array, corr: Array) -> Array:
        """(m, S), see `Joint`; a proper density."""
        r, s = np.maximum(relative_sds, TINY), np.atleast_2d(sigma)
        q, log_r, (log_det_R, inside) = r.shape[1], np.log(r), log_det(corr)
        inverse = np.linalg.inv(np.where(inside[:, None, None], corr, np.eye(q)))
        trace = np.sum(np.diagonal(inverse, axis1=1, axis2=2) / r**2, axis=1)  # of S^-1
        value = log_jacobian(log_r) - (self.df + q + 1) / 2 * (2.0 * log_r.sum(axis=1) + log_det_R)
        value += self.df * q / 2 * math.log(self.scale / 2) - log_multigamma(q, self.df / 2)
        out = value[:, None] - self.df * q * np.log(s) - self.scale / 2 * trace[:, None] / s**2
        return np.where(inside[:, None], out, -np.inf)

    def tail(self, q: int) -> float:
        """df - q + 2, from the largest eigenvalue of Sigma."""
        return self.df - q + 2

    def words(self, q: int) -> str:
        """In the letters of the class."""
        return f"inverse of Sigma ~ Wishart({self.df:g}, I / {self.scale:g})"


def check_freedom(name: str, df: float, q: int) -> None:
    """PriorError unless df > q - 1."""
    if df <= q - 1:
        raise PriorError(f"{name}: df = {df:g} must be above {q - 1} for a term with {q} coefficients.")
