"""What a report computes beyond its comparison: pictures and the sensitivity analysis, each once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from blupbayes.bayes.integrate import ON_LATTICE
from blupbayes.errors import BlupbayesError
from blupbayes.model.prior import Prior
from blupbayes.prior_analysis.analyse import analyse
from blupbayes.sensitivity import Sensitivity
from blupbayes.show.report.model_code import prior_code
from blupbayes.show.report.pieces import Missing, Picture, Piece
from blupbayes.show.report.subject import Subject

__all__ = ["Findings", "own_priors"]

PAGE, PHONE = "174mm", "84mm"
MINE = "prior of this report"


@dataclass(frozen=True, eq=False)
class Findings:
    """Results on a subject.

    Parameters
    ----------
    subject : Subject
    asked : bool or mapping
        Whether a sensitivity analysis is wanted, or its priors.
    phone : bool
        Whether pictures are drawn for a narrow screen, too.
    """

    subject: Subject
    asked: Any = True
    phone: bool = True

    @cached_property
    def sensitivity(self) -> Sensitivity | str:
        """The analysis, or why there is none."""
        if self.asked is False:
            return "it was left out on request."
        priors = self.asked if isinstance(self.asked, Mapping) else None
        s, level = self.subject, self.subject.comparison.ci_prob
        if priors is None and s.design.n_theta > ON_LATTICE:
            return (
                f"the model has {s.design.n_theta} variance parameters besides sigma, and an integral over more than "
                f"{ON_LATTICE} takes minutes for each prior. Name the priors to have it: sensitivity={{'tight': "
                "'HalfNormal(10)'}."
            )
        also = own_priors(s) if priors is None else None
        try:
            found = analyse(s.design, s.statistics, priors, 0.01, level, None, also)
        except BlupbayesError as refusal:
            return str(refusal)
        return (
            found if found.posteriors else "; ".join(dict.fromkeys([*found.failed.values(), *found.remarks]))
        )

    def pictures(self, what: str, name: str, owner: str, method: str, **chosen: Any) -> Iterator[Piece]:
        """The figure that a method of ``cmp`` or ``sensitivity`` draws, or why there is none."""
        of = self.subject.comparison if owner == "cmp" else self.sensitivity
        draw = partial(getattr(of, method), **chosen)
        try:
            wide = draw(width=PAGE)
            narrow = draw(width=PHONE)._repr_png_() if self.phone else b""
        except BlupbayesError as refusal:
            yield Missing(what, str(refusal))
            return
        call = f"{owner}.{method}({', '.join(f'{k}={v!r}' for k, v in chosen.items())})"
        yield Picture(name, wide.alt, wide.caption, call, wide._repr_png_(), narrow)


def own_priors(subject: Subject) -> dict[str, Prior]:
    """Priors of the posteriors here that are not the default, under a label each."""
    given = [
        a.prior.given
        for a in subject.answers.values()
        if hasattr(a, "averages") and a.prior.given is not None
    ]
    found = {prior_code(p): p for p in given if prior_code(p) != "bb.Prior()"}
    if len(found) == 1:
        return {MINE: next(iter(found.values()))}
    return {f"{MINE} ({k})": p for k, p in enumerate(found.values(), start=1)}
