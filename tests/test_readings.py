"""Names, values and slopes of sds and correlations against V written out."""

from types import SimpleNamespace

import numpy as np
import pytest

from blupbayes.frequentist.readings import readings, slopes
from blupbayes.model.covariance import template
from contract import close
from oracle import gradient

SIGMA = 1.7


def group(name, names, terms):
    return SimpleNamespace(name=name, names=names, template=template(len(names), terms))


# (1 + x + z | g) + (0 + w | g) and (1 + x || h): a full block, one beside it, and no correlation
GROUPS = [
    group("g", ("Intercept", "x", "z", "w"), [(0, 3, "full", 0), (3, 4, "full", 6)]),
    group("h", ("Intercept", "x"), [(0, 2, "diagonal", 7)]),
]
THETA = np.array([1.2, -0.4, 0.3, 0.8, 0.5, 0.6, 1.1, 0.7, 0.2])


def factors(theta):
    """T of both groups, written out; complex theta pass."""
    a, b, c, d, e, f, g, h, i = theta
    return np.array([[a, 0, 0, 0], [b, d, 0, 0], [c, e, f, 0], [0, 0, 0, g]]), np.diag([h, i])


def by_hand(theta, log_s2):
    """Every variance parameter of GROUPS from the covariance matrices, by name."""
    s2 = np.exp(log_s2)
    G, H = (s2 * T @ T.T for T in factors(theta))
    sd = np.sqrt(np.r_[np.diag(G), np.diag(H)])
    out = {"sigma": np.sqrt(s2)}
    names = [f"g[{name}]" for name in ("Intercept", "x", "z", "w")] + ["h[Intercept]", "h[x]"]
    out |= {f"sd_{name}": value for name, value in zip(names, sd, strict=True)}
    pairs = {"x,Intercept": (1, 0), "z,Intercept": (2, 0), "z,x": (2, 1)}
    return out | {f"corr_g[{name}]": G[i, j] / (sd[i] * sd[j]) for name, (i, j) in pairs.items()}


def test_names_in_the_order_of_all_tables():
    expected = list(by_hand(THETA, 0.0))
    assert [x.name for x in readings(GROUPS)] == expected
    assert [x.name for x in readings(GROUPS, sigma=False)] == expected[1:]


def test_correlations_row_by_row():
    """As a lower triangle is read, though theta goes column by column."""
    four = group("g", ("a", "b", "c", "d"), [(0, 4, "full", 0)])
    pairs = [x.name for x in readings([four], sigma=False) if x.kind == "corr"]
    assert pairs == [f"corr_g[{pair}]" for pair in ("b,a", "c,a", "c,b", "d,a", "d,b", "d,c")]


def test_values():
    expected = by_hand(THETA, 2 * np.log(SIGMA))
    for x in readings(GROUPS):
        assert x.value(factors(THETA), SIGMA) == pytest.approx(expected[x.name], rel=1e-14)


def test_slopes_in_theta_and_log_variance():
    """By complex steps of the covariance matrices, which is exact."""
    which = readings(GROUPS)
    found = slopes(which, GROUPS, factors(THETA), SIGMA)
    point = np.append(THETA, 2 * np.log(SIGMA))
    expected = [gradient(lambda p, x=x: by_hand(p[:-1], p[-1])[x.name], point) for x in which]
    close(found, expected, tolerance=1e-13)


def test_at_a_zero_sd_there_is_no_correlation_and_no_slope():
    theta = THETA.copy()
    theta[[1, 3, 7]] = 0.0  # the sd of x in g, and the sd of the intercept in h
    which = readings(GROUPS)
    values = {x.name: x.value(factors(theta), SIGMA) for x in which}
    J = dict(zip(values, slopes(which, GROUPS, factors(theta), SIGMA), strict=True))
    assert values["sd_g[x]"] == values["sd_h[Intercept]"] == 0.0
    assert np.isnan([values["corr_g[x,Intercept]"], values["corr_g[z,x]"]]).all()
    assert np.isnan(J["sd_g[x]"][[1, 3]]).all() and np.isnan(J["corr_g[z,x]"][[1, 3]]).all()
    for name in ("sigma", "sd_g[z]", "corr_g[z,Intercept]", "sd_h[x]"):
        assert np.isfinite(values[name]) and np.isfinite(J[name]).all()


def test_a_perfect_correlation_stays_within_one():
    """Rounding may not carry it beyond: proportional rows of many sizes."""
    (x,) = [x for x in readings(GROUPS) if x.name == "corr_g[x,Intercept]"]
    rows = np.random.default_rng(1).normal(size=(200, 4))
    for k, row in enumerate(rows):
        side = (-1.0) ** k
        value = x.value((np.array([row, 3.3 * side * row]), np.eye(2)), 1.0)
        assert abs(value) <= 1.0 and value == pytest.approx(side, rel=1e-15)
