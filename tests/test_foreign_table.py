"""Tables of other programs as rows: lme4's reference results, written as broom.mixed writes them."""

import io

import numpy as np
import pandas as pd
import pytest

import blupbayes as bb
from blupbayes.compare.elsewhere import Known, known_of
from blupbayes.compare.foreign_table import read_table
from blupbayes.compare.rows import COLUMNS
from blupbayes.errors import ComparisonError
from reference_data import CASES

SMALL = [c for c in CASES if c.name.split("-")[0] not in ("Chem97", "InstEval")]


def values(numbers):
    """A list, or what a dict holds."""
    return list(numbers.values()) if isinstance(numbers, dict) else numbers


def tidy(case, method="REML"):
    """What broom.mixed::tidy gives: effect, group, level, term, estimate, std.error."""
    block = case.reference[method]
    rows = [
        ("fixed", None, None, *r)
        for r in zip(block["coef_names"], values(block["beta"]), values(block["se"]), strict=True)
    ]
    for term in block["varcorr"]:
        rows += [("ran_pars", term["group"], None, f"sd__{k}", v, np.nan) for k, v in term["sd"].items()]
        for i, first in enumerate(term["coef"]):
            for j in range(i):
                name = f"cor__{term['coef'][j]}.{first}"
                rows.append(("ran_pars", term["group"], None, name, term["corr"][i][j], np.nan))
    rows.append(("ran_pars", "Residual", None, "sd__Observation", block["sigma"], np.nan))
    for term in block["ranef"]:
        for level, mode in term["mode"].items():
            sd = np.sqrt(np.diag(term["condVar"][level]))
            rows += [("ran_vals", term["group"], level, *r) for r in zip(term["coef"], mode, sd, strict=True)]
    return pd.DataFrame(rows, columns=["effect", "group", "level", "term", "estimate", "std.error"])


@pytest.mark.parametrize("case", SMALL, ids=[c.name for c in SMALL])
def test_every_row_of_lme4_stands_beside_ours(case):
    model = bb.MixedModel(case.formula, case.frame())
    text = tidy(case).to_csv(index=False)  # through a file, where levels become numbers and gaps NaN
    fit = model.fit()
    lme4 = bb.external("lme4", pd.read_csv(io.StringIO(text)), like=model)
    foreign = case.name.endswith("poly")  # R names polynomials .L, .Q, .C: they are kept, and named
    assert len(lme4.notes) == 1 + foreign  # else every row was read, and the model has it
    both = bb.compare(fit, lme4, spread="cond_sd").to_dataframe(
        "wide", component=["fixed", "sd", "corr", "b"]
    )
    estimate, spread = (both.xs(f, axis=1, level=1).astype(float) for f in ("estimate", "uncertainty"))
    there = estimate.notna().all(axis=1)
    assert there.all() or (foreign and there.mean() > 0.5)
    size = (
        estimate["REML"].abs().groupby(level=["component", "group", "term"]).transform("max").clip(lower=1e-3)
    )
    # 1e-3: lme4 stops where its deviance is flat to 1e-7 or so, and variances near a boundary move by that much
    assert ((estimate["lme4"] - estimate["REML"]).abs() / size)[there].max() < 1e-3
    known = spread.notna().all(axis=1)
    assert known.any() and (spread["lme4"] / spread["REML"] - 1)[known].abs().max() < 1e-3
    kinds = both.xs("uncertainty_kind", axis=1, level=1)
    assert (kinds["lme4"] == kinds["REML"])[known].all()


def read(frame, known=Known(), ci_prob=0.95):  # noqa: B008
    return read_table(pd.DataFrame(frame), known, ci_prob)


def test_our_own_table_comes_back():
    model = bb.MixedModel("Reaction ~ Days + (Days | Subject)", bb.load_dataset("sleepstudy"))
    table = model.fit().tidy()
    found, notes = read(table, known_of(model))
    keep = [c for c in COLUMNS if c not in ("estimator",)]
    pd.testing.assert_frame_equal(found[keep], table[keep])
    assert notes == []


def test_a_subset_of_the_columns_will_do():
    found, _ = read(
        {
            "term": ["(Intercept)", "x"],
            "estimate": [1, 2],
            "uncertainty": [0.1, 0.2],
            "ci_lb": [0, 1],
            "ci_ub": [2, 3],
        }
    )
    assert found["component"].tolist() == ["fixed", "fixed"] and found["term"].tolist() == ["Intercept", "x"]
    assert set(found["uncertainty_kind"]) == {"sd"} and set(found["ci_kind"]) == {"stated"}
    assert set(found["ci_prob"]) == {0.95} and found.columns.tolist() == COLUMNS


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ({"estimate": []}, "no rows"),
        ({"component": ["fxied"], "estimate": [1.0]}, "unknown component 'fxied'. Did you mean 'fixed'"),
        ({"group": ["g"], "estimate": [1.0]}, "need a column component"),
        ({"term": ["x"], "estimate": ["big"]}, "'estimate' holds what is no number"),
        ({"term": ["x", "x"], "estimate": [1.0, 2.0]}, "1 rows are there twice, the first is fixed x"),
    ],
)
def test_bad_tables_are_refused(frame, message):
    with pytest.raises(ComparisonError, match=message):
        read(frame)


def test_rows_that_have_no_place_are_named():
    frame = {
        "effect": ["fixed", "ran_pars", "zi"], "group": ["", "g", ""], "term": ["x", "var__(Intercept)", "x"],
        "estimate": [1.0, 2.0, 3.0],
    }  # fmt: skip
    found, notes = read(frame)
    assert len(found) == 1 and notes == ["rows not read: ran_pars g var__(Intercept), zi x."]


def test_rows_that_the_model_does_not_have_are_kept_and_named():
    known = Known(("Intercept",), {"g": (("Intercept",), ("1",))})
    frame = {
        "component": ["fixed", "b", "b"], "group": ["", "g", "g"], "level": ["", 1, 2],
        "term": ["Intercept", "Intercept", "Intercept"], "estimate": [1.0, 2.0, 3.0],
    }  # fmt: skip
    found, notes = read(frame, known)
    assert len(found) == 3 and notes == ["rows that the model does not have: b g 2 Intercept."]


def test_correlations_take_the_order_of_the_model():
    known = Known(("Intercept", "x"), {"g": (("Intercept", "x"), ("1",))})
    frame = {"effect": ["ran_pars"], "group": ["g"], "term": ["cor__x.(Intercept)"], "estimate": [0.5]}
    assert read(frame, known)[0]["term"].tolist() == ["Intercept, x"]
    frame["term"] = ["cor__(Intercept).x"]
    assert read(frame)[0]["term"].tolist() == ["Intercept, x"]


def test_a_column_named_after_a_spread_is_the_uncertainty():
    found, notes = read({"term": ["x"], "estimate": [1.0], "se": [0.5], "df": [3.0]})
    assert found.loc[0, ["uncertainty", "uncertainty_kind"]].tolist() == [0.5, "se"]
    assert notes == ["columns not read: df."]
    both = {"component": ["b"], "group": ["g"], "level": ["1"], "term": ["x"], "estimate": [1.0]}
    found, notes = read(both | {"cond_sd": [0.1], "pev_sd": [0.2]})
    assert found.loc[0, "uncertainty_kind"] == "pev_sd" and notes == ["columns not read: cond_sd."]
