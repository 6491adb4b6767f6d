"""What a lattice says of its own errors: too coarse or cut off too early, it has to say so."""

import numpy as np
import pytest

import blupbayes as bb
from blupbayes.bayes.accuracy import Plan, accuracy, moments, next_plan
from blupbayes.bayes.integrate import Reader


@pytest.fixture(scope="module")
def fine():
    return (
        bb.MixedModel("Yield ~ 1 + (1 | Batch)", bb.load_dataset("dyestuff"))
        .integrate(rel_error=1e-6)
        .integral
    )


def at(fine, spacing, drop):
    """Stated aliasing and tails, and the largest true error of means and sds, all in posterior sds."""
    mixture = Reader(fine.marginal, fine.modes).lattice(Plan(spacing, drop), 0.01)
    truth = fine.moments
    wrong = np.abs(moments(mixture, mixture.weights) - truth) / truth[1]
    return accuracy(mixture), float(wrong.max())


@pytest.mark.parametrize("drop", [6.0, 8.0])
def test_tails_that_are_left_out_are_stated(fine, drop):
    found, wrong = at(fine, 0.3, drop)
    assert wrong > 2e-3 and wrong <= found.worst <= 10 * wrong
    assert found.tails.max() > 10 * found.aliasing.max()  # and their kind
    assert next_plan(Plan(0.3, drop), found, 1e-3).drop > drop


@pytest.mark.parametrize("spacing", [1.6, 2.0])
def test_a_spacing_that_is_too_wide_is_stated(fine, spacing):
    found, wrong = at(fine, spacing, 25.0)
    assert wrong > 2e-3 and wrong <= found.worst
    assert found.aliasing.max() > 10 * found.tails.max()
    assert next_plan(Plan(spacing, 25.0), found, 1e-3).spacing < spacing
