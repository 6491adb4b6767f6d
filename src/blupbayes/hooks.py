"""Hooks by which packages of regression tables (maketables) read an answer; none of them is imported."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from blupbayes.model.design import Design

__all__ = ["FitHooks", "PosteriorHooks"]

LEVEL = 0.95


class Hooks:
    """What both share: an answer has a design."""

    design: Design

    @property
    def __maketables_depvar__(self) -> str:
        """Name of the response."""
        return self.design.response

    @property
    def __maketables_fixef_string__(self) -> None:
        """No columns are absorbed."""
        return None


class FitHooks(Hooks):
    """Fixed effects with t tests by Satterthwaite."""

    @property
    def __maketables_default_stat_keys__(self) -> list[str]:
        """What stands below the table unless something else is asked for."""
        return ["N", "ll", "aic", "bic", "se_type"]

    @property
    def __maketables_coef_table__(self) -> pd.DataFrame:
        """b, se, t, p, ci95l, ci95u; a row per fixed effect."""
        from scipy.special import stdtrit

        found: pd.DataFrame = self.summary()  # type: ignore[attr-defined]
        half = stdtrit(found["df"].to_numpy(), 0.5 + LEVEL / 2) * found["se"]
        table = pd.DataFrame(
            {
                "b": found["estimate"], "se": found["se"], "t": found["t"], "p": found["p"],
                "ci95l": found["estimate"] - half, "ci95u": found["estimate"] + half,
            }
        )  # fmt: skip
        return table.rename_axis("Coefficient")

    def __maketables_stat__(self, key: str) -> Any:
        """N, ll, aic, bic and se_type; None for what a mixed model does not have."""
        names = {"N": "n_obs", "ll": "log_likelihood", "aic": "aic", "bic": "bic"}
        if key == "se_type":
            return "model-based, variances held"
        return getattr(self, names[key]) if key in names else None


class PosteriorHooks(Hooks):
    """Posterior means and sds; t and p are empty, the interval is equal-tailed."""

    @property
    def __maketables_default_stat_keys__(self) -> list[str]:
        """What stands below the table: se_type says that the spread is no standard error."""
        return ["N", "se_type"]

    @property
    def __maketables_coef_table__(self) -> pd.DataFrame:
        """b (mean), se (posterior sd), t and p (NaN), ci95l, ci95u; a row per fixed effect."""
        names = list(self.design.fixed_names)
        found: pd.DataFrame = self.summary(LEVEL)  # type: ignore[attr-defined]
        rows = found.loc[[f"beta[{name}]" for name in names]].set_axis(names, axis=0)
        table = pd.DataFrame(
            {
                "b": rows["mean"], "se": rows["sd"], "t": np.nan, "p": np.nan, "ci95l": rows["eti95_lb"],
                "ci95u": rows["eti95_ub"],
            }
        )  # fmt: skip
        return table.rename_axis("Coefficient")

    def __maketables_stat__(self, key: str) -> Any:
        """N and se_type; None for what a posterior does not have."""
        if key == "se_type":
            return "posterior sd"
        return self.design.n_obs if key == "N" else None
