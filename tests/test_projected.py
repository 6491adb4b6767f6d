"""Z'PZ and Z'Pe against P written out with V0 = V / sigma^2, in every storage."""

from dataclasses import replace

import numpy as np
import pytest

from blupbayes.mme import layout
from blupbayes.mme.criterion import evaluate
from blupbayes.mme.projected import Projected
from contract import close, level_blocks, split
from random_models import UNBALANCED
from test_gaussian import case

METHODS = ("ML", "REML")


def dense(kind, theta_of=lambda theta: theta, seed=41):
    """A random model, its Statistics, theta, and the family whose V is V0 where log sigma^2 = 0."""
    d, statistics, theta = case(kind, seed=seed)
    theta = theta_of(theta)
    return d, statistics, theta, d.family("Omega"), d.gamma(theta, 1.0, "Omega")


@pytest.mark.parametrize("kind", UNBALANCED)
def test_score_and_level_blocks(kind, storage):
    """Z'Pe; level blocks of Z'PZ by REML, of Z'V0^-1 Z by ML, whole matrix or not."""
    d, statistics, theta, family, gamma = dense(kind)
    P, V_inv = family.P(gamma), np.linalg.inv(family.V(gamma))
    for method, own in (("REML", P), ("ML", V_inv)):
        whole = d.Z.T @ own @ d.Z
        for form in (False, True):
            read = Projected(evaluate(statistics, theta, method), form)
            assert form is False or read.full is not None
            score = d.Z.T @ P @ family.e
            for found, mine in zip(read.score_levels, split(score, d.blocks), strict=True):
                close(found, mine, np.linalg.norm(score))
            for found, mine in zip(read.levels, level_blocks(whole, d.blocks), strict=True):
                close(found, mine, np.linalg.norm(whole))


@pytest.mark.parametrize("form", [False, True])
@pytest.mark.parametrize("kind", ["slope", "crossed_slopes", "nested", "slope deficient"])
def test_information_is_a_quadratic_form_in_P(kind, form, storage):
    """x'Z'PZ x for x_i = E_i Z'Pe, along directions of theta and of Omega."""
    d, statistics, theta, family, gamma = dense(kind)
    read = Projected(evaluate(statistics, theta, "ML"), form)
    P, e = family.P(gamma), family.e
    for coordinates, directions in (("theta", read.in_T), ("Omega", read.in_Omega)):
        point = d.gamma(theta, 1.0, coordinates)
        moved = d.family(coordinates).directions(point)[:-1] @ P @ e
        close(read.information(read.moved(directions)), moved @ P @ moved.T)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["slope", "diagonal", "split", "crossed_slopes", "three"])
def test_traces_along_both_kinds_of_directions(kind, method, storage):
    d, statistics, theta, _, _ = dense(kind)
    read = Projected(evaluate(statistics, theta, method), form=True)
    for coordinates, directions in (("theta", read.in_T), ("Omega", read.in_Omega)):
        expected = d.family(coordinates).expected(d.gamma(theta, 1.0, coordinates), method)
        close(read.traces(directions) / 2, expected[:-1, :-1])


@pytest.mark.parametrize("kind", ["crossed_slopes", "three"])
def test_traces_without_the_whole_matrix_leave_pairs_of_levels_out(kind, monkeypatch):
    """Crossed groups in a chain, by ML: a sum of squares over the levels, so never above that over all pairs."""
    monkeypatch.setattr(layout, "DENSE_LIMIT", 0)
    d, statistics, theta, _, gamma = dense(kind)
    read = Projected(evaluate(statistics, theta, "ML"))
    assert read.full is None
    found, exact = read.traces(read.in_Omega), 2 * d.family("Omega").expected(gamma, "ML")[:-1, :-1]
    for k in d.blocks:
        own = np.ix_(*2 * [[place for *_, place in k.places]])
        missing = exact[own] - found[own]
        assert np.linalg.eigvalsh(missing).min() >= -1e-12 * np.linalg.norm(exact)
        assert np.linalg.norm(missing) < np.linalg.norm(found[own])
        found[own] = exact[own] = 0.0
    assert not found.any() and exact.any()


@pytest.mark.parametrize("sigma", [None, 1.3])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["crossed_slopes", "nested weights offset", "slope deficient"])
def test_slope_in_the_covariance_is_that_of_the_criterion(kind, method, sigma, storage):
    """dF/dOmega at the profiled or the known sigma, on the free entries; an off-diagonal one stands for two."""
    d, statistics, theta = case(kind, seed=42)
    at = evaluate(replace(statistics, sigma=sigma), theta, method)
    expected = d.family("Omega").gradient(d.gamma(theta, at.sigma, "Omega"), method)
    found = np.zeros(len(theta))
    for k, D in zip(d.blocks, Projected(at).by_variance, strict=True):
        for row, column, place in k.places:
            found[place] = D[row, column] * (1.0 if row == column else 2.0)
    close(found, expected[:-1])
