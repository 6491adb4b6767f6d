"""Names and values of parameters are those of a Fit."""

import numpy as np
import pytest

import blupbayes as bb
from blupbayes.frequentist.parameters import parameter_names, parameter_values
from random_models import KINDS
from test_gaussian import case


@pytest.mark.parametrize("kind", KINDS)
def test_values_are_those_of_variances(kind):
    from blupbayes.variances import Variances

    _, statistics, theta = case(kind)
    thetas = np.stack([theta, 2.0 * theta, -theta])
    beta, sigma = np.arange(3.0 * len(statistics.fixed_names)).reshape(3, -1), np.array([1.0, 2.0, 3.0])
    names, found = parameter_names(statistics), parameter_values(statistics, beta, thetas, sigma)
    assert len(names) == found.shape[1] == len(set(names))
    table = [dict(zip(names, row, strict=True)) for row in found]
    for b in range(3):
        known = Variances.from_factors(statistics.groups, statistics.factors(thetas[b]), sigma[b])
        assert table[b]["sigma"] == sigma[b]
        for g in statistics.groups:
            for name in g.names:
                assert table[b][f"sd_{g.name}[{name}]"] == pytest.approx(known.sd(g.name)[name], rel=1e-12)
        for name in names:
            if name.startswith("corr_"):
                group, pair = name.removeprefix("corr_").rstrip("]").split("[")
                one, other = pair.split(",")
                assert table[b][name] == pytest.approx(known.corr(group).loc[one, other], rel=1e-12)
    fixed = found[:, : len(statistics.fixed_names)]
    assert np.array_equal(np.isnan(fixed[0]), ~np.isin(np.arange(fixed.shape[1]), statistics.kept))


def test_names_are_those_of_a_posterior():
    model = bb.MixedModel("Reaction ~ Days + (Days | Subject)", bb.load_dataset("sleepstudy"))
    assert parameter_names(model.statistics) == [
        "beta[Intercept]", "beta[Days]", "sigma", "sd_Subject[Intercept]", "sd_Subject[Days]",
        "corr_Subject[Days,Intercept]",
    ]  # fmt: skip


def test_a_known_sigma_is_no_parameter_and_a_zero_sd_has_no_correlation():
    _, statistics, _ = case("slope")
    from dataclasses import replace

    known = replace(statistics, sigma=1.0)
    assert "sigma" not in parameter_names(known)
    beta = np.zeros((1, len(statistics.fixed_names)))
    values = parameter_values(known, beta, np.array([[1.0, 0.0, 0.0]]), np.ones(1))[0]
    assert values[-3:-1].tolist() == [1.0, 0.0] and np.isnan(values[-1])
