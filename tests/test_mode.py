"""Mode: a penalised REML estimate as an answer."""

import pickle

import numpy as np
import pytest

import blupbayes as bb
from blupbayes.model.joint import Wishart


@pytest.fixture(scope="module")
def dyestuff2():
    return bb.MixedModel("Yield ~ 1 + (1 | Batch)", bb.load_dataset("dyestuff2"))


def test_beta_and_b_are_hendersons_at_the_mode(dyestuff2):
    mode = dyestuff2.mode()
    own = dyestuff2.solve(mode.variances)
    np.testing.assert_allclose(mode.b["estimate"], own.b["estimate"], rtol=1e-10)
    np.testing.assert_allclose(mode.beta, own.beta, rtol=1e-12)
    assert not mode.is_boundary and dyestuff2.mode(bb.Prior(sd="HalfNormal(5)")).is_boundary


def test_the_default_is_blmes(dyestuff2):
    asked = dyestuff2.mode(bb.Prior(covariance=Wishart(df=3.5), residual="HalfFlat() on log sd"))
    assert dyestuff2.mode().variances.sd("Batch").iloc[0] == pytest.approx(
        asked.variances.sd("Batch").iloc[0], rel=1e-6
    )
    assert "defaults of blme" in str(dyestuff2.mode().prior)


def test_units_pass_through():
    data = bb.load_dataset("sleepstudy")
    a = bb.MixedModel("Reaction ~ Days + (Days | Subject)", data).mode().variances
    b = (
        bb.MixedModel(
            "Reaction ~ Days + (Days | Subject)",
            data.assign(Reaction=data["Reaction"] / 1000, Days=data["Days"] * 24),
        )
        .mode()
        .variances
    )
    # blme's penalty has no units: neither of y nor of the column
    np.testing.assert_allclose(b.sd("Subject") * [1000, 24000], a.sd("Subject"), rtol=1e-5)


def test_an_answer_like_any_other(dyestuff2):
    mode = pickle.loads(pickle.dumps(dyestuff2.mode()))
    table = mode.tidy()
    assert set(table["estimator"]) == {"mode"}
    assert set(table.loc[table["component"] == "sd", "note"]) == {"penalised mode"}
    assert table.loc[table["component"] == "sd", "uncertainty"].isna().all()
    text = " ".join(bb.compare(dyestuff2.fit(), mode).to_text().split())
    assert "penalised REML, as blme" in text and "mode: penalty beta ~ flat" in text
    assert "penalty" in repr(mode)


def test_a_prior_of_the_comparison_is_that_of_the_mode(dyestuff2):
    prior = bb.Prior(sd="HalfNormal(5)", residual="HalfNormal(3)")
    found = dyestuff2.compare(prior, columns=["mode"], exact=False)
    assert found.answers["mode"].is_boundary


def test_a_prior_of_beta_is_used_at_the_mode(dyestuff2):
    mode = dyestuff2.mode(bb.Prior(kappa=10.0, mean=5.0, sd="HalfNormal(5)"))
    own = dyestuff2.solve(mode.variances, kappa=10.0, prior_mean=5.0)
    np.testing.assert_allclose(mode.beta, own.beta, rtol=1e-12)
    assert 5 < mode.beta.iloc[0] < dyestuff2.fit().beta.iloc[0]
    assert set(mode.tidy().query("component == 'fixed'")["uncertainty_kind"]) == {"posterior_sd"}
