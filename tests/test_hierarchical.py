"""The PyMC model is the model: its density against dense formulas, its names, its refusals, its draws."""

import json
import pickle

import numpy as np
import pandas as pd
import pytest
import scipy.stats as st

from blupbayes.bayes.hierarchical import build as to_pymc
from blupbayes.bayes.sampling import careful, sample
from blupbayes.datasets import load_dataset
from blupbayes.errors import BlupbayesError, IdentifiabilityError, PriorError
from blupbayes.model.design import build
from blupbayes.model.prior import Prior

SLEEP = "Reaction ~ Days + (Days | Subject)"
RICH = "y ~ `x 1` + v + (`x 1` | `my group`) + (0 + v | `my group`) + (`x 1` || draw)"
FULL_PRECISION = [[2.0, 0.5, 0.0], [0.5, 1.0, 0.2], [0.0, 0.2, 3.0]]


def rich(n=90):
    """Names with blanks, a grouping factor called draw, weights and an offset."""
    rng = np.random.default_rng(8)
    frame = pd.DataFrame(rng.normal(size=(n, 3)), columns=["y", "x 1", "v"])
    return frame.assign(**{"my group": np.arange(n) % 7, "draw": np.arange(n) // 7 % 5})


def rich_design(formula=RICH, **options):
    data = rich()
    return build(formula, data, weights=1 + np.arange(90) % 3, offset=0.5 * data["v"], **options)


def rail():
    return build("travel ~ 1 + (1 | Rail)", load_dataset("rail"))


def points(model, n=4, seed=0):
    """Random points of the space that the sampler sees."""
    rng = np.random.default_rng(seed)
    start = model.initial_point()
    return [{name: rng.normal(0, 0.7, value.shape) for name, value in start.items()} for _ in range(n)]


def compiled(model, variables, mode="FAST_COMPILE"):
    """Values of variables of the model, as a function of a point of the sampler's space."""
    values = model.replace_rvs_by_values(variables)
    return model.compile_fn(values, inputs=model.value_vars, mode=mode, on_unused_input="ignore")


def at(model, names):
    """{name: value}, as a function of a point."""
    values = compiled(model, [model[name] for name in names])
    return lambda point: dict(zip(names, values(point), strict=True))


def normal(x, mean, cov):
    """log N(x | mean, cov), dense."""
    return st.multivariate_normal(mean, cov).logpdf(x)


def log_joint(design, beta, effects, sigma, covariances, nu=None):
    """log N(y | X beta + o + Z b, sigma^2 W^-1) + log N(b | 0, Sigma), or t, from the definition [E-MODEL]."""
    mean = design.X @ beta + (0.0 if design.offset is None else design.offset)
    total = 0.0
    for g in design.groups:
        b = effects[g.name]
        mean = mean + np.einsum("nk,nk->n", g.columns, b[g.codes])
        Sigma = covariances[g.name]
        of_level = normal if nu is None else lambda x, m, S: st.multivariate_t(m, S, df=nu).logpdf(x)
        total += sum(of_level(row, np.zeros(len(row)), Sigma) for row in b)
    w = np.ones(design.n_obs) if design.weights is None else design.weights
    return total + st.norm(mean, sigma / np.sqrt(w)).logpdf(design.y).sum()


def assert_constant(differences, totals):
    """Equal to 1e-8 of the size of the log-densities: PyMC sums n terms, in another order."""
    differences = np.array(differences)
    assert np.isfinite(differences).all()
    assert np.ptp(differences) < 1e-8 * np.abs(totals).max(), differences


COVARIANCES = {
    "Rail": [[24.8]],
    "Subject": [[24.7, 0.0], [0.4, 5.9]],
    "my group": [[0.8, 0, 0], [-0.5, 0.4, 0], [0, 0, 0.7]],
    "draw": [[0.3, 0], [0, 0.6]],
}


@pytest.mark.parametrize("parameters", ["first", "second"])
@pytest.mark.parametrize(
    ("make", "prior", "mode"),
    [
        (rail, Prior(), None),  # compiled as PyMC compiles it; the others skip the compiler's optimisations
        (lambda: build(SLEEP, load_dataset("sleepstudy")), Prior(corr=3), "FAST_COMPILE"),
        (rich_design, Prior(), "FAST_COMPILE"),
        (lambda: rich_design(sigma=0.8), Prior(), "FAST_COMPILE"),
    ],
)
def test_log_density_at_fixed_variances(make, prior, mode, parameters):
    import pymc as pm

    design, model = make(), to_pymc(make(), prior)
    sigma, factor = (0.9, 1.0) if parameters == "first" else (12.0, 0.3)
    if design.sigma is not None:
        sigma = design.sigma
    roots = {g.name: factor * np.array(COVARIANCES[g.name]) for g in design.groups}
    sigmas = {name: root @ root.T for name, root in roots.items()}
    fixed = {"sigma": sigma} if design.sigma is None else {}
    for name, Sigma in sigmas.items():
        sd = np.sqrt(np.diag(Sigma))
        fixed[f"sd_{name}"] = sd
        if f"corr_{name}" in model.named_vars:
            fixed[f"corr_{name}"] = Sigma / np.outer(sd, sd)
    known = pm.do(model, fixed)
    names = ["beta", *(f"b_{name}" for name in sigmas)]
    values, logp = at(known, names), known.compile_logp(mode=mode)
    free = [point for point in points(known)]
    partial = {name: value for name, value in free[0].items() if "partial" in name}  # correlations stay put
    ours, theirs = [], []
    for point in free:
        point |= partial
        read = values(point)
        effects = {name: read[f"b_{name}"] for name in sigmas}
        ours.append(log_joint(design, read["beta"], effects, sigma, sigmas))
        theirs.append(float(logp(point)))
    assert_constant(np.subtract(theirs, ours), ours)


def widening(model, point, group, nu):
    """Sum of the logs of what each t variate of a level is multiplied by, given the ones before it."""
    total, before = 0.0, 0.0
    if nu is None:
        return total
    raw = at(model, [f"z_{group.name}"])(point)[f"z_{group.name}"]
    for k in range(raw.shape[1]):
        factor = np.sqrt((nu + before) / (nu + k))
        total, before = total + np.log(factor).sum() if k else total, before + (factor * raw[:, k]) ** 2
    return total


def half_t(scale):
    return lambda x: st.t(3, scale=scale).logpdf(x)


CASES = {
    "sleepstudy": (
        lambda: build(SLEEP, load_dataset("sleepstudy")),
        Prior(residual="HalfStudentT(3, 50)", sd="HalfStudentT(3, 50)", corr=2.5),
        {"sigma": half_t(50), "sd_Subject": [half_t(50), half_t(50)]},
        {"corr_Subject": 2.5},
    ),
    "mixed kinds, known sigma, kappa": (
        lambda: rich_design("y ~ `x 1` + v + (`x 1` | draw)", sigma=0.8),
        Prior(
            kappa=0.7,
            mean=[1, 2, 3],
            precision=FULL_PRECISION,
            sd={"draw": {"Intercept": "InverseGamma(2, 3) on variance", "x 1": "Exponential(2)"}},
        ),
        {
            "sd_draw": [
                lambda x: st.invgamma(2, scale=3).logpdf(x**2),  # PyMC's variable is the variance
                lambda x: st.expon(scale=0.5).logpdf(x),
            ]
        },
        {"corr_draw": 1.0},
    ),
    "rates of an exponential, flat on the log sd": (
        lambda: rich_design("y ~ `x 1` + (`x 1` || draw)"),
        Prior(residual="Flat on log sd", sd={"draw": {"Intercept": "PC(3, .01)", "x 1": "Exponential(2)"}}),
        {
            "sigma": lambda x: 0.0,  # PyMC's variable is log sigma
            "sd_draw": [
                lambda x: st.expon(scale=-3 / np.log(0.01)).logpdf(x),
                lambda x: st.expon(scale=0.5).logpdf(x),
            ],
        },
        {},
    ),
    "one kind on the variance, diagonal P": (
        lambda: rich_design("y ~ `x 1` + (`x 1` || draw)"),
        Prior(kappa=2, mean=1, sd="Gamma(2, 0.5) on variance", residual="Uniform(0, 90)"),
        {
            "sigma": st.uniform(0, 90).logpdf,
            "sd_draw": 2 * [lambda x: st.gamma(2, scale=2).logpdf(x**2)],
        },
        {},
    ),
}


@pytest.mark.parametrize("random", ["normal", "student_t"])
@pytest.mark.parametrize("way", ["noncentered", "centered"])
@pytest.mark.parametrize("case", CASES)
def test_log_density_everywhere(case, way, random):
    """The density of (beta, z, log sd, ...) as a whole: one constant for all points, variances included.

    Centred, the sampler's variable is c = b + m: its density is that of b. Else it is z, b = T z.
    """
    make, prior, sds, etas = CASES[case]
    design, model = make(), to_pymc(make(), prior, way, random)
    group = design.groups[0]
    nus = [f"nu_{group.name}"] if random == "student_t" else []
    names = ["beta", f"b_{group.name}", *sds, *etas, *nus]
    values, logp = at(model, names), model.compile_logp(mode="FAST_COMPILE", jacobian=False)
    ours, theirs = [], []
    for point in points(model, 6):
        read = values(point)
        sigma = read.get("sigma", design.sigma)
        corr = read.get(f"corr_{group.name}", np.eye(2))
        sd = read[f"sd_{group.name}"]
        Sigma = corr * np.outer(sd, sd)
        nu = float(read[nus[0]]) if nus else None
        effects = {group.name: read[f"b_{group.name}"]}
        total = log_joint(design, read["beta"], effects, sigma, {group.name: Sigma}, nu)
        if nus:
            total += st.gamma(2, scale=10).logpdf(nu)
        if way == "noncentered":
            total += len(group.levels) / 2 * np.linalg.slogdet(Sigma)[1] + widening(model, point, group, nu)
        for name, densities in sds.items():
            parts = np.atleast_1d(read[name])
            total += sum(
                f(x) for f, x in zip(densities if parts.size > 1 else [densities], parts, strict=True)
            )
        for name, eta in etas.items():  # (rho + 1)/2 ~ Beta(eta, eta)
            total += st.beta(eta, eta).logpdf((read[name][1, 0] + 1) / 2)
        if prior.kappa:
            P = np.eye(len(design.fixed_names)) if prior.precision is None else np.array(prior.precision)
            total += normal(read["beta"], prior.resolve(design).mean, np.linalg.inv(prior.kappa * P))
        ours.append(total)
        theirs.append(float(logp(point)))
    assert_constant(np.subtract(theirs, ours), ours)


@pytest.mark.parametrize(("cy", "cx", "shift"), [(1e6, 1.0, 0.0), (1e-6, 60.0, 0.0), (1.0, 1.0, 2000.0)])
def test_units_and_origins_change_the_density_by_a_constant(cy, cx, shift):
    """With the default prior the sampler cannot see the units, nor the origin of a fixed column."""
    data = rich()
    other = data.assign(y=cy * data["y"], v=cx * data["v"], **{"x 1": data["x 1"] + shift})
    formula = "y ~ `x 1` + v + (v | `my group`)"
    one, two = (to_pymc(build(formula, d)) for d in (data, other))
    first, second = (m.compile_logp(mode="FAST_COMPILE") for m in (one, two))
    logs = {"sigma_log__": np.log(cy), "sd_my group_log__": np.log([cy, cy / cx])}
    before, after = [], []
    for point in points(one):
        before.append(float(first(point)))
        after.append(float(second({k: v + logs.get(k, 0.0) for k, v in point.items()})))
    assert_constant(np.subtract(after, before), before)


def test_names_and_dimensions():
    model = to_pymc(rich_design())
    dims = {name: tuple(model.named_vars_to_dims.get(name, ())) for name in model.named_vars}
    expected = {
        "beta": ("fixef",),
        "sigma": (),
        "sd_my group": ("my group_term",),
        "corr_my group": ("my group_term", "my group_term_bis"),
        "b_my group": ("my group", "my group_term"),
        "z_my group": ("my group", "my group_term"),
        "b_draw": ("draw_level", "draw_term"),  # draw is a dimension of every draw
        "y": ("obs",),
    }
    assert {name: dims[name] for name in expected} == expected
    assert "corr_draw" not in dims
    assert list(model.coords["fixef"]) == ["Intercept", "x 1", "v"]
    assert list(model.coords["my group"]) == list("0123456")


def test_effects_can_be_fixed():
    import pymc as pm

    design, model = rail(), to_pymc(rail())
    b = np.arange(6.0)[:, None]
    known = pm.do(model, {"b_Rail": b})
    mean = compiled(known, [known["y"].owner.inputs[2]])
    values = at(known, ["beta"])
    for point in points(known, 2):
        expected = design.X @ values(point)["beta"] + b[design.groups[0].codes, 0]
        np.testing.assert_allclose(mean(point)[0], expected, rtol=1e-12)


def test_known_sigma_is_no_variable():
    assert "sigma" not in to_pymc(rich_design(sigma=0.8)).named_vars


def test_no_fixed_column_is_allowed():
    model = to_pymc(build("y ~ 0 + (1 | g)", rich().rename(columns={"my group": "g"})))
    assert "beta" not in model.named_vars
    assert np.isfinite(model.compile_logp(mode="FAST_COMPILE")(model.initial_point()))


def test_dependent_columns_need_a_prior():
    formula = "y ~ v + I(2 * v) + (1 | g)"
    design = build(formula, rich().rename(columns={"my group": "g"}))
    with pytest.raises(IdentifiabilityError, match=r"I\(2 \* v\): a combination .* kappa > 0"):
        to_pymc(design)
    model = to_pymc(design, Prior(kappa=0.1))
    assert np.isfinite(model.compile_logp(mode="FAST_COMPILE")(model.initial_point()))


def test_refusals():
    with pytest.raises(PriorError, match="kappa = inf"):
        to_pymc(rail(), Prior(kappa=np.inf))
    with pytest.raises(BlupbayesError, match="choose 'auto', 'centered'"):
        to_pymc(rail(), parameterization="sideways")
    with pytest.raises(BlupbayesError, match="each of the groups Rail"):
        to_pymc(rail(), parameterization={"Batch": "centered"})
    with pytest.raises(BlupbayesError, match="normal, student_t"):
        to_pymc(rail(), random="cauchy")


def test_steps_are_small_unless_the_user_says_otherwise():
    assert careful({})["target_accept"] == 0.95
    assert careful({"target_accept": 0.8})["target_accept"] == 0.8
    assert "target_accept" not in careful({"nuts": {"target_accept": 0.8}})
    assert careful({"nuts": {"max_treedepth": 8}})["target_accept"] == 0.95
    assert "target_accept" not in careful({"step": None})


@pytest.fixture(scope="module")
def drawn():
    """A short run, for what does not depend on its length."""
    return sample(rail(), draws=60, tune=120, chains=2, random_seed=4)


def test_draws_are_the_same_for_the_same_seed(drawn):
    data, _ = drawn
    again, _ = sample(rail(), draws=60, tune=120, chains=2, random_seed=4)
    other, _ = sample(rail(), draws=60, tune=120, chains=2, random_seed=np.random.default_rng(1))
    for name in data["posterior"].data_vars:
        np.testing.assert_array_equal(again["posterior"][name].values, data["posterior"][name].values)
    assert not np.array_equal(other["posterior"]["beta"].values, data["posterior"]["beta"].values)
    repeated, _ = sample(rail(), draws=60, tune=120, chains=2, random_seed=int(other.attrs["random_seed"]))
    np.testing.assert_array_equal(repeated["posterior"]["beta"].values, other["posterior"]["beta"].values)


def test_draws_have_the_names_of_the_contract(drawn):
    posterior = drawn[0]["posterior"]
    assert list(posterior.data_vars) == ["beta", "sigma", "sd_Rail", "b_Rail"]
    assert posterior["b_Rail"].dims == ("chain", "draw", "Rail", "Rail_term")
    assert posterior["beta"].dims == ("chain", "draw", "fixef")
    assert posterior["sd_Rail"].dims == ("chain", "draw", "Rail_term")
    assert dict(posterior.sizes) == {"chain": 2, "draw": 60, "fixef": 1, "Rail_term": 1, "Rail": 6}
    np.testing.assert_array_equal(drawn[0]["observed_data"]["y"].values, rail().y)
    assert drawn[0]["sample_stats"]["diverging"].shape == (2, 60)


def test_draws_say_where_they_come_from(drawn):
    data, found = drawn
    assert data.attrs["prior"] == str(Prior().resolve(rail()))
    assert data.attrs["formula"] == "travel ~ 1 + (1 | Rail)"
    assert data.attrs["data_hash"] == rail().hash
    assert data.attrs["random_seed"] == "4" and data.attrs["parameterization"] == "centered"
    assert {"pymc", "nutpie", "blupbayes"} <= set(json.loads(data.attrs["versions"]))
    assert found["chains"] == 2 and found["draws"] == 60


def test_draws_pickle(drawn):
    data, found = pickle.loads(pickle.dumps(drawn))
    assert found["divergences"] == drawn[1]["divergences"]
    assert data.attrs == drawn[0].attrs
    np.testing.assert_array_equal(data["posterior"]["b_Rail"].values, drawn[0]["posterior"]["b_Rail"].values)


def test_odd_names_survive_sampling():
    design = rich_design("y ~ `x 1` + (`x 1` | `my group`) + (1 | draw)")
    posterior = sample(design, draws=8, tune=20, chains=2, random_seed=1)[0]["posterior"]
    assert posterior["b_my group"].dims == ("chain", "draw", "my group", "my group_term")
    assert posterior["b_draw"].dims == ("chain", "draw", "draw_level", "draw_term")
    assert list(posterior["fixef"].values) == ["Intercept", "x 1"]
    assert np.ptp(posterior["corr_my group"].values[:, :, 1, 0]) > 0
