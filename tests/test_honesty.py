"""Stated errors of the exact posterior against far finer runs; benchmarks/honesty.py does the same for 200 models."""

from functools import cache

import numpy as np

from honesty import draw, measure

REL_ERROR = 0.01
FINE = 5e-4
SEEDS = range(300, 440, 11)  # every kind of model, every prior


@cache
def records():
    """Of every model in which E sd^2 exists."""
    return [measure(case, REL_ERROR, FINE) for case in map(draw, SEEDS) if not case.heavy]


def test_every_model_is_integrated_without_trouble():
    assert [(r.case.seed, r.trouble) for r in records() if r.trouble] == []


def test_stated_errors_of_means_and_sds_hold():
    ratios = np.concatenate([r.moments.ravel() for r in records()])
    assert np.mean(ratios <= 1) >= 0.95
    assert ratios.max() <= 3


def test_quantiles_are_mostly_as_good_as_is_asked():
    """They have no stated error: rel_error of a posterior sd."""
    wrong = np.concatenate([r.quantiles for r in records()], axis=1)
    assert (np.mean(wrong <= REL_ERROR, axis=1) >= 0.95).all()


def test_no_quantile_is_far_off():
    assert max(r.quantiles.max() for r in records()) <= 3 * REL_ERROR
