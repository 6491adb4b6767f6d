"""The methods section of a report: what was fitted, how, from which priors, how well; and what to cite for it.

Reads answers by what they have (estimate, variances, integral, draws), not by their class.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from blupbayes.errors import ComparisonError
from blupbayes.show.citations import REFERENCES, Reference, bibtex, in_text, reference_list
from blupbayes.show.model_words import listed, model_sentences
from blupbayes.show.posterior_words import Said, draws, integral
from blupbayes.versions import versions

__all__ = ["cite", "methods_text"]

STYLES = ("plain", "apa")
ROUNDING = -12  # power of ten
DFS = {"none": "", "satterthwaite": "satterthwaite1946", "kenward-roger": "kenward1997"}


def kind(answer: Any) -> str:
    """fit, solution, integral, draws, or elsewhere."""
    if hasattr(answer, "certificate"):
        return "fit"
    if hasattr(answer, "integral"):
        return "integral"
    if hasattr(answer, "diagnostics") and hasattr(answer, "data"):
        return "draws"
    return "solution" if hasattr(answer, "variances") and hasattr(answer, "kappa") else "elsewhere"


def methods_text(answers: Mapping[str, Any], ci_prob: float, style: str = "plain", df: str = "none") -> str:
    """Paragraphs in the past tense: model; estimation; posterior; software.

    Raises
    ------
    ComparisonError
        If there is no such style or df.
    """
    check(style, STYLES, "style")
    check(df, DFS, "df")
    said = [*frequentist(answers, df), *bayesian(answers)]
    designs = [a.design for a in answers.values() if hasattr(a, "design")]
    first = " ".join(model_sentences(designs[0])) if designs else ""
    paragraphs = [first, " ".join(x for part in said for x in part.sentences), software(answers, ci_prob)]
    text = "\n\n".join(filter(None, paragraphs))
    for key in cited(answers, df):
        text = text.replace(f"[@{key}]", in_text(current(key), style))
    if style == "plain":
        return text
    return f"{text}\n\nReferences\n\n{reference_list([current(key) for key in cited(answers, df)])}"


def cite(answers: Mapping[str, Any], format: str = "bibtex", df: str = "none") -> str:
    """What the methods text cites, as BibTeX entries or as a list.

    Raises
    ------
    ComparisonError
        If there is no such format or df.
    """
    check(format, ("bibtex", "text"), "format")
    check(df, DFS, "df")
    found = [current(key) for key in cited(answers, df)]
    return bibtex(found) if format == "bibtex" else reference_list(found)


def check(given: str, known: Any, name: str) -> None:
    """Refuse what is not known."""
    if given not in known:
        raise ComparisonError(f"{name}={given!r} is not one of {', '.join(map(repr, known))}.")


def cited(answers: Mapping[str, Any], df: str) -> list[str]:
    """Keys of all that is cited, each once."""
    said = [*frequentist(answers, df), *bayesian(answers)]
    return list(dict.fromkeys([*(key for part in said for key in part.cited), "blupbayes"]))


def current(key: str) -> Reference:
    """A reference; software with its installed version."""
    r = REFERENCES[key]
    return r if r.journal else replace(r, version=versions()[key])


def frequentist(answers: Mapping[str, Any], df: str) -> Iterator[Said]:
    """Estimates, predictions at known variances, and what is from elsewhere."""
    fits = [a for a in answers.values() if kind(a) == "fit"]
    if fits:
        yield estimation(fits)
        yield from singular(fits)
        if df != "none":
            name = "Satterthwaite's" if df == "satterthwaite" else "Kenward and Roger's"
            yield Said((f"Degrees of freedom of t tests were {name} ([@{DFS[df]}]).",), (DFS[df],))
    for name, a in answers.items():
        if kind(a) == "solution":
            yield solution(name, a)
        elif kind(a) == "elsewhere":
            yield Said((f"The answer {name!r} was brought in from elsewhere.",))


METHOD = {"REML": "restricted maximum likelihood (REML; [@harville1974])", "ML": "maximum likelihood (ML)"}


def estimation(fits: Sequence[Any]) -> Said:
    """How variances were estimated, and how well that went."""
    methods = list(dict.fromkeys(fit.method for fit in fits))
    exact = all(fit.certificate.exact_curvature for fit in fits)
    steps = "Newton steps" if exact else "average-information and Newton steps"
    failed = [fit.method for fit in fits if not fit.converged]
    end = ceiling(max(fit.certificate.newton_decrement for fit in fits))
    state = (
        f"the search of {listed(failed)} did not converge"
        if failed
        else f"every search ended within {end} deviance units of its optimum"
    )
    first = (
        f"Variance components were estimated by {listed([METHOD[m] for m in methods])}, by {steps} in a trust region "
        f"on the criterion profiled over the fixed effects and the residual variance; {state}."
    )
    second = (
        "Fixed effects were estimated by generalised least squares and random effects predicted by best linear "
        "unbiased prediction (BLUP; [@henderson1975]; [@robinson1991]) at these variances."
    )
    first_cited = ("harville1974",) if "REML" in methods else ()
    return Said((first, second), (*first_cited, "henderson1975", "robinson1991"))


def ceiling(x: float) -> str:
    """A power of ten that is not below x, nor below the rounding error of a deviance."""
    return f"1e{next((k for k in range(ROUNDING, 3) if x <= 10.0**k), 3):d}"


def singular(fits: Sequence[Any]) -> Iterator[Said]:
    """That covariance matrices are singular, in words; fits of which the same is true together."""
    found: dict[str, list[str]] = {}
    for fit in fits:
        if fit.is_boundary:
            found.setdefault(singularity(fit), []).append(fit.method)
    for what, methods in found.items():
        yield Said((f"By {listed(list(dict.fromkeys(methods)))} {what}.",))


def singularity(fit: Any) -> str:
    """What is singular."""
    zero = [
        f"sd({g})" if name == "Intercept" else f"sd({g}: {name})"
        for g in fit.variances.groups
        for name, sd in fit.variances.sd(g).items()
        if sd == 0
    ]
    if zero:
        what = "the estimate of {} was 0" if len(zero) == 1 else "the estimates of {} were 0"
        return (
            f"{what.format(listed(zero))}, the boundary of the parameter space (a singular fit), and these effects "
            "were predicted as 0"
        )
    return (
        f"the estimated covariance matrix of the effects of {listed(fit.estimate.singular)} was singular: a "
        "correlation of -1 or 1, or a combination of effects without variance"
    )


def solution(name: str, answer: Any) -> Said:
    """Henderson's equations at known variances."""
    prior = (
        "a flat prior of the fixed effects"
        if answer.kappa == 0
        else f"prior precision {answer.kappa:.4g} of every fixed effect"
    )
    return Said(
        (
            f"The mixed model equations ([@henderson1975]) were solved at given variances, with {prior} ({name}).",
        ),
        ("henderson1975",),
    )


def bayesian(answers: Mapping[str, Any]) -> Iterator[Said]:
    """Posteriors, each with its prior."""
    for name, a in answers.items():
        if kind(a) == "integral":
            yield integral(name, a)
        elif kind(a) == "draws":
            yield draws(name, a)


def software(answers: Mapping[str, Any], ci_prob: float) -> str:
    """Intervals and versions."""
    used = versions()
    kinds = {kind(a) for a in answers.values()}
    what = ["normal intervals with the variances held"] if kinds & {"fit", "solution"} else []
    what += ["equal-tailed posterior intervals"] if kinds & {"integral", "draws"} else []
    names = {"numpy": "NumPy", "scipy": "SciPy"}
    others = ", ".join(f"{label} {used[name]}" for name, label in names.items())
    first = f"Intervals are {100 * ci_prob:g} % {listed(what)}. " if what else ""
    python = f"Python {used['python']}"
    return f"{first}Computations used blupbayes {used['blupbayes']} ([@blupbayes]) with {python}, {others}."
