"""Profiles of many parameters: intervals and traces as tables."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from numbers import Real
from statistics import NormalDist

import numpy as np
import pandas as pd

from blupbayes.errors import DataError
from blupbayes.frequentist.chart import Chart
from blupbayes.frequentist.curves import BetaCurve, VarianceCurve
from blupbayes.frequentist.linear import Linear
from blupbayes.frequentist.parameters import parameter_names
from blupbayes.frequentist.profile import Limit, climb, trace
from blupbayes.frequentist.readings import Reading
from blupbayes.frequentist.standard_errors import spread
from blupbayes.mme.fit import Estimate

__all__ = ["curves", "intervals", "listed", "traces"]

NO_CORRELATION = "no correlation beside an sd of 0"
ALIASED = "aliased: a combination of earlier columns"


def listed(parameters: str | Sequence[str]) -> list[str]:
    """Names as a list; one name may be given as it is."""
    return [parameters] if isinstance(parameters, str) else list(parameters)


def curves(
    fit: Estimate, parameters: str | Sequence[str] | None
) -> dict[str, BetaCurve | VarianceCurve | str]:
    """The curve of each parameter, or why it has none.

    Parameters
    ----------
    fit : Estimate
        The optimum of the criterion that is profiled, ML or REML.
    parameters : str or sequence of str, optional
        Names as in tables, or theta[0]; None for all that the criterion has.

    Raises
    ------
    DataError
        If there is no such parameter, or the criterion does not hold it.
    """
    s, found = fit.statistics, spread(fit)
    known = parameter_names(s) + [f"theta[{i}]" for i in range(s.n_theta)]
    asked = listed(parameters) if parameters is not None else parameter_names(s)
    if fit.method == "REML":
        beta = [name for name in asked if name.startswith("beta[")]
        if parameters is not None and beta:
            raise DataError(
                f"{beta[0]}: the REML criterion does not hold the fixed effects. Profile the ML deviance."
            )
        asked = [name for name in asked if name not in beta]
    for name in asked:
        if name not in known:
            close = get_close_matches(name, known, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise DataError(
                f"no parameter {name!r} in this fit (it has {', '.join(parameter_names(s))}).{hint}"
            )
    out: dict[str, BetaCurve | VarianceCurve | str] = {}
    by_name = {x.name: (x, v, se) for x, v, se in zip(found.which, found.values, found.se, strict=True)}
    for name in asked:
        if name.startswith("beta["):
            out[name] = of_beta(fit, found.at, s.fixed_names.index(name[5:-1]))
        elif name.startswith("theta["):
            held = Reading("theta", name, r=int(name[6:-1]))
            se = float(np.sqrt(found.cov[held.r, held.r])) or np.nan
            out[name] = VarianceCurve(Chart.of(s, fit.method, held), fit, se)
        else:
            held, value, se = by_name[name]
            chart = Chart.of(s, fit.method, held)
            out[name] = NO_CORRELATION if np.isnan(value) else VarianceCurve(chart, fit, float(se))
    return out


def of_beta(fit: Estimate, at: object, j: int) -> BetaCurve | str:
    """The curve of one coefficient, or why there is none."""
    s = fit.statistics
    if j not in s.kept:
        return ALIASED
    row = np.eye(len(s.fixed_names))[[j]]
    return BetaCurve(s, fit, j, float(np.sqrt(Linear(at, row).covariance[0, 0])))  # type: ignore[arg-type]


def intervals(fit: Estimate, ci_prob: float, parameters: str | Sequence[str] | None = None) -> pd.DataFrame:
    """Profile-likelihood intervals: the deviance has risen by the chi-square quantile at both limits.

    Returns
    -------
    DataFrame
        estimate, ci_lb, ci_ub, note; a row per parameter.
    """
    z = NormalDist().inv_cdf(0.5 + 0.5 * ci_prob)
    rows = {}
    for name, curve in curves(fit, parameters).items():
        if isinstance(curve, str):
            rows[name] = (np.nan, np.nan, np.nan, curve)
            continue
        ends = [climb(curve, -z), climb(curve, z)] if curve.best.psi > curve.low else [None, climb(curve, z)]
        rows[name] = row_of(curve, ends)
    return pd.DataFrame.from_dict(rows, orient="index", columns=["estimate", "ci_lb", "ci_ub", "note"])


def row_of(curve: BetaCurve | VarianceCurve, ends: Sequence[Limit | None]) -> tuple[float, float, float, str]:
    """Estimate, limits, and a word on open ends."""
    low, high = (
        e.value if e is not None else edge for e, edge in zip(ends, (curve.low, curve.high), strict=True)
    )
    open_ends = [edge for e, edge in zip(ends, (curve.low, curve.high), strict=True) if e is None or e.open]
    note = "one-sided: " + " and ".join(f"never excludes {edge:g}" for edge in open_ends) if open_ends else ""
    return curve.best.psi, float(low), float(high), note


def traces(
    fit: Estimate, targets: Sequence[float], parameters: str | Sequence[str] | None = None
) -> pd.DataFrame:
    """Profile traces: for each parameter zeta, its value, and every other parameter at its best there.

    Returns
    -------
    DataFrame
        parameter, zeta, value, deviance, then one column for each parameter.

    Raises
    ------
    DataError
        If a target is no finite number.
    """
    wrong = [t for t in targets if not (isinstance(t, Real) and np.isfinite(t))]
    if wrong:
        raise DataError(
            f"zetas: {wrong[0]!r} is no finite number; give signed square roots of the rise, as 1.96."
        )
    rows = []
    for name, curve in curves(fit, parameters).items():
        if not isinstance(curve, str):
            for zeta, point in trace(curve, targets):
                rows.append(
                    {"parameter": name, "zeta": zeta, "value": point.psi, "deviance": point.deviance}
                    | point.others
                )
    return pd.DataFrame(rows)
