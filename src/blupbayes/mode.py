"""Mode: a penalised REML estimate, as blme's, as users hold it. Thin and frozen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from blupbayes.bayes.penalised import peak
from blupbayes.mme.gaussian import posterior
from blupbayes.mme.statistics import Statistics
from blupbayes.model.design import Design
from blupbayes.model.packages import package_defaults
from blupbayes.model.prior import Prior
from blupbayes.model.resolved import ResolvedPrior
from blupbayes.solution import Gaussian
from blupbayes.variances import Variances

__all__ = ["Mode", "penalised_mode"]


@dataclass(frozen=True, eq=False, repr=False)
class Mode(Gaussian):
    """Henderson's solution at the mode of the variances under a prior.

    Parameters
    ----------
    design, statistics, variances, posterior
        As in Gaussian; the variances are those at the mode.
    prior : ResolvedPrior
        What the likelihood was penalised by.
    log_density : float
        Log of likelihood times prior there, up to the prior's constants.
    """

    prior: ResolvedPrior
    log_density: float

    held: ClassVar[str] = "penalised mode"

    @property
    def estimator(self) -> str:
        """Label in tables."""
        return "mode"

    @property
    def is_boundary(self) -> bool:
        """Whether an sd is 0 at the mode."""
        return any((self.variances.sd(g) == 0).any() for g in self.variances.groups)

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines for the foot of a table: what it is a mode of, and which prior."""
        prior = "; ".join(f"{name} ~ {text}" for name, text, _ in self.prior.lines())
        return (
            "mode of likelihood times prior over the variances, beta and b integrated out (penalised REML, as blme), "
            "each prior with the density of what it is stated for; beta and b are at these variances.",
            f"penalty {prior}.",
        )


def penalised_mode(design: Design, statistics: Statistics, prior: Prior | None) -> Mode:
    """The mode under a prior; None is blme's default penalty.

    Raises
    ------
    PriorError, IdentifiabilityError
        If there is no such mode.
    """
    given = Prior(**package_defaults("blme", design)) if prior is None else prior
    resolved = given.filled(design)
    top = peak(statistics, resolved)
    variances = Variances.from_factors(statistics.groups, top.T, top.sigma)
    solved = posterior(statistics, top.T, top.sigma, resolved.kappa, resolved.mean)
    return Mode(design, statistics, variances, solved, resolved, top.log_density)
