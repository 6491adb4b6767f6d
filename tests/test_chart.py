"""Charts: one variance parameter held, the others free. The deviance by V written out, derivatives by differences."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from blupbayes.frequentist.chart import Chart
from blupbayes.frequentist.readings import Reading, readings
from contract import close
from test_gaussian import case

METHODS = ("ML", "REML")
KINDS = (
    "intercept",
    "wide",
    "slope weights",
    "beside",
    "crossed_slopes",
)

# Fourth-order differences of a deviance of about 300 known to 1e-13: 1e-7 of a gradient of order one.
DIFFERENCES = 1e-6


def held_of(statistics):
    """Everything that can be held."""
    known = statistics.sigma is not None
    theta = [Reading("theta", f"theta[{i}]", r=i) for i in range(statistics.n_theta)]
    return [*readings(statistics.groups, sigma=not known), *theta]


def charts(kind, method="ML", seed=81, sigma=None):
    """Every chart of a random model, each with a point (phi, psi) that is no optimum, and the model by hand."""
    d, statistics, theta = case(kind, seed=seed)
    statistics = replace(statistics, sigma=sigma)
    for held in held_of(statistics):
        chart = Chart.of(statistics, method, held)
        yield d, chart, *chart.coordinates(theta, 1.7 if sigma is None else sigma)


def deviance(d, chart, phi, psi):
    """-2 log-likelihood where the chart says it is, by V written out."""
    theta, sigma = chart.theta(phi, psi)
    oracle = d.oracle(sigma, theta)
    return oracle.ml() if chart.method == "ML" else oracle.reml()


def differences(f, x, step=1e-3):
    """Slopes of f at x (d,), fourth order, a row for each entry of x."""
    rows = []
    for unit in np.eye(len(x)) * step:
        near, far = (np.asarray(f(x + k * unit)) - f(x - k * unit) for k in (1, 2))
        rows.append((8 * near - far) / (12 * step))
    return np.array(rows).reshape(len(x), np.size(f(x)))


@pytest.mark.parametrize("sigma", [None, 1.3])
@pytest.mark.parametrize("kind", KINDS)
def test_there_and_back(kind, sigma):
    """theta -> (phi, psi) -> theta is the same covariance; psi is what its name says; phi moves nothing of it."""
    _, _, theta = case(kind, seed=81)
    rng = np.random.default_rng(1)
    for d, chart, phi, psi in charts(kind, sigma=sigma):
        there, s = chart.theta(phi, psi)
        close(d.entries(there), d.entries(theta), tolerance=1e-12)
        assert s == pytest.approx(1.7 if sigma is None else sigma, rel=1e-14)
        moved, psi_moved = phi + 0.3 * rng.normal(size=len(phi)), 0.9 * psi
        there, s = chart.theta(moved, psi_moved)
        assert value(chart, there, s) == pytest.approx(psi_moved, rel=1e-12)
        assert len(phi) == chart.statistics.n_theta - (sigma is not None)
        again, psi_again = chart.coordinates(there, s)
        Omega = d.entries(chart.theta(again, psi_again)[0])
        close(Omega, d.entries(there), tolerance=1e-12)
        assert psi_again == pytest.approx(psi_moved, rel=1e-12)
        if sigma is not None:
            assert s == sigma


def value(chart, theta, sigma):
    """The held parameter by its definition."""
    if chart.held.kind == "theta":
        return theta[chart.held.r]
    return chart.held.value(chart.statistics.factors(theta), sigma)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", KINDS)
def test_value_gradient_and_slope(kind, method):
    for d, chart, phi, psi in charts(kind, method):
        found = chart.local(phi, psi)
        assert found.value == pytest.approx(deviance(d, chart, phi, psi), rel=1e-10)
        gradient = differences(lambda x, d=d, c=chart, p=psi: deviance(d, c, x, p), phi)[:, 0]
        (slope,) = differences(lambda x, d=d, c=chart, p=phi: deviance(d, c, p, x[0]), np.array([psi]))[0]
        scale = np.linalg.norm(np.append(gradient, slope))
        close(found.gradient, gradient, scale, DIFFERENCES)
        close(found.slope, slope, scale, DIFFERENCES)


@pytest.mark.parametrize("sigma", [None, 1.3])
@pytest.mark.parametrize("kind", KINDS)
def test_hessian(kind, sigma):
    """By differences of the gradient, which the test above judges; at a known sigma it is no coordinate."""
    for _, chart, phi, psi in charts(kind, "REML", sigma=sigma):
        found = chart.local(phi, psi)
        expected = differences(lambda x, c=chart, p=psi: c.local(x, p).gradient, phi)
        close(found.hessian, expected, tolerance=DIFFERENCES)


@pytest.mark.parametrize("kind", ["slope weights", "wide", "crossed_slopes"])
def test_the_ends_of_the_space_are_ordinary_places(kind):
    """An sd of 0, a correlation of -1 and 1, an entry of theta at 0."""
    for d, chart, phi, _ in charts(kind):
        ends = {"corr": (-1.0, 1.0), "sigma": ()}.get(chart.held.kind, (0.0,))
        for end in ends:
            theta, sigma = chart.theta(phi, end)
            assert value(chart, theta, sigma) == pytest.approx(end, abs=1e-12)
            found = chart.local(phi, end)
            assert found.value == pytest.approx(deviance(d, chart, phi, end), rel=1e-10)
            gradient = differences(lambda x, d=d, c=chart, p=end: deviance(d, c, x, p), phi)[:, 0]
            close(found.gradient, gradient, max(np.linalg.norm(gradient), 1.0), DIFFERENCES)
            expected = differences(lambda x, c=chart, p=end: c.local(x, p).gradient, phi)
            close(found.hessian, expected, tolerance=DIFFERENCES)


@pytest.mark.parametrize("kind", ["wide", "crossed_slopes"])
def test_what_is_held_keeps_its_sign_wherever_phi_goes(kind):
    """What gives it its sign is a logarithm: the rows of a correlation, the diagonal above an entry of theta."""
    for d, chart, phi, psi in charts(kind):
        (row, column) = next(
            ((r, c) for k in d.blocks for r, c, place in k.places if place == chart.held.r), (0, 0)
        )
        below = chart.held.kind == "theta" and row > column
        assert len(chart.logs) == {"corr": 2, "theta": below}.get(chart.held.kind, 0)
        if len(chart.logs):
            far = phi - 9.0 * np.isin(np.arange(len(phi)), chart.logs)
            for sign in (1.0, -1.0):
                assert value(chart, *chart.theta(far, sign * psi)) == pytest.approx(sign * psi, rel=1e-9)


def test_a_zero_that_gives_a_sign_begins_next_to_zero():
    """theta = 0 has coordinates beside every entry held, and they lead back."""
    d, statistics, theta = case("slope", seed=82)
    for held in held_of(statistics):
        if held.kind == "theta":
            chart = Chart.of(statistics, "ML", held)
            phi, psi = chart.coordinates(0.0 * theta, 1.7)
            assert psi == 0.0 and np.isfinite(phi).all()
            close(d.entries(chart.theta(phi, psi)[0]), d.entries(0.0 * theta), 1.0, 1e-15)


def test_natural_sizes_follow_the_units():
    """x in other units: entries that belong to x are measured in them, logarithms and log sigma^2 are not."""
    _, statistics, _ = case("slope", seed=82)
    factor = 1e4
    groups = tuple(replace(g, scale=g.scale * np.array([1.0, factor])) for g in statistics.groups)
    other = replace(statistics, groups=groups)
    for held in held_of(statistics):
        mine, theirs = (Chart.of(s, "ML", held).size(2.0) for s in (statistics, other))
        chart = Chart.of(statistics, "ML", held)
        rows = np.array(statistics.groups[0].template.rows)
        if held.kind == "sd" and held.r == 1:
            rows = np.array([1, 0, 0])  # x comes first
        expected = np.where(rows[chart.others] == 1, 1 / factor, 1.0)
        expected[chart.logs[chart.logs < len(expected)]] = 1.0
        assert theirs[: len(expected)] == pytest.approx(mine[: len(expected)] * expected)
        assert chart.sigma_free == (held.kind != "sigma") and (
            held.kind == "sigma" or mine[-1] == theirs[-1] == 1
        )
