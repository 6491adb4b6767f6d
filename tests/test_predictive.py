"""Exact posterior predictions against brute force, against draws, and against what combinations say already."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import halfnorm, norm

import blupbayes as bb
from blupbayes.bayes import predictive
from blupbayes.bayes.combine import combine
from blupbayes.bayes.leave_out import predictor
from blupbayes.errors import DataError, NewLevelError
from blupbayes.mme import layout
from conftest import STORAGES
from contract import close
from oracle import Oracle

COLUMNS = ["mean", "sd_mean", "ci_lb", "ci_ub", "sd_prediction", "pi_lb", "pi_ub"]


@pytest.fixture(scope="module")
def sleep():
    return bb.MixedModel("Reaction ~ Days + (Days | Subject)", bb.load_dataset("sleepstudy"))


@pytest.fixture(scope="module")
def post(sleep):
    return sleep.integrate()


def one_way():
    rng = np.random.default_rng(5)
    g = np.repeat(np.arange(4), 3)
    w = rng.uniform(0.5, 2.0, 12)
    y = 5 + 1.5 * rng.normal(size=4)[g] + rng.normal(size=12) / np.sqrt(w)
    return pd.DataFrame({"g": g, "y": y, "w": w, "o": rng.normal(size=12)})


def brute_force(frame, kappa, prior_mean, weight):
    """Weights of a grid of (sd, sigma) and, for an old and a new group, means and variances (k, 2) and noise (k, 2)."""
    X, Z = np.ones((12, 1)), (frame["g"].to_numpy()[:, None] == np.arange(4)).astype(float)
    x, z = np.ones((2, 1)), np.array([[0.0, 1, 0, 0], [0, 0, 0, 0]])
    log, rows = [], []
    for s in np.exp(np.linspace(-9, 3.5, 90)):
        for sigma in np.exp(np.linspace(-1.5, 2.5, 40)):
            o = Oracle(
                frame["y"].to_numpy(), X, Z, s**2 * np.eye(4), sigma, frame["w"], frame["o"].to_numpy()
            )
            if kappa:
                C = Z @ o.Sigma @ z.T + X @ x.T / kappa
                delta = np.linalg.solve(o.V + X @ X.T / kappa, C)
                mean = x[:, 0] * prior_mean + delta.T @ (o.e - X[:, 0] * prior_mean)
                variance = np.sum((z @ o.Sigma) * z, axis=1) + 1 / kappa - np.sum(C * delta, axis=0)
                value = -0.5 * o.evidence(kappa, m=prior_mean)
            else:
                mean, variance = o.blp(x, z)
                value = -0.5 * o.reml()
            value += halfnorm.logpdf(s, scale=3) + halfnorm.logpdf(sigma, scale=2) + np.log(s * sigma)
            log.append(value)
            rows.append((mean, variance, sigma**2 / weight + np.array([0.0, s**2])))
    w = np.exp(np.array(log) - max(log))
    return w / w.sum(), *np.moveaxis(np.array(rows), 1, 0)


@pytest.mark.parametrize("kappa", [0.0, 0.5])
def test_one_way_model_against_a_grid_with_V_written_out(kappa):
    """Means, sds and interval ends within rel_error = 1e-4 posterior sds of the grid, with room for its own."""
    frame, new = one_way(), {"g": [1, 9], "o": [0.3, -0.2]}
    model = bb.MixedModel("y ~ 1 + (1 | g)", frame, weights="w", offset="o")
    prior = bb.Prior(kappa=kappa, mean=2.0, residual="HalfNormal(2)", sd="HalfNormal(3)")
    post = model.integrate(prior, rel_error=1e-4)
    found = post.predict(new, new_levels="population", ci_prob=0.9, weights=[2.0, 2.0])
    w, means, variances, noise = brute_force(frame, kappa, 2.0, 2.0)
    means = means + np.array(new["o"])
    mean = w @ means
    for sd, spread, ends in (
        ("sd_mean", variances, ("ci_lb", "ci_ub")),
        ("sd_prediction", variances + noise, ("pi_lb", "pi_ub")),
    ):
        expected = np.sqrt(w @ (spread + (means - mean) ** 2))
        close(found["mean"], mean, expected.min(), tolerance=3e-4)
        close(found[sd], expected, expected.min(), tolerance=3e-4)
        for end, prob in zip(ends, (0.05, 0.95), strict=True):
            below = w @ norm.cdf(found[end].to_numpy(), means, np.sqrt(spread))
            assert below == pytest.approx([prob, prob], abs=2e-4), end


def test_own_rows_are_the_combinations_that_they_are(sleep, post):
    found, mixture = post.predict(), combine(post.integral, predictor(sleep.design))
    moments, ends = mixture.linear(mixture.weights), mixture.linear_quantiles([0.025, 0.975])
    close(found["mean"], moments.mean, tolerance=1e-12)
    close(found["sd_mean"], moments.sd, tolerance=1e-10)
    close(found[["ci_lb", "ci_ub"]], ends.T, tolerance=1e-8)  # roots, found to 1e-6 of an sd
    assert (
        list(found) == COLUMNS
        and found.attrs["ci_prob"] == 0.95
        and found.attrs["kind"].startswith("posterior")
    )


def test_a_row_is_the_group_mean_that_it_names(post):
    means = post.group_means().query("term == 'Intercept'")
    found = post.predict({"Subject": means["level"].tolist(), "Days": 0.0})
    close(found["mean"], means["estimate"], tolerance=1e-12)
    close(found["sd_mean"], means["posterior_sd"], tolerance=1e-10)


def drawn(model, post, frame, seed, **chosen):
    """Draws of mean and new observation (S, m) of rows of a frame, b of the chosen coefficients, else drawn anew."""
    tree = post.draw(5000, 2, seed)["posterior"]
    flat = {k: v.values.reshape(-1, *v.shape[2:]) for k, v in tree.data_vars.items()}
    rng, S = np.random.default_rng(seed), len(flat["beta"])
    rows = model.design.encode(frame)
    mean = flat["beta"] @ rows.X.T + (0.0 if rows.offset is None else rows.offset)
    new = np.zeros_like(mean)
    for g in model.design.groups:
        sd, q = flat[f"sd_{g.name}"], len(g.names)
        R = flat.get(f"corr_{g.name}", np.broadcast_to(np.eye(q), (S, q, q)))
        L = np.linalg.cholesky(R) * sd[:, :, None]
        for i, code in enumerate(rows.codes[g.name]):
            fresh = np.einsum("sab,sb->sa", L, rng.normal(size=(S, q)))
            for a, name in enumerate(g.names):
                takes = chosen.get(g.name, g.names) if code >= 0 else ()
                target, b = (mean, flat[f"b_{g.name}"][:, code]) if name in takes else (new, fresh)
                target[:, i] += rows.columns[g.name][i, a] * b[:, a]
    sigma = flat["sigma"] if "sigma" in flat else np.full(S, model.design.sigma)
    return mean, mean + new + sigma[:, None] * rng.normal(size=mean.shape) / np.sqrt(
        np.asarray(frame.get("w", 1.0))
    )


def held(found, mean, new, prob=0.95):
    """Moments and shares beyond the ends within 5 Monte Carlo errors of independent draws."""
    S = len(mean)
    tail = (1 - prob) / 2
    for sample, sd, low, high in (
        (mean, "sd_mean", "ci_lb", "ci_ub"),
        (new, "sd_prediction", "pi_lb", "pi_ub"),
    ):
        sds = sample.std(axis=0)
        assert np.all(np.abs(sample.mean(axis=0) - found["mean"]) < 5 * sds / np.sqrt(S))
        fourth = np.mean((sample - sample.mean(axis=0)) ** 4, axis=0) / sds**4
        assert np.all(np.abs(sds / found[sd] - 1) < 5 * np.sqrt((fourth - 1) / (4 * S)))
        for share in (
            (sample < found[low].to_numpy()).mean(axis=0),
            (sample > found[high].to_numpy()).mean(axis=0),
        ):
            assert np.all(np.abs(share - tail) < 5 * np.sqrt(tail * (1 - tail) / S))


def crossed():
    rng = np.random.default_rng(9)
    a, c, x = np.repeat(np.arange(8), 10), np.tile(np.arange(10), 8), rng.normal(size=80)
    y = 3 + x + rng.normal(size=8)[a] + 0.5 * rng.normal(size=8)[a] * x + rng.normal(size=10)[c]
    frame = pd.DataFrame({"a": a, "c": c, "x": x, "o": rng.normal(size=80), "w": rng.uniform(0.5, 2, 80)})
    frame["y"] = y + frame["o"] + rng.normal(size=80) / np.sqrt(frame["w"])
    return frame


CROSSED_NEW = pd.DataFrame(
    {
        "a": [0, 7, 99, 99, 3],
        "c": [9, 0, 4, 77, 77],
        "x": [0.0, 2.0, 1.0, -1.0, 0.5],
        "o": 0.7,
        "w": [1, 2, 0.5, 1, 1],
    }
)
PRIORS = {
    "flat beta": bb.Prior(residual="HalfNormal(2)", sd="HalfNormal(2)"),
    "normal beta": bb.Prior(kappa=0.5, mean=1.0, residual="HalfNormal(2)", sd="HalfNormal(2)"),
    "student t beta": bb.Prior(kappa=0.5, mean=1.0, nu=4.0, residual="HalfNormal(2)", sd="HalfNormal(2)"),
}


@pytest.mark.parametrize("prior", PRIORS)
def test_crossed_factors_new_levels_weights_and_offset_against_draws(prior):
    model = bb.MixedModel("y ~ x + (x || a) + (1 | c)", crossed(), weights="w", offset="o")
    post = model.integrate(PRIORS[prior])
    found = post.predict(CROSSED_NEW, new_levels="population", weights="w")
    held(found, *drawn(model, post, CROSSED_NEW, 1))


def test_in_any_storage(monkeypatch):
    """One lattice, other factors: to rounding, and quantiles to 1e-6 of an sd."""
    found = []
    for settings in STORAGES.values():
        with monkeypatch.context() as patch:
            for name, value in settings.items():
                patch.setattr(layout, name, value)
            model = bb.MixedModel("y ~ x + (1 | a) + (1 | c)", crossed(), weights="w", offset="o")
            post = model.integrate(PRIORS["normal beta"])
        found.append(post.predict(CROSSED_NEW, new_levels="population"))
    for other in found[1:]:
        close(other, found[0], found[0]["sd_mean"].min(), tolerance=3e-6)


def test_a_subset_of_correlated_effects_against_draws(sleep, post):
    new = pd.DataFrame({"Subject": ["308", "309", "new"], "Days": [9.0, 2.0, 5.0]})
    found = post.predict(new, random="Subject[Intercept]", new_levels="population", ci_prob=0.8)
    held(found, *drawn(sleep, post, new, 2, Subject=("Intercept",)), prob=0.8)


def test_a_known_residual_sd():
    frame = bb.load_dataset("eight_schools")
    model = bb.MixedModel("y ~ 1 + (1 | school)", frame, weights=1 / frame["se"] ** 2, sigma=1.0)
    post = model.integrate(bb.Prior(sd="HalfNormal(10)"))
    own = post.predict()
    noise = own["sd_prediction"] ** 2 - own["sd_mean"] ** 2
    close(noise, frame["se"] ** 2, tolerance=1e-10)


def test_dependent_columns_under_a_proper_prior():
    """x2 = 1 + 2 x: a row that keeps to it does not see the direction that only the prior knows; against draws."""
    frame = crossed().assign(x2=lambda d: 1 + 2 * d["x"])
    model = bb.MixedModel("y ~ x + x2 + (1 | a)", frame)
    post = model.integrate(bb.Prior(kappa=0.05, residual="HalfNormal(2)", sd="HalfNormal(2)"))
    new = pd.DataFrame({"a": [0, 0], "x": [0.5, 0.5], "x2": [2.0, 7.0]})
    found = post.predict(new)
    held(found, *drawn(model, post, new, 3))
    assert found.loc[0, "sd_mean"] < 1 < 5 < found.loc[1, "sd_mean"]
    b = np.zeros(8)
    b[0] = 1.0
    A = np.array([[1.0, 0.5, 2.0, *b], [1.0, 0.5, 7.0, *b]])
    mixture = combine(post.integral, A)
    close(mixture.linear(mixture.weights).sd, found["sd_mean"], tolerance=1e-10)


def test_shift_and_scale_of_y(post):
    """y -> 5 y + 1000, the default prior follows: 1e-6 of an sd (the same lattice up to rounding of its start)."""
    data = bb.load_dataset("sleepstudy")
    other = bb.MixedModel(
        "Reaction ~ Days + (Days | Subject)", data.assign(Reaction=1000 + 5 * data["Reaction"])
    )
    new = {"Subject": ["308", "new"], "Days": [3.0, 4.0]}
    one, two = (p.predict(new, new_levels="population") for p in (post, other.integrate()))
    shifted = 5 * one + np.array([1000 * (not name.startswith("sd")) for name in COLUMNS])
    close(two, shifted, 5 * one["sd_mean"].min(), tolerance=1e-3)


def test_few_numbers_at_once_give_the_same(post, monkeypatch):
    before = post.predict().iloc[:30]
    monkeypatch.setattr(predictive, "STORED", 20_000)
    monkeypatch.setattr(predictive, "NUMBERS", 5_000)
    rows = bb.load_dataset("sleepstudy").iloc[:30]
    close(post.predict(rows), before, before["sd_mean"].min(), tolerance=3e-6)  # quantiles: to 1e-6 of an sd


def test_the_interval_of_a_new_group_is_wider_than_the_plug_in_one():
    """Six rails: the variances are hardly known."""
    model = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail"))
    new = {"Rail": ["new"]}
    exact = model.integrate().predict(new, new_levels="population").iloc[0]
    plug_in = model.fit().predict(new, new_levels="population", ci_prob=0.95).iloc[0]
    assert exact["pi_lb"] < plug_in["pi_lb"] and plug_in["pi_ub"] < exact["pi_ub"]


def test_bad_requests_are_refused(post):
    with pytest.raises(NewLevelError, match="Subject 'new' was not in the fit"):
        post.predict({"Subject": ["new"], "Days": [1.0]})
    with pytest.raises(DataError, match=r"ci_prob=1\.0 is not a probability"):
        post.predict(ci_prob=1.0)
    with pytest.raises(DataError, match="no such random effect"):
        post.predict(random="Subjects")
    assert post.predict(pd.DataFrame({"Subject": [], "Days": []}).astype({"Subject": str})).shape == (0, 7)
