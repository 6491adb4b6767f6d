"""Dropping rows: labels or masks, weights and offsets follow, levels keep their names."""

import numpy as np
import pandas as pd
import polars
import pytest

import blupbayes as bb
from blupbayes.errors import DataError
from blupbayes.source import keep_mask

FORMULA = "travel ~ 1 + (1 | Rail)"


@pytest.fixture
def rail():
    return bb.load_dataset("rail")


@pytest.mark.parametrize("rows", ["b", ["b"], [False, True, False], np.array([False, True, False])])
def test_labels_and_masks(rows):
    assert keep_mask(rows, pd.Index(["a", "b", "c"])).tolist() == [True, False, True]


def test_a_label_that_occurs_twice_drops_both():
    assert keep_mask(["a"], pd.Index(["a", "b", "a"])).tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ([3], "no row labelled 3"),
        (["a", "z"], "no row labelled 'z'"),
        ([True, False], "mask has 2 entries, the data have 3"),
    ],
)
def test_what_is_not_there_is_refused(rows, text):
    with pytest.raises(DataError, match=text):
        keep_mask(rows, pd.Index(["a", "b", "c"]))


def test_dropping_is_building_without_the_rows(rail):
    rows = [0, 7, 8]
    dropped = bb.MixedModel(FORMULA, rail).drop(rows)
    assert dropped.design.hash == bb.MixedModel(FORMULA, rail.drop(rows)).design.hash
    assert dropped.design.rows.tolist() == [k for k in range(18) if k not in rows]


def test_weights_and_offsets_follow(rail):
    weights, offset = np.arange(1.0, 19.0), pd.Series(np.arange(18.0))
    model = bb.MixedModel(FORMULA, rail, weights=weights, offset=offset).drop([0])
    assert (
        model.design.weights.tolist() == weights[1:].tolist()
        and model.design.offset.tolist() == offset[1:].tolist()
    )
    column = bb.MixedModel(FORMULA, rail.assign(w=weights), weights="w").drop([0])
    assert column.design.weights.tolist() == weights[1:].tolist()


def test_labels_are_those_of_the_data_as_given(rail):
    rail = rail.set_index(
        rail["Rail"].astype(str) + "-" + rail.groupby("Rail", observed=True).cumcount().astype(str)
    )
    model = bb.MixedModel(FORMULA, rail).drop(["2-0", "3-2"])
    assert len(model.design.y) == 16 and "2-0" not in model.design.rows and "2-1" in model.design.rows


def test_drop_and_missing_values(rail):
    rail.loc[4, "travel"] = np.nan
    model = bb.MixedModel(FORMULA, rail, missing="drop").drop([0])
    assert (len(model.design.y), model.design.n_dropped) == (16, 1)


def test_other_frames(rail):
    other = polars.DataFrame({"Rail": rail["Rail"].astype(str).tolist(), "travel": rail["travel"].tolist()})
    assert len(bb.MixedModel(FORMULA, other).drop([0, 1]).design.y) == 16
    assert (
        len(bb.MixedModel(FORMULA, {"Rail": list("aabb"), "travel": [1.0, 2, 3, 5]}).drop([0]).design.y) == 3
    )


def test_the_model_does_not_follow_changes_of_the_frame(rail):
    model = bb.MixedModel(FORMULA, rail)
    before = model.drop([0]).design.hash
    rail["travel"] = 0.0
    rail.loc[1, "Rail"] = "6"
    assert model.drop([0]).design.hash == before


def test_models_of_arrays_keep_the_names_of_their_levels(rail):
    Z = pd.get_dummies(rail["Rail"]).to_numpy(float)
    arrays = bb.MixedModel.from_arrays(
        rail["travel"],
        np.ones((18, 1)),
        Z,
        fixed_names=["mean"],
        group_name="rail",
        weights=np.arange(1.0, 19.0),
    )
    first = arrays.design.groups[0]
    gone = np.flatnonzero(first.codes == 0)
    less = arrays.drop(gone)
    assert less.design.groups[0].levels == first.levels[1:] and less.design.groups[0].name == "rail"
    assert less.design.fixed_names == ("mean",) and len(less.design.y) == 15
    assert less.design.weights.tolist() == np.delete(np.arange(1.0, 19.0), gone).tolist()
    formula = bb.MixedModel(FORMULA, rail, weights=np.arange(1.0, 19.0)).drop(gone.tolist())
    # The same model through the other door: two reductions, agreement to rounding.
    assert less.fit("ML").criterion == pytest.approx(formula.fit("ML").criterion, rel=1e-10)
