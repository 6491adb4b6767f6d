"""Every reference fit of lme4, ML and REML, through the public API (provenance: tests/reference/README.md).

Each tolerance is relative to the scale of its own quantity. The reference's theta is polished until a Newton
step is about 1e-9, so what is first order in theta is known to some 1e-8 of its scale; the bound that the
package promises, 1e-6 (sigma: 1e-7), leaves the rest to other machines and libraries.
"""

from __future__ import annotations

import functools

import numpy as np
import pandas as pd
import pytest

import blupbayes as bb
from blupbayes.datasets import load
from blupbayes.mme.criterion import evaluate
from blupbayes.mme.gaussian import posterior
from oracle import LOG_2PI
from reference_data import CASES, Case, read

METHODS = ("ML", "REML")
BIG = ("Chem97", "InstEval")  # kept in a checkout only


@functools.cache
def model(case: Case) -> bb.MixedModel:
    return bb.MixedModel(case.formula, case.frame())


@functools.cache
def fitted(case: Case, method: str):
    return model(case).fit(method)


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request):
    if request.param.name.startswith(BIG) and not load.CHECKOUT_DATA.exists():
        pytest.skip("the data are in a checkout only")
    return request.param


@pytest.fixture(params=METHODS)
def method(request):
    return request.param


@pytest.fixture
def fit(case, method):
    return fitted(case, method)


@pytest.fixture
def lme4(case, method):
    return case.reference[method]


def close(found, expected, scale):
    """|found - expected| <= scale everywhere that the reference speaks; a scale of 0 asks for equality."""
    found, expected = np.asarray(found, dtype=float), np.asarray(expected, dtype=float)
    assert found.shape == expected.shape
    known = np.isfinite(expected)
    excess = np.where(known, np.abs(found - np.where(known, expected, 0.0)), 0.0) - scale
    assert excess.max() <= 0, f"off by {excess.max()} beyond the tolerance"


def outer_sd(covariance):
    """sqrt(v_ii v_jj) of covariances (..., q, q)."""
    sd = np.sqrt(np.diagonal(covariance, axis1=-2, axis2=-1))
    return sd[..., :, None] * sd[..., None, :]


def test_columns_of_x(case):
    """Same columns in the same order: first rows to rounding (contrasts are computed, so not bit by bit)."""
    design = model(case).design
    first = np.array(case.reference["X_first10"])
    assert len(design.fixed_names) == case.reference["p"]
    close(design.X[:10], first, 1e-13 * np.maximum(1.0, np.abs(first)))


def test_criterion(case, method, fit, lme4):
    """-2 log-likelihood within 1e-7 of the polished one, or lower, and then so at both thetas."""
    ours, theirs = fit.criterion, lme4["criterion"]
    assert ours <= theirs + 1e-7
    at_ours = evaluate(model(case).statistics, fit.theta, method).criterion
    assert at_ours == pytest.approx(ours, rel=1e-13)  # the same function at the same place
    if ours < theirs - 1e-7:
        at_theirs = evaluate(model(case).statistics, case.theta(list(lme4["theta"].values())), method)
        assert at_ours < at_theirs.criterion
        assert at_theirs.criterion == pytest.approx(theirs, rel=1e-9)


@pytest.mark.parametrize("k", range(4))
def test_objective(case, method, lme4, k):
    """The criterion at four given thetas, before any optimiser: 1e-9 relative, sigma too; beta in 1e-8 se."""
    given = lme4["objective_at"][k]
    found = evaluate(model(case).statistics, case.theta(given["theta"]), method)
    assert found.criterion == pytest.approx(given["criterion"], rel=1e-9)
    assert found.sigma == pytest.approx(given["sigma"], rel=1e-9)
    close(found.beta, given["beta"], 1e-8 * np.array(list(lme4["se"].values())))


def test_theta(case, fit, lme4):
    """theta in our order, to ten times the reference's last Newton step."""
    expected = case.theta(list(lme4["theta"].values()))
    close(fit.theta, expected, 1e-8 * max(1.0, np.abs(expected).max()))


def test_sigma(fit, lme4):
    assert fit.sigma == pytest.approx(lme4["sigma"], rel=1e-7)


def test_beta(fit, lme4):
    """beta within 1e-6 se, Var(beta) within 1e-6 of sqrt(v_ii v_jj)."""
    V = np.array(lme4["vcov_beta"])
    close(fit.beta, list(lme4["beta"].values()), 1e-6 * np.sqrt(np.diag(V)))
    close(fit.beta_cov, V, 1e-6 * outer_sd(V))
    close(fit.summary(df="none")["se"], list(lme4["se"].values()), 1e-6 * np.sqrt(np.diag(V)))


def test_likelihood(fit, lme4):
    """logLik, AIC and BIC as lme4 defines them; half of the criterion's 1e-7, and the same 1e-7."""
    assert fit.log_likelihood == pytest.approx(lme4["logLik"], abs=1e-7)
    assert fit.aic == pytest.approx(lme4["AIC"], abs=2e-7)
    assert fit.bic == pytest.approx(lme4["BIC"], abs=2e-7)


def test_blups(case, method, fit):
    """ranef(): BLUPs within 1e-6 of the coefficient's sd; cond_sd^2, pev_sd^2 within 1e-6 of themselves."""
    table = fit.ranef()
    for group, effects in case.effects(method).items():
        rows = table[table["group"] == group]
        assert len(rows) == effects.mode.size
        wide = {
            column: rows.pivot_table(index="level", columns="term", values=column, sort=False, observed=True)
            .loc[list(effects.levels)]
            .to_numpy()
            for column in ("estimate", "cond_sd", "pev_sd")
        }
        close(wide["estimate"], effects.mode, 1e-6 * effects.sd)
        for column, covariance in {"cond_sd": effects.cond_cov, "pev_sd": effects.pev}.items():
            variance = np.diagonal(covariance, axis1=1, axis2=2)
            close(wide[column] ** 2, variance, 1e-6 * variance)


def test_covariances(case, method, fit):
    """Conditional covariances, prediction-error covariances and Cov(b_hat - b, beta_hat), all entries."""
    statistics = model(case).statistics
    solved = posterior(statistics, statistics.factors(fit.theta), fit.sigma)
    V = np.array(case.reference[method]["vcov_beta"])
    for k, group in enumerate(statistics.groups):
        effects = case.effects(method)[group.name]
        order = [group.levels.index(level) for level in effects.levels]
        close(solved.cond_cov[k][order], effects.cond_cov, 1e-6 * outer_sd(effects.cond_cov))
        close(solved.pev[k][order], effects.pev, 1e-6 * outer_sd(effects.pev))
        if effects.cross_cov is not None:
            sd = np.sqrt(np.diagonal(effects.pev, axis1=1, axis2=2))
            close(solved.cross_cov[k][order], effects.cross_cov, 1e-6 * sd[:, :, None] * np.sqrt(np.diag(V)))


def prediction_scale(fit, lme4):
    """What a prediction is made of: the residual sd, the sds of the effects, the se of beta."""
    sds = [sd for term in lme4["varcorr"] for sd in term["sd"].values()]
    return max(lme4["sigma"], *sds)


@pytest.mark.parametrize(
    ("random", "key"), [("all", "conditional_re_form_NULL"), ("none", "population_re_form_NA")]
)
def test_predictions(case, fit, lme4, random, key):
    """Five new rows, the last two with unseen levels, whose effect is 0; 1e-6 of the largest sd."""
    found = fit.predict(case.new_rows(), random=random, new_levels="population")
    close(found["mean"], lme4["predictions"][key], 1e-6 * prediction_scale(fit, lme4))


def test_unseen_levels_are_refused_by_default(case, fit):
    with pytest.raises(bb.NewLevelError):
        fit.predict(case.new_rows(), random="all")


def test_fitted_values(fit, lme4):
    close(fit.predict()["mean"][:10], lme4["fitted_first10"], 1e-6 * prediction_scale(fit, lme4))


def test_certificate(case, fit):
    """Converged, with at most 15 factorisations with derivatives; the boundary flagged where it is one."""
    assert fit.converged
    assert fit.certificate.n_factorizations <= 15
    assert fit.is_boundary == case.name.startswith("Dyestuff2")


def test_boundary_is_exact():
    """Dyestuff2: a variance of exactly 0, BLUPs of exactly 0, and a message that says so."""
    (case,) = (case for case in CASES if case.name.startswith("Dyestuff2"))
    for method in METHODS:
        fit = fitted(case, method)
        assert fit.theta.tolist() == [0.0]
        assert (fit.ranef()[["estimate", "cond_sd", "pev_sd"]] == 0).to_numpy().all()
        assert any("boundary" in message for message in fit.messages)


class TestEightSchools:
    """Known standard errors: weights = 1 / se^2, sigma = 1. Closed form, as lme4 cannot fix sigma."""

    reference = read("lme4", "eight_schools-known_se")

    @functools.cached_property
    def model(self):
        frame = bb.load_dataset("eight_schools")
        return bb.MixedModel("y ~ 1 + (1 | school)", frame, weights=1 / frame["se"] ** 2, sigma=1)

    @pytest.mark.parametrize("method", METHODS)
    def test_fit(self, method):
        fit, expected = self.model.fit(method), self.reference[method]
        assert fit.theta.tolist() == [0.0] == [expected["tau"]]
        assert fit.is_boundary
        assert fit.converged
        assert fit.certificate.n_factorizations <= 15
        assert fit.sigma == 1.0
        assert fit.criterion == pytest.approx(expected["criterion"], abs=1e-9)
        assert fit.beta["Intercept"] == pytest.approx(expected["mu"], rel=1e-12)
        assert np.sqrt(fit.beta_cov.to_numpy()[0, 0]) == pytest.approx(expected["se_mu"], rel=1e-12)
        assert (fit.ranef()["estimate"] == 0).all()

    @pytest.mark.parametrize("method", METHODS)
    @pytest.mark.parametrize("k", range(5))
    def test_at_given_tau(self, method, k):
        """Criterion, mu, b and both spreads at tau = 0, 2, 5, 10, 20: closed forms, so to rounding."""
        at = self.reference[method]["criterion_at"][k]
        found = evaluate(self.model.statistics, np.array([at["tau"]]), method)
        assert found.criterion == pytest.approx(at["criterion"], rel=1e-12)
        solved = self.model.solve({"school": at["tau"], "residual": 1.0})
        assert solved.beta["Intercept"] == pytest.approx(at["mu"], rel=1e-12)
        b = solved.b.set_index("level")
        tau2 = at["tau"] ** 2
        close(b["estimate"], pd.Series(at["b"])[b.index], 1e-12 * at["tau"])
        close(b["cond_sd"] ** 2, pd.Series(at["condVar_b"])[b.index], 1e-12 * tau2)
        close(b["pev_sd"] ** 2, pd.Series(at["pev_b"])[b.index], 1e-12 * tau2)

    def test_reference_counts_its_constants(self):
        """At tau = 0 by hand: n log(2 pi) + sum log se^2 + weighted squares, and log of the total weight."""
        frame = bb.load_dataset("eight_schools")
        w = 1 / frame["se"] ** 2
        mu = (w * frame["y"]).sum() / w.sum()
        ml = 8 * LOG_2PI - np.log(w).sum() + (w * (frame["y"] - mu) ** 2).sum()
        assert self.reference["ML"]["criterion"] == pytest.approx(ml, rel=1e-13)
        reml = ml - LOG_2PI + np.log(w.sum())
        assert self.reference["REML"]["criterion"] == pytest.approx(reml, rel=1e-13)
