"""A linear mixed model in words: rows, levels, fixed and random effects, what is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["count", "listed", "model_sentences"]

MOST = 8  # names in a list


def model_sentences(design: Any) -> list[str]:
    """What was fitted to what, past tense.

    Parameters
    ----------
    design : Design
    """
    groups = listed([f"{count(len(g.levels), 'level')} of {g.name}" for g in design.groups])
    dropped = f" ({count(design.n_dropped, 'row')} with missing values left out)" if design.n_dropped else ""
    effects = listed([*fixed_of(design), *map(effects_of, design.groups)])
    formula = f" (formula: {design.formula})" if "~" in design.formula else ""
    first = (
        f"A linear mixed model was fitted to {count(design.n_obs, 'observation')}{dropped} of {design.response}, "
        f"from {groups}, with {effects}{formula}."
    )
    return [first, *particulars(design)]


def fixed_of(design: Any) -> list[str]:
    """Its fixed effects."""
    names = [name for name in design.fixed_names if name != "Intercept"]
    found = ["a fixed intercept"] if len(names) < len(design.fixed_names) else []
    if names:
        found.append(
            f"a fixed effect of {names[0]}" if len(names) == 1 else f"fixed effects of {listed(names)}"
        )
    return found or ["no fixed effects"]


def effects_of(group: Any) -> str:
    """The random effects of one grouping factor."""
    slopes = [name for name in group.names if name != "Intercept"]
    parts = ["intercepts"] if len(slopes) < len(group.names) else []
    parts += [f"effects of {listed(slopes)}"] if slopes else []
    return f"random {' and '.join(parts)} for {group.name}{correlation(group)}"


def correlation(group: Any) -> str:
    """Whether the effects of a level are correlated."""
    if len(group.names) < 2:
        return ""
    full = [t for t in group.terms if t.structure == "full" and t.stop - t.start > 1]
    if not full:
        return " (uncorrelated)"
    return " (correlated)" if len(group.terms) == 1 else " (correlated within terms)"


def particulars(design: Any) -> list[str]:
    """Weights, offset, a known residual sd."""
    out = []
    if design.has_weights:
        out.append("Observations had precision weights.")
    if design.has_offset:
        out.append("An offset was added to the mean.")
    if design.sigma is not None:
        out.append(f"The residual sd of an observation with weight 1 was known ({design.sigma:.4g}).")
    return out


def count(n: int, word: str) -> str:
    """1 row, 2 rows."""
    return f"{n} {word}" if n == 1 else f"{n} {word}s"


def listed(names: Sequence[str]) -> str:
    """a; a and b; a, b and c; the middle of a long list left out."""
    shown = [*names[: MOST - 1], f"{len(names) - MOST + 1} more"] if len(names) > MOST else list(names)
    return " and ".join(filter(None, [", ".join(shown[:-1]), *shown[-1:]]))
