"""Posterior: the draws as users hold them. The draws themselves: test_hierarchical, test_summary."""

import pickle

import numpy as np
import pytest

import blupbayes as bb
from blupbayes.compare.rows import COLUMNS


@pytest.fixture(scope="module")
def post():
    model = bb.MixedModel("Reaction ~ Days + (Days | Subject)", bb.load_dataset("sleepstudy"))
    return model.sample(
        bb.Prior(sd="HalfNormal(50)"), draws=100, tune=200, chains=2, random_seed=3, progressbar=False
    )


def draws(post, name):
    values = post.data["posterior"][name].values
    return values.reshape(-1, *values.shape[2:])


def test_tidy_is_the_long_table(post):
    table = post.tidy()
    assert list(table.columns) == COLUMNS and (table["estimator"] == "NUTS").all()
    assert not table.duplicated(["component", "group", "level", "term"]).any()
    counts = {"b": 36, "group_mean": 36, "sd": 3, "fixed": 2, "corr": 1}
    assert table["component"].value_counts().to_dict() == counts
    assert (table["uncertainty_kind"] == "posterior_sd").all() and (table["ci_kind"] == "eti").all()
    assert table[["mcse", "ess_bulk", "r_hat"]].notna().all().all()


def test_tidy_stands_beside_a_fit_row_by_row(post):
    fit = bb.MixedModel("Reaction ~ Days + (Days | Subject)", bb.load_dataset("sleepstudy")).fit()
    keys = ["component", "group", "level", "term"]
    mine = post.tidy().set_index(keys).index
    theirs = fit.tidy().query("component != 'weight'").set_index(keys).index
    assert mine.equals(theirs)


def test_tidy_holds_the_draws_own_moments(post):
    # The same draws through another path: equal to rounding.
    table = post.tidy(0.8).set_index(["component", "group", "level", "term"])
    beta, b, sd = (draws(post, name) for name in ("beta", "b_Subject", "sd_Subject"))
    rows = {
        ("fixed", "", "", "Days"): beta[:, 1],
        ("sd", "Subject", "", "Intercept"): sd[:, 0],
        ("sd", "residual", "", ""): draws(post, "sigma"),
        ("corr", "Subject", "", "Intercept, Days"): draws(post, "corr_Subject")[:, 0, 1],
        ("b", "Subject", "309", "Days"): b[:, 1, 1],
        ("group_mean", "Subject", "309", "Intercept"): beta[:, 0] + b[:, 1, 0],
    }
    for key, values in rows.items():
        row = table.loc[key]
        assert row["estimate"] == pytest.approx(values.mean(), rel=1e-12), key
        assert row["uncertainty"] == pytest.approx(values.std(ddof=1), rel=1e-12), key
        assert [row["ci_lb"], row["ci_ub"]] == pytest.approx(np.quantile(values, [0.1, 0.9]), rel=1e-12), key
        assert row["ci_prob"] == 0.8


def test_the_prior_that_was_used_is_shown_everywhere(post):
    for text in (repr(post), "\n".join(post.notes), post._repr_html_()):
        assert "HalfNormal(50)" in text and "seed 3" in text
    assert "2 chains x 100 draws" in post.notes[0]


def test_few_draws_are_reported(post):
    # 200 draws cannot reach 100 effective draws per chain in every quantity.
    assert post.messages and any(m in repr(post).replace("\n  ", " ") for m in post.messages)


def test_repr_has_a_row_per_parameter(post):
    for name in post.summary().index:
        assert f"\n{name} " in repr(post)


def test_known_sigma_is_a_row_without_spread():
    schools = bb.load_dataset("eight_schools")
    model = bb.MixedModel("y ~ 1 + (1 | school)", schools, weights=1 / schools["se"] ** 2, sigma=1)
    table = model.sample(draws=20, tune=50, chains=2, random_seed=1, progressbar=False).tidy()
    row = table[table["group"] == "residual"].iloc[0]
    assert (row["estimate"], row["note"]) == (1.0, "known, not estimated") and np.isnan(row["uncertainty"])


def test_pickle(post):
    again = pickle.loads(pickle.dumps(post))
    assert repr(again) == repr(post)
