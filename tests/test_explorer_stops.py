"""Where the sliders can stand."""

import numpy as np
import pytest

from blupbayes.explorer import stops


@pytest.mark.parametrize("variances", [[103.45], [1e-4, 30.0], [1e-9], [1e6, 1e-6]])
def test_kappa_goes_from_inf_to_zero_over_what_matters(variances):
    values = stops.kappas(variances)
    assert values[0] == np.inf and values[-1] == 0 and values == sorted(set(values), reverse=True)
    assert values[1] * min(variances) >= 100 and values[-2] * max(variances) <= 1e-4
    assert 40 <= len(values) <= 110


def test_kappas_are_round_and_hold_powers_of_ten():
    values = stops.kappas([103.45])
    assert {1e-3, 1e-4, 1e-6} < set(values)
    assert all(float(f"{x:.2g}") == x for x in values[1:-1])


def test_tau_has_both_ends_and_the_fit():
    values = stops.taus()
    assert values == sorted(set(values)) and values[0] == 0 and values[-1] == np.inf and 1.0 in values
    assert 45 <= len(values) <= 70


@pytest.mark.parametrize("s_y", [23.645, 0.004, 1.0, 9.99e7, 50.0])
def test_scales_cover_three_decades_around_the_response(s_y):
    values = stops.scales(s_y)
    assert len(values) == 60 and values == sorted(set(values))
    assert 0.0199 * s_y <= values[0] <= 0.023 * s_y and 17 * s_y <= values[-1] <= 23 * s_y
    assert all(float(f"{x:.3g}") == x for x in values)


def test_the_nearest_is_so_in_ratio():
    assert stops.nearest([1.0, 2.0, 4.0], 2.9) == 2 and stops.nearest([1.0, 2.0, 4.0], 2.7) == 1
