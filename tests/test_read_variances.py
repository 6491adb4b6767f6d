"""What a user calls variances: everything that can be given, and every refusal."""

import numpy as np
import pandas as pd
import pytest

import blupbayes as bb
from blupbayes.errors import DataError
from blupbayes.read_variances import read_variances


@pytest.fixture(scope="module")
def rail():
    return bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail"))


@pytest.fixture(scope="module")
def sleep():
    return bb.MixedModel("Reaction ~ Days + (Days | Subject)", bb.load_dataset("sleepstudy"))


@pytest.fixture(scope="module")
def diagonal():
    return bb.MixedModel("Reaction ~ Days + (Days || Subject)", bb.load_dataset("sleepstudy"))


def read(model, given):
    return read_variances(given, model.statistics.groups, model.design.sigma)


def test_a_number_is_an_sd_and_a_matrix_a_covariance(rail):
    for given in (3.0, [[9.0]], np.array([[9.0]]), pd.DataFrame([[9.0]])):
        found = read(rail, {"Rail": given, "residual": 2})
        assert found.sd("Rail").tolist() == [3.0] and found.residual == 2.0
        assert [t.tolist() for t in found.factors()] == [[[1.5]]]


def test_a_fit_and_a_variances_stand_for_themselves(sleep):
    fit = sleep.fit()
    for given in (fit, fit.variances, dict(fit.variances)):
        found = read(sleep, given)
        # T T' sigma^2 and back: to rounding.
        assert found["Subject"].to_numpy() == pytest.approx(fit.variances["Subject"].to_numpy(), rel=1e-14)
        theta = np.concatenate([found.factors()[0][:, 0], found.factors()[0][1:, 1]])
        assert theta == pytest.approx(fit.theta, rel=1e-10)


def test_a_data_frame_is_put_in_the_models_order(sleep):
    given = pd.DataFrame([[4.0, 1.0], [1.0, 9.0]], index=["Days", "Intercept"], columns=["Days", "Intercept"])
    found = read(sleep, {"Subject": given, "residual": 1})
    assert found.sd("Subject").to_dict() == {"Intercept": 3.0, "Days": 2.0}


def test_zero_and_singular_are_allowed(rail, sleep):
    assert read(rail, {"Rail": 0, "residual": 1}).factors()[0].tolist() == [[0.0]]
    T = read(sleep, {"Subject": [[4.0, 6.0], [6.0, 9.0]], "residual": 1}).factors()[0]
    assert T.tolist() == [[2.0, 0.0], [3.0, 0.0]]  # a correlation of 1
    assert np.isnan(
        read(sleep, {"Subject": [[0.0, 0.0], [0.0, 9.0]], "residual": 1}).corr("Subject").iloc[1, 0]
    )


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (3, "cannot read a int"),
        ({"rail": 1, "residual": 1}, "no grouping factor 'rail'.*Did you mean 'Rail'"),
        ({"Batch": 1, "residual": 1}, "no grouping factor 'Batch'.*it has 'Rail'"),
        ({"residual": 1}, "nothing is given for 'Rail'"),
        ({"Rail": 1}, "'residual' .* is missing"),
        ({"Rail": 1, "Residual": 1}, "Did you mean 'residual'"),
        ({"Rail": -1, "residual": 1}, "must not be negative"),
        ({"Rail": float("nan"), "residual": 1}, "not finite"),
        ({"Rail": float("inf"), "residual": 1}, "not finite"),
        ({"Rail": "big", "residual": 1}, "not a number"),
        ({"Rail": [1, 2], "residual": 1}, "must be one number"),
        ({"Rail": [[-1.0]], "residual": 1}, "not positive semidefinite"),
        ({"Rail": 1, "residual": 0}, "one number above 0"),
        ({"Rail": 1, "residual": -1}, "one number above 0"),
        ({"Rail": 1, "residual": [1, 2]}, "one number above 0"),
    ],
)
def test_refusals_for_one_coefficient(rail, given, text):
    with pytest.raises(DataError, match=text):
        read(rail, given)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (3.0, "must be a 2 x 2 covariance matrix, for the coefficients Intercept, Days"),
        (np.eye(3), r"its shape is \(3, 3\)"),
        ([[1, 0.5], [0.4, 1]], "not symmetric"),
        ([[1, 2], [2, 1]], "not positive semidefinite .smallest eigenvalue -1"),
    ],
)
def test_refusals_for_two_coefficients(sleep, given, text):
    with pytest.raises(DataError, match=text):
        read(sleep, {"Subject": given, "residual": 1})


def test_a_covariance_that_the_formula_sets_to_zero_is_refused(diagonal):
    assert read(diagonal, {"Subject": np.diag([4.0, 1.0]), "residual": 1}).free == ((),)
    with pytest.raises(DataError, match="covariance between Intercept and Days"):
        read(diagonal, {"Subject": [[4.0, 0.5], [0.5, 1.0]], "residual": 1})


def test_a_known_sigma_may_be_left_out_and_must_agree():
    schools = bb.load_dataset("eight_schools")
    model = bb.MixedModel("y ~ 1 + (1 | school)", schools, weights=1 / schools["se"] ** 2, sigma=1)
    assert read(model, {"school": 5}).residual == 1.0
    assert read(model, {"school": 5, "residual": 1}).residual == 1.0
    with pytest.raises(DataError, match=r"residual.*is 2, but the model was built with sigma=1"):
        read(model, {"school": 5, "residual": 2})
