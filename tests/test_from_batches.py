"""The contract of streams: the same rows, in one table or in batches, give the same statistics and the same answers."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

import blupbayes as bb
from streams import CASES, SHARED, differences, shuffled

ANSWERS = 1e-10  # of the scale of each answer


def both(case: str, k: int) -> tuple[bb.MixedModel, bb.MixedModel]:
    formula, load, options = CASES[case]
    frame = load()
    return bb.MixedModel(formula, frame, **options), bb.MixedModel.from_batches(
        formula, shuffled(frame, k), **options
    )


def close(a: pd.Series, b: pd.Series, scale: pd.Series | float, tolerance: float = ANSWERS) -> None:
    gap = (np.asarray(a, float) - np.asarray(b, float)) / np.asarray(scale, float)
    assert np.nanmax(np.abs(gap)) <= tolerance


@pytest.mark.parametrize(
    ("case", "k"), [*itertools.product(CASES, [1, 7]), ("weights", 1000), ("crossed", 1000)]
)
def test_statistics_are_those_of_the_table(case: str, k: int) -> None:
    table, batches = both(case, k)
    found = differences(batches.statistics, table.statistics)
    assert max(found.values()) <= SHARED, found


@pytest.mark.parametrize("case", [name for name in CASES if name != "large crossed"])
def test_statistics_from_dask_are_those_of_the_table(case: str) -> None:
    import dask
    import dask.dataframe as dd

    formula, load, options = CASES[case]
    (frame,) = shuffled(load(), 1)
    with dask.config.set(scheduler="synchronous"):
        there = bb.MixedModel.from_dask(formula, dd.from_pandas(frame, npartitions=7, sort=False), **options)
    found = differences(there.statistics, bb.MixedModel(formula, load(), **options).statistics)
    assert max(found.values()) <= SHARED, found


@pytest.mark.parametrize("case", [name for name in CASES if name not in {"large crossed", "years"}])
def test_answers_are_those_of_the_table(case: str) -> None:
    table, batches = both(case, 7)
    for method in ("REML", "ML"):
        one, other = table.fit(method), batches.fit(method)
        assert other.criterion == pytest.approx(one.criterion, rel=ANSWERS)
        assert other.sigma == pytest.approx(one.sigma, rel=ANSWERS)
        close(other.beta, one.beta, np.sqrt(np.diag(one.beta_cov)))
        a, b = one.ranef(), other.ranef()
        assert a[["group", "level", "term"]].equals(b[["group", "level", "term"]])
        spread = np.maximum(a["pev_sd"], 1e-3 * one.sigma)
        for column in ("estimate", "cond_sd", "pev_sd"):
            close(b[column], a[column], spread)


@pytest.mark.parametrize("case", ["slopes", "weights", "known sigma", "crossed", "aliased"])
def test_the_posterior_is_that_of_the_table(case: str) -> None:
    table, batches = both(case, 7)
    prior = bb.Prior(kappa=1e-4) if case == "aliased" else None
    one, other = table.integrate(prior).summary(), batches.integrate(prior).summary()
    for column in ("mean", "sd", "median", "eti95_lb", "eti95_ub"):
        close(other[column], one[column], one["sd"])


def test_years_are_as_exact_as_their_condition_allows() -> None:
    """Columns 1 and year - 0 are dependent to 1e-3 of a norm, random slopes square it: 1e-16 becomes 1e-10 twice."""
    table, batches = both("years", 7)
    one, other = table.fit(), batches.fit()
    assert other.criterion == pytest.approx(one.criterion, abs=1e-8)
    close(other.ranef()["estimate"], one.ranef()["estimate"], one.ranef()["pev_sd"], 1e-6)


def test_order_and_number_of_batches_do_not_matter_to_the_fingerprint() -> None:
    formula, load, _ = CASES["slopes"]
    frame = load()
    hashes = {bb.MixedModel.from_batches(formula, shuffled(frame, k, k)).design.hash for k in (1, 3, 20)}
    assert len(hashes) == 1
    frame.loc[3, "Reaction"] += 1e-9
    assert bb.MixedModel.from_batches(formula, [frame]).design.hash not in hashes


def test_new_rows_are_predicted_as_from_the_table() -> None:
    table, batches = both("factors", 7)
    new = CASES["factors"][1]().head(20).assign(Subject=999)
    one = table.fit().predict(new, new_levels="population")
    other = batches.fit().predict(new, new_levels="population")
    for column in one:
        close(other[column], one[column], one["sd_prediction"])


def test_rows_that_change_between_passes_are_told() -> None:
    frame = bb.load_dataset("rail")
    given = iter([frame, frame, frame, frame[:-1]])  # two looks at the columns, the first pass, the second
    with pytest.raises(
        bb.DataError, match="18 rows when they were first read and 17 in the pass of the factor"
    ):
        bb.MixedModel.from_batches("travel ~ 1 + (1 | Rail)", lambda: [next(given)])


def test_a_level_that_only_the_second_pass_shows_is_named() -> None:
    frame = bb.load_dataset("rail")
    late = frame.assign(Rail=[*frame["Rail"][:-1], "77"])
    given = iter([frame, frame, frame, late])
    with pytest.raises(bb.DataError, match=r"(?s)batch 1.*Rail.*77.*changed between two passes"):
        bb.MixedModel.from_batches("travel ~ 1 + (1 | Rail)", lambda: [next(given)])
