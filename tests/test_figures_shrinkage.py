"""The shrinkage figures show the numbers that they say."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import same_color

import blupbayes as bb
from blupbayes.show.figures.rows import chosen, ordered
from figure_checks import check, compared, texts

# Rail, balanced one-way: weight .99133 = 3 x 615.311 / (3 x 615.311 + 16.1667), mean 66.5 (see docs/theory.md).
WEIGHT = 3 * 615.3111 / (3 * 615.3111 + 16.16667)


@pytest.fixture(scope="module")
def rail():
    return compared("rail").plot_shrinkage()


def rows(result, estimator):
    return result.data[result.data["estimator"] == estimator].set_index("level")


def test_raw_blup_and_shift_of_rail(rail):
    raw = bb.load_dataset("rail").astype({"Rail": str}).groupby("Rail")["travel"].mean()
    found, blup = rows(rail, "raw"), rows(rail, "REML")
    # Raw means are sums of three numbers; the weight above is rounded to seven digits.
    np.testing.assert_allclose(found["estimate"], raw[found.index], rtol=1e-13)
    np.testing.assert_allclose(blup["estimate"], 66.5 + WEIGHT * (raw[blup.index] - 66.5), rtol=1e-7)
    np.testing.assert_allclose(blup["shift"], (1 - WEIGHT) * (66.5 - raw[blup.index]), rtol=1e-4)
    np.testing.assert_allclose(blup["weight"], WEIGHT, rtol=1e-6)
    half = 1.959964 * np.sqrt(16.16667 / 3)
    np.testing.assert_allclose(found["ci_ub"] - found["estimate"], half, rtol=1e-6)


def test_points_stand_where_the_data_are(rail):
    for ax, column in zip(rail.axes, ("estimate", "shift"), strict=True):
        blue = [x for x in ax.get_lines() if same_color(x.get_color(), "#0072B2") and x.get_marker() == "s"]
        shown = np.sort(np.concatenate([x.get_xdata() for x in blue]))
        np.testing.assert_array_equal(shown, np.sort(rows(rail, "REML")[column]))


def test_the_figure_says_that_the_shifts_have_a_scale_of_their_own(rail):
    assert len(rail.axes) == 2 and "scale of its own" in rail.caption
    assert "95 %" in rail.caption and "equal-tailed" in rail.caption
    wide = compared("dyestuff2").plot_shrinkage()
    assert len(wide.axes) == 1 and "scale of its own" not in wide.caption


def test_the_words_are_about_the_largest_shift(rail):
    assert rail.alt.startswith("Shrinkage of Intercept for six levels of Rail")
    assert "at most 0.30" in rail.alt and "Rail 2 moves most, from 31.67 to 31.97" in rail.alt
    assert "toward 66.50" in rail.alt


def test_the_margin_has_rows_and_weights(rail):
    assert sum("0.991" in text and "3" in text for text in texts(rail.fig)) == 6


def test_rows_are_sorted(rail):
    raw = rows(rail, "raw")["estimate"]
    labels = [t.get_text() for t in rail.axes[0].get_yticklabels()]  # from the top
    assert labels == raw.sort_values(ascending=False).index.tolist()


def test_orders_and_choices():
    levels = pd.DataFrame(
        {
            "level": list("abc"),
            "estimate": [5.0, 1, 2],
            "raw": [np.nan, 9, 3],
            "shift": [0, -8, 1],
            "n": [2, 1, 3],
        }
    )
    assert ordered(levels, "raw") == ["c", "a", "b"]  # a has no raw value: its estimate counts
    assert ordered(levels, "shift") == ["a", "c", "b"]
    assert ordered(levels, "n") == ["b", "a", "c"]
    assert ordered(levels, "level") == ["c", "b", "a"]
    assert chosen(list("abcdefghi"), 3, 99) == ["a", "e", "i"] and chosen(list("abc"), None, 2) == ["a", "c"]


@pytest.fixture(scope="module")
def plane():
    return compared("sleepstudy").plot_shrinkage()


def test_the_plane_of_sleepstudy(plane):
    check(plane)
    points = plane.data.set_index(["estimator", "level"])[["Intercept", "Days"]]
    # ux.md, lesson 8: subject 335 goes from (263.0, -2.88) to (251.1, -.28); centre 251.405, 10.467.
    assert points.loc[("raw", "335")].tolist() == pytest.approx([263.03, -2.88], abs=0.01)
    assert points.loc[("REML", "335")].tolist() == pytest.approx([251.1, -0.28], abs=0.03)
    assert points.loc[("complete", "")].tolist() == pytest.approx([251.405, 10.467], abs=1e-3)


def test_ellipses_hold_the_shares_that_they_say(plane):
    curves = [line.get_xydata() for line in plane.axes[0].get_lines() if len(line.get_xdata()) == 200]
    sd, r = np.array([24.7404, 5.9221]), 0.06555  # REML estimates of lme4
    inverse = np.linalg.inv(np.outer(sd, sd) * np.array([[1, r], [r, 1]]))
    for curve, share in zip(curves, (0.1, 0.3, 0.5, 0.7, 0.9), strict=True):
        away = curve - [251.405, 10.467]
        distance = np.einsum("ni,ij,nj->n", away, inverse, away)
        # Mahalanobis distance in two dimensions is exponential; the estimates above have five digits.
        np.testing.assert_allclose(1 - np.exp(-distance / 2), share, rtol=1e-3)


def test_arrows_lead_from_raw_to_partial_pooling(plane):
    points = plane.data.set_index(["estimator", "level"])[["Intercept", "Days"]]
    ends = {(tuple(a.xyann), tuple(a.xy)) for a in plane.axes[0].texts if a.arrow_patch is not None}
    assert ends == {
        (tuple(points.loc[("raw", level)]), tuple(points.loc[("REML", level)]))
        for level in points.loc["raw"].index
    }


def test_a_level_with_too_few_rows_has_no_raw_point():
    data = bb.load_dataset("sleepstudy").astype({"Subject": str})
    sparse = data[(data["Subject"] != "308") | (data["Days"] == 0)]
    model = bb.MixedModel("Reaction ~ Days + (Days | Subject)", sparse)
    result = bb.compare(model.fit()).plot_shrinkage()
    raw = rows(result, "raw")
    assert raw.loc["308", ["Intercept", "Days"]].isna().all() and raw["Days"].notna().sum() == 17
    assert "One level without a raw value" in result.caption and "nan" not in result.alt
    one = bb.compare(model.fit()).plot_shrinkage(term="Days")
    assert np.isnan(rows(one, "raw").loc["308", "estimate"]) and rows(one, "REML")["estimate"].notna().all()
    check(one)
