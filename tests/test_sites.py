"""Sites that share statistics have the model of all their rows, to the last digits."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import blupbayes as bb
from streams import CASES, SHARED, differences, shuffled, sleepstudy

MERGED = [name for name in CASES if name not in {"scaled", "large crossed"}]


def of_sites(case: str, parts: list[pd.DataFrame]) -> bb.MixedModel:
    formula, _, options = CASES[case]
    return bb.MixedModel.from_statistics(
        *(bb.MixedModel.from_batches(formula, [part], **options) for part in parts)
    )


@pytest.mark.parametrize("case", MERGED)
def test_sites_with_shared_levels_have_the_statistics_of_all_rows(case: str) -> None:
    formula, load, options = CASES[case]
    table = bb.MixedModel(formula, load(), **options)
    found = differences(of_sites(case, shuffled(load(), 3)).statistics, table.statistics)
    assert max(found.values()) <= SHARED, found


@pytest.mark.parametrize("case", ["slopes", "weights", "years", "nested", "nearly inside"])
def test_sites_with_levels_of_their_own_too(case: str) -> None:
    formula, load, options = CASES[case]
    frame = load()
    group = {"slopes": "Subject", "weights": "Subject", "years": "Subject", "nested": "batch"}.get(case, "g")
    order = np.argsort(frame[group].to_numpy(), kind="stable")
    first = frame[group].iloc[order[: len(frame) // 3]].unique()
    mine = frame[group].isin(first)
    table = bb.MixedModel(formula, frame, **options)
    merged = of_sites(case, [frame[~mine], frame[mine]])
    assert [g.levels for g in merged.design.groups] == [g.levels for g in table.design.groups]
    found = differences(merged.statistics, table.statistics)
    assert max(found.values()) <= SHARED, found


def test_a_small_site_beside_a_large_one_keeps_ten_digits() -> None:
    """Their first blocks are of different kinds, so what is outside is a difference of squares."""
    formula, load, _ = CASES["nearly inside"]
    frame = load()
    small = frame["g"] < 20
    table, merged = bb.MixedModel(formula, frame), of_sites("nearly inside", [frame[small], frame[~small]])
    one, other = table.fit(), merged.fit()
    assert other.criterion == pytest.approx(one.criterion, rel=1e-10)
    assert (other.beta - one.beta).abs().max() <= 1e-10 * np.sqrt(np.diag(one.beta_cov)).max()


def test_answers_of_sites_are_those_of_the_table() -> None:
    formula, load, options = CASES["weights"]
    table, merged = bb.MixedModel(formula, load(), **options), of_sites("weights", shuffled(load(), 4))
    one, other = table.fit(), merged.fit()
    assert other.theta == pytest.approx(one.theta, rel=1e-10)
    assert other.ranef()["estimate"].to_numpy() == pytest.approx(
        one.ranef()["estimate"].to_numpy(), abs=1e-10 * one.sigma
    )
    prior = bb.Prior(residual="HalfStudentT(3, 50)")
    a, b = table.integrate(prior).summary(), merged.integrate(prior).summary()
    assert ((a["mean"] - b["mean"]) / a["sd"]).abs().max() <= 1e-10
    assert merged.design.n_obs == table.design.n_obs


def test_the_order_of_sites_does_not_matter() -> None:
    parts = shuffled(sleepstudy(), 3)
    one, other = of_sites("slopes", parts), of_sites("slopes", parts[::-1])
    assert max(differences(one.statistics, other.statistics).values()) <= SHARED


def test_the_default_prior_of_weights_says_what_sites_do_not_know() -> None:
    merged = of_sites("weights", shuffled(sleepstudy(), 2))
    with pytest.raises(bb.PriorError, match="median weight"):
        merged.integrate()


SLEEP = "Reaction ~ Days + (Days | Subject)"


def site(formula: str = SLEEP, rows: slice = slice(0, 90), **options: object) -> bb.MixedModel:
    return bb.MixedModel.from_batches(formula, [sleepstudy()[rows]], **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (lambda: site("Reaction ~ Days + (1 | Subject)", slice(90, 180)), "different formulas"),
        (lambda: site(rows=slice(90, 180), weights="w"), "different weights"),
        (lambda: site(rows=slice(90, 180), sigma=30.0), "different residual sds"),
        (lambda: site(), "same 90 rows"),
    ],
)
def test_statistics_of_other_models_are_refused(other: object, said: str) -> None:
    with pytest.raises(bb.DataError, match=f"cannot be merged.*{said}"):
        bb.MixedModel.from_statistics(site(), other())  # type: ignore[operator]


def test_a_site_that_lacks_a_category_is_told_what_to_write() -> None:
    formula = "Reaction ~ part + (1 | Subject)"
    frame = sleepstudy().assign(part=lambda d: d["part"].astype(str))
    sites = [
        bb.MixedModel.from_batches(formula, [frame[frame["part"] != "mid"]]),
        bb.MixedModel.from_batches(formula, [frame]),
    ]
    with pytest.raises(bb.DataError, match=r"different columns of X.*C\(x, levels="):
        bb.MixedModel.from_statistics(*sites)


def test_each_site_s_own_centre_is_refused() -> None:
    formula = "Reaction ~ center(Days) + (1 | Subject)"
    with pytest.raises(bb.DataError, match=r"own mean and sd in 'center\(Days\)'"):
        bb.MixedModel.from_statistics(site(formula), site(formula, slice(90, 180)))


def test_a_column_of_another_type_is_refused() -> None:
    frame = sleepstudy()
    text = frame[90:].assign(Subject=lambda d: d["Subject"].astype(int))
    with pytest.raises(bb.DataError, match="column 'Subject' holds"):
        bb.MixedModel.from_statistics(site(), bb.MixedModel.from_batches(SLEEP, [text]))
