"""The prior that is used for one design: every default filled in, in the units of y and X, and printed in full."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blupbayes.model.distributions import Distribution, number
from blupbayes.model.joint import Joint

__all__ = ["GroupPrior", "ResolvedPrior", "precision_root"]

Array = NDArray[np.float64]

DIGITS = 6  # of printed numbers; the numbers that are used are not rounded
RANK = 1e-13  # eigenvalues of P, scaled to a unit diagonal, that count as 0; per column


def precision_root(P: Array) -> Array:
    """K (k, p) of full row rank k with K'K = P, for a positive semi-definite P (p, p)."""
    unit = column_sizes(np.sqrt(np.diag(np.diag(P))))
    values, U = np.linalg.eigh(P / np.outer(unit, unit))
    kept = values > RANK * len(P)
    return np.asarray(np.sqrt(values[kept])[:, None] * U[:, kept].T * unit)


@dataclass(frozen=True, eq=False)
class GroupPrior:
    """Prior of the covariance matrix of one grouping factor with q coefficients.

    Parameters
    ----------
    name : str
        The grouping factor.
    names : tuple of str
        Its coefficients (q,).
    sds : tuple of Distribution
        Priors (q,) of their sds; none where there is a joint prior.
    scales : tuple of float
        Default scales (q,), whatever the prior is: of the order of y's own spread, a start for a sampler.
    defaults : tuple of bool
        Which of the priors are defaults.
    blocks : tuple of (int, int)
        Ranges of coefficients that are correlated; each has an LKJ(eta) prior of its own.
    eta : float
        1 where there is a joint prior, which has its correlations in it.
    joint : Joint, optional
        Joint prior of the covariance matrix of each term.
    terms : tuple of (int, int)
        Ranges of coefficients of the terms, single coefficients where the term is diagonal.
    """

    name: str
    names: tuple[str, ...]
    sds: tuple[Distribution, ...]
    scales: tuple[float, ...]
    defaults: tuple[bool, ...]
    blocks: tuple[tuple[int, int], ...]
    eta: float = 1.0
    joint: Joint | None = None
    terms: tuple[tuple[int, int], ...] = ()

    def joint_log_density(self, relative_sds: Array, sigma: Array, corr: Array) -> Array:
        """Log-density (m, S) of the joint prior, summed over the terms [E-JOINT].

        Parameters
        ----------
        relative_sds : array (m, q)
            sd_j / sigma of all coefficients of the group.
        sigma : array (m, S) or (S,)
        corr : array (m, q, q)

        Returns
        -------
        array (m, S)
            With respect to the relative sds times LKJ(1), at each sigma.
        """
        assert self.joint is not None
        return np.asarray(
            sum(self.joint.log_density(relative_sds[:, a:b], sigma, corr[:, a:b, a:b]) for a, b in self.terms)
        )

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """(later, earlier) positions of every correlation that is not fixed at 0."""
        return tuple(
            (i, j) for start, stop in self.blocks for i in range(start, stop) for j in range(start, i)
        )


@dataclass(frozen=True, eq=False)
class ResolvedPrior:
    """The prior that is used for one design.

    Parameters
    ----------
    kappa : float
        Prior precision scale of beta.
    mean, precision : array (p,), array (p, p)
        m and P of beta ~ N(m, (kappa P)^-1).
    fixed_names : tuple of str
        Columns of X (p,).
    residual : Distribution or None
        Prior of sigma; None where sigma is known.
    residual_scale : float
        Its default scale, or the known sigma.
    residual_note : str
        Where `residual` is the default, how its scale was found; else "".
    groups : tuple of GroupPrior
        One per grouping factor.
    corr : float
        eta of every LKJ prior.
    nu : float
        Degrees of freedom of beta's prior: beta ~ N(m, (lambda kappa P)^-1) with lambda ~ Gamma(nu/2, rate nu/2)
        [E-STUDENT]; inf is the Gaussian.
    label : str
        Where the prior is from; "" for one of the user's own.
    given : Prior, optional
        What it was made from.
    """

    kappa: float
    mean: Array
    precision: Array
    fixed_names: tuple[str, ...]
    residual: Distribution | None
    residual_scale: float
    residual_note: str
    groups: tuple[GroupPrior, ...]
    corr: float
    nu: float = np.inf
    label: str = ""
    given: Any = None

    @cached_property
    def root(self) -> Array:
        """K (k, p) with K'K = P, k the rank of P; in the other directions beta is flat, with density 1."""
        return precision_root(self.precision)

    @cached_property
    def flat(self) -> Array:
        """Basis (p, p - k) of the directions in which beta has a flat prior; all at kappa = 0."""
        p = len(self.fixed_names)
        if self.kappa == 0:
            return np.eye(p)
        unit = column_sizes(self.root)
        V = np.linalg.svd(self.root / unit, full_matrices=True)[2]
        return np.asarray(V[len(self.root) :].T / unit[:, None])

    def lines(self) -> list[tuple[str, str, str]]:
        """(parameter, prior, remark) of every line."""
        return [*self._beta(), *self._sigma(), *self._sds(), *self._correlations()]

    def _beta(self) -> Iterator[tuple[str, str, str]]:
        if self.kappa == 0:
            yield "beta", "flat", "kappa = 0, as in REML and Henderson's equations"
            return
        K = self.root
        remark = f"kappa = {number(self.kappa, DIGITS)}"
        if len(K) == 1 and np.count_nonzero(K) > 1:
            yield (
                self._combination(K[0]),
                self._location(self.mean @ K[0] / first(K[0]), 1 / first(K[0])),
                remark,
            )
            yield "beta", "flat in every other direction", ""
            return
        if np.count_nonzero(self.precision) > np.count_nonzero(np.diag(self.precision)):
            remark += ", correlated through P"
        unit = column_sizes(K)
        spread = np.linalg.norm(np.linalg.pinv(K / unit), axis=1) / unit
        loose = np.linalg.norm(self.flat, axis=1) * unit > 1e-7
        for name, m, sd, free in zip(self.fixed_names, self.mean, spread, loose, strict=True):
            yield f"beta[{name}]", "flat" if free else self._location(m, sd), "" if free else remark

    def _combination(self, c: Array) -> str:
        """beta[a] + 2 beta[b], with 1 before the first that occurs."""
        parts = [(number(w / first(c), DIGITS), n) for w, n in zip(c, self.fixed_names, strict=True) if w]
        return " + ".join(f"beta[{name}]" if w == "1" else f"{w} beta[{name}]" for w, name in parts)

    def _location(self, m: float, s: float) -> str:
        """A Normal or Student t by location and scale; s is that of kappa = 1."""
        m_text, s_text = number(float(m), DIGITS), number(abs(s) / np.sqrt(self.kappa), DIGITS)
        if np.isinf(self.kappa):
            return f"fixed at {m_text}"
        if np.isfinite(self.nu):
            return f"StudentT({number(self.nu, DIGITS)}, {m_text}, {s_text})"
        return f"Normal({m_text}, {s_text})"

    def _sigma(self) -> Iterator[tuple[str, str, str]]:
        if self.residual is None:
            yield "sigma", f"known, {number(self.residual_scale, DIGITS)}", ""
        else:
            yield "sigma", self.residual.text(DIGITS), self.residual_note or self.residual.words

    def _sds(self) -> Iterator[tuple[str, str, str]]:
        for group in self.groups:
            if group.joint is not None:
                for a, b in group.terms:
                    name = f"cov_{group.name}[{','.join(group.names[a:b])}]"
                    yield name, str(group.joint), group.joint.words(b - a)
                continue
            for name, sd, default in zip(group.names, group.sds, group.defaults, strict=True):
                remark = "default: scale = sd of y / spread of the column" if default else sd.words
                yield f"sd_{group.name}[{name}]", sd.text(DIGITS), remark

    def _correlations(self) -> Iterator[tuple[str, str, str]]:
        for group in self.groups:
            for start, stop in () if group.joint else group.blocks:
                names = ",".join(group.names[start:stop])
                yield f"corr_{group.name}[{names}]", f"LKJ({number(self.corr, DIGITS)})", "1 is uniform"

    def __str__(self) -> str:
        rows = self.lines()
        left, middle = (max(len(row[k]) for row in rows) for k in (0, 1))
        body = [f"  {a:<{left}}  {b:<{middle}}  {c}".rstrip() for a, b, c in rows]
        head = "Prior, in the units of the data" + (f": {self.label}" if self.label else "")
        return "\n".join([head, *body])


def column_sizes(K: Array) -> Array:
    """Norms (p,) of the columns, 1 where a column is 0."""
    size = np.linalg.norm(K, axis=0)
    return np.where(size > 0, size, 1.0)


def first(c: Array) -> float:
    """The first number that is not 0."""
    return float(c[np.flatnonzero(c)[0]])
