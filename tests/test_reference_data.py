"""The reader of the reference results, judged by the oracle: it has lme4's numbers in our names and order."""

from __future__ import annotations

import json

import formulaic
import numpy as np
import pytest
from scipy.linalg import block_diag

from oracle import Oracle, profiled
from reference_data import CASES, REFERENCE, read


def test_every_reference_fit_is_a_case():
    index = json.loads((REFERENCE / "lme4" / "index.json").read_text("utf-8"))
    fits = {row["file"].removesuffix(".json"): row["formula"] for row in index if row["kind"] == "fit"}
    asked = {case.name: case.formula.replace("C(temperature, contr.poly)", "temperature") for case in CASES}
    assert asked == fits
    for row in index:
        assert read("lme4", row["file"].removesuffix(".json"))["dataset"] == row["dataset"]


@pytest.mark.parametrize("path", sorted((REFERENCE / "posterior").glob("*.json")), ids=lambda path: path.stem)
def test_posterior_files_are_whole(path):
    """Every parameter has a finite mean and sd, and the priors are stated."""
    posterior = read("posterior", path.stem)
    assert posterior["priors"]
    for summary in posterior["parameters"].values():
        assert np.isfinite([summary["mean"], summary["sd"]]).all()


def dense(case):
    """y, X (by formulaic) and Z by hand, the levels in the reference's order; all without the package."""
    frame, (response, right) = case.frame(), case.formula.split(" ~ ")
    fixed = right.split(" + (")[0] if not right.startswith("(") else "1"
    Z = []
    for group, effects in case.effects("REML").items():
        inner = right.split("(")[-1].split("|")[0].strip() if effects.mode.shape[1] > 1 else "1"
        inner = "0 + Days" if "(0 + Days" in right else inner
        columns = formulaic.model_matrix(inner, frame).to_numpy()
        label = frame[group.split(":")].astype(str).agg(":".join, axis=1)
        Z += [(label == level).to_numpy(float)[:, None] * columns for level in effects.levels]
    X = formulaic.model_matrix(fixed, frame).to_numpy()
    return frame[response].to_numpy(float), X, np.hstack(Z)


def relative_factor(case, theta):
    """Lam from theta in formula order; (x || g) has the diagonal alone."""
    blocks, theta = [], list(theta)
    for effects in case.effects("REML").values():
        J, q = effects.mode.shape
        T = np.zeros((q, q))
        diagonal = [(k, k) for k in range(q)]
        for column, row in diagonal if "||" in case.formula else zip(*np.triu_indices(q), strict=True):
            T[row, column] = theta.pop(0)
        blocks.append(np.kron(np.eye(J), T))
    assert not theta
    return block_diag(*blocks)


@pytest.mark.parametrize("method", ["ML", "REML"])
@pytest.mark.parametrize("case", [c for c in CASES if c.reference["n"] < 1000], ids=lambda c: c.name)
def test_lme4_at_its_own_theta(case, method):
    """At lme4's variances the dense formulas have lme4's answer, if names, terms and levels are read aright.

    Both work in double precision on X as it is; the uncentred cake design loses the most: 1e-8 of each scale.
    """
    lme4, (y, X, Z) = case.reference[method], dense(case)
    for given in lme4["objective_at"]:
        found = profiled(y, X, Z, relative_factor(case, case.theta(given["theta"])), method)
        assert found == pytest.approx((given["criterion"], given["sigma"]), rel=1e-9)
    Lam = relative_factor(case, case.theta(list(lme4["theta"].values())))
    oracle = Oracle(y, X, Z, lme4["sigma"] ** 2 * Lam @ Lam.T, lme4["sigma"])
    beta, cov = oracle.fixed()
    se = np.sqrt(np.diag(cov))
    assert abs(beta - list(lme4["beta"].values())).max() <= 1e-8 * se.max()
    assert (abs(cov - lme4["vcov_beta"]) <= 1e-8 * np.outer(se, se)).all()
    b, cond, pev, cross = oracle.random(), oracle.cond_cov, oracle.pev(), oracle.cross_cov()
    start = 0
    for effects in case.effects(method).values():
        J, q = effects.mode.shape
        for j in range(J):
            rows = slice(start, start + q)
            start += q
            assert (abs(b[rows] - effects.mode[j]) <= 1e-8 * effects.sd).all()
            for ours, theirs in ((cond, effects.cond_cov), (pev, effects.pev)):
                found, expected = ours[rows, rows], theirs[j]
                known, sd = np.isfinite(expected), np.sqrt(np.diag(found))
                assert (abs(found - expected)[known] <= 1e-8 * np.outer(sd, sd)[known]).all()
            if effects.cross_cov is not None:
                scale = np.outer(np.sqrt(np.diag(pev[rows, rows])), se)
                assert (abs(cross[rows] - effects.cross_cov[j]) <= 1e-8 * scale).all()
