"""Random models: the arrays by hand are what the formula and the data frame say."""

from __future__ import annotations

import formulaic
import numpy as np
import pytest

from random_models import KINDS, random_design


@pytest.mark.parametrize("kind", KINDS)
def test_random_design_writes_what_it_builds(kind):
    """The fixed columns by hand are those of the formula; a row's part of Z stands at its level, sorted."""
    example = random_design(np.random.default_rng(20240607), kind)
    fixed = example.formula.split("~")[1].split(" + (")[0]
    matrix = formulaic.model_matrix(fixed, example.frame)
    assert tuple(matrix.columns) == example.fixed_names
    assert np.array_equal(matrix.to_numpy(), example.X)
    assert np.linalg.matrix_rank(example.X) == example.X.shape[1] - ("deficient" in kind)
    assert set(example.frame["f"]) == {"u", "v", "w"}
    assert sorted(i for k in example.blocks for *_, i in k.places) == list(range(len(example.theta)))
    start = 0
    for k in example.blocks:
        Z = example.Z[:, start : start + k.J * k.q].reshape(-1, k.J, k.q)
        start += k.J * k.q
        _, codes = np.unique(example.frame[k.name.split(":")].agg(":".join, axis=1), return_inverse=True)
        assert (np.abs(Z).sum(axis=2) > 0).tolist() == (codes[:, None] == np.arange(k.J)).tolist()
        last = np.ones(len(Z)) if k.q == 1 and kind != "slope_only" else example.frame["x"]
        assert np.array_equal(Z.sum(axis=1)[:, -1], last)
    assert start == example.Z.shape[1] == example.Lam().shape[0]
