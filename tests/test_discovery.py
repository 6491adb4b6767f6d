"""The first pass finds the same in any order and any cut of the batches; judged by pandas and exact fractions."""

from __future__ import annotations

import itertools
import pickle
import time
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

from blupbayes.errors import DataError, FormulaError
from blupbayes.model.codebook import Codebook
from blupbayes.model.design import build
from blupbayes.model.discovery import Discovery
from blupbayes.model.meetings import Combinations, Partition
from blupbayes.model.question import question
from blupbayes.model.seen import MOST_CATEGORIES
from blupbayes.model.streamable import Moments

N = 120
FORMULA = "y ~ C(few) + text + scale(x) + (1 | g) + (x | name/few)"


def table(seed=3):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "y": rng.normal(size=N),
            "x": rng.normal(size=N),
            "few": rng.integers(0, 4, N),
            "text": rng.choice(list("uvw"), N),
            "g": rng.integers(0, 30, N),
            "name": rng.choice(["b", "a", "c"], N),
        }
    )


FRAME = table()


def pass_over(batches, formula=FORMULA, numbers=None, **options):
    found = Discovery(question(formula, list(FRAME), **options))
    for number, batch in zip(numbers or itertools.count(1), batches, strict=False):
        found.add(number, batch)
    return found


def cut(n, frame=FRAME):
    bounds = np.linspace(0, len(frame), n + 1).astype(int)
    return [frame.iloc[a:b] for a, b in itertools.pairwise(bounds)]


def told(found):
    """What was found, but for the last digits of moments."""
    words = found.finish().vocabulary()
    return {name: value for name, value in words.items() if name != "moments"}


def test_order_and_cut_of_the_batches_do_not_matter():
    whole = pass_over([FRAME])
    for n, seed in itertools.product([2, 7, N], range(2)):
        batches = cut(n)
        np.random.default_rng(seed).shuffle(batches)
        found = pass_over(batches)
        assert told(found) == told(whole)
        one, two = found.moments["x"], whole.moments["x"]
        assert np.allclose([one.n, one.mean, one.deviations], [two.n, two.mean, two.deviations], rtol=1e-13)


@pytest.mark.parametrize("shape", ["row", "tree", "backwards"])
def test_passes_over_parts_are_merged(shape):
    parts = [pickle.loads(pickle.dumps(pass_over([batch], numbers=[k]))) for k, batch in enumerate(cut(8), 1)]
    if shape == "backwards":
        parts.reverse()
    while len(parts) > 1:
        if shape == "tree":
            for one, two in zip(parts[::2], parts[1::2], strict=True):
                one.merge(two)
            parts = parts[::2]
        else:
            parts[0].merge(parts.pop(1))
    whole = pass_over([FRAME])
    assert told(parts[0]) == told(whole) and parts[0].n_obs == N
    assert np.isclose(parts[0].moments["x"].deviations, whole.moments["x"].deviations, rtol=1e-13)


def test_a_part_without_rows_changes_nothing():
    empty, found = Discovery(question(FORMULA, list(FRAME))), pass_over([FRAME])
    found.merge(empty)
    empty.merge(found)
    found.add(2, FRAME.iloc[:0])
    assert told(found) == told(empty) == told(pass_over([FRAME]))


def test_the_hash_tells_rows_and_models_apart():
    first = pass_over([FRAME]).finish().hash
    changed = FRAME.copy()
    changed.loc[7, "x"] += 1e-9
    swapped = FRAME.assign(x=FRAME["x"].to_numpy()[::-1])
    other = pass_over([FRAME], "y ~ C(few) + text + scale(x) + (1 | g)").finish().hash
    hashes = [pass_over([frame]).finish().hash for frame in (changed, swapped, FRAME[1:])]
    assert len({first, other, *hashes}) == 5
    assert pass_over([FRAME.sample(frac=1, random_state=1).astype({"few": "int8"})]).finish().hash == first


def test_moments_keep_their_digits_far_from_zero():
    values = 1e6 + np.random.default_rng(1).normal(size=1000) * 1e-2
    exact = [Fraction(float(v)) for v in values]
    mean = sum(exact) / len(exact)
    deviations = sum((v - mean) ** 2 for v in exact)
    total = Moments()
    for part in np.array_split(values, 50):
        total += Moments.of(part)
    assert total.n == 1000 and abs(total.mean - float(mean)) < 1e-9
    assert abs(total.deviations / float(deviations) - 1) < 1e-9  # values are only good to 1e-8 of their sd
    assert Moments() + Moments.of(values[:0]) == Moments()


def test_codebooks_number_values_for_good():
    rng, book, numbers = np.random.default_rng(4), Codebook(), {}
    for size in [1, 50, 3, 400, 0, 20, 1000]:
        values = rng.integers(0, 700, size)
        codes = book.encode(pd.Index(values))
        for value, code in zip(values.tolist(), codes.tolist(), strict=True):
            assert numbers.setdefault(value, code) == code
        lengths = [len(run) for run in book.runs]
        assert all(one >= 2 * two for one, two in itertools.pairwise(lengths))
    assert sorted(numbers.values()) == list(range(len(book)))
    assert [numbers[value] for value in book.values] == list(range(len(book)))


def test_combinations_are_numbered_and_taken_apart_again():
    codes = list(np.random.default_rng(6).integers(0, 6, (3, 200)))
    found = Combinations(3)
    numbers = np.concatenate([found.add([c[:90] for c in codes]), found.add([c[90:] for c in codes])])
    assert len(found) == len(set(zip(*(c.tolist() for c in codes), strict=True)))
    assert all(np.array_equal(part[numbers], c) for part, c in zip(found.parts(), codes, strict=True))


def test_one_factor_decides_another_until_a_row_says_otherwise():
    held = Partition()
    held.add(np.array([0, 1, 0]), np.array([5, 6, 5]))
    held.add(np.array([3]), np.array([6]))
    other = Partition()
    other.add(np.array([0]), np.array([1]))
    held.merge(other, np.array([1]), np.array([-9, 6]))
    assert held.holds
    held.merge(other, np.array([1]), np.array([-9, 5]))
    assert not held.holds
    fresh = Partition()
    fresh.merge(held, np.arange(9), np.arange(9))
    assert not fresh.holds


def test_a_million_levels_in_small_batches_cost_no_more_than_their_rows():
    """Levels in order, so that every batch brings new ones: the worst case for what must be hashed again."""

    def seconds(n_levels):
        found = Discovery(question("y ~ 1 + (1 | g)", ["y", "g"]))
        batches = np.array_split(np.arange(n_levels), 200)
        start = time.perf_counter()
        for number, g in enumerate(batches):
            found.add(number, pd.DataFrame({"y": np.arange(len(g)) + 0.5, "g": g}))
        assert len(found.seen["g"].book) == n_levels
        return time.perf_counter() - start

    seconds(20_000)
    small, large = seconds(100_000), seconds(800_000)
    assert large < 16 * small  # 8 times the levels; quadratic growth would give 64


def test_text_levels_are_kept_once():
    labels = np.array([f"level {k}" for k in range(5000)], dtype=object)
    batches = [pd.DataFrame({"y": np.arange(10000.0), "g": np.tile(labels, 2)}) for _ in range(4)]
    found = Discovery(question("y ~ 1 + (1 | g)", ["y", "g"]))
    for number, batch in enumerate(batches):
        found.add(number, batch)
    group = found.finish().groups[0]
    values = found.seen["g"].book.values
    assert {id(label) for label in group.levels} == {id(value) for value in values}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"x": "a"}, "batch 2: column 'x' holds text, in batch 1 it holds numbers"),
        ({"x": True}, "batch 2: column 'x' holds True and False, in batch 1 it holds numbers"),
        ({"x": pd.Timestamp("2024-01-01")}, "batch 2: column 'x' holds dates, in batch 1 it holds numbers"),
        ({"text": 1}, "batch 2: column 'text' holds integers, in batch 1 it holds text"),
        ({"text": pd.Categorical([1] * N)}, "batch 2: column 'text' holds categories of integers"),
        ({"g": 0.5}, "batch 2: column 'g' holds numbers, in batch 1 it holds integers"),
        ({"g": "a"}, "batch 2: column 'g' holds text, in batch 1 it holds integers"),
        ({"name": 1}, "batch 2: column 'name' holds integers, in batch 1 it holds text"),
        ({"y": 1j}, "batch 2: column 'y' holds complex numbers"),
        ({"y": [[]] * N}, "batch 2: column 'y' holds Python objects"),
        (
            {"x": np.nan},
            r"batch 2: 120 of 120 rows have missing or infinite values \(x: 120\). Pass missing=",
        ),
        ({"y": -1.0}, r"batch 2: 'log\(y \+ 20\) / x \* 0 \+ 1 / \(y \+ 1\)' is infinite"),
    ],
)
def test_a_batch_that_differs_is_named_with_its_column(change, words):
    formula = "log(y + 20) / x * 0 + 1 / (y + 1) ~ C(few) + text + scale(x) + (1 | g) + (x | name/few)"
    with pytest.raises(DataError, match=words):
        pass_over([FRAME, FRAME.assign(**change)], formula)
    if "in batch 1" in words and "x" not in change:  # the same words for two workers, the later batch first
        with pytest.raises(DataError, match=words):
            pass_over([FRAME.assign(**change)], formula, [2]).merge(pass_over([FRAME], formula, [1]))


def test_the_first_batch_is_the_one_with_the_lowest_number():
    found = pass_over([FRAME, FRAME, FRAME], numbers=[4, 3, 6])
    found.merge(pass_over([FRAME], numbers=[5]))
    with pytest.raises(DataError, match="batch 7: column 'x' holds text, in batch 3 it holds numbers"):
        found.add(7, FRAME.assign(x="a"))


def test_a_batch_that_lacks_a_column_is_named():
    with pytest.raises(DataError, match="batch 2: no column 'text'"):
        pass_over([FRAME, FRAME.drop(columns="text")])


def test_passes_of_two_models_are_not_merged():
    with pytest.raises(DataError, match="first passes of two models"):
        pass_over([FRAME]).merge(pass_over([FRAME], "y ~ x + (1 | g)"))
    with pytest.raises(DataError, match="first passes of two models"):
        pass_over([FRAME]).merge(pass_over([FRAME], weights="few"))


@pytest.mark.parametrize("missing", ["raise", "drop"])
def test_no_rows_at_all_are_refused(missing):
    with pytest.raises(DataError, match=r"there are no rows$"):
        pass_over([FRAME.iloc[:0]], missing=missing).finish()
    if missing == "drop":
        with pytest.raises(DataError, match="there are no rows without missing values"):
            pass_over([FRAME.assign(x=np.nan)], missing=missing).finish()


def test_a_column_of_numbers_with_gaps_may_be_all_missing_in_one_batch():
    batches = [FRAME, FRAME.assign(text=None, g=pd.array([None] * N, dtype="Int64"))]
    found = pass_over(batches, missing="drop")
    assert (found.n_obs, found.n_dropped) == (N, N) and found.finish().groups[0].levels == build(
        FORMULA, FRAME
    ).groups[0].levels


def test_too_many_categories_for_a_matrix_are_refused_before_they_fill_the_memory():
    many = pd.DataFrame({"y": np.arange(MOST_CATEGORIES + 1.0), "g": np.arange(MOST_CATEGORIES + 1)})
    for formula in ("y ~ C(g) + (1 | g)", "y ~ t + (1 | g)"):
        found = Discovery(question(formula, ["y", "g", "t"]))
        with pytest.raises(DataError, match=r"more than 5000 levels.*use a group term, \(1 \| [gt]\)"):
            found.add(1, many.assign(t=[f"t{k}" for k in range(len(many))]))


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        (
            "y ~ poly(x, 2) + (1 | g)",
            r"'poly\(x, 2\)' needs all rows at once.*write powers, such as x \+ I\(x\*\*2\)",
        ),
        ("y ~ x + (0 + poly(x, 2) | g)", r"'poly\(x, 2\)' needs all rows at once"),
        (
            "y ~ bs(x, df=4) + (1 | g)",
            r"'bs\(x, df=4\)' needs all rows at once.*make the column in the data first",
        ),
        ("y ~ cr(x, df=4) + (1 | g)", r"'cr\(x, df=4\)' needs all rows"),
        ("y ~ cc(x, df=4) + (1 | g)", r"'cc\(x, df=4\)' needs all rows"),
        ("y ~ cs(x, df=4) + (1 | g)", r"'cs\(x, df=4\)' needs all rows"),
        ("y ~ hashed(text, levels=4) + (1 | g)", r"'hashed\(text, levels=4\)' needs all rows"),
        (
            "y ~ C(x > 0) + (1 | g)",
            r"'C\(x > 0\)' has levels that only all rows can tell.*and write C\(column\)",
        ),
        ("y ~ I(C(few)) + (1 | g)", r"'C\(few\)' has levels that only all rows"),
        ("y ~ C(data=few) + (1 | g)", r"'C\(data=few\)' has levels that only all rows"),
        (
            "y ~ center(scale(x)) + (1 | g)",
            r"'center\(scale\(x\)\)' holds one transform of all rows in another",
        ),
        ("y ~ scale(x + center(y)) + (1 | g)", "holds one transform of all rows in another"),
        (
            "y ~ scale(x, center=few) + (1 | g)",
            r"'scale\(x, center=few\)' takes one column, and plain numbers",
        ),
        ("y ~ scale() + (1 | g)", r"'scale\(\)' takes one column"),
        ("scale(log(center(y))) ~ x + (1 | g)", "holds one transform of all rows in another"),
        ("y ~ x + offset(poly(x, 1)) + (1 | g)", r"'poly\(x, 1\)' needs all rows"),
        ("y ~ poly(`x`, 2) + (1 | g)", r"'poly\(x, 2\)' needs all rows"),
        ("y ~ x", "no group term"),
        ("y ~ z + (1 | g)", "no column 'z'"),
    ],
)
def test_what_needs_all_rows_is_refused_by_name(formula, words):
    with pytest.raises(FormulaError, match=words):
        question(formula, list(FRAME))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"weights": np.ones(N)}, 'the weights are a ndarray.*weights="column"'),
        ({"offset": [1.0] * N}, 'the offset are a list.*offset="column"'),
        ({"extra_names": {"f": lambda x: x - x.mean()}}, "extra name 'f' is a function.*plain numbers"),
        ({"extra_names": {"v": FRAME["x"]}}, "extra name 'v' is a Series"),
        ({"missing": "keep"}, "missing='keep' is not known"),
    ],
)
def test_arrays_and_functions_of_the_callers_own_are_refused(options, words):
    with pytest.raises((DataError, FormulaError), match=words):
        question("y ~ x + (1 | g)", list(FRAME), **options)
