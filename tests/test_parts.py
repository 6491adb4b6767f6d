"""The parts of a model put together again are the model."""

import numpy as np
import pytest

import blupbayes as bb
from blupbayes.mme.parts import parts_of
from random_models import KINDS
from test_gaussian import case


def whole(statistics):
    """Z'Z (q, q) in the layout's order, from the layout itself."""
    return statistics.layout.multiply(np.eye(statistics.layout.size))


@pytest.mark.parametrize("kind", KINDS)
def test_components_are_the_whole(kind, storage):
    _, statistics, _ = case(kind)
    parts = parts_of(statistics)
    if parts is None:
        assert storage != "dense" and len(statistics.groups) > 1
        return
    A, q = whole(statistics), statistics.layout.size
    found, ZQe = np.zeros((q, q)), np.zeros((q, statistics.rank + 1))
    for columns, root, inside in zip(parts.columns, parts.root, parts.inside, strict=True):
        mine = columns[columns >= 0]
        found[np.ix_(mine, mine)] = (root.T @ root)[np.ix_(columns >= 0, columns >= 0)]
        ZQe[mine] = (root.T @ inside)[columns >= 0]
    assert sorted(parts.columns[parts.columns >= 0]) == list(range(q))
    size = np.abs(A).max()  # sums of 60 products: rounding only
    assert np.abs(found - A).max() <= 1e-12 * size
    assert np.abs(ZQe - statistics.ZQe).max() <= 1e-11 * np.abs(statistics.ZQe).max()
    total = parts.within.T @ parts.within + np.einsum("ckr,cks->rs", parts.inside, parts.inside)
    expected = np.eye(statistics.rank + 1)
    expected[-1, -1] = statistics.ee
    assert np.abs(total - expected).max() <= 1e-11 * max(1.0, statistics.ee)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_that_fill_up_are_zero_and_the_others_orthonormal(kind):
    _, statistics, _ = case(kind)
    parts = parts_of(statistics)
    assert not parts.root[~parts.alive].any() and not parts.inside[~parts.alive].any()
    assert parts.alive.sum() == np.linalg.matrix_rank(whole(statistics))


@pytest.mark.parametrize(
    ("name", "formula", "shape"),
    [
        ("sleepstudy", "Reaction ~ Days + (Days | Subject)", (18, 2, 2)),
        ("pastes", "strength ~ 1 + (1 | batch/cask)", (10, 3, 4)),
        ("penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)", (1, 29, 30)),
    ],
)
def test_levels_that_never_meet_are_apart(name, formula, shape):
    statistics = bb.MixedModel(formula, bb.load_dataset(name)).statistics
    assert parts_of(statistics).root.shape == shape


def test_an_intercept_and_a_centred_slope_of_one_level_stay_together():
    """Their columns are orthogonal, but T joins them."""
    x = np.tile([-1.0, 0.0, 1.0], 4)
    frame = {"y": np.arange(12.0) ** 1.5, "x": x, "g": np.repeat(list("abcd"), 3)}
    parts = parts_of(bb.MixedModel("y ~ x + (x | g)", frame).statistics)
    assert parts.root.shape == (4, 2, 2)
