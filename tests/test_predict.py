"""Fitted values and predictions, against the design's own arrays and on new rows."""

import numpy as np
import pandas as pd
import pytest

import blupbayes as bb
from blupbayes.errors import DataError, NewLevelError
from blupbayes.model.design import build
from blupbayes.predict import predict, read_rows
from contract import close
from new_rows import by_hand, new_frame
from random_models import random_design


@pytest.fixture(scope="module")
def rail():
    return bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail")).fit()


@pytest.mark.parametrize("kind", ["slope", "crossed offset", "nested weights offset", "slope deficient"])
def test_fitted_values_are_offset_plus_X_beta_plus_Z_b(kind):
    d = random_design(np.random.default_rng(5), kind)
    options = {
        name: value for name, value in (("weights", d.weights), ("offset", d.offset)) if value is not None
    }
    design = build(d.formula, d.frame, **options)
    rng = np.random.default_rng(0)
    beta = rng.standard_normal(d.X.shape[1])
    b = [rng.standard_normal((k.J, k.q)) for k in d.blocks]
    offset = 0.0 if d.offset is None else d.offset
    fixed = offset + d.X @ beta
    close(predict(design, beta, b)["mean"], fixed + d.Z @ np.concatenate([x.ravel() for x in b]))
    close(predict(design, beta, b, random="none")["mean"], fixed)


def test_an_aliased_beta_counts_as_zero():
    d = random_design(np.random.default_rng(5), "slope deficient")
    design = build(d.formula, d.frame)
    beta = np.ones(d.X.shape[1])
    beta[2] = np.nan
    found = predict(design, beta, [np.zeros((k.J, k.q)) for k in d.blocks])["mean"]
    close(found, d.X @ np.nan_to_num(beta))


def test_own_rows_as_new_rows_give_the_fitted_values(rail):
    again = rail.predict(bb.load_dataset("rail"))
    # The same products in the same order, so equal bit by bit.
    assert again["mean"].tolist() == rail.predict()["mean"].tolist()


def test_rows_keep_their_labels(rail):
    rows = pd.DataFrame({"Rail": ["3", "2"]}, index=["left", "right"])
    assert rail.predict(rows).index.tolist() == ["left", "right"]
    dropped = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail")).drop([0, 5]).fit()
    assert dropped.predict().index.tolist() == [k for k in range(18) if k not in (0, 5)]


def test_a_new_level_is_refused_by_name(rail):
    with pytest.raises(NewLevelError, match=r"Rail '7' was not in the fit.*new_levels='population'"):
        rail.predict({"Rail": ["2", "7"]})
    many = {"Rail": [f"new {k}" for k in range(8)]}
    with pytest.raises(NewLevelError, match=r"and 3 more were not"):
        rail.predict(many)


def test_a_new_level_of_the_population_has_b_zero(rail):
    found = rail.predict({"Rail": ["2", "7"]}, new_levels="population")["mean"]
    # REML BLUP of rail 2 and the mean, published to 8 digits (Pinheiro and Bates' Rail data).
    assert found.to_numpy() == pytest.approx([31.969088, 66.5], abs=1e-6)


def test_without_random_effects_the_groups_are_not_needed(rail):
    assert rail.predict({"other": [1, 2]}, random="none")["mean"].tolist() == pytest.approx(
        [66.5, 66.5], rel=1e-12
    )


@pytest.mark.parametrize(("option", "value"), [("random", "some"), ("new_levels", "drop"), ("random", None)])
def test_unknown_options_are_refused(rail, option, value):
    with pytest.raises(DataError, match=f"{option}="):
        rail.predict(**{option: value})


def test_new_rows_are_split_by_what_takes_part():
    """Z by hand: inside what is chosen and known, outside all else."""
    d = random_design(np.random.default_rng(5), "crossed_slopes")
    design = build(d.formula, d.frame)
    frame = new_frame(d, np.random.default_rng(6), unseen=["a"])
    rows = read_rows(design, frame, random=["a[x]", "c"], new_levels="population")
    X, Z, outside = by_hand(d, "crossed_slopes", frame, {"a": "x", "c": "1x"})
    dense = []
    for g, codes, columns in zip(design.groups, rows.codes, rows.inside, strict=True):
        block = np.zeros((len(frame), len(g.levels), len(g.names)))
        block[np.arange(len(frame)), codes] = columns
        dense.append(block.reshape(len(frame), -1))
    assert np.array_equal(np.hstack(dense), Z) and np.array_equal(rows.X, X)
    for (_, expected), found in zip(outside, rows.outside, strict=True):
        assert np.array_equal(found, expected)


def test_a_group_that_takes_no_part_needs_no_levels(rail):
    fit = bb.MixedModel("Reaction ~ Days + (Days | Subject)", bb.load_dataset("sleepstudy")).fit()
    assert len(fit.predict({"Days": [1, 2]}, random="none")) == 2
    with pytest.raises(DataError, match="no column 'Subject' in the new rows"):
        fit.predict({"Days": [1, 2]})


def test_a_random_slope_needs_its_column_for_the_spread_only():
    model = bb.MixedModel("Reaction ~ 1 + (0 + Days | Subject)", bb.load_dataset("sleepstudy"))
    new = {"Subject": ["308", "309"]}
    assert len(model.fit().predict(new, random="none", se=False)) == 2
    with pytest.raises(DataError, match="no column 'Days' in the new rows"):
        model.fit().predict(new, random="none")


@pytest.mark.parametrize("data", [{"Days": [1.0, np.nan]}, {"Days": [1.0, np.inf]}, {"Days": [None, 1.0]}])
def test_missing_values_in_new_rows_are_counted(data):
    fit = bb.MixedModel("Reaction ~ Days + (Days | Subject)", bb.load_dataset("sleepstudy")).fit()
    with pytest.raises(DataError, match=r"1 of 2 new rows have missing or infinite values \(Days: 1\)"):
        fit.predict(data | {"Subject": ["308", "309"]})


def test_no_new_rows_give_no_predictions(rail):
    table = rail.predict(pd.DataFrame({"Rail": pd.Series([], dtype=str)}), ci_prob=0.95)
    assert table.shape == (0, 7)


NEW = pd.DataFrame(
    {"Rail": ["1", "2"], "w": [1.0, 2.0], "bad": [1.0, 0.0], "gone": [1.0, np.nan], "t": list("uv")}
)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ("W", r"no column 'W' in the new rows .*Did you mean 'w'"),
        ("bad", "1 of 2 weights are zero or negative"),
        ("gone", "1 of 2 weights of the new rows are missing"),
        ("t", "the weights 't' holds no numbers"),
        ([1.0], r"the weights have shape \(1,\), the data 2 rows"),
        ([1.0, np.nan], "1 of 2 weights of the new rows are missing"),
        ([1.0, -1.0], "1 of 2 weights are zero or negative"),
        (pd.Series([1.0, 1.0], index=[5, 6]), "row labels are not those of the data"),
        (["one", "two"], "the weights are not numbers"),
    ],
)
def test_weights_that_are_none_are_refused(rail, weights, message):
    with pytest.raises(DataError, match=message):
        rail.predict(NEW, weights=weights)


def test_a_name_of_weights_needs_rows_to_take_it_from(rail):
    with pytest.raises(DataError, match=r"weights='w' names a column, but no rows are given"):
        rail.predict(weights="w")


def test_weights_by_name_and_as_array_are_the_same(rail):
    pd.testing.assert_frame_equal(rail.predict(NEW, weights="w"), rail.predict(NEW, weights=[1.0, 2.0]))


def test_a_model_from_arrays_says_why_it_has_no_new_rows():
    data = bb.load_dataset("rail")
    Z = (data["Rail"].to_numpy()[:, None] == np.unique(data["Rail"])).astype(float)
    fit = bb.MixedModel.from_arrays(data["travel"], np.ones((18, 1)), Z).fit()
    assert fit.predict(random="g")["se_mean"].notna().all()
    with pytest.raises(DataError, match="cannot encode new rows"):
        fit.predict(data)
