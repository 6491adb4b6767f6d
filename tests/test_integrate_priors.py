"""The exact posterior under priors of every kind: published posteriors, other packages' defaults, brute force."""

import numpy as np
import pytest
from scipy import stats

import blupbayes as bb
from blupbayes.errors import IdentifiabilityError, PriorError
from blupbayes.mme.gaussian import posterior as solve
from contract import close


def sleep(formula="Reaction ~ Days + (Days | Subject)"):
    return bb.MixedModel(formula, bb.load_dataset("sleepstudy"))


def rail(formula="travel ~ 1 + (1 | Rail)", **columns):
    return bb.MixedModel(formula, bb.load_dataset("rail").assign(**columns))


def test_rstanarm_s_posterior_of_sleepstudy():
    """Another lattice's sums under decov, which 32 000 draws of rstanarm confirm (2.21, its defaults)."""
    model = sleep()
    post = model.integrate(bb.Prior.like("rstanarm", model), rel_error=1e-3)
    table, p, w = post.summary(), post.integral.mixture.points, post.integral.mixture.weights
    s2 = np.sum(p.within * np.exp(2.0 * p.log_sigma), axis=1)
    rho = p.corrs[0][:, 1, 0]
    covariance = [(w * s2) @ x for x in (p.sds[:, 0] ** 2, p.sds[:, 0] * p.sds[:, 1] * rho, p.sds[:, 1] ** 2)]
    assert covariance == pytest.approx(
        [584.99, 13.19, 48.05], abs=0.02
    )  # printed digits, 1e-3 of an sd is 0.3
    assert table.loc["sigma", "mean"] == pytest.approx(25.970, abs=1e-3)
    assert table["mean"][:2].tolist() == pytest.approx([251.411, 10.4537], abs=1e-3)
    assert table["sd"][:2].tolist() == pytest.approx([6.737, 1.764], abs=2e-3)


def by_grid(model, prior, conditional):
    """E beta and log p(y) of a one-way model by a grid over (v, log sigma) and `conditional`'s own reading of beta."""
    resolved = prior.resolve(model.design)
    v, x = np.linspace(-4.0, 7.0, 81), np.linspace(0.2, 3.6, 61)
    logs, means = np.empty((81, 61)), np.empty((81, 61))
    for i, u in enumerate(v):
        relative = np.exp(u - np.exp(-u))
        for j, log_sigma in enumerate(x):
            sigma = np.exp(log_sigma)
            logs[i, j], means[i, j] = conditional(model, relative, sigma)
            logs[i, j] += (
                resolved.residual.logpdf(sigma) + log_sigma + np.log(relative) + np.log1p(np.exp(-u))
            )
            logs[i, j] += resolved.groups[0].sds[0].logpdf(relative * sigma) + log_sigma
    density = np.exp(logs - logs.max())
    volume = density.sum() * (v[1] - v[0]) * (x[1] - x[0])
    return (density * means).sum() / density.sum(), np.log(volume) + logs.max()


def test_a_student_t_prior_of_beta_by_brute_force():
    """t_3 with scale 5 around 40, far from the data: the mean of rail is 66.5."""
    nodes, weights = np.polynomial.legendre.leggauss(400)
    beta = 60.0 + 300.0 * nodes  # -240 .. 360

    def conditional(model, relative, sigma):
        g = solve(model.statistics, (np.array([[relative]]),), sigma)
        z = (beta - g.beta[0]) ** 2 / g.beta_cov[0, 0]
        like = np.exp(-0.5 * z) / np.sqrt(2 * np.pi * g.beta_cov[0, 0]) * stats.t(3, 40.0, 5.0).pdf(beta)
        total = 300.0 * weights @ like
        return g.restricted_log_likelihood + np.log(total), weights @ (like * beta) * 300.0 / total

    model = rail()
    prior = bb.Prior(kappa=1 / 25, mean=40.0, nu=3.0, residual="HalfNormal(10)", sd="HalfNormal(30)")
    mean, log = by_grid(model, prior, conditional)
    post = model.integrate(prior, rel_error=1e-4)
    assert post.summary().loc["beta[Intercept]", "mean"] == pytest.approx(mean, rel=1e-4)
    assert post.log_marginal_likelihood == pytest.approx(log, abs=1e-4)
    many = model.integrate(
        bb.Prior(kappa=1 / 25, mean=40.0, nu=1e6, residual="HalfNormal(10)", sd="HalfNormal(30)")
    )
    normal = model.integrate(
        bb.Prior(kappa=1 / 25, mean=40.0, residual="HalfNormal(10)", sd="HalfNormal(30)")
    )
    close(
        many.summary()["mean"], normal.summary()["mean"], tolerance=1e-4
    )  # t of 1e6 degrees of freedom is normal


def test_a_prior_that_is_flat_in_one_direction():
    """P of rank one on the slope alone: as a wide prior on the intercept, up to its constant."""
    prior = {"residual": "HalfNormal(40)", "sd": "HalfNormal(40)"}
    flat = sleep().integrate(bb.Prior(kappa=1.0, precision=[[0.0, 0.0], [0.0, 1.0]], **prior))
    wide = sleep().integrate(bb.Prior(kappa=1.0, precision=[[1e-12, 0.0], [0.0, 1.0]], **prior))
    close(flat.summary()["mean"], wide.summary()["mean"], tolerance=1e-8)
    close(flat.summary()["sd"], wide.summary()["sd"], tolerance=1e-8)
    constant = 0.5 * np.log(1e-12 / (2 * np.pi))  # the density of N(0, 1e12) in its middle
    assert wide.log_marginal_likelihood - flat.log_marginal_likelihood == pytest.approx(constant, abs=1e-6)


def test_what_neither_data_nor_prior_know_is_improper():
    model = rail("travel ~ 1 + twice + (1 | Rail)", twice=2.0)
    with pytest.raises(IdentifiabilityError, match="improper"):
        model.integrate(bb.Prior(kappa=1.0, precision=[[1.0, 2.0], [2.0, 4.0]]))
    known = model.integrate(bb.Prior(kappa=1e-4))
    assert np.isfinite(known.summary()).all(axis=None)
    total = known.summary().loc["beta[Intercept]", "mean"] + 2 * known.summary().loc["beta[twice]", "mean"]
    assert total == pytest.approx(66.5, abs=1.5)


@pytest.mark.parametrize("package", ["rstanarm", "brms", "blme", "inla"])
def test_five_packages_side_by_side(package):
    """Defaults that leave the data alone move the slope little; each prior says whose it is."""
    model = sleep()
    post = model.integrate(bb.Prior.like(package, model))
    assert post.summary().loc["beta[Days]", "mean"] == pytest.approx(10.467, abs=0.1)
    assert package.lower() in str(post.prior).lower()


def test_uncorrelated_for_bambi():
    with pytest.raises(PriorError, match=r"Days \|\| Subject"):
        bb.Prior.like("bambi", sleep())
    model = sleep("Reaction ~ Days + (Days || Subject)")
    assert model.integrate(bb.Prior.like("bambi", model)).diagnostics["error"] <= 0.01


def test_a_joint_prior_from_the_same_points():
    model = sleep()
    old, new = bb.Prior(covariance=bb.Decov()), bb.Prior(covariance=bb.Decov(shape=2.0, scale=0.7))
    found, truth = model.integrate(old, rel_error=1e-3).reweight(new), model.integrate(new, rel_error=1e-3)
    difference = (found.summary()["mean"] - truth.summary()["mean"]).abs() / truth.summary()["sd"]
    assert difference.max() < 2e-3
    with pytest.raises(PriorError, match="keeps the prior of beta"):
        model.integrate(old).reweight(bb.Prior(kappa=1.0, nu=3.0))


def schools():
    data = bb.load_dataset("eight_schools")
    return bb.MixedModel("y ~ 1 + (1 | school)", data, weights=1 / data["se"] ** 2, sigma=1)


def test_a_uniform_prior_from_the_points_of_another_one():
    """Where sigma is known, a uniform prior lays its points between its bounds; other points keep their own."""
    model, wide = schools(), bb.Prior(sd="Uniform(0, 1000)")
    found = model.integrate(bb.Prior(sd="HalfCauchy(25)"), rel_error=1e-3).reweight(wide)
    at = found.quantile("sd_school[Intercept]", [0.025, 0.5, 0.975])
    y, se = (bb.load_dataset("eight_schools")[column].to_numpy() for column in ("y", "se"))
    tau = np.linspace(0.0, 300.0, 30001)[:, None]  # beyond are 5e-5 of the mass; 0.01 is 1/500 of an sd
    v = se**2 + tau**2
    V = 1 / np.sum(1 / v, axis=1, keepdims=True)
    mean = V * np.sum(y / v, axis=1, keepdims=True)
    log_p = 0.5 * (np.log(V) - np.sum(np.log(v) + (y - mean) ** 2 / v, axis=1, keepdims=True))[:, 0]
    mass = np.cumsum(np.exp(log_p - log_p.max()))
    truth = np.interp([0.025, 0.5, 0.975], mass / mass[-1], tau[:, 0])
    np.testing.assert_allclose(at, truth, atol=0.03)  # half a hundredth of a posterior sd
    frame = model.sensitivity({"wide": wide}).to_dataframe().query("prior == 'wide' and component == 'sd'")
    np.testing.assert_allclose(frame[["ci_lb", "estimate", "ci_ub"]].iloc[0].tolist(), truth, atol=0.03)


def test_points_that_a_uniform_prior_ends_do_not_serve_a_wider_one():
    post = schools().integrate(bb.Prior(sd="Uniform(0, 20)"))
    for wider in ("Flat", "HalfNormal(5)", "Uniform(0, 30)", "Uniform(0, 900) on variance"):
        with pytest.raises(PriorError, match=r"uniform prior of sd\(school, Intercept\) ends"):
            post.reweight(bb.Prior(sd=wider))
    for inside in ("Uniform(0, 20)", "Uniform(0, 400) on variance"):
        assert post.reweight(bb.Prior(sd=inside)).summary().notna().all(axis=None)


def test_moments_that_do_not_exist_are_told():
    """pulp, four operators, flat sd: the posterior falls off as sd^-3, so its variance is infinite."""
    post = bb.MixedModel("bright ~ 1 + (1 | operator)", bb.load_dataset("pulp")).integrate(
        bb.Prior(sd="Flat")
    )
    assert any("variance does not exist" in message for message in post.messages)


@pytest.mark.parametrize(
    ("sd", "residual"),
    [
        ((20.0, 26.0), (0.0, 100.0)),
        ((0.0, 15.0), (0.0, 100.0)),
        ((0.0, 100.0), (5.0, 7.0)),
        ((0.0, 200.0), (0.0, 3.5)),
    ],
)
def test_bounds_of_uniform_priors_that_cut_the_posterior(sd, residual):
    """Against Gauss-Legendre between the bounds themselves; 1 % of a posterior sd is what is asked for."""
    model = rail()
    nodes, weights = np.polynomial.legendre.leggauss(120)
    x, w = (0.5 * (sd[1] + sd[0] + (sd[1] - sd[0]) * nodes), weights)
    s, v = (0.5 * (residual[1] + residual[0] + (residual[1] - residual[0]) * nodes), weights)
    logs = np.array(
        [[solve(model.statistics, (np.array([[a / b]]),), b).restricted_log_likelihood for b in s] for a in x]
    )
    p = np.exp(logs - logs.max()) * np.outer(w, v)
    p /= p.sum()
    truth = {"sd_Rail[Intercept]": (p.sum(axis=1), x), "sigma": (p.sum(axis=0), s)}
    post = model.integrate(bb.Prior(sd=f"Uniform{sd}", residual=f"Uniform{residual}"))
    for name, (share, at) in truth.items():
        mean = share @ at
        spread = np.sqrt(share @ (at - mean) ** 2)
        found = post.summary().loc[name]
        assert found["mean"] == pytest.approx(mean, abs=0.015 * spread)
        assert found["sd"] == pytest.approx(spread, abs=0.015 * spread)


def test_bounds_of_a_uniform_prior_where_sigma_is_known():
    """Eight schools, tau ~ Uniform(0, 4): half of what the data alone would allow is cut off."""
    frame = bb.load_dataset("eight_schools")
    model = bb.MixedModel("y ~ 1 + (1 | school)", frame, weights=1 / frame["se"] ** 2, sigma=1.0)
    nodes, weights = np.polynomial.legendre.leggauss(200)
    tau = 2.0 + 2.0 * nodes
    logs = [solve(model.statistics, (np.array([[t]]),), 1.0).restricted_log_likelihood for t in tau]
    share = weights * np.exp(np.array(logs) - max(logs))
    share /= share.sum()
    mean = share @ tau
    found = (
        model.integrate(bb.Prior(sd="Uniform(0, 4)"), rel_error=1e-5).summary().loc["sd_school[Intercept]"]
    )
    assert found["mean"] == pytest.approx(mean, rel=1e-5)
    assert found["sd"] == pytest.approx(np.sqrt(share @ (tau - mean) ** 2), rel=1e-4)
    assert found["median"] == pytest.approx(np.interp(0.5, np.cumsum(share), tau), abs=0.05)


def test_nothing_lies_beyond_the_bounds_of_a_uniform_prior():
    """The smooth marginal is cut off where the prior ends: 97.5 % of tau once was 5.06."""
    post = schools().integrate(bb.Prior(sd="Uniform(1, 5)"))
    name = "sd_school[Intercept]"
    row = post.summary().loc[name]
    assert 1.0 <= row["eti95_lb"] < row["eti95_ub"] <= 5.0
    assert post.cdf(name, [0.9, 5.0, 6.0]) == pytest.approx([0.0, 1.0, 1.0], abs=0)
    assert post.quantile(name, 0.9999) <= 5.0
    density = post.density(name, [0.99, 3.0, 5.01])["density"]
    assert density[0] == density[2] == 0.0 < density[1]
    rail = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail"))
    bounded = rail.integrate(bb.Prior(sd="HalfNormal(50)", residual="Uniform(0, 16) on variance"))
    assert bounded.quantile("sigma", 0.9999) <= 4.0 and bounded.cdf("sigma", 4.0) == 1.0
