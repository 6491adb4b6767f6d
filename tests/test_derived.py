"""Rows on request: every kind of answer, and what cannot be told."""

import numpy as np
import pandas as pd
import pytest

import blupbayes as bb
from blupbayes.compare.rows import COLUMNS
from blupbayes.derived import drawn_icc, drawn_means
from blupbayes.errors import ComparisonError
from blupbayes.posterior import Posterior
from oracle import Oracle


@pytest.fixture(scope="module")
def machines():
    return bb.MixedModel("score ~ Machine + (1 | Worker)", bb.load_dataset("machines"))


def test_every_answer_gives_rows_of_the_long_table(machines):
    fit, post = machines.fit(), machines.integrate()
    draws = post.draw(500, 2, random_seed=0)
    tables = [a.icc() for a in (fit, machines.solve(fit), machines.mode(), post)]
    tables += [a.marginal_means() for a in (fit, machines.solve(fit), machines.mode(), post)]
    tables += [
        drawn_icc(machines.design, draws, "NUTS", 0.95),
        drawn_means(machines.design, draws, "NUTS", 0.95, True),
    ]
    for table in tables:
        assert table.columns.tolist() == COLUMNS and table["estimate"].notna().all() and len(table) in (1, 3)
    assert tables[-1]["mcse"].notna().all() and tables[1]["note"].tolist() == ["given, not estimated"]


def test_marginal_means_by_the_dense_oracle(machines):
    g = machines.solve({"Worker": 5.0, "residual": 3.0}, kappa=1e-3)
    design = machines.design
    Z = np.eye(6)[design.groups[0].codes]
    oracle = Oracle(design.y, design.X, Z, 25.0 * np.eye(6), 3.0)
    beta, cov = oracle.fixed(1e-3)
    L = np.array([[1, 0, 0], [1, 1, 0], [1, 0, 1]])
    table = g.marginal_means()
    np.testing.assert_allclose(table["estimate"], L @ beta, rtol=1e-10)
    np.testing.assert_allclose(table["uncertainty"], np.sqrt(np.diag(L @ cov @ L.T)), rtol=1e-9)
    assert set(table["uncertainty_kind"]) == {"posterior_sd"}
    assert set(machines.fit().marginal_means()["uncertainty_kind"]) == {"se"}


def test_integral_and_draws_agree(machines):
    post = machines.integrate()
    exact = post.marginal_means()
    drawn = drawn_means(machines.design, post.draw(5000, 4, random_seed=1), "NUTS", 0.95, True)
    # 20000 independent draws: five standard errors
    off = (exact["estimate"] - drawn["estimate"]) / (exact["uncertainty"] / np.sqrt(20000))
    assert (off.abs() < 5).all()
    by_weights = post.combine([{"beta[Intercept]": 1}, {"beta[Intercept]": 1, "beta[Machine[T.B]]": 1}])
    np.testing.assert_allclose(exact["estimate"][:2], by_weights["estimate"], rtol=1e-10)
    np.testing.assert_allclose(exact["uncertainty"][:2], by_weights["posterior_sd"], rtol=1e-10)


@pytest.fixture(scope="module")
def gappy():
    """Two factors and their interaction, one cell empty."""
    rng = np.random.default_rng(2)
    frame = pd.DataFrame(
        {"a": np.repeat(list("pqr"), 12), "b": np.tile(list("uv"), 18), "g": np.tile(list("123456"), 6)}
    )
    frame["y"] = rng.normal(size=36) + (frame["a"] == "q")
    return frame[(frame["a"] != "r") | (frame["b"] != "v")]


def test_what_an_empty_cell_hides_is_blank_and_says_why(gappy):
    model = bb.MixedModel("y ~ a * b + (1 | g)", gappy)
    for answer in (model.fit(), model.solve(model.fit()), model.integrate()):
        table = answer.marginal_means().set_index(["group", "level"])
        hidden = {("a", "r"), ("b", "v")}
        assert {key for key, row in table.iterrows() if np.isnan(row["estimate"])} == hidden
        assert all("not estimable" in table.loc[key, "note"] for key in hidden)
        assert (table.loc[list(hidden), ["uncertainty_kind", "ci_kind"]] == "").all(axis=None)
    full = bb.MixedModel("y ~ 0 + a:b + (1 | g)", gappy)  # means of cells: another basis
    cells = full.solve({"g": 0.5, "residual": 1.0})
    own = model.solve({"g": 0.5, "residual": 1.0}).marginal_means().set_index(["group", "level"])
    p = cells.beta[["a[p]:b[u]", "a[p]:b[v]"]].mean()
    assert own.loc[("a", "p"), "estimate"] == pytest.approx(p, rel=1e-9)


def test_rows_of_a_comparison(machines):
    found = machines.compare(rows=("icc", "marginal_mean"), columns=["mode"])
    table = found.to_dataframe()
    assert {"icc", "marginal_mean"} < set(table["component"])
    assert set(table.loc[table["component"] == "icc", "estimator"]) == {
        "ML",
        "REML",
        "MME",
        "integrate",
        "mode",
    }
    text = found.to_text()
    assert "Intraclass correlations: variance of the group" in text and "Machine A" in text
    assert "Marginal means: X beta at each level" in " ".join(text.split())
    assert "icc" not in set(machines.compare(exact=False).to_dataframe()["component"])
    assert list(bb.compare(machines.fit(), rows="icc").rows) == ["icc"]


def test_rows_that_do_not_exist():
    rail = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail"))
    assert "marginal_mean: no rows" in bb.compare(rail.fit(), rows=["marginal_mean"]).to_text()
    with pytest.raises(ComparisonError, match="rows='iccs': it is one of 'icc', 'marginal_mean'"):
        bb.compare(rail.fit(), rows=["iccs"])


def test_posteriors_by_draws(machines):
    exact = machines.integrate()
    post = Posterior(machines.design, exact.prior, exact.draw(500, 2, random_seed=0), {"messages": []})
    pd.testing.assert_frame_equal(post.icc(0.9), drawn_icc(machines.design, post.data, "NUTS", 0.9))
    pd.testing.assert_frame_equal(
        post.marginal_means(0.9), drawn_means(machines.design, post.data, "NUTS", 0.9, True)
    )
    assert "icc" in set(bb.compare(post, rows=["icc"]).to_dataframe()["component"])


def test_scales_of_student_t_effects_are_no_variances(machines):
    draws = machines.integrate().draw(100, 2, random_seed=0)
    heavy = draws["posterior"].to_dataset().assign(nu_Worker=draws["posterior"]["sigma"])
    assert len(drawn_icc(machines.design, {"posterior": heavy}, "NUTS", 0.95)) == 0


def test_an_aliased_column_changes_nothing(machines):
    data = bb.load_dataset("machines").assign(x=np.arange(54.0) % 7)
    one = bb.MixedModel("score ~ Machine + x + (1 | Worker)", data)
    two = bb.MixedModel("score ~ Machine + x + I(2 * x) + (1 | Worker)", data)
    known = {"Worker": 5.0, "residual": 3.0}
    for make in (lambda m: m.fit(), lambda m: m.solve(known), lambda m: m.integrate()):
        a, b = make(one).marginal_means(), make(two).marginal_means()
        # 1e-6: the optimum of one more column is found by other steps
        np.testing.assert_allclose(a["estimate"], b["estimate"], rtol=1e-6)
        np.testing.assert_allclose(a["uncertainty"], b["uncertainty"], rtol=1e-5)


def test_kinds_of_intervals_follow_the_prior_of_beta(machines):
    fit = machines.fit()
    assert (
        set(fit.marginal_means()["ci_kind"])
        == set(machines.solve(fit).marginal_means()["ci_kind"])
        == {"wald"}
    )
    assert set(machines.solve(fit, kappa=1e-3).marginal_means()["ci_kind"]) == {"eti"}
