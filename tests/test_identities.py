"""The identities on one's own data: they hold wherever the package is right, and each goes red for its own reason."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import blupbayes as bb
from blupbayes import ledgers
from blupbayes.compare import identities, oneway
from blupbayes.compare.dense import Dense
from blupbayes.compare.statements import STATEMENTS
from blupbayes.errors import ComparisonError, DataError, IntegrationError
from blupbayes.identities import at_variances, case, collect, posterior
from blupbayes.mme import gaussian
from blupbayes.mme.criterion import evaluate
from blupbayes.mme.fit import estimate
from blupbayes.mme.gaussian import GaussianPosterior
from random_models import KINDS, random_design
from reference_data import CASES

EVERYWHERE = [
    "gls",
    "blup",
    "pls",
    "var_beta",
    "pev",
    "cross_cov",
    "cond_var",
    "weight",
    "kappa_rate",
    "reml",
]
EVERYWHERE += ["evidence", "harville", "score", "blp", "blp_variance", "reml_mode"]
OF_A_POSTERIOR = ["tower", "total_variance", "posterior_density", "ledger_mean", "ledger_variance"]
LARGE = ("Chem97-gcse_lea_school", "InstEval-service")
SLOW = ("Orthodont-age_sex", "Machines-machine_correlated")  # whose integrals take seconds
CONTRACT = ["left", "right", "difference", "holds"]


@pytest.fixture(autouse=True)
def without_pymc(request, monkeypatch):
    """As if PyMC had not been imported, which an earlier test may have done: its row is asked for where it is meant."""
    if request.node.name != "test_pymc_is_not_imported_unless_it_is_there":
        monkeypatch.setattr(collect, "sys", SimpleNamespace(modules={}))


def broken(table):
    """Names of the rows that do not hold."""
    return set(table.index[~table["holds"]])


def model_of(kind, seed):
    d = random_design(np.random.default_rng(seed), kind)
    return bb.MixedModel(d.formula, d.frame, weights=d.weights, offset=d.offset)


# --- they hold


@pytest.mark.parametrize("reference", CASES, ids=lambda c: c.name)
def test_all_hold_on_every_reference_case(reference):
    model = bb.MixedModel(reference.formula, reference.frame())
    rel_error = 0.3 if reference.name in SLOW else 0.01  # what holds at every lattice holds at a coarse one
    answers = [model.fit()]
    if reference.name not in LARGE[1:]:  # whose integral takes a minute
        answers.append(model.integrate(rel_error=rel_error))
    found = bb.compare(*answers).identities()
    assert broken(found) == set() and set(EVERYWHERE) <= set(found.index)
    assert bool(found.attrs["subsample"]) == (reference.name in LARGE)
    assert found.attrs["remarks"] == []
    if len(answers) > 1:
        assert set(OF_A_POSTERIOR) - ({"posterior_density"} if reference.name in LARGE else set()) <= set(
            found.index
        )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", KINDS)
def test_all_hold_on_random_models(kind, seed):
    """14 kinds times 4: crossed, nested, weighted, offset, deficient, balanced; posteriors of the small ones."""
    model = model_of(kind, 100 + seed)
    prior = None if seed % 2 else bb.Prior(kappa=0.1, mean=1.0)
    answers = [model.fit()] + ([model.integrate(prior, rel_error=0.1)] if model.design.n_theta < 3 else [])
    found = bb.compare(*answers).identities()
    assert broken(found) == set() and set(EVERYWHERE) <= set(found.index)


S = bb.load_dataset("sleepstudy")
RNG = np.random.default_rng(0)
SLOPE = "Reaction ~ Days + (Days | Subject)"
MODELS = {
    "y + 1e8": lambda: bb.MixedModel(SLOPE, S.assign(Reaction=S["Reaction"] + 1e8)),
    "x + 1e6": lambda: bb.MixedModel("Reaction ~ x + (1 | Subject)", S.assign(x=S["Days"] + 1e6)),
    "x * 1e6": lambda: bb.MixedModel("Reaction ~ x + (x | Subject)", S.assign(x=S["Days"] * 1e6)),
    "y * 1e-9": lambda: bb.MixedModel(SLOPE, S.assign(Reaction=S["Reaction"] * 1e-9)),
    "aliased": lambda: bb.MixedModel("Reaction ~ Days + I(2 * Days) + (Days | Subject)", S),
    "sigma known": lambda: bb.MixedModel("Reaction ~ Days + (1 | Subject)", S, sigma=25.0),
    "weights": lambda: bb.MixedModel(SLOPE, S, weights=10 ** RNG.uniform(-4, 4, 180), offset=S["Days"] * 3.0),
    "no beta": lambda: bb.MixedModel("Reaction ~ 0 + (1 | Subject)", S),
    "arrays": lambda: bb.MixedModel.from_arrays(
        S["Reaction"], np.ones((180, 1)), {"s": (S["Subject"].to_numpy(), None), "d": (S["Days"].to_numpy(), None)}
    ),
    "boundary": lambda: bb.MixedModel("Yield ~ 1 + (1 | Batch)", bb.load_dataset("dyestuff2")),
    "known errors": lambda: bb.MixedModel(
        "y ~ 1 + (1 | school)", d := bb.load_dataset("eight_schools"), weights=1 / d["se"] ** 2, sigma=1.0
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_all_hold_on_awkward_data(name):
    found = MODELS[name]().identities()
    assert broken(found) == set() and found.attrs["remarks"] == []
    assert ("kkt" in found.index) == (name in ("boundary", "known errors"))


PRIORS = {
    "kappa": lambda m: bb.Prior(kappa=1e-3, mean=200.0),
    "brms": lambda m: bb.Prior.like("brms", m),  # a singular P
    "rstanarm": lambda m: bb.Prior.like("rstanarm", m),  # a joint prior
    "student": lambda m: bb.Prior(kappa=1e-3, nu=4),
    "uniform": lambda m: bb.Prior(sd="Uniform(0, 200)"),
}


@pytest.mark.parametrize("name", PRIORS)
def test_towers_of_every_kind_of_prior(name):
    model = bb.MixedModel("Reaction ~ Days + (1 | Subject)", S)
    found = model.identities(prior=PRIORS[name](model))
    assert broken(found) == set() and {"tower", "total_variance", "ledger_mean"} <= set(found.index)
    assert ("posterior_density" in found.index) == (
        name in ("kappa", "rstanarm")
    )  # brms has a Student t, too


def test_a_posterior_with_aliased_columns():
    model = bb.MixedModel("Reaction ~ Days + I(2 * Days) + (1 | Subject)", S)
    found = model.identities(prior=bb.Prior(kappa=1e-3, mean=2.0))
    assert broken(found) == set() and {"tower", "posterior_density", "ledger_variance"} <= set(found.index)


@pytest.mark.parametrize(
    "variances",
    [
        {"Subject": np.array([[100.0, 50], [50, 25]]), "residual": 20.0},  # a correlation of 1
        {"Subject": np.zeros((2, 2)), "residual": 20.0},
        {"Subject": np.diag([1e8, 1e2]), "residual": 1.0},
    ],
)
@pytest.mark.parametrize("kappa", [None, 1e-12, 1e12])
def test_any_variances_and_any_kappa(variances, kappa):
    found = bb.compare(bb.MixedModel(SLOPE, S).fit()).identities(variances, kappa)
    assert broken(found) == set()


# --- the table


def test_the_table_is_the_contract():
    model = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail"))
    found = model.identities()
    assert found.columns[:4].tolist() == CONTRACT and found.index.name == "identity" and found.index.is_unique
    assert {"statement", "tag", "scale", "tolerance", "where"} <= set(found.columns)
    assert (found["difference"] == found["left"] - found["right"]).all() and found["holds"].dtype == bool
    assert set(found.index) <= set(STATEMENTS)
    assert not found["statement"].str.contains("[{}]").any()
    assert {"oneway_reml", "oneway_ml", "oneway_det", "oneway_weight"} <= set(found.index)
    again = model.compare(methods=("REML",)).identities()
    assert found.drop(columns="statement").equals(again.drop(columns="statement"))


def test_every_posterior_has_its_rows():
    model = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail"))
    other = model.integrate(bb.Prior(sd="HalfNormal(10)"))
    found = bb.compare(model.fit("ML"), wide=model.integrate(), narrow=other).identities()
    assert broken(found) == set()
    for name in OF_A_POSTERIOR:
        assert {f"{name}[wide]", f"{name}[narrow]"} <= set(found.index)


def test_kappa_is_that_of_an_answer():
    model = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail"))
    cmp = bb.compare(model.fit(), model.solve(model.fit(), kappa=0.25))
    assert "kappa = 0.25" in cmp.identities().loc["kappa_rate", "statement"]
    assert "kappa = 3" in cmp.identities(kappa=3.0).loc["kappa_rate", "statement"]


def test_a_posterior_that_cannot_be_had_is_a_remark(monkeypatch):
    def refuse(*args, **options):
        raise IntegrationError("too many points.")

    monkeypatch.setattr(bb.MixedModel, "integrate", refuse)
    found = bb.MixedModel(SLOPE, S).identities()
    assert broken(found) == set() and "tower" not in found.index
    assert found.attrs["remarks"] == ["integrate: left out. too many points."]


def test_more_rows_than_fit_are_whole_groups(monkeypatch):
    monkeypatch.setattr(case, "MOST", 100)
    monkeypatch.setattr(case, "SAMPLE", 60)
    found = bb.MixedModel(SLOPE, S).identities(prior=bb.Prior(kappa=1e-3))
    assert "6 of 18 levels of Subject" in found.attrs["subsample"] and broken(found) == set()
    assert {"tower", "total_variance", "ledger_mean", "reml_mode"} <= set(found.index)


def test_a_boundary_where_V_is_not_formed(monkeypatch):
    monkeypatch.setattr(case, "MOST", 20)
    monkeypatch.setattr(case, "SAMPLE", 15)
    found = bb.MixedModel("Yield ~ 1 + (1 | Batch)", bb.load_dataset("dyestuff2")).identities()
    assert broken(found) == set() and {"kkt", "oneway_reml"} <= set(found.index)


# --- refusals


def test_an_answer_without_data_is_refused():
    fit = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail")).fit()
    table = SimpleNamespace(tidy=lambda ci_prob=0.95: fit.tidy(ci_prob))
    with pytest.raises(ComparisonError, match="no answer here has them"):
        bb.compare(a=table).identities()


@pytest.mark.parametrize("kappa", [0, -1.0, np.inf, np.nan, [1.0, 2.0]])
def test_a_kappa_that_shows_nothing_is_refused(kappa):
    with pytest.raises(DataError, match="positive, finite"):
        bb.compare(bb.MixedModel(SLOPE, S).fit()).identities(kappa=kappa)


def test_variances_at_which_V_has_no_digits_are_refused():
    cmp = bb.compare(bb.MixedModel("Reaction ~ 1 + (1 | Subject)", S).fit())
    with pytest.raises(ComparisonError, match="judge nothing"):
        cmp.identities({"Subject": 1e8, "residual": 1.0})


# --- PyMC


def test_pymc_is_not_imported_unless_it_is_there(monkeypatch):
    model = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail"))
    monkeypatch.delitem(sys.modules, "pymc", raising=False)
    monkeypatch.setattr(
        collect, "pymc_identity", lambda case, prior, wanted, remarks: asked.append(wanted) or []
    )
    asked = []
    bb.compare(model.fit()).identities()
    bb.compare(model.fit()).identities(pymc=True)
    monkeypatch.setitem(sys.modules, "pymc", sys)
    bb.compare(model.fit()).identities()
    assert asked == [False, True, True]


def test_the_collapsed_density_is_that_with_V():
    known = bb.MixedModel("Reaction ~ Days + (1 | Subject)", S, sigma=20.0, weights=np.linspace(0.5, 2, 180))
    found = known.identities(pymc=True)
    assert broken(found) == set() and "pymc" in found.index
    crossed = bb.MixedModel("diameter ~ 1 + (1 | plate) + (1 | sample)", bb.load_dataset("penicillin"))
    assert broken(crossed.identities(prior=bb.Prior(kappa=0.1, mean=20.0), pymc=True)) == set()
    plain = bb.MixedModel("Reaction ~ Days + (1 | Subject)", S)
    refused = plain.identities(prior=bb.Prior(kappa=1e-3, nu=4.0), pymc=True)
    assert "pymc" not in refused.index and "pymc: left out" in refused.attrs["remarks"][0]


# --- one ingredient broken at a time, and exactly its identities go red


@pytest.fixture(scope="module")
def weighted():
    """One factor, slopes, weights and an offset; a posterior with a prior of beta. All hold."""
    d = random_design(np.random.default_rng(11), "slope weights offset")
    model = bb.MixedModel(d.formula, d.frame, weights=d.weights, offset=d.offset)
    cmp = bb.compare(model.fit(), model.integrate(bb.Prior(kappa=0.1, mean=1.0), rel_error=0.1))
    assert broken(cmp.identities(VARIANCES)) == set()
    return cmp


VARIANCES = {"a": np.array([[2.0, 0.3], [0.3, 1.0]]), "residual": 1.5}


def through(function, change):
    """The function with its answer changed."""
    return lambda *args, **options: change(function(*args, **options))


def blocks(factor):
    return lambda x: tuple(factor * y for y in x)


def of_posterior(**factors):
    """Answers of Henderson's equations with some fields scaled."""

    def change(g):
        scaled = {k: blocks(f)(getattr(g, k)) if k == "b" else f * getattr(g, k) for k, f in factors.items()}
        return replace(g, **scaled)

    return lambda m: m.setattr(at_variances, "posterior", through(gaussian.posterior, change))


def getter(owner, name, change):
    """A property with its value changed."""
    old = getattr(owner, name)
    read = old.func if hasattr(old, "func") else old.fget
    return lambda m: m.setattr(owner, name, property(lambda self: change(self, read(self))))


def rule(owner, name, change):
    return lambda m: m.setattr(owner, name, through(getattr(owner, name), change))


def wrong_kappa_sign(border, G, h, sigma, kappa):
    g, cov = ORIGINAL(border, G, h, sigma, kappa)
    return (2 * border.g - g, cov) if 0 < kappa < np.inf else (g, cov)


ORIGINAL = gaussian.whitened_posterior
VARIANCE_OF_B = {"cond_var", "pev", "weight", "weight_matrix", "ledger_variance"}
SOLUTION = {"pls", "blp", "kappa_rate"}
LEFT = {
    "beta scaled": (of_posterior(beta=1 + 1e-6), {"gls"} | SOLUTION),
    "BLUP scaled": (of_posterior(b=1 + 1e-6), {"blup"} | SOLUTION),
    "1/sigma^2 dropped": (getter(GaussianPosterior, "cond_cov", lambda g, x: blocks(1 / g.sigma**2)(x)), VARIANCE_OF_B),
    "PEV without its border": (getter(GaussianPosterior, "pev", lambda g, x: g.cond_cov), {"pev", "ledger_variance"}),
    "sign of the covariance": (getter(GaussianPosterior, "cross_cov", lambda g, x: blocks(-1)(x)),
                               {"cross_cov", "ledger_variance"}),
    "Var(beta) scaled": (rule(gaussian, "with_free_part", lambda x: x * (1 + 1e-6)), {"var_beta", "ledger_variance"}),
    "wrong kappa sign": (lambda m: m.setattr(gaussian, "whitened_posterior", wrong_kappa_sign), {"kappa_rate"}),
    "log|W| forgotten": (rule(gaussian, "log_densities", lambda x: (x[0] + 1e-3, x[1] + 1e-3)),
                         {"reml", "evidence", "harville"}),
    "the prior's constant forgotten": (rule(gaussian, "log_densities", lambda x: (x[0], x[1] + 0.9)),
                                       {"evidence", "harville"}),
    "slope in T": (rule(at_variances, "log_marginal", lambda x: (x[0], blocks(1 + 1e-6)(x[1]), x[2])), {"score"}),
    "slope in sigma": (rule(at_variances, "log_marginal", lambda x: (*x[:2], x[2] * (1 + 1e-6))), {"score"}),
    "the weight": (rule(identities, "weights", lambda x: x.assign(estimate=x["estimate"] - 1e-6)), {"weight"}),
    "the offset forgotten": (rule(at_variances, "mean_of", lambda x: x - 1e-3), {"blp"}),
    "sigma^2 of a prediction forgotten": (rule(at_variances, "error_variance", lambda x: x / 2.25), {"blp_variance"}),
    "ML for REML": (rule(collect, "reml_of", lambda e: replace(estimate(e.statistics, "ML"), method="REML")),
                    {"reml_mode"}),
    "a part of the ledger of means": (rule(ledgers, "mean_parts", lambda x: x.assign(theta=x["theta"] + 1e-6)),
                                      {"ledger_mean"}),
    "a part of the ledger of variances": (rule(ledgers, "variance_parts", lambda x: x.assign(movement=0.0)),
                                          {"ledger_variance"}),
}  # fmt: skip


@pytest.mark.parametrize("name", LEFT)
def test_a_broken_ingredient_breaks_its_identities_and_no_others(name, weighted, monkeypatch):
    damage, expected = LEFT[name]
    damage(monkeypatch)
    assert broken(weighted.identities(VARIANCES)) == expected


RIGHT = {
    "slopes at the mode": (rule(collect, "dense_slopes", lambda s: replace(s, by_log_sigma=0.1)), {"reml_mode"}),
    "Lam forgotten in the pseudo-data": (getter(Dense, "pseudo_data", lambda d, x: (x[0], blocks(2.0)(x[1]))), {"pls"}),
    "PEVs scaled in the score": (rule(identities, "score", blocks(1.001)), {"score"}),
    "what the data remove": (getter(Dense, "removed", lambda d, x: blocks(1.001)(x)), {"weight", "total_variance"}),
    "delta forgotten": (rule(at_variances, "predict", lambda x: (x[0] * 1.001, x[1])), {"blp"}),
    "delta forgotten in the error": (rule(at_variances, "predict", lambda x: (x[0], x[1] * 1.001)), {"blp_variance"}),
    "the tower's means": (rule(posterior, "given", lambda x: (x[0] + 1e-5, x[1])), {"tower", "total_variance"}),
    "the tower's variances": (rule(posterior, "given", lambda x: (x[0], x[1] * 1.001)), {"total_variance"}),
    "the density with V": (rule(posterior, "log_density", lambda x: x + 1e-3), {"posterior_density"}),
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_a_broken_textbook_formula_is_seen_too(name, weighted, monkeypatch):
    damage, expected = RIGHT[name]
    damage(monkeypatch)
    assert broken(weighted.identities(VARIANCES)) == expected


def with_points(cmp, change):
    """The comparison with the points of its lattice changed, as if the integral had been wrong from the start."""
    label, post = next((k, a) for k, a in cmp.answers.items() if hasattr(a, "integral"))
    mixture = post.integral.mixture
    wrong = replace(post, integral=replace(post.integral, mixture=change(mixture)))
    return replace(cmp, answers={**cmp.answers, label: wrong})


def points(**changes):
    return lambda m: replace(
        m, points=replace(m.points, **{k: f(getattr(m.points, k)) for k, f in changes.items()})
    )


TOWER = {
    "conditional means": (points(base=lambda x: x * 1.001), {"tower", "total_variance"}),
    "conditional variances": (points(own=lambda x: x * 1.001), {"total_variance"}),
    "least squares drawn to the prior": (points(shrink=lambda x: x * 1.001), {"tower", "total_variance"}),
    "density": (lambda m: replace(m, lattice=replace(m.lattice, log_density=m.lattice.log_density * 1.001)),
                {"posterior_density"}),
    "density along sigma": (points(within=lambda x: x[:, ::-1]), {"posterior_density"}),
}  # fmt: skip


@pytest.mark.parametrize("name", TOWER)
def test_a_broken_integral_is_seen(name, weighted):
    change, expected = TOWER[name]
    assert broken(with_points(weighted, change).identities(VARIANCES)) == expected


@pytest.fixture(scope="module")
def rail():
    model = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail"))
    return bb.compare(model.fit("ML"), model.fit())


def at_zero(e):
    """An estimate that stopped where the variance is zero, its sigma the best one there."""
    there = evaluate(e.statistics, np.zeros(1), "REML")
    return replace(e, theta=there.theta, sigma=there.sigma, beta=there.beta)


ONE_WAY = {
    "n for r": (rule(oneway.OneWay, "estimates", lambda x: x * [1 / 3, 1]), {"oneway_reml", "oneway_ml"}),
    "the closed weight": (rule(oneway.OneWay, "weight", lambda x: x * 0.999), {"oneway_weight"}),
    "the closed determinant": (rule(oneway.OneWay, "log_det", lambda x: x + 1e-3), {"oneway_det"}),
    "ML of the package": (rule(collect, "estimate", lambda e: replace(e, sigma=e.sigma * 1.01)), {"oneway_ml"}),
    "a stop at zero": (rule(collect, "reml_of", at_zero), {"kkt", "oneway_reml"}),
}  # fmt: skip


@pytest.mark.parametrize("name", ONE_WAY)
def test_a_broken_one_way_layout_is_seen(name, rail, monkeypatch):
    damage, expected = ONE_WAY[name]
    damage(monkeypatch)
    assert broken(rail.identities({"Rail": 20.0, "residual": 4.0})) == expected


def test_a_broken_pymc_model_is_seen(rail, monkeypatch):
    from blupbayes.identities import pymc_density

    monkeypatch.setattr(
        pymc_density, "evaluated", through(pymc_density.evaluated, lambda x: (x[0], x[1] + 1e-3))
    )
    assert broken(rail.identities(pymc=True)) == {"pymc"}
