"""Residuals and leverage against dense formulas and refits without a row; quantile residuals against the normal."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kstest, norm

import blupbayes as bb
from blupbayes.errors import DataError
from blupbayes.frequentist.residuals import leverage, residuals
from contract import close
from random_models import KINDS
from test_prediction_error import SIGMA, case


@pytest.fixture(scope="module")
def sleep():
    return bb.MixedModel("Reaction ~ Days + (Days | Subject)", bb.load_dataset("sleepstudy"))


@pytest.fixture(scope="module")
def fit(sleep):
    return sleep.fit()


def hat(oracle):
    """H (n, n) of the conditional fit: y_hat = H y + (I - H) o, I - H = sigma^2 W^-1 P, P = V^-1 - V^-1 X(..)X'V^-1."""
    own = oracle.estimable
    ViX = np.linalg.solve(own.V, own.X)
    P = np.linalg.inv(own.V) - ViX @ np.linalg.solve(own.X.T @ ViX, ViX.T)
    return np.eye(len(own.y)) - own.sigma**2 * P / own.w[:, None]


@pytest.mark.parametrize("kind", KINDS)
def test_leverage_is_the_diagonal_of_the_hat_matrix(kind, storage):
    d, design, solved, theta = case(kind)
    oracle = d.oracle(SIGMA, theta)
    H = hat(oracle)
    h = leverage(design, solved)
    close(h, np.diag(H))
    assert h.index.equals(design.rows) and h.between(0.0, 1.0).all()
    offset = 0.0 if d.offset is None else d.offset
    close(design.y - residuals(design, solved.beta, solved), offset + H @ oracle.e)


@pytest.mark.parametrize("zero", [False, True], ids=["", "at zero"])
@pytest.mark.parametrize("kind", KINDS)
def test_residuals_are_over_the_sds_that_they_name(kind, zero):
    d, design, solved, theta = case(kind, zero)
    oracle = d.oracle(SIGMA, theta)
    own, H = oracle.estimable, hat(oracle)
    beta, cov = own.fixed()
    raw = {"conditional": own.e - H @ own.e, "marginal": own.e - own.X @ beta}
    sd_y = {"conditional": SIGMA / np.sqrt(own.w), "marginal": np.sqrt(np.diag(own.V))}
    left = {
        # Var(e) = (I - H) V (I - H)' and V - X Var(beta) X'
        "conditional": np.diag((np.eye(len(H)) - H) @ own.V @ (np.eye(len(H)) - H).T),
        "marginal": np.diag(own.V - own.X @ cov @ own.X.T),
    }
    for level, e in raw.items():
        close(residuals(design, solved.beta, solved, "raw", level), e)
        close(residuals(design, solved.beta, solved, "pearson", level), e / sd_y[level])
        close(residuals(design, solved.beta, solved, "studentized", level), e / np.sqrt(left[level]))


def test_a_row_left_out_is_missed_by_its_residual_over_one_minus_leverage(sleep, fit):
    """y_i - prediction without row i = e_i / (1 - h_i) at fixed variances: the model without the row, solved again."""
    missed = fit.residuals() / (1 - fit.leverage())
    data = bb.load_dataset("sleepstudy")
    for row in (0, 9, 57, 179):
        rest = sleep.drop([row]).solve(fit.variances)
        x, subject = data.loc[row, "Days"], str(data.loc[row, "Subject"])
        b = rest.b.loc[rest.b["level"] == subject, "estimate"].to_numpy()
        prediction = rest.beta.iloc[0] + b[0] + x * (rest.beta.iloc[1] + b[1])
        assert data.loc[row, "Reaction"] - prediction == pytest.approx(missed[row], rel=1e-9)


def test_leverage_and_residuals_of_lme4(sleep, fit):
    """hatvalues() and residuals(type = "pearson", scaled = TRUE), lme4 1.1-31; rows 1, 2, 100; weights 1 + i/100.

    lme4's optimiser stops within about 1e-5 of an sd.
    """
    data = bb.load_dataset("sleepstudy")
    weighted = bb.MixedModel(sleep.formula, data, weights=1 + np.arange(1, 181) / 100).fit()
    where = [0, 1, 99]
    assert fit.leverage().iloc[where].to_numpy() == pytest.approx(
        [0.22930300, 0.16972925, 0.29317698], abs=1e-6
    )
    assert weighted.leverage().iloc[where].to_numpy() == pytest.approx(
        [0.18369489, 0.13965946, 0.30050397], abs=1e-6
    )
    pearson = weighted.residuals("pearson").iloc[where].to_numpy()
    assert pearson == pytest.approx([-0.20925662, -0.50467900, 0.00734775], abs=1e-6)


def test_raw_residuals_and_fitted_values_add_up(fit):
    y = bb.load_dataset("sleepstudy")["Reaction"]
    for level in ("conditional", "marginal"):
        close(fit.fitted(level) + fit.residuals(level=level), y, tolerance=1e-15)
    close(fit.fitted(), fit.predict()["mean"], tolerance=1e-15)


def test_units_of_y_cancel(sleep, fit):
    """y -> 3 y: raw residuals times 3, all others as before; 1e-7: two optima of one criterion."""
    data = bb.load_dataset("sleepstudy")
    other = bb.MixedModel(sleep.formula, data.assign(Reaction=3 * data["Reaction"])).fit()
    close(other.residuals(), 3 * fit.residuals(), tolerance=1e-7)
    for kind in ("pearson", "studentized"):
        for level in ("conditional", "marginal"):
            close(other.residuals(kind, level), fit.residuals(kind, level), tolerance=1e-7)
    close(other.leverage(), fit.leverage(), tolerance=1e-7)


def test_a_row_that_fits_itself_has_no_studentized_residual():
    data = bb.load_dataset("sleepstudy")
    alone = data.assign(only=(np.arange(180) == 7).astype(float))
    fit = bb.MixedModel("Reaction ~ Days + only + (1 | Subject)", alone).fit()
    found = fit.residuals("studentized")
    assert np.isnan(found[7]) and found.drop(7).notna().all()
    assert fit.leverage()[7] == pytest.approx(1.0, abs=1e-12)


def test_rows_keep_their_labels(sleep):
    fit = sleep.drop([0, 5]).fit()
    expected = [k for k in range(180) if k not in (0, 5)]
    for series in (fit.residuals(), fit.fitted(), fit.leverage(), fit.quantile_residuals(10, 0)):
        assert isinstance(series, pd.Series) and series.index.tolist() == expected


@pytest.mark.parametrize("level", ["marginal", "conditional"])
def test_quantile_residuals_are_normal_probabilities_of_pearsons(fit, level):
    """Given the estimates simulated values are normal; binomial error of n = 4000, 5 times."""
    n = 4000
    p = norm.cdf(fit.residuals("pearson", level))
    found = fit.quantile_residuals(n, random_seed=1, level=level)
    assert np.all(np.abs(found - p) < 5 * np.sqrt(p * (1 - p) / n) + 2 / n)


def test_quantile_residuals_are_uniform_if_the_model_holds():
    """2000 rows in 400 groups from the model, one row of each group: Kolmogorov's test, p > 0.001 (seeds are fixed)."""
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(400), 5)
    w = rng.uniform(0.5, 3.0, 2000)
    y = 2 + 0.7 * rng.normal(size=400)[g] + rng.normal(size=2000) / np.sqrt(w)
    fit = bb.MixedModel("y ~ 1 + (1 | g)", {"y": y, "g": g, "w": w}, weights="w").fit()
    one_each = fit.quantile_residuals(random_seed=4).iloc[::5]
    assert kstest(one_each, "uniform").pvalue > 1e-3
    wrong = bb.MixedModel("y ~ 1 + (1 | g)", {"y": y**3, "g": g}).fit().quantile_residuals(random_seed=4)
    assert kstest(wrong.iloc[::5], "uniform").pvalue < 1e-6


def test_quantile_residuals_lie_between_0_and_1_and_follow_the_seed(fit, monkeypatch):
    one, again, other = (fit.quantile_residuals(5, random_seed=seed) for seed in (1, 1, 2))
    assert one.equals(again) and not one.equals(other) and one.between(0, 1).all()
    monkeypatch.setattr("blupbayes.frequentist.simulate.NUMBERS", 400)  # two simulations at once
    assert fit.quantile_residuals(5, random_seed=1).between(0, 1).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda f: f.residuals("deviance"), "kind='deviance' is not one of 'raw', 'pearson', 'studentized'"),
        (lambda f: f.residuals(level="group"), "level='group' is not one of 'conditional', 'marginal'"),
        (lambda f: f.fitted("all"), "level='all' is not one of"),
        (lambda f: f.quantile_residuals(level="all"), "level='all' is not one of"),
        (lambda f: f.quantile_residuals(0), "n=0: give a whole number above 0"),
        (lambda f: f.quantile_residuals(2.5), "n=2.5: give a whole number above 0"),
    ],
)
def test_unknown_options_are_refused(fit, call, message):
    with pytest.raises(DataError, match=message):
        call(fit)
