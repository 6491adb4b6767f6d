"""Climbing a profile, on curves whose limits are known: no model is involved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from scipy.optimize import brentq

from blupbayes.errors import BlupbayesError
from blupbayes.frequentist.profile import Point, climb, trace

Z = 1.959963984540054


@dataclass(frozen=True)
class Toy:
    """A profile with a given deviance; ``visited`` says where it was asked for."""

    deviance: Callable[[float], float]
    slope: Callable[[float], float]
    psi: float
    guess: float = 1.0
    low: float = -np.inf
    high: float = np.inf
    name: str = "toy"
    visited: list[float] = field(default_factory=list)

    @property
    def best(self) -> Point:
        return Point(self.psi, self.deviance(self.psi), 0.0, "start", {})

    def at(self, psi: float, near: Point) -> Point:
        self.visited.append(psi)
        return Point(psi, self.deviance(psi), self.slope(psi), near.state, {"psi": psi})

    def elsewhere(self, here: Point) -> Point:
        return here


def parabola(se=2.0, **options):
    return Toy(lambda x: ((x - 5) / se) ** 2 + 7, lambda x: 2 * (x - 5) / se**2, 5.0, se, **options)


def chi_square(df=6.0, **options):
    """The deviance of a variance with some df, estimated as 1: steep below, flat above."""
    given = {"guess": np.sqrt(2 / df), "low": 0.0} | options
    return Toy(
        lambda x: df * (np.log(x) + 1 / x) if x > 0 else np.inf,
        lambda x: df * (1 / x - 1 / x**2) if x > 0 else -np.inf,
        1.0,
        **given,
    )


@pytest.mark.parametrize("side", [-1.0, 1.0])
@pytest.mark.parametrize("z", [0.1, Z, 5.0])
def test_a_straight_zeta_is_met_at_once(z, side):
    curve = parabola()
    found = climb(curve, side * z)
    assert not found.open and found.point.psi == found.value
    assert found.value == pytest.approx(5 + side * 2 * z, rel=1e-12)
    assert len(curve.visited) == 1


@pytest.mark.parametrize("guess", [1e-4, 0.5, 1e4])
@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_a_bent_zeta_whatever_the_guess(side, guess):
    """The root by bisection of the deviance itself; some ten evaluations where the guess is one."""
    curve = chi_square(guess=guess)
    rise = curve.deviance(1.0) + Z**2
    expected = brentq(lambda x: curve.deviance(x) - rise, *((1e-3, 1) if side < 0 else (1, 1e3)), xtol=1e-14)
    found = climb(curve, side * Z)
    assert found.value == pytest.approx(expected, rel=1e-8)
    assert len(curve.visited) <= (12 if guess == 0.5 else 50)


@pytest.mark.parametrize("wrong", [0.0, np.nan, -1.0, 1e3])
def test_a_useless_slope_costs_steps_only(wrong):
    curve = replace(chi_square(), slope=lambda x: wrong)
    assert climb(curve, Z).value == pytest.approx(climb(chi_square(), Z).value, rel=1e-8)


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_where_it_never_rises_enough_the_end_is_open(side):
    low, high = 5 - 3.9, 5 + 3.9  # 3.9 / 2 < 1.96
    curve = parabola(low=low, high=high)
    found = climb(curve, side * Z)
    assert len(curve.visited) <= 5  # the end itself is looked at, not approached for ever
    assert found.open and found.value == found.point.psi == (low if side < 0 else high)


@pytest.mark.parametrize("side", [-1.0, 1.0])
@pytest.mark.parametrize("end", [3.92 + 1e-4, 4.5, 40.0])
def test_an_end_beyond_the_limit_is_not_the_limit(end, side):
    curve = parabola(low=5 - end, high=5 + end)
    found = climb(curve, side * Z)
    assert not found.open and found.value == pytest.approx(5 + side * 2 * Z, rel=1e-9)
    assert all(5 - end <= x <= 5 + end for x in curve.visited)


def test_an_infinite_deviance_at_the_end_is_no_obstacle():
    assert climb(chi_square(guess=3.0), -Z).value == pytest.approx(climb(chi_square(), -Z).value, rel=1e-8)


def test_a_bounded_deviance_on_an_unbounded_line_is_refused():
    curve = Toy(
        lambda x: 3 * np.tanh(x) ** 2, lambda x: 6 * np.tanh(x) / np.cosh(min(x, 300)) ** 2, 0.0, name="flat"
    )
    with pytest.raises(
        BlupbayesError, match=r"profile of flat did not reach its limit: \|zeta\| = 1.96 .* 1.732 found"
    ):
        climb(curve, Z)


def test_another_minimum_at_the_limit_moves_it_outwards():
    """What is followed rises to the limit, but the rest have a lower minimum there: the limit is that one's."""

    @dataclass(frozen=True)
    class Two(Toy):
        def at(self, psi, near):
            se = {"start": 2.0, "other": 3.0}[near.state]
            return Point(psi, ((psi - 5) / se) ** 2 + 7, 2 * (psi - 5) / se**2, near.state, {})

        def elsewhere(self, here):
            return self.at(here.psi, replace(here, state="other"))

    plain = parabola()
    curve = Two(plain.deviance, plain.slope, plain.psi, plain.guess)
    assert climb(curve, Z).value == pytest.approx(5 + 3 * Z, rel=1e-9)
    assert climb(curve, -Z).value == pytest.approx(5 - 3 * Z, rel=1e-9)
    ended = replace(curve, high=5 + 2.5 * Z)
    assert climb(ended, Z).open and climb(ended, Z).value == ended.high


@pytest.mark.parametrize("afar", [2.0, 0.7])
def test_a_minimum_reached_from_afar_is_looked_at_again_from_near(afar):
    """From far steps land in a higher minimum of the rest; only followed from near does the curve show itself."""

    @dataclass(frozen=True)
    class Jumpy(Toy):
        def at(self, psi, near):
            high = 9.0 if abs(psi - near.psi) > afar else 0.0
            return Point(psi, ((psi - 5) / 2) ** 2 + 7 + high, 2 * (psi - 5) / 4, near.state, {})

    plain = parabola()
    curve = Jumpy(plain.deviance, plain.slope, plain.psi, guess=2.6)
    assert climb(curve, Z).value == pytest.approx(5 + 2 * Z, rel=1e-8)
    assert climb(curve, -Z).value == pytest.approx(5 - 2 * Z, rel=1e-8)


def test_a_jump_over_the_limit_is_the_limit():
    """A deviance that jumps has no root; where it jumps the limit is."""
    curve = Toy(lambda x: x**2 + 5.0 * (x > 1), lambda x: 2 * x, 0.0)
    found = climb(curve, Z)
    assert not found.open and found.value == pytest.approx(1.0, abs=2e-7)  # of one standard error


def test_a_start_on_the_way_changes_nothing_but_the_work():
    curve = chi_square()
    half = climb(curve, 1.0).point
    plain, warm = len(curve.visited), climb(curve, 3.0, half)
    assert warm.value == pytest.approx(climb(chi_square(), 3.0).value, rel=1e-8)
    assert min(curve.visited[plain:]) > half.psi


def test_trace_is_in_order_and_lies_on_the_curve():
    curve = chi_square()
    found = trace(curve, [2.0, -1.0, 1.0, -2.0])
    zetas = [zeta for zeta, _ in found]
    assert zetas == pytest.approx([-2, -1, 0, 1, 2], abs=1e-8)
    assert [p.psi for _, p in found] == sorted(p.psi for _, p in found)
    for zeta, point in found:
        assert point.deviance - curve.best.deviance == pytest.approx(zeta**2, abs=1e-8)


def test_an_open_end_closes_its_side_of_a_trace():
    found = trace(parabola(low=5 - 3.0), [-3.0, -2.0, -1.0, 1.0, 2.0])
    assert [p.psi for _, p in found] == pytest.approx([2.0, 3.0, 5.0, 7.0, 9.0], rel=1e-8)
    assert found[0][0] == pytest.approx(-1.5, rel=1e-12)  # what it rises to at the end
