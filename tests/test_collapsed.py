"""The collapsed model is REML or the evidence times the prior, for every way of eliminating beta and b."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats as st

import blupbayes as bb
from blupbayes.bayes import collapsed
from blupbayes.bayes.density import beta_prior, log_marginal
from blupbayes.bayes.pointwise import log_prior
from blupbayes.errors import BlupbayesError
from blupbayes.model.design import build
from blupbayes.model.prior import Prior

PRECISION = [[2.0, 0.5, 0.0], [0.5, 1.0, 0.2], [0.0, 0.2, 3.0]]


def rich(formula, n=90, **options):
    rng = np.random.default_rng(8)
    data = pd.DataFrame(rng.normal(size=(n, 3)), columns=["y", "x", "v"])
    data = data.assign(g=np.arange(n) % 7, h=np.arange(n) // 7 % 5)
    return build(formula, data, weights=1 + np.arange(n) % 3, offset=0.5 * data["v"], **options)


def dataset(name, formula):
    return build(formula, bb.load_dataset(name))


def schools():
    data = bb.load_dataset("eight_schools")
    return build("y ~ 1 + (1 | school)", data, weights=1 / data["se"] ** 2, sigma=1.0)


CASES = {
    "rail": (lambda: dataset("rail", "travel ~ 1 + (1 | Rail)"), Prior()),
    "sleepstudy": (lambda: dataset("sleepstudy", "Reaction ~ Days + (Days | Subject)"), Prior(corr=2)),
    "schools": (schools, Prior(sd="HalfCauchy(5)")),
    "kappa, P, weights, offset": (
        lambda: rich("y ~ x + v + (x + v | g)"),
        Prior(kappa=0.7, mean=[1, 2, 3], precision=PRECISION, sd="Gamma(2, 1) on variance"),
    ),
    "diagonal, known sigma": (lambda: rich("y ~ x + (x || g)", sigma=0.8), Prior(kappa=0.1)),
    "no column": (lambda: rich("y ~ 0 + (1 | g)"), Prior()),
    "aliased": (lambda: rich("y ~ x + I(2 * x) + (1 | g)"), Prior(kappa=0.3)),
    "crossed": (lambda: rich("y ~ x + v + (x | g) + (1 | h)"), Prior()),
    "crossed, kappa, P": (lambda: rich("y ~ x + v + (x | g) + (1 | h)"), Prior(kappa=2, precision=PRECISION)),
}


def dense(design, prior, sigma, covariances):
    """log p(y | variances) from V itself: the evidence, or its limit over a flat beta."""
    w = np.ones(design.n_obs) if design.weights is None else design.weights
    V = np.diag(sigma**2 / w)
    for g in design.groups:
        V += (g.columns @ covariances[g.name] @ g.columns.T) * (g.codes[:, None] == g.codes)
    y = design.y - (0.0 if design.offset is None else design.offset)
    if prior.kappa > 0:
        V += design.X @ np.linalg.solve(prior.kappa * prior.precision, design.X.T)
        return st.multivariate_normal(design.X @ prior.mean, V).logpdf(y)
    XV = np.linalg.solve(V, design.X).T
    e = y - design.X @ np.linalg.solve(XV @ design.X, XV @ y) if design.X.size else y
    n, p = design.X.shape
    log_det = np.linalg.slogdet(V)[1] + (np.linalg.slogdet(XV @ design.X)[1] if p else 0.0)
    return -0.5 * ((n - p) * np.log(2 * np.pi) + log_det + e @ np.linalg.solve(V, e))


def read(model, names):
    """{variable: value}, as a function of a point of the sampler's space."""
    values = model.replace_rvs_by_values([model[name] for name in names])
    f = model.compile_fn(values, inputs=model.value_vars, mode="FAST_COMPILE", on_unused_input="ignore")
    return lambda point: dict(zip(names, f(point), strict=True))


@pytest.mark.parametrize("case", CASES)
def test_density_is_reml_or_evidence_times_the_prior(case, storage):
    """100 points. 1e-9 of the value: the dense V of the test has condition numbers up to 1e5."""
    make, prior = CASES[case]
    design = make()
    model, resolved = collapsed.build(design, prior), prior.resolve(design)
    names = [v.name for v in [*model.free_RVs, *model.deterministics]]
    names = [
        name for name in names if name.split("_")[0] in ("sigma", "sd", "corr") and "partial" not in name
    ]
    names = [name for name in names if "squared" not in name]
    at, density = read(model, names), model.compile_fn(
        model.replace_rvs_by_values(model.potentials), inputs=model.value_vars, mode="FAST_COMPILE",
        on_unused_input="ignore",
    )  # fmt: skip
    rng, start = np.random.default_rng(3), model.initial_point()
    for _ in range(100):
        point = {name: value + rng.normal(0, 0.7, value.shape) for name, value in start.items()}
        values = at(point)
        sigma = float(values.get("sigma", resolved.residual_scale))
        covariances = {
            g.name: np.outer(sd := values[f"sd_{g.name}"], sd) * values.get(f"corr_{g.name}", np.eye(len(sd)))
            for g in design.groups
        }
        expected = dense(design, resolved, sigma, covariances)
        assert density(point)[0] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("case", ["sleepstudy", "schools", "crossed"])
def test_the_whole_density_has_the_prior_too(case):
    """logp = marginal + log prior + a constant, as PyMC's variable is (rho + 1)/2. 1e-8: sums of n terms differ."""
    make, prior = CASES[case]
    design = make()
    model, resolved = collapsed.build(design, prior), prior.resolve(design)
    names = [v.name for v in [*model.free_RVs, *model.deterministics] if "partial" not in v.name]
    at = read(model, [*names, "marginal"])
    logp = model.compile_logp(mode="FAST_COMPILE", jacobian=False)
    rng, start, found = np.random.default_rng(3), model.initial_point(), []
    for _ in range(5):
        point = {name: value + rng.normal(0, 0.5, value.shape) for name, value in start.items()}
        values = {name: np.asarray(x)[None, None] for name, x in at(point).items()}
        total = sum(float(np.sum(x)) for x in log_prior(resolved, values).values())
        found.append(float(logp(point)) - values["marginal"].item() - total)
    assert np.ptp(found) < 1e-8


@pytest.mark.parametrize("case", CASES)
def test_slopes_are_those_of_the_density(case, storage):
    """Central differences with steps of 1e-5: their error is about 1e-9 of the slopes."""
    make, prior = CASES[case]
    design = make()
    s = bb.MixedModel._from(design).statistics
    beta = beta_prior(s, prior.resolve(design))
    rng = np.random.default_rng(0)
    T = [np.tril(rng.uniform(0.2, 1.5, (len(g.names),) * 2)) for g in design.groups]
    sigma, h = 0.9, 1e-5
    value, by_T, by_sigma = log_marginal(s, beta, tuple(T), sigma)
    assert np.isfinite(value)

    def moved(k, i, j, step):
        return tuple(t + step * (m == k) * np.outer(np.arange(len(t)) == i, np.arange(len(t)) == j)
                     for m, t in enumerate(T))  # fmt: skip

    for k, slopes in enumerate(by_T):
        for i, j in zip(*np.tril_indices(len(slopes)), strict=True):
            up, down = (log_marginal(s, beta, moved(k, i, j, step), sigma)[0] for step in (h, -h))
            assert slopes[i, j] == pytest.approx((up - down) / (2 * h), rel=1e-5, abs=1e-5)
    up, down = (log_marginal(s, beta, tuple(T), sigma + step)[0] for step in (h, -h))
    assert by_sigma == pytest.approx((up - down) / (2 * h), rel=1e-6, abs=1e-5)


def test_variances_beyond_double_precision_have_density_zero():
    design = rich("y ~ x + (1 | g) + (1 | h)")
    s = bb.MixedModel._from(design).statistics
    value, by_T, _ = log_marginal(
        s, beta_prior(s, Prior().resolve(design)), (np.full((1, 1), np.nan), np.ones((1, 1))), 1.0
    )
    assert value == -np.inf and all((t == 0).all() for t in by_T)


def test_gradient_of_the_op():
    design = rich("y ~ x + v + (x | g) + (1 | h)")
    model = collapsed.build(design, Prior(kappa=0.5))
    f, slope = model.compile_logp(mode="FAST_COMPILE"), model.compile_dlogp(mode="FAST_COMPILE")
    point = model.initial_point()
    gradient, k = slope(point), 0
    for name, value in point.items():
        for index in np.ndindex(value.shape):
            step = np.zeros(value.shape)
            step[index] = 1e-5
            up, down = (float(f(point | {name: value + sign * step})) for sign in (1, -1))
            assert gradient[k] == pytest.approx((up - down) / 2e-5, rel=1e-5, abs=1e-5)
            k += 1
    assert k == gradient.size


def test_large_models_are_refused():
    n = 3000
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"y": rng.normal(size=n), "g": np.arange(n) % 400, "h": rng.integers(0, 300, n)})
    with pytest.raises(BlupbayesError, match=r"700 random effects.*'auto'"):
        collapsed.build(build("y ~ 1 + (1 | g) + (1 | h)", data))
    assert collapsed.build(build("y ~ 1 + (1 | g)", data)).free_RVs


@pytest.mark.parametrize("way", ["noncentered", "centered"])
def test_the_hierarchical_density_with_beta_and_b_integrated_out_by_quadrature(way):
    """Two levels, three dimensions: PyMC's own density of both models, whatever the sampler's space is."""
    from blupbayes.bayes.hierarchical import build as hierarchical

    frame = pd.DataFrame({"y": [1.2, 0.4, 2.1, 3.0, 2.2], "g": [0, 0, 0, 1, 1]})
    design, prior = (
        build("y ~ 1 + (1 | g)", frame),
        Prior(kappa=0.5, sd="HalfNormal(2)", residual="HalfNormal(1)"),
    )
    models = hierarchical(design, prior, way), collapsed.build(design, prior)
    density, marginal = (
        m.compile_fn(m.replace_rvs_by_values([m.varlogp + sum(m.potentials)] if m.potentials else [m.logp()]),
                     inputs=m.value_vars, mode="FAST_RUN", on_unused_input="ignore")
        for m in models
    )  # fmt: skip
    start = models[0].initial_point()
    effects = next(name for name in start if name.startswith(("z_g", "c_g")))
    beta = next(name for name in start if name.startswith("beta"))
    x = np.linspace(-11.0, 11.0, 63)  # the trapezoidal rule: bells in all three
    for sds in ((-0.2, 0.3),):
        variances = {"sd_g_log__": np.array([sds[0]]), "sigma_log__": np.array(sds[1])}
        total = 0.0
        for b in x:
            for u in x:
                for v in x:
                    at = np.array([u, v]).reshape(start[effects].shape)
                    total += np.exp(density(variances | {beta: np.array([b]), effects: at})[0])
        inner = np.log(total) + 3 * np.log(x[1] - x[0])
        assert inner == pytest.approx(marginal(variances)[0], abs=1e-6)
