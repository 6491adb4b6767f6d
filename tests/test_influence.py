"""Leave-one-group-out influence against refits of the model without the rows, and lme4's numbers."""

import numpy as np
import pytest

import blupbayes as bb
from blupbayes.errors import DataError
from blupbayes.frequentist.influence import influence
from oracle import Oracle

MODELS = {
    "sleepstudy": "Reaction ~ Days + (Days | Subject)",
    "pastes": "strength ~ 1 + (1 | batch/cask)",
    "penicillin": "diameter ~ 1 + (1 | plate) + (1 | sample)",
    "orthodont": "distance ~ age * Sex + (age | Subject)",
    "dyestuff2": "Yield ~ 1 + (1 | Batch)",
}


def model(name, **options):
    return bb.MixedModel(MODELS[name], bb.load_dataset(name), **options)


def check(m, fit, group, table, tolerance=1e-6):
    """Every level against the model refitted without its rows."""
    g = next(g for g in m.design.groups if g.name == group)
    assert list(table.index) == list(g.levels)
    V, p = fit.beta_cov.to_numpy(), len(fit.beta)
    for j, level in enumerate(g.levels):
        row, gone = table.loc[level], g.codes == j
        other = m.drop(gone).fit(fit.method)
        difference = (fit.beta - other.beta).to_numpy()
        size = np.sqrt(np.diag(V))
        assert row["n_rows"] == gone.sum()
        assert row.filter(like="dfbeta[").to_numpy(float) == pytest.approx(
            difference, rel=tolerance, abs=tolerance * size.min()
        )
        assert row.filter(like="dfbetas[").to_numpy(float) == pytest.approx(
            difference / size, rel=tolerance, abs=tolerance
        )
        distance = difference @ np.linalg.solve(V, difference) / p
        assert row["cooks_distance"] == pytest.approx(distance, rel=tolerance, abs=tolerance**2)
        assert row["sigma"] == pytest.approx(other.sigma, rel=tolerance)
        assert row["change[sigma]"] == pytest.approx(
            other.sigma - fit.sigma, rel=tolerance, abs=tolerance * fit.sigma
        )
        for h in m.design.groups:
            for name in h.names:
                sd, before = other.variances.sd(h.name)[name], fit.variances.sd(h.name)[name]
                # an sd beside a singular covariance is known to 1e-5 of its se only
                assert row[f"sd_{h.name}[{name}]"] == pytest.approx(sd, rel=1e-5, abs=1e-5 * fit.sigma)
                assert row[f"change[sd_{h.name}[{name}]]"] == pytest.approx(
                    sd - before, rel=1e-4, abs=1e-5 * fit.sigma
                )


@pytest.mark.parametrize("method", ["REML", "ML"])
@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("sleepstudy", "Subject"),
        ("pastes", "batch"),
        ("pastes", "batch:cask"),
        ("penicillin", "sample"),
        ("orthodont", "Subject"),
        ("dyestuff2", "Batch"),
    ],
)
def test_it_is_the_refit_without_the_level(name, group, method):
    m = model(name)
    fit = m.fit(method)
    check(m, fit, group, influence(fit.design, fit.estimate, group))


def test_weights_and_offsets():
    rng = np.random.default_rng(0)
    m = model("sleepstudy", weights=rng.uniform(0.3, 3.0, 180), offset=rng.normal(size=180) * 10)
    fit = m.fit()
    check(m, fit, "Subject", influence(fit.design, fit.estimate))


def test_a_model_in_blocks(storage):
    m = model("pastes")
    fit = m.fit()
    check(m, fit, "batch", influence(fit.design, fit.estimate, "batch"))


@pytest.mark.parametrize("name", ["sleepstudy", "penicillin"])
def test_fixed_variances_are_exact_given_theta(name):
    """Dense generalised least squares of the rows that are left."""
    m = model(name)
    fit = m.fit()
    g, d = m.design.groups[0], m.design
    table = influence(d, fit.estimate, g.name, variances="fixed")
    Z, blocks = [], []
    for group, T in zip(d.groups, fit.estimate.T, strict=True):
        indicator = np.eye(len(group.levels))[group.codes]
        Z.append((indicator[:, :, None] * group.columns[:, None, :]).reshape(len(d.y), -1))
        blocks.append(np.kron(np.eye(len(group.levels)), T @ T.T))
    Omega = np.zeros((sum(len(b) for b in blocks),) * 2)
    start = 0
    for b in blocks:
        Omega[start : start + len(b), start : start + len(b)] = b
        start += len(b)
    for j, level in enumerate(g.levels):
        keep = g.codes != j
        oracle = Oracle(d.y[keep], d.X[keep], np.hstack(Z)[keep], Omega, 1.0)
        difference = fit.beta.to_numpy() - oracle.fixed()[0]
        found = table.loc[level].filter(like="dfbeta[").to_numpy(float)
        assert np.abs(found - difference).max() <= 1e-9 * np.abs(fit.beta).max()
        e = d.y[keep] - d.X[keep] @ oracle.fixed()[0]
        sigma = np.sqrt(e @ np.linalg.solve(oracle.V, e) / (keep.sum() - d.X.shape[1]))
        assert table.loc[level, "sigma"] == pytest.approx(sigma, rel=1e-9)
    assert not any(name.startswith("sd_") for name in table)


def test_lme4_has_the_same_changes_of_beta():
    """lme4 1.1-31, dfbeta(influence(lmer(Reaction ~ Days + (Days | Subject)), "Subject")); its sign is the other."""
    fit = model("sleepstudy").fit()
    table = influence(fit.design, fit.estimate)
    expected = {"308": (0.4242609, -0.6645539), "309": (2.7264800, 0.4826765), "310": (2.8188753, 0.2560228)}
    for level, (intercept, days) in expected.items():
        assert -table.loc[level, "dfbeta[Intercept]"] == pytest.approx(intercept, abs=2e-6)  # its optimiser's
        assert -table.loc[level, "dfbeta[Days]"] == pytest.approx(days, abs=2e-6)


def test_a_level_without_which_a_column_is_aliased_is_said_and_answered():
    frame = bb.load_dataset("sleepstudy")
    frame["odd"] = (frame["Subject"].astype(str) == "308").astype(float)
    m = bb.MixedModel("Reaction ~ Days + odd + (Days | Subject)", frame)
    fit = m.fit()
    table = influence(fit.design, fit.estimate)
    other = m.drop((frame["Subject"].astype(str) == "308").to_numpy()).fit()
    assert table.loc["308", "note"] == "without it odd cannot be estimated"
    assert np.isnan(table.loc["308", "dfbeta[odd]"]) and np.isnan(table.loc["308", "cooks_distance"])
    assert table.loc["308", "dfbeta[Days]"] == pytest.approx(fit.beta["Days"] - other.beta["Days"], rel=1e-6)
    assert table.loc["308", "sigma"] == pytest.approx(other.sigma, rel=1e-6)
    assert (table["note"].drop("308") == "").all() and table.drop("308").drop(columns="note").notna().all(
        axis=None
    )


@pytest.mark.parametrize("variances", ["refit", "fixed"])
def test_a_level_without_which_nothing_can_be_estimated_is_said(variances):
    """Without "a" there are as many rows as fixed effects."""
    y, x = [1.0, 2.5, 2.0, 4.1, 3.0, 5.0, 3.9], [0.0, 1, 2, 3, 4, 0, 1]
    fit = bb.MixedModel("y ~ x + (1 | g)", {"y": y, "x": x, "g": list("aaaaabc")}).fit()
    table = influence(fit.design, fit.estimate, variances=variances)
    assert table.loc["a", "note"].startswith("no estimates without it: 2 rows are left for 2 fixed effects")
    assert np.isnan(table.loc["a", "cooks_distance"]) and np.isnan(table.loc["a", "sigma"])
    assert table["note"].drop("a").eq("").all() and table["sigma"].drop("a").notna().all()


def test_aliased_columns_stay_aliased():
    frame = bb.load_dataset("sleepstudy").assign(Twice=lambda d: 2 * d.Days)
    fit = bb.MixedModel("Reaction ~ Days + Twice + (1 | Subject)", frame).fit()
    bare = bb.MixedModel("Reaction ~ Days + (1 | Subject)", frame).fit()
    one, two = influence(fit.design, fit.estimate), influence(bare.design, bare.estimate)
    assert one["dfbeta[Twice]"].isna().all()
    assert one["cooks_distance"].to_numpy() == pytest.approx(two["cooks_distance"].to_numpy(), rel=1e-6)


def test_refusals():
    fit = model("pastes").fit()
    with pytest.raises(DataError, match="say whose levels"):
        influence(fit.design, fit.estimate)
    with pytest.raises(DataError, match="not a grouping factor"):
        influence(fit.design, fit.estimate, "cask")
    with pytest.raises(DataError, match="not one of 'refit', 'fixed'"):
        influence(fit.design, fit.estimate, "batch", variances="none")


def test_the_example_runs():
    import doctest
    import sys

    found = doctest.testmod(sys.modules[influence.__module__])
    assert found.attempted and not found.failed
