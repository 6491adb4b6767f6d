"""Names of other programs in the words of this package: (Intercept), b:a with b1:a1, MachineB, 308.0.

What can be told without a model is told; the rest needs the model's own names, and is left as it is without them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

__all__ = ["Known", "known_of", "text"]

INTERCEPTS = {"(Intercept)", "1", "b_Intercept"}


@dataclass(frozen=True)
class Known:
    """A model's own names: fixed columns, (coefficients, levels) of each grouping factor; empty without a model."""

    fixed: tuple[str, ...] = ()
    groups: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = field(default_factory=dict)

    def group(self, name: str) -> tuple[str, bool]:
        """The grouping factor, and whether it is written the other way round (lme4's b:a for a:b)."""
        flipped = turned(name)
        other = name not in self.groups and flipped in self.groups
        return (flipped, True) if other else (name, False)

    def term(self, name: str, group: str = "") -> str:
        """A coefficient: of the fixed side, or of a grouping factor."""
        plain = "Intercept" if name in INTERCEPTS else name
        return matched(plain, self.groups[group][0] if group in self.groups else self.fixed, squeezed)

    def level(self, name: str, group: str, flipped: bool) -> str:
        """A level; the grouping factor as `group` gives it."""
        own = turned(name) if flipped else name
        return matched(own, self.groups[group][1] if group in self.groups else (), simple)

    def has(self, component: str, group: str, level: str, term: str) -> bool:
        """Whether the model has such a row; True where there is no model to ask."""
        if not (self.fixed or self.groups) or component in ("icc", "marginal_mean"):
            return True
        if group in ("", "residual"):
            return group == "residual" or term in self.fixed
        if group not in self.groups:
            return False
        names, levels = self.groups[group]
        wanted = term.split(", ") if component == "corr" else [term]
        return all(t in names for t in wanted) and (not level or level in levels)


def known_of(model: Any) -> Known:
    """The names of a MixedModel, a Design, or anything with a ``design``; None gives none."""
    if model is None:
        return Known()
    design = getattr(model, "design", model)
    return Known(
        tuple(design.fixed_names), {g.name: (tuple(g.names), tuple(g.levels)) for g in design.groups}
    )


def turned(name: str) -> str:
    """b:a for a:b."""
    return ":".join(reversed(name.split(":")))


def squeezed(name: str) -> str:
    """Without what marks a level of a factor: Machine[T.B] and MachineB are the same."""
    return re.sub(r"\[T\.|[\[\]()]", "", name)


def simple(name: str) -> str:
    """With one sign for all that is no letter or digit: brms writes A_1 for A:1."""
    return re.sub(r"\W", "_", name)


def matched(name: str, own: Iterable[str], form: Any) -> str:
    """The model's own spelling of a name, if there is exactly one of the same form; else the name."""
    names = tuple(own)
    if name in names:
        return name
    same = [other for other in names if form(other) == form(name)]
    return same[0] if len(same) == 1 else name


def text(value: Any) -> str:
    """A key as text: nothing for missing values, no ``.0`` behind whole numbers."""
    if value is None or value is pd.NA or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
