"""The front door: every verb reaches the right floor with the right arguments, and refuses what it must."""

import inspect
import logging
import pickle

import numpy as np
import pandas as pd
import polars
import pytest

import blupbayes as bb
from blupbayes.bayes import sampling
from blupbayes.errors import DataError, FormulaError, PriorError

FORMULA = "travel ~ 1 + (1 | Rail)"
VAR = {"Rail": np.sqrt(615.3111111), "residual": np.sqrt(16.1666667)}  # REML, [E-ONEWAY]


@pytest.fixture(scope="module")
def rail():
    return bb.MixedModel(FORMULA, bb.load_dataset("rail"))


def parameters(function):
    """Names, kinds and defaults of a signature, without self."""
    found = inspect.signature(function).parameters.values()
    return [(p.name, p.kind is p.KEYWORD_ONLY, p.default) for p in found if p.name not in ("self", "cls")]


def test_signatures_are_the_contract():
    none, empty = None, inspect.Parameter.empty
    assert parameters(bb.MixedModel) == [
        ("formula", False, empty),
        ("data", False, empty),
        ("weights", True, none),
        ("offset", True, none),
        ("sigma", True, none),
        ("missing", True, "raise"),
    ]
    assert parameters(bb.MixedModel.solve)[1:] == [("kappa", False, 0.0), ("prior_mean", False, 0.0)]
    assert parameters(bb.MixedModel.sample) == [
        ("prior", False, none),
        ("parameterization", True, "auto"),
        ("draws", True, 1000),
        ("tune", True, 1000),
        ("chains", True, 4),
        ("random_seed", True, none),
        ("progressbar", True, True),
        ("random", True, "normal"),
        ("pm_sample_kwargs", False, empty),
    ]
    assert parameters(bb.MixedModel.compare)[:4] == [
        ("prior", False, none),
        ("sample", False, False),
        ("ci_prob", False, 0.95),
        ("random_seed", False, none),
    ]
    assert parameters(bb.MixedModel.from_arrays)[3:5] == [
        ("fixed_names", True, none),
        ("group_name", True, "g"),
    ]


def test_any_frame_will_do():
    rail = bb.load_dataset("rail")
    columns = {"Rail": rail["Rail"].astype(str).tolist(), "travel": rail["travel"].tolist()}
    expected = bb.MixedModel(FORMULA, rail).fit().criterion
    for frame in (columns, pd.DataFrame(columns), polars.DataFrame(columns)):
        # Another order of the levels: the same sums in another order, so to rounding.
        assert bb.MixedModel(FORMULA, frame).fit().criterion == pytest.approx(expected, rel=1e-12)


def test_the_rows_are_reduced_once(rail, monkeypatch):
    assert rail.statistics is rail.statistics
    monkeypatch.setattr("blupbayes.mixed_model.reduced", None)
    rail.fit("ML"), rail.fit("REML"), rail.solve(VAR), rail.kappa_path(VAR, [0])


@pytest.mark.parametrize(
    ("given", "method"), [("REML", "REML"), ("reml", "REML"), ("ml", "ML"), ("Ml", "ML")]
)
def test_methods_in_any_case(rail, given, method):
    assert rail.fit(given).method == method


@pytest.mark.parametrize(
    ("given", "text"),
    [("REM", "Did you mean 'REML'"), ("bayes", "not one of 'REML', 'ML'"), (None, "not one of")],
)
def test_unknown_methods_are_refused(rail, given, text):
    with pytest.raises(DataError, match=text):
        rail.fit(given)


def test_messages_are_logged_once_when_the_fit_is_made(caplog):
    model = bb.MixedModel("Yield ~ 1 + (1 | Batch)", bb.load_dataset("dyestuff2"))
    with caplog.at_level(logging.WARNING, "blupbayes"):
        fit = model.fit()
        repr(fit), fit.tidy(), fit._repr_html_()
    assert [r.getMessage() for r in caplog.records] == list(fit.messages) and len(fit.messages) == 1


def test_solve_reads_a_fit_a_variances_and_a_dict(rail):
    fit = rail.fit()
    betas = [rail.solve(v, kappa=1e-3).beta.iloc[0] for v in (fit, fit.variances, dict(fit.variances), VAR)]
    # The last one has ten digits of the variances.
    assert betas == pytest.approx([betas[0]] * 4, rel=1e-8)


def test_prior_mean_pulls_beta_there(rail):
    assert rail.solve(VAR, np.inf, prior_mean=50.0).beta.tolist() == [50.0]
    between = rail.solve(VAR, 1e-3, prior_mean=[50.0]).beta.iloc[0]
    assert 50 < between < 66.5


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"kappa": -1}, "kappa=-1"),
        ({"kappa": float("nan")}, "kappa=nan"),
        ({"prior_mean": [1, 2]}, "prior_mean must be one finite number or 1 of them"),
        ({"prior_mean": float("inf")}, "prior_mean"),
    ],
)
def test_solve_refuses(rail, arguments, text):
    with pytest.raises(DataError, match=text):
        rail.solve(VAR, **arguments)


def test_kappa_path_ends_in_henderson_and_starts_at_the_prior_mean(rail):
    path = rail.kappa_path(VAR, [0, 1e-3, np.inf], prior_mean=10.0)
    assert path.columns.tolist()[:2] == ["kappa", "component"]
    ends = path[path["component"] == "fixed"].set_index("kappa")["estimate"]
    assert ends[np.inf] == 10.0 and ends[0] == rail.solve(VAR).beta.iloc[0]
    assert ends[1e-3] == pytest.approx(rail.solve(VAR, 1e-3, 10.0).beta.iloc[0], rel=1e-13)
    assert len(path) == 3 * 13


def test_pooling_path_runs_from_the_grand_mean_to_the_raw_means(rail):
    path = rail.pooling_path(VAR, [0, 1, np.inf])
    means = path[path["component"] == "group_mean"].pivot_table(
        index="level", columns="tau", values="estimate", sort=False
    )
    raw = bb.load_dataset("rail").groupby("Rail", observed=True)["travel"].mean()
    assert means[0.0].to_numpy() == pytest.approx(np.full(6, 66.5), rel=1e-12)
    assert means[np.inf].to_numpy() == pytest.approx(raw[means.index].to_numpy(), rel=1e-9)
    blups = rail.solve(VAR).group_means().set_index("level")["estimate"]
    assert means[1.0].to_numpy() == pytest.approx(blups[means.index].to_numpy(), rel=1e-12)


@pytest.mark.parametrize("values", [[-1.0], [1.0, float("nan")], []])
def test_paths_refuse_bad_points(rail, values):
    for path in (rail.kappa_path, rail.pooling_path):
        with pytest.raises(DataError):
            path(VAR, values)


def test_to_pymc_is_a_plain_model(rail):
    import pymc as pm

    model = rail.to_pymc(bb.Prior(sd="HalfNormal(50)"))
    assert type(model) is pm.Model
    assert {"beta", "sigma", "sd_Rail", "b_Rail", "y"} <= set(model.named_vars)


def test_sample_passes_everything_on(rail, monkeypatch):
    seen = {}

    def pretend(design, prior, **options):
        seen.update(options, design=design, prior=prior)
        return "draws", {"messages": ("look out",)}

    monkeypatch.setattr(sampling, "sample", pretend)
    prior = bb.Prior(sd="HalfNormal(50)")
    post = rail.sample(prior, draws=5, tune=6, chains=2, random_seed=7, progressbar=False, target_accept=0.9)
    assert seen == {
        "design": rail.design,
        "prior": prior,
        "parameterization": "auto",
        "random": "normal",
        "draws": 5,
        "tune": 6,
        "chains": 2,
        "random_seed": 7,
        "progressbar": False,
        "target_accept": 0.9,
    }
    assert post.data == "draws" and post.messages == ("look out",) and "HalfNormal(50)" in str(post.prior)


def test_compare_without_sampling(rail):
    found = rail.compare(kappa=1e-3, ci_prob=0.9)
    assert list(found.answers) == ["ML", "REML", "MME", "integrate"] and found.ci_prob == 0.9
    assert found.answers["MME"].kappa == 1e-3
    assert (
        found.answers["MME"].variances.sd("Rail").tolist()
        == found.answers["REML"].variances.sd("Rail").tolist()
    )
    assert list(rail.compare(methods=["ml"], exact=False).answers) == ["ML", "MME"]


def test_a_posterior_that_cannot_be_integrated_is_left_out_with_its_reason(rail, monkeypatch):
    monkeypatch.setattr("blupbayes.bayes.lattice.MAX_POINTS", 3)
    found = rail.compare()
    assert list(found.answers) == ["ML", "REML", "MME"]
    assert "integrate: left out. The posterior of 1 variance parameters needs more" in found.to_text()


def test_compare_with_sampling_passes_prior_and_seed(rail, monkeypatch):
    seen = {}

    def pretend(self, prior, **options):
        seen.update(options, prior=prior)
        return self.fit()

    monkeypatch.setattr(bb.MixedModel, "sample", pretend)
    prior = bb.Prior()
    assert len(rail.compare(prior, True, random_seed=3, draws=10).answers) == 5
    assert seen == {"prior": prior, "random_seed": 3, "draws": 10}


def test_a_prior_that_does_not_fit_is_refused_before_sampling(rail):
    with pytest.raises(PriorError, match="rail"):
        rail.sample(bb.Prior(sd={"rail": "HalfNormal(50)"}))


def test_update_keeps_data_and_options():
    frame = bb.load_dataset("sleepstudy")
    model = bb.MixedModel("Reaction ~ Days + (Days | Subject)", frame, sigma=25.0)
    other = model.update(". ~ . - (Days | Subject) + (1 | Subject)")
    assert other.formula == "Reaction ~ Days + (1 | Subject)" and other.design.sigma == 25.0
    assert (
        other.design.hash == bb.MixedModel("Reaction ~ Days + (1 | Subject)", frame, sigma=25.0).design.hash
    )
    with pytest.raises(FormulaError):
        model.update(". ~ . + nowhere")


def test_models_of_arrays_have_no_formula_to_update():
    model = bb.MixedModel.from_arrays([1.0, 2, 4, 3, 5], np.ones((5, 1)), np.eye(2)[[0, 0, 1, 1, 1]])
    with pytest.raises(DataError, match="built from arrays"):
        model.update(". ~ . + x")


def test_from_arrays_by_indicators_and_by_codes_is_the_formula(rail):
    data = bb.load_dataset("rail")
    Z = pd.get_dummies(data["Rail"]).to_numpy(float)
    for form in (Z, {"g": (data["Rail"].astype(str).to_numpy(), np.ones((18, 1)))}):
        model = bb.MixedModel.from_arrays(data["travel"], np.ones((18, 1)), form)
        assert model.fit("ML").criterion == pytest.approx(rail.fit("ML").criterion, rel=1e-12)


def test_a_group_called_residual_is_refused():
    data = bb.load_dataset("rail").rename(columns={"Rail": "residual"})
    with pytest.raises(DataError, match="cannot be called 'residual'"):
        bb.MixedModel("travel ~ 1 + (1 | residual)", data)


def test_a_model_is_a_value(rail):
    with pytest.raises(AttributeError):
        rail.design = None
    again = pickle.loads(pickle.dumps(rail))
    assert repr(again) == repr(rail) and again.fit().criterion == rail.fit().criterion


def test_a_prior_that_is_none_is_told_what_to_write():
    rail = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail"))
    with pytest.raises(PriorError, match=r"give bb\.Prior\(sd='HalfNormal\(50\)'\)"):
        rail.sample("HalfNormal(50)")


@pytest.mark.parametrize(("kappa", "text"), [("a", "give numbers"), ([1, 2], "use kappa_path")])
def test_kappa_is_one_number(kappa, text):
    rail = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail"))
    with pytest.raises(DataError, match=text):
        rail.solve(rail.fit(), kappa)


def test_a_group_that_is_in_X_too_is_not_identified():
    rail = bb.load_dataset("rail").astype({"Rail": str})
    fit = bb.MixedModel("travel ~ Rail + (1 | Rail)", rail).fit("REML")
    assert any("does not depend on sd(Rail)" in message for message in fit.messages)
    assert "rises by" in bb.MixedModel("travel ~ Rail + (1 | Rail)", rail).fit("ML").messages[0]


def test_dropped_rows_are_said_in_every_table():
    frame = bb.load_dataset("rail")
    frame.loc[0, "travel"] = np.nan
    model = bb.MixedModel("travel ~ 1 + (1 | Rail)", frame, missing="drop")
    for text in (repr(model.fit()), bb.compare(model.fit()).to_text(), bb.compare(model.fit()).to_html()):
        assert "17 rows (1 dropped, missing values)" in text
