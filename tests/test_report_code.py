"""The code in a report is Python that makes the same answers."""

import io
import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import blupbayes as bb
from blupbayes.errors import ComparisonError, DataError
from blupbayes.show.report import data_code as module
from blupbayes.show.report.data_code import data_code
from blupbayes.show.report.model_code import answers_code, model_code, prior_code
from blupbayes.show.report.subject import subject_of

RAIL = "travel ~ 1 + (1 | Rail)"
NAMES = ["<A & 'B'>", 'say "hi"', '""" \\n', "x,y", "Müller", " blank "]


def awkward():
    """A column and levels that break quoting, an ordered factor, numbers that need all their digits."""
    rng = np.random.default_rng(2)
    g = np.repeat(NAMES, 5)
    return pd.DataFrame(
        {
            "Höhe (cm)": rng.normal(size=30) / 3,
            "x": rng.integers(0, 9, 30),
            "dose": pd.Categorical(np.tile(["low", "mid", "high"], 10), ["low", "mid", "high"], ordered=True),
            "g": pd.Categorical(g, NAMES[::-1]),
            "unused": "x" * 10,
        }
    )


def run(*codes):
    """The names that are defined after some code."""
    space = {"bb": bb, "pd": pd, "np": np, "io": io}
    for code in codes:
        exec(code, space)
    return space


def subject(model, *answers, data=None):
    return subject_of(bb.compare(*(answers or (model.fit(),))), data)


def test_a_data_set_of_the_package_is_loaded_by_name(tmp_path):
    model = bb.MixedModel(RAIL, bb.load_dataset("rail"))
    code = data_code(subject(model), tmp_path)
    assert code == "data = bb.load_dataset('rail')"


def test_a_changed_data_set_is_held_in_full(tmp_path):
    changed = bb.load_dataset("rail").iloc[1:]
    s = subject(bb.MixedModel(RAIL, changed))
    assert s.shipped is None and s.about["title"]
    again = run(data_code(s, tmp_path), model_code(s))["model"]
    assert again.design.hash == s.design.hash


@pytest.mark.parametrize("options", [{}, {"weights": np.linspace(1, 2, 30), "offset": np.ones(30)}])
def test_columns_come_back_from_text(tmp_path, options):
    s = subject(bb.MixedModel("`Höhe (cm)` ~ x + dose + (1 | g)", awkward(), **options))
    code = data_code(s, tmp_path)
    found = run(code, model_code(s))
    assert found["model"].design.hash == s.design.hash
    assert "unused" not in found["data"] and list(found["data"]["g"].cat.categories) == NAMES[::-1]
    assert bool(found["data"]["dose"].cat.ordered)


def test_missing_rows_and_other_frames_come_back(tmp_path):
    polars = pytest.importorskip("polars")
    frame = bb.load_dataset("sleepstudy").astype({"Subject": "str"})
    frame.loc[3, "Reaction"] = np.nan
    model = bb.MixedModel("Reaction ~ Days + (1 | Subject)", polars.from_pandas(frame), missing="drop")
    s = subject(model)
    assert run(data_code(s, tmp_path), model_code(s))["model"].design.hash == model.design.hash


def test_a_file_is_read_where_it_is_and_only_if_it_is_the_same(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "out").mkdir()
    file = tmp_path / "data" / "my rail.csv"
    bb.load_dataset("rail").to_csv(file, index=False)
    model = bb.MixedModel(RAIL, pd.read_csv(file))
    s = subject(model, data=file)
    code = data_code(s, tmp_path / "out")
    assert str(tmp_path) not in code and "../data/my rail.csv" in code
    monkeypatch.chdir(tmp_path / "out")
    assert run(code, model_code(s))["model"].design.hash == model.design.hash
    file.write_text(file.read_text().replace("55", "56", 1))
    with pytest.raises(ValueError, match=r"my rail\.csv is not the file of this report"):
        run(code)
    file.unlink()
    with pytest.raises(FileNotFoundError, match="put the data file there"):
        run(code)


def test_a_file_with_other_data_is_refused(tmp_path):
    file = tmp_path / "other.csv"
    bb.load_dataset("rail").iloc[1:].to_csv(file, index=False)
    with pytest.raises(DataError, match=r"other\.csv.*other data"):
        subject(bb.MixedModel(RAIL, bb.load_dataset("rail")), data=file)
    with pytest.raises(DataError, match="cannot be read"):
        subject(bb.MixedModel(RAIL, bb.load_dataset("rail")), data=tmp_path / "none.csv")


def test_a_large_table_asks_for_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LARGEST", 100)
    with pytest.raises(DataError, match=r"too much for a notebook.*pass data="):
        data_code(subject(bb.MixedModel(RAIL, bb.load_dataset("rail").iloc[1:])), tmp_path)


def test_arrays_have_no_table(tmp_path):
    model = bb.MixedModel.from_arrays(np.arange(6.0), np.ones((6, 1)), np.repeat(np.eye(3), 2, 0))
    with pytest.raises(DataError, match=r"Write \.html or \.md"):
        data_code(subject(model), tmp_path)


def test_answers_without_data_are_refused():
    table = pd.DataFrame({"component": ["fixed"], "term": ["Intercept"], "estimate": [1.0]})
    with pytest.raises(ComparisonError, match=r"no answer here knows its data.*Add model\.fit"):
        subject_of(bb.compare(bb.external("lme4", table)))


@pytest.mark.parametrize(
    "prior",
    [
        bb.Prior(),
        bb.Prior(kappa=1e-4, mean=60, residual="HalfNormal(5)", sd={"Rail": "HalfCauchy(20)"}),
        bb.Prior(kappa=0.1, precision=[[2.0]], nu=4),
        bb.Prior(covariance=bb.Decov(), corr=2),
    ],
)
def test_a_prior_is_written_as_the_call_that_makes_it(prior):
    assert eval(prior_code(prior), {"bb": bb}) == prior


def test_answers_are_made_again_with_all_their_options():
    model = bb.MixedModel(RAIL, bb.load_dataset("rail"))
    prior = bb.Prior(kappa=1e-4, mean=60, sd="HalfNormal(50)")
    cmp = model.compare(
        prior, kappa=1e-3, ci_prob=0.9, columns=("complete pooling", "no pooling", "mode"), rows=("icc",)
    )
    own = bb.compare(
        dict(cmp.answers),
        given=model.solve({"Rail": 20.0, "residual": 4.0}, prior_mean=3.0, kappa=0.1),
        ci_prob=0.9,
    )
    for asked in (cmp, own):
        s = subject_of(asked)
        again = answers_code(s)
        assert again.lost == ()
        found = run("data = bb.load_dataset('rail')", model_code(s), again.code)["cmp"]
        pd.testing.assert_frame_equal(found.to_dataframe(), asked.to_dataframe())


def test_equations_at_a_fit_are_solved_at_that_fit():
    model = bb.MixedModel("score ~ Machine + (Machine | Worker)", bb.load_dataset("machines"))
    assert "mme = model.solve(reml)" in answers_code(subject_of(model.compare(exact=False))).code


def test_draws_are_made_again_with_their_seed():
    given = {
        "parameterization": "auto",
        "random": "normal",
        "draws": 50,
        "tune": 40,
        "chains": 2,
        "random_seed": 7,
    }
    arguments = json.dumps(given)
    fit = bb.MixedModel(RAIL, bb.load_dataset("rail")).fit()
    drawn = SimpleNamespace(
        design=fit.design, estimator="NUTS", prior=SimpleNamespace(given=bb.Prior(sd="HalfNormal(50)")),
        data=SimpleNamespace(attrs={"sample_arguments": arguments, "random_seed": "7"}),
        diagnostics={"draws": 50, "chains": 2}, data_hash=fit.data_hash, tidy=fit.tidy, n_obs=18,
    )  # fmt: skip
    code = answers_code(
        subject_of(SimpleNamespace(answers={"NUTS": drawn}, ci_prob=0.95, rows=(), spread="pev_sd"))
    ).code
    assert "model.sample(bb.Prior(sd='HalfNormal(50)'), draws=50, tune=40, chains=2, random_seed=7)" in code


def test_an_answer_from_elsewhere_is_named_as_lost():
    model = bb.MixedModel(RAIL, bb.load_dataset("rail"))
    table = pd.DataFrame({"component": ["fixed"], "term": ["Intercept"], "estimate": [66.5]})
    again = answers_code(subject_of(bb.compare(model.fit(), bb.external("lme4", table))))
    assert again.lost == ("lme4",) and "lme4" not in again.code
