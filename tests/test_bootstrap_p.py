"""Bootstrap p values of likelihood ratios: replicates against fits one by one, and against chi-square."""

import numpy as np
import pandas as pd
import pytest

import blupbayes as bb
from blupbayes.errors import DataError
from blupbayes.frequentist.bootstrap_p import bootstrap_p, by_rows, estimates, one_block, shift


@pytest.fixture(scope="module")
def pair():
    sleep = bb.load_dataset("sleepstudy")
    small = bb.MixedModel("Reaction ~ 1 + (Days | Subject)", sleep).fit("ML")
    return small, bb.MixedModel("Reaction ~ Days + (Days | Subject)", sleep).fit("ML")


def test_replicates_estimated_together_are_those_estimated_one_by_one(pair):
    for fit in pair:
        model = by_rows(fit.design, fit.estimate)
        y = model.draw(12, np.random.default_rng(1))
        together, single = estimates(model, y), model.estimates(y)
        # both searches end within rounding of the optimum, which the criterion sees to 1e-8
        np.testing.assert_allclose(together.criterion, single.criterion, rtol=0, atol=1e-7)
        np.testing.assert_allclose(together.beta, single.beta, rtol=1e-6)


def test_each_ratio_is_that_of_two_refits(pair):
    small, large = pair
    null, whole = (by_rows(f.design, f.estimate) for f in pair)
    seed = np.random.SeedSequence(5)
    found, converged = one_block(null, whole, 0.0, 3, seed)
    y = null.draw(3, np.random.default_rng(seed))
    expected = [small.refit(row).criterion - large.refit(row).criterion for row in y]
    assert converged.all()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)  # two optima, 1e-8 each


def test_p_of_a_fixed_effect_is_near_chi_square_in_a_large_sample():
    rng = np.random.default_rng(2)
    g = np.repeat(np.arange(40), 8)
    frame = pd.DataFrame({"g": g.astype(str), "x": rng.normal(size=320)})
    frame["y"] = 0.055 * frame["x"] + rng.normal(size=40)[g] + rng.normal(size=320)
    one, two = (bb.MixedModel(f"y ~ {x} + (1 | g)", frame).fit("ML") for x in ("1", "x"))
    row = bb.anova(one, two, bootstrap=1500, random_seed=4).iloc[1]
    noise = np.sqrt(row["p"] * (1 - row["p"]) / 1500)
    assert 0.05 < row["p"] < 0.95
    assert abs(row["p_bootstrap"] - row["p"]) < 4 * noise + 0.01  # chi-square is off by O(1/320)


def test_criteria_by_reml_are_compared_whatever_the_coding_of_x():
    sleep = bb.load_dataset("sleepstudy").assign(weeks=lambda d: d["Days"] / 7.0)
    one = bb.MixedModel("Reaction ~ Days + (1 | Subject)", sleep).fit()
    two = bb.MixedModel("Reaction ~ weeks + (Days | Subject)", sleep).fit()
    null, whole = (by_rows(f.design, f.estimate) for f in (one, two))
    shifted = shift(two.estimate) - shift(one.estimate)
    found, _ = one_block(null, whole, shifted, 20, np.random.SeedSequence(1))
    same = bb.MixedModel("Reaction ~ Days + (Days | Subject)", sleep).fit()
    plain, _ = one_block(null, by_rows(same.design, same.estimate), 0.0, 20, np.random.SeedSequence(1))
    np.testing.assert_allclose(found, plain, rtol=0, atol=1e-6)


def test_the_same_seed_gives_the_same_p(pair):
    p = [bb.anova(*pair, bootstrap=60, random_seed=9)["p_bootstrap"].iloc[1] for _ in range(2)]
    assert p[0] == p[1]


def test_a_variance_of_zero_by_restriction():
    fit = bb.MixedModel("Yield ~ 1 + (1 | Batch)", bb.load_dataset("dyestuff")).fit()
    row = fit.ranova(bootstrap=2000, random_seed=3).iloc[1]
    # exact null distribution of the balanced one-way layout is near its chi-bar limit, but not it
    assert row["p_boundary"] / 2 < row["p_bootstrap"] < 2 * row["p_boundary"]


@pytest.mark.parametrize("n", [-1, 2.5, True, "many"])
def test_counts_that_are_none_are_refused(pair, n):
    with pytest.raises(DataError, match="bootstrap="):
        bb.anova(*pair, bootstrap=n)


def test_no_replicates_no_column(pair):
    assert bootstrap_p(0) is None
    assert "p_bootstrap" not in bb.anova(*pair)
