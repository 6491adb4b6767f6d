"""Densities, variances, forest: the curves and points are those of the answers."""

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from scipy import stats

import blupbayes as bb
from figure_checks import check, compared, schools, texts


@pytest.fixture(scope="module")
def dyestuff():
    return compared("dyestuff")


def test_plug_in_densities_are_normal(dyestuff):
    result = dyestuff.plot_densities()
    fit = dyestuff.answers["REML"]
    b, means = fit.ranef().set_index("level"), fit.group_means().set_index("level")
    for level, own in result.data.groupby("level"):
        mean = means.loc[level, "estimate"]
        expected = stats.norm.pdf(own["value"], mean, b.loc[level, "cond_sd"])
        np.testing.assert_allclose(own["eb_cond_sd"], expected, rtol=1e-9)
        np.testing.assert_allclose(
            own["eb_pev_sd"], stats.norm.pdf(own["value"], mean, means.loc[level, "pev_sd"]), rtol=1e-9
        )
        # From the 0.1 % to the 99.9 % quantile; the trapezoidal rule on 200 points adds less than 1e-3.
        assert np.trapezoid(own["posterior"], own["value"]) == pytest.approx(0.998, abs=1e-3)
    full = dyestuff.answers["integrate"].group_means().set_index("level")["posterior_sd"]
    ratio = full["F"] / b.loc["F", "cond_sd"]
    assert f"sd \u00d7 {ratio:.2f}" in texts(result.fig)


def test_a_zero_variance_is_drawn_as_a_point_mass():
    result = compared("dyestuff2").plot_densities()
    assert texts(result.fig).count("EB: point mass") == 6 and "EB: point mass" in result.caption
    assert result.data["eb_cond_sd"].isna().all() and result.data["eb_pev_sd"].notna().all()
    assert "estimated as zero" in result.alt and "point mass at 5.666" in result.alt
    arrows = [a for ax in result.axes for a in ax.texts if getattr(a, "arrow_patch", None) is not None]
    assert [a.xy[0] for a in arrows] == pytest.approx([5.6656] * 6, abs=1e-4)


def test_twelve_of_eighteen_by_rank():
    result = compared("sleepstudy").plot_densities(term="Days")
    assert len(result.axes) == 12 and "12 of 18 levels" in result.caption
    fit = compared("sleepstudy")._tables.raw.query("term == 'Days'").set_index("level")["estimate"]
    assert {fit.idxmin(), fit.idxmax()} <= set(result.data["level"])


@pytest.fixture(scope="module")
def variances(dyestuff):
    return dyestuff.plot_variances()


def test_the_words_of_variances(dyestuff, variances):
    mean = dyestuff.answers["integrate"].summary().loc["sd_Batch[Intercept]", "mean"]
    assert f"sd(Batch, Intercept) {mean:.2f}" in variances.alt and "42.00 by REML" in variances.alt
    assert "95 % equal-tailed" in variances.alt


def test_variances_of_dyestuff(variances):
    result = variances
    own = result.data[result.data["group"] == "Batch"]
    ticks = own[own["kind"] == "estimate"].set_index("estimator")["value"]
    assert ticks.to_dict() == pytest.approx({"ML": 37.26, "REML": 42.00}, abs=0.01)  # published
    profile = own[own["kind"] == "profile"]
    # lme4's 95 % profile limits 12.20 and 84.06 are where the likelihood has fallen to exp(-1.96^2/2).
    at = np.interp([12.1985, 84.0632], profile["value"], profile["density"])
    np.testing.assert_allclose(at, np.exp(-(1.959964**2) / 2), rtol=0.02)  # interpolated between half units
    prior = own[own["kind"] == "prior"]
    s = float(np.std(bb.load_dataset("dyestuff")["Yield"], ddof=1))
    np.testing.assert_allclose(prior["density"], 2 * stats.t.pdf(prior["value"] / s, 3) / s, rtol=1e-9)
    posterior = own[own["kind"] == "posterior"]
    assert np.trapezoid(posterior["density"], posterior["value"]) == pytest.approx(0.99, abs=2e-3)


def test_a_known_residual_sd_is_no_estimate_of_the_posterior():
    result = schools().compare().plot_variances()
    assert len(result.axes) == 1 and "integrate" not in texts(result.fig)
    ticks = result.data[result.data["kind"] == "estimate"].set_index("estimator")["value"]
    assert ticks.to_dict() == {"ML": 0.0, "REML": 0.0}  # MME is solved at REML's variances


def test_the_forest_is_the_long_table(dyestuff):
    result = dyestuff.plot_forest("b")
    table = dyestuff.to_dataframe().query("component == 'b'").reset_index(drop=True)
    keys = ["level", "estimator"]
    merged = result.data.merge(table, on=keys, suffixes=("", "_table"))
    assert len(merged) == len(table)
    for column in ("estimate", "ci_lb", "ci_ub"):
        np.testing.assert_array_equal(merged[column], merged[f"{column}_table"])
    normal = result.data[result.data["estimator"] == "REML"]
    half = stats.norm.ppf(0.75) * normal["uncertainty"]
    np.testing.assert_allclose(normal["inner_ub"] - normal["estimate"], half, rtol=1e-12)
    thick = [
        c for c in result.axes[0].collections if isinstance(c, LineCollection) and c.get_linewidth()[0] > 2
    ]
    ends = sorted(float(segment[1, 0]) for c in thick for segment in c.get_segments())
    assert ends == pytest.approx(sorted(result.data["inner_ub"]))


def test_answers_in_a_row_do_not_lie_on_each_other(dyestuff):
    lines = [line for line in dyestuff.plot_forest().axes[0].get_lines() if len(line.get_xdata()) == 6]
    heights = np.array([line.get_ydata() for line in lines])
    assert heights.shape == (3, 6) and np.all(np.abs(np.diff(heights, axis=0)) > 0.15)
    assert np.all(np.abs(heights - np.arange(6)) < 0.5)


def test_components_are_never_mixed():
    result = compared("sleepstudy").plot_forest("sd")
    assert set(result.data["component"]) == {"sd"} and len(result.axes) == 3
    assert "No interval: ML, REML" in result.caption


@pytest.fixture(scope="module")
def three():
    given = {"half-Cauchy": "HalfCauchy(25)", "IG": "InverseGamma(1, 1) on variance", "flat": "flat"}
    return schools().sensitivity(given)


@pytest.mark.parametrize("width", ["174mm", "84mm", "slide"])
def test_prior_and_posterior_of_an_sd_can_be_read(three, width):
    check(three.plot_sds(width=width))


def test_a_panel_per_prior(three):
    result = three.plot_sds(priors=["IG", "half-Cauchy", "flat"])
    assert [ax.get_title(loc="left") for ax in result.axes] == ["IG", "half-Cauchy", "flat"]
    own = result.data[(result.data["prior"] == "IG") & (result.data["kind"] == "prior")]
    sd = own["value"].to_numpy()
    np.testing.assert_allclose(own["density"], 2 * sd * stats.invgamma.pdf(sd**2, 1), rtol=1e-9, atol=1e-300)
    assert not ((result.data["prior"] == "flat") & (result.data["kind"] == "prior")).any()
    assert "No prior is drawn under flat" in result.caption
    low, middle, high = three.posteriors["half-Cauchy"].quantile("sd_school[Intercept]", [0.025, 0.5, 0.975])
    assert f"{middle:.2f} [{low:.3f}, {high:.1f}]" in texts(result.fig)
    assert f"{middle:.2f} under half-Cauchy" in result.alt
    posterior = result.data[(result.data["prior"] == "IG") & (result.data["kind"] == "posterior")]
    assert np.trapezoid(posterior["density"], posterior["value"]) == pytest.approx(1.0, abs=0.01)
    assert len({ax.get_xlim() for ax in result.axes}) == 1


def test_a_posterior_that_is_not_there_is_named(three):
    with pytest.raises(bb.errors.ComparisonError, match=r"'wide'.*IG"):
        three.plot_sds(priors=["wide"])
    with pytest.raises(bb.errors.ComparisonError, match=r"sd\(school, Days\)"):
        three.plot_sds(term="Days")
