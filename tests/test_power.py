"""Power scaling: exact derivatives against brute force at other powers, and the definition of the distance."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats as st

import blupbayes as bb
from one_way import one_way

DYESTUFF = bb.load_dataset("dyestuff")
Y, CODES = DYESTUFF["Yield"].to_numpy(float), pd.factorize(DYESTUFF["Batch"], sort=True)[0]
NAME = "sd_Batch[Intercept]"


@pytest.fixture(scope="module")
def dyestuff():
    return bb.MixedModel("Yield ~ 1 + (1 | Batch)", DYESTUFF)


def at_power(alpha, scale=50.0):
    """Dyestuff under HalfNormal(scale) to the power alpha."""
    return one_way(Y, CODES, st.halfnorm(scale=scale).logpdf, power=alpha)


def cjs(p, q, width):
    """Cumulative Jensen-Shannon distance of two distribution functions on one grid, as priorsense defines it."""
    m = 0.5 * (p + q)
    with np.errstate(divide="ignore", invalid="ignore"):
        pq, qp = (np.nansum(width * f * np.log2(f / m)) for f in (p, q))
    pq += 0.5 / np.log(2) * np.sum(width * (q - p))
    qp += 0.5 / np.log(2) * np.sum(width * (p - q))
    return np.sqrt((pq + qp) / np.sum(width * (p + q)))


@pytest.mark.parametrize("scale", [50.0, 10.0])
def test_derivatives_are_those_of_brute_force(dyestuff, scale):
    post = dyestuff.integrate(bb.Prior(sd=f"HalfNormal({scale})", residual="Flat"), rel_error=1e-3)
    found = post.power_scaling()
    step = 0.05
    up, down = at_power(2**step, scale), at_power(2**-step, scale)
    for name, values in ((NAME, "a"), ("sigma", "s")):
        moments = []
        for x in (up, down):
            v = x.a[:, None] + 0 * x.w if values == "a" else x.s[None, :] + 0 * x.w
            mean = x.expect(v)
            moments.append((mean, np.sqrt(x.expect((v - mean) ** 2))))
        slope = (np.array(moments[0]) - moments[1]) / (2 * step)
        # the difference over +-.05 is off by its square, the lattice by 1e-3 of an sd
        np.testing.assert_allclose(found.loc[name, ["mean", "sd"]].tolist(), slope, rtol=0.01, atol=0.01)


def test_the_distance_is_the_limit_of_priorsenses(dyestuff):
    post = dyestuff.integrate(bb.Prior(sd="HalfNormal(50)", residual="Flat"), rel_error=1e-3)
    base, up, down = at_power(1.0), at_power(1.01), at_power(1 / 1.01)
    low, high = base.sd_quantile(1 / 4001), base.sd_quantile(4000 / 4001)
    x = np.linspace(low, high, 4001)
    F, G, H = (v.sd_below(x) for v in (base, up, down))
    step = np.log2(1.01)
    expected = max(
        sum(cjs(f(F), f(other), np.diff(x)[0]) for other in (G, H)) / (2 * step)
        for f in (lambda v: v, lambda v: 1 - v)
    )
    # 1.01 instead of the limit, and a grid for the distribution function: three digits
    assert post.power_scaling().loc[NAME, "distance"] == pytest.approx(expected, rel=5e-3)


def test_dyestuff_under_half_normal_50_is_what_draws_say(dyestuff):
    # priorsense from draws: .100 with Monte Carlo error (.095 from 4000 independent ones); without error .096.
    found = dyestuff.integrate(bb.Prior(sd="HalfNormal(50)", residual="Flat")).power_scaling()
    assert found.loc[NAME, "distance"] == pytest.approx(0.096, abs=1e-3)


def test_a_flat_prior_has_no_power():
    post = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail")).integrate(
        bb.Prior(sd="Flat", residual="Flat")
    )
    found = post.power_scaling()
    np.testing.assert_allclose(found, 0.0, atol=1e-9)


def test_correlations_and_their_prior_take_part():
    model = bb.MixedModel("Reaction ~ Days + (Days | Subject)", bb.load_dataset("sleepstudy"))
    corr = "corr_Subject[Days,Intercept]"
    flat = {"sd": "Flat", "residual": "Flat"}
    post = model.integrate(bb.Prior(corr=3.0, **flat))
    slope = post.power_scaling().loc[corr, "mean"]
    # LKJ(3) to the power alpha is LKJ(1 + 2 alpha): integrated anew on both sides.
    step = 0.2
    ends = [
        model.integrate(bb.Prior(corr=1 + 2 * 2**s, **flat)).summary().loc[corr, "mean"]
        for s in (step, -step)
    ]
    sd = post.summary().loc[corr, "sd"]
    assert slope == pytest.approx((ends[0] - ends[1]) / (2 * step), abs=0.01 * sd)  # lattices: 1 % of an sd
    assert model.integrate(bb.Prior(**flat)).power_scaling().loc[corr, "distance"] < 1e-9


def test_a_table_for_every_prior(dyestuff):
    found = dyestuff.sensitivity({"ten": "HalfNormal(10)", "fifty": "HalfNormal(50)"}).power_scaling()
    assert found.index.names == ["prior", "parameter"]
    assert found.loc[("ten", NAME), "distance"] > 0.3 > 0.1 > found.loc[("fifty", NAME), "distance"]
