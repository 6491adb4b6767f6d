"""Comparison: compare() and the faces of its table."""

import pickle

import numpy as np
import pandas as pd
import pytest

import blupbayes as bb
from blupbayes.errors import ComparisonError


@pytest.fixture(scope="module")
def rail():
    return bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail"))


@pytest.fixture(scope="module")
def both(rail):
    return bb.compare(rail.fit("ML"), rail.fit("REML"))


def test_numbers_are_those_of_the_answers(rail, both):
    table = both.to_dataframe("long")
    for method in ("ML", "REML"):
        own = rail.fit(method).tidy()
        mine = table[table["estimator"] == method].reset_index(drop=True)
        pd.testing.assert_frame_equal(mine, own)


def test_wide_puts_estimates_side_by_side(both):
    estimates = both.to_dataframe("wide").xs("estimate", axis=1, level=1)
    assert estimates.columns.tolist() == ["ML", "REML"] and len(estimates) == 21
    # [E-ONEWAY] in sds: 22.6244 and 24.8055.
    assert estimates.loc[("sd", "Rail", "", "Intercept")].tolist() == pytest.approx(
        [22.6243, 24.8055], abs=1e-4
    )


def test_labels_of_ones_own(rail):
    found = bb.compare({"one": rail.fit()}, two=rail.solve(rail.fit(), kappa=1e-3))
    assert list(found.answers) == ["one", "two"]
    assert set(found.to_dataframe()["estimator"]) == {"one", "two"}
    assert "two: Henderson's equations" in found.to_text()


def test_one_level_drives_every_interval(rail):
    found = bb.compare(rail.fit(), rail.solve(rail.fit()), ci_prob=0.8)
    assert set(found.to_dataframe()["ci_prob"].dropna()) == {0.8}
    assert "80 % wald" in found.to_text()


@pytest.mark.parametrize("ci_prob", [0, 1, 95, -0.5, float("nan")])
def test_a_level_that_is_none_is_refused(rail, ci_prob):
    with pytest.raises(ComparisonError, match="ci_prob"):
        bb.compare(rail.fit(), ci_prob=ci_prob)


def test_other_data_are_refused(rail):
    other = rail.drop([0, 1])
    with pytest.raises(ComparisonError, match=r"18 vs 16 rows, hash \w{8} vs \w{8}"):
        bb.compare(rail.fit(), other.fit())


def test_the_same_rows_in_another_frame_are_the_same_data(rail):
    again = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail"))
    assert len(bb.compare(rail.fit("ML"), again.fit("REML")).answers) == 2


def test_faces_agree_on_title_and_settings(both):
    for text in (both.to_text(), both.to_markdown(), both.to_html(), both.to_latex()):
        for piece in ("travel", "18 rows, 6 levels of Rail", "criterion 128.5600", "criterion 122.1770"):
            assert piece in text
    assert both._repr_html_() == both.to_html(40)


def test_repr_fits_the_terminal(both, monkeypatch):
    monkeypatch.setenv("COLUMNS", "70")
    assert max(map(len, repr(both).splitlines())) <= 70
    monkeypatch.setenv("COLUMNS", "200")
    assert "95 % wald" in repr(both)


def test_unknown_forms_are_refused(both):
    with pytest.raises(ComparisonError, match="'long' or 'wide'"):
        both.to_dataframe("tall")


def test_the_table_is_a_copy(both):
    table = both.to_dataframe()
    table["estimate"] = 0.0
    assert (both.to_dataframe()["estimate"] != 0).any()


def test_pickle(both):
    again = pickle.loads(pickle.dumps(both))
    pd.testing.assert_frame_equal(again.to_dataframe(), both.to_dataframe())


@pytest.mark.parametrize(
    "formula",
    [
        "Reaction ~ 0 + (1 | Subject)",  # no fixed effects, no group means
        "Reaction ~ 1 + (0 + Days | Subject)",  # a random slope without its fixed column
        "Reaction ~ Days + (Days || Subject)",  # no correlation
        "Reaction ~ Days + I(2 * Days) + (1 | Subject)",  # an aliased column
    ],
)
def test_every_face_of_models_that_lack_something(formula):
    model = bb.MixedModel(formula, bb.load_dataset("sleepstudy"))
    found = model.compare(kappa=1e-3)
    table = found.to_dataframe("wide")
    for text in (found.to_text(), found.to_markdown(), found.to_html(), found.to_latex(), repr(model.fit())):
        assert "nan" not in text
    present = set(table.index.get_level_values("component"))
    assert ("fixed" in present) == bool(model.design.fixed_names)
    assert "corr" not in present and {"sd", "weight", "b"} <= present


def test_anything_with_tidy_is_an_answer(rail):
    class Elsewhere:
        estimator = "lme4"

        def tidy(self, ci_prob=0.95):
            return rail.fit().tidy(ci_prob).query("component == 'fixed'").assign(estimate=np.pi)

    found = bb.compare(rail.fit(), Elsewhere())
    assert found.to_dataframe("wide").xs("estimate", axis=1, level=1).loc["fixed"].to_numpy().tolist() == [
        [pytest.approx(66.5), np.pi]
    ]


def test_cond_sd_on_request(rail):
    fit, post = rail.fit(), rail.integrate()
    found = bb.compare(fit, rail.solve(fit), post, spread="cond_sd")
    table = found.to_dataframe(component="b")
    kinds = table.groupby("estimator")["uncertainty_kind"].unique().str[0]
    assert kinds.to_dict() == {"MME": "cond_sd", "REML": "cond_sd", "integrate": "posterior_sd"}
    own = table[table["estimator"] == "REML"].reset_index(drop=True)
    assert own["uncertainty"].tolist() == fit.ranef()["cond_sd"].tolist() and set(own["ci_kind"]) == {"cond"}
    half = 1.959963984540054 * own["uncertainty"]  # of the normal distribution, any table
    assert own["ci_ub"].tolist() == pytest.approx((own["estimate"] + half).tolist())
    means = found.to_dataframe(component="group_mean")
    assert set(means.loc[means["estimator"] == "REML", "uncertainty_kind"]) == {"pev_sd"}
    assert "cond: estimate +/- z cond_sd" in " ".join(found.to_text().split())
    assert set(bb.compare(fit).to_dataframe(component="b")["uncertainty_kind"]) == {"pev_sd"}
    for ask in (lambda: bb.compare(fit, spread="se"), lambda: fit.tidy(spread="se")):
        with pytest.raises(bb.BlupbayesError, match="'pev_sd' or 'cond_sd'"):
            ask()


def test_components(both):
    assert set(both.to_dataframe(component="b")["component"]) == {"b"}
    wide = both.to_dataframe("wide", component=["fixed", "corr"])
    assert wide.index.get_level_values("component").tolist() == ["fixed"]
    with pytest.raises(
        ComparisonError, match=r"no component is called 'group_means'. Did you mean 'group_mean'"
    ):
        both.to_dataframe(component="group_means")
    with pytest.raises(ComparisonError, match=r"no rows icc in this table.*rows="):
        both.to_dataframe(component="icc")


def test_other_formulas_are_named(rail):
    data = bb.load_dataset("rail")
    other = bb.MixedModel("travel ~ 0 + (1 | Rail)", data)
    with pytest.raises(
        ComparisonError, match=r"'travel ~ 1 \+ \(1 \| Rail\)' vs 'travel ~ 0 \+ \(1 \| Rail\)'"
    ):
        bb.compare(rail.fit(), other.fit())
    with pytest.raises(ComparisonError, match=r"'travel ~ 1 \+ \(1 \| Rail\)' both times"):
        bb.compare(rail.fit(), rail.drop([0]).fit())


def test_saving_keeps_the_comparison(both, tmp_path):
    with pytest.raises(ComparisonError, match="Nothing is lost"):
        both.save(tmp_path / "no" / "t.html")
    assert both.save(tmp_path / "t.html").stat().st_size > 1000


def test_columns_stand_in_the_order_of_the_answers(rail):
    found = bb.compare(rail.pool("none"), rail.fit(), rail.pool("complete"))  # the first has no fixed effects
    order = ["no pooling", "REML", "complete pooling"]
    assert found.sheet().labels == tuple(order)
    assert found.to_dataframe("wide").columns.unique("estimator").tolist() == order
