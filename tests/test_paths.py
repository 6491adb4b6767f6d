"""The paths as long tables: every point complete, values those of the points themselves."""

import numpy as np
import pandas as pd
import pytest

import blupbayes as bb
from blupbayes.compare.paths import kappa_table, pooling_table
from blupbayes.errors import DataError
from blupbayes.mme.gaussian import kappa_path, posterior
from blupbayes.mme.pooling import pooling_path

COLUMNS = ["component", "group", "level", "term", "estimate", "uncertainty", "uncertainty_kind"]


@pytest.fixture(scope="module")
def statistics():
    return bb.MixedModel("Reaction ~ Days + (Days | Subject)", bb.load_dataset("sleepstudy")).statistics


@pytest.fixture(scope="module")
def T():
    return (np.array([[1.0, 0.0], [0.1, 0.25]]),)


def test_kappa_table_holds_each_point(statistics, T):
    points = [posterior(statistics, T, 25.0, kappa) for kappa in (0.0, 1e-4)]
    table = kappa_table(statistics.groups, statistics.fixed_names, points)
    assert list(table.columns) == ["kappa", *COLUMNS]
    for point in points:
        rows = table[table["kappa"] == point.kappa]
        fixed, b = (rows[rows["component"] == c] for c in ("fixed", "b"))
        assert fixed["estimate"].tolist() == point.beta.tolist()
        assert fixed["uncertainty"].to_numpy() == pytest.approx(np.sqrt(np.diag(point.beta_cov)), rel=1e-14)
        assert b["estimate"].tolist() == point.b[0].ravel().tolist()
        means = rows.loc[rows["component"] == "group_mean", "estimate"].to_numpy().reshape(-1, 2)
        assert means == pytest.approx(point.beta + point.b[0], rel=1e-14)
        assert set(fixed["uncertainty_kind"]) == ({"se"} if point.kappa == 0 else {"posterior_sd"})


def test_pooling_table_holds_each_point(statistics, T):
    points = list(pooling_path(statistics, T, 25.0, [0.0, np.inf]))
    table = pooling_table(statistics.groups, statistics.fixed_names, points)
    assert list(table.columns) == ["tau", *COLUMNS]
    for point in points:
        rows = table[table["tau"] == point.tau]
        assert rows.loc[rows["component"] == "b", "estimate"].tolist() == point.b[0].ravel().tolist()
        means = rows.loc[rows["component"] == "group_mean"]
        assert means["estimate"].to_numpy().reshape(-1, 2) == pytest.approx(
            point.beta + point.b[0], rel=1e-14
        )
        assert means["uncertainty"].tolist() == point.sum_sd[0].ravel().tolist()
        assert (means["uncertainty_kind"] == "pev_sd").all()


def test_at_tau_one_both_paths_say_the_same_of_group_means(statistics, T):
    names = statistics.groups, statistics.fixed_names
    pooled = pooling_table(*names, pooling_path(statistics, T, 25.0, [1.0])).drop(columns="tau")
    limit = kappa_table(*names, kappa_path(statistics, T, 25.0, [0.0])).drop(columns="kappa")
    pd.testing.assert_frame_equal(pooled, limit, rtol=1e-12)


def test_without_fixed_effects_the_pooling_path_has_both_ends():
    model = bb.MixedModel("travel ~ 0 + (1 | Rail)", bb.load_dataset("rail"))
    path = model.pooling_path({"Rail": 20.0, "residual": 4.0}, [0, np.inf])
    assert path["estimate"].round(2).tolist() == [0.0] * 6 + [31.67, 50.0, 54.0, 82.67, 84.67, 96.0]
    assert set(path["component"]) == {"b"}


def test_text_columns_have_no_holes(statistics, T):
    table = pooling_table(statistics.groups, statistics.fixed_names, pooling_path(statistics, T, 25.0, [1.0]))
    assert not table[["component", "group", "level", "term", "uncertainty_kind"]].isna().any().any()


def test_an_empty_path_is_refused(statistics):
    with pytest.raises(DataError, match="at least one kappa"):
        kappa_table(statistics.groups, statistics.fixed_names, [])
