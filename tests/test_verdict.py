"""One line under a comparison: what it says of made-up tables, and of the classical data."""

import numpy as np
import pytest

import blupbayes as bb
from blupbayes.compare.rows import block, gather
from blupbayes.compare.verdict import verdict


def answer(name, beta, sd, b=(1.0, -1.0), spread=1.0, kind="se", interval=(np.nan, np.nan), r_hat=np.nan):
    """A small long table: one fixed effect, the sd of g, two effects."""
    eti = kind == "posterior_sd"
    return gather(
        [
            block("fixed", name, term=["Intercept"], estimate=[beta], uncertainty=spread, uncertainty_kind=kind),
            block("sd", name, group="g", term="Intercept", estimate=[sd], ci_lb=interval[0], ci_ub=interval[1],
                  ci_kind="eti" if eti else "", uncertainty=1.0 if eti else np.nan,
                  uncertainty_kind=kind if eti else "", r_hat=r_hat),
            block("b", name, group="g", level=["1", "2"], term="Intercept", estimate=list(b), uncertainty=spread,
                  uncertainty_kind=kind),
        ]
    )  # fmt: skip


def said(*tables, **cautions):
    """The verdict of some answers."""
    return verdict(gather(list(tables)), cautions)


def test_everything_agrees():
    text = said(answer("ML", 5.0, 2.0), answer("REML", 5.05, 2.0))
    assert text == (
        "Point estimates agree (largest difference 5 % of a standard error, of beta[Intercept]); "
        "their uncertainties agree too."
    )


@pytest.mark.parametrize(
    ("beta", "words"),
    [
        (5.09, "Point estimates agree (largest difference 4.5 % of a posterior sd"),
        (5.3, "Point estimates nearly agree (largest difference 15 % of a posterior sd"),
        (6.5, "Point estimates differ (largest difference 75 % of a posterior sd"),
        (9.0, "Point estimates differ (largest difference 2 posterior sds"),
    ],
)
def test_differences_are_in_posterior_sds(beta, words):
    exact = answer("integrate", beta, 2.0, spread=2.0, kind="posterior_sd", interval=(1.5, 2.5))
    assert said(answer("REML", 5.0, 2.0), exact).startswith(words)


def test_what_differs_and_why():
    exact = answer("integrate", 5.0, 3.0, spread=1.5, kind="posterior_sd", interval=(1.0, 9.0))
    text = said(answer("REML", 5.0, 2.0), exact)
    assert text.endswith(
        "estimates of sd(g) differ by more than 10 %; uncertainty of the fixed effects and b differs: "
        "2 levels of g carry little information on sd(g)."
    )
    wide = answer("integrate", 5.0, 3.0, spread=1.5, kind="posterior_sd", interval=(3.0, 8.9))
    assert "carry little" not in said(answer("REML", 5.0, 2.0), wide)


def test_a_spread_of_0_beside_another_one():
    text = said(answer("REML", 5.0, 2.0), answer("other", 5.0, 2.0, spread=0.0))
    assert "uncertainty of the fixed effects and b differs" in text


def test_a_variance_of_0_is_said_first():
    exact = answer("integrate", 5.0, 0.9, kind="posterior_sd", interval=(0.1, 2.0))
    text = said(answer("ML", 5.0, 0.0), answer("REML", 5.0, 0.0), exact)
    assert text.startswith(
        "ML and REML have sd(g) = 0, the boundary: complete pooling of g, while its posterior mean is 0.9 in "
        "integrate. Point estimates"
    )
    assert "estimates of sd(g)" not in text
    assert said(answer("REML", 5.0, 0.0)).startswith(
        "REML has sd(g) = 0, the boundary: complete pooling of g."
    )


def test_one_answer_only():
    assert said(answer("REML", 5.0, 2.0)) == "One answer (REML): there is nothing to compare it with."


def test_draws_that_did_not_work():
    draws = answer("NUTS", 5.0, 2.0, kind="posterior_sd", interval=(1.5, 2.5), r_hat=1.2)
    text = said(answer("REML", 5.0, 2.0), draws, NUTS=["12 divergences"])
    assert text.startswith("NUTS cannot be relied on yet (12 divergences, r_hat 1.200). Point estimates")
    good = answer("NUTS", 5.0, 2.0, kind="posterior_sd", interval=(1.5, 2.5), r_hat=1.005)
    assert said(answer("REML", 5.0, 2.0), good).startswith("Point")


def test_answers_without_a_common_quantity():
    one = answer("a", 5.0, 2.0).query("component == 'fixed'")
    other = answer("b", 5.0, 2.0).query("component == 'b'")
    assert said(one, other) == "No quantity is in two answers."


def test_labels_with_percent_and_braces_are_kept():
    assert said(answer("50 % {x}", 5.0, 2.0)).startswith("One answer (50 % {x})")


@pytest.fixture(scope="module")
def rail():
    return bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail")).compare()


def test_rail(rail):
    text = rail.verdict()
    assert text.startswith(
        "Point estimates agree (largest difference 4.4 % of a posterior sd, of the mean of Rail 2)"
    )
    assert text.endswith("6 levels of Rail carry little information on sd(Rail).") and "\n" not in text
    # 4.4 %, by hand from the table
    part = rail.to_dataframe().query("component == 'group_mean' and level == '2'")
    assert np.ptp(part["estimate"]) / part["uncertainty"].max() == pytest.approx(0.044, abs=5e-4)


@pytest.mark.parametrize(
    ("data", "formula", "words"),
    [
        ("dyestuff2", "Yield ~ 1 + (1 | Batch)", "ML, REML and MME have sd(Batch) = 0, the boundary"),
        (
            "penicillin",
            "diameter ~ 1 + (1 | plate) + (1 | sample)",
            "6 levels of sample carry little information",
        ),
        ("sleepstudy", "Reaction ~ Days + (Days | Subject)", "sd(Subject: Days)"),
        ("sleepstudy", "Reaction ~ 0 + (1 | Subject)", "of b Subject"),
    ],
)
def test_other_models(data, formula, words):
    text = bb.MixedModel(formula, bb.load_dataset(data)).compare().verdict()
    assert words in text and "nan" not in text


def test_a_fit_that_did_not_converge_is_not_relied_on(rail):
    class Stopped:
        estimator, converged = "REML", False

        def tidy(self, ci_prob=0.95):
            return answer("REML", 5.0, 2.0)

    assert bb.compare(Stopped()).verdict().startswith("REML cannot be relied on yet (not converged).")
