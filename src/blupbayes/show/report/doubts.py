"""Why answers cannot be taken as they are: divergences, chains that disagree, estimates on the boundary."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from blupbayes.show.methods import kind
from blupbayes.show.model_words import count, listed

__all__ = ["LIMIT", "doubts"]

LIMIT = 1.01  # of R-hat


def doubts(answers: Mapping[str, Any]) -> list[str]:
    """One line for each reason, empty where there is none.

    Parameters
    ----------
    answers : mapping
        Label -> answer.
    """
    return [reason for name, answer in answers.items() for reason in of(name, answer)]


def of(name: str, answer: Any) -> Iterator[str]:
    """The reasons of one answer."""
    if getattr(answer, "converged", True) is False:
        yield f"{name}: the search did not converge"
    if getattr(answer, "is_boundary", False):
        yield f"{name}: boundary fit, {where(answer)}"
    if kind(answer) != "draws":
        return
    d = answer.diagnostics
    if d["divergences"]:
        yield f"{name}: {count(d['divergences'], 'divergence')}"
    if not d["r_hat"] <= LIMIT:
        known = d["r_hat"] == d["r_hat"]
        yield (
            f"{name}: R-hat {d['r_hat']:.3f}, above {LIMIT}" if known else f"{name}: R-hat cannot be computed"
        )


def where(answer: Any) -> str:
    """Which covariance is singular."""
    v = answer.variances
    zero = [
        f"sd({g}) = 0" if name == "Intercept" else f"sd({g}: {name}) = 0"
        for g in v.groups
        for name, sd in v.sd(g).items()
        if sd == 0
    ]
    if zero:
        return listed(zero)
    return f"the covariance of {listed(answer.estimate.singular)} is singular"
