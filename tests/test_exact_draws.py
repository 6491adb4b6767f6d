"""Independent draws: their distribution functions, read off the lattice, are uniform."""

import numpy as np
import pytest
from scipy.stats import kstest

import blupbayes as bb
from blupbayes.bayes.exact_draws import draw

N = 2000
MODELS = {
    "rail": ("rail", "travel ~ 1 + (1 | Rail)", {}, {}),
    "rail, prior on beta": ("rail", "travel ~ 1 + (1 | Rail)", {}, {"kappa": 0.01, "mean": 50.0}),
    "penicillin": ("penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)", {}, {}),
    "sleepstudy": ("sleepstudy", "Reaction ~ Days + (Days | Subject)", {}, {}),
    "schools": ("eight_schools", "y ~ 1 + (1 | school)", {"sigma": 1.0}, {}),
}


def drawn(name, seed=1):
    data, formula, options, prior = MODELS[name]
    frame = bb.load_dataset(data)
    weights = 1 / frame["se"] ** 2 if data == "eight_schools" else None
    model = bb.MixedModel(formula, frame, weights=weights, **options)
    post = model.integrate(bb.Prior(**prior), rel_error=1e-3)
    return model, post, draw(post.integral, N, np.random.default_rng(seed))


@pytest.mark.parametrize("name", MODELS)
def test_draws_are_uniform_in_their_distribution_functions(name):
    model, post, d = drawn(name)
    seen = {f"beta[{term}]": d.beta[:, k] for k, term in enumerate(model.design.fixed_names)}
    k = 0
    for g, b, R in zip(model.design.groups, d.b, d.corrs, strict=True):
        for j, term in enumerate(g.names):
            seen[f"sd_{g.name}[{term}]"] = d.sds[:, k]
            seen[f"b_{g.name}[{g.levels[0]},{term}]"] = b[:, 0, j]
            k += 1
        if len(g.names) == 2:
            seen[f"corr_{g.name}[{g.names[1]},{g.names[0]}]"] = R[:, 1, 0]
    if model.design.sigma is None:
        seen["sigma"] = d.sigma
    for what, values in seen.items():
        assert kstest(post.cdf(what, values), "uniform").pvalue > 1e-4, what  # about 25 tests, one fixed seed


def test_a_sum_has_the_spread_of_its_parts_together():
    """beta and b move together: the group means are far narrower than either."""
    _, post, d = drawn("rail")
    means = d.beta[:, [0]] + d.b[0][:, :, 0]
    table = post.group_means()
    assert means.mean(axis=0) == pytest.approx(
        table["estimate"], abs=4.5 * table["posterior_sd"].max() / N**0.5
    )
    assert means.std(axis=0) == pytest.approx(
        table["posterior_sd"], rel=0.1
    )  # 4 standard errors of an sd are 6 %


def test_a_seed_makes_the_same_draws():
    first, second = drawn("rail", 5)[2], drawn("rail", 5)[2]
    assert np.array_equal(first.sigma, second.sigma) and np.array_equal(first.b[0], second.b[0])
