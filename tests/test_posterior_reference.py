"""Draws against deterministic quadrature (tests/reference/posterior, its README says how it was made).

Every mean, sd and quantile is compared in units of its Monte Carlo standard error and the error of the reference.
At most 0.2 % of all of them may be further off than 4, none further than 5. For correct draws these scores have a
root mean square near 1 (0.5 to 1.8 over many seeds, as the scores of one run are correlated); a biased sampler has a
larger one.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from blupbayes.bayes.sampling import sample
from blupbayes.datasets import load_dataset
from blupbayes.model.design import build
from blupbayes.model.prior import Prior

FOLDER = Path(__file__).parent / "reference" / "posterior"
QUANTILES = {"q5": 0.05, "q25": 0.25, "q50": 0.5, "q75": 0.75, "q95": 0.95}


def rail():
    return build("travel ~ 1 + (1 | Rail)", load_dataset("rail"))


def sleepstudy():
    return build("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))


def penicillin():
    return build("diameter ~ 1 + (1 | plate) + (1 | sample)", load_dataset("penicillin"))


def schools():
    data = load_dataset("eight_schools")
    return build("y ~ 1 + (1 | school)", data, weights=1 / data["se"] ** 2, sigma=1.0)


CASES = {
    "Rail-intercept": (rail, Prior(residual="HalfStudentT(3, 25)", sd="HalfStudentT(3, 25)")),
    "sleepstudy-slope_correlated": (
        sleepstudy,
        Prior(residual="HalfStudentT(3, 50)", sd="HalfStudentT(3, 50)"),
    ),
    "Penicillin-plate_sample": (
        penicillin,
        Prior(residual="HalfStudentT(3, 2)", sd="HalfStudentT(3, 2)"),
    ),
    "eight_schools": (schools, Prior(sd="HalfStudentT(3, 10)")),
}


def draws(data, design):
    """{name in the reference: draws (chain, draw)}."""
    posterior = data["posterior"]
    out = {f"beta.{name}": posterior["beta"].values[:, :, k] for k, name in enumerate(design.fixed_names)}
    if design.sigma is None:
        out["sigma_e"] = posterior["sigma"].values
    for g in design.groups:
        for k, term in enumerate(g.names):
            out[f"sd.{g.name}.{term}"] = posterior[f"sd_{g.name}"].values[:, :, k]
            for j, level in enumerate(g.levels):
                out[f"b.{g.name}.{level}.{term}"] = posterior[f"b_{g.name}"].values[:, :, j, k]
        if f"corr_{g.name}" in posterior:
            out["rho"] = posterior[f"corr_{g.name}"].values[:, :, 1, 0]
    return {name.replace("Intercept", "(Intercept)"): values for name, values in out.items()}


def school_names(drawn):
    """The short names of the reference of the eight schools."""
    mu, tau = drawn["beta.(Intercept)"], drawn["sd.school.(Intercept)"]
    b = {name.split(".")[2]: values for name, values in drawn.items() if name.startswith("b.")}
    effects = {f"b.{level}": values for level, values in b.items()}
    return {"mu": mu, "tau": tau} | effects | {f"theta.{level}": mu + values for level, values in b.items()}


def scores(values, reference):
    """|estimate - reference| / error, for the mean, the sd and five quantiles."""
    from arviz_stats.base.array import array_stats

    def error(**options):
        return float(array_stats.mcse(values, chain_axis=0, draw_axis=1, **options))

    found = {"mean": (values.mean(), error(method="mean")), "sd": (values.std(ddof=1), error(method="sd"))}
    for name, prob in QUANTILES.items():
        found[name] = np.quantile(values, prob), error(method="quantile", prob=prob)
    return [
        abs(estimate - reference[name]) / np.hypot(mcse, reference["err"][name])
        for name, (estimate, mcse) in found.items()
    ]


RUNS = [
    ("Rail-intercept", "noncentered"),
    ("Rail-intercept", "centered"),
    ("Rail-intercept", "collapsed"),
    ("sleepstudy-slope_correlated", "noncentered"),
    ("sleepstudy-slope_correlated", "centered"),
    ("sleepstudy-slope_correlated", "collapsed"),
    ("eight_schools", "auto"),
    ("eight_schools", "collapsed"),
    ("Penicillin-plate_sample", "auto"),
    ("Penicillin-plate_sample", "collapsed"),
]


@pytest.mark.parametrize(("case", "parameterization"), RUNS)
def test_draws_agree_with_quadrature(case, parameterization):
    make, prior = CASES[case]
    design = make()
    data, found = sample(
        design,
        prior,
        parameterization=parameterization,
        draws=2500,
        tune=1000,
        chains=4,
        random_seed=20,
    )
    drawn = draws(data, design)
    if case == "eight_schools":
        drawn = school_names(drawn)
    reference = json.loads((FOLDER / f"{case}-quadrature.json").read_text(encoding="utf-8"))["parameters"]
    assert set(drawn) == set(reference)
    score = np.concatenate([scores(drawn[name], reference[name]) for name in reference])
    assert score.size == 7 * len(reference)
    assert score.max() < 5
    assert np.mean(score > 4) <= 0.002
    assert np.sqrt(np.mean(score**2)) < 2
    assert found["r_hat"] < 1.02
    assert found["divergences"] <= 20  # of 10 000; the seeds that were tried gave 0 to 2
