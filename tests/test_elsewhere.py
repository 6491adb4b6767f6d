"""Names of other programs in our words."""

import numpy as np
import pandas as pd
import pytest

import blupbayes as bb
from blupbayes.compare.elsewhere import Known, known_of, text

PASTES = Known(
    ("Intercept",), {"batch:cask": (("Intercept",), ("A:a", "A:b")), "batch": (("Intercept",), ("A",))}
)
MACHINES = Known(("Intercept", "Machine[T.B]", "Machine[T.C]"), {"Worker": (("Intercept",), ("1", "2"))})


def test_lme4_writes_nested_groups_the_other_way_round():
    group, flipped = PASTES.group("cask:batch")
    assert (group, PASTES.level("a:A", group, flipped)) == ("batch:cask", "A:a")
    assert PASTES.group("batch:cask") == ("batch:cask", False)
    assert PASTES.group("batch") == ("batch", False)
    assert Known().group("cask:batch") == ("cask:batch", False)  # without a model nobody knows


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("(Intercept)", "Intercept"),
        ("1", "Intercept"),
        ("MachineB", "Machine[T.B]"),
        ("Machine[C]", "Machine[T.C]"),
        ("x", "x"),
    ],
)
def test_terms(name, ours):
    assert MACHINES.term(name) == ours


def test_a_name_that_could_be_two_is_left_alone():
    assert Known(("a[T.b]", "a[b]")).term("ab") == "ab"
    assert Known(("Intercept",), {"g": (("Intercept",), ("a b", "a.b"))}).level("a_b", "g", False) == "a_b"


def test_levels_of_brms():
    assert PASTES.level("A_a", "batch:cask", False) == "A:a"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (308, "308"),
        (308.0, "308"),
        (np.float64(308), "308"),
        (1.5, "1.5"),
        (np.nan, ""),
        (None, ""),
        (pd.NA, ""),
        ("a", "a"),
    ],
)
def test_keys_as_text(value, written):
    assert text(value) == written


def test_what_the_model_has():
    model = bb.MixedModel("Reaction ~ Days + (Days | Subject)", bb.load_dataset("sleepstudy"))
    known = known_of(model)
    assert known.has("fixed", "", "", "Days") and not known.has("fixed", "", "", "Weeks")
    assert known.has("corr", "Subject", "", "Intercept, Days") and known.has("sd", "residual", "", "")
    assert known.has("b", "Subject", "308", "Days") and not known.has("b", "Subject", "999", "Days")
    assert not known.has("b", "School", "308", "Days") and known_of(None).has("b", "School", "308", "Days")
    assert known_of(model.design) == known
