"""Posteriors in words: how they were computed, how well, and from which prior."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from blupbayes.show.model_words import count, listed
from blupbayes.versions import versions

__all__ = ["Said", "draws", "integral"]


@dataclass(frozen=True)
class Said:
    """Sentences of one answer, and the keys of what they cite."""

    sentences: tuple[str, ...]
    cited: tuple[str, ...] = ()


def prior_words(prior: Any) -> str:
    """Every line of a prior."""
    words = ("flat", "known", "fixed")
    lines = [f"{name}: {x}" if x.startswith(words) else f"{name} ~ {x}" for name, x, _ in prior.lines()]
    label = f" ({prior.label})" if prior.label else ""
    return f"Priors{label} were {'; '.join(lines)}."


def integral(name: str, answer: Any) -> Said:
    """The exact posterior."""
    d = answer.diagnostics
    cloud = not math.isnan(d["pareto_k"])
    over = (
        f"importance sampling at {d['points']} quasi-Monte-Carlo points (Pareto k {d['pareto_k']:.2f})"
        if cloud
        else f"summation over a lattice of {d['points']} points"
    )
    first = (
        f"The posterior ({name}) was computed without Markov chains: fixed and random effects were integrated in "
        f"closed form, the variance parameters by {over}; the stated error of posterior means and sds was at most "
        f"{d['error']:.1g} posterior sds."
    )
    return Said((first, prior_words(answer.prior)))


def draws(name: str, answer: Any) -> Said:
    """Draws by NUTS."""
    attrs, run = answer.data.attrs, answer.data["posterior"].attrs
    used = json.loads(attrs["versions"]) if "versions" in attrs else versions()
    nutpie = run.get("inference_library") == "nutpie"
    through = f" through nutpie {used['nutpie']} ([@nutpie])" if nutpie else ""
    d = answer.diagnostics
    warm = f" after {run['tuning_steps']} of warm-up" if "tuning_steps" in run else ""
    first = (
        f"The posterior ({name}) was sampled with the No-U-Turn sampler ([@hoffman2014]) of PyMC {used['pymc']} "
        f"([@pymc2023]){through}: {count(d['chains'], 'chain')} of {d['draws']} draws each{warm}, parametrisation "
        f"{attrs.get('parameterization', 'not noted')}, seed {attrs.get('random_seed', 'not noted')}."
    )
    keys = ("hoffman2014", "pymc2023", *(["nutpie"] if nutpie else []), "vehtari2021", "arviz2026")
    return Said((first, convergence(d), *heavy_tails(answer), prior_words(answer.prior)), keys)


def convergence(d: Mapping[str, Any]) -> str:
    """How well the chains did."""
    return (
        f"By rank-normalised diagnostics ([@vehtari2021]; computed with ArviZ, [@arviz2026]) the largest R-hat was "
        f"{d['r_hat']:.3f} and the smallest effective sample sizes were {d['ess_bulk']:.0f} (bulk) and "
        f"{d['ess_tail']:.0f} (tail); {count(d['divergences'], 'transition')} diverged."
    )


def heavy_tails(answer: Any) -> Iterator[str]:
    """Random effects that are not Gaussian."""
    names = [str(name)[3:] for name in answer.data["posterior"].data_vars if str(name).startswith("nu_")]
    if names:
        yield f"The random effects of {listed(names)} had Student t distributions, nu ~ Gamma(2, 0.1)."
