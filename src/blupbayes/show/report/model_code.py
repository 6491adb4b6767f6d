"""Python that makes the answers of a comparison again."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from blupbayes.model.prior import Prior
from blupbayes.model.read_prior import in_words
from blupbayes.show.methods import kind

__all__ = ["Again", "answers_code", "model_code", "prior_code"]

POOLS = {"complete pooling": "complete", "no pooling": "none"}


def model_code(subject: Any) -> str:
    """The line that builds the model."""
    options = dict(subject.source.options)
    for role in subject.arrays:
        options[role] = f"{role}_of_row"
    given = [f"{name}={value!r}" for name, value in options.items() if value is not None and value != "raise"]
    return f"model = bb.MixedModel({', '.join([repr(subject.source.formula), 'data', *given])})"


def prior_code(prior: Prior) -> str:
    """A Prior as the call that makes it."""
    changed = {f.name: getattr(prior, f.name) for f in fields(prior)}
    changed = {f.name: changed[f.name] for f in fields(prior) if not same(changed[f.name], f.default)}
    return f"bb.Prior({', '.join(f'{name}={literal(in_words(value))}' for name, value in changed.items())})"


def same(value: Any, default: Any) -> bool:
    """Whether a field was left alone."""
    return value is default or (np.ndim(value) == 0 and not isinstance(value, Mapping) and value == default)


def literal(value: Any) -> str:
    """A value as Python that needs only numpy's and our names."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key!r}: {literal(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    if isinstance(value, np.ndarray | np.generic):
        return repr(value.tolist())
    named = type(value).__module__.startswith("blupbayes")
    return f"bb.{value!r}" if named else repr(value)


@dataclass(frozen=True)
class Again:
    """Lines that end in a Comparison ``cmp``, the variable of each answer, and those that no code can make."""

    code: str
    variables: Mapping[str, str]
    lost: tuple[str, ...]


def answers_code(subject: Any) -> Again:
    """How to make all answers of a comparison."""
    lines, lost = [], []
    variables: dict[str, str] = {}
    for label, answer in subject.answers.items():
        call = made(answer, subject.answers, variables)
        if call is None:
            lost.append(label)
            continue
        variables[label] = variable(answer, variables)
        lines.append(f"{variables[label]} = {call}")
    entries = [f"{label!r}: {name}" for label, name in variables.items()]
    return Again("\n".join([*lines, *comparison(subject.comparison, entries)]), variables, tuple(lost))


def variable(answer: Any, taken: Mapping[str, str]) -> str:
    """A name that is not taken."""
    estimator = {"ML": "ml", "REML": "reml", "MME": "mme", "integrate": "exact", "NUTS": "draws"}
    base = estimator.get(answer.estimator, answer.estimator.replace(" ", "_"))
    numbered = (base if k == 1 else f"{base}{k}" for k in range(1, len(taken) + 2))
    return next(name for name in numbered if name not in taken.values())


def comparison(cmp: Any, entries: list[str]) -> Iterator[str]:
    """The call of compare."""
    options = [] if cmp.ci_prob == 0.95 else [f", ci_prob={cmp.ci_prob!r}"]
    options += [f", rows={list(cmp.rows)!r}"] if cmp.rows else []
    options += [] if cmp.spread == "pev_sd" else [f", spread={cmp.spread!r}"]
    yield f"cmp = bb.compare({{{', '.join(entries)}}}{''.join(options)})"


def made(answer: Any, answers: Mapping[str, Any], variables: Mapping[str, str]) -> str | None:
    """The call that makes an answer; None for one from elsewhere."""
    what = kind(answer)
    if answer.estimator in POOLS and hasattr(answer, "design"):
        return f"model.pool({POOLS[answer.estimator]!r})"
    if answer.estimator == "mode" and hasattr(answer, "log_density"):
        return f"model.mode({own_prior(answer)})"
    if what == "fit":
        return f"model.fit({answer.method!r})"
    if what == "solution":
        return solved(answer, answers, variables)
    if what == "integral":
        return call(
            "model.integrate",
            own_prior(answer),
            {"rel_error": answer.integral.rel_error},
            {"rel_error": 0.01},
        )
    return sampled(answer) if what == "draws" else None


def own_prior(answer: Any) -> str:
    """The prior of an answer; "" for the default."""
    given = answer.prior.given
    text = "" if given is None else prior_code(given)
    return "" if text == "bb.Prior()" else text


def call(function: str, first: str, options: Mapping[str, Any], defaults: Mapping[str, Any]) -> str:
    """A call with the options that are not as usual."""
    named = [f"{k}={literal(v)}" for k, v in options.items() if k not in defaults or v != defaults[k]]
    return f"{function}({', '.join(filter(None, [first, *named]))})"


def solved(answer: Any, answers: Mapping[str, Any], variables: Mapping[str, str]) -> str:
    """Henderson's equations, at the variances of a fit or written out."""
    options = {"kappa": answer.kappa, "prior_mean": answer.prior_mean}
    for label, name in reversed(list(variables.items())):
        if kind(answers[label]) == "fit" and equal(answers[label].variances, answer.variances):
            return call("model.solve", name, options, {"kappa": 0.0, "prior_mean": 0.0})
    v = answer.variances
    known = {g: np.asarray(v[g]).tolist() for g in v.groups} | {"residual": v.residual}
    return call("model.solve", literal(known), options, {"kappa": 0.0, "prior_mean": 0.0})


def equal(a: Any, b: Any) -> bool:
    """Whether two Variances are the same but for rounding."""
    pairs = [(a.residual, b.residual), *zip(a.covariances, b.covariances, strict=True)]
    return all(np.allclose(x, y, rtol=1e-12, atol=1e-12 * np.max(np.abs(x))) for x, y in pairs)


def sampled(answer: Any) -> str:
    """The call of sample, with the seed that makes the same draws."""
    attrs, d = answer.data.attrs, answer.diagnostics
    options = {"draws": d["draws"], "chains": d["chains"], "random_seed": attrs["random_seed"]}
    if "sample_arguments" in attrs:
        options = json.loads(attrs["sample_arguments"])
    usual = {"parameterization": "auto", "random": "normal", "draws": 1000, "tune": 1000, "chains": 4}
    return call("model.sample", own_prior(answer), options, usual)
