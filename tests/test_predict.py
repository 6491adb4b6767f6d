"""Fitted values and predictions, against the design's own arrays and on new rows."""

import numpy as np
import pandas as pd
import pytest

import blupbayes as bb
from blupbayes.errors import DataError, NewLevelError
from blupbayes.model.design import build
from blupbayes.predict import predict
from contract import close
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
