"""Intraclass correlations: closed forms, dense curvature, quadrature and draws."""

import numpy as np
import pytest
from scipy.stats import norm

import blupbayes as bb
from blupbayes.bayes.intraclass import drawn_shares, integrated_shares
from blupbayes.frequentist.shares import delta_se, has_shares, logit_bounds, shares
from oracle import profiled


@pytest.fixture(scope="module")
def rail():
    return bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail"))


@pytest.fixture(scope="module")
def penicillin():
    return bb.MixedModel("diameter ~ 1 + (1 | plate) + (1 | sample)", bb.load_dataset("penicillin"))


def test_balanced_one_way(rail):
    """[E-ONEWAY]: (MSB - MSW) / (MSB + (r - 1) MSW)."""
    groups = bb.load_dataset("rail").groupby("Rail")["travel"]
    between, within = 3 * groups.mean().var(), groups.var().mean()
    row = rail.fit().icc().iloc[0]
    assert row["estimate"] == pytest.approx((between - within) / (between + 2 * within), rel=1e-8)
    assert (row["component"], row["group"], row["uncertainty_kind"]) == ("icc", "Rail", "delta_se")


def columns(model):
    """y, X and Z of every grouping factor of random intercepts."""
    d = model.design
    return d.y, d.X, [np.eye(len(g.levels))[g.codes] for g in d.groups]


@pytest.mark.parametrize("method", ["ML", "REML"])
@pytest.mark.parametrize("name", ["rail", "penicillin"])
def test_standard_errors_are_the_curvature_of_the_dense_criterion(name, method, request):
    model = request.getfixturevalue(name)
    fit = model.fit(method)
    y, X, Z = columns(model)
    r = np.array([t[0, 0] for t in fit.estimate.T])

    def criterion(r):
        Lam = np.diag(np.concatenate([np.full(z.shape[1], s) for z, s in zip(Z, r, strict=True)]))
        return profiled(y, X, np.hstack(Z), Lam, method)[0]

    h, k = 1e-4, len(r)  # differences of a criterion of 1e2: 1e-14 / h^2 = 1e-6 of its curvature
    E = h * np.diag(r)
    H = np.array(
        [
            [
                criterion(r + a + b) - criterion(r + a - b) - criterion(r - a + b) + criterion(r - a - b)
                for a in E
            ]
            for b in E
        ]
    ) / (4 * np.outer(h * r, h * r))
    cov = np.linalg.inv(H / 2)
    J = np.array([(shares(r + e) - shares(r - e)) / (2 * h * s) for e, s in zip(E, r, strict=True)]).T
    assert k == len(fit.estimate.T)
    np.testing.assert_allclose(delta_se(fit.estimate), np.sqrt(np.diag(J @ cov @ J.T)), rtol=1e-4)


def test_intervals_stay_between_0_and_1(rail):
    low, high = logit_bounds(np.array([0.9]), np.array([0.2]), 0.95)
    middle, half = np.log(9), norm.ppf(0.975) * 0.2 / 0.09
    assert [low[0], high[0]] == pytest.approx(
        [1 / (1 + np.exp(half - middle)), 1 / (1 + np.exp(-half - middle))]
    )
    row = rail.fit().icc(0.999).iloc[0]
    assert 0 < row["ci_lb"] < row["estimate"] < row["ci_ub"] < 1 and row["ci_prob"] == 0.999


def test_at_the_boundary_there_is_no_spread():
    model = bb.MixedModel("Yield ~ 1 + (1 | Batch)", bb.load_dataset("dyestuff2"))
    row = model.fit().icc().iloc[0]
    assert (
        row["estimate"] == 0
        and np.isnan(row["uncertainty"])
        and row["uncertainty_kind"] == row["ci_kind"] == ""
    )
    assert "boundary" in row["note"]


def one_way(model, prior, probs):
    """Mean, sd and quantiles of the ICC of a balanced one-way model by a plain grid, HalfNormal priors."""
    groups = bb.load_dataset("rail").groupby("Rail")["travel"]
    r, J = 3, 6
    between, within = r * groups.mean().var() * (J - 1), groups.var().mean() * J * (r - 1)
    s, a = np.meshgrid(np.linspace(1, 15, 701), np.linspace(0.05, 200, 3000), indexing="ij")
    total = s**2 + r * a**2
    log = (
        -J * (r - 1) * np.log(s) - within / (2 * s**2) - 0.5 * (J - 1) * np.log(total) - between / (2 * total)
    )
    log += -0.5 * (a / prior[0]) ** 2 - 0.5 * (s / prior[1]) ** 2
    w = np.exp(log - log.max()).ravel()
    w /= w.sum()
    rho = (a**2 / (a**2 + s**2)).ravel()
    mean = w @ rho
    order = np.argsort(rho)
    return mean, np.sqrt(w @ (rho - mean) ** 2), np.interp(probs, np.cumsum(w[order]), rho[order])


def test_the_posterior_of_a_balanced_one_way_model(rail):
    post = rail.integrate(bb.Prior(sd="HalfNormal(40)", residual="HalfNormal(5)"), rel_error=1e-4)
    mean, sd, ends = one_way(rail, (40, 5), [0.05, 0.95])
    row = post.icc(0.9).iloc[0]
    # 1e-3 of the sd: the grid's own spacing
    assert row["estimate"] == pytest.approx(mean, abs=1e-3 * sd) and row["uncertainty"] == pytest.approx(
        sd, rel=2e-3
    )
    assert [row["ci_lb"], row["ci_ub"]] == pytest.approx(ends, abs=5e-3 * sd)
    assert (row["uncertainty_kind"], row["ci_kind"], row["ci_prob"]) == ("posterior_sd", "eti", 0.9)


def test_lattice_and_draws_agree(penicillin):
    post = penicillin.integrate()
    exact = integrated_shares(post.integral.mixture, 0.95)
    drawn = drawn_shares(post.draw(5000, 4, random_seed=1), penicillin.design, 0.95)
    # 20000 independent draws: five standard errors of a mean; a tail quantile of 2.5 % has about 2.7 / sqrt(n) sds
    off = (exact["mean"] - drawn["mean"]) / (exact["sd"] / np.sqrt(20000))
    assert (off.abs() < 5).all() and np.allclose(exact["sd"], drawn["sd"], rtol=0.05)
    for end in ("eti95_lb", "eti95_ub"):
        assert ((exact[end] - drawn[end]).abs() < 5 * 2.7 / np.sqrt(20000) * exact["sd"]).all()
    assert (drawn["mcse_mean"] > 0).all()


def test_which_models_have_them(rail):
    sleep = bb.MixedModel("Reaction ~ Days + (Days | Subject)", bb.load_dataset("sleepstudy"))
    assert has_shares(rail.design.groups, None) and not has_shares(sleep.design.groups, None)
    assert not has_shares(rail.design.groups, 1.0)
    for answer in (sleep.fit(), sleep.solve(sleep.fit()), sleep.integrate()):
        assert len(answer.icc()) == 0


def test_shares_add_up():
    found = shares(np.array([1.0, 2.0]))
    assert found == pytest.approx([1 / 6, 4 / 6])
