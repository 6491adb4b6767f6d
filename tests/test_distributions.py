"""Priors of sds: strings and dicts are read as PyMC would, and densities are those of scipy.stats."""

import pickle

import numpy as np
import pytest
import scipy.stats as st

from blupbayes.errors import PriorError
from blupbayes.model.distributions import Distribution, number, read_distribution

X = np.array([0.02, 0.7, 5.0, 40.0])
SCIPY = {
    "HalfNormal(50)": st.halfnorm(scale=50),
    "HalfStudentT(3, 50)": st.t(3, scale=50),
    "HalfCauchy(5)": st.halfcauchy(scale=5),
    "Exponential(0.02)": st.expon(scale=50),
    "Gamma(2, 0.1)": st.gamma(2, scale=10),
    "InverseGamma(0.5, 3)": st.invgamma(0.5, scale=3),
    "Uniform(0.01, 1e4)": st.uniform(0.01, 1e4 - 0.01),
}


def reference(text, x):
    """log-density by scipy.stats; its t has both signs, ours one."""
    return SCIPY[text].logpdf(x) + (np.log(2) if "StudentT" in text else 0.0)


@pytest.mark.parametrize("text", SCIPY)
def test_density_is_scipys(text):
    # a handful of roundings of terms of size 1 to 100
    np.testing.assert_allclose(read_distribution(text).logpdf(X), reference(text, X), rtol=1e-13, atol=1e-12)


@pytest.mark.parametrize("text", SCIPY)
def test_density_on_the_variance_carries_the_jacobian(text):
    expected = reference(text, X**2) + np.log(2 * X)
    actual = read_distribution(f"{text} on variance").logpdf(X)
    np.testing.assert_allclose(actual, expected, rtol=1e-13, atol=1e-12)


def test_flat_has_density_one_and_on_the_variance_2x():
    np.testing.assert_array_equal(read_distribution("Flat").logpdf(X), 0.0)
    np.testing.assert_allclose(read_distribution("HalfFlat on variance").logpdf(X), np.log(2 * X), rtol=1e-15)


@pytest.mark.parametrize("text", [*SCIPY, "Flat", "Flat on variance", "InverseGamma(1, 1) on variance"])
def test_no_mass_below_zero_and_no_nan(text):
    assert read_distribution(text).logpdf(-1e-9) == -np.inf
    assert not np.isnan(read_distribution(text).logpdf(np.array([0.0, 1e-200, 1e200]))).any()


@pytest.mark.parametrize(
    "given",
    [
        "HalfStudentT(3,50)",
        " HalfStudentT( nu=3, sigma = 5e1 ) ",
        "HalfStudentT(3, sigma=50) on sd",
        {"dist": "HalfStudentT", "nu": 3, "sigma": 50},
        Distribution("HalfStudentT", (3, 50)),
    ],
)
def test_spellings_of_the_same_prior(given):
    read = read_distribution(given)
    assert read == Distribution("HalfStudentT", (3.0, 50.0))
    assert read.parameters == {"nu": 3.0, "sigma": 50.0}
    assert all(type(a) is float for a in read.args)  # PyMC 6 turns small ints into int8, which overflow


@pytest.mark.parametrize("text", [*SCIPY, "HalfFlat", "InverseGamma(0.001, 0.001) on variance"])
def test_text_reads_back(text):
    read = read_distribution(text)
    assert read_distribution(str(read)) == read
    assert pickle.loads(pickle.dumps(read)) == read


def test_numbers_print_exactly_and_short():
    third = 1.0 / 3.0
    assert read_distribution(str(Distribution("HalfNormal", (third,)))).args == (third,)
    assert Distribution("HalfNormal", (third,)).text(6) == "HalfNormal(0.333333)"
    assert number(50.0) == "50"


def test_dict_on_the_variance():
    given = {"dist": "InverseGamma", "alpha": 0.001, "beta": 0.001, "on": "variance"}
    assert str(read_distribution(given)) == "InverseGamma(0.001, 0.001) on variance"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("HalfNorml(3)", "Did you mean HalfNormal"),
        ("HalfNormal(-1)", "above 0"),
        ("HalfNormal(nan)", "finite"),
        ("HalfNormal(inf)", "finite"),
        ("HalfNormal(1, 2)", "HalfNormal(sigma)"),
        ("HalfNormal", "HalfNormal(sigma)"),
        ("Gamma(2, scale=3)", "Gamma(alpha, beta)"),
        ("Gamma(2, high)", "must be numbers"),
        ("Uniform(3, 1)", "lower < upper"),
        ("Uniform(-1, 1)", "0 <= lower"),
        ("InverseGamma(1, 1) on precision", "cannot be read"),
        ({"dist": "Gamma", "alpha": 1}, "Gamma(alpha, beta)"),
        ({"dist": "Gamma", "alpha": 1, "beta": 1, "on": "precision"}, "'sd' or on 'variance'"),
        ({"family": "Gamma"}, "HalfStudentT(nu, sigma)"),
        (50, "HalfNormal(50)"),
        (object(), "HalfStudentT(nu, sigma)"),
    ],
)
def test_refusals_say_what_to_write(given, says):
    with pytest.raises(PriorError) as error:
        read_distribution(given)
    assert says in str(error.value)
