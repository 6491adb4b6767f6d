"""Why an estimate may be trusted, as numbers and as sentences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blupbayes.mme.statistics import Statistics

__all__ = ["Certificate", "describe"]

Array = NDArray[np.float64]

FLAT = 1e-8  # deviance units per unit of relative variance: a slope below it is rounding


@dataclass(frozen=True, eq=False)
class Certificate:
    """Why an estimate may be trusted.

    Parameters
    ----------
    gradient : float
        Largest slope of the criterion in theta, theta measured per root mean square of its column.
    newton_decrement : float
        How much lower the criterion could still be, in deviance units, by its quadratic model.
    multipliers : mapping
        For each group whose covariance is singular: the smallest derivative of the criterion in the
        directions of zero variance. Not negative: zero is a true minimum (KKT).
    n_factorizations : int
        Factorisations with derivatives.
    n_evaluations : int
        All factorisations, rejected steps and the trial at zero included.
    exact_curvature : bool
        Whether the curvature was the exact Hessian (else average information with secant corrections).
    converged : bool
    """

    gradient: float
    newton_decrement: float
    multipliers: Mapping[str, float]
    n_factorizations: int
    n_evaluations: int
    exact_curvature: bool
    converged: bool

    def __str__(self) -> str:
        state = "converged" if self.converged else "NOT converged"
        text = (
            f"{state}: within {self.newton_decrement:.1e} deviance units of a stationary point "
            f"(largest slope {self.gradient:.1e}, {self.n_factorizations} factorisations with derivatives)"
        )
        for group, value in self.multipliers.items():
            verdict = (
                "a true minimum" if value >= FLAT else "NOT a minimum" if value < -FLAT else "as good as any"
            )
            text += (
                f"; zero variance in {group} is {verdict} (slope {value:+.3g} per unit of relative variance)"
            )
        return text


def describe(statistics: Statistics, method: str, theta: Array, certificate: Certificate) -> tuple[str, ...]:
    """What a reader of the estimates has to know, as sentences."""
    out = []
    if not certificate.converged:
        out.append(f"The {method} fit did not converge: {certificate}.")
    for g in statistics.groups:
        if g.name in certificate.multipliers:
            sd = np.linalg.norm(g.template.matrix(theta), axis=1)
            zero = [g.names[k] for k in sorted(set(g.template.rows)) if sd[k] == 0]
            out.append(_boundary_sentence(method, g.name, zero, g.names, certificate.multipliers[g.name]))
    if statistics.aliased:
        out.append(
            f"X has rank {statistics.rank} with {len(statistics.fixed_names)} columns: {', '.join(statistics.aliased)} "
            "can be written as combinations of earlier columns (aliased). Their estimates are NaN in a fit; "
            "solve() gives the smallest-norm limit. Fitted values and BLUPs do not depend on the choice."
        )
    return tuple(out)


def _boundary_sentence(method: str, group: str, zero: list[str], names: tuple[str, ...], slope: float) -> str:
    if zero and abs(slope) < FLAT:
        return (
            f"The criterion does not depend on sd({group}): the fixed effects explain every level of {group}, so the "
            f"{method} estimate of it is not identified; 0 is reported. Leave ({group}) out of one of the two sides."
        )
    if slope < -FLAT:
        return (
            f"The {method} search stopped where the covariance of {group} is singular, but the criterion falls "
            f"({slope:.3g} per unit of relative variance) inside: this is no minimum."
        )
    if zero:
        what = (
            f"sd({group})" if names == ("Intercept",) else ", ".join(f"sd({group}: {name})" for name in zero)
        )
        return (
            f"The {method} estimate of {what} is 0, the boundary of the parameter space. The fit is valid: the "
            f"criterion rises by {slope:.3g} per unit of relative variance, so zero is a minimum. The BLUPs "
            "of these effects are 0 (complete pooling); a posterior mean of the sd will be above 0."
        )
    return (
        f"The {method} estimate of the covariance of {group} is singular (a correlation of +1 or -1), the boundary "
        "of the parameter space. The fit is valid; a posterior will put the correlation inside (-1, 1)."
    )
