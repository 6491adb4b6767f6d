"""Which levels the explorer shows, and what it refuses."""

import numpy as np
import pandas as pd
import pytest

import blupbayes as bb
from blupbayes.errors import ComparisonError, DataError
from blupbayes.explorer import blocks as tested
from blupbayes.explorer.blocks import blocks, chosen_groups
from blupbayes.plot_tables import Tables


def tables(name, formula, *more):
    model = bb.MixedModel(formula, bb.load_dataset(name))
    return Tables(bb.compare(model.fit(), *(make(model) for make in more)).answers)


@pytest.fixture(scope="module")
def penicillin():
    return tables("penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)")


def test_rows_go_from_the_highest_raw_value_down_and_hold_every_mark():
    model = bb.MixedModel("Reaction ~ Days + (Days | Subject)", bb.load_dataset("sleepstudy"))
    fit, post = model.fit(), model.integrate()
    t = Tables(bb.compare(fit, post).answers)
    shown = chosen_groups(model.design, None, None)
    intercepts, slopes = blocks(t, shown, post)
    assert (slopes.group, slopes.term, slopes.component) == ("Subject", "Days", "group_mean")
    for block in (intercepts, slopes):
        raw = block.table["raw"].to_numpy()
        assert (np.diff(raw) <= 0).all() and len(raw) == 18
    row = slopes.table.set_index("level").loc["335"]
    own = bb.load_dataset("sleepstudy").query("Subject == '335' or Subject == 335")
    assert row["raw"] == pytest.approx(np.polyfit(own["Days"], own["Reaction"], 1)[0], rel=1e-10)
    assert row["reml"] == pytest.approx(-0.28, abs=0.005) and row["n"] == 10  # ux: 335 goes to (251.1, -.28)
    means = post.group_means().query("term == 'Days'").set_index("level").loc["335"]
    assert row["own"] == means["estimate"] and row["own_sd"] == means["posterior_sd"]


def test_a_coefficient_without_a_fixed_effect_is_a_random_effect():
    t = tables("sleepstudy", "Reaction ~ 1 + (Days | Subject)")
    found = blocks(t, chosen_groups(t.design, None, None), None)
    assert [(b.term, b.component) for b in found] == [("Intercept", "group_mean"), ("Days", "b")]
    assert found[0].table[["own", "own_sd"]].isna().all().all()


def test_groups_and_levels_are_chosen(penicillin):
    design = penicillin.design
    assert {k: len(v) for k, v in chosen_groups(design, None, None).items()} == {"plate": 24, "sample": 6}
    assert chosen_groups(design, "sample", None) == {"sample": list("ABCDEF")}
    assert chosen_groups(design, ["sample"], ["F", "A", "F"]) == {"sample": ["F", "A"]}
    assert chosen_groups(design, None, {"plate": ["b"]}) == {"plate": ["b"], "sample": list("ABCDEF")}
    assert chosen_groups(design, "sample", "all") == {"sample": list("ABCDEF")}
    (block,) = blocks(penicillin, {"plate": ["b", "a"]}, None)
    assert sorted(block.levels) == ["a", "b"]


@pytest.mark.parametrize(
    ("groups", "levels", "why"),
    [
        ("plot", None, "no grouping factor 'plot'; there are plate, sample"),
        (None, {"plot": "all"}, "no grouping factor 'plot'"),
        ("sample", ["Z"], "sample has no level 'Z'; it has A, B"),
        ("sample", [], "none is named"),
    ],
)
def test_what_is_not_there_is_refused(penicillin, groups, levels, why):
    with pytest.raises(DataError, match=why):
        chosen_groups(penicillin.design, groups, levels)


def many(levels, slope=""):
    """A model of so many levels."""
    rng = np.random.default_rng(1)
    g = np.repeat(np.arange(levels), 3)
    frame = pd.DataFrame(
        {"y": rng.normal(size=3 * levels), "x": np.tile([0.0, 1.0, 2.0], levels), "g": g.astype(str)}
    )
    return bb.MixedModel(f"y ~ x + (1{slope} | g)", frame).design


def test_too_many_levels_are_refused_with_the_limit_and_a_way_out():
    with pytest.raises(
        ComparisonError, match=r"g has 61 levels, more than the 60 .*groups= or levels=.*all data"
    ):
        chosen_groups(many(61), None, None)
    assert len(chosen_groups(many(61), None, list(map(str, range(60))))["g"]) == 60
    assert len(chosen_groups(many(60, " + x"), None, None)["g"]) == 60


def test_too_many_rows_in_all_are_refused(monkeypatch):
    monkeypatch.setattr(tested, "MOST_ROWS", 119)
    with pytest.raises(ComparisonError, match="120 levels times coefficients, more than the 119"):
        chosen_groups(many(60, " + x"), None, None)
