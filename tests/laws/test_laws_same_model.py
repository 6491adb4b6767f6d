"""Two ways to write one model: formulas, offsets, arrays. Numbers in are the same, and so are answers."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import strategies as st
from worlds import ROUNDING, SOLUTION, law, same_effects, same_estimates

import blupbayes as bb
from contract import close
from random_models import KINDS

WRITTEN = {
    "(1 | a/b)": ("(1 | a) + (1 | a:b)", "(1 | a:b) + (1 | a)"),
    "(x || a)": ("(1 | a) + (0 + x | a)", "(1 + x || a)", "(0 + x | a) + (1 | a)"),
    "(x | a)": ("(1 + x | a)", "(x + 1 | a)"),
    "(1 | a) + (0 + x | a)": ("(x || a)",),
    "(1 | a) + (1 | c)": ("(1 | c) + (1 | a)",),
    "(x | a) + (x || c)": ("(x | a) + (1 | c) + (0 + x | c)",),
}


def same_answers(found, base, w):
    """Estimates and the solution at the true variances."""
    one, two = found.fit(w.method), base.fit(w.method)
    same_estimates(one, two, tolerance=SOLUTION)
    close(one.beta.dropna(), two.beta.dropna(), tolerance=SOLUTION)
    same_effects(one.ranef(), two.ranef())
    at = w.named(two)
    same_effects(found.solve(at).b, base.solve(at).b, tolerance=ROUNDING)
    close(found.solve(at, 0.3).beta, base.solve(at, 0.3).beta, tolerance=ROUNDING)


LONG = tuple(k for k in KINDS if k.split()[0] not in ("intercept", "slope_only", "three", "balanced"))


@law(kinds=LONG, pick=st.integers(0, 5))
def test_shorthand_is_what_it_stands_for(w, pick):
    """(1 | a/b) = (1 | a) + (1 | a:b), (x || a) = (1 | a) + (0 + x | a), the intercept written or not."""
    ways = WRITTEN[w.bars]
    same_answers(w.model(f"y ~ {w.fixed} + {ways[pick % len(ways)]}"), w.model(), w)


@law(kinds=("nested", "nested weights offset"))
def test_an_interaction_is_a_column_of_its_own(w):
    """(1 | a:b) = (1 | ab) for the column ab of pairs."""
    ab = w.d.frame["a"] + ":" + w.d.frame["b"]
    found, base = w.fit(f"y ~ {w.fixed} + (1 | a) + (1 | ab)", ab=ab), w.fit()
    assert found.criterion == pytest.approx(base.criterion, rel=ROUNDING)
    close(found.theta, base.theta, tolerance=SOLUTION)
    effects = found.ranef()
    same_effects(effects.assign(group=effects["group"].replace("ab", "a:b")), base.ranef())


@law(way=st.sampled_from(["argument", "column", "formula", "both"]))
def test_an_offset_is_taken_off_y(w, way):
    """y with an offset is y - offset without, however it is given; predictions give it back."""
    own = np.zeros(len(w.d.y)) if w.d.offset is None else w.d.offset
    o = w.rng.normal(size=len(own)) * 10.0
    frame, weights = w.d.frame.assign(o=o, half=o / 2), None if w.d.weights is None else "weight"
    text = {"formula": " + offset(o)", "both": " + offset(half)"}.get(way, "")
    given = {"argument": o, "column": "o", "formula": None, "both": o / 2}[way]
    found = bb.MixedModel(w.d.formula + text, frame, weights=weights, offset=given)
    base = bb.MixedModel(w.d.formula, frame.assign(y=w.d.y - o), weights=weights)
    same_answers(found, base, w)
    means = [model.fit(w.method).predict()["mean"].to_numpy() for model in (found, base)]
    close(means[0] - o, means[1], np.linalg.norm(means[0]), SOLUTION)


@law(kinds=tuple(k for k in KINDS if "diagonal" not in k and k not in ("split", "crossed_slopes")))
def test_arrays_are_the_formula(w):
    """from_arrays with codes and columns of every group is the model of the formula."""
    Z = {}
    for block in w.d.blocks:
        codes = w.d.frame[block.name.split(":")].agg(":".join, axis=1)
        columns = pd.DataFrame({"Intercept": np.ones(len(codes)), "x": w.d.frame["x"]})
        names = ["Intercept", "x"][: block.q] if w.bars != "(0 + x | a)" else ["x"]
        Z[block.name] = (codes, columns[names])
    given = {"fixed_names": w.d.fixed_names, "weights": w.d.weights, "offset": w.d.offset}
    same_answers(bb.MixedModel.from_arrays(w.d.y, w.d.X, Z, **given), w.model(), w)


@law(kinds=("intercept", "slope_only", "balanced"), sparse=st.booleans())
def test_indicator_columns_are_the_formula(w, sparse):
    """from_arrays with Z itself, dense or sparse; its levels are the numbers of its columns."""
    Z = sp.csr_array(w.d.Z) if sparse else w.d.Z
    found = bb.MixedModel.from_arrays(w.d.y, w.d.X, Z, fixed_names=w.d.fixed_names, group_name="a")
    fits = [model.fit(w.method) for model in (found, w.model())]
    assert fits[0].criterion == pytest.approx(fits[1].criterion, rel=ROUNDING)
    close(fits[0].theta, fits[1].theta, 1.0, SOLUTION)
    for name in ("estimate", "cond_sd", "pev_sd"):
        close(
            fits[0].ranef()[name],
            fits[1].ranef()[name],
            np.linalg.norm(fits[1].ranef()["pev_sd"]) + 1,
            SOLUTION,
        )
