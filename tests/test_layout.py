"""Order and storage: chains of nested factors, dense tails, sparse couplings; all hold the same Z'WZ."""

import numpy as np
import pytest

from blupbayes.mme import layout as layouts
from blupbayes.mme.coupling import SparseCoupling
from blupbayes.mme.layout import nested_chain
from blupbayes.mme.statistics import reduce
from blupbayes.model.design import build
from contract import close
from random_models import KINDS
from test_gaussian import case


def columns_in_order(d, layout):
    """Z with its columns in the layout's order."""
    sizes = [J * q for J, q in layout.shapes]
    parts = np.split(d.Z, np.cumsum(sizes)[:-1], axis=1)
    Z = np.empty_like(d.Z)
    for offset, part in zip(layout.offsets, parts, strict=True):
        Z[:, offset : offset + part.shape[1]] = part
    return Z


@pytest.mark.parametrize("kind", KINDS)
def test_multiply_is_the_cross_product(kind, storage):
    d, statistics, _ = case(kind)
    Z = columns_in_order(d, statistics.layout)
    w = np.ones(len(d.y)) if d.weights is None else d.weights
    close(statistics.layout.multiply(np.eye(Z.shape[1])), Z.T @ (w[:, None] * Z), tolerance=1e-13)  # rounding


@pytest.mark.parametrize("kind", KINDS)
def test_factor_inverts_the_penalised_system(kind, storage):
    """W = Lam (Lam'Z'Z Lam + I)^-1 Lam', N = Z'Z - Z'Z W Z'Z, log|.|, and the level blocks of both."""
    from blupbayes.mme.factor import factorize

    _, statistics, theta = case(kind, zero=True)
    layout = statistics.layout
    factor = factorize(statistics, statistics.factors(theta))
    A, eye = layout.multiply(np.eye(layout.size)), np.eye(layout.size)
    Lam = np.zeros_like(A)
    for (J, q), o, T in zip(layout.shapes, layout.offsets, factor.T, strict=True):
        Lam[o : o + J * q, o : o + J * q] = np.kron(np.eye(J), T)
    W = Lam @ np.linalg.inv(Lam.T @ A @ Lam + eye) @ Lam.T
    N = A - A @ W @ A
    close(factor.information(eye), N, tolerance=1e-12)
    b, v, root = factor.border
    inner = root.T @ root
    close(b, W @ statistics.ZQe, tolerance=1e-12)
    close(v, statistics.ZQe - A @ b, tolerance=1e-12)
    whole = np.diag([*np.ones(statistics.rank), statistics.ee])
    close(inner, whole - statistics.ZQe.T @ b, tolerance=1e-12)
    assert factor.log_det == pytest.approx(np.linalg.slogdet(Lam.T @ A @ Lam + eye)[1], rel=1e-12)
    for k, ((J, q), o) in enumerate(zip(layout.shapes, layout.offsets, strict=True)):
        for blocks, full in ((factor.W_levels[k], W), (factor.N_levels[k], N)):
            here = full[o : o + J * q, o : o + J * q].reshape(J, q, J, q)[np.arange(J), :, np.arange(J), :]
            close(blocks, here, np.linalg.norm(full), tolerance=1e-12)


def test_nested_factors_form_a_chain(monkeypatch):
    monkeypatch.setattr(layouts, "DENSE_LIMIT", 0)
    _, statistics, _ = case("nested")
    chain = statistics.layout.chain
    assert [statistics.groups[b.group].name for b in chain] == ["a:b", "a"]
    assert statistics.layout.A.shape == (0, 0)


def test_the_chain_leaves_the_smallest_tail():
    shapes = [(6, 1), (8, 2), (12, 1), (100, 1)]
    nested = {(3, 2): True, (2, 0): True, (3, 0): True, (3, 1): False}
    assert nested_chain(shapes, nested) == (3, 2, 0)
    assert nested_chain([(6, 1), (8, 2)], {}) == (1,)


def test_a_large_crossed_coupling_is_sparse_and_a_small_model_dense():
    rng = np.random.default_rng(0)
    n = 6000
    frame = {"y": rng.normal(size=n), "s": rng.integers(0, 2000, n), "d": rng.integers(0, 600, n)}
    big = reduce(build("y ~ 1 + (1 | s) + (1 | d)", frame)).layout
    assert isinstance(big.chain[0].tail, SparseCoupling)
    assert len(big.chain) == 1 and big.A.shape == (600, 600)
    _, small, _ = case("crossed")
    assert small.layout.chain == ()


def test_a_chain_too_wide_for_its_tail_is_cut(monkeypatch):
    monkeypatch.setattr(layouts, "DENSE_LIMIT", 0)
    monkeypatch.setattr(layouts, "SPARSE_FROM", 1)
    _, statistics, _ = case("nested")
    assert len(statistics.layout.chain) == 2  # nothing crosses it
    rng = np.random.default_rng(0)
    n = 300
    a = rng.integers(0, 6, n)
    frame = {"y": rng.normal(size=n), "a": a, "b": rng.integers(0, 4, n), "c": rng.integers(0, 8, n)}
    crossed = reduce(build("y ~ 1 + (1 | a/b) + (1 | c)", frame)).layout
    assert len(crossed.chain) == 1


def test_description_names_every_block():
    _, statistics, _ = case("three")
    assert statistics.layout.describe().count("\n") == 2


@pytest.mark.parametrize("sparse", [True, False])
def test_correlated_slopes_on_both_sides_of_a_crossing(sparse, monkeypatch):
    """T of the tail is no diagonal matrix: the level blocks of W and N, N of the tail, and log|.|, by dense algebra."""
    from blupbayes.mme.factor import factorize

    monkeypatch.setattr(layouts, "DENSE_LIMIT", 0)
    monkeypatch.setattr(layouts, "SPARSE_FROM", 0 if sparse else 1e9)
    monkeypatch.setattr(layouts, "SPARSE_SHARE", 10.0)
    rng, n, J = np.random.default_rng(3), 150, (14, 9)
    frame = {"y": rng.normal(size=n), "x": rng.normal(size=n)} | {
        name: np.r_[np.arange(k), rng.integers(0, k, n - k)] for name, k in zip("ab", J, strict=True)
    }
    statistics = reduce(build("y ~ x + (x | a) + (x | b)", frame))
    assert isinstance(statistics.layout.chain[0].tail, SparseCoupling) == sparse
    T = (np.array([[1.1, 0.0], [0.7, 0.4]]), np.array([[0.8, 0.0], [-0.5, 0.9]]))
    factor = factorize(statistics, T)
    rows = np.column_stack([np.ones(n), frame["x"]])
    Z = np.hstack(
        [
            (np.eye(k)[frame[g]][:, :, None] * rows[:, None]).reshape(n, -1)
            for g, k in zip("ab", J, strict=True)
        ]
    )
    Lam = np.zeros((46, 46))
    Lam[:28, :28], Lam[28:, 28:] = np.kron(np.eye(14), T[0]), np.kron(np.eye(9), T[1])
    inner = Lam.T @ Z.T @ Z @ Lam + np.eye(46)
    W = Lam @ np.linalg.inv(inner) @ Lam.T
    N = Z.T @ Z - Z.T @ Z @ W @ Z.T @ Z
    assert factor.log_det == pytest.approx(np.linalg.slogdet(inner)[1], rel=1e-13)
    for found, whole in ((factor.W_levels, W), (factor.N_levels, N)):
        for blocks, k, o in zip(found, J, (0, 28), strict=True):
            here = whole[o : o + 2 * k, o : o + 2 * k].reshape(k, 2, k, 2)[np.arange(k), :, np.arange(k), :]
            close(blocks, here, np.linalg.norm(whole), tolerance=1e-12)
    close(factor.information(np.eye(46)), N, tolerance=1e-12)
