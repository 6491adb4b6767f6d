"""Nine digits of r2 with 1e8 in y and 1e6 in a column of X, judged by the same numbers without the constant.

fl(y + 1e8) - 1e8 is exact in floating point, so both models hold the same information about everything else.
"""

import numpy as np
import pytest
from hypothesis import strategies as st
from worlds import law

import blupbayes as bb
from blupbayes.mme.criterion import evaluate
from contract import close
from random_models import KINDS

NINE = 1e-9  # relative, of r2: what the package promises
IN_Y, IN_X = 1e8, 1e6
SHIFTS = ((IN_Y, 0.0), (0.0, IN_X), (IN_Y, IN_X))
SPANS = (
    "z + x + f",
    "z + 0 + x + f",
    "z + 0 + k0 + k1 + k2 + k3",
)  # 1 is a column, a sum of columns, any combination


def rounded(values, shift):
    """(values + shift) in double precision, and the same without the shift, which is exact."""
    large = np.asarray(values, dtype=float) + shift
    return large, large - shift


def same_residual(found, base, theta, method, digits=NINE):
    """r2 and the criterion at one theta; the criterion is n times the logarithm of r2."""
    at, judge = (evaluate(model.statistics, np.asarray(theta), method) for model in (found, base))
    assert at.border.r2 == pytest.approx(judge.border.r2, rel=digits)
    assert at.criterion == pytest.approx(judge.criterion, abs=digits * judge.statistics.n_obs)


def same_fit(found, base, method):
    """sigma, hence r2, and the covariances; half the digits for what a minimiser finds where it is flat."""
    fit, judge = found.fit(method), base.fit(method)
    assert fit.converged and judge.converged
    assert fit.criterion == pytest.approx(judge.criterion, abs=NINE * judge.n_obs)
    assert fit.sigma == pytest.approx(judge.sigma, rel=1e-7)
    for T, other in zip(fit.estimate.T, judge.estimate.T, strict=True):
        close(T @ T.T, other @ other.T, 1 + np.linalg.norm(other @ other.T), 1e-6)


def pair(w, span, shifts):
    """The model with the shifts, and its judge; the offset is taken off first, for it rounds y once more."""
    n = len(w.d.y)
    y = w.d.y + shifts[0]
    y0 = (y if w.d.offset is None else y - w.d.offset) - shifts[0]
    z, z0 = rounded(w.rng.normal(size=n), shifts[1])
    mixed = (
        np.column_stack([np.ones(n), w.rng.normal(size=(n, 3))]) @ np.linalg.qr(w.rng.normal(size=(4, 4)))[0]
    )
    columns = {f"k{i}": column for i, column in enumerate(mixed.T)}
    formula = f"y ~ {span} + {w.bars}"
    return w.model(formula, y=y, z=z, **columns), w.model(formula, offset=np.zeros(n), y=y0, z=z0, **columns)


SCALES = [0.0, 0.1, 1.0, 10.0]


@law(kinds=KINDS, span=st.sampled_from(SPANS), shifts=st.sampled_from(SHIFTS), scale=st.sampled_from(SCALES))
def test_a_large_constant_costs_no_digits(w, span, shifts, scale):
    """At given thetas, in every storage, with weights and without."""
    found, base = pair(w, span, shifts)
    same_residual(found, base, scale * w.d.theta, w.method)


@law(kinds=KINDS, strengths=(0.3, 1.0, 3.0), span=st.sampled_from(SPANS), shifts=st.sampled_from(SHIFTS))
def test_a_large_constant_costs_the_fit_no_digits(w, span, shifts):
    """Through the estimates."""
    same_fit(*pair(w, span, shifts), w.method)


DATA = [
    ("sleepstudy", "Reaction ~ Days + (Days | Subject)", "Reaction", None),
    ("sleepstudy", "Reaction ~ Days + (1 | Subject)", "Reaction", "Days"),
    ("rail", "travel ~ 1 + (1 | Rail)", "travel", None),
    ("penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)", "diameter", None),
]


@pytest.mark.parametrize("method", ["ML", "REML"])
@pytest.mark.parametrize(("name", "formula", "y", "x"), DATA)
def test_a_large_constant_in_published_data(name, formula, y, x, method, storage):
    frame = bb.load_dataset(name)
    large, small = frame.copy(), frame.copy()
    large[y], small[y] = rounded(frame[y], IN_Y)
    if x is not None:
        large[x], small[x] = rounded(frame[x], IN_X)
    found, base = bb.MixedModel(formula, large), bb.MixedModel(formula, small)
    for theta in (0.0, 0.1, 1.0, 10.0):
        same_residual(found, base, np.full(base.statistics.n_theta, theta), method)
    same_fit(found, base, method)
