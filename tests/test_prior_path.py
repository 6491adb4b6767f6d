"""The path along the prior's scale: the same numbers as integrals of their own and as brute force."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats as st

import blupbayes as bb
from blupbayes.prior_analysis import path as module
from one_way import one_way

DYESTUFF = bb.load_dataset("dyestuff")
Y, CODES = DYESTUFF["Yield"].to_numpy(float), pd.factorize(DYESTUFF["Batch"], sort=True)[0]
KEYS = ["component", "group", "level", "term"]


@pytest.fixture(scope="module")
def dyestuff():
    return bb.MixedModel("Yield ~ 1 + (1 | Batch)", DYESTUFF)


def pick(path, scale, component):
    """One row."""
    return path[np.isclose(path["prior_scale"], scale) & (path["component"] == component)].iloc[0]


@pytest.mark.parametrize("scale", [2.0, 10.0, 50.0, 1000.0])
def test_points_of_the_path_are_brute_force(dyestuff, scale):
    path = dyestuff.prior_scale_path(scales=[1000, 200, 50, 20, 10, 5, 2], levels=["E"])
    exact = one_way(Y, CODES, st.halfnorm(scale=scale).logpdf)
    sd, weight, mean = (pick(path, scale, c) for c in ("sd", "weight", "group_mean"))
    # 1 % of a posterior sd for means, thrice that for medians of reweighted points
    assert sd["estimate"] == pytest.approx(exact.sd_quantile(0.5), abs=0.03 * sd["uncertainty"])
    assert weight["estimate"] == pytest.approx(exact.weight, abs=0.01 * weight["uncertainty"])
    m, s = exact.group_mean(4)
    assert mean["estimate"] == pytest.approx(m, abs=0.01 * s)
    assert mean["uncertainty"] == pytest.approx(s, rel=0.01)


def test_sixty_scales_from_a_few_lattices(dyestuff, monkeypatch):
    count = []
    own = module.integrate
    monkeypatch.setattr(module, "integrate", lambda *a: count.append(1) or own(*a))
    path = dyestuff.prior_scale_path()
    scales = path["prior_scale"].unique()
    assert len(scales) == 60 and np.all(np.diff(scales) > 0) and len(count) <= 6
    assert path["err"].max() <= 0.01
    weights = path[path["component"] == "weight"]["estimate"].to_numpy()
    assert np.all(np.diff(weights) > 0)  # from pooling by decree to no opinion
    assert weights[0] < 0.01 and weights[-1] == pytest.approx(0.778, abs=1e-3)  # flat


def test_rows_and_columns(dyestuff):
    path = dyestuff.prior_scale_path("HalfCauchy", [50.0])
    columns = ["prior_scale", *KEYS, "estimate", "ci_lb", "ci_ub", "uncertainty", "err"]
    assert path.columns.tolist() == columns
    table = dyestuff.sensitivity({"same": "HalfCauchy(50)"}).to_dataframe().query("prior == 'same'")
    np.testing.assert_allclose(path["estimate"], table["estimate"], rtol=2e-3)
    assert path[KEYS].to_numpy().tolist() == table[KEYS].to_numpy().tolist()


def test_scales_of_slopes_follow_their_columns():
    model = bb.MixedModel("Reaction ~ Days + (Days || Subject)", bb.load_dataset("sleepstudy"))
    path = model.prior_scale_path(scales=[30.0], levels=["308"])
    spread = np.std(np.arange(10).repeat(18), ddof=1)
    prior = bb.Prior(
        sd={"Subject": {"Intercept": "HalfNormal(30)", "Days": f"HalfNormal({30 / spread})"}}, residual="Flat"
    )
    own = model.integrate(prior).summary()["median"]
    mine = path[path["component"] == "sd"].set_index("term")["estimate"]
    assert mine["Days"] == pytest.approx(own["sd_Subject[Days]"], rel=2e-3)
    assert mine["Intercept"] == pytest.approx(own["sd_Subject[Intercept]"], rel=2e-3)


@pytest.mark.parametrize(
    ("family", "scales", "match"),
    [("Gamma", None, "HalfNormal"), ("HalfNormal", [1, -1], "above 0"), ("HalfNormal", [], "above 0")],
)
def test_bad_input_is_refused(dyestuff, family, scales, match):
    with pytest.raises(bb.PriorError, match=match):
        dyestuff.prior_scale_path(family, scales)
