"""Posterior: draws from the full posterior as users hold them. Thin and frozen; the work is done below."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from blupbayes.bayes import summary as read
from blupbayes.compare import rows
from blupbayes.model.design import Design
from blupbayes.model.resolved import ResolvedPrior
from blupbayes.show.sheet import compose
from blupbayes.show.summary import paragraph, title
from blupbayes.show.tables import to_html

__all__ = ["Posterior"]


@dataclass(frozen=True, eq=False, repr=False)
class Posterior:
    """Draws of all parameters, with the prior that made them.

    Parameters
    ----------
    design : Design
        What was asked.
    prior : ResolvedPrior
        The prior that was used, defaults filled in, in the units of the data.
    data : xarray.DataTree
        ArviZ groups; in posterior beta, sigma, sd_<group>, corr_<group> and b_<group>.
    diagnostics : dict
        Divergences, largest r_hat, smallest effective sample sizes, and what they mean.
    """

    design: Design
    prior: ResolvedPrior
    data: Any
    diagnostics: dict[str, Any]

    @property
    def estimator(self) -> str:
        """Label in tables."""
        return "NUTS"

    @property
    def n_obs(self) -> int:
        """Rows in the model."""
        return self.design.n_obs

    @property
    def data_hash(self) -> str:
        """SHA-256 of y, X, Z, weights and offset."""
        return self.design.hash

    def summary(self, ci_prob: float = 0.95) -> pd.DataFrame:
        """Mean, sd, median, equal-tailed interval and Monte Carlo diagnostics.

        Parameters
        ----------
        ci_prob : float
            Level of the interval, in (0, 1).

        Returns
        -------
        DataFrame
            mean, sd, median, eti95_lb, eti95_ub, mcse_mean, mcse_sd, ess_bulk, ess_tail, r_hat; a row per
            parameter: beta[Days], sigma, sd_Subject[Days], corr_Subject[Days,Intercept].
        """
        return read.summary(self.data, self.design, ci_prob)

    def ranef(self, ci_prob: float = 0.95) -> pd.DataFrame:
        """Random effects: group, level, term, estimate (posterior mean), posterior_sd, interval, mcse, ...

        The mean is the BLUP averaged over what the variances may be [E-TOWER]; the sd holds the averaged
        prediction-error variance and how much the BLUP itself moves with them [E-TOTALVAR].
        """
        return read.ranef(self.data, self.design, ci_prob)

    def group_means(self, ci_prob: float = 0.95) -> pd.DataFrame:
        """beta_k + b_jk for coefficients with a fixed column of the same name; columns as in ranef."""
        return read.group_means(self.data, self.design, ci_prob)

    @cached_property
    def messages(self) -> tuple[str, ...]:
        """What a reader of the draws has to know, as sentences."""
        return tuple(self.diagnostics["messages"])

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines for the foot of a table: how it was drawn, how well, and from which prior."""
        d, attrs = self.diagnostics, self.data.attrs
        why = f" ({reason})" if (reason := attrs.get("parameterization_reason")) else ""
        how = f"{d['chains']} chains x {d['draws']} draws, {attrs['parameterization']}{why}"
        well = f"{d['divergences']} divergences, max r_hat {d['r_hat']:.3f}, min ess_bulk {d['ess_bulk']:.0f}"
        prior = "; ".join(f"{name} ~ {text}" for name, text, _ in self.prior.lines())
        return (f"{how}, seed {attrs['random_seed']}; {well}.", f"prior {prior}.", *self.messages)

    def tidy(self, ci_prob: float = 0.95) -> pd.DataFrame:
        """The long table of this answer: posterior means, sds, equal-tailed intervals, Monte Carlo errors."""
        blocks = [
            *parameter_rows(self.design, self.summary(ci_prob), self.estimator, ci_prob),
            *(
                rows.block(
                    component,
                    self.estimator,
                    **labels(table),
                    **spread(table, "posterior_sd", "mcse", ci_prob),
                )
                for component, table in (
                    ("b", self.ranef(ci_prob)),
                    ("group_mean", self.group_means(ci_prob)),
                )
            ),
        ]
        return rows.gather(blocks)

    def __repr__(self) -> str:
        table = self.summary()[["mean", "sd", "eti95_lb", "eti95_ub", "mcse_mean", "ess_bulk", "r_hat"]]
        return "\n".join(
            [title(self.design), *map(paragraph, self.notes[:1]), "", str(self.prior), "",
             table.to_string(float_format=lambda x: f"{x:.5g}"), *map(paragraph, self.messages)]
        )  # fmt: skip

    def _repr_html_(self) -> str:
        return to_html(compose(self.tidy(), title(self.design), self.notes, max_rows=40))


def parameter_rows(design: Design, table: pd.DataFrame, label: str, ci_prob: float) -> list[pd.DataFrame]:
    """Rows fixed, sd and corr, from the summary of the parameters."""

    def take(component: str, names: list[str], **keys: Any) -> pd.DataFrame:
        part = table.loc[names]
        return rows.block(
            component, label, estimate=part["mean"], **keys, **spread(part, "sd", "mcse_mean", ci_prob)
        )

    fixed = take("fixed", [f"beta[{name}]" for name in design.fixed_names], term=list(design.fixed_names))
    sds = [
        take("sd", [f"sd_{g.name}[{k}]" for k in g.names], group=g.name, term=list(g.names))
        for g in design.groups
    ]
    if design.sigma is None:
        residual = take("sd", ["sigma"], group="residual")
    else:
        residual = rows.block("sd", label, group="residual", estimate=[design.sigma], note=rows.KNOWN)
    corrs = []
    for g in design.groups:
        pairs = [(g.names[i], g.names[j]) for i, j in read.correlated(g)]
        names = [f"corr_{g.name}[{later},{earlier}]" for later, earlier in pairs]
        corrs.append(
            take("corr", names, group=g.name, term=[f"{earlier}, {later}" for later, earlier in pairs])
        )
    return [fixed, *sds, residual, *corrs]


def labels(table: pd.DataFrame) -> dict[str, Any]:
    """Its keys and estimates as columns of the long table."""
    return {name: table[name].to_numpy() for name in ("group", "level", "term", "estimate")}


def spread(table: pd.DataFrame, sd: str, mcse: str, ci_prob: float) -> dict[str, Any]:
    """Its spreads and diagnostics as columns of the long table."""
    lower, upper = (
        next(c for c in table if str(c).startswith("eti") and str(c).endswith(end)) for end in ("_lb", "_ub")
    )
    return {
        "uncertainty": table[sd].to_numpy(),
        "uncertainty_kind": "posterior_sd",
        "ci_lb": table[lower].to_numpy(),
        "ci_ub": table[upper].to_numpy(),
        "ci_kind": "eti",
        "ci_prob": ci_prob,
        "mcse": table[mcse].to_numpy(),
        "ess_bulk": table["ess_bulk"].to_numpy(),
        "r_hat": table["r_hat"].to_numpy(),
    }
