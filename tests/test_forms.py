"""z'Wz of any rows, in any storage and many points at once, against W written out."""

import numpy as np
import pytest

from blupbayes.mme import forms as module
from blupbayes.mme.factor import factorize
from blupbayes.mme.forms import forms
from blupbayes.mme.many import eliminate_many
from contract import close
from random_models import KINDS
from test_gaussian import case


def rows(layout, rng, m=30):
    """Codes and columns of m random rows, some without a level in some group, and the same as Z (q, m)."""
    codes = [rng.integers(0, J, m) for J, _ in layout.shapes]
    columns = [rng.normal(size=(m, q)) for _, q in layout.shapes]
    for k, z in enumerate(columns):
        z[k::5] = 0.0
        codes[k][k::5] = -1
    Z = np.zeros((layout.size, m))
    for c, z, o, (_, q) in zip(codes, columns, layout.offsets, layout.shapes, strict=True):
        for a in range(q):
            Z[o + np.maximum(c, 0) * q + a, np.arange(m)] = z[:, a]
    return codes, columns, Z


@pytest.mark.parametrize("size", [module.NUMBERS, 1])
@pytest.mark.parametrize("kind", KINDS)
def test_forms_are_those_of_W(kind, size, storage, monkeypatch):
    monkeypatch.setattr(module, "NUMBERS", size)
    _, statistics, theta = case(kind, zero=True)
    layout = statistics.layout
    factor = factorize(statistics, statistics.factors(theta))
    A, Lam = layout.multiply(np.eye(layout.size)), np.zeros((layout.size,) * 2)
    for (J, q), o, T in zip(layout.shapes, layout.offsets, factor.T, strict=True):
        Lam[o : o + J * q, o : o + J * q] = np.kron(np.eye(J), T)
    W = Lam @ np.linalg.inv(Lam.T @ A @ Lam + np.eye(layout.size)) @ Lam.T
    codes, columns, Z = rows(layout, np.random.default_rng(3))
    # terms of both signs cancel: relative to the largest form
    close(forms(factor, layout, codes, columns), np.sum(Z * (W @ Z), axis=0), tolerance=1e-12)


@pytest.mark.parametrize("kind", ["slope", "crossed_slopes", "nested", "three"])
def test_many_points_are_one_after_the_other(kind, storage):
    _, statistics, theta = case(kind)
    layout, thetas = statistics.layout, [theta, 0.3 * theta, 2.0 * theta]
    stacks = [np.stack(T) for T in zip(*(statistics.factors(x) for x in thetas), strict=True)]
    codes, columns, _ = rows(layout, np.random.default_rng(4))
    found = np.concatenate([many.forms(codes, columns) for _, many in eliminate_many(statistics, stacks)])
    for x, mine in zip(thetas, found, strict=True):
        close(
            mine, forms(factorize(statistics, statistics.factors(x)), layout, codes, columns), tolerance=1e-12
        )
