"""Default priors of other packages: their numbers on sleepstudy, and the algebra of the centred intercept."""

import numpy as np
import pytest
import scipy.stats as st

from blupbayes.datasets import load_dataset
from blupbayes.errors import PriorError
from blupbayes.mixed_model import MixedModel
from blupbayes.model.design import build
from blupbayes.model.joint import Decov, InverseWishart, Wishart
from blupbayes.model.prior import Prior

SLEEP = "Reaction ~ Days + (Days | Subject)"
UNTIED = "Reaction ~ Days + (Days || Subject)"


def sleep(formula=SLEEP, **options):
    return build(formula, load_dataset("sleepstudy"), **options)


def factor_design(**options):
    """A factor with three levels, a continuous column far from 0, two groups."""
    data = load_dataset("sleepstudy")
    rng = np.random.default_rng(2)
    data = data.assign(
        arm=np.array(["a", "b", "c"])[np.arange(180) % 3], year=1990 + rng.integers(0, 20, 180)
    )
    return build("Reaction ~ arm + year + (1 | Subject)", data, **options)


def lines(name, design):
    return Prior.like(name, design).resolve(design).lines()


def log_density_of_beta(prior, beta):
    """Of N(m, (kappa P)^-1), P positive definite."""
    P, d = prior.kappa * prior.precision, beta - prior.mean
    return 0.5 * (np.linalg.slogdet(P)[1] - d @ P @ d - len(d) * np.log(2 * np.pi))


@pytest.mark.parametrize("make", [sleep, factor_design])
def test_rstanarm_is_independent_normals_on_the_centred_coding(make):
    design = make()
    prior = Prior.like("rstanarm", design).resolve(design)
    y, X = design.y, design.X
    sds = 2.5 * y.std(ddof=1) / X[:, 1:].std(axis=0, ddof=1)
    rng = np.random.default_rng(0)
    for beta in rng.normal(0, 50, (5, X.shape[1])):
        at_means = X.mean(axis=0) @ beta
        expected = (
            st.norm(y.mean(), 2.5 * y.std(ddof=1)).logpdf(at_means) + st.norm(0, sds).logpdf(beta[1:]).sum()
        )
        # years far from 0 cost digits: the condition of P is 1e8
        assert log_density_of_beta(prior, beta) == pytest.approx(expected, rel=1e-6)


def test_rstanarm_on_sleepstudy():
    prior = Prior.like("rstanarm", MixedModel(SLEEP, load_dataset("sleepstudy")))
    design = sleep()
    resolved = prior.resolve(design)
    assert resolved.groups[0].joint == Decov()
    assert resolved.residual.name == "Exponential"
    np.testing.assert_allclose(resolved.residual.args, 1 / design.y.std(ddof=1), rtol=1e-14)
    assert "Normal(298.508, 140.822)" in str(resolved)  # mean y, 2.5 s_y
    assert "rstanarm" in str(prior) and "rstanarm" in str(resolved)
    # slope: 2.5 s_y / s_x = 48.89, printed as the marginal sd
    slope = 2.5 * design.y.std(ddof=1) / design.X[:, 1].std(ddof=1)
    assert slope == pytest.approx(48.89, abs=0.005)
    assert resolved.lines()[1][:2] == ("beta[Days]", f"Normal(0, {slope:.6g})")


def sleepstudy_posterior(prior):
    """Moments of (Sigma11, Sigma21, Sigma22, sigma, beta1, beta2) by a sum over (log r1, log r2, atanh rho, log sigma).

    Every subject has the same ten days, so that all that is needed are 2 x 2 matrices: with Z (10, 2) of one
    subject, S = Sigma / sigma^2 and H = (S^-1 + Z'Z)^-1, V0^-1 = I - Z H Z'.
    """
    design = sleep()
    Y = design.y.reshape(18, 10)
    Z = design.X[:10]
    x1, x2 = np.arange(-2.2, 1.6, 0.16), np.arange(-4.0, 0.2, 0.16)
    z, log_sigma = np.arange(-3.2, 3.2, 0.25), np.linspace(np.log(19), np.log(36), 40)
    a, b, c = (grid.ravel() for grid in np.meshgrid(x1, x2, z, indexing="ij"))
    r, rho, sigma = np.exp(np.stack([a, b], 1)), np.tanh(c), np.exp(log_sigma)
    R = np.tile(np.eye(2), (len(c), 1, 1))
    R[:, 0, 1] = R[:, 1, 0] = rho
    S = r[:, :, None] * R * r[:, None, :]
    ZZ, Zy = Z.T @ Z, Z.T @ Y.T
    H = np.linalg.inv(np.linalg.inv(S) + ZZ)
    A = 18 * (ZZ - ZZ @ H @ ZZ)  # X'V0^-1 X
    g = Zy.sum(axis=1) - np.einsum("ab,mbc,c->ma", ZZ, H, Zy.sum(axis=1))  # X'V0^-1 y
    yy = np.sum(Y**2) - np.einsum("as,mab,bs->m", Zy, H, Zy)
    log_det_V0 = 18 * np.linalg.slogdet(np.eye(2) + S @ ZZ)[1]
    P, m = prior.kappa * prior.precision, prior.mean
    density = prior.groups[0].joint_log_density(r, sigma, R) + a[:, None] + b[:, None]
    density = density + (np.log(1 - rho**2))[:, None] + prior.residual.logpdf(sigma) + log_sigma
    means, covs = [], []
    for k, s2 in enumerate(sigma**2):
        M = A / s2 + P
        h = g / s2 + P @ m
        beta = np.linalg.solve(M, h[..., None])[..., 0]
        quadratic = yy / s2 - np.sum(h * beta, axis=1)
        density[:, k] -= 0.5 * (180 * np.log(s2) + log_det_V0 + np.linalg.slogdet(M)[1] + quadratic)
        means.append(beta)
        covs.append(np.linalg.inv(M))
    w = np.exp(density - density.max())
    w /= w.sum()
    means, covs = np.stack(means, 1), np.stack(covs, 1)
    beta = np.einsum("ms,msk->k", w, means)
    var = np.einsum("ms,mskk->k", w, covs) + np.einsum("ms,msk->k", w, (means - beta) ** 2)
    Sigma = np.einsum("ms,mab,s->ab", w, S, sigma**2)
    return Sigma, float(w.sum(axis=0) @ sigma), beta, np.sqrt(var)


def test_the_posterior_of_sleepstudy_under_rstanarms_own_prior():
    # targets: an independent quadrature, to the digits it was written with; 32 000 draws of rstanarm agree
    Sigma, sigma, beta, sd = sleepstudy_posterior(Prior.like("rstanarm", sleep()).resolve(sleep()))
    np.testing.assert_allclose(Sigma[[0, 1, 1], [0, 0, 1]], [584.99, 13.19, 48.05], rtol=2e-3)
    assert sigma == pytest.approx(25.970, abs=2e-3)
    np.testing.assert_allclose(beta, [251.411, 10.4537], rtol=2e-5)
    np.testing.assert_allclose(sd, [6.737, 1.764], rtol=1e-3)


def test_brms_on_sleepstudy():
    prior = Prior.like("brms", sleep()).resolve(sleep())
    assert [(row[0], row[1]) for row in prior.lines()] == [
        ("beta[Intercept] + 4.5 beta[Days]", "StudentT(3, 288.7, 59.3)"),
        ("beta", "flat in every other direction"),
        ("sigma", "HalfStudentT(3, 59.3)"),
        ("sd_Subject[Intercept]", "HalfStudentT(3, 59.3)"),
        ("sd_Subject[Days]", "HalfStudentT(3, 59.3)"),
        ("corr_Subject[Intercept,Days]", "LKJ(1)"),
    ]
    assert prior.nu == 3 and len(prior.root) == 1
    shifted = sleep(offset=np.full(180, 100.0))
    assert lines("brms", shifted)[0][1] == "StudentT(3, 188.7, 59.3)"
    none = sleep("Reaction ~ 0 + Days + (1 | Subject)")
    assert lines("brms", none)[0][:2] == ("beta", "flat")


def test_bambi_on_sleepstudy():
    design = sleep(UNTIED)
    rows = {row[0]: row[1] for row in lines("Bambi", design)}
    assert rows["sigma"].startswith("HalfStudentT(4, 56.17")
    assert rows["sd_Subject[Days]"].startswith("HalfNormal(48.8")
    assert rows["sd_Subject[Intercept]"].startswith("HalfNormal(261.0")
    assert "Normal(298.508, 261.0" in Prior.like("bambi", design).label
    prior = Prior.like("bambi", design).resolve(design)
    y, x = design.y, design.X[:, 1]
    slope = 2.5 * y.std() / x.std()
    wide = np.hypot(2.5 * y.std(), slope * x.mean())
    beta = np.array([270.0, 4.0])
    expected = st.norm(y.mean(), wide).logpdf(beta[0] + x.mean() * beta[1]) + st.norm(0, slope).logpdf(
        beta[1]
    )
    assert log_density_of_beta(prior, beta) == pytest.approx(expected, rel=1e-12)


def test_blme_on_sleepstudy_and_rail():
    prior = Prior.like("blme", sleep()).resolve(sleep())
    assert prior.kappa == 0 and prior.groups[0].joint == Wishart() and prior.residual.on == "log sd"
    rail = build("travel ~ 1 + (1 | Rail)", load_dataset("rail"))  # 6 levels: E = 5 > 3.5
    assert "|Sigma/sigma^2|^0.75" in str(Prior.like("blme", rail).resolve(rail))
    pulp = load_dataset("pulp")
    with pytest.raises(
        PriorError,
        match=r"^defaults of blme \(blmer\), read as a prior: .*with 4 levels of operator.*at least 5",
    ):
        Prior.like("blme", build("bright ~ 1 + (1 | operator)", pulp))


def test_inla_on_sleepstudy():
    prior = Prior.like("inla", sleep()).resolve(sleep())
    rows = {row[0]: row[1] for row in prior.lines()}
    assert rows["beta[Intercept]"] == "flat" and rows["beta[Days]"] == f"Normal(0, {1000**0.5:.6g})"
    assert rows["sigma"] == "InverseGamma(1, 5e-05) on variance"
    assert prior.groups[0].joint == InverseWishart(100, 1)
    untied = Prior.like("inla", sleep(UNTIED)).resolve(sleep(UNTIED))
    assert {str(d) for d in untied.groups[0].sds} == {"InverseGamma(1, 5e-05) on variance"}
    alone = sleep("Reaction ~ 1 + (1 | Subject)")
    assert Prior.like("inla", alone).resolve(alone).kappa == 0


def test_a_known_sigma_replaces_the_prior_of_sigma():
    for name in ("rstanarm", "brms", "bambi", "blme", "inla"):
        design = sleep(UNTIED, sigma=25.0)
        assert Prior.like(name, design).resolve(design).residual is None


def test_a_model_without_fixed_effects_or_intercept():
    for name in ("rstanarm", "brms", "bambi", "blme", "inla"):
        for formula in ("Reaction ~ 0 + (1 | Subject)", "Reaction ~ 0 + Days + (1 | Subject)"):
            design = sleep(formula)
            assert str(Prior.like(name, design).resolve(design))
    design = sleep("Reaction ~ 0 + Days + (1 | Subject)")
    P = Prior.like("rstanarm", design).resolve(design).precision
    np.testing.assert_allclose(
        P, [[(2.5 * design.y.std(ddof=1) / design.X[:, 0].std(ddof=1)) ** -2]], rtol=1e-12
    )


@pytest.mark.parametrize(
    ("name", "formula", "says"),
    [
        ("rstanam", SLEEP, "Did you mean 'rstanarm'"),
        ("lme4", SLEEP, "rstanarm, brms, bambi, blme, inla"),
        ("bambi", SLEEP, "(Days || Subject)"),
        ("inla", "Reaction ~ 1 + (Days | Subject) + (0 + I(Days**2) | Subject)", "Subject has both"),
    ],
)
def test_refusals(name, formula, says):
    with pytest.raises(PriorError) as error:
        Prior.like(name, sleep(formula))
    assert says in str(error.value)


def test_bambi_has_no_default_for_a_constant_column():
    from blupbayes.model.design import from_arrays

    rng = np.random.default_rng(0)
    X = np.column_stack([np.ones(20), rng.normal(size=20)])
    design = from_arrays(rng.normal(size=20), X, {"g": (np.arange(20) % 5, None)}, fixed_names=["one", "x"])
    with pytest.raises(PriorError, match="one is constant"):
        Prior.like("bambi", design)
    assert np.isfinite(Prior.like("rstanarm", design).precision).all()
