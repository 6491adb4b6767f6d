"""Which random coefficients a name means; what lme4's re.form makes of the same terms."""

import numpy as np
import pytest

import blupbayes as bb
from blupbayes.errors import DataError
from blupbayes.model.design import build
from blupbayes.model.selection import taken

SLEEP = build("Reaction ~ Days + (Days | Subject)", bb.load_dataset("sleepstudy"))
MACHINES = build("score ~ Machine + (Machine | Worker)", bb.load_dataset("machines"))
LME4 = {
    "(1 | Subject)": [253.663670230, 347.869243866, 380.501029258],
    "(0 + Days | Subject)": [251.405104848, 428.401425809, 423.265234145],
}
PASTES = build("strength ~ 1 + (1 | batch/cask)", bb.load_dataset("pastes"))


def names(design, random):
    """The coefficients that take part."""
    return [
        f"{g.name}[{name}]"
        for g, mine in zip(design.groups, taken(random, design.groups), strict=True)
        for name, chosen in zip(g.names, mine, strict=True)
        if chosen
    ]


@pytest.mark.parametrize(
    ("design", "random", "expected"),
    [
        (SLEEP, "all", ["Subject[Intercept]", "Subject[Days]"]),
        (SLEEP, "none", []),
        (SLEEP, [], []),
        (SLEEP, "Subject", ["Subject[Intercept]", "Subject[Days]"]),
        (SLEEP, "Subject[Days]", ["Subject[Days]"]),
        (SLEEP, ["Subject[Days]", "Subject[Intercept]"], ["Subject[Intercept]", "Subject[Days]"]),
        (SLEEP, "(1 | Subject)", ["Subject[Intercept]"]),
        (SLEEP, "1|Subject", ["Subject[Intercept]"]),
        (SLEEP, "(0 + Days | Subject)", ["Subject[Days]"]),
        (SLEEP, "(Days - 1 | Subject)", ["Subject[Days]"]),
        (SLEEP, "(Days || Subject)", ["Subject[Intercept]", "Subject[Days]"]),
        (MACHINES, "(1 | Worker)", ["Worker[Intercept]"]),
        (MACHINES, "(0 + Machine | Worker)", ["Worker[Machine[T.B]]", "Worker[Machine[T.C]]"]),
        (MACHINES, "Worker[Machine[T.C]]", ["Worker[Machine[T.C]]"]),
        (PASTES, "batch", ["batch[Intercept]"]),
        (PASTES, "(1 | batch:cask)", ["batch:cask[Intercept]"]),
        (PASTES, "(1 | cask:batch)", ["batch:cask[Intercept]"]),
        (PASTES, "(1 | batch/cask)", ["batch[Intercept]", "batch:cask[Intercept]"]),
    ],
)
def test_names(design, random, expected):
    assert names(design, random) == expected


@pytest.mark.parametrize(
    ("random", "message"),
    [
        ("Subjekt", r"random='Subjekt': .*Did you mean 'Subject'\? It has Subject, Subject\[Intercept\]"),
        ("Subject[days]", r"Did you mean 'Subject\[Days\]'"),
        (["Subject", "Days"], r"random='Days': the model has no such random effect.*It has Subject, "),
        ("(1 | Subjekt)", r"random='\(1 \| Subjekt\)': the model has no such random effect"),
        ("(dose | Subject)", r"the model has no Subject\[dose\].* It has Subject, "),
        ("(Days | Subject", r"is not a group term such as '\(1 \| g\)'"),
        (None, r"random=None is not 'all', 'none', a name or a list of names"),
        (3, r"random=3 is not"),
        ([1], r"random=\[1\] is not"),
        ("some", r"random='some': the model has no such random effect"),
    ],
)
def test_unknown_names_are_refused_with_what_there_is(random, message):
    with pytest.raises(DataError, match=message):
        taken(random, SLEEP.groups)


def test_lme4s_re_form_is_the_same_choice():
    """predict(fit, re.form = ~ (1 | Subject)) and ~ (0 + Days | Subject), rows 1, 10 and 100; lme4 1.1-31, R 4.2.2."""
    fit = bb.MixedModel("Reaction ~ Days + (Days | Subject)", bb.load_dataset("sleepstudy")).fit()
    for term, expected in LME4.items():
        found = fit.predict(random=term)["mean"].to_numpy()[[0, 9, 99]]
        # lme4's optimiser stops within about 1e-5 of an sd
        assert found == pytest.approx(expected, abs=1e-3), term
    assert not np.allclose(LME4["(1 | Subject)"], LME4["(0 + Days | Subject)"])
