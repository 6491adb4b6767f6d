"""A model that keeps no rows gives the answers of the one that it was made from, or refuses before any work."""

from __future__ import annotations

import logging
from functools import cache
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import blupbayes as bb
from blupbayes.errors import PriorError, RowsNotKeptError
from blupbayes.mme.statistics import reduce
from blupbayes.mme.tails import StatisticsTails
from blupbayes.model.design import build
from rowless import rowless
from test_existence import CASES, frame

CLOSE = 1e-10  # of the largest number of a column


def weighted() -> bb.MixedModel:
    rng = np.random.default_rng(11)
    n = 120
    g = rng.integers(0, 9, n)
    data = pd.DataFrame(
        {
            "y": rng.normal(40, 3, n) + rng.normal(0, 4, 9)[g], "x": rng.normal(size=n), "g": g,
            "w": rng.uniform(0.3, 3, n), "o": rng.normal(5, 1, n),
        }
    )  # fmt: skip
    return bb.MixedModel("y ~ x + I(2 * x) + (x || g)", data, weights="w", offset="o")


def many() -> bb.MixedModel:
    """More random effects than one dense block holds, two nested factors and one across."""
    rng = np.random.default_rng(12)
    n = 500
    a, c = rng.integers(0, 70, n), rng.integers(0, 5, n)
    data = pd.DataFrame({"x": rng.normal(3, 1, n), "a": a, "b": a % 8, "c": c})
    data["y"] = rng.normal(size=n) + rng.normal(size=70)[a] + rng.normal(size=5)[c] + data["x"]
    return bb.MixedModel("y ~ x + (x | a) + (1 | b) + (1 | c)", data)


def schools() -> bb.MixedModel:
    data = bb.load_dataset("eight_schools")
    return bb.MixedModel("y ~ 1 + (1 | school)", data, weights=1 / data["se"] ** 2, sigma=1.0)


def arrays() -> bb.MixedModel:
    rng = np.random.default_rng(13)
    codes = np.repeat(np.arange(6), 5)
    X = pd.DataFrame({"one": np.ones(30), "x": rng.normal(size=30)})
    y = rng.normal(size=30) + rng.normal(0, 2, 6)[codes]
    return bb.MixedModel.from_arrays(y, X, {"g": (codes, np.ones((30, 1)))})


def shipped(name: str, formula: str):
    return lambda: bb.MixedModel(formula, bb.load_dataset(name))


MODELS = {
    "sleepstudy": shipped("sleepstudy", "Reaction ~ Days + (Days | Subject)"),
    "crossed": shipped("penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)"),
    "nested": shipped("pastes", "strength ~ 1 + (1 | batch/cask)"),
    "factor slopes": shipped("machines", "score ~ Machine + (Machine | Worker)"),
    "weights, offset, aliased": weighted,
    "known sigma": schools,
    "many": many,
    "arrays": arrays,
}


@cache
def pair(name: str) -> tuple[bb.MixedModel, bb.MixedModel]:
    logging.disable(logging.CRITICAL)  # of aliased columns, and of boundaries
    model = MODELS[name]()
    return model, rowless(model)


@cache
def fits(name: str):
    return tuple(model.fit() for model in pair(name))


@cache
def posteriors(name: str):
    return tuple(model.integrate() for model in pair(name))


def same(left, right, *, size: float = 0.0) -> None:
    """Text and labels equal, numbers to CLOSE of `size` or of the largest of their column."""
    assert type(left) is type(right)
    if isinstance(left, pd.DataFrame):
        assert list(left.columns) == list(right.columns) and left.index.equals(right.index)
        for name in left:
            same_column(left[name].to_numpy(), right[name].to_numpy(), str(name), size)
    elif isinstance(left, np.ndarray):
        same_column(left, right, "", size)
    else:
        assert left == right


def same_column(x: np.ndarray, y: np.ndarray, name: str, size: float) -> None:
    if x.dtype.kind != "f":
        assert x.tolist() == y.tolist(), name
        return
    largest = max(size, np.abs(x[np.isfinite(x)]).max(initial=0.0))
    np.testing.assert_allclose(y, x, rtol=0, atol=CLOSE * largest, err_msg=name)


OF_A_FIT = {
    "repr": repr,
    "html": lambda f: f._repr_html_(),
    "satterthwaite": lambda f: f.summary(df="satterthwaite"),
    "kenward-roger": lambda f: f.summary(df="kenward-roger"),
    "tidy": lambda f: f.tidy(),
    "icc": lambda f: f.icc(),
    "marginal means": lambda f: f.marginal_means(),
    "anova": lambda f: f.anova(),
    "wald": lambda f: f.confint("wald"),
    "varcorr": lambda f: f.varcorr(),
    "certificate": lambda f: (str(f.certificate), f.messages, f.aic, f.bic, f.n_obs),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_fit(name):
    one, two = fits(name)
    assert repr(pair(name)[0]) == repr(pair(name)[1])
    for what in OF_A_FIT.values():
        same(what(one), what(two))


@pytest.mark.parametrize("name", ["sleepstudy", "crossed", "known sigma"])
def test_profiles_and_tests_of_random_terms(name):
    one, two = fits(name)
    same(one.confint(), two.confint())
    if name != "known sigma":
        same(one.ranova(), two.ranova())


@pytest.mark.parametrize("name", ["sleepstudy", "weights, offset, aliased", "factor slopes"])
def test_new_rows(name):
    model = pair(name)[0]
    new = model.source.data.head(7).copy()
    new[model.design.groups[0].name] = ["new", *new[model.design.groups[0].name].astype(str).tolist()[1:]]
    same(*(f.predict(new, new_levels="population", ci_prob=0.9) for f in fits(name)))


@pytest.mark.parametrize("name", ["sleepstudy", "weights, offset, aliased", "many"])
def test_henderson(name):
    at = fits(name)[0]
    for what in (
        lambda m: m.solve(at, 0.01).tidy(),
        lambda m: m.kappa_path(at, [1.0, 0.0]),
        lambda m: m.pooling_path(at, [0.0, 1.0, np.inf]),
        lambda m: m.pool("complete").tidy(),
    ):
        same(*map(what, pair(name)))


@pytest.mark.parametrize("name", ["sleepstudy", "crossed", "known sigma"])
def test_posteriors(name):
    one, two = posteriors(name)
    same(one.tidy(), two.tidy())
    assert repr(one) == repr(two)
    new = pair(name)[0].source.data.head(5)
    same(one.predict(new, weights=np.full(5, 2.0)), two.predict(new, weights=np.full(5, 2.0)))
    again = [p.reweight(bb.Prior(sd="HalfNormal(20)")).summary() for p in (one, two)]
    same(*again, size=1.0)  # errors are shares of a posterior sd
    drawn = [p.draw(50, 2, random_seed=1) for p in (one, two)]
    for variable in drawn[0]["posterior"].data_vars:
        same(*(d["posterior"][variable].to_numpy() for d in drawn))
    assert set(drawn[1].children) == {"posterior", "log_prior"}


@pytest.mark.parametrize("name", MODELS)
def test_default_priors(name):
    one, two = (bb.Prior().resolve(m.design) for m in pair(name))
    assert str(one) == str(two)
    assert one.residual_scale == pytest.approx(two.residual_scale, rel=1e-13)
    for a, b in zip(one.groups, two.groups, strict=True):
        np.testing.assert_allclose(a.scales, b.scales, rtol=1e-13)


@pytest.mark.parametrize("package", ["rstanarm", "bambi", "blme", "inla"])
@pytest.mark.parametrize("name", ["crossed", "weights, offset, aliased", "arrays"])
def test_priors_of_packages(package, name):
    def found(model):
        try:
            return bb.Prior.like(package, model).filled(model.design)
        except PriorError as refusal:
            return str(refusal)

    one, two = map(found, pair(name))
    if isinstance(one, str):
        assert one == two
        return
    same(one.mean, two.mean)
    same(one.precision, two.precision)
    assert [line[0] for line in one.lines()] == [line[0] for line in two.lines()]
    for a, b in zip(one.groups, two.groups, strict=True):
        np.testing.assert_allclose(a.scales, b.scales, rtol=1e-13)
        assert [d.name for d in a.sds] == [d.name for d in b.sds]
        for x, y in zip(a.sds, b.sds, strict=True):
            np.testing.assert_allclose(x.args, y.args, rtol=1e-13)


def test_priors_that_no_stream_can_know():
    model = weighted()
    unknown = rowless(model, middle=False)
    with pytest.raises(PriorError, match=r"median of y.*in numbers"):
        bb.Prior.like("brms", unknown)
    with pytest.raises(PriorError, match=r"median weight.*residual='HalfStudentT"):
        unknown.integrate()
    stated = bb.Prior(kappa=0.1, residual="HalfNormal(5)")
    same(*(m.integrate(stated).summary().drop(columns="err_mean") for m in (model, unknown)))


def test_side_by_side(tmp_path):
    rail = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail"))
    both = rail, rowless(rail)
    one, two = (m.compare(columns=("complete pooling", "mode")) for m in both)
    same(one.to_dataframe(), two.to_dataframe())
    for of in ("mean", "variance"):
        table = one.ledger(of)
        same(table, two.ledger(of), size=float(table[["blup", "plug_in"][of == "variance"]].abs().max()))
    assert str(one.verdict()) == str(two.verdict())
    assert one.methods_text() == two.methods_text()
    same(*(m.sensitivity().to_dataframe() for m in both))
    same(*(m.prior_scale_path(scales=[5.0, 50.0]) for m in both))
    same(one.plot_shrinkage().data, two.plot_shrinkage().data)
    two.report(tmp_path / "report.md")
    text = (tmp_path / "report.md").read_text()
    assert "| travel |  |  | 66.5 |" in text and "rows came in batches" in text


def test_identities_that_need_rows_are_left_out_with_a_word():
    found = fits("sleepstudy")[1]
    table = bb.compare(found).identities()
    assert table.index.tolist() == ["reml_mode"] and table["holds"].all()
    assert "keeps no rows" in table.attrs["remarks"][0]


def log_density(model, sigma, sd):
    """log p of the collapsed PyMC model, on the log scale, and the model."""
    built = model.to_pymc(
        bb.Prior(sd="HalfNormal(9)", residual="HalfNormal(9)"), parameterization="collapsed"
    )
    point = {"sigma_log__": np.log(sigma), "sd_Rail_log__": np.log([sd])}
    assert set(point) == {v.name for v in built.value_vars}
    return float(built.compile_logp()({name: np.asarray(value) for name, value in point.items()})), built


def test_collapsed_pymc():
    pytest.importorskip("pymc")
    rail = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail"))
    values = [log_density(m, 4.0, 20.0) for m in (rail, rowless(rail))]
    assert values[0][0] == pytest.approx(values[1][0], rel=1e-12)
    assert "obs" not in values[1][1].coords
    post = rowless(rail).sample(
        parameterization="collapsed", draws=20, tune=20, chains=1, cores=1, random_seed=1, progressbar=False
    )
    assert np.isfinite(post.tidy()["estimate"].drop_duplicates().dropna()).all()
    assert np.isfinite(post.averages.mean).all()


NEEDS_ROWS = {
    "residuals": lambda m: m.fit().residuals(),
    "fitted": lambda m: m.fit().fitted(),
    "leverage": lambda m: m.fit().leverage(),
    "quantile residuals": lambda m: m.fit().quantile_residuals(),
    "own rows": lambda m: m.fit().predict(),
    "simulate": lambda m: m.fit().simulate(),
    "refit": lambda m: m.fit().refit(np.zeros(180)),
    "bootstrap": lambda m: m.fit().bootstrap(10**9),
    "bootstrap intervals": lambda m: m.fit().confint("bootstrap", n=10**9),
    "bootstrap p": lambda m: m.fit().ranova(bootstrap=10**9),
    "influence": lambda m: m.fit().influence(),
    "anova": lambda m: bb.anova(m.fit(), m.fit()),
    "coverage": lambda m: bb.coverage(m, m.fit(), n=10**9),
    "calibrate": lambda m: m.calibrate(bb.Prior(kappa=1.0), 10**9),
    "prior predictive": lambda m: m.prior_predictive(bb.Prior(kappa=1.0)),
    "no pooling": lambda m: m.pool("none"),
    "no pooling, compared": lambda m: m.compare(columns=("no pooling",), rel_error=1e-9),
    "drop": lambda m: m.drop([0]),
    "update": lambda m: m.update(". ~ . - Days"),
    "own rows, posterior": lambda m: posteriors("sleepstudy")[1].predict(),
    "loo": lambda m: posteriors("sleepstudy")[1].loo(),
    "logo": lambda m: posteriors("sleepstudy")[1].logo(),
    "hierarchical": lambda m: m.to_pymc(),
    "auto": lambda m: m.sample(draws=10**9),
}


@pytest.mark.parametrize("what", NEEDS_ROWS)
def test_refusals(what):
    hint = (
        "parameterization='collapsed'" if what in ("hierarchical", "auto") else r"MixedModel\(formula, data\)"
    )
    with pytest.raises(RowsNotKeptError, match=f"needs the rows of the data.*{hint}"):
        NEEDS_ROWS[what](pair("sleepstudy")[1])


@pytest.mark.parametrize(
    "what", ["residuals", "fitted", "leverage", "quantile residuals", "own rows", "simulate"]
)
def test_refusals_come_before_work(what):
    fit = rowless(MODELS["sleepstudy"]()).fit()
    with pytest.raises(RowsNotKeptError):
        NEEDS_ROWS[what](SimpleNamespace(fit=lambda: fit))
    assert "solved" not in vars(fit)


CHAINS = [case for case in CASES if "C(g)" not in case[0]]  # as many columns of X as levels: not with many


@pytest.mark.parametrize(
    ("formula", "prior", "expected", "repeats"), [*((*c, 1) for c in CASES), *((*c, 40) for c in CHAINS)]
)
def test_exponents_from_the_statistics(formula, prior, expected, repeats):
    """Of one dense block, and of a chain."""
    data = frame()
    more = [
        data.assign(
            g=data["g"] + 5 * k, x=data["x"] + 0.1 * k * data["h"], w=data["w"] + k, v=data["v"] * (-1.5) ** (k % 7)
        )
        for k in range(repeats)
    ]  # fmt: skip
    data = pd.concat(more, ignore_index=True)
    design = build(formula, data)
    statistics = reduce(design)
    flat = prior.resolve(design).flat
    stored, rows = StatisticsTails(statistics).beside(flat), design.measures.tails.beside(flat)
    assert stored.rank == rows.rank
    assert stored.exponent(0, np.ones(1)) == rows.exponent(0, np.ones(1)) == expected + 5 * (repeats - 1)
    assert not StatisticsTails(statistics).saturated and not design.measures.tails.saturated


@pytest.mark.parametrize(
    "formula", ["y ~ x + (x | g)", "y ~ x + w + (x | g) + (1 | h)", "y ~ 1 + (1 | h) + (x | g)"]
)
@pytest.mark.parametrize("J", [5, 90])
def test_exponents_of_terms_and_of_further_factors(formula, J):
    design = build(formula, frame(J, 6 * J))
    flat = np.eye(len(design.fixed_names))
    stored = StatisticsTails(reduce(design)).beside(flat)
    rows = design.measures.tails.beside(flat)
    for k, g in enumerate(design.groups):
        for start, stop in [(0, 1), (0, len(g.names)), (len(g.names) - 1, len(g.names))]:
            c = design.measures.combination(k, start, stop)
            assert stored.exponent(k, c) == rows.exponent(k, c)


@pytest.mark.parametrize("J", [5, 150])
def test_levels_without_a_value_do_not_count(J):
    data = frame(J, 6 * J).assign(x=lambda d: np.where(d["g"] == 0, 0.0, d["x"]))
    design = build("y ~ 1 + (0 + x | g)", data)
    assert StatisticsTails(reduce(design)).beside(np.eye(1)).exponent(0, np.ones(1)) == J - 1


@pytest.mark.parametrize(("n", "found"), [(24, True), (48, False)])
def test_saturated_models_are_found_from_the_statistics(n, found):
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"y": rng.normal(size=n), "x": rng.normal(size=n), "g": np.arange(n) % 12})
    design = build("y ~ x + (x | g)", data, sigma=1.0)
    assert StatisticsTails(reduce(design)).saturated == design.measures.tails.saturated == found


def test_a_residual_prior_that_a_saturated_model_makes_improper():
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"y": rng.normal(size=24), "x": rng.normal(size=24), "g": np.arange(24) % 12})
    model = bb.MixedModel("y ~ x + (x || g)", data)
    for m in (model, rowless(model)):
        with pytest.raises(PriorError, match="reach every observation"):
            m.integrate(bb.Prior(residual="Flat on log sd"))
