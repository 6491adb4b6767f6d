"""Which way is chosen for each grouping factor, and why."""

import pytest

import blupbayes as bb
from blupbayes.bayes.centering import mean_weights, settle
from blupbayes.errors import BlupbayesError
from blupbayes.model.design import build


def design(name, formula):
    return build(formula, bb.load_dataset(name))


@pytest.mark.parametrize(
    ("name", "formula", "ways"),
    [
        ("rail", "travel ~ 1 + (1 | Rail)", "centered"),
        ("dyestuff2", "Yield ~ 1 + (1 | Batch)", "noncentered"),  # REML sd 0: weight 0
        ("sleepstudy", "Reaction ~ Days + (Days | Subject)", "noncentered"),
        (
            "penicillin",
            "diameter ~ 1 + (1 | plate) + (1 | sample)",
            "plate noncentered, sample centered",
        ),
    ],
)
def test_auto(name, formula, ways):
    found = settle(design(name, formula), "auto")
    assert str(found) == ways and "REML weight" in found.reason


def test_weights_are_those_of_the_table():
    """The long table computes them too, by another path [E-WEIGHT]: equal to rounding."""
    fit = bb.MixedModel("Reaction ~ Days + (Days | Subject)", bb.load_dataset("sleepstudy")).fit()
    table = fit.tidy()
    expected = table.loc[table["component"] == "weight", "estimate"].mean()
    assert mean_weights(fit.design) == pytest.approx([expected], rel=1e-9)


def test_the_user_decides():
    of = design("penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)")
    ways = {"plate": "centered", "sample": "noncentered"}
    assert settle(of, ways).of == ways and settle(of, ways).reason == ""
    assert settle(of, "centered").of == dict.fromkeys(ways, "centered")
    for wrong in ("sideways", {"plate": "centered"}, ways | {"plate": "auto"}):
        with pytest.raises(BlupbayesError, match="is not available"):
            settle(of, wrong)


def test_no_answer_of_reml_is_not_centred():
    data = bb.load_dataset("rail").assign(travel=lambda d: d["Rail"].astype(int).astype(float))
    found = settle(build("travel ~ 1 + (1 | Rail)", data), "auto")
    assert str(found) in {"noncentered", "centered"} and found.reason
