"""What the figures of a comparison are drawn from, as plain tables: each is made of the answers' own pieces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from blupbayes.compare.effects import effects, group_means, pivoted
from blupbayes.compare.paths import kappa_table, pooling_table, sd_table
from blupbayes.compare.raw import raw_levels
from blupbayes.errors import ComparisonError
from blupbayes.frequentist.profiles import traces
from blupbayes.ledgers import reml_of
from blupbayes.mme.fit import Estimate, estimate
from blupbayes.mme.gaussian import kappa_path, posterior
from blupbayes.mme.pooling import pooling_path
from blupbayes.mme.statistics import Statistics

__all__ = ["Tables", "sd_curves", "variance_curves"]

DECADES = np.arange(-13.0, 3.01, 0.5)  # kappa beside 1/Var(beta_hat)
SHARES = np.linspace(0.0, 1.0, 41)  # tau/(1 + tau)
ZETAS = tuple(k * 0.5 for k in range(-6, 7) if k)  # signed roots of the rises of the deviance to profile


@dataclass(frozen=True, eq=False)
class Tables:
    """Tables of the answers to one question."""

    answers: Mapping[str, Any]

    @cached_property
    def design(self) -> Any:
        """The design that the answers are about.

        Raises
        ------
        ComparisonError
            If no answer knows it.
        """
        for answer in self.answers.values():
            if hasattr(answer, "design"):
                return answer.design
        raise ComparisonError(
            "no answer here knows the data, which this figure needs. Add model.fit() to the comparison."
        )

    @cached_property
    def reml(self) -> Estimate:
        """The REML estimate."""
        return reml_of([a for a in self.answers.values() if hasattr(a, "design")] if self.design else [])

    @property
    def statistics(self) -> Statistics:
        """What the data say."""
        return self.reml.statistics

    @cached_property
    def solved(self) -> Any:
        """BLUPs and their errors at the REML estimate."""
        return pivoted(posterior(self.statistics, self.reml.T, self.reml.sigma))

    @cached_property
    def raw(self) -> pd.DataFrame:
        """Each level alone."""
        beta = dict(zip(self.statistics.fixed_names, self.solved.beta, strict=True))
        return raw_levels(self.design, self.statistics, beta, self.reml.sigma)

    def exact(self, asked: str) -> Any:
        """The posterior by integration.

        Raises
        ------
        ComparisonError
            If there is none; ``asked`` is what needs it.
        """
        for answer in self.answers.values():
            if hasattr(answer, "density") and hasattr(answer, "integral"):
                return answer
        raise ComparisonError(
            f"{asked} draws posterior densities, and there is no posterior by integration here. "
            "Add model.integrate() to the comparison."
        )

    @cached_property
    def variances(self) -> pd.DataFrame:
        """Posterior, prior and profile likelihood of each sd."""
        return variance_curves(self.exact("plot_variances"), self.statistics)

    def kappa_path(self, term: str) -> pd.DataFrame:
        """The kappa path around 1/Var of one fixed effect (the first, if there is none of that name), and its limit."""
        s, at = self.statistics, self.reml
        k = s.fixed_names.index(term) if term in s.fixed_names else 0
        variance = np.diag(self.solved.beta_cov)
        if k >= len(variance) or not variance[k] > 0:
            raise ComparisonError(
                "the kappa path is about the prior of fixed effects; this model has none that the data determine."
            )
        kappas = [*(10.0**DECADES / variance[k]), 0.0]
        return kappa_table(s.groups, s.fixed_names, kappa_path(s, at.T, at.sigma, kappas))

    def pooling_path(self) -> pd.DataFrame:
        """The pooling path from tau = 0 to inf."""
        s, at = self.statistics, self.reml
        taus = [float(x / (1 - x)) if x < 1 else np.inf for x in SHARES]
        return pooling_table(s.groups, s.fixed_names, pooling_path(s, at.T, at.sigma, taus))

    def sd_path(self, group: str, term: str, sds: Any) -> pd.DataFrame:
        """Everything at each value of one sd, the other variances as REML has them."""
        s, at = self.statistics, self.reml
        points = [posterior(s, with_sd(s.groups, at, group, term, sd), at.sigma) for sd in sds]
        return sd_table(s.groups, s.fixed_names, sds, points)

    def reml_sd(self, group: str, term: str) -> float:
        """The REML estimate of one sd."""
        i = [g.name for g in self.statistics.groups].index(group)
        k = list(self.statistics.groups[i].names).index(term)
        return float(self.reml.sigma * np.linalg.norm(self.reml.T[i][k]))

    def levels(self, group: str, term: str, exact: Any) -> pd.DataFrame:
        """BLUP, its two spreads, posterior mean and sd, raw value and shift of every level of one coefficient."""
        s, whole = self.statistics, term in self.statistics.fixed_names

        def own(frame: pd.DataFrame) -> pd.DataFrame:
            return frame[(frame["group"] == group) & (frame["term"] == term)].set_index("level")

        b, raw = own(effects(s.groups, self.solved)), own(self.raw)
        plug_in = own(group_means(s.groups, s.fixed_names, self.solved)) if whole else b
        full = own(exact.group_means() if whole else exact.ranef())
        columns = {
            "estimate": plug_in["estimate"],
            "cond_sd": b["cond_sd"],
            "pev_sd": plug_in["pev_sd"],
            "posterior_mean": full["estimate"],
            "posterior_sd": full["posterior_sd"],
            "raw": raw["estimate"],
            "n": raw["n"],
            "shift": plug_in["estimate"] - raw["estimate"],
        }
        return pd.DataFrame(columns).loc[list(b.index)].rename_axis("level").reset_index()

    def curves(self, group: str, term: str, levels: list[str], exact: Any) -> pd.DataFrame:
        """Posterior densities of some levels: value, density, level."""
        part = "group_mean" if term in self.statistics.fixed_names else "b"
        found = [exact.density(f"{part}_{group}[{level},{term}]").assign(level=level) for level in levels]
        return pd.concat(found, ignore_index=True)


def with_sd(groups: Any, at: Estimate, group: str, term: str, sd: float) -> tuple[Any, ...]:
    """Relative factors of an estimate with one sd replaced; correlations stay, of an sd of 0 there are none."""
    i = [g.name for g in groups].index(group)
    k, T = list(groups[i].names).index(term), [np.array(t) for t in at.T]
    length = np.linalg.norm(T[i][k])
    row = T[i][k] / length if length > 0 else np.eye(len(T[i]))[k]
    T[i][k] = row * sd / at.sigma
    return tuple(T)


def sd_curves(exact: Any, group: str, term: str, high: float | None = None) -> pd.DataFrame:
    """Posterior and prior density of one sd from 0 to high (its 99 % quantile): kind, value, density."""
    name = f"sd_{group}[{term}]"
    end = float(exact.quantile(name, 0.99)) if high is None else high
    grid = np.linspace(0.0, end, 601)[1:]
    full = exact.density(name, grid).assign(kind="posterior")
    prior = sd_prior(exact, group, term)
    if prior is None:
        return full
    own = pd.DataFrame({"value": grid, "density": np.exp(prior.logpdf(grid)), "kind": "prior"})
    return pd.concat([full, own], ignore_index=True)


def sd_prior(exact: Any, group: str, term: str) -> Any:
    """The prior of one sd; None where it has none of its own, or a flat one, which has no height."""
    g = next(g for g in exact.prior.groups if g.name == group)
    own = g.sds[list(g.names).index(term)] if g.sds else None
    return None if own is None or own.name == "HalfFlat" else own


def variance_curves(exact: Any, statistics: Statistics) -> pd.DataFrame:
    """Posterior, prior and profile likelihood (ML) of each sd: group, term, kind, value, density."""
    priors = {("residual", ""): exact.prior.residual} if exact.prior.residual is not None else {}
    for g in exact.prior.groups:
        own = g.sds or (None,) * len(g.names)
        priors = priors | {(g.name, name): sd for name, sd in zip(g.names, own, strict=True)}
    names = {key: "sigma" if key[0] == "residual" else f"sd_{key[0]}[{key[1]}]" for key in priors}
    order = sorted(priors, key=lambda key: key[0] == "residual")
    profile = traces(estimate(statistics, "ML"), ZETAS, list(names.values())).set_index("parameter")
    blocks = []
    for key in order:
        pieces = (posterior_curve(exact, names[key], priors[key]), profile_curve(profile.loc[[names[key]]]))
        blocks += [piece.assign(group=key[0], term=key[1]) for piece in pieces]
    return pd.concat(blocks, ignore_index=True)[["group", "term", "kind", "value", "density"]]


def profile_curve(trace: pd.DataFrame) -> pd.DataFrame:
    """The profile likelihood relative to its maximum, exp(-zeta^2/2), smooth between the points of a trace."""
    from scipy.interpolate import PchipInterpolator

    at = trace.drop_duplicates("value").sort_values("value")
    value = np.linspace(at["value"].min(), at["value"].max(), 201)
    zeta = PchipInterpolator(at["value"], at["zeta"])(value)
    return pd.DataFrame({"kind": "profile", "value": value, "density": np.exp(-0.5 * zeta**2)})


def posterior_curve(exact: Any, name: str, prior: Any) -> pd.DataFrame:
    """The posterior density of one sd, and its prior where it has one of its own."""
    low, high = (float(q) for q in exact.quantile(name, [0.0005, 0.99]))
    grid = np.linspace(0.0 if low < 0.2 * high else low, high, 301)
    grid = grid[grid > 0]
    blocks = [exact.density(name, grid).assign(kind="posterior")]
    if prior is not None:
        blocks.append(pd.DataFrame({"value": grid, "density": np.exp(prior.logpdf(grid)), "kind": "prior"}))
    return pd.concat(blocks, ignore_index=True)
