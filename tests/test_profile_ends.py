"""REML profile intervals and the weights at their ends, against closed forms of the balanced one-way layout."""

import numpy as np
import pandas as pd
import pytest
import scipy.optimize as so
import scipy.stats as st

import blupbayes as bb
from blupbayes.prior_analysis.profile_ends import profile_ends


def closed_form(y, codes, p):
    """Limits of the sd by the REML criterion, and the weights there: sigma minimised on a line."""
    J, n = codes.max() + 1, len(y)
    r = n // J
    means = np.array([y[codes == j].mean() for j in range(J)])
    sse, sst = np.sum((y - means[codes]) ** 2), r * np.sum((means - means.mean()) ** 2)

    def deviance(a, log_s):
        s2 = np.exp(2 * log_s)
        return (n - J) * np.log(s2) + (J - 1) * np.log(s2 + r * a**2) + sse / s2 + sst / (s2 + r * a**2)

    def best(a):
        return so.minimize_scalar(lambda x: deviance(a, x), bounds=(-5, 8), method="bounded",
                                  options={"xatol": 1e-10})  # fmt: skip

    s2 = sse / (n - J)
    hat = np.sqrt(max((sst / (J - 1) - s2) / r, 0.0))
    floor, rise = best(hat).fun, st.chi2.ppf(p, 1)
    ends = [
        so.brentq(lambda a: best(a).fun - floor - rise, *bracket)
        for bracket in ((1e-6, hat), (hat, 50 * hat))
    ]
    s = [np.exp(best(a).x) for a in ends]
    return ends, [r * a**2 / (r * a**2 + x**2) for a, x in zip(ends, s, strict=True)]


@pytest.mark.parametrize(("data", "y", "g"), [("rail", "travel", "Rail"), ("dyestuff", "Yield", "Batch")])
def test_ends_and_weights_are_the_closed_form(data, y, g):
    frame = bb.load_dataset(data)
    ends, shares = closed_form(frame[y].to_numpy(float), pd.factorize(frame[g], sort=True)[0], 0.95)
    found = profile_ends(bb.MixedModel(f"{y} ~ 1 + (1 | {g})", frame).fit().estimate, 0.95)
    # two searches on a line, one inside the other: six digits
    np.testing.assert_allclose([found.low[0], found.high[0]], ends, rtol=1e-6)
    np.testing.assert_allclose([found.weight_low[0], found.weight_high[0]], shares, rtol=1e-6)
    assert found.notes == ("",)


def test_at_the_boundary_the_interval_begins_at_0():
    model = bb.MixedModel("Yield ~ 1 + (1 | Batch)", bb.load_dataset("dyestuff2"))
    found = profile_ends(model.fit().estimate, 0.95)
    assert (found.low[0], found.weight_low[0]) == (0.0, 0.0) and found.weight_high[0] > 0.5


def test_a_level_is_a_level():
    fit = bb.MixedModel("Yield ~ 1 + (1 | Batch)", bb.load_dataset("dyestuff")).fit().estimate
    narrow, wide = profile_ends(fit, 0.5), profile_ends(fit, 0.95)
    assert wide.low < narrow.low < narrow.high < wide.high
    assert wide.weight_low < narrow.weight_low < narrow.weight_high < wide.weight_high
