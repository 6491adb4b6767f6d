"""Calibration: ranks of simulated truths in their posteriors, as users hold them."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from blupbayes.bayes.calibration import uniformity
from blupbayes.show.summary import paragraph

__all__ = ["Calibration"]


@dataclass(frozen=True, eq=False, repr=False)
class Calibration:
    """Made by ``model.calibrate``.

    Parameters
    ----------
    ranks : DataFrame
        Posterior probability of lying below the truth, a row per simulation and a column per quantity.
    """

    ranks: pd.DataFrame

    def summary(self) -> pd.DataFrame:
        """Chi-square test and Kolmogorov envelope of every quantity: chi2, p, distance, limit, inside."""
        return uniformity(self.ranks)

    def __repr__(self) -> str:
        table = self.summary()
        outside = list(table.index[~table["inside"].astype(bool)])
        verdict = (
            f"Not uniform: {', '.join(outside)}. Prior, simulation and posterior are not of one model."
            if outside
            else "All ranks are as uniform as they should be."
        )
        text = table.to_string(float_format=lambda x: f"{x:.3g}")
        return f"{len(self.ranks)} simulations\n\n{text}\n{paragraph(verdict)}"
