"""What is left of stopped sampling: nutpie fills what was not drawn with NaN."""

import numpy as np
import pytest
import xarray as xr

from blupbayes.bayes.diagnostics import diagnostics
from blupbayes.bayes.interrupted import completed
from blupbayes.errors import BlupbayesError


def stopped(*lengths, draws=10):
    x = np.random.default_rng(0).normal(size=(len(lengths), draws, 2))
    for chain, n in enumerate(lengths):
        x[chain, n:] = np.nan
    posterior = xr.Dataset({"beta": (("chain", "draw", "k"), x), "sigma": (("chain", "draw"), x[..., 0])})
    stats = xr.Dataset({"diverging": (("chain", "draw"), np.zeros(x.shape[:2], bool))})
    return xr.DataTree.from_dict({"posterior": posterior, "sample_stats": stats})


@pytest.mark.parametrize(
    ("lengths", "chains", "draws"),
    [((10, 0, 0), 1, 10), ((8, 7, 3), 2, 7), ((5, 5, 5), 3, 5), ((10, 1, 1, 1), 1, 10)],
)
def test_most_draws_are_kept(lengths, chains, draws):
    data = completed(stopped(*lengths), 10)
    assert data["posterior"].sizes["chain"] == chains and data["posterior"].sizes["draw"] == draws
    assert data["sample_stats"]["diverging"].shape == (chains, draws)
    assert not np.isnan(data["posterior"]["beta"].values).any()
    assert f"{chains} of {len(lengths)} chains, {draws} of 10 draws" in data.attrs["interrupted"]
    assert diagnostics(data)["messages"][0].startswith("Sampling was stopped")


def test_fewer_draws_than_asked_for_without_nan():
    assert "4 of 10 draws" in completed(stopped(4, 4, draws=4), 10).attrs["interrupted"]


def test_all_that_was_asked_for_is_not_marked():
    data = completed(stopped(10, 10), 10)
    assert "interrupted" not in data.attrs and not diagnostics(data)["messages"][0].startswith("Sampling")


@pytest.mark.parametrize("draws", [0, 10])
def test_nothing_drawn_is_an_error(draws):
    with pytest.raises(BlupbayesError, match="no draws"):
        completed(stopped(0, 0, draws=draws), 10)
