"""Fixtures: the browser, and the three storages of the mixed model equations, which must agree to rounding."""

import pytest

from blupbayes.mme import layout
from browser import browser  # noqa: F401

STORAGES = {
    "dense": {},
    "chain": {"DENSE_LIMIT": 0},
    "sparse": {"DENSE_LIMIT": 0, "SPARSE_FROM": 0, "SPARSE_SHARE": 2.0},
}


@pytest.fixture(params=STORAGES)
def storage(request, monkeypatch):
    """Reduce every design of the test with one way of storing the blocks (layout.py), whatever its size."""
    for name, value in STORAGES[request.param].items():
        monkeypatch.setattr(layout, name, value)
    return request.param
