"""Do the intervals work? Data simulated from known variances, and how often each interval holds the truth.

Truths are group means beta_k + b_jk, fixed effects and sds; b is drawn anew for every data set. Methods:

    raw            least squares within each level, t interval with the residual sd pooled over the levels
    blup cond_sd   REML BLUP of the group mean +- z cond_sd: fixed effects and variances treated as known
    blup pev_sd    the same +- z pev_sd: variances treated as known
    wald           fixed effects +- z se; variances +- z se from Fisher's information, which a variance of 0 has too
    profile        profile likelihood of the sds of the groups (ML deviance); "profile REML": of the REML criterion
    bootstrap      parametric bootstrap, percentiles
    posterior      equal-tailed intervals of the exact posterior
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from statistics import NormalDist

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blupbayes.bayes.integrate import integrate
from blupbayes.compare.effects import labels
from blupbayes.compare.ledger import shared, stack
from blupbayes.compare.raw import least_squares, pieces
from blupbayes.errors import DataError
from blupbayes.frequentist.blocks import run_blocks, seed_sequence, whole_number
from blupbayes.frequentist.bootstrap import bootstrap
from blupbayes.frequentist.profiles import intervals
from blupbayes.mme.criterion import evaluate
from blupbayes.mme.fit import Estimate, estimate
from blupbayes.mme.gaussian import posterior
from blupbayes.mme.information import second_order
from blupbayes.mme.statistics import Statistics, reduce
from blupbayes.model.design import Design, Group
from blupbayes.model.prior import Prior

__all__ = ["METHODS", "Truth", "coverage"]

Array = NDArray[np.float64]
Limits = tuple[Array, Array, Array]  # estimate, lower and upper limit of some targets, NaN elsewhere

METHODS = ("raw", "blup cond_sd", "blup pev_sd", "wald", "profile", "posterior")
ON_REQUEST = ("profile REML", "bootstrap")
BLOCK = 20  # data sets from one seed


@dataclass(frozen=True, eq=False)
class Truth:
    """What data are simulated from, and how they are answered.

    Parameters
    ----------
    design : Design
        X, Z, weights and offset; its response is replaced.
    beta : array (p,)
    T : tuple of array (q, q)
        Relative covariance factors.
    sigma : float
    prior : Prior
    methods : tuple of str
    ci_prob, rel_error : float
    n_bootstrap : int
    """

    design: Design
    beta: Array
    T: tuple[Array, ...]
    sigma: float
    prior: Prior
    methods: tuple[str, ...]
    ci_prob: float = 0.95
    rel_error: float = 0.02
    n_bootstrap: int = 200

    @property
    def z(self) -> float:
        """Normal quantile of the level."""
        return NormalDist().inv_cdf(0.5 + 0.5 * self.ci_prob)

    @property
    def fixed_names(self) -> list[str]:
        """Names of the fixed effects in tables."""
        return [f"beta[{name}]" for name in self.design.fixed_names]

    @property
    def sd_names(self) -> list[str]:
        """Names of the sds in tables, sigma last."""
        names = [f"sd_{g.name}[{name}]" for g in self.design.groups for name in g.names]
        return names + ([] if self.design.sigma is not None else ["sigma"])

    @cached_property
    def targets(self) -> pd.DataFrame:
        """component, group, level, term: group means, fixed effects, sds."""
        d = self.design
        means = [
            pd.DataFrame(labels(g, shared(g, d.fixed_names))).assign(component="group_mean") for g in d.groups
        ]
        fixed = pd.DataFrame({"component": "fixed", "group": "", "level": "", "term": list(d.fixed_names)})
        sds = [
            pd.DataFrame({"component": "sd", "group": g.name, "level": "", "term": list(g.names)})
            for g in d.groups
        ]
        residual = (
            [] if d.sigma is not None else [pd.DataFrame([("sd", "residual", "", "")], columns=list(fixed))]
        )
        return pd.concat([*means, fixed, *sds, *residual], ignore_index=True)

    def draw(self, rng: np.random.Generator) -> tuple[Design, Array]:
        """One data set, and the truth of every target."""
        d = self.design
        y = d.X @ self.beta + (0.0 if d.offset is None else d.offset)
        y = y + self.sigma * rng.standard_normal(d.n_obs) / np.sqrt(1.0 if d.weights is None else d.weights)
        means, sds = [], []
        for g, T in zip(d.groups, self.T, strict=True):
            b = self.sigma * rng.standard_normal((len(g.levels), len(T))) @ T.T
            y = y + np.sum(g.columns * b[g.codes], axis=1)
            own = shared(g, d.fixed_names)
            place = [d.fixed_names.index(g.names[k]) for k in own]
            means.append((self.beta[place] + b[:, own]).ravel())
            sds.append(self.sigma * np.linalg.norm(T, axis=1))
        last = [] if d.sigma is not None else [np.array([self.sigma])]
        return replace(d, y=y), np.concatenate([*means, self.beta, *sds, *last])


def coverage(
    truth: Truth, n: int, random_seed: object = None, *, n_jobs: int | None = 1, progressbar: bool = True
) -> pd.DataFrame:
    """How often the intervals of each method hold the truth.

    Parameters
    ----------
    truth : Truth
    n : int
        Data sets.
    random_seed, n_jobs, progressbar
        As in frequentist/blocks.py.

    Returns
    -------
    DataFrame
        method, component, group, term, coverage and mc_se (its Monte Carlo standard error, levels of one data set
        counted together), width (mean), bias, rmse, defined (share of data sets in which the method has an interval),
        n.

    Raises
    ------
    DataError
        If n is not a whole number above 0, or there is no such method.
    """
    unknown = [m for m in truth.methods if m not in METHODS + ON_REQUEST]
    if unknown or not truth.methods:
        raise DataError(f"methods={list(truth.methods)}: choose from {', '.join(METHODS + ON_REQUEST)}.")
    seeds, size = seed_sequence(random_seed), whole_number("n", n)
    found = run_blocks(partial(one_block, truth), size, BLOCK, seeds, n_jobs, progressbar)
    stacked = {m: np.concatenate([part[m] for part in found]) for m in truth.methods}
    truths = np.concatenate([part["truth"] for part in found])
    targets = truth.targets
    tables = [summarised(m, targets, truths, values) for m, values in stacked.items()]
    return pd.concat(tables, ignore_index=True)


def one_block(truth: Truth, size: int, seed: np.random.SeedSequence) -> dict[str, Array]:
    """Truths (size, targets), and (size, 3, targets) of each method."""
    rng, out = np.random.default_rng(seed), {m: [] for m in ("truth", *truth.methods)}  # type: ignore[var-annotated]
    for _ in range(size):
        design, target = truth.draw(rng)
        out["truth"].append(target)
        answers = answer(truth, design, rng)
        for method in truth.methods:
            out[method].append(np.stack(answers[method]))
    return {name: np.array(values) for name, values in out.items()}


def answer(truth: Truth, design: Design, rng: np.random.Generator) -> Mapping[str, Limits]:
    """Every method's limits for one data set."""
    statistics = reduce(design)
    fit = estimate(statistics, "REML")
    seed = int(rng.integers(2**32))
    ways: dict[str, Callable[[], Limits]] = {
        "raw": lambda: raw(truth, design),
        "blup cond_sd": lambda: blup(truth, fit, conditional=True),
        "blup pev_sd": lambda: blup(truth, fit, conditional=False),
        "wald": lambda: wald(truth, fit),
        "profile": lambda: profile(truth, statistics, "ML"),
        "profile REML": lambda: profile(truth, statistics, "REML"),
        "bootstrap": lambda: booted(truth, design, fit, seed),
        "posterior": lambda: bayes(truth, design, statistics),
    }
    return {method: ways[method]() for method in truth.methods}


def limits(truth: Truth, **parts: Limits) -> Limits:
    """Estimates and limits of all targets from those of some components."""
    out = tuple(np.full(len(truth.targets), np.nan) for _ in range(3))
    for component, given in parts.items():
        where = (truth.targets["component"] == component).to_numpy()
        for whole, part in zip(out, given, strict=True):
            whole[where] = part
    return out  # type: ignore[return-value]


def spread(middle: Array, half: Array) -> Limits:
    """middle -+ half."""
    return middle, middle - half, middle + half


def raw(truth: Truth, design: Design) -> Limits:
    """Least squares within each level, and a t interval with the pooled residual sd."""
    from scipy.special import stdtrit

    middle, half = [], []
    for g in design.groups:
        b, unit, sigma, df = within_levels(design, g)
        own = shared(g, design.fixed_names)
        middle.append(b[:, own].ravel())
        half.append(stdtrit(df, 0.5 + 0.5 * truth.ci_prob) * sigma * unit[:, own].ravel())
    return limits(truth, group_mean=spread(np.concatenate(middle), np.concatenate(half)))


def within_levels(design: Design, g: Group) -> tuple[Array, Array, float, int]:
    """Least squares (J, q) of every level on its own columns, unit standard errors (J, q), pooled sd and its df."""
    y = design.y if design.offset is None else design.y - design.offset
    b, unit = np.empty((len(g.levels), len(g.names))), np.empty((len(g.levels), len(g.names)))
    rss, used = 0.0, 0
    for j, (rows, own, weights) in enumerate(pieces(design, g, y)):
        C = g.columns[rows]
        b[j], unit[j] = least_squares(C, own, weights, 1.0)
        if np.isfinite(b[j]).all():
            rss, used = rss + float(weights @ (own - C @ b[j]) ** 2), used + len(rows) - C.shape[1]
    return b, unit, np.sqrt(rss / used) if used else np.nan, used


def blup(truth: Truth, fit: Estimate, *, conditional: bool) -> Limits:
    """REML BLUPs of the group means, with one of their two spreads."""
    s = fit.statistics
    at = posterior(s, fit.T, fit.sigma)
    first = len(s.fixed_names) + s.layout.size
    middle, variance = (x[first:] for x in stack(s.groups, s.fixed_names, at))
    if conditional:
        parts = [
            np.diagonal(c, axis1=1, axis2=2)[:, shared(g, s.fixed_names)].ravel()
            for g, c in zip(s.groups, at.cond_cov, strict=True)
        ]
        variance = np.concatenate(parts)
    return limits(truth, group_mean=spread(middle, truth.z * np.sqrt(np.maximum(variance, 0.0))))


def wald(truth: Truth, fit: Estimate) -> Limits:
    """Fixed effects and variances +- z se; a limit of a variance below 0 is 0, shown as sds."""
    s = fit.statistics
    at = posterior(s, fit.T, fit.sigma)
    fixed = spread(at.beta, truth.z * np.sqrt(np.diag(at.beta_cov)))
    values, se = variances(fit)
    middle, low, high = spread(values, truth.z * se)
    with np.errstate(invalid="ignore"):
        sds = tuple(np.sqrt(np.maximum(x, 0.0)) for x in (middle, low, high))
    return limits(truth, fixed=fixed, sd=sds)  # type: ignore[arg-type]


def variances(fit: Estimate) -> tuple[Array, Array]:
    """Variances of the random coefficients, then of the residual, and standard errors by Fisher's information.

    In the entries of V themselves, where the information exists at zero, too.
    """
    s, s2 = fit.statistics, fit.sigma**2
    found = second_order(evaluate(s, fit.theta, fit.method))
    known = s.sigma is not None
    keep = slice(0, -1) if known else slice(None)
    cov = np.linalg.pinv(found.expected[keep, keep] / 2.0, hermitian=True)
    values, slopes = [], []
    for t, T in zip(s.templates, fit.T, strict=True):
        for k in range(t.size):
            place = t.index[(t.rows == k) & (t.cols == k)][0]
            slope = np.zeros(len(cov))
            values.append(s2 * float(T[k] @ T[k]))
            slope[place] = s2
            if not known:
                slope[-1] = values[-1]
            slopes.append(slope)
    if not known:
        values.append(s2)
        slopes.append(np.append(np.zeros(len(cov) - 1), s2))
    J = np.array(slopes)
    return np.array(values), np.sqrt(np.maximum(np.einsum("ki,ij,kj->k", J, cov, J), 0.0))


def profile(truth: Truth, statistics: Statistics, criterion: str) -> Limits:
    """Profile likelihood of the groups' sds; that of sigma is left out, which would take as long again."""
    names = [name for name in truth.sd_names if name != "sigma"]
    table = intervals(estimate(statistics, criterion), truth.ci_prob, names).reindex(truth.sd_names)
    found = tuple(table[c].to_numpy(dtype=float) for c in ("estimate", "ci_lb", "ci_ub"))
    return limits(truth, sd=found)  # type: ignore[arg-type]


def booted(truth: Truth, design: Design, fit: Estimate, seed: int) -> Limits:
    """Percentiles of a parametric bootstrap."""
    found = bootstrap(design, fit, n=truth.n_bootstrap, random_seed=seed, progressbar=False)
    table = found.interval(truth.ci_prob)
    parts = {}
    for component, names in (("fixed", truth.fixed_names), ("sd", truth.sd_names)):
        rows = table.loc[names]
        parts[component] = tuple(rows[c].to_numpy(dtype=float) for c in ("estimate", "ci_lb", "ci_ub"))
    return limits(truth, **parts)  # type: ignore[arg-type]


def bayes(truth: Truth, design: Design, statistics: Statistics) -> Limits:
    """Means and equal-tailed intervals of the exact posterior; NaN where there is none."""
    integral = integrate(design, statistics, truth.prior.resolve(design), truth.rel_error)
    mixture, probs = integral.mixture, (0.5 - 0.5 * truth.ci_prob, 0.5 + 0.5 * truth.ci_prob)
    p, first = len(design.fixed_names), integral.moments.shape[1] - mixture.points.base.shape[1]
    linear, mean = mixture.linear_quantiles(probs), integral.moments[0, first:]
    groups = slice(p + statistics.layout.size, None)
    deviations, sds = (
        mixture.deviation_quantiles(probs),
        integral.moments[0, : 1 + mixture.points.sds.shape[1]],
    )
    order = [*range(1, len(sds)), *([] if design.sigma is not None else [0])]
    return limits(
        truth,
        group_mean=(mean[groups], *linear[:, groups]),
        fixed=(mean[:p], *linear[:, :p]),
        sd=(sds[order], *deviations[:, order]),
    )


def summarised(method: str, targets: pd.DataFrame, truths: Array, values: Array) -> pd.DataFrame:
    """One method's rows: levels of a group together."""
    estimate, low, high = values[:, 0], values[:, 1], values[:, 2]
    inside = np.where(np.isfinite(low) & np.isfinite(high), (low <= truths) & (truths <= high), np.nan)
    rows = []
    keys = ["component", "group", "term"]
    for key, where in targets.groupby(keys, sort=False).indices.items():
        hit = inside[:, where]
        defined = np.isfinite(hit).any(axis=1)
        if not defined.any():
            continue
        per_set, error = np.nanmean(hit[defined], axis=1), (estimate - truths)[:, where]
        rows.append(
            {
                "method": method, **dict(zip(keys, key, strict=True)),  # type: ignore[call-overload]
                "coverage": per_set.mean(), "mc_se": monte_carlo(per_set),
                "width": float(np.nanmean((high - low)[:, where])), "bias": float(np.nanmean(error)),
                "rmse": float(np.sqrt(np.nanmean(error**2))), "defined": defined.mean(), "n": len(truths),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def monte_carlo(shares: Array) -> float:
    """Standard error of a mean of shares (n,); never below that of a binomial with one miss added."""
    n = len(shares)
    p = (shares.sum() + 1.0) / (n + 2.0)
    return float(
        max(shares.std(ddof=1) / np.sqrt(n) if n > 1 else 0.0, np.sqrt(p * (1 - p) / n) / np.sqrt(n))
    )
