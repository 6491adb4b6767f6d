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
    "PC(3, 0.01)": st.expon(scale=-3 / np.log(0.01)),
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
    assert read_distribution("flat") == read_distribution("Flat")  # as in sensitivity()
    np.testing.assert_allclose(read_distribution("HalfFlat on variance").logpdf(X), np.log(2 * X), rtol=1e-15)


def test_flat_on_the_log_sd_has_density_one_over_sd():
    np.testing.assert_allclose(read_distribution("Flat on log sd").logpdf(X), -np.log(X), rtol=1e-15)


def test_a_pc_prior_exceeds_its_bound_with_its_probability():
    kind, parameters = read_distribution("PC(3, .01)").pymc
    assert kind == "Exponential"
    np.testing.assert_allclose(st.expon(scale=1 / parameters["lam"]).sf(3), 0.01, rtol=1e-12)
    assert read_distribution("PC(3, .01)").words == "P(sd > 3) = 0.01"


TAILED = ["HalfStudentT(3, 50)", "HalfCauchy(5)", "InverseGamma(0.5, 3)", "Flat"]
HEADED = ["HalfNormal(50)", "HalfStudentT(3, 50)", "HalfCauchy(5)", "Exponential(2)", "Gamma(2.5, 2)", "Flat"]


@pytest.mark.parametrize("on", ["", " on variance"])
def test_tails_and_heads_are_slopes_of_the_log_density(on):
    # the next term of each expansion is smaller than the leading one by (scale / x)^1 at least, hence 1e-4
    for text in [*(t + on for t in TAILED), "Flat on log sd"]:
        d, x = read_distribution(text), np.array([1e7, 1e8])
        assert -np.diff(d.logpdf(x))[0] / np.log(10) == pytest.approx(d.tail, abs=1e-4), text
    for text in [*(t + on for t in HEADED), "Flat on log sd"]:
        d, x = read_distribution(text), np.array([1e-8, 1e-7])
        assert np.diff(d.logpdf(x))[0] / np.log(10) == pytest.approx(d.head, abs=1e-4), text
    assert {read_distribution(t + on).tail for t in ("HalfNormal(1)", "Gamma(2, 1)", "PC(1, 0.1)")} == {
        np.inf
    }


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


OBJECTS = {
    "HalfNormal(50)": st.halfnorm(scale=50),
    "HalfCauchy(5)": st.halfcauchy(0, 5),
    "Exponential(0.02)": st.expon(scale=50),
    "Gamma(2, 0.125)": st.gamma(2, scale=8),
    "InverseGamma(0.5, 3)": st.invgamma(0.5, 0, 3),
    "Uniform(2, 10)": st.uniform(2, 8),
}


@pytest.mark.parametrize("text", OBJECTS)
def test_frozen_distributions_of_scipy(text):
    read = read_distribution(OBJECTS[text])
    assert str(read) == text
    inside = np.array([2.5, 5.0, 9.0])
    np.testing.assert_allclose(read.logpdf(inside), OBJECTS[text].logpdf(inside), rtol=1e-13)


def preliz(kind, **values):
    """A stand-in for PreliZ 0.27: the name of the class, and attributes under PyMC's names once it has values."""
    return type(kind, (), {"param_names": tuple(values), "support": (0, np.inf), **values})()


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (preliz("HalfStudentT", nu=np.float64(3), sigma=np.float64(50), lam=np.float64(0.0004)), None),
        (preliz("Exponential", lam=np.float64(0.02), beta=np.float64(50)), "Exponential(0.02)"),
        (preliz("InverseGamma", alpha=2, beta=3, mu=3.0, sigma=None), "InverseGamma(2, 3)"),
    ],
)
def test_distributions_of_preliz(given, text):
    assert str(read_distribution(given)) == (text or "HalfStudentT(3, 50)")


@pytest.mark.parametrize(
    "text",
    [
        *SCIPY,
        "HalfFlat",
        "HalfFlat on log sd",
        "PC(3, 0.01) on variance",
        "InverseGamma(0.001, 0.001) on variance",
    ],
)
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
        ("HALFNORMAL(3)", "Did you mean HalfNormal"),
        ("HalfNormal(sgima=3)", "Did you mean sigma"),
        ("PC(3, 1)", "P(sd > upper) = prob"),
        ("PC(-3, 0.1)", "P(sd > upper) = prob"),
        ("HalfNormal(3) on log sd", "can only be Flat"),
        (st.norm(0, 3), "Use halfnorm"),
        (st.t(3), "HalfStudentT(nu, sigma)"),
        (st.lognorm(1), "Accepted: halfnorm, halfcauchy, expon, gamma, invgamma, uniform"),
        (st.halfnorm(loc=1, scale=2), "loc = 0"),
        (st.uniform(-1, 3), "0 <= lower"),
        (preliz("Normal", mu=0, sigma=3), "PreliZ's Normal"),
        (preliz("HalfNormal", sigma=None), "no values yet"),
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


@pytest.mark.parametrize("text", SCIPY)
def test_mass_above_is_scipys(text):
    both = 2.0 if "StudentT" in text else 1.0
    for x in X:
        assert read_distribution(text).above(x) == pytest.approx(both * SCIPY[text].sf(x), rel=1e-10)
        on_variance = read_distribution(f"{text} on variance").above(x)
        assert on_variance == pytest.approx(both * SCIPY[text].sf(x**2), rel=1e-10)
    assert read_distribution(text).above(0.0) == 1.0 and read_distribution(text).above(np.inf) == 0.0


def test_all_of_an_improper_mass_lies_above():
    assert read_distribution("Flat").above(1e9) == 1.0
