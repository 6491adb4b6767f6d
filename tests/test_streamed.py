"""A design from batches is the design of the whole table, its rows left out; judged by `design.build` in memory."""

from __future__ import annotations

import itertools
import json
import pickle

import numpy as np
import pandas as pd
import pytest

from blupbayes.errors import DataError, FormulaError, IdentifiabilityError, RowsNotKeptError
from blupbayes.model.design import build
from blupbayes.model.discovery import Discovery
from blupbayes.model.question import question
from blupbayes.model.streamed import StreamedDesign

N = 203


def table():
    """A column of every kind; the mean of `far` is a million times its sd."""
    rng = np.random.default_rng(5)
    days = pd.date_range("2024-01-01", periods=5)
    frame = pd.DataFrame(
        {
            "y": rng.normal(size=N),
            "x": rng.normal(size=N),
            "far": 1e6 + rng.normal(size=N),
            "few": rng.integers(0, 4, N) * 10,
            "half": rng.integers(0, 3, N) / 2,
            "yes": rng.random(N) < 0.4,
            "text": rng.choice(list("wuv"), N),
            "level": pd.Categorical(rng.choice(["lo", "hi"], N), ["lo", "never", "hi"], ordered=True),
            "dose": pd.Categorical(rng.choice([5, 1, 3], N), [5, 1, 3]),
            "g": rng.integers(1, 12, N),
            "name": rng.choice(["b10", "b9", "a"], N),
            "day": days[rng.integers(0, 5, N)],
            "my column": rng.normal(size=N),
            "dotted.name": rng.choice(["p", "q"], N),
            "w": rng.random(N) + 0.5,
            "o": rng.normal(size=N),
        }
    )
    return frame


FRAME = table()
FORMULAS = [
    "y ~ x + (1 | g)",
    "y ~ 0 + x + (0 + x | g)",
    "y ~ 1 + (x || g) + (1 | name)",
    "y ~ text * x + (text | g)",
    "y ~ 0 + text + level + (1 + text || g)",
    "y ~ level:text + dose + (level | name)",
    "y ~ yes + yes:x + (yes | g)",
    "y ~ C(few) + C(half, Sum) + (1 | g)",
    "y ~ C(text, Treatment('v')) + C(level, Poly) + C(yes) + (1 | g)",
    "y ~ C(few, levels=[30, 20, 10, 0]) + few + (1 | few)",
    "y ~ C(text, contr.helmert) : x + (C(few) | g)",
    "y ~ x + (1 | name/g)",
    "y ~ x + (x | name:g) + (0 + few | g:name) + (1 | g:few:text)",
    "y ~ scale(far) + (scale(far) | g)",
    "y ~ center(far) + standardize(far):text + (1 | g)",
    "y ~ scale(far, ddof=0) + scale(x, center=False) + (1 | g)",
    "y ~ scale(x, center=2.5) + scale(`my column`, scale=False) + (1 | g)",
    "y ~ standardize(x, rescale=False) + center(np.exp(x) + few) ** 2 + (1 | g)",
    "y ~ log(scale(x) ** 2 + 1) + I(x**2) + np.maximum(x, 0) + (1 | g)",
    "log(y**2 + 1) ~ `my column` + dotted.name + (dotted.name | day)",
    "scale(y) ~ x + (1 | yes) + offset(o)",
    "y ~ x + offset(o) + offset(log(w)) + (1 | level)",
    "y ~ Q('my column') + where(x > 0, x, 0) + (1 | dose)",
    "y ~ x + I(x > 0) + I(text == 'u') + (1 | half)",
]


def split(frame, n, seed=0):
    """The frame in n batches, in shuffled order."""
    rng = np.random.default_rng(seed)
    cuts = np.sort(rng.choice(np.arange(len(frame) + 1), n - 1)) if n > 1 else []
    bounds = [0, *cuts, len(frame)]
    batches = [frame.iloc[a:b] for a, b in itertools.pairwise(bounds)]
    return [batches[k] for k in rng.permutation(len(batches))]


def discovered(formula, batches, names=None, sigma=None, **options):
    found = Discovery(question(formula, names or list(batches[0]), **options))
    for number, batch in enumerate(batches, start=1):
        found.add(number, batch)
    return found.finish(sigma)


def same(streamed, batches, whole):
    """Names, levels, terms, and the arrays of all batches one under the other."""
    chunks = [streamed.chunk(number, batch) for number, batch in enumerate(batches, start=1)]
    assert streamed.fixed_names == whole.fixed_names and streamed.n_obs == whole.n_obs
    assert (streamed.response, streamed.formula) == (whole.response, whole.formula)
    assert (streamed.has_weights, streamed.has_offset) == (whole.has_weights, whole.has_offset)
    assert streamed.n_theta == whole.n_theta
    close(np.concatenate([c.y for c in chunks]), whole.y)
    close(np.vstack([c.X for c in chunks]), whole.X)
    for k, (one, two) in enumerate(zip(streamed.groups, whole.groups, strict=True)):
        assert vars(one) == {name: getattr(two, name) for name in vars(one)}
        assert one.template == two.template
        assert np.array_equal(np.concatenate([c.codes[k] for c in chunks]), two.codes)
        close(np.vstack([c.columns[k] for c in chunks]), two.columns)
    for name in ("weights", "offset"):
        if getattr(whole, name) is not None:
            close(np.concatenate([getattr(c, name) for c in chunks]), getattr(whole, name))
        else:
            assert all(getattr(c, name) is None for c in chunks)
    assert sum(c.n_dropped for c in chunks) == streamed.n_dropped == whole.n_dropped


def close(a, b):
    """Equal to rounding, relative to the largest entry of each column."""
    assert a.shape == b.shape and a.dtype == b.dtype
    assert (np.abs(a - b) <= 1e-13 * np.abs(b).max(axis=0)).all()


@pytest.mark.parametrize("formula", [formula for formula in FORMULAS if "far" not in formula])
@pytest.mark.parametrize("n", [1, 7])
def test_batches_make_the_design_of_the_whole_table(formula, n):
    batches = split(FRAME, n)
    same(discovered(formula, batches), batches, build(formula, pd.concat(batches)))


@pytest.mark.parametrize("n", [2, 50])
def test_any_number_of_batches_will_do(n):
    formula = "y ~ C(few) * x + level + scale(x) + (text | name/g)"
    batches = split(FRAME, n, seed=n)
    same(discovered(formula, batches), batches, build(formula, pd.concat(batches)))


@pytest.mark.parametrize("formula", [formula for formula in FORMULAS if "far" in formula])
@pytest.mark.parametrize("n", [1, 7, 50])
def test_no_digits_are_lost_far_from_zero(formula, n):
    batches = split(FRAME, n)
    streamed = discovered(formula, batches)
    made = np.vstack([streamed.chunk(number, batch).X for number, batch in enumerate(batches, start=1)])
    exact = FRAME.assign(
        far=FRAME["far"] - 1e6
    )  # exact in binary: what is scaled does not depend on the shift
    order = np.concatenate([batch.index for batch in batches])
    assert np.allclose(made, build(formula, exact).X[order], rtol=1e-9, atol=1e-9)
    assert streamed.fixed_names == build(formula, FRAME).fixed_names


@pytest.mark.parametrize("weights", [None, "w", "1 / w**2"])
@pytest.mark.parametrize("offset", [None, "o", "scale(o)"])
def test_weights_and_offset_are_columns_or_expressions(weights, offset):
    batches = split(FRAME, 5)
    options = {"weights": weights, "offset": offset}
    formula = "y ~ x + offset(far) + (1 | g)"
    same(discovered(formula, batches, **options), batches, build(formula, pd.concat(batches), **options))


def test_numbers_of_the_callers_own():
    batches = split(FRAME, 5)
    options = {"extra_names": {"limit": 1, "half_": 0.5}}
    formula = "y ~ np.maximum(x, limit) + I(x * half_) + (1 | g)"
    same(discovered(formula, batches, **options), batches, build(formula, pd.concat(batches), **options))


@pytest.mark.parametrize("n", [1, 7])
def test_rows_with_missing_values_are_left_out(n):
    frame = FRAME.copy()
    frame["text"] = frame["text"].astype(object)
    frame.loc[3:9, "text"] = None
    frame.loc[20:30, "x"] = np.inf
    frame.loc[frame["name"] == "a", "y"] = np.nan  # a level without rows
    formula = "y ~ x + text + scale(far) + (1 | name) + (1 | g)"
    batches = split(frame, n)
    whole = build(formula, pd.concat(batches), missing="drop")
    streamed = discovered(formula, batches, missing="drop")
    assert streamed.fixed_names == whole.fixed_names and streamed.groups[0].levels == ("b10", "b9")
    assert streamed.n_dropped == whole.n_dropped and streamed.n_obs == whole.n_obs
    with pytest.raises(DataError, match=r"batch 1: .* rows have missing or infinite values .*Pass missing="):
        discovered(formula, [frame])


def test_types_may_differ_where_numbers_stay_numbers():
    one, two = FRAME[:100], FRAME[100:]
    batches = [one.assign(few=one["few"].astype("int8"), x=one["x"].astype("Float64")), two]
    batches += [FRAME.assign(few=FRAME["few"] + 0.5, text=pd.Categorical(FRAME["text"]))]
    formula = "y ~ few + C(few) + x + text + (1 | g)"
    plain = [
        batch.assign(text=batch["text"].astype(str), few=batch["few"].astype(float)) for batch in batches
    ]
    same(discovered(formula, batches), batches, build(formula, pd.concat(plain)))


def test_categories_that_differ_are_sorted_by_value_as_in_the_whole_table():
    batches = [
        FRAME[:100].assign(name=pd.Categorical(FRAME["name"][:100], ["b9", "b10", "a"])),
        FRAME[100:].assign(name=pd.Categorical(FRAME["name"][100:], ["b9", "b10", "a", "more"])),
    ]
    formula = "y ~ name + (1 | name)"
    same(discovered(formula, batches), batches, build(formula, pd.concat(batches)))
    with pytest.raises(DataError, match=r"batch 2: the categories of column 'dose' are not those of batch 1"):
        discovered("y ~ dose + (1 | g)", [FRAME, FRAME.assign(dose=FRAME["dose"].cat.add_categories([9]))])


@pytest.mark.parametrize("formula", FORMULAS)
def test_a_vocabulary_builds_the_design_again_without_data(formula):
    streamed = discovered(formula, split(FRAME, 7), weights="w")
    text = json.dumps(streamed.vocabulary())
    again = StreamedDesign.from_vocabulary(json.loads(text))
    assert again.vocabulary() == streamed.vocabulary() and again.hash == streamed.hash
    one, two = streamed.chunk(1, FRAME), again.chunk(1, FRAME)
    for name, array in vars(one).items():
        arrays = (
            zip(array, getattr(two, name), strict=True)
            if isinstance(array, tuple)
            else [(array, getattr(two, name))]
        )
        assert all(np.array_equal(a, b) for a, b in arrays if a is not None)
    assert [vars(g) for g in again.groups] == [vars(g) for g in streamed.groups]


def test_a_vocabulary_of_another_version_is_refused():
    made = discovered("y ~ x + (1 | g)", [FRAME]).vocabulary() | {"version": 0}
    with pytest.raises(DataError, match="another version"):
        StreamedDesign.from_vocabulary(made)


def test_new_rows_are_coded_as_in_memory():
    formula = "y ~ C(few) + scale(x) + text:level + offset(o) + (x | name/g)"
    batches = split(FRAME, 7)
    new = FRAME.head(40).assign(g=[str(k) for k in [*range(1, 12), 99, 3] * 3 + [1]]).drop(columns="y")
    one = discovered(formula, batches).encode(new)
    two = build(formula, pd.concat(batches)).encode(new)
    close(one.X, two.X)
    close(one.offset, two.offset)
    assert one.unseen == two.unseen and all(np.array_equal(one.codes[k], two.codes[k]) for k in two.codes)
    for k in two.columns:
        close(one.columns[k], two.columns[k])


def test_a_design_from_batches_can_be_pickled():
    streamed = discovered("y ~ C(few) + scale(x) + (x | name/g)", split(FRAME, 7))
    copy = pickle.loads(pickle.dumps(streamed))
    assert np.array_equal(copy.chunk(1, FRAME).X, streamed.chunk(1, FRAME).X)


@pytest.mark.parametrize("name", ["y", "X", "rows", "weights", "offset"])
def test_rows_are_not_kept_and_the_error_says_what_to_do(name):
    streamed = discovered("y ~ x + (1 | g)", [FRAME], weights="w", offset="o")
    with pytest.raises(
        RowsNotKeptError, match=r"not kept; ask it of each batch .*MixedModel\(formula, data\)"
    ):
        getattr(streamed, name)


def test_what_a_design_does_not_have_needs_no_rows():
    streamed = discovered("y ~ x + (1 | g)", [FRAME])
    assert streamed.weights is None and streamed.offset is None
    assert streamed.measures is None and streamed.source is None
    for name in ("codes", "columns"):
        with pytest.raises(RowsNotKeptError, match="not kept"):
            getattr(streamed.groups[0], name)


def test_a_chunk_without_rows_has_the_shapes():
    streamed = discovered("y ~ text + scale(x) + (x | g)", [FRAME], weights="w")
    chunk = streamed.chunk(3, FRAME.iloc[:0])
    assert len(chunk) == 0 and chunk.X.shape == (0, 4) and chunk.columns[0].shape == (0, 2)
    assert chunk.weights.shape == (0,) and chunk.codes[0].dtype == np.intp


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"g": 77}, r"batch 4: 'g' has the level '77'.*changed between two passes"),
        ({"name": "z"}, r"batch 4: 'name:text' has the level 'z:[uvw]'.*changed between two passes"),
        ({"text": "z"}, r"batch 4: 'text' has the level 'z'.*changed between two passes"),
        ({"few": 7}, r"batch 4: 'few' has the level '7'.*changed between two passes"),
        ({"x": "z"}, r"batch 4: column 'x' holds text, and float when .*changed between two passes"),
        ({"yes": 1.0}, r"batch 4: column 'yes' holds float, and bool when"),
        ({"x": np.nan}, r"batch 4: 203 of 203 rows have missing"),
        ({"w": 0.0}, r"batch 4: 203 of 203 weights are zero or negative"),
        ({"far": -1.0}, r"batch 4: 'log\(far\)' is infinite or not a number in 203 rows of the batch"),
    ],
)
def test_a_batch_that_has_changed_is_named(change, words):
    formula = "y ~ text + C(few) + x + yes + log(far) + (1 | g) + (1 | name:text)"
    streamed = discovered(formula, split(FRAME, 3), weights="w")
    with pytest.raises(DataError, match=words):
        streamed.chunk(4, FRAME.assign(**change))
    with pytest.raises(DataError, match="batch 4: no column 'w'"):
        streamed.chunk(4, FRAME.drop(columns="w"))


@pytest.mark.parametrize(
    ("formula", "change", "error"),
    [
        ("y ~ x + (1 | g)", {"g": 1}, IdentifiabilityError),
        ("y ~ x + (1 | g)", {"g": range(N)}, IdentifiabilityError),
        ("y ~ x + (1 | g)", {"y": 2.0}, DataError),
        ("y ~ x + (1 | g)", {"y": "a"}, DataError),
        ("y ~ x + (1 | g)", {"y": True}, DataError),
        ("y ~ day + (1 | g)", {}, DataError),
        ("text ~ x + (1 | g)", {}, DataError),
        ("y ~ x + offset(text) + (1 | g)", {}, DataError),
        ("y ~ text:name + (1 | g)", {"text": range(N), "name": range(N)}, IdentifiabilityError),
        ("y ~ x + (1 | g) + (1 | name)", {"name": [f"n{k}" for k in FRAME["g"]]}, IdentifiabilityError),
        ("y ~ x + (x | g) + (1 | few) + (1 | few:yes)", {"yes": True}, IdentifiabilityError),
        ("y ~ x + (1 | g) + (1 | g)", {}, FormulaError),
        ("y ~ x + (0 | g)", {}, FormulaError),
        ("y ~ 0 + x:C(few):text + (1 | g)", {"few": [*range(100), *range(N - 100)]}, IdentifiabilityError),
    ],
)
def test_what_is_refused_in_memory_is_refused_in_the_same_words(formula, change, error):
    frame = FRAME.assign(**change)
    if formula.startswith("y ~ text:name"):
        frame = frame.astype({"text": str, "name": str})
    with pytest.raises(error) as in_memory:
        build(formula, frame)
    with pytest.raises(error) as streamed:
        discovered(formula, [frame])
    assert str(streamed.value).removeprefix("batch 1: ") == str(in_memory.value)


def test_two_factors_that_differ_in_one_row_of_the_last_batch_are_two():
    frame = FRAME.assign(name=[f"n{k}" for k in FRAME["g"]])
    frame.loc[N - 1, "name"] = "n1" if frame.loc[N - 1, "g"] != 1 else "n2"
    formula = "y ~ x + (1 | g) + (1 | name)"
    batches = split(frame, 7)
    same(discovered(formula, batches), batches, build(formula, pd.concat(batches)))


def test_a_known_sigma_goes_with_the_design():
    frame = FRAME.assign(g=range(N))
    assert discovered("y ~ x + (1 | g)", [frame], sigma=2).sigma == 2.0
    with pytest.raises(DataError, match="is not a residual sd"):
        discovered("y ~ x + (1 | g)", [frame], sigma=-1)
