"""What a report says of model and data: right words for every kind of model."""

import re

import numpy as np
import pandas as pd
import pytest

import blupbayes as bb
from blupbayes.show.report.data import relation
from blupbayes.show.report.equations import explained, model_formula
from blupbayes.show.report.notation import words
from blupbayes.show.report.question import model_words, question
from blupbayes.show.report.subject import Subject


def design(formula, data, **options):
    return bb.MixedModel(formula, bb.load_dataset(data) if isinstance(data, str) else data, **options).design


def asked(*args, **options):
    return question(Subject(None, design(*args, **options)))


def balanced(latex):
    """Braces and environments close in order."""
    plain = re.sub(r"\\[{}\\]", "", latex)
    depth = np.cumsum([(c == "{") - (c == "}") for c in plain])
    assert depth.min() >= 0 and depth[-1] == 0, latex
    opened = re.findall(r"\\(begin|end)\{(\w+)\}", latex)
    stack = []
    for what, name in opened:
        if what == "begin":
            stack.append(name)
        else:
            assert stack.pop() == name
    assert not stack


KINDS = {
    "intercept": ("travel ~ 1 + (1 | Rail)", "rail", {}),
    "slopes": ("Reaction ~ Days + (Days | Subject)", "sleepstudy", {}),
    "uncorrelated": ("Reaction ~ Days + (Days || Subject)", "sleepstudy", {}),
    "crossed": ("diameter ~ 1 + (1 | plate) + (1 | sample)", "penicillin", {}),
    "nested": ("strength ~ 1 + (1 | batch/cask)", "pastes", {}),
    "factor": ("score ~ Machine + (Machine | Worker)", "machines", {}),
    "none fixed": ("Reaction ~ 0 + (1 | Subject)", "sleepstudy", {}),
    "unfixed slope": ("Reaction ~ 1 + (Days | Subject)", "sleepstudy", {}),
    "weights": ("Reaction ~ Days + (1 | Subject)", "sleepstudy", {"weights": np.linspace(1, 2, 180)}),
    "offset": ("Reaction ~ Days + (1 | Subject)", "sleepstudy", {"offset": np.ones(180)}),
    "known": ("Reaction ~ Days + (1 | Subject)", "sleepstudy", {"sigma": 25.0}),
    "many": ("Reaction ~ poly(Days, 6) + (poly(Days, 4) | Subject)", "sleepstudy", {}),
}


def of(kind):
    formula, data, options = KINDS[kind]
    return design(formula, data, **options)


@pytest.mark.parametrize("kind", KINDS)
def test_formulas_are_well_formed(kind):
    from xml.dom.minidom import parseString

    found = model_formula(of(kind))
    balanced(found.latex)
    parseString(f"<math>{found.mathml}</math>")
    said = " ".join(model_words(of(kind)))
    assert "None" not in said and "[]" not in said and "  " not in said, said


def test_questions():
    assert asked("travel ~ 1 + (1 | Rail)", "rail") == (
        "What is the mean of travel (ns), how much do the 6 levels of Rail differ around it, and what is best said "
        "about each of them?"
    )
    assert "how much do the 24 levels of plate and the 6 levels of sample differ around it" in asked(
        *KINDS["crossed"][:2]
    )
    slopes = asked(*KINDS["slopes"][:2])
    assert slopes.startswith(
        "How does Reaction (ms) depend on Days, how much do the 18 levels of Subject differ in the "
    )
    assert "differ in the intercept and the effect of Days" in slopes
    assert asked(*KINDS["factor"][:2]).startswith("How does score depend on Machine, ")  # not on Machine[T.B]
    assert asked(*KINDS["none fixed"][:2]).startswith(
        "In Reaction (ms), how much do the 18 levels of Subject differ from"
    )


@pytest.mark.parametrize(
    ("kind", "there", "absent"),
    [
        ("intercept", ["the mean, over", "mean 0 and standard deviation sd(Rail)"], ["Offset", "weight", "correl"]),
        ("slopes", ["where Days is 0", "a correlation, all estimated", "how far they lie"], ["uncorrelated"]),
        ("uncorrelated", ["uncorrelated"], ["a correlation"]),
        ("nested", ["one combination of batch and cask"], []),
        ("none fixed", ["how far it lies from 0"], ["Fixed"]),
        ("unfixed slope", ["Without a fixed effect of its own, and so around 0: Days"], ["Fixed effect of"]),
        ("weights", ["at weight w its variance is sigma squared over w"], ["known"]),
        ("offset", ["Offset: a known part"], []),
        ("known", ["known sd sigma = 25"], ["estimated, the same"]),
    ],
)  # fmt: skip
def test_words_of_the_model(kind, there, absent):
    said = " ".join(model_words(of(kind)))
    assert all(text in said for text in there) and not any(text in said for text in absent), said


def test_equations():
    latex = {kind: model_formula(of(kind)).latex for kind in KINDS}
    assert r"\rho" in latex["slopes"] and r"\rho" not in latex["uncorrelated"]
    assert latex["uncorrelated"].count("& 0") == 1  # the covariance that is not there
    assert (
        r"\sigma_{\text{plate}}^{2}" in latex["crossed"] and r"\sigma_{\text{sample}}^{2}" in latex["crossed"]
    )
    assert r"\frac{\sigma^{2}}{w_{i}}" in latex["weights"] and "w_{i}" not in latex["intercept"]
    assert "o_{i}" in latex["offset"] and "o_{i}" not in latex["intercept"]
    assert r"\sigma = 25" in latex["known"]
    assert r"\beta" not in latex["none fixed"]
    assert latex["many"].count(r"\sum") == 2 and len(explained(of("many"))) == 2
    assert len(latex["intercept"].splitlines()) == 5  # y, b, e between begin and end


def test_names_in_formulas_keep_their_signs():
    text = words("Höhe_1 (50 %) <a & b> #{x} $y$ c~d^e\\f")
    balanced(text.latex)
    assert "&lt;a &amp; b&gt;" in text.mathml and "<a" not in text.mathml
    for sign in ("&", "%", "_", "#", "$"):
        assert not re.search(rf"(?<!\\){re.escape(sign)}", text.latex), sign
    assert "<" not in text.latex and ">" not in text.latex


def test_how_grouping_factors_lie_to_each_other():
    g = {name: np.repeat(["a", "b", "c", "d"], 4) for name in ("A",)}
    frame = pd.DataFrame(g).assign(
        B=np.tile(["x", "y"], 8), C=np.repeat([f"c{k}" for k in range(8)], 2), D=list("pqrspqrtpqrspqrs"),
        y=np.random.default_rng(1).normal(size=16),
    )  # fmt: skip
    d = design("y ~ 1 + (1 | A) + (1 | B) + (1 | C) + (1 | D)", frame)
    A, B, C, D = d.groups
    assert "fully crossed" in relation(A, B)
    assert relation(A, C).startswith("C is nested in A") and relation(C, A).startswith("C is nested in A")
    met = frame.groupby(["A", "D"]).ngroups
    assert f"{met} of {4 * 5} combinations" in relation(A, D)
