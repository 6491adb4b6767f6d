"""One model and one fit as text."""

import numpy as np
import pandas as pd
import pytest

import blupbayes as bb
from blupbayes.show.summary import coefficients, fit_text, model_text, shorten, title


@pytest.fixture(scope="module")
def sleep():
    return bb.MixedModel("Reaction ~ Days + (Days | Subject)", bb.load_dataset("sleepstudy"))


def test_title_has_formula_and_size(sleep):
    assert title(sleep.design) == "Reaction ~ Days + (Days | Subject): 180 rows, 18 levels of Subject"


def test_fit_text_has_lme4s_numbers(sleep):
    # criterion 1743.6283, AIC 1755.63, BIC 1774.79; 251.405 (6.825), 10.467 (1.546); t 36.84, 6.77
    text = fit_text(sleep.fit())
    for piece in (
        "REML fit of Reaction ~ Days + (Days | Subject)",
        "REML criterion 1743.6283, log-likelihood -871.8141, AIC 1755.63, BIC 1774.79",
        " Intercept    251.41  6.8246  17.0  36.84    <2e-16",
        " Days         10.467  1.5458  17.0   6.77  3.26e-06",
        "converged",
        repr(sleep.fit().variances),
    ):
        assert piece in text
    assert "-2 log-likelihood 1751.9393" in fit_text(sleep.fit("ML"))


def test_fit_text_shows_its_messages():
    fit = bb.MixedModel("Yield ~ 1 + (1 | Batch)", bb.load_dataset("dyestuff2")).fit()
    flat = " ".join(fit_text(fit).split())
    assert fit.messages and all(" ".join(m.split()) in flat for m in fit.messages)


def test_fit_text_without_fixed_effects():
    fit = bb.MixedModel("Reaction ~ 0 + (1 | Subject)", bb.load_dataset("sleepstudy")).fit()
    assert "Fixed effects: none\n" in fit_text(fit)


def test_coefficients_leave_nan_blank():
    table = pd.DataFrame({"estimate": [1.0, np.nan], "t": [2.345, np.nan]}, index=["a", "gone"])
    lines = coefficients(table, ["estimate", "t"]).splitlines()
    assert lines[1].split() == ["a", "1.0000", "2.35"] and lines[2].split() == ["gone"]


def test_model_text_says_what_is_out_of_the_ordinary():
    frame = bb.load_dataset("sleepstudy").assign(w=2.0, twice=lambda f: 2 * f["Days"])
    frame.loc[0, "Days"] = np.nan
    model = bb.MixedModel(
        "Reaction ~ Days + twice + (1 | Subject)", frame, weights="w", offset="w", sigma=30.0, missing="drop"
    )
    lines = model_text(model.design, model.statistics.aliased).splitlines()
    rows = {line[2:].split("  ")[0].strip(): " ".join(line[2:].split()) for line in lines[1:]}
    assert rows["rows"] == "rows 179 (1 dropped, missing values)"
    assert rows["X"] == "X 179 x 3 Intercept, Days, twice"
    assert rows["Z Subject"] == "Z Subject 179 x 18 18 levels, 9 to 10 rows per level"
    assert rows["aliased"] == "aliased twice"
    assert rows["weights"] == "weights from 2 to 2" and rows["offset"] == "offset from 2 to 2"
    assert rows["sigma"] == "sigma 30 (known)"


def test_model_text_of_an_ordinary_model_is_short(sleep):
    assert repr(sleep).splitlines() == [
        "MixedModel Reaction ~ Days + (Days | Subject)",
        "  rows       180",
        "  X          180 x 2  Intercept, Days",
        "  Z Subject  180 x 36  Intercept, Days  18 levels, 10 rows per level (balanced)",
    ]


def test_many_names_are_cut_in_one_line():
    assert shorten(["a", "b"]) == "a, b"
    assert shorten([f"x{k}" for k in range(20)], 4) == "x0, x1, x2, ... (20 in all)"
