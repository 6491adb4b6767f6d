"""The tables that users see: compare() of the classical models against published tables and quadrature.

`mean` and `posterior_sd` of the long table, row by row, against tests/reference/posterior; the table of the Rail
example as a teacher would print it, whose digits were computed by quadrature outside this package.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import blupbayes as bb

FOLDER = Path(__file__).parent / "reference" / "posterior"
SHARE = 1e-4  # of a posterior sd: what is asked of the integral, and more digits than tables print
MODELS = {
    "Rail-intercept": ("rail", "travel ~ 1 + (1 | Rail)"),
    "Dyestuff-intercept": ("dyestuff", "Yield ~ 1 + (1 | Batch)"),
    "Dyestuff2-intercept": ("dyestuff2", "Yield ~ 1 + (1 | Batch)"),
    "sleepstudy-slope_correlated": ("sleepstudy", "Reaction ~ Days + (Days | Subject)"),
    "Penicillin-plate_sample": ("penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)"),
    "eight_schools": ("eight_schools", "y ~ 1 + (1 | school)"),
}


def read(name):
    return json.loads((FOLDER / f"{name}-quadrature.json").read_text())


def model_of(name):
    """The model, and its reference's prior."""
    data, formula = MODELS[name]
    frame, found = bb.load_dataset(data), read(name)
    known = {"weights": 1 / frame["se"] ** 2, "sigma": 1.0} if data == "eight_schools" else {}
    prior = f"HalfStudentT({found['priors']['nu']}, {found['priors']['scale_s']})"
    model = bb.MixedModel(formula, frame, **known)
    return model, bb.Prior(sd=prior, residual=None if known else prior), found["parameters"]


def key(name, model):
    """component, group, level, term of a reference's name."""
    first, *rest = name.split(".")
    rest = ["Intercept" if part == "(Intercept)" else part for part in rest]
    group = model.design.groups[0].name
    if first in ("mu", "beta"):
        return "fixed", "", "", rest[0] if rest else "Intercept"
    if first == "rho":
        return "corr", group, "", ", ".join(model.design.groups[0].names)
    if first == "sigma_e":
        return "sd", "residual", "", ""
    if first == "tau":
        return "sd", group, "", "Intercept"
    if first == "theta":
        return "group_mean", group, rest[0], "Intercept"
    if first == "b" and len(rest) == 1:
        return "b", group, rest[0], "Intercept"
    return (first, rest[0], "", rest[1]) if first == "sd" else ("b", rest[0], rest[1], rest[2])


@pytest.mark.parametrize("name", MODELS)
def test_every_posterior_mean_and_sd_of_the_table(name):
    """Within the error that the table states: every digit that it prints."""
    model, prior, truth = model_of(name)
    post = model.integrate(prior, rel_error=SHARE)
    table = bb.compare(model.fit(), post).to_dataframe()
    mine = table[table["estimator"] == "integrate"].set_index(["component", "group", "level", "term"])
    checked = 0
    for parameter, found in truth.items():
        row = mine.loc[key(parameter, model)]
        assert row["estimate"] == pytest.approx(found["mean"], abs=SHARE * found["sd"]), parameter
        assert row["uncertainty"] == pytest.approx(found["sd"], rel=SHARE), parameter
        assert row["uncertainty_kind"] == "posterior_sd"
        checked += 1
    assert checked >= len(mine[mine.index.get_level_values(0).isin(["fixed", "sd", "corr", "b"])])


RAIL = {  # a half-normal prior with sd 57.4 of sd(Rail), a flat one of sigma: mean, sd, 95 % interval
    ("fixed", "", "", "Intercept"): (66.50, 13.90, None),
    ("sd", "Rail", "", "Intercept"): (31.58, 12.42, (16.2, 63.6)),
    ("sd", "residual", "", ""): (4.52, None, (2.98, 7.14)),
    ("weight", "Rail", "2", "Intercept"): (0.9899, None, None),
    ("b", "Rail", "1", "Intercept"): (-12.37, 14.07, None),
    ("b", "Rail", "2", "Intercept"): (-34.48, 14.07, None),
    ("b", "Rail", "3", "Intercept"): (17.98, 14.07, None),
    ("b", "Rail", "4", "Intercept"): (29.20, 14.07, None),
    ("b", "Rail", "5", "Intercept"): (-16.33, 14.07, None),
    ("b", "Rail", "6", "Intercept"): (16.00, 14.07, None),
    ("group_mean", "Rail", "2", "Intercept"): (32.02, 2.69, None),
}


def printed(value, expected):
    """A number as it stands in a table: half a unit of its last digit."""
    digits = len(f"{expected:.4f}".rstrip("0").split(".")[1])
    return value == pytest.approx(expected, abs=0.51 * 10.0**-digits)


def test_the_rail_table_of_a_class():
    """To 1 % of a posterior sd, and to the digits printed where those say less."""
    model = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail"))
    prior = bb.Prior(sd="HalfNormal(57.4)", residual="HalfFlat")
    table = bb.compare(model.fit("ML"), model.fit("REML"), model.integrate(prior, rel_error=1e-3)).table
    rows = table.set_index(["estimator", "component", "group", "level", "term"])
    for where, (mean, sd, interval) in RAIL.items():
        row = rows.loc[("integrate", *where)]
        assert abs(row["estimate"] - mean) <= max(0.01 * row["uncertainty"], 0.0051), where
        assert sd is None or printed(row["uncertainty"], sd), where
        if interval:
            assert printed(row["ci_lb"], interval[0]) and printed(row["ci_ub"], interval[1]), where
    blup = rows.loc[("REML", "b", "Rail", "2", "Intercept")]
    assert printed(blup["estimate"], -34.53) and printed(blup["uncertainty"], 10.34)
    assert printed(rows.loc[("ML", "b", "Rail", "2", "Intercept"), "estimate"], -34.47)
    assert printed(rows.loc[("ML", "sd", "Rail", "", "Intercept"), "estimate"], 22.62)
    assert printed(rows.loc[("REML", "group_mean", "Rail", "2", "Intercept"), "uncertainty"], 2.31)


def test_the_wide_table_of_rail_fits_a_terminal():
    model = bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail"))
    text = model.compare().to_text(width=100)
    assert max(map(len, text.splitlines())) <= 100
    assert {"ML", "REML", "MME", "integrate"} <= set(text.split())
