"""model.sensitivity: numbers by brute force and by the table of the literature, verdicts, refusals."""

import doctest
import pickle
from functools import cache

import numpy as np
import pandas as pd
import pytest
import scipy.stats as st

import blupbayes as bb
from blupbayes.compare.sensitivity import COLUMNS
from one_way import one_way

DYESTUFF = bb.load_dataset("dyestuff")
Y, CODES = DYESTUFF["Yield"].to_numpy(float), pd.factorize(DYESTUFF["Batch"], sort=True)[0]
S_Y = float(np.std(Y, ddof=1))
PRIORS = {
    "flat": "flat",
    "HalfCauchy(50)": "HalfCauchy(50)",
    "wide": f"HalfNormal({2.5 * S_Y})",
    "HalfNormal(10)": "HalfNormal(10)",
    "IG": "InverseGamma(.001, .001) on variance",
}
LOG_PRIORS = {
    "flat": lambda a: 0 * a,
    "HalfCauchy(50)": st.halfcauchy(scale=50).logpdf,
    "wide": st.halfnorm(scale=2.5 * S_Y).logpdf,
    "HalfNormal(10)": st.halfnorm(scale=10).logpdf,
    "IG": lambda a: st.invgamma(0.001, scale=0.001).logpdf(a**2) + np.log(2 * a),
}
# As published: sd median and 95 % interval; E(weight), its interval; mean of E and its sd, mean of F. By quadrature,
# sigma flat.
PRINTED = {
    "flat": ((50.5, 16.0, 145.5), (0.778, 0.26, 0.98), (1583.9, 25.0, 1482.8)),
    "HalfCauchy(50)": ((41.6, 10.9, 99.2), (0.710, 0.13, 0.95), (1578.9, 25.4, 1486.7)),
    "wide": ((48.9, 15.4, 126.7), (0.768, 0.24, 0.97), (1583.2, 25.0, 1483.4)),
    "HalfNormal(10)": ((12.5, 0.65, 29.7), (0.218, 0.00, 0.64), (1543.3, 20.9, 1515.0)),
    "IG": ((35.0, 0.08, 100.5), (0.568, 0.00, 0.95), (1568.7, 30.6, 1494.8)),
}
VERDICTS = ["same", "same", "same", "prior-driven", "spike at 0"]


@pytest.fixture(scope="module")
def dyestuff():
    return bb.MixedModel("Yield ~ 1 + (1 | Batch)", DYESTUFF)


@pytest.fixture(scope="module")
def found(dyestuff):
    return dyestuff.sensitivity(PRIORS, levels=["E", "F"])


@pytest.fixture(scope="module")
def rail():
    return bb.MixedModel("travel ~ 1 + (1 | Rail)", bb.load_dataset("rail"))


def rows(frame, prior, component):
    """The rows of one component of one prior."""
    return frame[(frame["prior"] == prior) & (frame["component"] == component)]


@pytest.mark.parametrize("name", PRIORS)
def test_the_numbers_of_the_literature_to_their_digits(found, name):
    frame, (sd, weight, means) = found.to_dataframe(), PRINTED[name]
    mine = rows(frame, name, "sd").iloc[0]
    # Half a unit of the last printed digit; above 100 a whole one, which is less than 1 % of a posterior sd there.
    for value, printed in zip(mine[["estimate", "ci_lb", "ci_ub"]], sd, strict=True):
        unit = 0.01 if printed < 1 else 0.1
        assert abs(value - printed) <= (unit if printed > 100 else 0.51 * unit)
    mine = rows(frame, name, "weight").iloc[0]
    assert mine["estimate"] == pytest.approx(weight[0], abs=0.00051)
    assert mine[["ci_lb", "ci_ub"]].tolist() == pytest.approx(weight[1:], abs=0.0051)
    mine = rows(frame, name, "group_mean")
    assert mine["level"].tolist() == ["E", "F"]
    assert [*mine["estimate"], mine["uncertainty"].iloc[0]] == pytest.approx(
        [means[0], means[2], means[1]],
        abs=0.06,  # half a unit of the last digit, and the error of a hundredth of a posterior sd at most
    )


def test_the_reml_row(found):
    sd, weight = (rows(found.to_dataframe(), "REML plug-in", c).iloc[0] for c in ("sd", "weight"))
    assert sd["estimate"] == pytest.approx(42.0, abs=0.05) and weight["estimate"] == pytest.approx(
        0.783, abs=5e-4
    )
    means = rows(found.to_dataframe(), "REML plug-in", "group_mean")
    assert means["estimate"].tolist() == pytest.approx([1584.2, 1482.5], abs=0.05)
    assert "cond_sd of b 19.59" in means["note"].iloc[0]
    assert set(means["verdict"]) == {"reference"}


@cache
def brute(name):
    """The posterior of Dyestuff under one of the priors."""
    return one_way(Y, CODES, LOG_PRIORS[name])


@pytest.mark.parametrize("name", PRIORS)
def test_everything_is_what_brute_force_says(dyestuff, found, name):
    exact = brute(name)
    frame = found.to_dataframe()
    sd, weight, means = (rows(frame, name, c) for c in ("sd", "weight", "group_mean"))
    unit = sd["uncertainty"].iloc[0]
    quantiles = [exact.sd_quantile(p) for p in (0.5, 0.025, 0.975)]
    # rel_error = 0.01 posterior sds is promised of means and sds; quantiles far out keep about three times that.
    assert sd[["estimate", "ci_lb", "ci_ub"]].iloc[0].tolist() == pytest.approx(quantiles, abs=0.03 * unit)
    spread = weight["uncertainty"].iloc[0]
    assert weight["estimate"].iloc[0] == pytest.approx(exact.weight, abs=0.01 * spread)
    ends = [exact.weight_quantile(p) for p in (0.025, 0.975)]
    assert weight[["ci_lb", "ci_ub"]].iloc[0].tolist() == pytest.approx(ends, abs=0.03 * spread)
    for j, row in zip((4, 5), means.itertuples(), strict=True):
        mean, sd_j = exact.group_mean(j)
        assert row.estimate == pytest.approx(mean, abs=0.01 * sd_j)
        assert row.uncertainty == pytest.approx(sd_j, rel=0.01)
    post = found.posteriors[name]
    assert post.cdf("sd_Batch[Intercept]", 20.0) == pytest.approx(float(exact.sd_below(20.0)), abs=2e-3)


def test_verdicts_of_dyestuff(found):
    frame = found.to_dataframe()
    assert [rows(frame, name, "sd")["verdict"].iloc[0] for name in PRIORS] == VERDICTS
    text = found.verdict()
    assert text.startswith("Batch: neither shrinkage nor variance component robust.")
    assert "Prior-driven: HalfNormal(10) (a group mean moves by" in text and "Spike at 0: IG (13 % of" in text


def test_the_reasons_are_numbers_of_brute_force(found):
    default = one_way(Y, CODES, lambda a: st.t(3, scale=S_Y).logpdf(a))
    ten, ig = brute("HalfNormal(10)"), brute("IG")
    moves = []
    for j in range(6):
        (old, unit), (new, _) = default.group_mean(j), ten.group_mean(j)
        moves.append(abs(new - old) / unit)
    assert found.judged["HalfNormal(10)", "Batch"].moved == pytest.approx(max(moves), abs=0.02)
    near = 0.05 * default.sd_quantile(0.5)
    share = ig.sd_below(near)
    assert found.measured["IG"].below[0] == pytest.approx(share, abs=2e-3) and share > 0.05
    assert found.measured["IG"].beside[0] == pytest.approx(ig.sd_below(2 * near) - share, abs=2e-3)


PUBLISHED = {
    "a": "flat",
    "b": "HalfCauchy(50)",
    "c": "HalfNormal(57.4)",
    "d": "HalfNormal(10)",
    "e": "InverseGamma(.001, .001) on variance",
}


@pytest.mark.parametrize("priors", [None, PUBLISHED])
def test_rail_is_robust_and_its_sd_is_not(rail, priors):
    found = rail.sensitivity(priors)
    assert found.verdict().startswith("Rail: shrinkage robust, variance component not.")
    frame = found.to_dataframe()
    own = frame[frame["prior"].isin([name for name in found.measured if name != "default prior"])]
    weights, sds = own[own["component"] == "weight"], own[own["component"] == "sd"]
    assert weights["estimate"].min() > 0.95 and weights["estimate"].max() < 0.992
    assert sds["ci_ub"].max() == pytest.approx(80, abs=0.5)  # as published: from 20 to 80
    if priors:  # the published set: group means move by less than a unit, weights lie between .966 and .991
        means = own[own["component"] == "group_mean"]
        assert (means.groupby("level")["estimate"].agg(np.ptp) < 1).all()
        assert weights["estimate"].min() > 0.966


def test_an_improper_member_says_why_and_the_others_are_there(dyestuff):
    found = dyestuff.sensitivity({"good": "HalfNormal(50)", "bad": "Flat on log sd"})
    frame = found.to_dataframe()
    bad = frame[frame["prior"] == "bad"]
    assert bad["estimate"].isna().all() and set(bad["verdict"]) == {"no answer"}
    assert "posterior is improper" in bad["note"].iloc[0] and "No answer under bad" in found.verdict()
    assert frame[frame["prior"] == "good"]["estimate"].notna().all()
    assert found.table().loc["bad", "verdict"] == "no answer" and "good" in repr(found)


def test_few_levels_refuse_a_flat_prior_by_name():
    few = DYESTUFF[DYESTUFF["Batch"].isin(["A", "B"])].assign(Batch=lambda d: d["Batch"].astype(str))
    found = bb.MixedModel("Yield ~ 1 + (1 | Batch)", few).sensitivity()
    assert list(found.failed) == ["flat", "IG(.001, .001), not neutral"]
    assert "2 levels of Batch the posterior is improper" in found.failed["flat"]
    assert "sd^-2 only" in found.failed["IG(.001, .001), not neutral"]  # 2.002
    assert set(found.posteriors) > {"default prior", "HalfCauchy(s_y)"}


def test_without_a_default_posterior_reml_is_the_yardstick(dyestuff, monkeypatch):
    from blupbayes.prior_analysis import analyse

    integrate = analyse.integrate

    def refuse(design, statistics, prior, rel_error):
        if rel_error < 0.01:  # the default prior, from whose points others are read, is asked for more
            raise bb.IntegrationError("too many points")
        return integrate(design, statistics, prior, rel_error)

    monkeypatch.setattr(analyse, "integrate", refuse)
    found = dyestuff.sensitivity({"tight": "HalfNormal(10)"})
    assert set(found.posteriors) == {"tight"} and not found.failed
    assert "REML is taken: too many points" in found.verdict()
    # From the BLUP of E, 1584.23, to 1543.31: in units of its pev_sd, by the closed form, not of a posterior sd.
    s2, total, weight = 2451.25, 11271.5, 0.78253
    pev_sd = np.sqrt(weight * s2 / 5 + (1 - weight) ** 2 * total / 30)
    assert found.judged["tight", "Batch"].moved == pytest.approx((1584.23 - 1543.31) / pev_sd, abs=0.005)


def test_an_aliased_column_changes_nothing(dyestuff):
    model = bb.MixedModel("Yield ~ 1 + x + (1 | Batch)", DYESTUFF.assign(x=1.0))
    mine, other = (m.sensitivity({"a": "HalfNormal(10)"}).to_dataframe() for m in (model, dyestuff))
    np.testing.assert_allclose(mine["estimate"], other["estimate"], rtol=1e-6)


def test_a_prior_object_is_taken_as_it_is(dyestuff):
    prior = bb.Prior(sd="HalfNormal(30)", kappa=1e-4, mean=1500)
    found = dyestuff.sensitivity({"mine": prior}).to_dataframe()
    own = dyestuff.integrate(prior)
    mine = rows(found, "mine", "sd").iloc[0]
    assert mine["estimate"] == pytest.approx(own.summary()["median"].iloc[2], rel=1e-3)


def test_several_slopes_and_crossed_groups():
    sleep = bb.MixedModel("Reaction ~ Days + (Days | Subject)", bb.load_dataset("sleepstudy"))
    found = sleep.sensitivity({"a": "HalfNormal(100)", "b": "HalfCauchy(50)"}, levels=["308"])
    frame = found.to_dataframe()
    assert rows(frame, "a", "sd")["term"].tolist() == ["Intercept", "Days"]
    assert rows(frame, "a", "group_mean")["term"].tolist() == ["Intercept", "Days"]
    assert "variance components" in found.verdict()
    crossed = bb.MixedModel("diameter ~ 1 + (1 | plate) + (1 | sample)", bb.load_dataset("penicillin"))
    found = crossed.sensitivity({"tight": "HalfNormal(0.1)"}, levels={"sample": ["A"], "plate": ["a"]})
    assert [*found.levels] == ["sample", "plate"]
    assert {group for _, group in found.judged} == {"plate", "sample"}
    assert "plate: " in found.verdict() and "sample: " in found.verdict()


def test_a_boundary_fit_compares_posteriors_and_not_the_zero():
    model = bb.MixedModel("Yield ~ 1 + (1 | Batch)", bb.load_dataset("dyestuff2"))
    found = model.sensitivity()
    reml = rows(found.to_dataframe(), "REML plug-in", "sd").iloc[0]
    assert (reml["estimate"], reml["ci_lb"]) == (0, 0) and reml["ci_ub"] == pytest.approx(2.514, abs=1e-3)
    assert rows(found.to_dataframe(), "flat", "sd")["verdict"].iloc[0] == "same"
    assert rows(found.to_dataframe(), "flat", "sd")["estimate"].iloc[0] == pytest.approx(0.89, abs=0.01)


def test_known_standard_errors():
    data = bb.load_dataset("eight_schools")
    y, se = (name for name in data if name != "school")
    model = bb.MixedModel(f"{y} ~ 1 + (1 | school)", data, weights=1 / data[se] ** 2, sigma=1)
    found = model.sensitivity({"flat": "flat"}).to_dataframe()
    # Exact, one-dimensional quadrature, as published: median 5.24, 95 % from .242 to 20.75.
    mine = rows(found, "flat", "sd").iloc[0]
    assert mine[["estimate", "ci_lb", "ci_ub"]].tolist() == pytest.approx([5.238, 0.242, 20.75], abs=0.1)


def test_one_level_drives_every_interval(dyestuff):
    narrow = dyestuff.sensitivity({"flat": "flat"}, ci_prob=0.5).to_dataframe()
    exact = brute("flat")
    mine = rows(narrow, "flat", "sd").iloc[0]
    assert mine[["ci_lb", "ci_ub"]].tolist() == pytest.approx(
        [exact.sd_quantile(0.25), exact.sd_quantile(0.75)], rel=0.01
    )


def test_the_answer_does_not_know_the_units(dyestuff):
    model = bb.MixedModel("Yield ~ 1 + (1 | Batch)", DYESTUFF.assign(Yield=DYESTUFF["Yield"] * 1000))
    mine, other = (
        m.sensitivity().to_dataframe().query("prior != 'IG(.001, .001), not neutral'")
        for m in (dyestuff, model)
    )
    scale = np.where(mine["component"] == "weight", 1.0, 1000.0)
    # the lattices are not the same ones: 1 % of an sd
    np.testing.assert_allclose(other["estimate"], scale * mine["estimate"], rtol=5e-3)
    assert mine["verdict"].tolist() == other["verdict"].tolist()


def test_columns_table_and_pickle(found):
    assert found.to_dataframe().columns.tolist() == COLUMNS
    table = found.table()
    assert table.columns.tolist() == [
        "sd(Batch)",
        "E weight(Batch)",
        "Batch E (sd)",
        "Batch F (sd)",
        "verdict",
    ]
    assert table.loc["HalfNormal(10)", "sd(Batch)"] == "12.49 [0.65, 29.72]"
    again = pickle.loads(pickle.dumps(found))
    pd.testing.assert_frame_equal(again.to_dataframe(), found.to_dataframe())
    assert "<table" in found._repr_html_() and "Dyestuff" not in repr(found)


def test_labels_are_escaped_in_html(dyestuff):
    html = dyestuff.sensitivity({"<b> & 50%": "HalfNormal(10)"})._repr_html_()
    assert "<b> &" not in html and html.count("&lt;b&gt; &amp; 50%") == 2


@pytest.mark.parametrize(
    ("priors", "options", "error", "match"),
    [
        ({}, {}, bb.PriorError, "give {label: prior}"),
        ("HalfNormal(10)", {}, bb.PriorError, "give {label: prior}"),
        ({"a": "HalfNormall(10)"}, {}, bb.PriorError, "Did you mean HalfNormal"),
        ({"REML plug-in": "flat"}, {}, bb.PriorError, "already"),
        ({"a": "flat"}, {"levels": ["Z"]}, bb.DataError, "no level 'Z'"),
        ({"a": "flat"}, {"levels": {"batch": "all"}}, bb.DataError, "no grouping factor 'batch'"),
        ({"a": "flat"}, {"ci_prob": 95}, bb.DataError, "ci_prob"),
    ],
)
def test_bad_input_is_refused(dyestuff, priors, options, error, match):
    with pytest.raises(error, match=match):
        dyestuff.sensitivity(priors, **options)


def test_all_levels_on_request(dyestuff):
    found = dyestuff.sensitivity({"flat": "flat"}, levels="all")
    assert rows(found.to_dataframe(), "flat", "group_mean")["level"].tolist() == list("ABCDEF")


def test_by_default_the_lowest_and_the_highest_group(dyestuff):
    assert dyestuff.sensitivity({"flat": "flat"}).levels == {"Batch": ("F", "E")}


@pytest.mark.parametrize(
    "documented",
    [
        bb.MixedModel.sensitivity,
        bb.MixedModel.prior_scale_path,
        bb.comparison.Comparison.verdict,
        bb.comparison.Comparison.methods_text,
        bb.exact_posterior.ExactPosterior.power_scaling,
    ],
    ids=lambda f: f.__name__,
)
def test_examples_run(documented):
    runner = doctest.DocTestRunner()
    (test,) = doctest.DocTestFinder(recurse=False).find(documented, documented.__name__)
    assert test.examples and runner.run(test).failed == 0
