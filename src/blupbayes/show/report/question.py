"""The question of a report and its model, in words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from blupbayes.show.model_words import count, listed

__all__ = ["heading", "model_words", "question"]


def heading(subject: Any) -> str:
    """What a report is called unless the user says it."""
    by = listed([g.name for g in subject.design.groups])
    return str(subject.about.get("title") or f"{subject.design.response} by {by}")


def question(subject: Any) -> str:
    """What the model asks of the data, as one question."""
    d = subject.design
    unit = subject.unit(d.response)
    y = f"{d.response} ({unit})" if unit else d.response
    slopes = columns([name for name in d.fixed_names if name != "Intercept"])
    first = f"How does {y} depend on {listed(slopes)}, " if slopes else f"What is the mean of {y}, "
    if not d.fixed_names:
        first = f"In {y}, "
    return f"{first}{differ(d, bool(slopes))}, and what is best said about each of them?"


def differ(design: Any, slopes: bool) -> str:
    """What is asked of the groups; those that differ in their intercepts only are asked together."""
    around = "beyond that" if slopes else "around it" if design.fixed_names else "from each other"
    plain = [g for g in design.groups if tuple(g.names) == ("Intercept",)]
    asked = [f"how much do {listed([levels_of(g) for g in plain])} differ {around}"] if plain else []
    for g in design.groups:
        if g not in plain:
            named = [
                "the intercept" if name == "Intercept" else f"the effect of {name}"
                for name in columns(g.names)
            ]
            asked.append(f"how much do {levels_of(g)} differ in {listed(named)}")
    return ", ".join(asked)


def columns(names: Sequence[str]) -> list[str]:
    """Names of coefficients without the levels of their factors, each once: Machine for Machine[T.B]."""
    return list(dict.fromkeys(re.sub(r"\[[^\]]*\]", "", name) for name in names))


def levels_of(group: Any) -> str:
    """The levels of one group."""
    return f"the {count(len(group.levels), 'level')} of {group.name}"


def model_words(design: Any) -> list[str]:
    """The parts of the model, a sentence each."""
    return [
        f"{design.response} of a row is the sum of the parts below.",
        *fixed_words(design),
        *(sentence for g in design.groups for sentence in group_words(design, g)),
        *known_words(design),
        residual_words(design),
    ]


def fixed_words(design: Any) -> Iterator[str]:
    """What the fixed effects are."""
    slopes = [name for name in design.fixed_names if name != "Intercept"]
    groups = listed([g.name for g in design.groups])
    if len(slopes) < len(design.fixed_names):
        where = f" where {listed(slopes)} {'is' if len(slopes) == 1 else 'are'} 0" if slopes else ""
        yield f"Fixed intercept: the mean{where}, over the population that the levels of {groups} stand for."
    if slopes:
        noun = "Fixed effect" if len(slopes) == 1 else "Fixed effects"
        yield f"{noun} of {listed(slopes)}: what is the same for every level of {groups}."


def group_words(design: Any, group: Any) -> Iterator[str]:
    """What the random effects of one group are."""
    own = ["intercept" if name == "Intercept" else f"effect of {name}" for name in group.names]
    free = [name for name in group.names if name not in design.fixed_names]
    one = len(own) == 1
    around = "0" if len(free) == len(own) else "the fixed one" if one else "the fixed ones"
    lies = "it lies" if one else "they lie"
    yield (
        f"Random {listed(own)} of each level of {group.name} ({len(group.levels)}): how far {lies} from {around}; "
        f"normal with mean 0 and {spread(group)}."
    )
    if free and len(free) < len(own):
        yield f"Without a fixed effect of its own, and so around 0: {listed(free)} of {group.name}."
    if len(group.factors) > 1:
        yield f"A level of {group.name} is one combination of {listed(group.factors)}."


def spread(group: Any) -> str:
    """The standard deviations of one group, and whether its effects are correlated."""
    if len(group.names) == 1:
        return f"standard deviation sd({group.name}), which is estimated"
    sets = [t for t in group.terms if t.structure == "full" and t.stop - t.start > 1]
    if not sets:
        return "a standard deviation each, which are estimated; uncorrelated"
    if len(group.terms) == 1:
        pairs = "a correlation" if len(group.names) == 2 else "correlations"
        return f"a standard deviation each and {pairs}, all estimated"
    return (
        "a standard deviation each, all estimated; correlated within a term of the formula, not between terms"
    )


def known_words(design: Any) -> Iterator[str]:
    """Offset."""
    if design.has_offset:
        yield "Offset: a known part of the mean, with no coefficient."


def residual_words(design: Any) -> str:
    """What is left."""
    sd = "sd sigma, which is estimated" if design.sigma is None else f"known sd sigma = {design.sigma:g}"
    if not design.has_weights:
        return f"Residual: normal with mean 0 and {sd}, the same for every row."
    return (
        f"Residual: normal with mean 0, {sd}, at weight 1; at weight w its variance is sigma squared over w."
    )
