"""The long table as text cells: rounding, sections, heads and notes."""

import math

import numpy as np
import pytest

from blupbayes.compare.rows import block, gather
from blupbayes.show.sheet import compose

NAN = math.nan


def table():
    """Two answers: one with spreads, one given; two groups of levels, a missing sd."""
    b = np.array([-12.391, 34.5])
    reml = [
        block(
            "fixed",
            "REML",
            term=["Intercept", "x"],
            estimate=[66.5, NAN],
            uncertainty=[10.17, NAN],
            uncertainty_kind="se",
            ci_lb=[46.57, NAN],
            ci_ub=[86.43, NAN],
            ci_kind=["wald", ""],
            ci_prob=[0.95, NAN],
            note=["", "aliased"],
        ),
        block("sd", "REML", group=["Rail", "residual"], term=["Intercept", ""], estimate=[24.805, 4.0208]),
        block(
            "weight", "REML", group="Rail", level=["1", "2"], term="Intercept", estimate=[0.99131, 0.99131]
        ),
        block(
            "b",
            "REML",
            group="Rail",
            level=["1", "2"],
            term="Intercept",
            estimate=b,
            uncertainty=[10.3, 10.3],
            uncertainty_kind="pev_sd",
        ),
    ]
    mme = [
        block(
            "fixed",
            "MME",
            term=["Intercept", "x"],
            estimate=[60.27, 1.0],
            uncertainty=[9.68, 2.0],
            uncertainty_kind="posterior_sd",
            ci_lb=[40.0, 0.0],
            ci_ub=[80.0, 2.0],
            ci_kind="eti",
            ci_prob=0.95,
        ),
        block("sd", "MME", group="Rail", term="Intercept", estimate=[24.805], note="given"),
    ]
    rows = gather([*reml, *mme])
    order = {"fixed": 0, "sd": 1, "weight": 2, "b": 3}
    return rows.sort_values("component", key=lambda c: c.map(order), kind="stable").reset_index(drop=True)


@pytest.fixture
def sheet():
    return compose(table(), "a title", ["a last word"])


def section(sheet, title):
    return next(s for s in sheet.sections if s.title == title)


def test_sections_and_labels(sheet):
    assert sheet.title == "a title" and sheet.labels == ("REML", "MME")
    assert [s.title for s in sheet.sections] == [
        "Fixed effects",
        "Standard deviations",
        "Weights",
        "Random effects b",
    ]


def test_heads_name_the_kind_of_every_spread_and_interval(sheet):
    assert section(sheet, "Fixed effects").heads == (
        ("estimate", "se", "95 % wald"),
        ("estimate", "posterior_sd", "95 % eti"),
    )
    assert section(sheet, "Standard deviations").heads == (("estimate", "", ""), ("estimate", "", ""))
    assert section(sheet, "Random effects b").heads == (("estimate", "pev_sd", ""), ("", "", ""))


def test_every_cell_under_an_empty_head_is_empty(sheet):
    for s in sheet.sections:
        for row in s.rows:
            for heads, cells in zip(s.heads, row.cells, strict=True):
                assert all(head or not cell for head, cell in zip(heads, cells, strict=True))


def test_cells_share_decimals_within_a_quantity(sheet):
    intercept, x = section(sheet, "Fixed effects").rows
    assert intercept.cells == (("66.50", "10.17", "[46.57, 86.43]"), ("60.27", "9.68", "[40.00, 80.00]"))
    assert x.cells == (("", "", ""), ("1.000", "2.000", "[0.000, 2.000]"))
    assert [row.cells[0][0] for row in section(sheet, "Random effects b").rows] == ["-12.39", "34.50"]


def test_the_term_is_left_out_where_it_can_only_be_the_intercept(sheet):
    assert [row.name for row in section(sheet, "Standard deviations").rows] == ["Rail", "residual"]
    assert [row.name for row in section(sheet, "Random effects b").rows] == ["Rail 1", "Rail 2"]
    two = gather([block("b", "ML", group="g", level="1", term=["Intercept", "x"], estimate=[1.0, 2.0])])
    assert [row.name for row in compose(two, "").sections[0].rows] == ["g 1, Intercept", "g 1, x"]


def test_equal_weights_are_one_row_and_different_ones_are_not(sheet):
    assert [row.name for row in section(sheet, "Weights").rows] == ["Rail every level"]
    rows = table()
    rows.loc[(rows["component"] == "weight") & (rows["level"] == "2"), "estimate"] = 0.5
    assert [row.name for row in section(compose(rows, ""), "Weights").rows] == ["Rail 1", "Rail 2"]


def test_long_sections_are_cut_and_say_so():
    many = block(
        "b", "ML", group="g", level=[str(k) for k in range(30)], term="Intercept", estimate=np.arange(30.0)
    )
    s = compose(many, "", max_rows=4).sections[0]
    assert len(s.rows) == 4 and s.hidden == 26 and s.more == "... 26 more rows: to_dataframe()"
    whole = compose(many, "").sections[0]
    assert len(whole.rows) == 30 and whole.more == ""


def test_notes_define_what_occurs_and_nothing_else(sheet):
    text = "\n".join(sheet.notes)
    for word in ("se: ", "pev_sd: ", "posterior_sd: ", "wald: ", "eti: ", "Weights: "):
        assert word in text
    assert (
        "cond_sd: " not in text and "pev: " not in text and "Group means" not in text
    )  # no such interval, no such section
    assert sheet.notes[-1] == "a last word"


def test_notes_of_rows_name_the_estimator_and_the_rows(sheet):
    assert "REML, fixed effects (x): aliased." in sheet.notes
    assert "MME, standard deviations: given." in sheet.notes


def test_mixed_levels_of_intervals_do_not_claim_one():
    rows = table()
    rows.loc[(rows["estimator"] == "MME") & (rows["component"] == "fixed"), "ci_prob"] = 0.5
    assert section(compose(rows, ""), "Fixed effects").heads[0][2] == "interval wald"
