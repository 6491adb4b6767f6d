"""Complete and no pooling as answers that stand beside others."""

import pickle

import numpy as np
import pandas as pd
import pytest

import blupbayes as bb
from blupbayes.compare.rows import COLUMNS
from blupbayes.errors import ComparisonError, DataError


@pytest.fixture(scope="module")
def rail():
    return bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail"))


@pytest.fixture(scope="module")
def sleep():
    return bb.MixedModel("Reaction ~ Days + (Days | Subject)", bb.load_dataset("sleepstudy"))


def test_the_rails_are_the_means_of_the_rails(rail):
    table = rail.pool("none").tidy().set_index("component").loc["group_mean"]
    data = bb.load_dataset("rail").groupby("Rail")["travel"]
    mean = data.mean()
    np.testing.assert_allclose(table["estimate"], [mean[k] for k in table["level"]], rtol=1e-12)
    pooled = np.sqrt(data.var().mean())  # balanced: one variance, on 12 degrees of freedom
    np.testing.assert_allclose(table["uncertainty"], pooled / np.sqrt(3), rtol=1e-12)
    t975 = 2.178812829663418  # of 12 degrees of freedom, any table
    np.testing.assert_allclose(table["ci_ub"] - table["estimate"], t975 * pooled / np.sqrt(3), rtol=1e-9)


def test_complete_pooling_gives_every_rail_the_grand_mean(rail):
    table = rail.pool("complete").tidy()
    y = bb.load_dataset("rail")["travel"]
    means = table[table["component"] == "group_mean"]
    np.testing.assert_allclose(means["estimate"], y.mean(), rtol=1e-12)
    np.testing.assert_allclose(means["uncertainty"], y.std() / np.sqrt(18), rtol=1e-12)
    assert (table.loc[table["component"] == "b", "estimate"] == 0).all()
    sds = table[table["component"] == "sd"].set_index("group")
    assert sds.loc["Rail", "estimate"] == 0 and sds.loc["Rail", "note"] == "held at 0"
    assert sds.loc["residual", "estimate"] == pytest.approx(y.std())


def test_the_lines_of_single_subjects(sleep):
    table = sleep.pool("none").tidy().set_index(["component", "level", "term"])
    data = bb.load_dataset("sleepstudy")
    for subject in ("308", "335"):
        own = data[data["Subject"].astype(str) == subject]
        slope, intercept = np.polyfit(own["Days"], own["Reaction"], 1)
        assert table.loc[("group_mean", subject, "Intercept"), "estimate"] == pytest.approx(intercept)
        assert table.loc[("group_mean", subject, "Days"), "estimate"] == pytest.approx(slope)


def test_crossed_factors_each_on_its_own():
    model = bb.MixedModel("diameter ~ 1 + (1 | plate) + (1 | sample)", bb.load_dataset("penicillin"))
    answer = model.pool("none")
    table = answer.tidy()
    mean = bb.load_dataset("penicillin").groupby("sample")["diameter"].mean()
    own = table[table["group"] == "sample"].set_index("level")["estimate"]
    np.testing.assert_allclose(own[mean.index], mean, rtol=1e-12)
    assert "each grouping factor on its own" in answer.notes[0] and "sample" in answer.notes[0]
    assert set(table["component"]) == {"group_mean"}  # two residual sds have no place in one row


def test_the_no_pooling_path_ends_here(sleep):
    fit = sleep.fit()
    path = sleep.pooling_path(fit, [0, np.inf])
    ends = path[path["component"] == "group_mean"].set_index(["tau", "level", "term"])["estimate"]
    for tau, kind in ((0.0, "complete"), (np.inf, "none")):
        table = sleep.pool(kind).tidy()
        own = table[table["component"] == "group_mean"].set_index(["level", "term"])["estimate"]
        # 1e-8: the path decomposes Z'Z, squared condition about 1e4
        np.testing.assert_allclose(ends.loc[tau], own, rtol=1e-8)


def test_reasons_stand_beside_blanks():
    data = bb.load_dataset("sleepstudy")
    one = data[(data["Subject"] != data["Subject"].iloc[0]) | (data["Days"] == 3)]
    model = bb.MixedModel("Reaction ~ Days + (Days | Subject)", one)
    table = model.pool("none").tidy()
    blank = table[table["estimate"].isna()]
    assert set(blank["level"]) == {"308"} and set(blank["note"]) == {
        "the rows of this level alone do not tell"
    }
    assert (blank["uncertainty_kind"] == "").all() and (blank["ci_kind"] == "").all()
    text = bb.compare(model.fit(), model.pool("none")).to_text()
    assert "the rows of this level alone do not tell" in " ".join(text.split()) and "nan" not in text


def test_a_random_slope_without_a_fixed_column_stands_among_b():
    model = bb.MixedModel("Reaction ~ 1 + (0 + Days | Subject)", bb.load_dataset("sleepstudy"))
    assert set(model.pool("none").tidy()["component"]) == {"fixed", "sd", "b"}


@pytest.mark.parametrize("kind", ["complete", "none"])
def test_an_answer_like_any_other(rail, kind):
    answer = pickle.loads(pickle.dumps(rail.pool(kind)))
    table = answer.tidy(0.8)
    assert table.columns.tolist() == COLUMNS and set(table["ci_prob"].dropna()) == {0.8}
    assert set(table["estimator"]) == {answer.estimator}
    assert (answer.data_hash, answer.n_obs) == (rail.design.hash, 18)
    assert (table["uncertainty"].notna() == (table["uncertainty_kind"] == "ls_se")).all()
    assert "ls_se: standard error of least squares" in repr(answer) and "ls_se" in answer._repr_html_()
    with pytest.raises(ComparisonError, match="18 vs 16 rows"):
        bb.compare(answer, rail.drop([0, 1]).fit())


def test_units_of_y_pass_through(sleep):
    data = bb.load_dataset("sleepstudy")
    ms = bb.MixedModel("Reaction ~ Days + (Days | Subject)", data.assign(Reaction=data["Reaction"] / 1000))
    for kind in ("complete", "none"):
        a, b = sleep.pool(kind).tidy(), ms.pool(kind).tidy()
        for column in ("estimate", "uncertainty", "ci_lb", "ci_ub"):
            np.testing.assert_allclose(a[column], 1000 * b[column], rtol=1e-9)


def test_other_kinds_are_refused(rail):
    with pytest.raises(DataError, match="'complete' or 'none'"):
        rail.pool("partial")


def test_columns_of_a_comparison(rail):
    found = rail.compare(columns=("complete pooling", "no pooling", "mode"), exact=False)
    assert list(found.answers)[-3:] == ["complete pooling", "no pooling", "mode"]
    means = found.to_dataframe("wide", component="group_mean").xs("estimate", axis=1, level=1)
    # shrinkage: every REML mean lies between no and complete pooling
    low = means[["complete pooling", "no pooling"]].min(axis=1)
    high = means[["complete pooling", "no pooling"]].max(axis=1)
    assert ((low < means["REML"]) & (means["REML"] < high)).all()
    assert rail.compare(columns="mode", exact=False).answers["mode"].estimator == "mode"


def test_unknown_columns_are_refused_before_any_work(rail, monkeypatch):
    monkeypatch.setattr(bb.MixedModel, "fit", lambda *a: pytest.fail("it has begun"))
    with pytest.raises(ComparisonError, match=r"no 'no poling'. Did you mean 'no pooling'\?"):
        rail.compare(columns=["no poling"])


def test_a_column_that_cannot_be_had_says_why():
    frame = pd.DataFrame({"y": [1.0, 2, 4, 3], "g": list("aabb")})
    model = bb.MixedModel("y ~ 1 + (1 | g)", frame)
    found = model.compare(columns=["mode", "no pooling"], exact=False)
    assert list(found.answers) == ["ML", "REML", "MME", "no pooling"]
    assert any(
        "mode: left out. The likelihood times this prior rises without limit" in r for r in found.remarks
    )
