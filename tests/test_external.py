"""bb.external: an answer from elsewhere as one more column."""

import pickle

import numpy as np
import pandas as pd
import pytest

import blupbayes as bb
from blupbayes.compare.rows import COLUMNS
from blupbayes.errors import ComparisonError

LME4 = {
    "effect": ["fixed", "ran_pars"],
    "group": ["", "Rail"],
    "term": ["(Intercept)", "sd__(Intercept)"],
    "estimate": [66.5, 24.805],
    "std.error": [10.17, np.nan],
}


@pytest.fixture(scope="module")
def rail():
    return bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail"))


def test_a_table_and_a_note_that_nobody_checked_its_data(rail):
    found = bb.compare(rail.fit(), bb.external("lme4", pd.DataFrame(LME4), like=rail))
    assert found.to_dataframe("wide").loc[("sd", "Rail", "", "Intercept"), ("lme4", "estimate")] == 24.805
    assert "lme4: an answer from elsewhere; it was not checked that its data are these." in found.to_text()


def test_a_file_and_a_dict(rail, tmp_path):
    path = tmp_path / "tidy.csv"
    pd.DataFrame(LME4).to_csv(path, index=False)
    for given in (path, str(path), LME4):
        assert bb.external("lme4", given).tidy()["estimate"].tolist() == [66.5, 24.805]
    with pytest.raises(ComparisonError, match=r"cannot read .*none.csv as a CSV file"):
        bb.external("lme4", tmp_path / "none.csv")


def test_draws_get_intervals_at_the_level_of_the_comparison(rail):
    post = rail.integrate()
    draws = post.draw(1000, 4, random_seed=1)
    answer = bb.external("mine", draws, like=rail)
    table = answer.tidy(0.8)
    row = table[table["component"] == "fixed"].iloc[0]
    values = draws["posterior"]["beta"].values.ravel()
    assert [row["ci_lb"], row["ci_ub"]] == pytest.approx(np.quantile(values, [0.1, 0.9]))
    assert (row["uncertainty_kind"], row["ci_kind"], row["ci_prob"]) == ("posterior_sd", "eti", 0.8)
    assert (
        row["uncertainty"] == pytest.approx(values.std(ddof=1)) and row["mcse"] > 0 and row["ess_bulk"] > 1000
    )
    assert table.columns.tolist() == COLUMNS
    both = bb.compare(post, answer).to_dataframe("wide", component=["fixed", "sd", "b", "group_mean"])
    estimate = both.xs("estimate", axis=1, level=1).astype(float)
    # 4000 independent draws: five standard errors
    sd = both.xs("uncertainty", axis=1, level=1)["integrate"].astype(float)
    assert ((estimate["mine"] - estimate["integrate"]).abs() < 5 * sd / np.sqrt(4000)).all()


def test_intervals_of_another_level_are_left_out(rail):
    frame = {"term": ["Intercept"], "estimate": [66.5], "ci_lb": [46.0], "ci_ub": [87.0]}
    answer = bb.external("x", frame, ci_prob=0.9)
    assert answer.tidy(0.9).loc[0, "ci_ub"] == 87.0 and answer.tidy(0.9).loc[0, "ci_kind"] == "stated"
    other = answer.tidy(0.95)
    assert (
        np.isnan(other.loc[0, "ci_ub"])
        and other.loc[0, "note"] == "interval left out: it was given at another level"
    )
    assert "given at another level" in bb.compare(rail.fit(), answer).to_text()


def test_a_level_that_it_lacks_is_a_blank_with_a_note(rail):
    b = rail.fit().ranef()
    frame = b[b["level"] != "3"].assign(component="b")
    found = bb.compare(rail.fit(), bb.external("short", frame, like=rail))
    assert "short: no rows b for Rail 3." in found.to_text()
    assert np.isnan(found.to_dataframe("wide").loc[("b", "Rail", "3", "Intercept"), ("short", "estimate")])
    assert "nan" not in found.to_markdown()


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame(), "no column 'estimate'"),
        (pd.DataFrame({"estimate": []}), "no rows"),
        (pd.DataFrame({"coef": [1.0]}), r"no column 'estimate' \(there are coef\)"),
        (pd.DataFrame({"component": ["u"], "estimate": [1.0]}), "unknown component 'u'"),
        (3, "cannot read a int"),
    ],
)
def test_what_is_no_answer_is_refused(frame, message):
    with pytest.raises(ComparisonError, match=message):
        bb.external("x", frame)


def test_polars(rail):
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({k: v for k, v in LME4.items() if k != "std.error"})
    assert bb.external("lme4", frame, like=rail).tidy()["estimate"].tolist() == [66.5, 24.805]


def test_pickle_and_faces(rail):
    for answer in (bb.external("lme4", LME4), bb.external("d", rail.integrate().draw(50, 2, random_seed=0))):
        again = pickle.loads(pickle.dumps(answer))
        pd.testing.assert_frame_equal(again.tidy(), answer.tidy())
        assert "elsewhere" in repr(again) and "elsewhere" in again._repr_html_()


def test_the_frame_is_not_changed():
    frame = pd.DataFrame(LME4)
    table = bb.external("lme4", frame).tidy()
    table["estimate"] = 0.0
    pd.testing.assert_frame_equal(frame, pd.DataFrame(LME4))


def test_draws_of_what_the_model_does_not_have_are_kept_and_named(rail):
    data = bb.load_dataset("rail")
    less = bb.MixedModel("travel ~ 1 + (1 | Rail)", data[data["Rail"] != "6"])
    answer = bb.external("all", rail.integrate().draw(50, 2, random_seed=0), like=less)
    assert (
        answer.notes[1]
        == "rows that the model does not have: b Rail 6 Intercept, group_mean Rail 6 Intercept."
    )
    assert "6" in set(answer.tidy()["level"])
