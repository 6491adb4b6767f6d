"""Points of profiles: lowest deviances by another optimiser on V written out, and slopes by differences."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy.optimize import minimize

from blupbayes.errors import DataError
from blupbayes.frequentist.chart import Local
from blupbayes.frequentist.curves import BetaCurve, VarianceCurve, lowest
from blupbayes.frequentist.profiles import curves
from blupbayes.mme.constrained import hold_beta
from blupbayes.mme.criterion import evaluate
from blupbayes.mme.fit import estimate
from interior import interior
from oracle import gradient, minus_two_log_likelihood
from test_gaussian import case
from test_standard_errors import case_like
from two_minima import two_minima

METHODS = ("ML", "REML")


def all_curves(fit):
    """Every curve of a fit, entries of theta included."""
    named = curves(fit, None) | curves(fit, [f"theta[{i}]" for i in range(len(fit.theta))])
    return {name: curve for name, curve in named.items() if not isinstance(curve, str)}


def by_hand(d, name, psi, method, known):
    """Deviance (function of free numbers, complex ones pass) where a parameter is psi; no code of the package.

    Rows of the lower triangular factor in units of y: that of an sd is turned to its length, those of a
    correlation are (u, 0) and v (rho, sqrt(1 - rho^2)); a free last number is log sigma^2.
    """
    oracle = d.oracle(1.0, np.zeros(len(d.theta)))
    e, X = oracle.e, oracle.estimable.X
    m = len(d.theta)
    if name.startswith("beta["):
        j = d.fixed_names.index(name[5:-1])
        e, X = e - d.X[:, j] * psi, np.delete(X, oracle.kept.index(j), axis=1)
    family = d.family("Sigma")

    def gamma(free):
        s2 = psi**2 if name == "sigma" else known**2 if known else np.exp(free[-1])
        entries = np.zeros(m, dtype=free.dtype)
        for k in d.blocks:
            T = np.zeros((k.q, k.q), dtype=free.dtype)
            names = ["Intercept", "x", "shift"][: k.q]
            order = list(range(k.q))
            held = f"_{k.name}[" in name
            if held:
                first = [names.index(c) for c in name.split("[")[1][:-1].split(",")][::-1]
                order = first + [c for c in order if c not in first]
            for row, column, place in k.places:
                T[row, column] = free[place]
            if held and name.startswith("sd_"):
                T[0, 0] = psi
            if held and name.startswith("corr_"):
                length = np.exp(T[1, 1])
                T[0, 0], T[1, 0], T[1, 1] = np.exp(T[0, 0]), psi * length, np.sqrt(1 - psi**2) * length
            if name.startswith("theta["):
                i = int(name[6:-1])
                for row, column, place in k.places:
                    if place == i:
                        T[row, column] = psi
                        T[column, column] = psi if row == column else np.exp(T[column, column])
                T = T * np.sqrt(s2)
            back = np.argsort(order)
            Omega = (T @ T.T)[np.ix_(back, back)]
            for row, column, place in k.places:
                entries[place] = Omega[row, column]
        return np.append(entries, s2)

    return lambda free: minus_two_log_likelihood(family.V(gamma(free)), e, X, method)


def lowest_by_hand(d, name, psi, method, known=None, starts=2):
    """The least of several searches by BFGS with exact slopes."""
    f, rng, found = by_hand(d, name, psi, method, known), np.random.default_rng(5), []

    def bounded(x):
        return f(x) if np.abs(x).max() < 30 else 1e10  # a first step may go anywhere

    for _ in range(starts):
        start = 0.7 * rng.normal(size=len(d.theta) + 1)
        run = minimize(
            bounded, start, jac=lambda x: gradient(bounded, x), method="BFGS", options={"gtol": 1e-6}
        )
        found.append(run.fun)
    return min(found)


@pytest.mark.parametrize(
    ("model", "method", "known"),
    [
        ("slope weights", "ML", None),
        ("slope", "REML", None),
        ("wide", "ML", None),
        ("crossed offset", "ML", None),
        ("split", "ML", 1.9),
        ("nested weights offset", "REML", None),
    ],
)
def test_lowest_deviance_by_another_optimiser(model, method, known):
    """Some way out, on one side or the other, for everything that can be profiled."""
    d, fit = interior(model, method, known)
    some = all_curves(fit).items() if model != "wide" else list(all_curves(fit).items())[6::3]
    for k, (name, curve) in enumerate(some):
        psi = curve.best.psi + (1.1 if k % 2 else -0.9) * curve.guess
        psi = psi if curve.low < psi < curve.high else curve.best.psi - 0.5 * (psi - curve.best.psi)
        found = curve.at(psi, curve.best)
        # BFGS stops at slopes of 1e-6, which are worth 1e-12, or where rounding does not let it do better
        assert found.deviance == pytest.approx(lowest_by_hand(d, name, psi, method, known), abs=1e-7), name
        assert found.psi == psi


@pytest.mark.parametrize("model", ["slope weights", "crossed_slopes", "slope deficient"])
def test_slope_of_a_profile_is_the_partial_one(model):
    _, fit = interior(model, "ML")
    for name, curve in all_curves(fit).items():
        psi, h = curve.best.psi + 0.8 * curve.guess, 1e-3 * curve.guess
        here = curve.at(psi, curve.best)
        near, far = (
            curve.at(psi + k * h, here).deviance - curve.at(psi - k * h, here).deviance for k in (1, 2)
        )
        slope = (8 * near - far) / (12 * h)
        assert here.slope * curve.guess == pytest.approx(slope * curve.guess, abs=1e-5), name  # 1e-9 / 1e-3


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("model", ["slope weights", "nested weights offset"])
def test_best_is_the_fit(model, method):
    """Deviance, place and zero slope at the estimates; every parameter's value by its name."""
    _, fit = interior(model, method)
    for name, curve in all_curves(fit).items():
        best = curve.best
        assert best.deviance == pytest.approx(fit.criterion, rel=1e-12)
        assert abs(best.slope * curve.guess) < 1e-5
        assert name.startswith("theta") or best.others[name] == pytest.approx(best.psi, rel=1e-12)
        beta = [best.others[f"beta[{x}]"] for x in fit.statistics.fixed_names]
        assert beta == pytest.approx(fit.beta.tolist(), rel=1e-9)
        assert best.others["sigma"] == pytest.approx(fit.sigma, rel=1e-9)


def test_the_others_move_with_what_is_held():
    """At a point of the profile of sigma: theta and beta of the fit with sigma known; of beta: of y - x_j c."""
    _, fit = interior("slope weights", "ML")
    found = all_curves(fit)
    point = found["sigma"].at(2.5, found["sigma"].best)
    other = estimate(replace(fit.statistics, sigma=2.5), "ML")
    assert point.others["beta[x]"] == pytest.approx(other.beta[1], rel=1e-6)
    sd = 2.5 * np.linalg.norm(other.T[0][1])
    assert point.others["sd_a[x]"] == pytest.approx(sd, rel=1e-5)
    point = found["beta[x]"].at(-4.0, found["beta[x]"].best)
    other = estimate(hold_beta(fit.statistics, 1, -4.0), "ML")
    assert point.others["beta[x]"] == -4.0
    assert point.others["beta[Intercept]"] == pytest.approx(other.beta[0], rel=1e-6)
    assert point.others["sigma"] == pytest.approx(other.sigma, rel=1e-6)


@pytest.mark.parametrize("model", ["crossed_slopes", "nested weights offset"])
def test_points_whatever_the_storage(model, storage):
    """The curvature is not exact in the chain storages; the minimum is."""
    d, found = interior(model, "ML")
    fit = estimate(case_like(d), "ML", start=found.theta)
    for name, curve in curves(found, None).items():
        psi = curve.best.psi + 0.9 * curve.guess
        if psi < curve.high:
            mine = curves(fit, [name])[name]
            point, expected = mine.at(psi, mine.best), curve.at(psi, curve.best)
            assert point.deviance == pytest.approx(expected.deviance, rel=1e-11)
            assert point.slope * curve.guess == pytest.approx(expected.slope * curve.guess, rel=1e-5)


def test_ends_and_guesses():
    _, fit = interior("slope", "ML")
    found = all_curves(fit)
    ends = {name: (curve.low, curve.high) for name, curve in found.items()}
    assert ends["beta[x]"] == ends["theta[1]"] == (-np.inf, np.inf)
    assert ends["sigma"] == ends["sd_a[x]"] == ends["theta[0]"] == ends["theta[2]"] == (0.0, np.inf)
    assert ends["corr_a[x,Intercept]"] == (-1.0, 1.0)
    assert all(curve.guess > 0 for curve in found.values())
    without = replace(found["sd_a[x]"], se=np.nan)
    scale = fit.statistics.groups[0].scale[1]
    assert without.guess == pytest.approx(0.2 * fit.sigma / scale)
    assert replace(found["corr_a[x,Intercept]"], se=np.nan).guess == 0.2


def test_sigma_of_zero_is_infinitely_unlikely():
    _, fit = interior("slope", "ML")
    curve = all_curves(fit)["sigma"]
    assert curve.at(0.0, curve.best).deviance == np.inf


@pytest.mark.parametrize("name", ["corr_g[x,Intercept]", "beta[x]"])
def test_other_minima_are_found_from_far_starts(name):
    """What is followed from the estimate is not the lowest there; what is found elsewhere is."""
    d, fit = two_minima(name)
    curve = all_curves(fit)[name]
    psi, state = {
        "beta[x]": (0.45, [3.0, -1.26, 0.0]),
        "corr_g[x,Intercept]": (-0.9997, [3.46, 2.72, -1.26]),
    }[name]
    side = curve.at(psi, replace(curve.best, state=np.array(state)))
    lower = curve.elsewhere(side)
    assert lower.deviance < side.deviance - 0.1 and lower.psi == side.psi
    assert lower.deviance == pytest.approx(lowest_by_hand(d, name, side.psi, "ML", starts=12), abs=1e-6)
    assert curve.elsewhere(lower).deviance == pytest.approx(lower.deviance, abs=1e-8)


def test_what_is_found_elsewhere_is_never_higher():
    """Nearer to the estimate the far starts end in the higher minimum, and the followed one is kept."""
    _, fit = two_minima("corr_g[x,Intercept]")
    curve = all_curves(fit)["corr_g[x,Intercept]"]
    for psi in (-0.998, -0.999, -0.9992):
        followed = curve.at(psi, curve.best)
        assert curve.elsewhere(followed).deviance <= followed.deviance


@pytest.mark.parametrize("name", ["sd_a[Intercept]", "sd_a[x]"])
def test_a_search_in_a_flat_valley_ends(name):
    """At an sd of 0 two columns of the factor of three share a plane, in which they may turn at no cost."""
    d, statistics, _ = case("wide", seed=3)
    curve = all_curves(estimate(statistics, "ML"))[name]
    _, local, converged = lowest(curve.chart, curve.best.state, 0.0)
    assert converged
    assert local.value == pytest.approx(lowest_by_hand(d, name, 0.0, "ML", starts=4), abs=1e-6)


@pytest.mark.parametrize("name", ["sigma", "sd_a[x]", "corr_a[x,Intercept]", "theta[1]"])
def test_a_search_from_anywhere_ends_where_the_others_do(name):
    """Ten starts of all sizes: steps that do not lower the deviance are taken back."""
    _, fit = interior("slope", "ML")
    curve, rng = all_curves(fit)[name], np.random.default_rng(6)
    psi = curve.best.psi - 0.8 * curve.guess
    expected = curve.at(psi, curve.best).deviance
    for size in np.geomspace(0.1, 4.0, 10):
        start = curve.best.state + size * rng.normal(size=len(curve.best.state))
        _, local, converged = lowest(curve.chart, start, psi)
        assert converged and local.value == pytest.approx(expected, abs=1e-6)


@dataclass(frozen=True)
class Valley:
    """A chart whose deviance is a bent valley, a (x^2 - y)^2 + (1 - x)^2, with no value above y = wall."""

    steep: float
    wall: float

    def size(self, sigma):
        return np.ones(2)

    def local(self, phi, psi):
        x, y = phi
        if y > self.wall:
            raise DataError("no value here")
        g = np.array([4 * self.steep * x * (x**2 - y) - 2 * (1 - x), -2 * self.steep * (x**2 - y)])
        H = np.array(
            [
                [4 * self.steep * (3 * x**2 - y) + 2, -4 * self.steep * x],
                [-4 * self.steep * x, 2 * self.steep],
            ]
        )
        return Local(None, 1.0, self.steep * (x**2 - y) ** 2 + (1 - x) ** 2, 0.0, g, H)


@pytest.mark.parametrize("start", [(-1.2, 1.0), (-3.0, -4.0), (2.0, -9.0)])
@pytest.mark.parametrize("wall", [np.inf, 2.0])
def test_steps_follow_a_bent_valley(start, wall):
    """A step that leads where the deviance has no value is taken back, and the way goes along that border."""
    phi, local, converged = lowest(Valley(100.0, wall), np.array(start), 0.0)
    assert converged and local.value < 1e-10
    assert phi == pytest.approx([1.0, 1.0], abs=1e-4)


def test_beta_curves_leave_a_variance_of_zero():
    """Zero is stationary for any data: a search that starts there begins beside it."""
    _, fit = interior("intercept", "ML")
    curve = curves(fit, ["beta[x]"])["beta[x]"]
    assert isinstance(curve, BetaCurve)
    psi = curve.best.psi + curve.guess
    stuck = replace(curve.best, state=np.zeros(1))
    assert curve.at(psi, stuck).deviance == pytest.approx(curve.at(psi, curve.best).deviance, rel=1e-11)
    held = evaluate(hold_beta(fit.statistics, 1, psi), np.zeros(1), "ML")
    assert held.criterion > curve.at(psi, stuck).deviance + 0.1


def test_kinds_of_curves():
    _, fit = interior("slope", "ML")
    kinds = {name: type(curve) for name, curve in all_curves(fit).items()}
    assert {kinds[name] for name in kinds if name.startswith("beta")} == {BetaCurve}
    assert {kinds[name] for name in kinds if not name.startswith("beta")} == {VarianceCurve}
