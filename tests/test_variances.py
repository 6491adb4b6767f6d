"""Variances: what is read from them, and how they print."""

import pickle

import pytest

import blupbayes as bb
from blupbayes.errors import DataError
from blupbayes.variances import Variances, significant


@pytest.fixture(scope="module")
def sleep():
    return bb.MixedModel("Reaction ~ Days + (Days | Subject)", bb.load_dataset("sleepstudy"))


@pytest.fixture(scope="module")
def diagonal():
    return bb.MixedModel("Reaction ~ Days + (Days || Subject)", bb.load_dataset("sleepstudy"))


def test_mapping_access(sleep):
    found = sleep.solve({"Subject": [[9.0, 3.0], [3.0, 4.0]], "residual": 5}).variances
    assert list(found) == ["Subject", "residual"] == list(found.keys()) and len(found) == 2
    assert found["residual"] == 5.0
    assert found["Subject"].loc["Days", "Intercept"] == 3.0
    assert found.corr("Subject").loc["Days", "Intercept"] == pytest.approx(0.5, rel=1e-15)
    with pytest.raises(DataError, match="Did you mean 'Subject'"):
        found["subject"]


def test_repr_has_lme4s_layout(sleep, diagonal):
    # sleepstudy, REML, polished reference: sds 24.74045, 5.92213, correlation .0656, residual 25.59182.
    assert repr(sleep.fit().variances).splitlines() == [
        " Groups   Name      Variance Std.Dev. Corr",
        " Subject  Intercept 612.09   24.740",
        "          Days      35.072   5.9221   0.07",
        " residual           654.94   25.592",
    ]
    assert "0.0" not in repr(diagonal.fit().variances)  # no correlation where the formula has none


@pytest.mark.parametrize(
    ("x", "text"),
    [(66.5, "66.500"), (0.0, "0"), (123456.7, "123457"), (12345.6, "12346"), (1e-7, "1.0000e-07")],
)
def test_five_significant_digits(x, text):
    assert significant(x) == text


def test_pickle(sleep):
    found = sleep.fit().variances
    again = pickle.loads(pickle.dumps(found))
    assert isinstance(again, Variances) and repr(again) == repr(found)
